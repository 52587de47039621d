# tests/cuda/gpu-verify on the doubles, at its smallest: what it says of speed is nonsense, but it runs from beginning to end.
# tests/cuda/suites.mk sets the environment.

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir b
    ln -s "$BUILD"/rn-* "$BUILD/draw" "$BUILD/bench" b/
    export BUILT=1 DEPTHS=18 PRECISIONS=bf16 BATCHES=4 SIZE=32 PHOTOS=1 EPOCHS=1
    export LD_LIBRARY_PATH=$DOUBLES RN_DOUBLE_KERNELS=$SHIM RN_DOUBLE_GUARD=0 RN_DOUBLE_RACES=0
}

@test "the report has a section for each thing, and counts" {
    gpus=1 sections=6
    if [ -n "${RN_FULL-}" ]; then gpus=2 sections=7 PHOTOS=2; fi
    RN_DOUBLE_GPUS=$gpus "$BATS_TEST_DIRNAME/gpu-verify" "$PWD/b" "$PWD/b/report.md" >out
    cmp out b/report.md
    [ "$(grep -c '^## ' out)" = $sections ]
    for line in '- operators: not run: it is not built' '| cuda | feed, read | [0-9]' '| cuda | feed with copies, hand over | [0-9]' '- cuda, bf16: passed' '- broken off and resumed, bf16: passed' \
        "- a photo's probabilities do not depend on its batch, bf16: passed" '| ResNet-18 | bf16 | 4 | [0-9]' \
        '| ResNet-18 | bf16 | 1 | not run: too few photos' '| ResNet-18 | bf16 | 4 | not run: too few photos' \
        "- a photo's probabilities depend on neither its batch nor its place, ResNet-18, bf16: passed"; do
        grep -q "^$line" out
    done
    [ "$(grep -c '^| ResNet-18 | bf16 | 4 | [0-9]' out)" = 2 ] # with engines that were tried, and the first
    [ $gpus = 1 ] || { grep -q '^- cuda:0,1, bf16: passed' out; grep -q '^| 2 | [0-9]' out; }
    grep -qE '^[0-9]+ passed, 0 failed, [0-9]+ not run\. [0-9]+ s\.$' out
}

@test "what fails is told, and makes it exit 1, without python3, too" {
    printf '#!/bin/sh\nexit 127\n' >b/python3
    chmod +x b/python3
    rc=0
    RN_DOUBLE_FAIL=cudaLaunchKernel:1 "$BATS_TEST_DIRNAME/gpu-verify" "$PWD/b" "$PWD/b/report.md" >out || rc=$?
    [ $rc = 1 ]
    grep -q '^- cuda, bf16: FAILED' out
    grep -qE '^\| ResNet-18 \| bf16 \| 4 \| FAILED: rn-train: .*device cuda:0: kernel' out
    grep -qE '^1 passed, [0-9]+ failed' out # the CPU needs no GPU
}

@test "the report that was there outlives a run that is broken off" {
    echo old >b/report.md
    "$BATS_TEST_DIRNAME/gpu-verify" "$PWD/b" "$PWD/b/report.md" >out &
    until [ -s out ] || ! kill -0 $!; do sleep 0.05; done
    rc=0
    kill -TERM $!
    wait $! || rc=$?
    [ $rc = 143 ] # ended by the signal, tidied up all the same
    [ "$(cat b/report.md)" = old ]
    [ "$(ls b | grep -c report)" = 1 ]
}
