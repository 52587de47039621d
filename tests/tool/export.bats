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
    [ "$(grep -c num_batches_tracked out.txt)" = 20 ]
    # and back: a file of the same bytes
    rn-import -a resnet18 -t ours model.safetensors | rn-export --format=safetensors > again.safetensors
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
    rn-import "$TOP/tests/fixtures/import/good/zip.pth" -o plain.rn
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
