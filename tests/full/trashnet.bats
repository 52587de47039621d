#!/usr/bin/env bats
# The main job on the real photos: the published split, ResNet-18 with attention from scratch, two epochs, the test photos.
# The bounds are the curves of the same recipe in PyTorch (ResNet-18, from scratch, one seed): +-0.15 in loss, +-8 points.

setup() {
    cd "$BATS_TEST_DIRNAME/../.."
    photos=../shared/trashnet/dataset-resized
    [ -d "$photos" ] || skip "$photos is not here"
    run=$BUILD/trashnet
}

# near VALUE CENTRE WIDTH
near() {
    awk -v x="$1" -v c="$2" -v w="$3" 'BEGIN { exit !(x >= c - w && x <= c + w) }' || { echo "$1 is not within $3 of $2"; return 1; }
}

@test "TrashNet: two epochs from scratch lie on the curve of the original recipe" {
    rm -rf "$run"
    pipelines/train "$photos" -o "$run" --lists data/split -t ours --epochs 2 > "$BUILD/trashnet.txt"
    cat "$run/log.tsv" "$BUILD/trashnet.txt" >&3
    [ "$("$BUILD/rn-pick" split=test "$run/all.rn" | "$BUILD/rn-show" --json | tail -n 1 | jq .records)" = 431 ]
    while IFS=$'\t' read -r epoch _ loss acc1 val_loss val_acc1 _; do
        case $epoch in
        0) near "$loss" 1.614 0.15; near "$acc1" 33.1 8; near "$val_loss" 1.499 0.15; near "$val_acc1" 40.9 8 ;;
        1) near "$loss" 1.451 0.15; near "$acc1" 43.4 8; near "$val_loss" 1.407 0.15; near "$val_acc1" 44.5 8 ;;
        esac
    done < "$run/log.tsv"
    [ "$("$BUILD/rn-score" --json "$run/test.rn" | jq '.n + .errors')" = 431 ]
}
