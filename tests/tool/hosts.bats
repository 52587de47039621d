# -S HOSTS: work of pipelines over ssh. A stand-in for ssh fails as networks and hosts do; where root can, there are two real hosts.
load common
load hosts

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    mkdir bin
    lab lab
    draw photos 20
    : > photos/glass/glass11.jpg                  # an empty one, in the middle of a batch and of a shard
    cp lab/model/last.rn model.rn
    rc=0; "$TOP/pipelines/classify" -q photos -m model.rn > want.tsv || rc=$?
    [ $rc = 1 ] && [ "$(wc -l < want.tsv)" = 121 ]
}
setup() {
    cd "$BATS_TEST_TMPDIR"
    ln -s "$BATS_FILE_TMPDIR/photos" "$BATS_FILE_TMPDIR/model.rn" "$BATS_FILE_TMPDIR/want.tsv" .
    command -v parallel > /dev/null || skip "GNU parallel is not here"
}
teardown() { no_hosts; }

# classify CODE OPTION...: into got.tsv and err
classify() {
    local want=$1 rc=0
    shift
    timeout 100 "$TOP/pipelines/classify" photos -m model.rn "$@" > got.tsv 2> err || rc=$?
    [ $rc = "$want" ] || { echo "exit $rc, not $want"; cat err; return 1; }
}
jobs() { cat hosts/*/jobs | wc -l; }
nothing_left() { [ -z "$(ls -A hosts/*/tmp | grep -v :)" ] || { ls -lR hosts; return 1; }; }
errors() { awk -F '\t' '$3 ~ /^error: /' got.tsv; }

