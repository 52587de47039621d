# rn-import: what comes in, and what does not. Every value of every format is in tests/unit/exchange.c.
load common

FIXTURES=$TOP/tests/fixtures/import
CLASSES=glass,paper,cardboard,plastic,metal,trash

checkpoint() { perl "$TOP/tests/tool/checkpoint.pl" write > checkpoint.pth.tar; }

@test "a file, standard input and - give the same stream" {
    rn-import "$FIXTURES/good/zip.pth" -o a.rn
    rn-import < "$FIXTURES/good/zip.pth" > b.rn
    cat "$FIXTURES/good/zip.pth" | rn-import - > c.rn
    cmp a.rn b.rn
    cmp a.rn c.rn
    [ "$(rn-show --json a.rn | jq -r 'select(.name == "bn1.num_batches_tracked") | .role + .value.type')" = "buffer<i8" ]
    [ "$(rn-show --json a.rn | jq -r 'select(.name == "conv1.weight") | .role + .value.type')" = "parameter<f4" ]
    [ "$(rn-show --json a.rn | head -n 1 | jq -c '[.arch, .attention, .input, .epoch]')" = "[null,null,null,null]" ]
}

@test "the format is known from the content, not from the name" {
    for file in zip.pth legacy.pth weights.safetensors; do
        cp "$FIXTURES/good/$file" anything.jpg
        rn-import anything.jpg | rn-show --json --values | jq -c 'select(.name) | [.name, .value.values]' | sort > "$file.txt"
        [ "$(wc -l < "$file.txt")" = 16 ]
        cmp "$file.txt" zip.pth.txt
    done
}

@test "hostile files: exit 3, one line, nothing written, nothing run" {
    while IFS=$'\t' read -r name message; do
        fails 3 "^rn-import: .*/$name: " rn-import "$FIXTURES/hostile/$name"
        grep -qF -- "$message" fails.err || { echo "$name: not '$message'"; cat fails.err; false; }
    done < "$FIXTURES/hostile/expected.txt"
    [ ! -e pwned ]
    fails 3 "the global 'posix system' is not allowed" rn-import "$FIXTURES/hostile/os-system-legacy" -o out.rn
    [ ! -e out.rn ]
    [ ! -e pwned ]
}

@test "wrong usage, and files that are not there" {
    fails 2 "goes with --arch" rn-import --attention ours x.pth
    fails 2 "one file" rn-import a b
    fails 2 "" rn-import --arch resnet19 x.pth
    fails 2 "'a' is there twice" rn-import --classes a,b,a x.pth
    fails 2 "an empty name" rn-import --classes a,,b x.pth
    fails 4 "missing.pth: No such file" rn-import missing.pth
    mkdir folder
    fails 4 "folder: " rn-import folder
    fails 3 "neither a file of PyTorch nor safetensors" rn-import < /dev/null
}

@test "the original's checkpoint is a model" {
    checkpoint
    rn-import -a resnet18 -t ours --classes $CLASSES checkpoint.pth.tar -o model.rn
    [ "$(rn-show --json model.rn | head -n 1 | jq -c '[.arch, .attention, .classes[5], .input.size]')" = '["resnet18","ours","trash",224]' ]
    [ "$(rn-show --json model.rn | jq -r .name | grep -c num_batches_tracked)" = 20 ]
    draw photos 1
    rn-list photos | rn-batch --for model.rn | rn-predict -m model.rn -o probs.rn
    [ "$(rn-show --json probs.rn | jq -r 'select(.probs) | .probs.shape[0]' | sort -u)" = 6 ]
}

@test "--arch refuses what is another network" {
    checkpoint
    fails 3 "'layer1.0.conv1.weight' is \[64,64,3,3\], not \[64,64,1,1\]" rn-import -a resnet50 -t ours checkpoint.pth.tar
    fails 3 "it has an attention module \('att.ChannelGate" rn-import -a resnet18 checkpoint.pth.tar
    fails 3 "32 of the network's 134 tensors are missing, the first is 'layer1.0.att" rn-import -a resnet18 -t se checkpoint.pth.tar
    fails 3 "6 classes, --classes names 2" rn-import -a resnet18 -t ours --classes a,b checkpoint.pth.tar
    fails 3 "'conv1.weight' is \[2,3,3,3\], not \[64,3,7,7\]" rn-import -a resnet18 "$FIXTURES/good/zip.pth"
}

@test "what is left out is said, or refused with --strict" {
    checkpoint
    rn-import -a resnet18 -t ours-spatial checkpoint.pth.tar -o model.rn 2> err
    [ "$(cat err)" = "rn-import: 4 entries left out (not the network's), the first is 'att.ChannelGate.mlp.0.weight'" ]
    fails 3 "strict: 4 entries are not the network's" rn-import --strict -a resnet18 -t ours-spatial checkpoint.pth.tar
    rn-import -q -a resnet18 -t ours-spatial checkpoint.pth.tar -o quiet.rn 2> err
    [ ! -s err ]
    rn-import --strict -a resnet18 -t ours checkpoint.pth.tar -o strict.rn 2> err
    [ ! -s err ]
}

@test "rn-train --init takes an import with or without a network" {
    checkpoint
    rn-import checkpoint.pth.tar -o plain.rn
    draw photos 1
    rn-list photos | rn-batch --train --size 32 -b 3 -o batches.rn
    rn-train -t ours --init plain.rn -j 1 -o run batches.rn 2> err > /dev/null
    grep -q "108 tensors taken, 0 skipped, 0 new" err || { cat err; false; }
}

@test "ImageNet's weights: every tensor" {
    [ -d "$SHARED/weights" ] || skip "no ../shared/weights"
    rn-import "$SHARED/weights/resnet18-imagenet-partial.safetensors" -o r18.rn
    [ "$(rn-show --json r18.rn | jq -s '.[-1].records')" = 82 ]
    rn-import "$SHARED/weights/resnet50-imagenet.pth" -o r50.rn
    [ "$(rn-show --json r50.rn | jq -s '.[-1].records')" = 267 ]
    rn-import -a resnet50 "$SHARED/weights/resnet50-imagenet.pth" | rn-export --format safetensors -o r50.safetensors
    rn-import r50.safetensors | rn-show --json | jq -c 'select(.name) | [.name, .value]' | grep -v num_batches_tracked | sed 's/final_fc/fc/' | sort > back.txt
    rn-show --json r50.rn | jq -c 'select(.name) | [.name, .value]' | sort > there.txt
    cmp back.txt there.txt
}
