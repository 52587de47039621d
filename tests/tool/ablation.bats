#!/usr/bin/env bats
# The published tables as make targets: a row is resumable, is not run twice, and says what it lacks.

load common

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    "$BUILD/draw" photos 10 3
    "$BUILD/rn-list" photos | "$BUILD/rn-batch" --train --size 32 -b 8 | "$BUILD/rn-train" -o start > /dev/null
    mkdir weights && mv start/last.rn weights/resnet18.rn
}

setup() {
    cd "$BATS_FILE_TMPDIR"
    root=$BATS_TEST_DIRNAME/../..
    settings=(EPOCHS=1 SIZE=32 "TRASHNET=$BATS_FILE_TMPDIR/photos" "WEIGHTS=$BATS_FILE_TMPDIR/weights" "OUT=$BATS_FILE_TMPDIR/out" "B=$(realpath --relative-to="$root" "$BUILD")")
}

@test "table 4 is killed in the middle, goes on, and prints its rows beside the published ones" {
    setsid make -s -C "$root" table4 "${settings[@]}" > killed.txt 2>&1 &
    pid=$!
    for _ in $(seq 300); do [ ! -e out/resnet18-ours-mul/1234/score.json ] || break; sleep 0.1; done
    kill -KILL -- "-$pid"
    wait "$pid" || true
    [ -e out/resnet18-ours-mul/1234/score.json ]
    [ ! -e out/resnet18-ours/1234/score.json ]
    touch -d '2001-01-01' out/resnet18-ours-mul/1234/last.rn
    make -s -C "$root" table4 "${settings[@]}" > table.txt 2> table.err
    [ "$(date -r out/resnet18-ours-mul/1234/last.rn +%Y)" = 2001 ] # what is finished is not run again
    grep -E '^ResNet-18 \+ ours, product +91\.65 +11\.24 +[0-9.]+ +[0-9.]+ to +[0-9.]+ +1 +1 ' table.txt
    grep -E '^ResNet-18 \+ ours, maximum +92\.5[78] +11\.24 ' table.txt
    grep -E '^ResNet-18 \+ ours \(sum\) +93\.04 +11\.24 ' table.txt
    grep 'the split is drawn' table.err
}

@test "what is finished with other options, or with other photos, is not taken for this" {
    make -s -C "$root" row-resnet18-ours "${settings[@]}" > again.txt 2>&1
    stamp=$(date -r out/resnet18-ours/1234/last.rn +%s%N)
    for other in SIZE=48 BATCH=5 PRECISION=tf32; do
        rc=0; make -s -C "$root" row-resnet18-ours "${settings[@]}" $other > again.txt 2> again.err || rc=$?
        [ $rc != 0 ]
        grep -qiE "^train: --${other%=*}: out/.* holds a run with|^train: --${other%=*}: /.* holds a run with" again.err
    done
    cp -r photos fewer
    rm fewer/glass/glass1.jpg
    rc=0; make -s -C "$root" row-resnet18-ours "${settings[@]}" TRASHNET="$PWD/fewer" > again.txt 2> again.err || rc=$?
    [ $rc != 0 ]
    grep -q "not the photos of the run in .*: glass/glass1.jpg" again.err
    [ "$(date -r out/resnet18-ours/1234/last.rn +%s%N)" = "$stamp" ]
}

@test "a row without weights or photos says which it lacks and how to get them" {
    fails 4 'resnet34:.*resnet34-.*data/fetch-weights resnet34' "$root/pipelines/ablation" resnet34 --trashnet photos --weights weights --out out
    fails 4 'resnet34:.*not in .nowhere..*data/fetch-trashnet' "$root/pipelines/ablation" resnet34 --trashnet nowhere
    fails 2 "no row is called 'resnet52'" "$root/pipelines/ablation" resnet52
}

@test "a folder of weights that is not there is said, too" {
    fails 4 "^ablation: resnet18: 'nowhere' has no resnet18-" "$TOP/pipelines/ablation" resnet18 --trashnet "$BATS_FILE_TMPDIR/photos" --weights nowhere
}

@test "make -n works without data, and every row has a target" {
    make -n -C "$root" row-resnet50-cbam table1 table2 table3 table4 > plan.txt
    grep 'pipelines/ablation resnet50-cbam.* --device=cpu --precision=fp32' plan.txt
    [ "$(grep -vc '^#' "$root/data/ablation.tsv")" = 18 ]
}

@test "fetch-weights checks and refuses" {
    command -v curl || skip "curl is not here"
    mkdir -p served got
    head -c 200000 /dev/zero > served/resnet18-f37072fd.pth
    RN_WEIGHTS_URL="file://$PWD/served" fails 3 'refused' "$root/data/fetch-weights" resnet18 got/
    [ -z "$(ls got)" ]
    RN_WEIGHTS_URL="file://$PWD/nowhere" fails 4 'the download broke' "$root/data/fetch-weights" resnet18 got/
    fails 2 "no weights are called 'resnet19'" "$root/data/fetch-weights" resnet19
}