@test "two hosts: the local bytes; each gets its shards and the network without momentum, and keeps nothing" {
    stand_in a b
    classify 1 -S a,b
    cmp want.tsv got.tsv
    [ ! -s err ]
    [ -s hosts/a/jobs ]
    [ -s hosts/b/jobs ]
    [ "$(jobs)" = 4 ]
    nothing_left
    # each photo went to one of them
    for file in hosts/*/sent.*; do rn-show --json "$file" | jq -r 'select(.id) | .id'; done | sort > sent
    rn-list photos | rn-show --json | jq -r 'select(.id) | .id' | sort | diff - sent
    # what the hosts had in their folder
    echo '[[ $* != *rm\ -rf* ]] || [[ $* = *tar* ]] || cp -r "$host"/tmp/rn-* "$host/kept"' > hosts/a/before
    classify 1 -S a -S b
    cmp want.tsv got.tsv
    rn-show --json hosts/a/kept/model.rn | jq -e -s '[.[] | .role // empty] | index("momentum") == null and length > 60'
}

@test "--resume: other photos under the same names are refused; --copy-to sorts what came back" {
    mkdir -p few/glass
    cp photos/glass/glass1.jpg few/glass/a.jpg
    "$TOP/pipelines/classify" -q few -m model.rn --resume kept --copy-to sorted -o got.tsv
    [ "$(find sorted -name a.jpg | wc -l)" = 1 ]
    "$TOP/pipelines/classify" -q few -m model.rn --resume kept -o again.tsv
    cmp got.tsv again.tsv
    cp photos/paper/paper1.jpg few/glass/a.jpg
    fails 2 'kept: it holds a run of other photos' "$TOP/pipelines/classify" -q few -m model.rn --resume kept
    "$TOP/pipelines/augment" -q few out -r affine -n 1 -S : --resume augmented
    : > few/glass/a.jpg
    fails 2 'augmented: it holds a run of other photos' "$TOP/pipelines/augment" -q few out -r affine -n 1 -S : --resume augmented
}

@test "the options reach the hosts, one of which may be this one" {
    stand_in a b
    mkdir tmp
    export TMPDIR=$PWD/tmp
    for options in "--top 2 -j 1" "-o out --min-confidence 0.9 -d cpu --precision fp32"; do
        rc=0; "$TOP/pipelines/classify" -q photos -m model.rn $options > want || rc=$?
        [ $rc = 1 ]
        [[ $options != -o* ]] || mv out want
        classify 1 $options -S :,2/a
        [[ $options != -o* ]] || { [ ! -s got.tsv ]; mv out got.tsv; }
        cmp want got.tsv
    done
    [ -s hosts/a/jobs ]
    [ ! -s hosts/b/jobs ]
    [ -z "$(ls -A tmp)" ]
    : > hosts/a/commands
    fails 2 "^rn-batch: --max-pixels" "$TOP/pipelines/classify" photos -m model.rn -S a --max-pixels none
    fails 2 "^rn-predict: --min-confidence" "$TOP/pipelines/classify" photos -m model.rn -S a --min-confidence 7
    [ "$(wc -l < hosts/a/commands)" = 2 ] # they were asked, and no more
    classify 1 -S a --max-pixels 100
    [ "$(errors | wc -l)" = 120 ]
    fails 2 "^classify: -S 'ssh -i k a': hosts" "$TOP/pipelines/classify" photos -m model.rn -S 'ssh -i k a'
}

@test "before any work: a host that is not there, has no tools, another version, or computes differently" {
    stand_in a b
    classify 4 -S a,c
    [ "$(cat err)" = 'classify: c: ssh: Could not resolve hostname c: Name or service not known' ]
    touch hosts/b/down
    classify 4 -S a,b
    grep -x 'classify: b: ssh: connect to host b port 22: Connection refused' err
    rm hosts/b/down
    printf '#!/bin/sh\nexit 127\n' > hosts/b/bin/rn-show; chmod +x hosts/b/bin/*
    classify 4 -S a,b
    grep -q '^classify: b: ' err
    printf '#!/bin/sh\necho rn-predict \\(recyclenet\\) 0.0.9\n' > hosts/b/bin/rn-predict; rm hosts/b/bin/rn-show; chmod +x hosts/b/bin/*
    classify 4 -S a,b
    grep -x 'classify: b: it has version 0.0.9 of the tools, and here is [0-9.]*' err
    rm hosts/b/bin/*
    echo RN_CPU=portable > hosts/b/environment
    unset RN_CPU # it would be asked of all hosts
    [ "$(rn-show --cpu)" != portable ] || skip "this processor has one arithmetic only"
    classify 4 -S a,b
    grep -xE 'classify: [ab] computes as [a-z0-9]+, but [ab] computes as [a-z0-9]+: digits would differ \(--variant.*' err
    [ "$(jobs)" = 0 ]
    [ ! -s got.tsv ]
    nothing_left
    # all as the least of them
    rc=0; RN_CPU=portable "$TOP/pipelines/classify" -q photos -m model.rn > want || rc=$?
    : > hosts/a/commands
    classify 1 -S a,b --variant
    cmp want got.tsv
    grep -q "export RN_CPU=portable" hosts/a/commands
}

@test "a host dies half-way: the other has its shards, and the bytes are the local ones" {
    stand_in a b
    # in the middle of what it sends back
    echo '"${run[@]}" | head -c 1000; touch "$host/down"; exit 255' > hosts/b/job.1
    classify 1 -S a,b
    cmp want.tsv got.tsv
    grep -q '^classify: b: the connection was lost$' err
    # one that fails always is asked no more after three times, and loses nothing
    rm -f hosts/b/down hosts/*/job.*; : > hosts/b/jobs; : > hosts/a/jobs; draw more 40
    for i in 1 2 3 4 5 6 7 8; do echo 'exit 255' > hosts/b/job.$i; done
    "$TOP/pipelines/classify" -q more -m model.rn > want
    "$TOP/pipelines/classify" more -m model.rn -S a,b > got 2> err
    cmp want got && [ "$(wc -l < hosts/b/jobs)" = 3 ] && [ "$(wc -l < hosts/a/jobs)" = 8 ]
}

@test "all hosts are gone: an error line for each photo that is missing, and exit 4" {
    stand_in a b
    for host in a b; do echo 'sleep 1; touch "$host/down"; exit 255' > hosts/$host/job.2; done
    classify 4 -S a,b
    [ "$(wc -l < got.tsv)" = 121 ]
    [ "$(errors | wc -l)" = 56 ] || [ "$(errors | wc -l)" = 57 ]
    diff <(cut -f 1 want.tsv | sort) <(cut -f 1 got.tsv | sort)
    errors | grep -qE '	error: [ab]: (ssh: connect to host [ab] port 22: Connection refused|the connection was lost)	'
    # and what is there is right
    errors | cut -f 1 > lost
    diff <(grep -vwFf lost want.tsv) <(grep -vwFf lost got.tsv)
    grep -qx 'classify: 2 of 4 parts are missing: their photos are errors' err
    nothing_left || [ -e hosts/a/down ]
}

@test "a full disk, a cut answer, and codes that lie, on a host" {
    stand_in a b
    echo 'ulimit -f 100' > hosts/b/before # no room for the network
    classify 4 -S a,b
    grep -q '^classify: b: its temporary folder does not take the files: ' err
    [ "$(jobs)" = 0 ]
    rm hosts/b/before
    nothing_left
    echo '"${run[@]}" | head -c 1000; exit 0' > hosts/b/job.1
    echo 'echo "rn-predict: out of memory" >&2; exit 137' > hosts/b/job.2
    echo 'exit 0' > hosts/b/job.3
    classify 1 -S a,b
    cmp want.tsv got.tsv
    grep -q '^classify: b: less came back than was sent$' err
}

