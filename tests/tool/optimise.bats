# rn-train's options beyond the published recipe: each keeps the promises (resumed to the byte, the same for any -j), says what it
# did, and nonsense is refused.
load common

# 12 photos in 3 batches an epoch, 3 epochs; said.rn: what another network says of them, drawn.rn: of each epoch's draws
setup_file() {
    cd "$BATS_FILE_TMPDIR"
    draw photos 3
    rn-list photos | rn-split -r 67/33/0 -o all.rn
    rn-pick split=val all.rn | rn-batch --size 32 -o val.rn
    rn-pick split=train all.rn >samples.rn
    rn-batch --train -b 4 --epochs 3 --size 32 -s 7 samples.rn -o whole.rn
    rn-batch --train -b 6 --epochs 1 --size 32 samples.rn | rn-train -q --lr 0.01 -s 9 -o teacher >/dev/null
    rn-batch --for teacher/last.rn samples.rn | rn-predict -m teacher/last.rn -o said.rn
    rn-predict -m teacher/last.rn whole.rn -o drawn.rn
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/." .; }
USUAL=(-q -a resnet20 -t ours --lr 0.01 -s 7)

run_of() { rn-train "${USUAL[@]}" --val val.rn -o "$@" whole.rn >table; }

# values: of a stream of weights, the last 1 MB of tensors (nearly all of ResNet-20), without head and tail
values() { tail -c 1000000 | head -c -40 | cksum; }

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

# killed PLACE RUN OPTION...: a run that is killed there, in the middle of an epoch
killed() {
    local place=$1 run=$2 rest trainer
    shift 2
    mkfifo "$run.pipe"
    rn-train "${USUAL[@]}" -j 1 --val val.rn --save-every 1 -o "$run" "$@" "$run.pipe" >"$run.table" 2>"$run.err" &
    trainer=$!
    exec 7>"$run.pipe"
    rest=$(rn-batch --train -b 4 --epochs 3 --size 32 -s 7 --from "$place" samples.rn | wc -c)
    # what --from writes begins with a head of its own, so a little more than the rest is kept back
    head -c $(($(stat -Lc %s whole.rn) - rest + 2000)) whole.rn >&7
    until_ at "$run" "$place" || { cat "$run.err"; return 1; }
    kill -9 $trainer
    exec 7>&-
    wait $trainer || true
}

# same A B: the files of two runs, but for the columns of the log that tell the time
same() {
    diff <(cd "$1" && ls -A) <(cd "$2" && ls -A)
    diff <(cut -f 1-6,9- "$1/log.tsv") <(cut -f 1-6,9- "$2/log.tsv")
    local file
    for file in "$1"/*.rn; do cmp "$file" "$2/${file##*/}"; done
}

@test "killed in the middle of an epoch and resumed: the same bytes, with any of the options" {
    while read -r place options; do
        rm -rf base run run.pipe
        # shellcheck disable=SC2086 # words
        run_of base -j 2 $options
        # shellcheck disable=SC2086
        killed "$place" run $options || { echo "$options"; return 1; }
        rn-batch --train --resume run/last.rn samples.rn |
            rn-train -q -j 1 --resume run/last.rn --val val.rn --keep "$(grep -oP -- '--keep \K.' <<<"$options" || echo 0)" -o run >table
        same base run || { echo "$options"; return 1; }
    done <<'END'
0:2 --schedule cosine --warmup 1.5 --nesterov --no-decay bn,bias --lr-head 10 --layer-decay 0.7 --ema 0.9 --label-smoothing 0.1
1:1 --schedule plateau --step 1 --best loss --recall --keep 2 --teacher said.rn --temperature 2 --alpha 0.7
1:1 --optimizer adamw --accumulate 2 --clip 0.5 --ema 0.5 --best macro-f1 --patience 9
2:1 --freeze conv1,bn1,layer1 --freeze-norms --epochs-only-last --schedule constant --teacher drawn.rn
END
}

