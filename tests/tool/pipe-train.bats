# pipelines/train: a folder holds one run, whole or broken off; whose it is is known, and nothing of another is printed as its own.
load common

PIPELINES=$TOP/pipelines
SMALL=(-a resnet20 --size 32 -b 4 --lr 0.01)

# run/: two epochs on 18 drawn photos
setup_file() {
    cd "$BATS_FILE_TMPDIR"
    draw photos 3
    "$TOP/pipelines/train" photos -o run -e 2 "${SMALL[@]}" > said 2> words
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -r "$BATS_FILE_TMPDIR"/{photos,run} .; }
train() { "$PIPELINES/train" "$@"; }
again() { train photos -o run "${SMALL[@]}" "$@"; }
files() { (cd run && ls -A | tr '\n' ' ' && cat *.rn log.tsv | sha256sum); }

# until_ COMMAND...: waits until it succeeds, half a minute at most
until_() {
    local i
    for ((i = 0; i < 600; i++)); do "$@" > /dev/null 2>&1 && return; sleep 0.05; done
    echo "in vain: $*"
    return 1
}
# gone: no process of this test's folder is left
ended() { ! kill -0 "$1" 2> /dev/null; }
gone() { ! pgrep -f -- "-o $PWD/slow" > /dev/null; }

@test "it ends with the network, its best epoch and the next command" {
    said=$BATS_FILE_TMPDIR/said
    # of 18 photos 2 are for validation
    ! grep -v 'classes have no photos to validate on' "$BATS_FILE_TMPDIR/words" || false
    best=$(sed 1d run/log.tsv | sort -st $'\t' -k6,6gr | sed -n 1p | cut -f 1)
    grep -qx "the network: run/best.rn, of epoch $best" "$said"
    grep -qx "next: $PIPELINES/classify -m run/best.rn FOLDER" "$said"
    # it works
    "$PIPELINES/classify" -m run/best.rn photos/glass > table
    [ "$(wc -l < table)" = 4 ]
    again -e 2 -q > quiet 2> words
    if grep -q '^next' quiet; then false; fi
    [ ! -s words ]
}

@test "the same again: it says that the run is finished, and its score; nothing is touched" {
    before=$(files)
    again -e 2 > out 2> words
    [ "$(cat words)" = "train: run holds this run already, whole: 2 epochs" ]
    cmp <(grep ^Acc@1 out) <(grep ^Acc@1 "$BATS_FILE_TMPDIR/said")
    [ "$(files)" = "$before" ]
    # an equal number is an equal option
    train photos -o run -a resnet20 -e 2 --size 32 -b 004 --lr 1e-2 > /dev/null
    [ "$(files)" = "$before" ]
}

@test "more epochs are trained, and are those of a longer run" {
    again -e 3 > out
    [ "$(cut -f 1 run/log.tsv | tr '\n' ' ')" = "epoch 0 1 2 " ]
    train photos -o longer "${SMALL[@]}" -e 3 > /dev/null
    cmp <(cut -f 1-6 run/log.tsv) <(cut -f 1-6 longer/log.tsv)
    cmp <(rn-show --tsv run/test.rn) <(rn-show --tsv longer/test.rn)
}

@test "another option, given or left to its default: exit 2 names it, nothing is touched" {
    before=$(files)
    while read -r option value; do
        fails 2 "^train: --$option: run holds a run with" again -e 2 "--$option=$value"
    done <<END
attention se
arch resnet34
lr 0.02
seed 5
size 48
batch 5
precision bf16
END
    fails 2 "^train: --init: run holds a run without --init" again -e 2 --init run/best.rn
    fails 2 "^train: --epochs: run holds a run of 2" again -e 1
    fails 2 "^train: --lr: run holds a run with --lr=0.01: " train photos -o run -a resnet20 --size 32 -b 4 -e 2
    [ "$(files)" = "$before" ]
    # a run of another network is not printed as this one's
    train photos -o se -e 1 "${SMALL[@]}" -t se > /dev/null
    fails 2 "^train: --attention: se holds a run with --attention=se" train photos -o se -e 1 "${SMALL[@]}" -t cbam
}

