# What goes wrong outside: full disks, closed pipes, missing files, damaged and foreign input, awkward names, wrong options.
# One line that begins with the tool's name, the documented exit code, and nothing half-written under a final name.
load common

setup_file() { lab "$BATS_FILE_TMPDIR/lab"; }
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/lab/." .; }

# Every tool with a good input, for tests that give it a bad output; rn-train writes a folder and has tests of its own.
writers() {
    cat <<'END'
rn-list photos
rn-list --embed photos
rn-split all.rn
rn-near all.rn
rn-pick all.rn
rn-show all.rn
rn-show --json train.rn
rn-show --tsv test.rn
rn-show --npy images val.rn
rn-show -l model/last.rn
rn-batch --size 32 all.rn
rn-batch --train --size 32 all.rn
rn-predict -j 1 -m model/last.rn val.rn
rn-predict -j 1 -m model/last.rn --tsv val.rn
rn-score test.rn
rn-score --json test.rn
END
}

# expect CODE PATTERN STATUS: the command's status is the code, and err has one line that begins with the tool's name
expect() {
    [ "$3" = "$1" ] || { echo "$command: exit $3, not $1"; cat err; return 1; }
    [ "$(wc -l <err)" = 1 ] || { echo "$command: not one line:"; cat err; return 1; }
    grep -qaE -- "^${command%% *}: .*$2" err || { echo "$command: not /$2/:"; cat err; return 1; }
}

# hidden FOLDER: names that are no-one's business: what is left of a file that was never complete
hidden() { find "$1" -name '.*.tmp'; }

@test "a full device" {
    while read -r command; do
        rc=0; $command >/dev/full 2>err || rc=$?
        expect 4 "standard output: .*No space left" $rc
        rc=0; $command -o /dev/full >out 2>err || rc=$?
        expect 4 "/dev/full: .*No space left" $rc
        [ ! -s out ]
    done < <(writers)
    for tool in rn-list rn-train; do
        for option in --help --version --help-man --help-completion; do
            command="$tool $option" rc=0; $command >/dev/full 2>err || rc=$?
            expect 4 "No space left" $rc
        done
    done
    command="rn-train -j 1 -o run train.rn" rc=0; $command >/dev/full 2>err || rc=$?
    expect 4 "standard output: .*No space left" $rc
    [ ! -e run/last.rn ]
}

@test "an output that cannot be" {
    mkdir folder
    while read -r command; do
        for bad in folder no/such/name all.rn/name; do
            rc=0; $command -o $bad >out 2>err || rc=$?
            expect 4 "$bad" $rc
            [ ! -s out ]
        done
    done < <(writers)
    [ -z "$(ls -A folder)" ]
    for bad in all.rn all.rn/run /dev/null/run; do
        command="rn-train -j 1 -o $bad train.rn" rc=0; $command >out 2>err || rc=$?
        expect 4 "${bad%/run}" $rc
    done
}

@test "a full disk" {
    export -f writers expect hidden
    enter=(unshare -m)
    "${enter[@]}" mount -t tmpfs none /mnt 2>/dev/null || enter=(unshare -rm)
    "${enter[@]}" mount -t tmpfs none /mnt 2>/dev/null || skip "no tmpfs can be mounted here"
    mkdir disk
    "${enter[@]}" bash -eu -c '
        mount -t tmpfs -o size=256k none disk
        echo old >disk/out
        head -c 1M /dev/zero >disk/fill 2>/dev/null || true
        while read -r command; do
            for out in disk/out disk/new; do
                rc=0; $command -o $out 2>err || rc=$?
                expect 4 "$out: .*No space left" $rc
            done
            [ "$(cat disk/out)" = old ]
            [ "$(ls -A disk | tr "\n" " ")" = "fill out " ]
        done < <(writers)
        rm disk/fill # room for log.tsv, not for a checkpoint
        command="rn-train -j 1 -o disk/run train.rn" rc=0; $command >table 2>err || rc=$?
        expect 4 "disk/run/last.rn: .*No space left" $rc
        [ "$(ls -A disk/run)" = log.tsv ]
        # the pixels that rn-batch puts aside
        rn-list --embed photos >embedded
        export TMPDIR=$PWD/disk
        head -c 1M /dev/zero >disk/fill 2>/dev/null || true
        command="rn-batch --train --size 32 embedded" rc=0; $command >out 2>err || rc=$?
        expect 4 "No space left" $rc
        [ ! -s out ]'
}