@test "what --schedule plateau and --patience have counted when they are killed counts on" {
    # nothing moves, so that no epoch is better than the first: lr is cut before epoch 2, and the run stops after it
    still=(--lr 0 --freeze-norms --freeze '*bn*,*downsample.1*' --schedule plateau --step 1 --patience 2 --best balanced)
    run_of base -j 2 "${still[@]}"
    killed 2:1 run "${still[@]}"
    rn-show --header --json run/last.rn | jq -e '.state.since_best == 1 and .state.cuts == 1'
    rn-batch --train --resume run/last.rn samples.rn | rn-train -q -j 1 --resume run/last.rn --val val.rn -o run >table
    same base run
    rn-show --header --json run/last.rn | jq -e '.state.since_best == 2 and .state.cuts == 2'
}

@test "the published recipe is the default: said in full, it is the same bytes" {
    small=(-t ours -s 1234)
    rn-train -q "${small[@]}" --val val.rn -o plain whole.rn >table
    rn-train -q "${small[@]}" --val val.rn -a resnet18 --lr 2e-4 --momentum 0.9 --wd 1e-4 --step 40 --schedule step --warmup 0 \
        --optimizer sgd --no-decay none --lr-head 1 --layer-decay 1 --clip 0 --accumulate 1 --ema 0 --class-weights none \
        --label-smoothing 0 --best acc1 --patience 0 --keep 0 -o full whole.rn >table
    same plain full
    rn-show --header --json plain/last.rn | jq -r '.options[]' | diff - <(printf -- '--%s\n' accumulate=1 alpha=0.5 arch=resnet18 \
        attention=ours best=acc1 bn=whole class-weights=none clip=0 ema=0 label-smoothing=0 layer-decay=1 lr-head=1 lr=0.0002 momentum=0.9 \
        no-decay=none optimizer=sgd patience=0 precision=fp32 schedule=step seed=1234 step=40 temperature=4 val=val.rn warmup=0 \
        wd=0.0001)
    # the state of averages, schedules and second moments is in no such checkpoint
    rn-show --header --json plain/last.rn | jq -e 'has("state") | not'
}

@test "nonsense: exit 2 and a line that names the option" {
    while IFS='|' read -r options pattern; do
        # shellcheck disable=SC2086
        fails 2 "$pattern" rn-train "${USUAL[@]}" -o none $options whole.rn || { echo "$options"; return 1; }
        [ ! -e none ]
    done <<'END'
--schedule linear|--schedule: 'linear' is not one of step.cosine.constant.plateau
--schedule plateau|--schedule=plateau: it needs --val
--schedule plateau --val val.rn --step 0|--schedule=plateau: it needs --step
--schedule cosine --step 10|--step: --schedule=cosine has no steps
--schedule constant --step 0|--step: --schedule=constant has no steps
--strict|--strict: it needs --init
--head --init teacher/last.rn --layer-decay 0.7|--head: the last layer alone is trained: leave out --layer-decay
--warmup -1|--warmup: '-1' is not a number
--optimizer lamb|--optimizer: 'lamb'
--optimizer adamw --nesterov|--nesterov: --optimizer=adamw
--optimizer adamw --momentum 1|--momentum: AdamW
--nesterov --momentum 0|--nesterov: there is no --momentum
--no-decay norms|--no-decay: 'norms' is not none, bn, bias
--no-decay bn,|--no-decay: 'bn,' is not
--lr-head 0|--lr-head: '0'
--layer-decay 1.5|--layer-decay: '1.5'
--layer-decay 0|--layer-decay: '0'
--freeze-norms|--freeze-norms: it needs --freeze
--clip nan|--clip: 'nan'
--accumulate 0|--accumulate: '0'
--ema 1|--ema: '1' is not a number from 0 to 0.999999
--best f1 --val val.rn|--best: 'f1' is not one of acc1.loss.balanced.macro-f1
--best loss|--best: it needs --val
--patience 2|--patience: it needs --val
--patience -1 --val val.rn|--patience: '-1'
--recall|--recall: it needs --val
--epochs-only-last --val val.rn --patience 2|--epochs-only-last chooses no epoch: leave out --patience
--epochs-only-last --val val.rn --best loss|--epochs-only-last chooses no epoch: leave out --best
--keep -1|--keep: '-1'
--temperature 2|--temperature: it needs --teacher
--alpha 0.9|--alpha: it needs --teacher
--teacher said.rn --temperature 0|--temperature: '0'
--teacher said.rn --alpha 1.5|--alpha: '1.5'
END
    # what only the network or the stream can tell: the folder is there, and empty
    for bad in "--freeze layer9|--freeze: 'layer9' is no layer" "--freeze *|nothing is left to train" "--schedule cosine --warmup 3|--warmup: 3 epochs of 3"; do
        set -f
        # shellcheck disable=SC2086
        set -- ${bad%|*}
        set +f
        rc=0; rn-train "${USUAL[@]}" -o none "$@" whole.rn >table 2>err || rc=$?
        [ $rc = 2 ] && grep -q -- "${bad#*|}" err && [ "$(wc -l <err)" = 1 ] || { echo "$bad: $rc"; cat err; return 1; }
        [ -z "$(ls -A none)" ]
    done
    # a stream that does not say enough
    foreign() { stream 'head("batches", ["cat", "dog"], mode => str("train"), epoch => num(0), epochs => num(1))' 'tail(0)'; }
    for bad in "--schedule cosine" "--warmup 1"; do
        # shellcheck disable=SC2086
        rc=0; rn-train "${USUAL[@]}" $bad -o none <(foreign) >table 2>err || rc=$?
        [ $rc = 3 ] && grep -q "how many batches an epoch has" err || { echo "$bad: $rc"; cat err; return 1; }
    done
}

