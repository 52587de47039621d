# sandbox.bats -- photos are decoded by processes that may do nothing else, and that may die.
load common

setup_file() {
    command -v cc > /dev/null || skip "no C compiler"
    case ${RN_SANITIZED-} in ?*) skip "sanitizers have their own malloc" ;; esac
    cd "$BATS_FILE_TMPDIR" || return
    cc -O1 -D_GNU_SOURCE -shared -fPIC -o decoder.so "$BATS_TEST_DIRNAME/decoder.c" -ldl
    cc -O1 -D_GNU_SOURCE -shared -fPIC -o faults.so "$BATS_TEST_DIRNAME/faults.c"
    draw photos 4
    rn-list photos | rn-split > in
    rn-batch --size 32 -b 1 in > want
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    ln -s "$BATS_FILE_TMPDIR"/{photos,want} .
    cp "$BATS_FILE_TMPDIR/in" .
    bad=glass/glass2.jpg
}

# with DOES COMMAND...: the command, where the bad photo makes libjpeg do that
with() {
    local does=$1 at
    shift
    at=$(stat -Lc %s photos/$bad)
    timeout 60 env RN_DOES="$does" RN_AT="$at" LD_PRELOAD="$BATS_FILE_TMPDIR/decoder.so" "$@"
}

@test "a photo that ends its decoder, however it does, is an error record; the others are as ever" {
    rn-show --tsv want | grep -v "$bad" | cut -f 1-9 > others
    for does in abort segv trap exit kill; do
        for jobs in 1 3; do
            rc=0; with $does rn-batch --size 32 -b 1 -k -j $jobs in > got 2> err || rc=$?
            [ $rc = 1 ] && [[ "$(cat err)" == "rn-batch: error records made: 1 ("*")" ]] || { echo "$does: $rc"; cat err; false; }
            rn-pick --errors got | rn-show | grep -q "$bad.*photos/$bad: the decoder \(was ended by signal\|ended\)"
            rn-show --tsv got | grep -v "$bad" | cut -f 1-9 | cmp - others
        done
        fails 3 "rn-batch: photos/$bad: the decoder " with $does rn-batch --size 32 in
    done
}

@test "... and one that somebody kills is started again, and nothing is lost" {
    with once rn-batch --size 32 -b 1 in > got
    cmp want got
}

@test "rn-augment, rn-near and rn-split live on, too" {
    rc=0; with segv rn-augment -r affine --split all -k in > got 2> err || rc=$?
    [ $rc = 1 ]
    [ "$(rn-show --tsv got | tail -n +2 | wc -l)" = 24 ]
    grep -qx 'rn-augment: error records made: 1 (.*)' err
    rc=0; with abort rn-near -k in > got 2> err || rc=$?
    [ $rc = 1 ]
    grep -qx 'rn-near: photos that could not be read: 1' err
    with abort rn-split --group-near -k in > got 2> err
    grep -qx 'rn-split: photos that could not be read: 1' err
    fails 3 "photos/$bad: the decoder was ended by signal 6" with abort rn-split --group-near in
}

@test "a decoder writes no file, opens no socket, starts nothing, signals nobody, and has a limit of memory" {
    with escape rn-batch --size 32 -b 1 in > got 2> err # its standard error is nobody's: files tell, and the control below
    cmp want got
    [ -s in ]
    [ ! -e escaped ]
    [ ! -e made ]
    [ ! -s err ]
    cp in keep
    rc=0; with escape rn-batch --size 32 -b 1 --no-sandbox in > got 2> err || rc=$?
    [ "$(grep -c '^it could' err)" -ge 10 ] && [ -e escaped ] && [ -e made ] && [ ! -e in ]
}

@test "where the system gives no lock, or no processes, a line says so and the work is done" {
    export RN_NONE=seccomp
    with nothing rn-batch --size 32 -b 1 in > got 2> err
    cmp want got
    [ "$(cat err)" = "rn-batch: photos are decoded in other processes, but these are not locked in: seccomp: Operation not permitted" ]
    RN_NONE=memfd
    with nothing rn-batch --size 32 -b 1 in > got 2> err
    cmp want got
    [ "$(cat err)" = "rn-batch: photos are decoded without a sandbox: Function not implemented" ]
    with nothing rn-batch -q --size 32 -b 1 in 2> err | cmp want -
    [ ! -s err ]
    with nothing rn-batch --no-sandbox --size 32 -b 1 in 2> err | cmp want -
    [ ! -s err ]
    unset RN_NONE
    (ulimit -f 1; rn-batch --size 32 -b 1 in 2> err | cmp want -)
    [ ! -s err ] # memory that is no file
    (ulimit -n 9; rn-batch -j 2 --size 32 -b 1 in 2> err | cmp want -) && grep -q 'without a sandbox: Too many open files' err
}

@test "libvips, wherever its memory ends, costs a photo at most" {
    mkdir odd
    cp "$TOP"/tests/fixtures/images/{animated.webp,deflate.tif,cmyk.tif} odd
    cp photos/$bad odd/z.jpg
    rn-list --unlabeled odd | rn-batch --size 32 -b 1 -k > whole
    rn-list --unlabeled odd -o odd.rn
    starved() { timeout 60 env "$@" RN_FAIL_ANY=1 RN_FAIL_ALL=1 LD_PRELOAD="$BATS_FILE_TMPDIR/faults.so" rn-batch --size 32 -b 1 -k -j 1 odd.rn; }
    starved RN_FAIL=0 | cmp whole -
    for at in 300 600 1200 2500 5000 10000 20000; do
        rc=0; starved RN_FAIL=$at > got 2> err || rc=$?
        case $rc in
            0 | 1) [ "$(rn-show --tsv got | tail -n +2 | wc -l)" = 4 ] ;;
            4) [ "$(wc -l < err)" = 1 ] ;;
            *) echo "$at: $rc"; cat err; false ;;
        esac
    done
}

@test "who is killed leaves no decoder behind" {
    mkfifo pipe
    rn-batch -j 3 --size 32 < pipe > /dev/null & pid=$!
    exec 7> pipe
    head -c 300 in >&7
    for ((i = 0; i < 100; i++)); do [ "$(below $pid rn-decoder | wc -l)" -lt 4 ] || break; sleep 0.05; done
    mapfile -t decoders < <(keeper=$(below $pid rn-decoder | head -n 1); echo "$keeper"; ps -o pid= --ppid "$keeper")
    [ ${#decoders[@]} = 4 ]
    kill -9 $pid
    for ((i = 0; i < 100; i++)); do kill -0 "${decoders[@]}" 2> /dev/null || break; sleep 0.05; done
    for one in "${decoders[@]}"; do ! kill -0 "$one" 2> /dev/null || false; done
    exec 7>&-
}