@test "other photos: exit 2 names the first; a folder that is not there: 4; one that was moved goes on" {
    before=$(files)
    cp -r photos others
    rm others/glass/glass2.jpg
    mv others/metal/metal1.jpg others/paper/paper9.jpg
    fails 2 "^train: others: these are not the photos of the run in run: glass/glass2.jpg, metal/metal1.jpg, paper/paper9.jpg " train others -o run "${SMALL[@]}" -e 2
    fails 4 "^train: nowhere: there are no such photos" train nowhere -o run "${SMALL[@]}" -e 2
    # another split of the same
    mkdir lists
    for number in "glass 1" "paper 2" "cardboard 3" "plastic 4" "metal 5" "trash 6"; do
        class=${number% *}
        echo "${class}1.jpg ${number#* }" >> lists/train.txt
        echo "${class}2.jpg ${number#* }" >> lists/val.txt
        echo "${class}3.jpg ${number#* }" >> lists/test.txt
    done
    fails 2 "^train: photos: not the classes or the split of the run in run: " train photos -o run "${SMALL[@]}" -e 2 --lists lists
    [ "$(files)" = "$before" ]
    mv photos moved
    train moved -o run "${SMALL[@]}" -e 3 > out
    rn-show --tsv run/all.rn | grep -q moved/glass/glass1.jpg
    [ "$(rn-show --where run/last.rn)" = 3:0 ]
}

@test "a photo that is another under the same name: exit 2, nothing is touched" {
    before=$(files)
    cp photos/glass/glass2.jpg photos/glass/glass1.jpg
    fails 2 '^train: photos: some files are no longer what the run in run was begun with' train photos -o run -e 3 "${SMALL[@]}"
    [ "$(files)" = "$before" ]
}

@test "--lists says all of a split: other words on it are refused" {
    for option in '--folds 3' '--folds 3 --fold 2' '--group object' --group-near; do
        fails 2 '^train: --lists: the lists say all of the split' train photos -o lists --lists "$TOP/data/split" $option
    done
    [ ! -e lists ]
}

@test "a training and a cross-validation do not share a folder" {
    before=$(files)
    fails 2 '^folds: run holds a run of pipelines/train' "$PIPELINES/folds" -q photos -k 3 -o run "${SMALL[@]}" -e 1
    [ "$(files)" = "$before" ]
    mkdir -p folds/fold0
    fails 2 '^train: folds holds a cross-validation of pipelines/folds' train photos -o folds "${SMALL[@]}" -e 1
}

@test "broken off by INT or KILL it goes on, with its recipe, to the bytes of a run that nothing disturbed" {
    echo 'rn-batch --flip=hv --crop-scale=0.35,1' > ours.conf
    echo 'rn-train --schedule=cosine --warmup=1 --ema=0.9 --lr-head=10' >> ours.conf
    SMALL+=(--recipe "$PWD/ours.conf" -q)
    # the names of files are in the streams
    mkdir whole
    cp -r photos whole
    (cd whole && train photos -o broken "${SMALL[@]}" -e 4 > /dev/null)
    for signal in INT KILL; do
        rm -rf broken
        # INT is ignored in what a shell without job control starts behind its back
        set -m
        "$PIPELINES/train" photos -o broken "${SMALL[@]}" -e 4 > /dev/null 2> err &
        pid=$!
        set +m
        until_ test -e broken/last.rn
        kill -$signal $pid
        rc=0; wait $pid || rc=$?
        [ $rc = 0 ] || [ $rc = $((128 + $(kill -l $signal))) ] || { echo "$signal: $rc"; cat err; false; }
        # the tools of a pipeline that was killed end by themselves; until then the folder is locked
        rc=4
        for _ in {1..300}; do
            rc=0; train photos -o broken "${SMALL[@]}" -e 4 > /dev/null 2> err || rc=$?
            [ $rc = 4 ] && sleep 0.1 || break
        done
        [ $rc = 0 ] || { cat err; false; }
        for file in best.rn last.rn test.rn; do cmp whole/broken/$file broken/$file; done
        cmp <(cut -f 1-6 whole/broken/log.tsv) <(cut -f 1-6 broken/log.tsv)
    done
}