@test "a run that is resumed has its options; another is refused, one of before takes the defaults" {
    head -c $(($(stat -Lc %s whole.rn) / 2)) whole.rn | rn-train "${USUAL[@]}" --ema 0.9 --schedule cosine -o run >table 2>err || true
    at run 1:0
    rn-batch --train --resume run/last.rn samples.rn -o rest.rn
    for bad in "--ema 0.8" "--schedule step" "--nesterov" "--freeze conv1" "--lr-head 2" "--optimizer adamw"; do
        # shellcheck disable=SC2086
        rc=0; rn-train -q --resume run/last.rn $bad -o run rest.rn >table 2>err || rc=$?
        [ $rc = 2 ] && grep -q "is not what the run that is resumed has" err || { echo "$bad: $rc"; cat err; return 1; }
    done
    rn-train -q --resume run/last.rn --ema 0.9 --schedule cosine --warmup 0 -o run rest.rn >table
    at run 3:0
    # history and options say it, and only what is not the default
    rn-show --header --json run/last.rn | jq -e '.history[-1].args == ["--arch=resnet20", "--attention=ours", "--ema=0.9", "--lr=0.01", "--schedule=cosine", "--seed=7"] and
        (.options | contains(["--ema=0.9", "--schedule=cosine", "--warmup=0"])) and .state.updates == 9'
    # a checkpoint of the published recipe counts nothing else, and one without the newer options goes on with the same again
    head -c $(($(stat -Lc %s whole.rn) / 2)) whole.rn | rn-train "${USUAL[@]}" -o plain >table 2>err || true
    rn-show --header --json plain/last.rn | jq -e 'has("state") | not'
    [ -z "$(rn-show --tsv plain/last.rn | cut -f 2 | grep -E 'ema|second|gradient')" ]
}

# scores MODEL: Acc@1 and loss on the validation photos, as the log has them
scores() { rn-predict -q -m "$1" val.rn | rn-score --json - | jq -r '"\(.acc1) \(.log_loss)"' | awk '{ printf "%.4f %.3f\n", $1, $2 }'; }

