# memory.bats -- no memory: each tool says so in one line, exit 4, and leaves nothing; and limits of the address space end in time.
load common
load faults

setup_file() { faulty; }

# each SAMPLES COMMAND...: so many places of the command's run, evenly spread, where memory ends. It must write to new or to standard
# output.
each() {
    local samples=$1 count i rc
    shift
    rm -rf new*
    RN_FAIL_COUNT=count hit 0 memory "$@" || { echo "$*"; cat err; return 1; }
    count=$(sed -n 's/^memory //p' count)
    for ((i = 1; i <= samples && i <= count; i++)); do
        local at=$((samples < count ? 1 + i * (count - 1) / samples : i))
        rm -rf new*
        rc=0; hit $at memory "$@" || rc=$?
        [ $rc = 4 ] && [ "$(wc -l < err)" = 1 ] && grep -qE "^$1: .*(memory|cannot start a thread)" err && [ -z "$(find . -maxdepth 2 -name 'new*' -type f)" ] || {
            echo "$* at $at of $count: exit $rc"
            cat err
            return 1
        }
    done
}

all() {
    each 6 rn-list photos -o new
    each 6 rn-split all.rn -o new
    each 6 rn-pick label=glass all.rn -o new
    each 6 rn-show all.rn
    each 6 rn-show -l model/last.rn
    each 6 rn-score test.rn
    each 12 rn-import -q "$TOP/tests/fixtures/import/beside/beside.pth" -o new
    each 6 rn-export model/last.rn -o new.onnx
    each 6 rn-predict -j 1 -m model/last.rn val.rn -o new
    each 6 rn-train -a resnet20 -q -j 1 train.rn -o new
}

@test "whichever allocation fails, there is one line, exit 4 and no file" {
    all
    each 6 rn-augment -j 1 -r affine --split all all.rn -o new
    each 6 rn-batch -j 1 --train --size 33 all.rn -o new
}

@test "... and when there is no more memory for anybody, from then on" {
    export RN_FAIL_ALL=1
    all
}

@test "... and when it is a library that gets none" {
    export RN_FAIL_ANY=1
    rn-export model/last.rn -o model.safetensors
    each 25 rn-import model.safetensors -o new
}

@test "a limit of the address space: the work is done, or exit 4, but nobody waits for ever" {
    for limit in 100000 250000 300000 400000; do
        rm -rf new
        rc=0; (ulimit -v $limit; timeout -s KILL 300 rn-train -q -j 2 train.rn -o new > out 2> err) || rc=$?
        [ $rc = 0 ] || { [ $rc = 4 ] && [ "$(wc -l < err)" = 1 ]; } || { echo "$limit: exit $rc"; cat err; false; }
    done
    (ulimit -v 100000; fails 4 "OpenBLAS needs 128 MiB of addresses" rn-predict -m model/last.rn val.rn)
}
