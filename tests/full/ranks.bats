# ranks.bats -- one training over two hosts of their own network: the same bytes as on one; a rank is killed, a cable pulled, a list
# or an arithmetic is another one on one of them. Needs root, ip and sshd, and mpirun.
load ../tool/common
load ../tool/ranks
load ../tool/hosts

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    draw photos 3
    rn-list "$PWD/photos" | rn-split -r 70/30/0 -o all.rn
    rn-pick split=train all.rn > part.rn
    rn-batch --train --drop-last --size 32 -b 4 --epochs 3 part.rn -o batches.rn
    rn-batch --train --drop-last --size 32 -b 4 --epochs 3 -s 9 part.rn -o other.rn
    rn-train -q -j 1 -a resnet20 -d ranks:cpu,leaves=4 -o alone batches.rn > /dev/null
}
setup() {
    cd "$BATS_TEST_TMPDIR" || return
    need_ranks
    namespaces || skip "needs root, ip and sshd"
    two_hosts
}
teardown() { no_hosts; }

train="rn-train -q -j 1 -a resnet20 -d ranks:cpu,leaves=4"
# ranks_of HOST NAME: the processes of that name there
ranks_of() { local pid; for pid in $(ip netns pids "rn-$$-$1"); do [ "$(ps -o comm= -p "$pid")" != "$2" ] || echo "$pid"; done; }
same() { cmp "$1/last.rn" "$BATS_FILE_TMPDIR/alone/last.rn"; }

@test "1, 2 and 4 ranks, on one host and on two, write the same bytes" {
    for n in 1 2 4; do
        on_a "$mpirun -n $n $train -o one$n $BATS_FILE_TMPDIR/batches.rn > /dev/null"
        same one$n
    done
    for n in 2 4; do
        on_a "$mpirun -n $n $hosts a:$((n / 2)),b:$((n / 2)) $train -o two$n $BATS_FILE_TMPDIR/batches.rn > /dev/null"
        same two$n
    done
}

# pair COMMAND COMMAND: one of them on a, the other one on b
pair() {
    case $hosts in
        -H) echo "$mpirun -H a:1 -n 1 $1 : -H b:1 -n 1 $2" ;;
        *) echo "$mpirun $hosts a,b -n 1 $1 : -n 1 $2" ;;
    esac
}
gone="(has not been heard of for (4|8) seconds|is not reached any more: .*)"
# begin: 2 ranks on 2 hosts are at work, with half a second for a step; their job is $job
begin() {
    # shellcheck disable=SC2016 # Perl's
    local slowly='while (read STDIN, $_, 12500) { syswrite STDOUT, $_; select undef, undef, undef, 0.5 }'
    mkfifo batches
    timeout 100 perl -e "$slowly" < "$BATS_FILE_TMPDIR/batches.rn" > batches &
    on_a "$(pair "$train --save-every 1 -o $PWD/run batches" "$train -o unused")" > out 2> err < /dev/null & job=$!
    until [ -e run/last.rn ]; do
        kill -0 $job
        sleep 0.1
    done
}
# said PATTERN: rank 0 says in one line why; or nothing, where it waits for photos: mpirun's SIGTERM is then a stop as any other
said() {
    local line="rn-train: device ranks: rank 1 of 2 \(b\) $1: --resume $PWD/run/last.rn goes on"
    ! grep '^rn-train:' err | grep -vxE "$line" || return 1
    [ "$(grep -c '^rn-train:' err)" -le 1 ]
}
left() {
    local host name
    for host in a b; do for name in rn-train orted hydra_pmi_proxy "$MPIRUN"; do ranks_of $host "$name"; done; done
}
# ends PATTERN: ranks and mpirun have all ended 20 seconds later at the most, and 4 ranks on one host go on
ends() {
    local rc=0 begun=$SECONDS
    wait $job || rc=$?
    until [ -z "$(left)" ]; do
        [ $((SECONDS - begun)) -le 20 ] || { left | xargs ps -fp; cat err; return 1; }
        sleep 0.1
    done
    echo "ended after $((SECONDS - begun)) seconds with $rc"
    cat err
    [ $((SECONDS - begun)) -le 20 ]
    [ $rc != 0 ]
    said "$1"
    [ "$(rn-show --where run/last.rn)" != 3:0 ]
    ! find run -name '*.rn.*' | grep . || false # nothing half-written
    rn-batch --train --drop-last --size 32 -b 4 --resume run/last.rn "$BATS_FILE_TMPDIR/part.rn" -o rest.rn
    on_a "$mpirun -n 4 $train --resume run/last.rn -o rest rest.rn > /dev/null"
    same rest
}

@test "a rank on the other host is killed: all end, and 4 ranks on one host go on to the same bytes" {
    begin
    ranks_of b rn-train | xargs kill -9
    ends "$gone"
}

@test "the cable is pulled: all end, on both hosts, and 4 ranks on one host go on to the same bytes" {
    [ "$hosts" = -H ] || skip "MPICH's mpirun waits for a host that is cut off, though the ranks end"
    begin
    cable b down
    ends "$gone"
    grep -q '^rn-train:' err
}

@test "another list on one rank is not read: rank 0's counts" {
    local list=$BATS_FILE_TMPDIR/batches.rn other=$BATS_FILE_TMPDIR/other.rn
    on_a "$(pair "$train -o run $list" "$train -o other $other") > /dev/null"
    same run
    [ ! -e other ]
}

@test "another RN_CPU on one host is refused, by the hosts' names" {
    [ "$(rn-show --cpu)" != portable ] || skip "this processor has one arithmetic only"
    echo 'export RN_CPU=portable' > host/b/before
    refused 'device ranks: rank 0 \(a\) computes with RN_CPU=[a-z0-9]+, rank 1 \(b\) with portable: ' \
        on_a "$mpirun -n 2 $hosts a:1,b:1 $train -o run $BATS_FILE_TMPDIR/batches.rn"
}

@test "pipelines/train --ranks --hostfile: a rank on the other host is killed, and last.rn is whole" {
    if [ "$hosts" = -H ]; then printf 'a slots=1\nb slots=1\n'; else printf 'a:1\nb:1\n'; fi > hosts.txt
    local rc=0 options="-o $PWD/run --ranks 2 --hostfile $PWD/hosts.txt --size 32 -b 4 -a resnet20 -q -e 500"
    on_a "$TOP/pipelines/train $BATS_FILE_TMPDIR/photos $options > /dev/null" 2> err & job=$!
    until [ -e run/last.rn ]; do kill -0 $job; sleep 0.1; done
    ranks_of b rn-train | xargs kill -9
    wait $job || rc=$?
    echo "exit $rc"; cat err
    [ $rc = 4 ] || [ $rc = 143 ] # while rank 0 waits for photos, mpirun's SIGTERM stops it
    said "$gone"
    rn-show --where run/last.rn
}