@test "--ema: validation, best.rn and whoever reads last.rn see the average" {
    run_of run --ema 0.9 --lr 0.001 # so that no probability is too small for rn-score
    logged=$(tail -n 1 run/log.tsv | awk '{ printf "%.4f %.3f\n", $6, $5 }')
    [ "$(scores run/last.rn)" = "$logged" ]
    # the parameters themselves are others
    [ "$(rn-pick role!=ema run/last.rn | scores /dev/stdin)" != "$logged" ]
    rn-show --tsv run/last.rn | sed 1d | cut -f 2 | sort | uniq -c | awk '{ print $2, $1 }' >roles
    [ "$(cut -d' ' -f 1 roles | paste -sd' ')" = "buffer ema momentum parameter" ]
    [ "$(awk '{ n[$1] = $2 } END { print n["ema"] == n["parameter"] + n["buffer"] }' roles)" = 1 ]
    # best.rn is a network of that epoch's average alone: not to be gone on with
    best=$(sed 1d run/log.tsv | sort -st $'\t' -k6,6gr | head -n 1 | awk '{ printf "%.4f %.3f\n", $6, $5 }')
    [ "$(scores run/best.rn)" = "$best" ]
    [ "$(rn-show --tsv run/best.rn | sed 1d | cut -f 2 | sort -u | paste -sd' ')" = "buffer parameter" ]
    fails 3 "best.rn: not a checkpoint" rn-train -q --resume run/best.rn -o other whole.rn
    # --init and rn-export take the average too
    rn-export -o a.safetensors run/last.rn
    rn-batch --train -b 4 --epochs 1 --size 32 -s 7 samples.rn >one.rn
    rn-train "${USUAL[@]}" --init run/last.rn --lr 0 --momentum 0 -o init one.rn >table
    rn-export -o b.safetensors init/last.rn
    rn-import a.safetensors -o a.rn
    rn-import b.safetensors -o b.rn
    [ "$(rn-pick role=parameter a.rn | values)" = "$(rn-pick role=parameter b.rn | values)" ]
}

@test "--ema: before the first update the average is what the network began with" {
    head -c $(($(stat -Lc %s whole.rn) / 5)) whole.rn | rn-train "${USUAL[@]}" --ema 0.9 --accumulate 99 --save-every 1 -o run >table 2>err || true
    at run 0:1
    rn-show --header --json run/last.rn | jq -e '.state.updates == 0 and .state.accumulated == 1'
    of() { rn-pick name=conv1.weight role="$1" run/last.rn | rn-show --json | jq -c 'select(.name) | .value'; }
    [ "$(of ema)" = "$(of parameter)" ]
}

@test "--ema: an average that the run is too short for is said before the first step" {
    short() { rn-train "${USUAL[@]:1}" --overwrite -o run "$@" whole.rn 2>&1 >table | grep -c -- '--ema=' || true; }
    rn-train "${USUAL[@]:1}" --ema 0.999 -o run whole.rn 2>err >table
    grep -x 'rn-train: --ema=0.999: after the 9 updates of this run the first one will still be 99 % of the average: a smaller DECAY follows sooner' err
    [ "$(short --ema 0.5)" = 0 ]
    [ "$(short --ema 0.7)" = 0 ]
    [ "$(short --ema 0.7 --accumulate 3)" = 1 ] # three updates
    [ "$(short --ema 0.999 -q)" = 0 ]
}

@test "an average without its parts, and parts without their average, are damage" {
    run_of run --ema 0.9 --optimizer adamw
    rn-pick role!=second_moment run/last.rn >cut.rn
    rn-batch --train --resume run/last.rn --epochs 4 samples.rn >rest.rn
    rc=0; rn-train -q --resume cut.rn -o other rest.rn >table 2>err || rc=$?
    [ $rc = 3 ] && grep -q "cut.rn: the role second_moment is missing" err || { cat err; return 1; }
    rn-pick role!=ema run/last.rn >cut.rn
    rc=0; rn-train -q --resume cut.rn -o other rest.rn >table 2>err || rc=$?
    [ $rc = 3 ] && grep -q "cut.rn: the role ema is missing" err || { cat err; return 1; }
    rn-pick role!=momentum run/last.rn >cut.rn
    rc=0; rn-train -q --resume cut.rn -o other rest.rn >table 2>err || rc=$?
    [ $rc = 3 ] && grep -q "the momentum of 'conv1.weight' is missing" err || { cat err; return 1; }
    # without the last tensor of the averages
    n=$(rn-show --json run/last.rn | jq -c 'select(.name)' | wc -l)
    rn-pick --head $((n - 1)) run/last.rn >cut.rn
    fails 3 "the average of '.*' is missing" rn-predict -m cut.rn val.rn
}

