# streams.bats -- what a released version wrote is read by each later one, and means the same (tests/streams/make makes them).
load common

@test "streams of every released version are read, and say what they said" {
    for folder in "$TOP"/tests/streams/*/; do
        for stream in "$folder"*.rn; do
            rn-show --json "$stream" > got
            cmp got "${stream%.rn}.json" || { echo "$stream"; false; }
        done
        xz -dc "$folder/checkpoint.rn.xz" | rn-show --json | cmp - "$folder/checkpoint.json"
    done
}

@test "a released version's checkpoint predicts and goes on, its streams train" {
    for folder in "$TOP"/tests/streams/*/; do
        rm -rf run model.rn
        xz -dc "$folder/checkpoint.rn.xz" > model.rn
        rn-predict -j 1 -m model.rn "$folder/eval.rn" | rn-show --tsv | cut -f 1 > got
        rn-show --tsv "$folder/predictions.rn" | cut -f 1 | cmp got -
        rn-pick split=train "$folder/samples.rn" | rn-batch --train --resume model.rn --epochs 2 |
            rn-train -q --resume model.rn --val "$folder/eval.rn" -o run > /dev/null
        [ "$(rn-show --where run/last.rn)" = 2:0 ]
        for stream in train mixed; do rn-train -q -j 1 "$folder/$stream.rn" -o $stream > /dev/null; done
        rm -r train mixed
    done
}

@test "a model and a stream that differ in what they mean: exit 3, and both are named" {
    folder=$(find "$TOP/tests/streams" -mindepth 1 -type d | head -n 1)
    xz -dc "$folder/checkpoint.rn.xz" > model.rn
    rn-batch --size 48 "$folder/samples.rn" -o larger.rn
    fails 3 'the model takes input of size 32, .*; the stream has size 48, ' rn-predict -j 1 -m model.rn larger.rn
    rn-export model.rn -o model.safetensors
    fails 3 'is .64,64,3,3., not .64,64,1,1.' rn-import --arch resnet50 --attention ours --classes a,b,c,d,e,f model.safetensors
    stream "head('images', ['cat', 'dog'])" \
        "dict(id => str('a'), label => num(0), split => none(), image => tensor('|u1', [32, 32, 3], 'x' x 3072))" 'tail(1)' |
        rn-batch --size 32 -o cats.rn
    fails 3 'cat' rn-predict -j 1 -m model.rn cats.rn
}
