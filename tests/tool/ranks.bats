# Training over ranks: the same bytes for any number of them, and what happens when one of them dies. Where no MPI is installed there is
# no plug-in, and most of this is skipped.
load common
load ranks
load hosts

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    draw photos 3
    rn-list "$PWD/photos" | rn-split -r 70/30/0 -o all.rn
    rn-pick split=val all.rn | rn-batch --size 32 -o val.rn
    rn-pick split=train all.rn | rn-batch --train --drop-last --size 32 -b 6 --epochs 2 -o batches.rn
}
setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() { no_hosts; }

# ranks N COMMAND...
ranks() { timeout 400 $mpirun -n "$@"; }
# train DIR [OPTION]...: what follows ranks N, or stands alone
train() { echo rn-train -a resnet20 -q -j 1 -d ranks:cpu -o "$@"; }
same() { cmp "$1/last.rn" "$2/last.rn"; }

@test "a program without the plug-in says so" {
    mkdir bin
    cp "$BUILD/rn-train" bin
    fails 4 "device ranks: this build has no plug-in rn-ranks.so" bin/rn-train -d ranks:cpu -o run
}

@test "1, 2 and 4 ranks write the same bytes, as one process without mpirun does" {
    need_ranks
    local all="-t cbam --lr 0.01 --val $BATS_FILE_TMPDIR/val.rn"
    $(train alone $all) < "$BATS_FILE_TMPDIR/batches.rn"
    for n in 1 2 4; do
        ranks $n $(train $n $all) "$BATS_FILE_TMPDIR/batches.rn" > $n.tsv # each rank opens the file, and rank 0 reads it
        same alone $n
        cmp alone/best.rn $n/best.rn
    done
    [ "$(wc -l < 4.tsv)" = 3 ] # rank 0 alone speaks
    rn-show --header --json alone/last.rn | grep -q -- '-leaves8"'
}

@test "so do the other ways to update, and batches with fewer photos than leaves" {
    need_ranks
    local all="-t ours --optimizer adamw --clip 0.5 --ema 0.9 --accumulate 2 --class-weights inv --label-smoothing 0.1 --freeze conv1,bn1 --freeze-norms"
    for n in 1 4; do
        ranks $n $(train $n $all) "$BATS_FILE_TMPDIR/batches.rn" > /dev/null
    done
    same 1 4
}

@test "the losses are the single device's, but for rounding" {
    need_ranks
    rn-train -q -a resnet20 -j 1 -t se -o cpu "$BATS_FILE_TMPDIR/batches.rn" | cut -f 3 | sed 1d > cpu.txt
    ranks 2 $(train ranks -t se) "$BATS_FILE_TMPDIR/batches.rn" | cut -f 3 | sed 1d > ranks.txt
    paste cpu.txt ranks.txt | awk '{ d = $1 - $2; if (!(d * d <= 0.0001 * 0.0001)) { print; exit 1 } n++ } END { exit n != 2 }'
}

@test "--bn leaf: a leaf's own statistics, those of small batches whose gradients are added; the same bytes for any ranks" {
    need_ranks
    local all="-t ours --bn leaf --lr 0.01" photos="$BATS_FILE_TMPDIR/photos"
    for b in 8 16; do
        rn-list "$photos" | rn-batch --train --drop-last --size 64 -b $b --epochs 2 -o b$b.rn
    done
    for n in 1 2 4; do
        ranks $n $(train $n $all) b16.rn > $n.tsv
        same 1 $n
    done
    rn-train -q -a resnet20 -j 1 -t ours --lr 0.005 --accumulate 2 -o cpu b8.rn > cpu.tsv
    ranks 2 $(train two $all -d ranks:cpu,leaves=2) b16.rn > two.tsv
    ranks 2 $(train whole -t ours --lr 0.01 -d ranks:cpu,leaves=2) b16.rn > whole.tsv
    for run in cpu two whole; do cut -f 3 $run.tsv | sed 1d > $run.txt; done # losses, the second after an update
    paste cpu.txt two.txt whole.txt | tee /dev/stderr | awk '
        { near = $1 - $2; far = $1 - $3; if (near * near > 0.0001 * 0.0001 || far * far < 0.001 * 0.001) exit 1; n++ }
        END { exit n != 2 }'
}

@test "--bn leaf is refused where a leaf has one value a channel, and on devices without leaves" {
    need_ranks
    rn-pick split=train "$BATS_FILE_TMPDIR/all.rn" | rn-batch --train --drop-last --size 4 -b 6 --epochs 1 -o tiny.rn
    fails 3 "device ranks: --bn leaf: a norm has a 1x1 map" sh -c '"$@" > head.tsv' sh $(train run --bn leaf) tiny.rn
    fails 2 "device cpu: batch norms have the whole batch's statistics" \
        rn-train -q -a resnet20 --bn leaf -o run "$BATS_FILE_TMPDIR/batches.rn"
    fails 2 "device ranks: --bn: must be whole or leaf" $(train run --bn part) "$BATS_FILE_TMPDIR/batches.rn"
}

@test "--resume with another number of ranks ends in the same bytes" {
    need_ranks
    ranks 2 $(train whole --keep 9) "$BATS_FILE_TMPDIR/batches.rn" > /dev/null
    rn-pick split=train "$BATS_FILE_TMPDIR/all.rn" | rn-batch --train --drop-last --size 32 -b 6 --resume whole/epoch-0000.rn -o rest.rn
    ranks 4 $(train rest --resume whole/epoch-0000.rn) rest.rn > /dev/null 2> err
    ! grep . err || false
    same whole rest
}

