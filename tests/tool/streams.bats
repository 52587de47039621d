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