@test "kill PID reaches every tool, and its code is the signal's" {
    for signal in TERM HUP; do
        rm -rf "$PWD/slow"
        "$PIPELINES/train" photos -o "$PWD/slow" "${SMALL[@]}" -e 500 > /dev/null 2> err &
        pid=$!
        until_ test -e slow/last.rn
        batch=$(pgrep -f 'rn-batch --train -b 4 --epochs 500')
        kill -$signal $pid
        rc=0; wait $pid || rc=$?
        [ $rc = $((128 + $(kill -l $signal))) ] || { echo "$rc"; cat err; false; }
        until_ gone
        for process in $batch; do until_ ended "$process"; done
        grep -qx 'train: the same command goes on from here' err
        # what is in last.rn is an epoch of the log
        [ "$(rn-show --where slow/last.rn | cut -d: -f 1)" = "$(($(wc -l < slow/log.tsv) - 1))" ]
    done
}

@test "two trainings in one folder: the second ends with exit 4 and names it" {
    "$PIPELINES/train" photos -o "$PWD/slow" "${SMALL[@]}" -e 500 > /dev/null 2>&1 &
    pid=$!
    until_ test -e slow/last.rn
    fails 4 "^train: slow: another train is at work in this folder" train photos -o slow "${SMALL[@]}" -e 500
    fails 4 "^train: slow: another" train photos -o slow "${SMALL[@]}" -e 3 -t se
    rn-pick split=train slow/all.rn | rn-batch --train --size 32 -o train.rn
    fails 4 "^rn-train: slow: another rn-train" rn-train -o slow --overwrite train.rn
    kill $pid
    wait $pid || true
}

@test "a run of rn-train without a split, a damaged checkpoint: said, and nothing is touched" {
    rm run/all.rn
    fails 2 "^train: run holds a run of rn-train without its split" again -e 2
    cp "$BATS_FILE_TMPDIR/run/all.rn" run
    head -c 5000 "$BATS_FILE_TMPDIR/run/last.rn" > run/last.rn
    before=$(files)
    fails 3 "^rn-show: run/last.rn: " again -e 2
    [ "$(files)" = "$before" ]
}

@test "folders whose names hold = or begin with a hyphen, and spaces" {
    for folder in lr=0.01 -x --output ' a "b" $(c) '; do
        train photos "--output=$folder" -q "${SMALL[@]}" -e 1 > out 2> err || { cat err; false; }
        (cd -- "./$folder" && [ -s best.rn ] && [ -s test.rn ])
    done
    mv photos a=b
    train a=b -o c=d -q "${SMALL[@]}" -e 1 > out
    mv a=b ./-p
    train -o e=f -q "${SMALL[@]}" -e 1 -- -p > out
    cmp <(rn-show --tsv ./c=d/test.rn) <(rn-show --tsv ./e=f/test.rn)
}

@test "what is wrong is one line: no photos, a photo that cannot be read, a folder that cannot be made" {
    fails 2 "^train: PHOTOS is missing .see train --help" train
    fails 2 "^train: 'b' is one operand too many" train a b
    fails 2 "^train: --epochs: 'x' is not a whole number" train photos -e x
    fails 4 "^train: photos/glass/glass1.jpg/x: this folder cannot be made" train photos -o photos/glass/glass1.jpg/x
    : > photos/glass/broken.jpg
    rc=0; train photos -o broken -q --size 32 -b 5 -e 1 -k > out 2> err || rc=$?
    [ $rc = 1 ]
    [ -s broken/test.rn ]
    rc=0; train photos -o strict -q --size 32 -b 5 -e 1 > out 2> err || rc=$?
    [ $rc = 3 ] && grep -q 'broken.jpg' err
}

