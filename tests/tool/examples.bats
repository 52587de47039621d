# pipelines/examples: each is run on a small line. (Those in Python: make check-python.)
load common

needs() { local program; for program; do command -v "$program" > /dev/null || skip "no $program"; done; }
EXAMPLES=$(realpath "$BATS_TEST_DIRNAME/../../pipelines/examples")
teardown() { [ -z "${service-}" ] || kill "$service" 2> /dev/null || true; } # of a test that failed

@test "every example has a test, and is short" {
    for example in "$EXAMPLES"/*; do
        [ "$(wc -l < "$example")" -le 55 ]
        [ -x "$example" ] || [[ $example == *.service ]]
        grep -q "/$(basename "$example")" "$BATS_TEST_DIRNAME/examples.bats" || grep -q "$(basename "$example")" "$TOP"/tests/python/*
    done
}

@test "ask.sh: jq and Miller over a stream" {
    needs jq mlr
    stream 'head(predictions => [qw(glass metal)])' \
        "map { my (\$id, \$label, @p) = @\$_; dict(id => str(\$id), label => num(\$label), split => none, probs => tensor('<f4', [2], pack('f<*', @p))) }
            [a => 0, .75, .25], [b => 1, .5, .25], [c => 1, .25, .5], [d => 0, .5, .25]" 'tail(4)' > p.rn
    "$EXAMPLES/ask.sh" p.rn > out
    [ "$(sed '1d;/^how sure/,$d' out)" = $'b\tmetal' ]
    sed '1,/^how sure/d' out | tr -s ' ' > sure
    [ "$(sed 1d sure)" = $'glass right 2 0.625\nmetal right 1 0.5\nmetal wrong 1 0.5' ]
}

@test "compressed.sh: zstd around a stream" {
    needs zstd
    lab l
    cd l
    rn-pick split=val all.rn > some.rn
    "$EXAMPLES/compressed.sh" some.rn model/last.rn > ../out
    rn-score test.rn | cmp - ../out
    [ "$(head -c 4 batches.rn.zst | od -An -tx1 | tr -d ' ')" = 28b52ffd ]
    # a cut archive is an error all the way down
    head -c -100 batches.rn.zst > cut.zst
    run bash -c 'set -o pipefail; zstd -dcq cut.zst 2> /dev/null | rn-predict -m model/last.rn -o p.rn'
    [ $status != 0 ] && [ ! -e p.rn ]
}

@test "watched.sh: pv in the middle" {
    needs pv
    lab l
    cd l
    rn-pick split=val all.rn > some.rn
    "$EXAMPLES/watched.sh" some.rn model/last.rn > p.rn 2> said
    rn-show p.rn > shown
    rn-show test.rn | cmp - shown
    grep -q pixels said
}

@test "jobs.sh: a job log, and what failed is done again" {
    lab l
    cd l
    "$EXAMPLES/jobs.sh" all.rn 3 whole
    [ "$(tail -n +2 whole/log | awk '$7 == 0' | wc -l)" = 3 ]
    rn-augment -q -r affine -p mid all.rn | rn-show --tsv | sort -u > once
    rn-show --tsv whole/augmented.rn | sort -u | cmp - once
    # a slice whose file cannot be made fails; the next call makes that one only
    mkdir -p again/2.rn/in-the-way
    ! "$EXAMPLES/jobs.sh" all.rn 3 again 2> /dev/null || false
    rm -r again/2.rn
    touch -d 2001-01-01 again/1.rn
    "$EXAMPLES/jobs.sh" all.rn 3 again
    [ "$(date -r again/1.rn +%Y)" = 2001 ]
    cmp again/augmented.rn whole/augmented.rn
}

@test "slurm.sh: an array of jobs gives the predictions of one, and only what is missing is done again" {
    lab l
    cd l
    : > photos/glass/broken.jpg
    rn-list photos > all.rn
    for task in 1 2 3; do SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=3 "$EXAMPLES/slurm.sh" all.rn model/last.rn parts; done
    rn-batch -k --for model/last.rn all.rn | rn-predict -m model/last.rn | rn-show --tsv > whole
    cat parts/*.rn | rn-show --tsv | cmp - whole
    rm parts/0002.rn
    touch -d 2001-01-01 parts/0001.rn
    for task in 1 2 3; do SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=3 "$EXAMPLES/slurm.sh" all.rn model/last.rn parts; done
    [ "$(date -r parts/0001.rn +%Y)" = 2001 ] && cat parts/*.rn | rn-show --tsv | cmp - whole
}

@test "ranks.sh: a training over ranks, which goes on where it was cut off" {
    [ -e "$BUILD/rn-ranks.so" ] || skip "this build has no plug-in for ranks (no MPI was found)"
    needs mpirun
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 SLURM_NTASKS=2
    lab l
    cd l
    BATCHES="-b 3 --epochs 1 --size 32" "$EXAMPLES/ranks.sh" all.rn val.rn run > once.tsv
    [ "$(wc -l < once.tsv)" = 2 ]
    for _ in {1..8}; do # there is nothing left to do, and the end comes right after the beginning
        "$EXAMPLES/ranks.sh" all.rn val.rn run > again.tsv 2> said || { cat said; false; }
        [ "$(wc -l < again.tsv)" = 1 ]
    done
    [ "$(rn-show --where run/last.rn)" = 1:0 ]
}

@test "hot-folder.sh: photos go to the folder of their class" {
    needs inotifywait
    lab l
    cd l
    mkdir in
    cp photos/glass/glass1.jpg in/old.jpg
    SURE=0 "$EXAMPLES/hot-folder.sh" in model/last.rn sorted 2> said & hot=$!
    until grep -q 'in: watched' said; do sleep 0.1; done
    cp photos/metal/metal1.jpg $'in/a\tb#1.jpg'
    echo no > in/bad.png
    for _ in $(seq 200); do [ "$(find sorted -type f 2> /dev/null | wc -l)" -lt 3 ] || break; sleep 0.05; done
    kill -- $(pgrep -P $hot) $hot 2> /dev/null || true
    wait $hot || true
    [ "$(ls sorted/unreadable)" = bad.png ]
    [ "$(ls in)" = "" ]
    [ "$(rn-batch --for model/last.rn <(rn-list --unlabeled photos/glass/glass1.jpg) | rn-predict -m model/last.rn --tsv | tail -n 1 | cut -f 3)" = \
        "$(basename "$(dirname sorted/*/old.jpg)")" ]
}