@test "a file that may not grow: the old checkpoint stays" {
    mkdir run
    cp -L model/last.rn run/last.rn
    rn-pick split=train all.rn | rn-batch --train --resume run/last.rn --epochs 2 -o rest.rn
    command="rn-train -j 1 --resume run/last.rn -o run rest.rn" rc=0
    (ulimit -f $((1 << 10)); exec $command) >/dev/null 2>err || rc=$?
    expect 4 "run/last.rn: .*too large" $rc
    cmp run/last.rn model/last.rn
    [ "$(ls -A run | tr '\n' ' ')" = "last.rn log.tsv " ]
    echo old >out
    for command in "rn-batch --size 64 all.rn -o out" "rn-list --embed photos -o out"; do
        rc=0; (ulimit -f 20; exec $command) 2>err || rc=$?
        expect 4 "out: .*too large" $rc
        [ "$(cat out)" = old ]
        [ -z "$(hidden .)" ]
    done
}

@test "a closed pipe ends a tool quietly, whoever ignored the signal" {
    while read -r command; do
        for default in "" "env --ignore-signal=PIPE"; do
            { sleep 0.05; $default $command 2>err; } | true
            rc=${PIPESTATUS[0]}
            [ $rc = 141 ] && [ ! -s err ] || { echo "$command: $rc"; cat err; return 1; }
        done
    done < <(writers | grep -v 'rn-predict.*--tsv\|--npy\|rn-show -l')
    # ... in the middle of the output too
    rn-batch --train --size 64 --epochs 200 all.rn 2>err | head -c 10 >/dev/null
    rc=${PIPESTATUS[0]}
    [ "$rc" = 141 ] && [ ! -s err ]
}

@test "closed descriptors: no message goes into a file" {
    command="rn-split" rc=0; rn-split <&- >out 2>err || rc=$?
    expect 4 "standard input" $rc
    command="rn-split all.rn" rc=0; rn-split all.rn >&- 2>err || rc=$?
    expect 4 "standard output" $rc
    rn-batch --size 32 all.rn -o want.rn
    rn-batch --size 32 --progress always all.rn -o out.rn <&- >&- 2>&-
    cmp want.rn out.rn
}

@test "files that are not there, and folders as files" {
    mkdir folder
    for bad in none.rn folder; do
        for command in "rn-list $bad/none" "rn-split $bad" "rn-near $bad" "rn-pick $bad" "rn-pick --shard 1/2 $bad" "rn-show $bad" "rn-batch $bad" \
                "rn-batch all.rn $bad" "rn-batch --for $bad all.rn" "rn-batch --train --resume $bad all.rn" "rn-predict -m $bad val.rn" \
                "rn-predict -j 1 -m model/last.rn $bad" "rn-predict -j 1 -m model/last.rn --tsv $bad" "rn-score $bad" \
                "rn-score --compare $bad test.rn" "rn-train -j 1 -o run $bad" "rn-train -j 1 -o run --init $bad train.rn" \
                "rn-train -j 1 -o run --resume $bad train.rn" "rn-train -j 1 -o run --val $bad train.rn" "rn-list --files-from $bad" \
                "rn-split --list train=$bad all.rn"; do
            rc=0; $command >out 2>err || rc=$?
            expect 4 "$bad" $rc
            rm -rf run
            case $command in rn-train*) continue ;; esac
            rc=0; $command -o new >out 2>err || rc=$?
            expect 4 "$bad" $rc
            [ ! -e new ]
            [ -z "$(hidden .)" ]
        done
    done
    command="rn-list all.rn" rc=0; $command >out 2>err || rc=$?
    expect 3 "all.rn" $rc # a file, in no class's folder
}

