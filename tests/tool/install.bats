# make install: what it puts in place runs from there, and needs nothing of the tree.
load common

setup_file() { lab "$BATS_FILE_TMPDIR/lab"; }
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/lab/." .; }

@test "installed tools and pipelines run from a folder with spaces in its name" {
    build=$(realpath --relative-to="$TOP" "$BUILD")
    root="$PWD/some where"
    make -s -C "$TOP" B="$build" DESTDIR="$root" PREFIX=/usr install
    PATH=$(getconf PATH):$(dirname "$(command -v parallel)")
    ! command -v rn-list || false
    PATH="$root/usr/bin:$PATH"
    for tool in rn-list rn-split rn-pick rn-show rn-batch rn-train rn-predict rn-score; do
        [ "$(command -v $tool)" = "$root/usr/bin/$tool" ]
        [[ $($tool -V) == "$tool (recyclenet) "* ]]
        # the man page, found as man finds it
        ! command -v man >/dev/null || [ "$(man -M "$root/usr/share/man" -w $tool)" = "$root/usr/share/man/man1/$tool.1" ]
    done
    for name in train evaluate classify; do
        rn-pipe-$name --help | grep -q "^usage: rn-pipe-$name "
    done
    cp -rL photos "my photos"
    rn-pipe-train "my photos" -o "my run" -t none -e 1 -b 4 --size 32 --lr 0.01 >out
    [ -s "my run/best.rn" ]
    [ -s "my run/last.rn" ]
    [ -s "my run/test.rn" ]
    grep -q "^Acc@1" out
    # again: it is done, and says the score
    cp "my run/last.rn" kept.rn
    rn-pipe-train "my photos" -o "my run" -t none -e 1 -b 4 --size 32 --lr 0.01 >again
    cmp kept.rn "my run/last.rn"
    cmp <(grep "^Acc@1" out) <(grep "^Acc@1" again)
    rn-pipe-evaluate "my photos" -m "my run/best.rn" --json | jq -e '.n == 12 and .errors == 0'
    rn-pipe-classify "my photos" -m "my run/best.rn" >table
    [ "$(wc -l <table)" = 13 ]
    [ "$(head -c 3 table)" = "id	" ]
    # --precision goes to the tools: the CPU device has no other than fp32
    for pipeline in "evaluate -m" "train -o other --init"; do
        rc=0; rn-pipe-$pipeline "my run/best.rn" --precision bf16 "my photos" >out 2>err || rc=$?
        [ $rc = 2 ]
        grep -q "device cpu: it computes in fp32 only" err
    done
    # an empty folder, a model that is not there, a folder that is not there
    mkdir empty
    rn-pipe-classify empty -m "my run/best.rn" >table || [ $? = 1 ]
    [ "$(wc -l <table)" = 1 ]
    for pipeline in rn-pipe-classify rn-pipe-evaluate; do
        rc=0; $pipeline "my photos" -m none.rn >out 2>err || rc=$?
        [ $rc = 4 ]
        grep -q "none.rn" err
        # what is not there is to classify an error of that operand alone
        rc=0; $pipeline nowhere -m "my run/best.rn" >out 2>err || rc=$?
        [ $rc = "$([ $pipeline = rn-pipe-classify ] && echo 1 || echo 4)" ]
        cat out err | grep -q "nowhere"
        rc=0; $pipeline --no-such 2>err || rc=$?
        [ $rc = 2 ]
    done
    make -s -C "$TOP" B="$build" DESTDIR="$root" PREFIX=/usr uninstall
    [ -z "$(find "$root" -type f)" ]
}

@test "the pipelines of the tree find the build beside them" {
    PATH=$(getconf PATH):$(dirname "$(command -v parallel)")
    [ "$(realpath "$BUILD")" = "$(realpath -m "$TOP/build")" ] || skip "the build is not in the tree's build/"
    ! command -v rn-list || false
    "$TOP/pipelines/classify" -m model/last.rn photos >table
    [ "$(wc -l <table)" = 13 ]
    ln -s "$TOP/pipelines/evaluate" link
    ./link photos -m model/last.rn --json | jq -e '.n == 12'
}