@test "rn-predict computes with ranks, too, and each photo's probabilities are the same" {
    need_ranks
    rn-train -q -a resnet20 -j 1 -o cpu "$BATS_FILE_TMPDIR/batches.rn" > /dev/null
    rn-predict -j 1 -m cpu/last.rn "$BATS_FILE_TMPDIR/val.rn" -o cpu.rn
    ranks 2 rn-predict -j 1 -d ranks:cpu -m cpu/last.rn "$BATS_FILE_TMPDIR/val.rn" -o ranks.rn
    rn-show --tsv cpu.rn > cpu.tsv
    rn-show --tsv ranks.rn | diff cpu.tsv -
}

# long DIR: a run of 2 ranks that is at work: its first epoch is saved, and more than can be done in time is to come
long() {
    mkfifo "$1.fifo"
    rn-pick split=train "$BATS_FILE_TMPDIR/all.rn" | rn-batch --train --drop-last --size 32 -b 6 --epochs 2000 > "$1.fifo" &
    ranks 2 sh -c 'echo $$ > '"$1"'.${OMPI_COMM_WORLD_RANK-$PMI_RANK}; exec "$@"' sh $(train "$1") "$1.fifo" > "$1.out" 2> "$1.err" < /dev/null &
    job=$!
    until [ -e "$1/last.rn" ]; do
        kill -0 $job # ranks ends it after a while
        sleep 0.1
    done
}

# gone PROCESS: it ends within 20 seconds
gone() { timeout 20 tail --pid "$1" -f /dev/null; }

@test "a rank is killed: all end, rank 0 says which one, and what was done is saved" {
    need_ranks
    local rc=0
    long run
    kill -9 "$(cat run.1)"
    wait "$job" || rc=$?
    cat run.err
    [ $rc != 0 ]
    gone "$(cat run.0)"
    # mpirun (Open MPI's waits as long as we have said) may have killed rank 0 before it could speak
    ! grep '^rn-train:' run.err | grep -v 'rank 1 of 2 (.*) has ended: --resume run/last.rn goes on$' || false
    rn-show --where run/last.rn
    ! find run -name '*.rn.*' | grep . || false # nothing half-written
}

@test "SIGTERM: the step is done, last.rn is written, and all ranks end" {
    need_ranks
    long run
    kill "$(cat run.0)"
    ! wait "$job" || false
    gone "$(cat run.1)"
    ! grep '^rn-train:' run.err || false
    rn-show --where run/last.rn
}

@test "ranks of different RN_CPU are refused by name" {
    need_ranks
    grep -qw avx2 /proc/cpuinfo || skip "this processor has no AVX2"
    refused 'device ranks: rank 0 \(.*\) computes with RN_CPU=portable, rank 1 \(.*\) with avx2: ' \
        timeout 100 $mpirun -n 1 env RN_CPU=portable $(train run) : -n 1 env RN_CPU=avx2 $(train run) < /dev/null
}

@test "3 ranks, more ranks than leaves, and other devices of ranks are refused" {
    need_ranks
    local rc=0
    ranks 3 $(train run) < /dev/null 2> err || rc=$?
    [ $rc = 2 ]
    [ "$(grep '^rn-train:' err)" = "rn-train: device ranks: a batch of 8 leaves cannot be cut among 3 ranks: 1, 2, 4 .. 8 go" ]
    rc=0
    ranks 4 rn-train -d ranks:cpu,leaves=2 -o run < /dev/null 2> err || rc=$?
    [ $rc = 2 ]
    for device in ranks ranks: ranks:cuda ranks:cpu2 ranks:cpu, ranks:cpu,leaves=3 ranks:cpu,leaves=0 ranks:cpu,leaves=128 ranks:cpu,leaves=8x; do
        fails 2 "must be ranks:cpu or ranks:cpu,leaves=N, N a power of two to 64" rn-train -d $device -o run
    done
}

@test "what is wrong with the batches is rank 0's to say, and its exit code is mpirun's" {
    need_ranks
    local rc=0
    ranks 2 $(train run) "$BATS_FILE_TMPDIR/val.rn" 2> err || rc=$?
    cat err
    [ $rc = 3 ]
    [ "$(grep -c '^rn-train:' err)" = 1 ]
}

@test "pipelines/train --ranks: the same network for 1 and 2 ranks; a run goes on" {
    need_ranks
    local line="--size 32 -b 8 -a resnet20 -t none -q"
    fails 2 "--hostfile: it needs --ranks" "$TOP/pipelines/train" "$BATS_FILE_TMPDIR/photos" -o two --hostfile hosts
    for n in 1 2; do
        "$TOP/pipelines/train" "$BATS_FILE_TMPDIR/photos" -o $n --ranks $n -e 1 $line > /dev/null
        rn-export $n/last.rn -o $n.safetensors # its head has the folder's name
    done
    cmp 1.safetensors 2.safetensors
    "$TOP/pipelines/train" "$BATS_FILE_TMPDIR/photos" -o 2 --ranks 2 -e 2 $line > /dev/null
    rn-show --where 2/last.rn | grep -q '^2:0'
}

@test "two hosts, with an sshd each: a rank on each of them, and the same bytes" { # tests/full/ranks.bats has more
    need_ranks
    namespaces || skip "needs root, ip and sshd"
    two_hosts
    $(train alone) "$BATS_FILE_TMPDIR/batches.rn" > /dev/null
    on_a "$mpirun -n 2 $hosts a:1,b:1 $(train two) $BATS_FILE_TMPDIR/batches.rn > /dev/null"
    same alone two
}
