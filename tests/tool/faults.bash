# faults.bash -- for tests of what the system does not give (faults.c). After `load common` and `load faults`.

# faulty: to be called by setup_file: builds faults.so, and enters the file's folder with lab/ in it
faulty() {
    command -v cc > /dev/null || skip "no C compiler"
    case ${RN_SANITIZED-} in ?*) skip "sanitizers have their own malloc" ;; esac
    cc -O1 -D_GNU_SOURCE -shared -fPIC -o "$BATS_FILE_TMPDIR/faults.so" "$BATS_TEST_DIRNAME/faults.c" -ldl
    cd "$BATS_FILE_TMPDIR" || return
    lab lab
}

setup() { cd "$BATS_FILE_TMPDIR/lab" || return; }

# hit FAIL FAULT COMMAND...: the FAIL-th time it is asked for, there is none
hit() {
    local fail=$1 fault=$2
    shift 2
    timeout -s KILL 60 env RN_FAIL="$fail" RN_FAULT="$fault" LD_PRELOAD="$BATS_FILE_TMPDIR/faults.so" "$@" > out 2> err < /dev/null
}