@test "--patience: the run stops, exit 0, and is at its end" {
    # nothing gets better when nothing moves
    rc=0; rn-train -a resnet20 -t ours --lr 0 -s 7 --best acc1 --patience 1 --freeze-norms --freeze '*bn*,*downsample.1*' --val val.rn -o run whole.rn >table 2>err || rc=$?
    [ $rc = 0 ] && [ "$(cut -f 1 run/log.tsv | paste -sd' ')" = "epoch 0 1" ] || { cat err table; return 1; }
    grep -q "^rn-train: stopped before epoch 2: 1 epochs without a better one" err
    rn-show --header --json run/last.rn | jq -e '.epoch == 2 and .state.since_best == 1'
    sum=$(cksum <run/last.rn)
    rn-batch --train --resume run/last.rn samples.rn -o rest.rn
    rn-train -q --resume run/last.rn --val val.rn -o run rest.rn >table
    [ "$(cksum <run/last.rn)" = "$sum" ]
}

@test "--epochs-only-last: no best; --recall: each class's; --keep: the last epochs" {
    run_of run --epochs-only-last --recall --keep 2
    [ "$(ls -A run | paste -sd' ')" = "epoch-0001.rn epoch-0002.rn last.rn log.tsv" ]
    cmp run/epoch-0002.rn run/last.rn
    rn-show --header --json run/last.rn | jq -e '.best_acc1 == null'
    [ "$(head -n 1 run/log.tsv | cut -f 9- | tr '\t' ' ')" = "recall_cardboard recall_glass recall_metal recall_paper recall_plastic recall_trash" ]
    cmp <(cut -f 1-8 run/log.tsv | cut -f 1-6) <(cut -f 1-6 table)
    rn-predict -q -m run/last.rn val.rn | rn-score --json - |
        jq -r '[range(6) as $i | if .support[$i] > 0 then .recall[$i] else "" end] | map(tostring) | join("\t")' |
        awk -F'\t' -v OFS='\t' '{ for (i = 1; i <= NF; i++) $i = $i == "" ? "" : sprintf("%.4f", 100 * $i) } 1' >recall
    diff recall <(tail -n 1 run/log.tsv | cut -f 9-)
    # another run over it: the kept epochs go
    rn-batch --train -b 4 --epochs 1 --size 32 -s 7 samples.rn | rn-train "${USUAL[@]}" --overwrite -o run >table
    [ "$(ls -A run | paste -sd' ')" = "last.rn log.tsv" ]
}

@test "the log's lr is that of the epoch's last update" {
    rn-train "${USUAL[@]}" --schedule cosine --warmup 1 -o run whole.rn >table
    awk 'NR > 1 { pi = atan2(0, -1); want = NR == 2 ? 0.01 : 0.01 * (1 + cos(pi * ((NR - 2) * 3 + 2 - 3) / 6)) / 2
        if ($2 - want > 1e-7 || want - $2 > 1e-7) { print $2, want; exit 1 } }' run/log.tsv
}

@test "--accumulate 3 of an epoch's batches: one update an epoch, as many as --accumulate 99" {
    rn-train "${USUAL[@]}" --accumulate 3 -o three whole.rn >table
    rn-train "${USUAL[@]}" --accumulate 99 -o many whole.rn >table
    rn-show --header --json three/last.rn | jq -e '.state.updates == 3 and .state.accumulated == 0'
    [ "$(values <three/last.rn)" = "$(values <many/last.rn)" ]
}

@test "--clip: a bound that nothing reaches changes no bit; a gradient that is not finite ends the run" {
    rn-train "${USUAL[@]}" -o plain whole.rn >table
    rn-train "${USUAL[@]}" --clip 1e9 -o wide whole.rn >table
    [ "$(values <plain/last.rn)" = "$(values <wide/last.rn)" ]
    rn-train "${USUAL[@]}" --clip 0.01 -o narrow whole.rn >table
    [ "$(values <plain/last.rn)" != "$(values <narrow/last.rn)" ]
}