@test "watch.service: what it starts is an option of watch, and systemd takes it" {
    start=$(sed -n 's/^ExecStart=//p' "$EXAMPLES/watch.service")
    [[ $start == */rn-pipe-watch\ * ]]
    "$TOP/pipelines/watch" --help > help
    for word in $start; do [[ $word != --* ]] || grep -q -- "${word%%=*}" help; done
    command -v systemd-analyze > /dev/null || return 0
    sed 's#^ExecStart=[^ ]*#ExecStart=/bin/true#; /^User/d' "$EXAMPLES/watch.service" > watch.service
    ! systemd-analyze verify ./watch.service 2>&1 | grep watch.service
}

@test "serve.sh: photos by HTTP: answers as without, together in a batch; junk and bombs; health, metrics; it ends when told" {
    needs socat curl
    draw photos 2
    head -c 99 /dev/urandom > junk
    model=$TOP/data/models/resnet18-ours-trashnet.rn port=$((20000 + $$ % 10000)) form='%{http_code}\n'
    rn-list photos | rn-batch --for "$model" | rn-predict -q -m "$model" --json | jq -c '[.prediction, .confidence]' | sort > want
    mkdir tmp
    cp "$EXAMPLES/serve.sh" "serve = here.sh" # in any folder, by any name
    TMPDIR=$PWD/tmp MAX=20000 PIXELS=5M "./serve = here.sh" "$model" $port 2> err 3>&- & service=$!
    for ((i = 0; i < 600; i++)); do curl -sf localhost:$port/health > health && break || sleep 0.1; done
    [ "$(cat health)" = ok ] || { tail -n 5 err; false; }
    find photos -name '*.jpg' | xargs -P 6 -I {} curl -sf --data-binary @{} localhost:$port | jq -c '[.prediction, .confidence]' | sort | diff - want
    curl -s -w "$form" --data-binary @junk localhost:$port > out
    [ "$(tail -n 1 out)" = 422 ]
    grep -q '"error":"[0-9]*: not a picture' out
    printf 'P6\n3000 3000\n255\n' > bomb.ppm
    curl -s -w "$form" --data-binary @bomb.ppm localhost:$port | grep -q '"error":.*pixels'
    head -c 20001 /dev/zero > large
    [ "$(curl -s -o out -w "$form" --data-binary @large localhost:$port)" = 413 ]
    [ "$(curl -s -o out -w "$form" -X POST localhost:$port)" = 413 ]
    [ "$(curl -s -o out -w "$form" -X PUT localhost:$port)" = 405 ]
    curl -s localhost:$port/metrics | grep -x 'rn_photos_total 14'
    curl -s localhost:$port/metrics | grep -x 'rn_errors_total 2'
    kill $service
    wait $service
    [ -z "$(ls tmp)" ] && ! curl -s localhost:$port/health
}
