# The deep networks, and attention in every block: a step of training, a prediction, a map of a named block.
load common

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    draw photos 2
    rn-list photos | rn-batch --train --size 32 -b 12 > train.rn
    rn-list photos | rn-pick --head 6 | rn-batch --size 32 -b 3 > eval.rn
}

# trains ARCH ATTENTION: it takes a step, saves, predicts with what it saved, and goes on from there to the same end
trains() {
    rn-train -q -a "$1" -t "$2" --lr 0.0001 -o run "$BATS_FILE_TMPDIR/train.rn" > /dev/null
    rn-predict -q -m run/last.rn "$BATS_FILE_TMPDIR/eval.rn" > p.rn
    rn-show --json --values p.rn | jq -es 'map(select(.probs)) | length == 6 and all(.probs.values | (add - 1 | fabs) < 1e-5 and (length == 6) and all(. >= 0 and . <= 1))' > /dev/null
    rn-show --header run/last.rn | grep -qx "# weights: $1, attention $2, checkpoint: next batch 1:0"
    # the weights moved, and are numbers
    rn-show --json run/last.rn | jq -es 'map(select(.role == "momentum") | .value) | length > 60 and all(.max != null) and any(.max > 0)' > /dev/null
}

@test "ResNet-101 trains a step and predicts" {
    trains resnet101 none
    rn-show -l run/last.rn | grep -qx '# 42512454 parameters'
}

@test "ResNet-152 trains a step and predicts" {
    trains resnet152 none
    rn-show -l run/last.rn | grep -qx '# 58156102 parameters'
}

@test "ResNeXt-50 trains a step and predicts, with attention too" {
    trains resnext50_32x4d eca
    rn-show -l run/last.rn | grep -E '^layer2.0.conv2 +conv 3x3/2, padding 1, groups 32 +256,[0-9]+,[0-9]+ +\[256,8,3,3\] '
    rn-show -l run/last.rn | grep -E '^layer4.2.eca.conv +conv of 7 along channels, sigmoid +2048,1,1 +\[1,1,7\] +7 '
    rn-show -l run/last.rn | grep -qx '# 22992284 parameters'
    rn-heatmap -q -m run/last.rn --kind gradcam -o maps "$BATS_FILE_TMPDIR/eval.rn"
}

@test "ResNeXt-50 is exported, and imported as that network alone" {
    trains resnext50_32x4d none
    rn-export run/last.rn -o own.safetensors
    rn-import --arch resnext50_32x4d --classes "$(paste -sd, "$TOP/data/classes")" own.safetensors > back.rn
    rn-show -l back.rn | grep -qx '# 22992198 parameters'
    fails 3 "'layer1.0.conv1.weight' is \[128,64,1,1\], not \[64,64,1,1\]" rn-import --arch resnet50 own.safetensors
}

@test "attention of a named block, and other names are refused" {
    for attention in se cbam; do
        rm -rf run
        trains resnet18 $attention
        for layer in layer1.0 layer2.1 layer4.1; do
            rn-heatmap -q -m run/last.rn --kind attention --layer $layer -o $attention-$layer "$BATS_FILE_TMPDIR/eval.rn"
            [ "$(find $attention-$layer -name '*.png' | wc -l)" = 6 ]
        done
        # each block has a map of its own; without a name it is the last one's
        rn-heatmap -q -m run/last.rn --kind attention -o $attention-last "$BATS_FILE_TMPDIR/eval.rn"
        id=$(sed -n 2p $attention-last/index.tsv | cut -f 1).png
        cmp $attention-last/"$id" $attention-layer4.1/"$id"
        [ "$(cat $attention-layer1.0/"$id" | cksum)" != "$(cat $attention-layer2.1/"$id" | cksum)" ]
        fails 2 'no attention module in layer5' rn-heatmap -q -m run/last.rn --kind attention --layer layer5 -o none "$BATS_FILE_TMPDIR/eval.rn"
    done
}