# ---- --teacher ----

# refused CODE PATTERN OPTION... STREAM: before or at the first batch, with one line
refused() {
    local code=$1 pattern=$2 rc=0
    shift 2
    rn-train "${USUAL[@]}" --overwrite -o none "$@" >table 2>err || rc=$?
    [ $rc = "$code" ] && grep -qE -- "$pattern" err && [ "$(wc -l <err)" = 1 ] || { echo "$*: exit $rc"; cat err; return 1; }
    [ ! -e none/last.rn ]
}

@test "--teacher: it changes what is learnt by its share; the mean of an ensemble counts; history says it" {
    one() { rn-batch --train -b 4 --epochs 1 --size 32 -s 7 samples.rn | rn-train "${USUAL[@]}" -o "$@" >table; }
    one plain
    one none --teacher said.rn --alpha 0
    one some --teacher said.rn
    [ "$(values <plain/last.rn)" = "$(values <none/last.rn)" ]
    [ "$(values <plain/last.rn)" != "$(values <some/last.rn)" ]
    # twice the same network, photos in another order
    cat said.rn <(rn-pick --skip 5 said.rn) <(rn-pick --head 5 said.rn) >twice.rn
    one twice --teacher twice.rn
    [ "$(values <some/last.rn)" = "$(values <twice/last.rn)" ]
    [ "$(rn-show --header --json twice/last.rn | jq .state.teacher)" = "$(rn-show --header --json some/last.rn | jq .state.teacher)" ]
    rn-show --header --json some/last.rn | jq -e '.history[-1].args | index("--teacher=said.rn")'
    rn-show --header --json plain/last.rn | jq -e 'has("state") | not'
    # who is taught by it alone comes nearer to it
    rn-train "${USUAL[@]}" --teacher said.rn --alpha 1 --temperature 1 --lr 0.003 -o taught whole.rn >table
    awk 'NR == 2 { first = $3 } END { exit !($3 < first) }' taught/log.tsv
}

@test "--teacher: photos, classes and files that are not there" {
    first=$(rn-show --json said.rn | jq -r 'select(.id).id' | head -n 1)
    rn-pick --skip 1 said.rn >few.rn
    refused 3 "^rn-train: .*--teacher few.rn: it has no prediction of '$first'" --teacher few.rn whole.rn
    refused 3 "a stream of samples" --teacher samples.rn whole.rn
    refused 4 "absent.rn" --teacher absent.rn whole.rn
    refused 3 "class 'cat'" --teacher <(stream 'head("predictions", ["cat", "dog"])' 'tail(0)') whole.rn
    head -c 500 said.rn >cut.rn
    refused 3 "cut.rn" --teacher cut.rn whole.rn
    refused 3 "an ensemble that is not whole: '.*' has . predictions, '.*' " --teacher <(cat said.rn few.rn) whole.rn
    refused 3 "photos that are mixed .rn-batch --mixup, --cutmix" --teacher said.rn <(rn-batch --train -b 4 --size 32 --mixup 0.2 samples.rn)
    # a photo that the teacher could not read
    { stream 'head("predictions", [qw(cardboard glass metal paper plastic trash)])' \
        "dict(id => str('$first'), label => none(), split => none(), error => str('gone'))" 'tail(1)'; cat few.rn; } >error.rn
    refused 3 "it has an error record instead of '$first'" --teacher error.rn whole.rn
}