@test "--recipe: its options, but for those of the command line; the run remembers it" {
    printf '%s\n' '# ours' '' 'rn-batch --epochs=2' 'rn-train --lr=0.0025 --schedule=cosine --warmup=1 --ema=0.9 --lr-head=10' > ours.conf
    train photos -o fine --size 32 -b 4 --recipe ./ours.conf -q > /dev/null
    cmp ours.conf fine/recipe.conf
    options() { rn-show --header --json fine/last.rn | jq -r '.options[]' | grep -xE -- "$1"; }
    options --lr=0.0025
    options --schedule=cosine
    options --warmup=1
    options --ema=0.9
    options --lr-head=10
    [ "$(cut -f 1 fine/log.tsv | paste -sd' ')" = "epoch 0 1" ]
    # again, longer; without it, and with another
    train photos -o fine --size 32 -b 4 --recipe ./ours.conf -e 3 -q > /dev/null
    [ "$(cut -f 1 fine/log.tsv | paste -sd' ')" = "epoch 0 1 2" ]
    sed s/0.9/0.8/ ours.conf > other.conf
    before=$(cksum fine/last.rn)
    fails 2 'train: --recipe: fine holds a run of another recipe' train photos -o fine --size 32 -b 4 -e 3 --recipe ./other.conf
    fails 2 'train: --recipe: fine holds a run of another recipe: none' train photos -o fine --size 32 -b 4 -e 3 --lr 0.0025
    fails 2 'train: --recipe: run holds a run of another recipe' again -e 2 --recipe ./ours.conf
    [ "$(cksum fine/last.rn)" = "$before" ]
    # the command line wins; a last epoch that is the one that counts
    echo 'rn-train --epochs-only-last' >> ours.conf
    train photos -o last --size 32 -b 4 --recipe ./ours.conf --lr 0.01 -e 2 > said
    rn-show --header --json last/last.rn | jq -e '.options | index("--lr=0.01")'
    grep -qx 'the network: last/last.rn' said
    [ ! -e last/best.rn ]
}

@test "--size that grows: validation and test at the last, and it belongs to the run" {
    train photos -o grows --size 32:0,48:1 -b 4 -e 2 -q > /dev/null
    [ "$(rn-show --header --json grows/val.rn | jq .input.size)" = 48 ]
    [ "$(rn-show --header --json grows/last.rn | jq .input.size)" = 48 ]
    train photos -o grows --size 32:0,48:1 -b 4 -e 3 -q > /dev/null
    [ "$(cut -f 1 grows/log.tsv | paste -sd' ')" = "epoch 0 1 2" ]
    train photos -o grows --size 32:0,48:1 -b 4 -e 3 2>&1 | grep 'this run already, whole: 3 epochs'
    fails 2 'train: --size: grows holds a run with --size=32:0,48:1:' train photos -o grows --size 48 -b 4 -e 3
    fails 2 "train: --size: '32:0,48' is not" train photos -o none --size 32:0,48
}

@test "a recipe that is none: exit 3 or 4, and what is wrong with it" {
    bad() { printf '%s\n' "$1" > bad.conf; fails "$2" "$3" train photos -o none --recipe ./bad.conf; }
    bad 'lr 3' 3 "bad.conf: a line begins with 'lr'"
    bad 'rn-train lr=3' 3 "bad.conf: 'lr=3' is no option of the form"
    bad 'rn-train --lr 3' 3 "bad.conf: '3' is no option"
    bad 'rn-train --resume=x' 3 "bad.conf: --resume is not for a recipe"
    bad 'rn-batch --epochs=many' 2 "--epochs: 'many' is not a whole number"
    fails 4 "coarse-tune.conf: there is no such recipe" train photos -o none --recipe coarse-tune
    [ ! -e none/last.rn ]
}

