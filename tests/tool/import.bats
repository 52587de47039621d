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
    fails 3 "a whole module, not its weights: torch.save\(model.state_dict\(\), FILE\)" rn-import "$FIXTURES/hostile/whole-module"
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

@test "a tensor that the network does not have is another network's; counters and losses are left out with a note" {
    checkpoint
    fails 3 "another network: 4 of its tensors are not resnet18's \(attention ours-spatial\), the first is 'att.ChannelGate.mlp.0.weight'" \
        rn-import -a resnet18 -t ours-spatial checkpoint.pth.tar
    rn-import --strict -a resnet18 -t ours checkpoint.pth.tar -o strict.rn 2> err
    [ ! -s err ]
    # what ResNet-34 and SE-ResNet have besides
    for name in layer1.2.conv1.weight layer1.0.se_module.fc1.weight fc2.bias; do
        perl "$TOP/tests/tool/checkpoint.pl" write $name > more.pth.tar
        fails 3 "another network: 1 of its tensors .*'$name'" rn-import -a resnet18 -t ours more.pth.tar -o more.rn
        [ ! -e more.rn ]
        rn-import more.pth.tar -o part.rn # without a network: any part
    done
    perl "$TOP/tests/tool/checkpoint.pl" write criterion.weight n_averaged layer1.total_ops > harmless.pth.tar
    rn-import -a resnet18 -t ours harmless.pth.tar -o model.rn 2> err
    [ "$(cat err)" = "rn-import: 3 entries left out (not the network's), the first is 'criterion.weight'" ]
    rn-show --json model.rn | jq -c 'select(.name)' > model.txt
    rn-show --json strict.rn | jq -c 'select(.name)' | cmp - model.txt
    fails 3 "strict: 3 entries are not the network's" rn-import --strict -a resnet18 -t ours harmless.pth.tar
    rn-import -q -a resnet18 -t ours harmless.pth.tar -o quiet.rn 2> err
    [ ! -s err ]
}

@test "the network is found beside sets, bytes, dates, objects and losses, in every protocol, whatever is before its names" {
    for file in beside.pth beside-protocol4.pth beside-protocol5.pth beside-legacy.pth prefix.pth; do
        rn-import -q "$FIXTURES/beside/$file" | rn-show --json --values | jq -c 'select(.name) | [.name, .value.values]' > $file.txt
        [ "$(wc -l < $file.txt)" = 16 ]
        [ "$(head -n 1 $file.txt | jq -r .[0])" = conv1.weight ]
        cmp $file.txt beside.pth.txt
    done
}

@test "of several dictionaries --key chooses; without it they are named" {
    fails 3 "'model' \(16 tensors\), 'model_ema' \(16 tensors\): --key NAME chooses one" rn-import "$FIXTURES/beside/averaged.pth" -o out.rn
    [ ! -e out.rn ]
    rn-import -q --key model "$FIXTURES/beside/averaged.pth" -o model.rn
    rn-import -q --key model_ema "$FIXTURES/beside/averaged.pth" -o average.rn
    [ "$(rn-show --json model.rn | jq -c 'select(.name == "conv1.weight") | .value.shape')" = "[2,3,3,3]" ]
    [ "$(rn-show --json average.rn | jq -c 'select(.name == "conv1.weight") | .value.shape')" = "[1]" ]
    fails 3 "'other' is no dictionary of tensors; there are 'model'" rn-import --key other "$FIXTURES/beside/averaged.pth"
    fails 3 "--key goes with files of PyTorch" rn-import --key model "$FIXTURES/good/weights.safetensors"
}

@test "the handed-out checkpoints: the tensors that torch.load gives, or exit 3 that says what to do" {
    [ -d "$SHARED/cases/weights" ] || skip "no ../shared/cases"
    for file in "$SHARED"/cases/weights/*.pth; do
        name=$(basename "$file")
        case $name in
            22-int-keys.pth) fails 3 "numbers or bytes \(0, 1, ...\), not names" rn-import "$file"; continue ;;
            22-model_state_dict-r.pth)
                fails 3 "'model_state_dict' \(8 tensors\), 'best_model_state_dict' \(8 tensors\): --key" rn-import "$file"
                continue ;;
        esac
        rn-import "$file" 2> err | rn-show --json --values |
            jq -c 'select(.name) | [.name, .value.shape, .value.values[:64]]' | sort > found.txt
        [ ! -s err ] || { echo "$name"; cat err; false; }
        jq -c --arg file "$name" '.[$file].tensors | to_entries[] |
            [(.key | sub("^_orig_mod."; "")), .value.shape, .value.values]' "$SHARED/cases/weights/expected.json" | sort > should.txt
        jq -ce -n --slurpfile a found.txt --slurpfile b should.txt \
            '[$a, $b] | map(map([.[0], .[1], (.[2] | map(. * 1e6 | round))])) | .[0] == .[1]' || { echo "$name differs"; false; }
    done
}

@test "a tensor with NaN is named, and refused by whoever would compute with it" {
    perl "$TOP/tests/tool/checkpoint.pl" nan layer2.0.bn1.bias > nan.pth.tar
    rn-import -a resnet18 -t ours --classes $CLASSES nan.pth.tar -o nan.rn 2> err
    grep -q "^rn-import: 1 tensor holds NaN or infinities, the first is 'layer2.0.bn1.bias'" err || { cat err; false; }
    [ "$(wc -l < err)" = 1 ]
    draw photos 1
    rn-list photos | rn-batch --for nan.rn -o batches.rn
    said="'layer2.0.bn1.bias' holds NaN or an infinity"
    fails 3 "$said" rn-predict -m nan.rn batches.rn
    fails 3 "$said" rn-heatmap -m nan.rn -o maps batches.rn
    [ ! -e maps ]
    for format in safetensors npz onnx; do
        fails 3 "$said" rn-export nan.rn -o nan.$format
        [ ! -e nan.$format ]
    done
    rn-list photos | rn-batch --train --size 33 -b 3 -o train.rn
    rc=0
    rn-train -t ours --init nan.rn -o run train.rn > /dev/null 2> err || rc=$?
    [ $rc = 3 ]
    grep -q "$said" err
    [ ! -e run/last.rn ]
}

@test "--init of which nothing fits is refused" {
    rn-import -q "$FIXTURES/good/zip.pth" -o other.rn
    draw photos 1
    rn-list photos | rn-batch --train --size 33 -b 3 -o train.rn
    rc=0
    rn-train --init other.rn -o run train.rn > /dev/null 2> err || rc=$?
    [ $rc = 3 ]
    grep -q "other.rn: none of its 15 tensors fits the network, neither does 'conv1.weight'" err || { cat err; false; }
    [ ! -e run/last.rn ]
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
