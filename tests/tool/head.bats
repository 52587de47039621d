# rn-predict --features and rn-train --head: what a frozen network makes of the photos is computed once, and the last layer trained on it.
load common

# 12 photos in 3 batches an epoch, 3 epochs; large/last.rn: a network to start from; features of both streams
setup_file() {
    cd "$BATS_FILE_TMPDIR" || return
    draw photos 3
    rn-list photos | rn-split -r 67/33/0 -o all.rn
    rn-pick split=val all.rn | rn-batch --size 32 -o val.rn
    rn-pick split=train all.rn >samples.rn
    rn-batch --train -b 4 --epochs 3 --size 32 -s 7 samples.rn -o whole.rn
    rn-batch --train -b 6 --epochs 1 --size 32 samples.rn | rn-train -q -a resnet20 -t ours --lr 0.01 -s 9 -o large >/dev/null
    rn-predict -m large/last.rn --features head whole.rn -o whole.features.rn
    rn-predict -m large/last.rn --features head val.rn -o val.features.rn
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/." .; }
USUAL=(-q -a resnet20 -t ours --lr 0.0005 -s 7 --init large/last.rn)

probs() { rn-predict -m "$1" val.rn | rn-show --json --values | jq -c 'select(.id) | .probs.values'; }
# layers FILE: all tensors but the last layer's, each by its least, largest and mean number
layers() { rn-show --json "$1" | grep '"role":"\(parameter\|buffer\)"' | grep -v final_fc; }
# close A B: lists of numbers, those of B within 1e-3 of A's largest
close() {
    paste <(jq '.[]' "$1") <(jq '.[]' "$2") | awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d
        a = $1 < 0 ? -$1 : $1; if (a > largest) largest = a; n++ } END { if (!(n > 0 && most <= 1e-3 * largest)) { print n, most, largest; exit 1 } }'
}

@test "--head on features is --freeze of all other layers on the images, but for rounding" {
    rn-train "${USUAL[@]}" --head --val val.features.rn -o head whole.features.rn >table
    others=$(rn-show --json large/last.rn | jq -r 'select(.role == "parameter").name' | grep -v final_fc | paste -sd ,)
    rn-train "${USUAL[@]}" --freeze "$others" --freeze-norms --val val.rn -o frozen whole.rn >table
    paste <(tail -n +2 head/log.tsv) <(tail -n +2 frozen/log.tsv) | awk -F '\t' '
        function far(a, b) { return a - b > 1e-3 * b || b - a > 1e-3 * b }
        far($3, $11) || far($5, $13) || $4 != $12 || $6 != $14 { print; exit 1 } END { if (NR != 3) exit 1 }'
    # whoever predicts has a whole network, of which all but the last layer is what it was
    probs head/last.rn >a; probs frozen/last.rn >b; probs large/last.rn >start
    close a b
    rc=0; close a start || rc=$?
    [ $rc = 1 ]
    for run in head frozen; do diff <(layers $run/last.rn) <(layers large/last.rn); done
    rn-show -l head/best.rn | grep -q '^final_fc'
    # both train the last layer; the one on features wants less memory for activations
    for run in head frozen; do rn-show -l $run/last.rn | grep -q '^# [0-9]* parameters, of which its run trains 390$'; done
    rn-show -l large/last.rn | grep -qE '^# [0-9]+ parameters$'
    activations() { rn-show -l "$1" | awk '/^# rn-train/ { print int(10 * $7) }'; }
    [ "$(activations head/last.rn)" -lt "$(activations frozen/last.rn)" ]
}

@test "--head: killed in the middle of an epoch and resumed: the same bytes" {
    options=(--ema 0.9 --accumulate 2 --schedule cosine --lr-head 2 --clip 1)
    rn-train "${USUAL[@]}" --head "${options[@]}" -j 2 --val val.features.rn -o base whole.features.rn >table
    mkfifo pipe
    rn-train "${USUAL[@]}" --head "${options[@]}" -j 1 --val val.features.rn --save-every 1 -o run pipe >table 2>err &
    trainer=$!
    exec 7>pipe
    head -c $(($(stat -Lc %s whole.features.rn) / 2)) whole.features.rn >&7
    for ((i = 0; i < 600; i++)); do
        [ "$(rn-show --where run/last.rn 2>/dev/null)" != 1:1 ] || break
        sleep 0.05
    done
    [ "$(rn-show --where run/last.rn)" = 1:1 ]
    kill -9 $trainer
    exec 7>&-
    wait $trainer || true
    rn-batch --train --resume run/last.rn samples.rn | rn-predict -j 1 -m large/last.rn --features head |
        rn-train -q -j 1 --resume run/last.rn --val val.features.rn -o run >table
    diff <(cut -f 1-6 base/log.tsv) <(cut -f 1-6 run/log.tsv)
    for file in last.rn best.rn; do cmp base/$file run/$file; done
}

