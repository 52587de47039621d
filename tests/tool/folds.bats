# pipelines/folds: each photo judged once, by a network that has not seen it; broken off, it goes on.
load common

PIPELINES=$TOP/pipelines
SMALL=(-k 3 -a resnet20 -e 1 --size 32 -b 4 --lr 0.01)

# base/: three folds of 18 drawn photos, one epoch each
setup_file() {
    cd "$BATS_FILE_TMPDIR"
    draw photos 3
    "$TOP/pipelines/folds" photos -o base -k 3 -a resnet20 -e 1 --size 32 -b 4 --lr 0.01 > said 2> words
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -r "$BATS_FILE_TMPDIR"/{photos,base,said,words} .; }
folds() { "$PIPELINES/folds" "$@"; }
ids() { rn-show --json "$1" | jq -c 'select(.id) | .id' | sort; }
# files OUT: what does not tell the time
files() { (cd "$1" && cat test.rn folds.tsv fold?/{all,test,last}.rn && cut -f 1-6 fold?/log.tsv) | cksum; }

@test "as many predictions as photos, each once, by the network whose test it was" {
    [ "$(ids base/test.rn | wc -l)" = 18 ]
    ids base/test.rn | diff <(rn-list photos | ids -) -
    rn-list photos | rn-split --folds 3 > folds.rn
    for fold in 0 1 2; do
        ids "base/fold$fold/test.rn" | diff <(rn-pick split=fold$fold folds.rn | ids -) -
        rn-pick split=train "base/fold$fold/all.rn" | ids - | diff <(rn-pick split=fold$(((fold + 2) % 3)) folds.rn | ids -) -
    done
    cat base/fold?/test.rn | cmp - base/test.rn
    ! grep -vE 'classes have no photos to validate on|^folds: fold . of 0-2$' words
}

@test "folds.tsv: a row a fold, their mean and standard deviation; and the score of all" {
    cmp base/folds.tsv <(head -n 6 said)
    [ "$(cut -f 1 base/folds.tsv | paste -sd' ')" = "fold 0 1 2 mean deviation" ]
    for fold in 0 1 2; do
        rn-score --json base/fold$fold/test.rn | jq -r '[.n, .errors, .acc1, .balanced_accuracy, .macro_f1, .log_loss] | @tsv'
    done > scores
    awk -F'\t' '
        function off(a, b) { return (a - b) ^ 2 > 1e-8 }
        NR == FNR { for (i = 1; i <= 6; i++) { v[FNR, i] = $i; mean[i] += $i / 3 } next }
        FNR > 1 && FNR < 5 { for (i = 1; i <= 6; i++) bad += off($(i + 1), v[FNR - 1, i]) }
        FNR == 5 { for (i = 3; i <= 6; i++) bad += off($(i + 1), mean[i]) }
        FNR == 6 { for (i = 3; i <= 6; i++) { for (k = 1; k <= 3; k++) s[i] += (v[k, i] - mean[i]) ^ 2
            bad += off($(i + 1), sqrt(s[i] / 2)) } rows = 1 }
        END { exit bad || !rows }' scores base/folds.tsv
    rn-score base/test.rn | cmp - <(sed '1,/^all photos/d' said)
}

@test "the same again changes nothing, more epochs go on, what is another run is refused by name" {
    before=$(files base)
    folds photos -o base "${SMALL[@]}" > out
    [ "$(files base)" = "$before" ]
    cmp out said
    rc=0; folds photos -o base "${SMALL[@]}" --lr 0.02 > out 2> err || rc=$?
    [ $rc = 2 ] && grep -q "^train: --lr: base/fold0 holds a run with --lr=0.01" err && grep -qx "folds: fold 0: not finished" err || { cat err; false; }
    rc=0; folds photos -o base "${SMALL[@]}" -k 4 > out 2> err || rc=$?
    [ $rc = 2 ] && grep -q "not the classes or the split of the run in base/fold0" err || { cat err; false; }
    [ "$(files base)" = "$before" ]
    folds photos -o base "${SMALL[@]}" -e 2 -q > out
    for fold in 0 1 2; do [ "$(rn-show --where base/fold$fold/last.rn)" = 2:0 ]; done
    cat base/fold?/test.rn | cmp - base/test.rn
}

@test "broken off in the middle it goes on to the bytes of one that nothing disturbed" {
    # the names of files are in the streams
    mkdir again
    cp -r photos again
    cd again
    for signal in INT KILL; do
        rm -rf base
        set -m # INT is ignored by what is started behind a shell's back
        "$PIPELINES/folds" photos -o base "${SMALL[@]}" > out 2> err &
        pipeline=$!
        set +m
        for _ in {1..1200}; do [ ! -e base/fold1/all.rn ] || break; sleep 0.05; done
        kill -$signal $pipeline
        rc=0; wait $pipeline || rc=$?
        [ $rc = $((128 + $(kill -l $signal))) ] && [ -e base/fold0/test.rn ] && [ ! -e base/test.rn ] || { echo "exit $rc"; cat err; false; }
        [ $signal = KILL ] || grep -qx 'folds: the same command goes on from here' err
        # the tools of a pipeline that was killed end by themselves; until then the folder is locked
        for _ in {1..300}; do
            rc=0; folds photos -o base "${SMALL[@]}" -q > out 2> err || rc=$?
            [ $rc = 4 ] && sleep 0.1 || break
        done
        [ $rc = 0 ] || { cat err; false; }
        [ "$(files base)" = "$(files ../base)" ]
    done
}

@test "groups stay together; a photo that cannot be read is counted, and makes the exit code 1" {
    : > photos/glass/broken.jpg
    rc=0; folds photos -o strict "${SMALL[@]}" -q > out 2> err || rc=$?
    [ $rc = 3 ] && grep -q 'broken.jpg' err || { cat err; false; }
    rc=0; folds photos -o run "${SMALL[@]}" --keep-going --group-near -q > out 2> err || rc=$?
    [ $rc = 1 ] || { echo "exit $rc"; cat err; false; }
    ids run/test.rn | diff <(rn-list photos | ids -) -
    [ "$(awk -F'\t' '$1 ~ /^[0-9]/ { photos += $2; errors += $3 } END { print photos, errors }' run/folds.tsv)" = "18 1" ]
    rn-show --header --json run/fold0/all.rn | jq -e '.history[-1].args | index("--group-near")'
}

@test "what is wrong is one line" {
    fails 2 "^folds: PHOTOS is missing" folds
    fails 2 "^folds: --folds: '2' is not a whole number from 3 to 1000" folds photos -k 2
    fails 4 "^folds: nowhere: there are no such photos" folds nowhere
    mkdir full
    exec 8>> full/.lock
    flock 8
    fails 4 "^folds: full: another folds is at work in this folder" folds photos -o full
}