@test "--resume: what was interrupted goes on, of the same photos, network and options only" {
    stand_in a
    # the second shard waits until we are interrupted
    echo 'touch "$all/waits"; sleep 30' > hosts/a/job.2
    set -m
    "$TOP/pipelines/classify" photos -m model.rn -S a --resume kept > got.tsv 2> err & pid=$!
    set +m
    for ((i = 0; i < 300; i++)); do [ ! -e hosts/waits ] || break; sleep 0.1; done
    # nobody else works in this folder
    rc=0; "$TOP/pipelines/classify" photos -m model.rn -S a --resume kept > other 2>&1 || rc=$?
    [ $rc = 4 ]
    grep -q "kept: another run works in this folder" other
    kill -INT $pid
    rc=0; wait $pid || rc=$?
    [ $rc = 130 ]
    [ ! -s got.tsv ]
    [ -e kept/part.1 ]
    nothing_left
    : > hosts/a/jobs; rm hosts/a/job.2
    classify 1 -S a --resume kept
    cmp want.tsv got.tsv
    [ "$(jobs)" = 3 ]
    [ "$(grep -c '	' kept/log)" -ge 4 ]
    # it is all there
    classify 1 -S a --resume kept --csv
    [ "$(jobs)" = 3 ]
    [ "$(wc -l < got.tsv)" = 121 ]
    for other in "photos/glass -m model.rn" "photos -m model.rn --max-pixels 50" "photos -m $BATS_FILE_TMPDIR/lab/other.rn"; do
        rn-pick name!=none "$BATS_FILE_TMPDIR/model.rn" -o "$BATS_FILE_TMPDIR/lab/other.rn"
        fails 2 "kept: it holds a run of other photos" "$TOP/pipelines/classify" $other -S a --resume kept
    done
}

@test "GNU parallel is killed, or TERM comes: the true code" {
    stand_in a
    echo 'touch "$all/waits"; exec sleep 30' > hosts/a/job.2
    set -m
    "$TOP/pipelines/classify" photos -m model.rn -S a > got.tsv 2> err & pid=$!
    set +m
    for ((i = 0; i < 300; i++)); do [ ! -e hosts/waits ] || break; sleep 0.1; done
    kill -9 "$(below $pid parallel | head -n 1)"
    rc=0; wait $pid || rc=$?
    [ $rc = 137 ]
    [ "$(wc -l < got.tsv)" = 121 ]
    [ "$(errors | wc -l)" -ge 88 ]
    nothing_left
    for signal in TERM HUP; do
        rm hosts/waits; : > hosts/a/jobs
        set -m
        "$TOP/pipelines/classify" photos -m model.rn -S a > got.tsv 2> err & pid=$!
        set +m
        for ((i = 0; i < 300; i++)); do [ ! -e hosts/waits ] || break; sleep 0.1; done
        kill -$signal $pid
        rc=0; wait $pid || rc=$?
        [ $rc = $((128 + $(kill -l $signal))) ]
        [ ! -s got.tsv ]
        nothing_left
    done
}

