# bootstrap: asks for nothing, installs only what is missing, and leaves apt alone when nothing is.
load common
unset RN_MPI # continuous integration's, which has ranks tested

# apt-get, sudo and friends of our own, which write down how they were called; jansson is "missing" until it is installed.
fakes() {
    mkdir bin
    cat > bin/apt-get <<END
#!/bin/bash
echo "DEBIAN_FRONTEND=\$DEBIAN_FRONTEND apt-get \$*" >> $PWD/calls
[[ " \$* " != *" install "* ]] || touch $PWD/installed
[ ! -e $PWD/broken ]
END
    cat > bin/pkg-config <<END
#!/bin/bash
[[ " \$* " != *" jansson "* || -e $PWD/installed ]] || exit 1
exec $(command -v pkg-config) "\$@"
END
    printf '#!/bin/bash\necho "sudo $*" >> %q\nexec "$@"\n' "$PWD/calls" > bin/sudo
    printf '#!/bin/bash\necho 1000\n' > bin/id
    printf '#!/bin/bash\necho "make $*" >> %q\n' "$PWD/calls" > bin/make
    printf '#!/bin/bash\nexit 100\n' > bin/apt-cache
    command -v shellcheck > /dev/null || printf '#!/bin/bash\n' > bin/shellcheck
    chmod +x bin/*
    PATH=$PWD/bin:$PATH
}

@test "nothing missing: only make runs" {
    fakes
    touch installed
    "$TOP/bootstrap" check demo
    [ "$(cat calls)" = "make -j$(nproc)
make check
make demo" ]
}

@test "something missing: that alone is installed, with sudo, and nothing is asked" {
    fakes
    "$TOP/bootstrap" </dev/null
    grep -v ^sudo calls > called
    [ "$(wc -l < called)" = 3 ]
    sed -n 1p called | grep -qE '^DEBIAN_FRONTEND=noninteractive apt-get .*-y .*update$'
    sed -n 2p called | grep -qE '^DEBIAN_FRONTEND=noninteractive apt-get .*-y .*install --no-install-recommends libjansson-dev$'
    sed -n 3p called | grep -q '^make -j'
    [ "$(grep -c '^sudo env DEBIAN_FRONTEND=noninteractive apt-get' calls)" = 2 ]
}

@test "no network: one clear line" {
    fakes
    touch broken
    run "$TOP/bootstrap"
    [ $status = 4 ]
    [ "${lines[-1]}" = "bootstrap: apt-get update failed: is there a network?" ]
    ! grep -q '^make' calls
}

@test "a second run of the tests in a build folder is refused, and removes nothing of the first" {
    mkdir -p b/check
    echo '1 0 0' > b/check/first.result
    run flock b/check.lock "$TOP/tests/run" "$PWD/b" layers
    [ "$status" = 4 ]
    [[ $output == "tests/run: another one runs in $PWD/b, "* ]]
    [ "$(cat b/check/first.result)" = '1 0 0' ]
    run "$TOP/tests/run" "$PWD/b" none/such # the first has ended
    [ "$status" = 1 ]
    [ ! -e b/check/first.result ]
}

@test "a check of a shell test whose failure nobody would see is found" {
    cat > x.bats <<'END'
f() {
    [ 1 ] && [ 2 ]
    ! false
    for i in 3; do [ $i ] && true; done
    true || { [ 4 ] && [ 5 ]; }
    true || false && [ 6 ]
    if [ 7 ]; then ! true; fi
    (cd / && [ 8 ]; true)
    [ "$(echo "a && b" | grep -c ')')" ] &&
        [ 9 ] # two lines
    case x in a | b) true && [ 10 ] ;; (c) true ;; esac
    true
}
# seen: conditions, what ends with ||, the last of a function and a subshell, what is quoted
g() {
    if [ 1 ] && ! [ 2 ]; then true; fi
    while ! true; do true; done
    [ 3 ] && [ 4 ] || { echo why; false; }
    ! true || false
    [ 5 ] && return
    (cd / && [ 6 ])
    x=$([ 7 ] && echo "! && $(true && echo ')')")
    [[ a && b ]]
    cat <<'EOF' | grep -v '&& !'
! here && there
EOF
    true && true &
    [ 8 ] && [ 9 ]
}
END
    run "$TOP/tests/statements" x.bats
    [ "$status" = 1 ]
    [ "$(cut -d : -f 2 <<< "$output" | xargs)" = '2 3 4 5 6 7 8 9 11' ]
}
