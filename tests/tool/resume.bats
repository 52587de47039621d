# rn-train's promise: however a run is broken off, going on gives the same files, byte for byte, as never having stopped.
load common

# 12 photos in 3 batches an epoch, 3 epochs; base/ is the run that nothing disturbed, whole.rn the stream that it read.
setup_file() {
    cd "$BATS_FILE_TMPDIR"
    draw photos 3
    rn-list photos | rn-split -r 67/33/0 -o all.rn
    rn-pick split=val all.rn | rn-batch --size 32 -o val.rn
    rn-pick split=train all.rn >samples.rn
    rn-batch --train "${BATCHES[@]}" samples.rn -o whole.rn
    local begin=${EPOCHREALTIME/./}
    rn-batch --train "${BATCHES[@]}" samples.rn | rn-train -j 1 "${OPTIONS[@]}" --val val.rn --save-every 1 -o base >/dev/null
    echo $((${EPOCHREALTIME/./} - begin)) >microseconds
    [ "$(cut -f 1 base/log.tsv | tr '\n' ' ')" = "epoch 0 1 2 " ]
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/." .; }
BATCHES=(-b 4 --epochs 3 --size 32 -s 7)
OPTIONS=(-a resnet20 -t ours --lr 0.01 -s 7 --step 2)

# same RUN: its files are those of the run that nothing disturbed, but for the columns of the log that tell the time
same() {
    cmp base/last.rn "$1/last.rn"
    cmp base/best.rn "$1/best.rn"
    cmp <(cut -f 1-6 base/log.tsv) <(cut -f 1-6 "$1/log.tsv")
    [ "$(ls -A "$1" | tr '\n' ' ')" = "best.rn last.rn log.tsv " ]
}

# how RUN: the options that begin it, or go on with it: in the arrays batches and options
how() {
    batches=("${BATCHES[@]}") options=("${OPTIONS[@]}" --val val.rn -o "$1")
    [ ! -e "$1/last.rn" ] || batches=(--resume "$1/last.rn") options=(--resume "$1/last.rn" --val val.rn -o "$1")
}

# line RUN: begins the run, or goes on with it
line() {
    how "$1"
    rn-batch --train -j 1 "${batches[@]}" samples.rn | rn-train -j 1 "${options[@]}"
}

# until_ COMMAND...: waits until it succeeds, half a minute at most
until_() {
    local i
    for ((i = 0; i < 600; i++)); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    echo "in vain: $*"
    return 1
}
at() { [ "$(rn-show --where "$1/last.rn")" = "$2" ]; }

# stopped PLACE RUN: makes a run that was stopped there
stopped() {
    local rest rc=0
    rest=$(rn-batch --train "${BATCHES[@]}" --from "$1" samples.rn | wc -c)
    head -c $(($(stat -Lc %s whole.rn) - rest)) whole.rn | rn-train -j 1 "${OPTIONS[@]}" --val val.rn -o "$2" >"$2.table" 2>"$2.err" || rc=$?
    [ $rc = 3 ] && at "$2" "$1"
}

@test "kill -9 at 10 moments (with RN_FULL=1 at 200)" {
    RANDOM=20 landed=0 moments=${RN_FULL:+200}
    moments=${moments:-10}
    longest=$(($(cat microseconds) / 1000))
    for ((try = 0; landed < moments && try < 3 * moments; try++)); do
        how run
        rn-batch --train -j 1 "${batches[@]}" samples.rn 2>/dev/null | rn-train -j 1 "${options[@]}" --save-every $((try % 3)) >table 2>err &
        trainer=$!
        delay=$(((RANDOM * 32768 + RANDOM) % longest / 3))
        sleep $((delay / 1000)).$(printf %03d $((delay % 1000)))
        kill -9 $trainer 2>/dev/null || true
        rc=0; wait $trainer || rc=$?
        [ $rc = 137 ] && landed=$((landed + 1)) || [ $rc = 0 ] || { echo "try $try: exit $rc"; cat err; return 1; }
        if [ $rc = 0 ]; then same run; rm -r run; fi # it was done already: another one
    done
    [ $landed = $moments ] || { echo "only $landed of the signals met a run"; return 1; }
    line run >table
    same run
}

@test "SIGTERM and SIGINT: the step is finished, last.rn is written, and the run goes on" {
    for signal in TERM INT; do
        mkfifo $signal.pipe
        rn-train -j 1 "${OPTIONS[@]}" --val val.rn --progress always -o $signal $signal.pipe >table 2>err &
        trainer=$!
        # two batches and a bit; then nothing more comes
        exec 7>$signal.pipe
        head -c $(($(stat -Lc %s whole.rn) / 9 * 5 / 2)) whole.rn >&7
        until_ grep -q "batch 1/3" err
        kill -$signal $trainer
        rc=0; wait $trainer || rc=$?
        exec 7>&-
        [ $rc = $((128 + $(kill -l $signal))) ] || { echo "$signal: exit $rc"; cat err; return 1; }
        ! grep -q rn-train: err || false
        [ "$(ls -A $signal)" = last.rn ]
        [[ $(rn-show --where $signal/last.rn) == 0:[12] ]]
        line $signal >table
        same $signal
    done
}

@test "one Ctrl-C for the whole line" {
    set -m # a process group of its own
    { rn-batch --train "${BATCHES[@]}" samples.rn 2>/dev/null; sleep 100; } | # it does not end before
        rn-train -j 1 "${OPTIONS[@]}" --val val.rn --progress always -o run >table 2>err &
    group=$(jobs -p %%) trainer=$!
    until_ grep -q "batch 1/3" err
    kill -INT -- -"$group"
    rc=0; wait $trainer || rc=$?
    [ $rc = 130 ] || { echo "exit $rc"; cat err; return 1; }
    ! tr '\r' '\n' < err | grep rn-train: | grep -v 'have no photos to validate on' || false
    line run >table
    same run
}

@test "the same Ctrl-C ended the input early" {
    mkfifo pipe
    # the input's end and the signal, in both orders
    for order in "exec 7>&-; kill -INT \$trainer" "kill -INT \$trainer; exec 7>&-"; do
        rm -rf run
        rn-train -j 1 "${OPTIONS[@]}" --val val.rn --progress always -o run pipe >table 2>err &
        trainer=$!
        exec 7>pipe
        head -c $(($(stat -Lc %s whole.rn) / 9 * 5 / 2)) whole.rn >&7
        until_ grep -q "batch 1/3" err
        kill -STOP $trainer
        eval "$order"
        kill -CONT $trainer
        rc=0; wait $trainer || rc=$?
        [ $rc = 130 ] && ! grep -q rn-train: err || { echo "$order: exit $rc"; cat err; return 1; }
        line run >table
        same run
    done
}

@test "SIGUSR1: last.rn is written, and the run goes on" {
    mkfifo pipe
    rn-train -j 1 "${OPTIONS[@]}" --val val.rn --progress always -o run pipe >table 2>err &
    trainer=$!
    exec 7>pipe
    first=$(($(stat -Lc %s whole.rn) / 9 * 3 / 2))
    head -c $first whole.rn >&7
    until_ grep -q "batch 1/3" err
    [ ! -e run/last.rn ]
    kill -USR1 $trainer
    tail -c +$((first + 1)) whole.rn >&7
    exec 7>&-
    until_ test -e run/last.rn
    [[ $(rn-show --where run/last.rn) == [0-3]:* ]]
    wait $trainer
    same run
}

@test "stopped between an epoch's last batch and its end" {
    mkfifo pipe
    rn-train -j 1 "${OPTIONS[@]}" --val val.rn --save-every 1 -o run pipe >table 2>err &
    trainer=$!
    exec 7>pipe
    segment=$(($(stat -Lc %s whole.rn) - $(rn-batch --train "${BATCHES[@]}" --from 1:0 samples.rn | wc -c)))
    head -c $((segment - 4)) whole.rn >&7
    until_ at run 0:3
    kill -9 $trainer
    exec 7>&-
    wait $trainer || true
    [ ! -e run/log.tsv ]
    [ ! -e run/best.rn ]
    line run >table
    [ "$(cut -f 1 table | tr '\n' ' ')" = "epoch 0 1 2 " ]
    same run
}

@test "a stream that ends too early: exit 3, the whole epochs are kept" {
    stopped 2:0 run
    [ "$(grep -vc 'have no photos to validate on' run.err)" = 1 ]
    grep -q "^rn-train: .*epoch 2 of 3.*run/last.rn" run.err
    [ "$(cut -f 1 run/log.tsv | tr '\n' ' ')" = "epoch 0 1 " ]
    line run >table
    [ "$(cut -f 1 table | tr '\n' ' ')" = "epoch 2 " ]
    same run
    # within an epoch: that epoch does not count
    rc=0; head -c $(($(stat -Lc %s whole.rn) * 7 / 8)) whole.rn | rn-train -j 1 "${OPTIONS[@]}" --val val.rn -o other >table 2>err || rc=$?
    [ $rc = 3 ]
    [ "$(grep -vc 'have no photos to validate on' err)" = 1 ]
    at other 2:0
    line other >table
    same other
}

@test "resumed at the very end: nothing changes, exit 0" {
    cp -rL base run
    before=$(stat -c '%n %i %y' run/*)
    rn-batch --train --resume run/last.rn samples.rn -o rest.rn
    [ "$(rn-show --json rest.rn | jq -c '.epoch // .records' | tr '\n' ' ')" = "3 0 " ]
    line run >table 2>err
    [ "$(cat table)" = "$(head -n 1 base/log.tsv)" ]
    [ ! -s err ]
    [ "$(stat -c '%n %i %y' run/*)" = "$before" ]
    same run
}

@test "the best accuracy is remembered" {
    stopped 2:0 run
    # best BYTES: run/last.rn says that the best so far was that number. A foreign writer leaves out the hash.
    best() {
        BEST=$1 perl -0777 -pe 'BEGIN { $v = eval $ENV{BEST} }
            substr($_, 0, 8192) =~ s/(?<=best_acc1)(\xcb.{8}|\xc0)/$v/s == 1 or die "no best_acc1";
            substr($_, -64) =~ s/\x83(\xa2rn\xa3end\xa7records.{1,3}?)\xa4xxh3\xc4\x08.{8}\z/\x82$1/s == 1 or die "no tail"' run/last.rn >changed
        mv changed run/last.rn
    }
    cp -r run other
    best '"\xcb" . pack("d>", 100)'
    echo old >run/best.rn
    line run >table
    [ "$(cat run/best.rn)" = old ]
    rn-show --header --json run/last.rn | jq -e '.best_acc1 == 100'
    rm -r run; mv other run
    best '"\xc0"'
    echo old >run/best.rn
    line run >table
    [ "$(cat run/best.rn)" != old ]
    rn-show --header --json run/last.rn | jq -e '.best_acc1 >= 0'
    [ "$(rn-show --header --json run/last.rn | jq '.best_acc1 * 10000 | round')" = \
      "$(awk -F'\t' 'NR > 3 && $6 > best { best = $6 } END { printf "%.0f", best * 10000 }' run/log.tsv)" ]
}

@test "what does not go on with the run: exit 3, and nothing is touched" {
    stopped 2:0 run
    cp -r run kept
    line_of() { rn-batch --train "${BATCHES[@]}" "$@" samples.rn; }
    for bad in "--from 2:1" "--from 1:0" "--from 3:0" "--from 0:0" "--from 2:0 -s 8" "--from 2:0 -b 3" "--from 2:0 --size 40"; do
        line_of $bad >bad.rn
        fails_but_for_header 3 . rn-train -j 1 --resume run/last.rn --val val.rn -o run bad.rn || { echo "$bad"; return 1; }
        diff -r run kept
    done
    # other classes; batches for evaluation
    rn-list --classes cardboard,glass,metal,paper,plastic,trash,zebra photos | rn-batch --train "${BATCHES[@]}" --from 2:0 >bad.rn
    fails_but_for_header 3 zebra rn-train -j 1 --resume run/last.rn -o run bad.rn
    fails_but_for_header 3 "evaluation" rn-train -j 1 --resume run/last.rn -o run val.rn
    fails_but_for_header 3 "train batches" rn-train -j 1 --resume run/last.rn --val whole.rn -o run <(line_of --from 2:0)
    diff -r run kept
}

@test "options that are not the checkpoint's: exit 2; a run is not begun over another" {
    stopped 2:0 run
    cp -r run kept
    for bad in "--lr 0.02" "-t none" "-a resnet34" "-s 8" "--momentum 0.8" "--wd 0" "--step 3" "--class-weights inv" "--label-smoothing 0.1" "--strict"; do
        fails_but_for_header 2 "^rn-train: ${bad%% *}|${bad#-? }|^rn-train: --" rn-train -j 1 --resume run/last.rn $bad -o run whole.rn || { echo "$bad"; return 1; }
    done
    fails_but_for_header 2 "overwrite" rn-train -j 1 "${OPTIONS[@]}" -o run whole.rn
    diff -r run kept
    # the same options again are welcome
    rn-batch --train --resume run/last.rn samples.rn | rn-train -j 1 --resume run/last.rn "${OPTIONS[@]}" --val val.rn -o run >table
    same run
    # --overwrite: the old files go, but only when a new run really begins
    : >empty
    cp -r run kept2
    fails_but_for_header 3 . rn-train -j 1 "${OPTIONS[@]}" --overwrite -o run empty
    diff -r run kept2
    rn-batch --train "${BATCHES[@]}" --epochs 1 samples.rn | rn-train -j 1 "${OPTIONS[@]}" --overwrite -o run >table
    [ "$(ls -A run | tr '\n' ' ')" = "last.rn log.tsv " ] && at run 1:0
}

# fails_but_for_header CODE PATTERN COMMAND...: as fails, where the table's first line may be out
fails_but_for_header() {
    local code=$1 pattern=$2 rc=0
    shift 2
    "$@" >table 2>err || rc=$?
    [ $rc = "$code" ] && [ "$(wc -l <err)" = 1 ] && grep -qE -- "$pattern" err && [ "$(wc -l <table)" -le 1 ] ||
        { echo "$*: exit $rc"; cat err table; return 1; }
}

@test "other photos within an epoch: exit 3; from an epoch's beginning: one line; a checkpoint that does not know them goes on" {
    rest=$(rn-batch --train "${BATCHES[@]}" --from 0:2 samples.rn | wc -c)
    rest=$(($(stat -Lc %s whole.rn) - rest + 1000)) # the head comes twice
    head -c $rest whole.rn | rn-train -j 1 "${OPTIONS[@]}" --val val.rn --save-every 1 -o run >table 2>err || true
    at run 0:2
    cp -r run kept
    rn-show --header --json run/last.rn | jq -e '.batches | .batches_per_epoch == 3 and .listing > 0'
    rn-pick --head 8 samples.rn -o fewer.rn
    # as many, but not the same; fewer, so that the epoch would be at its end
    cp -rL photos others
    mv others/glass/glass1.jpg others/glass/glass9.jpg
    rn-list others | rn-split -r 67/33/0 | rn-pick split=train -o other.rn
    for photos in fewer.rn other.rn; do
        rn-batch --train --resume run/last.rn $photos >bad.rn
        fails_but_for_header 3 "the photos are not those that epoch 0 was begun with" rn-train -j 1 --resume run/last.rn --val val.rn -o run bad.rn
        diff -r run kept
    done
    # the same in another order
    rn-pick --skip 4 samples.rn >order.rn
    rn-pick --head 4 samples.rn >>order.rn
    rn-batch --train --resume run/last.rn order.rn | rn-train -j 1 --resume run/last.rn --val val.rn -o run >table
    same run
    # an epoch is over: others may come, and a line says so
    stopped 1:0 later
    rn-batch --train --resume later/last.rn fewer.rn | rn-train -j 1 --resume later/last.rn --val val.rn -o later >table 2>err
    [ "$(cat err)" = "rn-train: from epoch 1 on with other photos than before" ]
    rn-show --header --json later/last.rn | jq -e '.batches.batches_per_epoch == 2'
    # a stream and a checkpoint of before: neither names its photos
    rm -r run
    stopped 1:0 run
    perl -0777 -pi -e 's/\xa7batches\K\x86/\x84/; s/\xb1batches_per_epoch.(\xa7listing)?(?(1)\xcf.{8})//s;
        substr($_, -64) =~ s/\x83(\xa2rn\xa3end\xa7records.{1,3}?)\xa4xxh3\xc4\x08.{8}\z/\x82$1/s' run/last.rn
    rn-show --header --json run/last.rn | jq -e '.batches | has("listing") or has("batches_per_epoch") | not'
    line run >table 2>err
    [ ! -s err ]
    cmp <(cut -f 1-6 base/log.tsv) <(cut -f 1-6 run/log.tsv)
}

@test "SIGHUP and SIGXCPU as SIGTERM; nohup holds" {
    for signal in HUP XCPU; do
        rm -rf run pipe
        mkfifo pipe
        rn-train -j 1 "${OPTIONS[@]}" --val val.rn --progress always -o run pipe >table 2>err &
        trainer=$!
        exec 7>pipe
        head -c $(($(stat -Lc %s whole.rn) / 9 * 5 / 2)) whole.rn >&7
        until_ grep -q "batch 1/3" err
        kill -$signal $trainer
        rc=0; wait $trainer || rc=$?
        exec 7>&-
        [ $rc = $((128 + $(kill -l $signal))) ] && [[ $(rn-show --where run/last.rn) == 0:[12] ]] || { echo "$signal: exit $rc"; cat err; return 1; }
    done
    rm -rf run
    (trap '' HUP; exec rn-train -j 1 "${OPTIONS[@]}" --val val.rn --progress always -o run pipe) >table 2>err &
    trainer=$!
    exec 7>pipe
    head -c $(($(stat -Lc %s whole.rn) / 9 * 5 / 2)) whole.rn >&7
    until_ grep -q "batch 1/3" err
    kill -HUP $trainer
    tail -c +$(($(stat -Lc %s whole.rn) / 9 * 5 / 2 + 1)) whole.rn >&7
    exec 7>&-
    wait $trainer
    same run
}

@test "an epoch is saved before standard output hears of it: head -n 1 loses none" {
    set +o pipefail
    rn-batch --train "${BATCHES[@]}" samples.rn 2>/dev/null | rn-train -j 1 "${OPTIONS[@]}" --val val.rn -o run | head -n 1 >table
    at run 1:0 || at run 2:0
    [ "$(rn-show --where run/last.rn | cut -d: -f 1)" = "$(($(wc -l <run/log.tsv) - 1))" ]
    line run >table
    same run
}

@test "two rn-train in one folder: the second ends with exit 4 and names it" {
    mkfifo pipe
    rn-train -j 1 "${OPTIONS[@]}" -o run pipe >table 2>err &
    trainer=$!
    exec 7>pipe
    until_ grep -q epoch table
    fails 4 '^rn-train: run: another rn-train is at work' rn-train -j 1 "${OPTIONS[@]}" -o run whole.rn
    exec 7>&-
    wait $trainer || true
    rn-train -j 1 "${OPTIONS[@]}" --val val.rn -o run whole.rn >table
}

@test "progress: epochs as in log.tsv, no wider than the terminal, the time of validation counted" {
    command -v script >/dev/null || skip "script is not here"
    script -qec true /dev/null >out 2>&1 </dev/null || skip "no pseudo-terminal can be made here"
    local options=("${OPTIONS[@]/resnet20/resnet18}") # slow enough to be watched
    script -qec "stty cols 40; rn-train -j 1 ${options[*]} --val val.rn -o run whole.rn >table" screen </dev/null >/dev/null
    tr '\r' '\n' <screen | grep -q '^epoch 0 of 0-2 batch 1/3 loss'
    tr '\r' '\n' <screen | grep -q '^epoch 2 of 0-2: validating'
    ! tr '\r' '\n' <screen | grep -vE '^(Script|rn-train:) ' | grep -E '.{41}' || false
    rn-train -j 1 "${options[@]}" --val val.rn --overwrite --progress always -o run whole.rn 2>err >table
    tr '\r' '\n' <err | grep -qE '^epoch 0 of .*[0-9:]+\+ left'
    tr '\r' '\n' <err | grep -E '^epoch 2 of .* left' | tail -n 1 | grep -vqE '\+ left'
}

@test "a loss that is not finite: exit 5, and no checkpoint is touched" {
    rn-batch --train --size 32 -b 2 samples.rn >small.rn
    fails_but_for_header 5 "diverged" rn-train -j 1 -t ours --lr 1e6 -o run small.rn
    [ -z "$(ls -A run)" ]
    # later: one number in the second epoch
    images='tensor("<f4", [2, 3, 32, 32], pack("f<*", map { sin($_ * 0.37 + $s) } 0 .. 6143))'
    epoch() {
        stream "head('batches', ['cat', 'dog'], mode => str('train'), epoch => num($1), epochs => num(3))" \
            "\$s = $1; dict(epoch => num($1), index => num(0), ids => list(str('a'), str('b')), labels => list(num(0), num(1)), images => $images)" \
            "\$s = $2; dict(epoch => num($1), index => num(1), ids => list(str('c'), str('d')), labels => list(num(1), num(0)), images => $images)" \
            'tail(2)'
    }
    epoch 0 2 >good
    rc=0; rn-train -j 1 --lr 0.01 -o later good >table 2>err || rc=$?
    [ $rc = 3 ]
    at later 1:0
    cp -r later kept
    for bad in "9**9**9" "-sin(9**9**9)"; do
        fails_but_for_header 5 "epoch 1, batch 1.*diverged" rn-train -j 1 --resume later/last.rn -o later <(epoch 1 "$bad")
        diff -r later kept
    done
    # the foreign stream goes on where it is good, from a pipe as from a file, in one piece as in two
    { epoch 1 5; epoch 2 6; } | rn-train -j 1 --resume later/last.rn -o later >table
    { cat good; epoch 1 5; epoch 2 6; } | rn-train -j 1 --lr 0.01 -o once >table
    cmp later/last.rn once/last.rn
    cmp <(cut -f 1-6 later/log.tsv) <(cut -f 1-6 once/log.tsv)
}