# reader KIND...: of every tool that reads streams: the kinds that it takes, then its command without the stream
readers() {
    cat <<'END'
samples rn-split
samples,images rn-near
samples,images rn-batch --size 32
samples,images rn-batch --train --size 32
batches,predictions rn-predict -j 1 -m model/last.rn
batches,predictions rn-predict -j 1 -m model/last.rn --tsv
batches rn-train -j 1 -o run
predictions rn-score
predictions rn-score --compare test.rn
weights rn-show -l
weights rn-show --where
weights rn-batch all.rn --for
weights rn-batch --train all.rn --resume
weights rn-predict val.rn -m
weights rn-train -j 1 -o run train.rn --init
weights rn-train -j 1 -o run train.rn --resume
batches rn-train -j 1 -o run train.rn --val
END
}

@test "a stream of the wrong kind: exit 3, and both kinds are named" {
    ln -s all.rn samples.rn
    ln -s train.rn batches.rn
    ln -s test.rn predictions.rn
    ln -s model/last.rn weights.rn
    while read -r kinds command; do
        for kind in samples batches predictions weights; do
            [[ ,$kinds, != *,$kind,* ]] || continue
            rc=0; $command $kind.rn >out 2>err || rc=$?
            expect 3 "$kind.rn: .*$kind" $rc
            for wanted in ${kinds//,/ }; do grep -q "$wanted" err; done
            [ ! -e run/last.rn ]
        done
    done < <(readers)
}

@test "empty and cut streams: exit 3, and nothing under the final name" {
    ln -s all.rn samples.rn
    rn-batch --train --size 32 -b 3 all.rn -o batches.rn
    ln -s test.rn predictions.rn
    ln -s model/last.rn weights.rn
    for kind in samples batches predictions weights; do
        head -c 40 $kind.rn >$kind.head
        head -c -3 $kind.rn >$kind.tail
        : >$kind.empty
    done
    while read -r kinds command; do
        kind=${kinds%%,*}
        # the place of a model is its head: who asks only for that need not see the end
        case $command in *--for|*"--train all.rn --resume") cuts="empty head" ;; rn-train*) cuts="empty tail" ;; *) cuts="empty head tail" ;; esac
        case $command in rn-train*) o= ;; *) o="-o new" ;; esac
        for cut in $cuts; do
            cut=$kind.$cut
            rc=0; $command $cut $o >out 2>err || rc=$?
            expect 3 "$cut" $rc
            [ ! -e new ]
            [ -z "$(hidden .)" ]
            [ ! -e run/last.rn ]
            # the same as a pipe
            case $command in rn-train*|*--*|*-m) continue ;; esac
            rc=0; cat $cut | $command >out 2>err || rc=$?
            expect 3 "standard input" $rc
            ! tail -c 40 out | grep -qaF xxh3 || false
        done
    done < <(readers; echo "samples rn-pick"; echo "weights rn-pick"; echo "batches rn-show")
}

@test "a pipe that is cut in the middle: every tool behind it exits 3" {
    size=$(stat -Lc %s all.rn)
    for cut in $((size / 2)) $((size - 5)); do
        rc=("${PIPESTATUS[@]}")
        head -c $cut all.rn | rn-pick split=train split=val 2>err1 | rn-split 2>err2 | rn-batch --size 32 2>err3 |
            rn-predict -j 1 -m model/last.rn 2>err4 | rn-score 2>err5 >out || rc=("${PIPESTATUS[@]}")
        [ "${rc[*]}" = "0 3 3 3 3 3" ] || { echo "${rc[*]}"; cat err?; return 1; }
        [ "$(cat err? | wc -l)" = 5 ]
        [ ! -s out ]
    done
    size=$(stat -Lc %s val.rn)
    head -c $((size - 20)) val.rn | rn-predict -j 1 -m model/last.rn 2>err | tee cut | rn-show >out 2>err2 && rc=(0) || rc=("${PIPESTATUS[@]}")
    [ "${rc[*]}" = "0 3 0 3" ]
    ! grep -qaF xxh3 cut || false
    # a writer that is killed
    rc=0; { rn-batch --size 32 all.rn | head -c 4000; } | rn-train -j 1 -o run 2>err >out || rc=$?
    [ $rc = 3 ] && [ ! -e run/last.rn ]
}

