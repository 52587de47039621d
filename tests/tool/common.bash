# common.bash -- what every test of a tool loads: the tools are on PATH, and each test works in a folder of its own.
TOP=$(realpath "$BATS_TEST_DIRNAME/../..")
BUILD=${BUILD:-$TOP/build}
SHARED=$TOP/../shared
PATH=$BUILD:$PATH

setup() { cd "$BATS_TEST_TMPDIR"; }