@test "the recipes that are installed say what their tools take" {
    for recipe in "$TOP"/data/recipes/train/*.conf; do
        while read -r tool words; do
            for word in $words; do
                [[ $tool != rn-* ]] || "$tool" --help | grep -qE -- "(^|, | )${word%%=*}([= ]|\$)" || { echo "$recipe: $tool $word"; return 1; }
            done
        done < "$recipe"
    done
}

@test "fine-tune states what it is: lr, cosine, warm-up, average, head, crops, flips, smoothing" {
    grep '^rn-' "$TOP/data/recipes/train/fine-tune.conf" | tr ' ' '\n' | grep '^--' | sort |
        diff - <(printf -- '--%s\n' crop-scale=0.35,1 ema=0.999 flip=hv label-smoothing=0.1 lr-head=10 lr=0.0025 schedule=cosine warmup=3)
    # ... and it reaches both tools
    train photos -o tuned --size 32 -b 4 -e 4 --recipe fine-tune -q > /dev/null
    rn-show --header --json tuned/last.rn | jq -e '
        (["--lr=0.0025", "--schedule=cosine", "--warmup=3", "--ema=0.999", "--lr-head=10", "--label-smoothing=0.1"] - .options == []) and
        (["--crop-scale=0.35,1", "--flip=hv"] - .batches.history[-1].args == [])'
}

@test "--folds: one of them is the test, and it belongs to the run" {
    train photos -o one "${SMALL[@]}" -e 1 --folds 3 --fold 2 --group-near -q > /dev/null
    rn-list photos | rn-split --folds 3 --fold 2 --group-near | cmp - one/all.rn
    cmp <(rn-pick split=test one/all.rn | rn-show --tsv | cut -f 1) <(rn-show --tsv one/test.rn | cut -f 1)
    fails 2 "^train: photos: not the classes or the split of the run in one: " train photos -o one "${SMALL[@]}" -e 1 --folds 3 --fold 1 --group-near
    fails 2 "^train: --fold: it needs --folds" train photos -o two "${SMALL[@]}" -e 1 --fold 1
}

@test "--teacher: a network, or predictions; it belongs to the run" {
    cp run/best.rn large.rn
    train photos -o small "${SMALL[@]}" -e 1 -t none --teacher large.rn -q > /dev/null
    cmp <(rn-pick split=train small/all.rn | rn-batch --for large.rn | rn-predict -m large.rn) small/teacher.rn
    rn-show --header --json small/last.rn | jq -e '.options | index("--teacher=small/teacher.rn")'
    # again, longer, its file made anew; without it, and with another
    rm small/teacher.rn
    train photos -o small "${SMALL[@]}" -e 2 -t none --teacher large.rn -q > /dev/null
    [ "$(cut -f 1 small/log.tsv | paste -sd' ')" = "epoch 0 1" ]
    fails 2 "^train: --teacher: small holds a run of large.rn: " train photos -o small "${SMALL[@]}" -e 2 -t none
    fails 2 "^train: --teacher: run holds a run of none: " again -e 2 --teacher large.rn
    cat small/teacher.rn small/teacher.rn > ensemble.rn
    train photos -o both "${SMALL[@]}" -e 2 -t none --teacher ensemble.rn -q > /dev/null
    cmp <(rn-show --json both/last.rn | jq -c 'select(.name)') <(rn-show --json small/last.rn | jq -c 'select(.name)')
    [ ! -e both/teacher.rn ]
    fails 2 "^rn-train: --alpha: it needs --teacher" train photos -o none --size 32 -b 4 --recipe distil -e 4
    fails 4 "^rn-show: absent.rn: " train photos -o none "${SMALL[@]}" --teacher absent.rn
}

@test "folders that have no test split: said before, trained, not scored" {
    mkdir -p two/train two/val
    cp -r photos/{glass,metal} two/train
    cp -r photos/{glass,metal} two/val
    train two -o r -e 1 "${SMALL[@]}" > out 2> words
    grep -qx 'train: no photo is in the test split: the network is not scored in the end' words
    grep -q '^the network: r/best.rn' out && [ ! -e r/test.rn ]
}