@test "a tool that is killed leaves nothing behind" {
    mkfifo pipe
    for signal in TERM INT KILL; do
        mkdir $signal
        rn-batch --size 32 -b 1 -o $signal/out.rn <pipe 2>err &
        tool=$!
        { cat all.rn | head -c -20; sleep 0.3; kill -$signal $tool; } >pipe
        rc=0; wait $tool || rc=$?
        # a shell's background job ignores SIGINT: then it sees a cut stream
        [ $rc = $((128 + $(kill -l $signal))) ] || { [ $signal = INT ]; [ $rc = 3 ]; }
        [ -z "$(ls -A $signal)" ]
    done
}

@test "bad values: exit 2, one line, no output" {
    while read -r command; do
        rc=0; $command -o new >out 2>err </dev/null || rc=$?
        expect 2 "." $rc
        [ ! -s out ] && [ ! -e new ] || { echo "$command: it wrote"; return 1; }
    done <<'END'
rn-list
rn-list --classes a,,b photos
rn-list --classes a,a photos
rn-list --classes a --unlabeled photos
rn-list -0 photos
rn-list --files-from all.rn photos
rn-split -r 70/13 all.rn
rn-split -r 70/13/18 all.rn
rn-split -r 70/13/-17 all.rn
rn-split -r a/b/c all.rn
rn-split -s -1 all.rn
rn-split -s 18446744073709551616 all.rn
rn-split --folds 1 all.rn
rn-split --folds 0x3 all.rn
rn-split --folds 5 -r 70/13/17 all.rn
rn-split --list train all.rn
rn-split --list =all.rn all.rn
rn-split --group= all.rn
rn-split --group path all.rn
rn-near --distance 17 all.rn
rn-near --distance -1 all.rn
rn-near -j 0 all.rn
rn-pick --shard 0/3 all.rn
rn-pick --shard 4/3 all.rn
rn-pick --shard 1 all.rn
rn-pick --shard 1/0 all.rn
rn-pick --shard -1/3 all.rn
rn-pick --head -1 all.rn
rn-pick --skip x all.rn
rn-pick --head 1.5 all.rn
rn-show --json --tsv all.rn
rn-show --values all.rn
rn-show --npy nothing all.rn
rn-show --where -l model/last.rn
rn-batch -b 0 all.rn
rn-batch -b 65537 all.rn
rn-batch --size 1e3 all.rn
rn-batch --size= all.rn
rn-batch --seed 5 all.rn
rn-batch --views all all.rn
rn-batch --views flip --train all.rn
rn-batch --whole --train all.rn
rn-batch --whole --views five all.rn
rn-batch --size 32 --resize 31 --views five all.rn
rn-batch --max-pixels 1T all.rn
rn-batch --progress sometimes all.rn
rn-predict -m model/last.rn --top 2 val.rn
rn-predict -m model/last.rn --top -1 --tsv val.rn
rn-predict -m model/last.rn -j -1 val.rn
rn-predict -m model/last.rn -d tpu val.rn
rn-score --min x test.rn
rn-score --min nan test.rn
rn-score --min 100.5 test.rn
rn-score --json --tsv test.rn
rn-score --mean test.rn
rn-train --init model/last.rn --resume model/last.rn train.rn
rn-train -a resnet19 train.rn
rn-train -t theirs train.rn
rn-train --lr -1 train.rn
rn-train --lr nan train.rn
rn-train --lr inf train.rn
rn-train --lr 1e-3x train.rn
rn-train --momentum 1.5 train.rn
rn-train --wd -0.1 train.rn
rn-train --step -1 train.rn
rn-train --label-smoothing 2 train.rn
rn-train --save-every -1 train.rn
rn-train --class-weights heavy train.rn
rn-train --class-weights 1,2,3,4,5,-6 train.rn
END
    command="rn-train train.rn" rc=0; $command >out 2>err || rc=$?
    expect 2 "-o" $rc
}