@test "the last layer may be new: the batches' classes need not be the network's" {
    mkdir other
    cp -r photos/glass other/alpha
    cp -r photos/metal other/beta
    rn-list other | rn-batch --train -b 3 --epochs 2 --size 32 | rn-predict -m large/last.rn --features head -o f.rn
    rn-train -q -a resnet20 -t ours --init large/last.rn --head --lr 0.001 -o run f.rn >table 2>err
    [ "$(rn-show --json run/last.rn | head -n 1 | jq -c .classes)" = '["alpha","beta"]' ]
    rn-list other | rn-batch --for run/last.rn | rn-predict -m run/last.rn | rn-score >score
}

@test "--features: a layer's own shape, batches as they were, an error record in its place" {
    rn-predict -m large/last.rn --features layer1 val.rn | rn-show --json >out
    jq -c 'select(.ids) | .features.shape[1:]' out | head -n 1 | grep -qx '\[16,32,32\]'
    head -n 1 out | jq -e '.version == 3 and (.features.layer | startswith("layer1"))'
    cut_to() { jq -c "select(.ids) | del(.images, .features)"; }
    diff <(rn-show --json whole.rn | cut_to) <(rn-show --json whole.features.rn | cut_to)
    rn-pick index=1 whole.features.rn | rn-show --npy features | head -c 6 | tail -c 5 | grep -qx NUMPY
    cp -rL photos mixed
    echo nothing >mixed/glass/broken.jpg
    rn-list mixed | rn-batch -k --size 32 | rn-predict -m large/last.rn --features head | rn-show --json | grep -c '"error"' | grep -qx 1
    # any -j, any batch
    rn-predict -j 1 -m large/last.rn --features head whole.rn | cmp - whole.features.rn
}

@test "--features, --head: nonsense is refused with a line, and no run begins" {
    fails 2 "no layer 'layer9'" rn-predict -m large/last.rn --features layer9 val.rn
    fails 2 'is the last one' rn-predict -m large/last.rn --features final_fc val.rn
    fails 2 'writes batches, no table' rn-predict -m large/last.rn --features head --tsv val.rn
    rn-predict -m large/last.rn val.rn -o said.rn
    fails 3 'made of batches, not of predictions' rn-predict -m large/last.rn --features head said.rn
    rn-batch --train -b 4 --epochs 1 --size 32 --mixup 0.2 samples.rn >mixed.rn
    fails 3 'not of mixed photos' rn-predict -m large/last.rn --features head mixed.rn
    rn-batch --views flip --size 32 samples.rn >views.rn
    fails 3 'not of several views' rn-predict -m large/last.rn --features head views.rn
    fails 3 'features instead of images' rn-predict -m large/last.rn val.features.rn
    fails 3 'features instead of pictures' rn-show --png 1 val.features.rn
    fails 2 'needs --init' rn-train -a resnet20 -t ours --head -o none whole.features.rn
    fails 2 'leave out --freeze' rn-train "${USUAL[@]}" --head --freeze conv1 -o none whole.features.rn
    [ ! -e none ]
    rn-predict -m large/last.rn --features layer3 whole.rn -o layer3.rn
    rn-batch --train -b 6 --epochs 1 --size 32 samples.rn | rn-train -q -a resnet20 -t ours --lr 0.01 -s 10 -o another >/dev/null
    while IFS='|' read -r pattern options; do
        rc=0
        # shellcheck disable=SC2086 # words
        rn-train -q -a resnet20 -t ours --lr 0.01 -o none $options >table 2>err || rc=$?
        [ $rc = 3 ] && grep -q -- "$pattern" err && [ "$(wc -l <err)" = 1 ] || { echo "$options: $rc"; cat err; return 1; }
        [ -z "$(ls -A none)" ]
    done <<'END'
images, where --head takes features|--init large/last.rn --head whole.rn
features of layer3|--init large/last.rn --head layer3.rn
features of another network|--init another/last.rn --head whole.features.rn
rn-train --head trains the last layer|--init large/last.rn whole.features.rn
these are batches for evaluation|--init large/last.rn --head val.features.rn
val.rn: images, where --head takes features|--init large/last.rn --head --val val.rn whole.features.rn
END
    # a photo without a label
    rn-list --unlabeled photos | rn-batch --size 32 >unlabeled.rn
    rn-predict -m large/last.rn --features head unlabeled.rn -o u.rn
    rc=0; rn-train "${USUAL[@]}" --head --val u.rn -o none whole.features.rn >table 2>err || rc=$?
    [ $rc = 3 ] && grep -q 'has no label' err
}