@test "--teacher: predictions of train batches teach in each epoch what was said of its draws" {
    rn-show --header --json drawn.rn | jq -c '[.epoch, .seed]' | diff <(printf '%s\n' '[0,7]' '[1,7]' '[2,7]') -
    rn-pick id!=none drawn.rn | rn-show --header --json | jq -c .epoch | paste -sd' ' | grep -x '0 1 2'
    # whole photos, never flipped, look the same in each epoch: as if they were predicted once
    echo '{"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [
        {"__class_fullname__": "Resize", "always_apply": true, "p": 1.0, "height": 32, "width": 32}]}}' >square.json
    rn-augment -q -r ./square.json samples.rn -o square.rn
    plain() { rn-batch --train -b 4 --size 32 -s 7 --crop-scale 1,1 --crop-ratio 1,1 --flip none "$@"; }
    plain --epochs 2 square.rn >two.rn
    rn-predict -m teacher/last.rn two.rn -o each.rn
    # ... which is what the first epoch's say without its name (and without the hash, as foreign writers)
    plain square.rn | rn-predict -m teacher/last.rn | perl -0777 -pe 's/\A\x86/\x84/ && s/\xa5epoch\x00\xa4seed\x07// or die;
        substr($_, -64) =~ s/\x83(\xa2rn\xa3end\xa7records.{1,3}?)\xa4xxh3\xc4\x08.{8}\z/\x82$1/s or die' >once.rn
    for said in each once; do rn-train "${USUAL[@]}" --teacher $said.rn -o $said two.rn >table; done
    [ "$(values <each/last.rn)" = "$(values <once/last.rn)" ]
    # others do not
    plain --epochs 2 --flip h square.rn | tee flipped.rn | rn-predict -m teacher/last.rn -o each.rn
    for said in each once; do rn-train "${USUAL[@]}" --teacher $said.rn --overwrite -o $said flipped.rn >table; done
    [ "$(values <each/last.rn)" != "$(values <once/last.rn)" ]
    # other draws, epochs that it has not seen, and what is no one epoch's
    refused 3 "its predictions are of what rn-batch drew by seed 7, these batches are of seed 8" --teacher each.rn <(plain -s 8 square.rn)
    refused 3 "some of its predictions are of train batches, and some are not" --teacher <(cat each.rn once.rn) two.rn
    rc=0; plain --epochs 3 square.rn | rn-train "${USUAL[@]}" --teacher each.rn -o none >table 2>err || rc=$?
    [ $rc = 3 ] && grep -q "it has no prediction of '.*' in epoch 2" err && at none 2:0 || { cat err; return 1; }
    rm -r none
    { rn-pick label=metal all.rn; rn-pick label=glass all.rn | rn-pick --head 1; } >four.rn
    plain --balance class four.rn >balanced.rn # two photos of each, so that the one of glass comes twice
    rn-predict -m teacher/last.rn balanced.rn -o twice.rn
    refused 3 "photos that come again in an epoch .rn-batch --balance." --teacher twice.rn balanced.rn
}

@test "--teacher: a resumed run finds it, also elsewhere; another one is refused" {
    cp said.rn here.rn
    head -c $(($(stat -Lc %s whole.rn) / 2)) whole.rn | rn-train "${USUAL[@]}" --teacher here.rn -o run >table 2>err || true
    at run 1:0
    rn-batch --train --resume run/last.rn samples.rn -o rest.rn
    rm here.rn
    resume() { rn-train -q --resume run/last.rn -o run "$@" rest.rn >table 2>err; }
    rc=0; resume || rc=$?
    [ $rc = 4 ] && grep -q here.rn err || { cat err; return 1; }
    rn-train "${USUAL[@]}" -t none -o other <(rn-batch --train -b 4 --epochs 1 --size 32 samples.rn) >table
    rn-batch --for other/last.rn samples.rn | rn-predict -m other/last.rn -o other.rn
    rc=0; resume --teacher other.rn || rc=$?
    [ $rc = 3 ] && grep -q "other.rn: not the predictions that this run has learnt from" err || { cat err; return 1; }
    rc=0; resume --teacher said.rn --alpha 0.9 || rc=$?
    [ $rc = 2 ] && grep -q "alpha=0.9 is not what the run that is resumed has" err || { cat err; return 1; }
    resume --teacher said.rn
    at run 3:0
    rn-train "${USUAL[@]}" --teacher said.rn -o base whole.rn >table
    [ "$(values <base/last.rn)" = "$(values <run/last.rn)" ]
    # a run without one is not taught from its middle on
    head -c $(($(stat -Lc %s whole.rn) / 2)) whole.rn | rn-train "${USUAL[@]}" -o plain >table 2>err || true
    rc=0; rn-train -q --resume plain/last.rn --teacher said.rn -o plain rest.rn >table 2>err || rc=$?
    [ $rc = 2 ] && grep -q "teacher=said.rn is not what the run that is resumed has" err || { cat err; return 1; }
}