@test "augment: the local files; a host that dies, and hosts that are all gone" {
    stand_in a b
    echo '{"transform": {"__class_fullname__": "Compose", "p": 1, "transforms": []}}' > same.json
    rn-list photos | rn-augment -q -k -r affine,same.json -n 2 -s 7 --write want -o /dev/null || [ $? = 1 ]
    augment() {
        local want=$1 rc=0
        shift
        timeout 100 "$TOP/pipelines/augment" photos got -r affine,same.json -n 2 -s 7 "$@" > out 2> err || rc=$?
        [ $rc = "$want" ] && [ ! -s out ] || { echo "exit $rc, not $want"; cat err; return 1; }
    }
    augment 1
    diff -r want got
    rm -r got
    augment 1 -S a,b
    diff -r want got
    rm -r got
    [[ "$(cat err)" == 'augment: error records made: 1 (the first: '*')' ]]
    nothing_left
    # what is sent back is cut; a host is lost
    echo '"${run[@]}" | head -c 9000; exit 0' > hosts/b/job.1
    echo '"${run[@]}" | head -c 5000; touch "$host/down"; exit 255' > hosts/b/job.2
    : > hosts/b/jobs
    augment 1 -S a,b --resume kept
    diff -r want got
    rm -r got
    grep -qx 'augment: b: less came back than was sent' err
    # what is there already is not made again
    touch hosts/a/down
    augment 4 -S a --resume kept
    [ ! -e got ]
    rm hosts/a/down
    : > hosts/a/jobs
    augment 1 -S a --resume kept
    diff -r want got
    rm -r got
    [ "$(wc -l < hosts/a/jobs)" = 0 ]
    # nobody is there for the second half: no half files, a line for each photo that is missing
    rm hosts/b/down hosts/b/job.*; : > hosts/b/jobs
    for host in a b; do echo 'sleep 1; touch "$host/down"; exit 255' > hosts/$host/job.2; done
    augment 4 -S a,b
    for file in got/*/*; do cmp "$file" "want/${file#got/}"; done
    missing=$(grep -c ': not made: [ab]: ' err) made=$(($(find got -type f | wc -l) / 4)) # without the empty one
    [[ $((missing + made)) = @(119|120) ]]
    [ "$missing" -ge 56 ]
    [ "$made" -gt 30 ]
    [ -z "$(find got -name '.*')" ]
    # a file cannot be put where it belongs; a link is not followed
    rm -r hosts got
    stand_in a
    mkdir got away
    ln -s ../away got/metal
    augment 4 -S a
    [ -z "$(ls away)" ]
    grep -q 'got/.*: a link, and no folder' err
    fails 2 "two files are called same.json" "$TOP/pipelines/augment" photos got -S a -r same.json,./same.json
}

@test "augment: the true code of a full disk, a signal, a tool that is killed" {
    : > file
    fails 4 'file' "$TOP/pipelines/augment" photos file/out -r affine
    rm -rf many
    draw many 100
    for signal in INT TERM KILL; do
        set -m
        "$TOP/pipelines/augment" many got -r distort -j 1 2> err & pid=$!
        set +m
        for ((i = 0; i < 200; i++)); do [ ! -d got ] || break; sleep 0.05; done
        case $signal in
            INT) kill -INT -- -$pid ;;
            TERM) kill -TERM $pid ;;
            KILL) kill -9 "$(ps -eo pid=,comm=,args= | awk -v many="$PWD" '$2 == "rn-augment" && /-r distort -k --jobs=1 --write got/ { print $1 }')" ;;
        esac
        rc=0; wait $pid || rc=$?
        [ $rc = $((128 + $(kill -l $signal))) ] || { echo "$signal: $rc"; cat err; false; }
        for file in got/*/*; do [ "$(tail -c 2 "$file" | od -An -tx1)" = " ff d9" ]; done
        rm -r got
    done
}

@test "make table1 SSHLOGIN=: hosts that do not see the folders are named before any work" {
    stand_in a b
    mkdir out
    "$TOP/data/see-folders" a,b out
    echo "rm -f $PWD/out/.seen.*" > hosts/b/before # its folder is another one
    rc=0; make -s -C "$TOP" B="$(realpath --relative-to="$TOP" "$BUILD")" table1 SSHLOGIN=a,b OUT="$PWD/out" > said 2>&1 || rc=$?
    [ $rc = 2 ]
    grep -qE "^(SSHLOGIN=: )?b /.* is not the folder that is here: the hosts must share its file system" said
    ! grep -q rn-pipe-ablation said || false
    [ -z "$(ls -A out)" ]
    touch hosts/a/down
    rc=0; "$TOP/data/see-folders" a out 2> said || rc=$?
    [ $rc = 4 ] && grep -q 'a ssh: connect to host a' said
}

@test "two real hosts with sshd: the local bytes, whole, and with one killed half-way" {
    namespaces || skip "needs root, ip and sshd"
    two_hosts
    rc=0; inside timeout 100 "$TOP/pipelines/classify" photos -m model.rn -S a,b > got.tsv 2> err || rc=$?
    [ $rc = 1 ]
    cmp want.tsv got.tsv
    [ ! -s err ]
    [ -s host/a/jobs ]
    [ -s host/b/jobs ]
    # b is killed while it works on its second shard
    : > host/b/jobs
    echo "for pid in \$(ip netns pids rn-$$-b); do [ \$pid = \$\$ ] || kill -9 \$pid; done; exit" > host/b/job.2
    draw more 40
    "$TOP/pipelines/classify" more -m model.rn > want
    inside timeout 100 "$TOP/pipelines/classify" more -m model.rn -S a,b > got.tsv 2> err
    cmp want got.tsv
    grep -q '^classify: b: ' err
    no_hosts
}
