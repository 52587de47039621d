# rn-export: what other programs get. What their own libraries say to it: make check-python.
load common

checkpoint() { perl "$TOP/tests/tool/checkpoint.pl" "$@"; }

@test "the original's checkpoint goes in and comes out equal in every float" {
    checkpoint write > in.pth.tar
    rn-import -a resnet18 -t ours in.pth.tar -o model.rn
    for file in out.safetensors out.npz; do
        rn-export model.rn -o $file
        [ "$(checkpoint check $file)" = "128 tensors" ]
    done
    rn-import in.pth.tar | rn-export --format=safetensors > plain.safetensors
    [ "$(checkpoint check plain.safetensors)" = "128 tensors" ]
    # the check itself: one bit
    printf '\x01' | dd of=out.safetensors bs=1 seek=2000000 conv=notrunc status=none
    ! checkpoint check out.safetensors
}

@test "what rn-train wrote: momentum is left out, each norm has a counter" {
    lab lab
    rn-export lab/model/last.rn -o model.safetensors
    rn-import model.safetensors | rn-show --json | jq -c 'select(.name) | [.name, .value]' | sort > out.txt
    rn-show --json lab/model/last.rn | jq -c 'select(.name and .role != "momentum") | [.name, .value]' | sort > in.txt
    grep -v num_batches_tracked out.txt | cmp - in.txt
    [ "$(grep -c num_batches_tracked out.txt)" = 21 ]
    # and back: a file of the same bytes
    rn-import -a resnet20 -t ours model.safetensors | rn-export --format=safetensors > again.safetensors
    cmp model.safetensors again.safetensors
}

@test "the same weights are the same bytes in every format, on a pipe too" {
    lab lab
    for format in safetensors npz onnx; do
        rn-export lab/model/last.rn -o a.$format
        rn-export --format=$format < lab/model/last.rn | cat > b
        cmp a.$format b
        [ -s b ]
    done
}

@test "refused: no format, no network for ONNX, two networks, damage, a full disk" {
    lab lab
    fails 2 "--format, or -o FILE that ends in" rn-export lab/model/last.rn
    fails 2 "--format, or -o FILE that ends in" rn-export lab/model/last.rn -o model.txt
    [ ! -e model.txt ]
    rn-import "$TOP/tests/fixtures/import/kinds/kinds.pth" -o plain.rn
    fails 3 "the file names no network" rn-export plain.rn -o plain.onnx
    [ ! -e plain.onnx ]
    cat plain.rn plain.rn > two.rn
    fails 3 "several networks" rn-export two.rn -o two.npz
    head -c 500 plain.rn > cut.rn
    fails 3 "cut.rn: " rn-export cut.rn -o cut.npz
    [ ! -e cut.npz ]
    fails 3 "samples" rn-export lab/all.rn -o all.npz
    fails 4 "No space left" rn-export --format=npz lab/model/last.rn -o /dev/full
}

@test "safetensors say what network they are, and come back as a model" {
    lab lab
    rn-export lab/model/last.rn -o model.safetensors
    tail -c +9 model.safetensors | head -c "$(od -An -tu8 -N8 model.safetensors | tr -d ' ')" | jq -c '.__metadata__ |
        [.format, .arch, .attention, (.classes | fromjson | length), (.mean | fromjson | length), .size, .resize]' > about.txt
    [ "$(cat about.txt)" = '["pt","resnet20","ours",6,3,"32","37"]' ] || { cat about.txt; false; }
    rn-import model.safetensors -o back.rn
    for file in back.rn lab/model/last.rn; do
        rn-show --json $file | head -n 1 | jq -c '[.classes, .arch, .attention, .input]' > $(basename $file).txt
    done
    cmp back.rn.txt last.rn.txt
    rn-predict -j 1 -m back.rn lab/val.rn | rn-show --json | jq -c 'select(.id)' > probs.txt
    rn-show --json lab/test.rn | jq -c 'select(.id)' | cmp - probs.txt
    # options go before what the file says
    [ "$(rn-import --classes a,b,c,d,e,f model.safetensors | rn-show --json | head -n 1 | jq -c .classes)" = '["a","b","c","d","e","f"]' ]
    fails 3 "it has an attention module" rn-import -t none -a resnet20 model.safetensors
    # a file that says what it is not
    sed 's/resnet20/resnet32/' model.safetensors > wrong.safetensors
    fails 3 "60 of the network's 173 tensors are missing" rn-import wrong.safetensors
    # a network that we do not know is weights without a network
    sed 's/resnet20/vgg19bn1/' model.safetensors > other.safetensors
    [ "$(rn-import other.safetensors | rn-show --json | head -n 1 | jq -c .arch)" = null ]
}

@test "--opset is that of the ONNX model; only the others' are refused" {
    lab lab
    for opset in 13 17 18 21; do
        rn-export --opset $opset lab/model/last.rn -o $opset.onnx
    done
    rn-export lab/model/last.rn -o plain.onnx
    cmp plain.onnx 17.onnx
    ! cmp -s 17.onnx 18.onnx || false
    fails 2 "opset" rn-export --opset 12 lab/model/last.rn -o x.onnx
    fails 2 "opset" rn-export --opset 22 lab/model/last.rn -o x.onnx
    fails 2 "--opset goes with ONNX" rn-export --opset 13 lab/model/last.rn -o x.npz
}