# ---- rn-average ----

@test "rn-average: of a network with itself the same; of two, the mean" {
    run_of run --keep 2
    rn-average run/last.rn run/last.rn run/last.rn run/last.rn -o same.rn
    [ "$(rn-pick role!=momentum run/last.rn | values)" = "$(values <same.rn)" ]
    rn-show --header --json same.rn | jq -e '(has("epoch") | not) and .arch == "resnet20" and .history[-1].tool == "rn-average"'
    rn-average run/epoch-0001.rn run/epoch-0002.rn >soup.rn
    mean() { rn-pick name="$2" role!=momentum "$1" | rn-show --json | jq -c 'select(.name) | .value.mean'; }
    for name in conv1.weight bn1.running_var final_fc.bias; do
        a=$(mean run/epoch-0001.rn $name) b=$(mean run/epoch-0002.rn $name) m=$(mean soup.rn $name)
        awk -v a="$a" -v b="$b" -v m="$m" 'BEGIN { d = (a + b) / 2 - m; exit !(d * d <= 1e-12 * (m * m + 1e-6)) }' || { echo "$name: $a $b $m"; return 1; }
    done
    rn-predict -q -m soup.rn val.rn | rn-score >/dev/null
}

@test "rn-average: of moving averages it takes those; --norms measures batch norms anew, the same for any -j" {
    run_of run --ema 0.9
    rn-average run/last.rn -o one.rn
    diff <(rn-show --json run/last.rn | jq -c 'select(.role == "ema") | [.name, .value]') <(rn-show --json one.rn | jq -c 'select(.name) | [.name, .value]')
    rn-batch --train -b 4 --epochs 1 --size 32 -s 7 samples.rn -o batches.rn
    rn-average --norms batches.rn -j 1 run/last.rn -o a.rn
    rn-average --norms - -j 2 run/last.rn -o b.rn <batches.rn
    cmp <(values <a.rn) <(values <b.rn)
    cat batches.rn batches.rn | rn-average --norms - run/last.rn -o twice.rn
    var() { rn-pick name=layer1.0.bn1.running_var "$1" | rn-show --json | jq -c 'select(.name) | .value.mean'; }
    [ "$(var a.rn)" != "$(var one.rn)" ]
    awk -v a="$(var a.rn)" -v b="$(var twice.rn)" 'BEGIN { exit !((a - b) ^ 2 <= 1e-12 * a * a) }'
    # weights are not touched
    [ "$(rn-pick role=parameter a.rn | values)" = "$(rn-pick role=parameter one.rn | values)" ]
}

@test "rn-average: what is not the same network, and streams without photos" {
    rn-batch --train -b 4 --epochs 1 --size 32 -s 7 samples.rn >one.rn
    rn-train "${USUAL[@]}" -o a one.rn >table
    rn-train "${USUAL[@]}" -t none -o b one.rn >table
    rn-list --classes trash,plastic,paper,metal,glass,cardboard photos | rn-batch --train -b 6 --size 32 | rn-train "${USUAL[@]}" -o c >table
    rn-batch --train -b 6 --size 40 samples.rn | rn-train "${USUAL[@]}" -o d >table
    fails 2 "two or more weights files" rn-average
    fails 3 "b/last.rn: its network is not the first file's" rn-average a/last.rn b/last.rn
    fails 3 "c/last.rn: its list of classes is not" rn-average a/last.rn c/last.rn
    fails 3 "d/last.rn: its input is not" rn-average a/last.rn d/last.rn
    fails 4 "absent.rn" rn-average a/last.rn absent.rn
    fails 3 "a stream of samples" rn-average a/last.rn samples.rn
    fails 3 "no photos to take the norms' statistics of" rn-average --norms <(stream 'head("batches", ["cat"])' 'tail(0)') a/last.rn
    fails 3 "the model takes input of size 32" rn-average --norms <(rn-batch --size 40 samples.rn) a/last.rn
}