@test "binary is refused on a terminal" {
    script -qec true /dev/null >out 2>&1 </dev/null || skip "no pseudo-terminal can be made here"
    for command in "rn-list photos" "rn-split all.rn" "rn-pick all.rn" "rn-batch --size 32 all.rn" "rn-predict -j 1 -m model/last.rn val.rn" \
            "rn-show --npy images val.rn"; do
        rc=0; script -qec "$command" /dev/null >out 2>&1 </dev/null || rc=$?
        [ $rc = 2 ] && [ "$(wc -l <out)" = 1 ] && grep -q "^${command%% *}: .*rn-show" out || { echo "$command: $rc"; cat out; return 1; }
    done
    command="rn-split" rc=0; script -qec "rn-split -o new 2>err" /dev/null >out </dev/null || rc=$?
    expect 2 "standard input is a terminal" $rc
}

@test "awkward names, all the way from the folder to the score" {
    names=("two words" $'a "quote" and '\''more'\' $'new\nline' $'not utf-8 \xff\xfe' '$(touch hacked) *' '-o')
    i=0
    for class in "${names[@]}"; do
        mkdir -p "awkward/$class"
        for name in "${names[@]}"; do
            cp "photos/glass/glass$((i++ % 2 + 1)).jpg" "awkward/$class/$name.jpg"
        done
    done
    rn-list awkward | rn-split -r 50/0/50 -o $'all "here".rn'
    [ "$(rn-show --json $'all "here".rn' | jq -s length)" = 38 ]
    rn-pick "label=new"$'\n'"line" 'label=$(touch hacked) *' $'all "here".rn' | rn-show --json | jq -s length | grep -qx 14
    rn-pick split=train $'all "here".rn' | rn-batch --train --size 32 --epochs 1 -b 9 | rn-train -j 1 -o $'run\nhere' >table
    rn-pick split=test $'all "here".rn' | rn-batch --for $'run\nhere/last.rn' | rn-predict -j 1 -m $'run\nhere/last.rn' >test.rn
    rn-score --json test.rn | jq -e '.n == 18 and .errors == 0 and (.support == [3,3,3,3,3,3])'
    rn-batch --size 32 $'all "here".rn' | rn-predict -j 1 -m $'run\nhere/last.rn' --tsv >table
    [ "$(wc -l <table)" = 37 ]
    [ "$(awk -F'\t' 'NF != 10' table | wc -l)" = 0 ]
    cut -f 1 table | grep -qxF 'new\nline/two words.jpg'
    [ ! -e hacked ]
    [ ! -e awkward/hacked ]
    # ... by name, too
    find awkward -type f -print0 | rn-list --files-from - -0 | rn-show --json | jq -s length | grep -qx 38
}

@test "a folder with broken photos: one line for each" {
    jpg=photos/glass/glass1.jpg
    mkdir broken
    for i in $(seq 40); do cp $jpg broken/good$i.jpg; done
    head -c 900 $jpg >broken/cut.jpg
    : >broken/empty.png
    echo "not a picture" >broken/text.jpg
    head -c 100 /dev/urandom >broken/noise.webp
    ln -s nowhere broken/link.jpg
    # the header of a PNG of 60000 x 60000 pixels, and no more
    perl -e 'binmode STDOUT; print "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", pack("NNCCCCC", 60000, 60000, 8, 2, 0, 0, 0), "\x96\x2b\x2c\x51\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82"' >broken/bomb.png
    rc=0; "$TOP/pipelines/classify" -m model/last.rn -j 2 broken >table 2>err || rc=$?
    [ $rc = 1 ] || { echo "exit $rc"; cat err; return 1; }
    [ "$(wc -l <table)" = 47 ]
    [ "$(cut -f 1 table | tail -n +2 | sort)" = "$(ls broken | sort)" ]
    [ "$(awk -F'\t' '$3 ~ /^error: / { print $1 }' table | sort | tr '\n' ' ')" = "bomb.png cut.jpg empty.png link.jpg noise.webp text.jpg " ]
    [ "$(awk -F'\t' 'NF != 10' table | wc -l)" = 0 ]
    # without -k the first of them ends the work, by name
    for bad in cut.jpg empty.png text.jpg noise.webp bomb.png; do
        command="rn-batch --size 32 -o new" rc=0
        echo broken/$bad | rn-list --unlabeled --files-from - | $command 2>err || rc=$?
        expect 3 "broken/$bad" $rc
        [ ! -e new ]
    done
}
