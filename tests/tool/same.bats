# The same question has the same answer, bit for bit: for any number of threads, any batch, any order, any slicing.
load common

setup_file() { lab "$BATS_FILE_TMPDIR/lab"; }
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/lab/." .; }

# records FILE: without head and tail, whose history and hash say how they were asked for
records() { rn-show --json --values "$1" | grep -v '^{"rn"'; }

@test "rn-batch: any number of threads" {
    rn-list --embed photos >embedded.rn
    for mode in "" "--train --epochs 2 -s 5"; do
        for input in all.rn embedded.rn; do
            rn-batch $mode -b 3 --size 40 -j 1 $input >one
            for jobs in 2 7; do
                rn-batch $mode -b 3 --size 40 -j $jobs $input | cmp one -
            done
        done
    done
    # files or their bytes: the pictures are the same
    cmp <(rn-batch --size 40 all.rn | records -) <(rn-batch --size 40 embedded.rn | records -)
}

@test "rn-predict: any number of threads" {
    for cpu in "" portable; do
        for form in "" --tsv; do
            RN_CPU=$cpu rn-predict -m model/last.rn $form -j 1 val.rn >one
            for jobs in 2 7; do
                RN_CPU=$cpu rn-predict -m model/last.rn $form -j $jobs val.rn | cmp one -
            done
        done
    done
}

@test "a photo's probabilities: alone, in any batch, at any place" {
    # 75 is no multiple of anything: the last rows and columns are a part of a tile
    rn-batch --train --size 75 -b 3 all.rn | rn-train -t ours-mul --lr 0.01 -j 2 -o odd >table
    rn-list photos | rn-show --json | jq -r '.path // empty' >names
    for model in model odd; do
        rn-batch --for $model/last.rn -b 1 all.rn | rn-predict -m $model/last.rn | records - | sort >alone
        [ "$(wc -l <alone)" = 12 ]
        for batch in 2 5 12; do
            rn-batch --for $model/last.rn -b $batch all.rn | rn-predict -m $model/last.rn -j 2 | records - | sort | cmp alone -
        done
        jq -c .probs.values alone | sort >probs
        for order in tac "sort -t/ -k3r"; do
            $order names | rn-list --files-from - | rn-batch --for $model/last.rn -b 7 | rn-predict -m $model/last.rn |
                records - | jq -c .probs.values | sort | cmp probs -
        done
    done
}

@test "rn-train: any number of threads" {
    for jobs in 1 3; do
        rn-train -t ours --lr 0.01 -j $jobs --val val.rn -o run$jobs train.rn >table
    done
    cmp run1/last.rn run3/last.rn
    cmp run1/best.rn run3/best.rn
    cmp <(cut -f 1-6 run1/log.tsv) <(cut -f 1-6 run3/log.tsv)
}

@test "train batches: any order of the input, any slices of it" {
    rn-list photos | rn-show --json | jq -r '.path // empty' >names
    rn-list --files-from names | rn-batch --train --size 32 --epochs 2 >one
    for order in tac "sort -t/ -k3r"; do
        $order names | rn-list --files-from - | rn-batch --train --size 32 --epochs 2 | cmp one -
    done
    rn-batch --train --size 32 --epochs 2 all.rn | records - >want
    for slices in 2 5; do
        for i in $(seq $slices); do rn-pick --shard $i/$slices all.rn; done | rn-batch --train --size 32 --epochs 2 | records - | cmp want -
        for i in $(seq $slices -1 1); do rn-pick --shard $i/$slices all.rn >slice$i; done
        rn-batch --train --size 32 --epochs 2 $(seq -f slice%g $slices -1 1) | records - | cmp want -
    done
    # the split of a sample: not where it stands in the input
    rn-list --files-from names | rn-split | rn-show --json | jq -r 'select(.id) | "\(.id) \(.split)"' | sort >splits
    tac names | rn-list --files-from - | rn-split | rn-show --json | jq -r 'select(.id) | "\(.id) \(.split)"' | sort | cmp splits -
}
