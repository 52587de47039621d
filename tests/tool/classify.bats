# pipelines/classify: what it takes, what it says, where it puts photos, and that its exit code is true. (On hosts: hosts.bats.)
load common

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    lab lab
    draw photos 3
    : > photos/glass/glass2.jpg
    cp lab/model/last.rn model.rn
}
setup() {
    cd "$BATS_TEST_TMPDIR"
    ln -s "$BATS_FILE_TMPDIR/model.rn" "$BATS_FILE_TMPDIR/lab" .
    cp -r "$BATS_FILE_TMPDIR/photos" .
}

# classify CODE ARGUMENT...: into got and err
classify() {
    local want=$1 rc=0
    shift
    "$TOP/pipelines/classify" -m model.rn "$@" > got 2> err || rc=$?
    [ $rc = "$want" ] || { echo "exit $rc, not $want"; cat err; return 1; }
}
# The code of a pipeline that gets the signal when it has said a line.
signalled() {
    local signal=$1 rc=0 pid
    shift
    rm -f got # another's
    set -m
    "$@" > got 2> err & pid=$!
    set +m
    for ((i = 0; i < 200; i++)); do [ ! -s got ] || break; sleep 0.05; done
    kill -s "$signal" -- "$([ "$signal" = INT ] && echo -)$pid"
    wait $pid || rc=$?
    echo $rc
}

@test "several operands, files and folders: one pipe, a line each, the same for any -j" {
    classify 1 photos
    [ "$(wc -l < got)" = 19 ]
    [[ "$(cat err)" == 'rn-batch: error records made: 1 ('*')' ]]
    rn-list --unlabeled photos | rn-batch -q --for model.rn -k | rn-predict -m model.rn --tsv | cmp - got || true
    classify 1 photos/glass photos/paper/paper1.jpg photos/metal/ -j 1
    [ "$(cut -f 1 got | sort)" = "$({ echo id; ls -d photos/glass/* photos/paper/paper1.jpg photos/metal/*; } | sort)" ]
    mv got one
    classify 1 -j 3 -- photos/glass photos/paper/paper1.jpg photos/metal/
    cmp one got
    # nothing but the tools is needed for it
    mkdir bin
    for tool in bash env readlink dirname getopt cat mktemp rm rn-list rn-batch rn-predict; do ln -s "$(command -v $tool)" bin; done
    PATH=$PWD/bin "$TOP/pipelines/classify" -m model.rn photos/glass photos/paper/paper1.jpg photos/metal/ > got 2> err || [ $? = 1 ]
    cmp one got
    mkdir empty
    classify 1 empty
    [ "$(wc -l < got)" = 1 ]
    fails 2 'PHOTO... is missing|PHOTO is missing' "$TOP/pipelines/classify" -m model.rn
    # as cp and ls do it: what is not there costs no other photo, and what is named twice is there once
    rm photos/glass/glass2.jpg
    classify 1 photos/glass photos/glass/glass1.jpg nowhere photos/glass
    [ "$(cut -f 1-3 got | grep -c 'photos/glass/glass')" = 2 ]
    grep -q $'^nowhere\t.*error: nowhere: No such file or directory' got
    grep -qx 'rn-list: listed once, though named more often: 3 (photos/glass/glass1.jpg ...)' err
    classify 1 nowhere
    [ "$(wc -l < got)" = 2 ]
    : > photos/glass/glass2.jpg
    fails 2 'json or --csv' "$TOP/pipelines/classify" -m model.rn photos --json --csv
    # operands that look like options and conditions
    mv photos ./-k
    mkdir lr=0.01
    cp -- -k/paper/paper1.jpg lr=0.01/-x=1.jpg
    classify 0 lr=0.01 --
    [ "$(sed -n 2p got | cut -f 1)" = -x=1.jpg ]
    classify 1 -- -k && [ "$(wc -l < got)" = 19 ]
}

@test "--json, --csv, --top, --min-confidence, --max-pixels, -o" {
    classify 1 --json --top 2 photos
    jq -es 'length == 18 and ([.[] | select(.error)] | length) == 1 and
        ([.[] | select(.error | not) | (.probabilities | length) == 2 and .confidence == .probabilities[.prediction]] | all)' got
    classify 1 --csv photos
    [ "$(head -n 1 got)" = id,label,prediction,confidence,cardboard,glass,metal,paper,plastic,trash ]
    [ "$(wc -l < got)" = 19 ]
    classify 0 --top 1 --min-confidence 1 photos/metal/metal1.jpg
    [[ "$(sed 1d got)" = *metal1.jpg*unsure* ]]
    classify 1 --max-pixels 100 photos/metal
    [ "$(grep -c "error: .*pixels are more than --max-pixels 100" got)" = 3 ]
    classify 1 photos
    mv got want
    classify 1 photos -o out.tsv
    [ ! -s got ]
    cmp want out.tsv
    # one that fails leaves the file as it was
    rm photos/glass/glass2.jpg
    fails 4 'no/such' "$TOP/pipelines/classify" -m model.rn photos -o no/such/out.tsv
    head -c -1000 model.rn > cut.rn
    rc=0; "$TOP/pipelines/classify" -m cut.rn photos -o out.tsv 2> err || rc=$?
    [ $rc = 3 ]
    cmp want out.tsv
    [ "$(ls | sort | xargs)" = 'cut.rn err fails.err fails.out got lab model.rn out.tsv photos want' ]
}

@test "--copy-to: a folder a class, nothing lost, nothing overwritten" {
    mkdir -p more/glass
    cp photos/metal/metal1.jpg more/glass/glass1.jpg # another photo of the same name
    cp photos/paper/paper1.jpg more/$'new\nline\\t\ttab.jpg'
    cp photos/paper/paper2.jpg "more/-x=a b.jpg"
    cp photos/paper/paper3.jpg $'more/end.jpg'
    classify 1 photos more --copy-to sorted
    [ "$(wc -l < got)" = 23 ]
    count() { find sorted -type f -printf x | wc -c; }
    [ "$(count)" = 21 ]
    cut -f 3 got | grep -v 'error: \|prediction' | sort -u | diff - <(ls sorted)
    find photos more -name '*.jpg' -size +0 -exec sha1sum -z {} + | cut -zc -40 | sort -z > want
    find sorted -type f -exec sha1sum -z {} + | cut -zc -40 | sort -z | cmp want -
    [ -e sorted/*/$'new\nline\\t\ttab.jpg' ]
    [ -e "$(echo sorted/*/-x=a\ b.jpg)" ]
    [ -e "$(echo sorted/*/glass1-2.jpg)" ]
    [ photos/paper/paper1.jpg -ef "$(echo sorted/*/paper1.jpg)" ] # a link
    # again: what is there already stays
    find sorted -type f -exec ls -i {} + | sort > before
    classify 1 photos more --copy-to sorted --csv
    find sorted -type f -exec ls -i {} + | sort | cmp before -
    # below the confidence; and where links cannot be
    printf '#!/bin/sh\nexit 1\n' > ln
    chmod +x ln
    PATH=$PWD:$PATH classify 0 photos/metal --min-confidence 1 --copy-to copied
    [ -e copied/unsure ] || [ "$(sed 1d got | cut -f 4 | sort -u)" = 1 ]
    for i in 1 2 3; do cmp photos/metal/metal$i.jpg copied/*/metal$i.jpg; [ ! photos/metal/metal$i.jpg -ef "$(echo copied/*/metal$i.jpg)" ]; done
    [ "$(find copied -type f | wc -l)" = 3 ]
    # classes that are no folder's name, and a link where a folder should be
    rn-export model.rn -o w.safetensors
    for class in .. a/../../b; do
        rn-import --arch resnet20 --attention ours --classes "c1,c2,c3,c4,$class,c6" w.safetensors -o odd.rn 2> err
        rn-import --arch resnet20 --attention ours --classes "$class,c2,c3,c4,c5,c6" w.safetensors -o other.rn 2> err
        for odd in odd.rn other.rn; do
            "$TOP/pipelines/classify" -m $odd photos/metal --copy-to deep/er > got
            [ -z "$(find . -maxdepth 2 -path './deep/*' ! -name er)" ]
            [ ! -e b ]
            [ ! -e metal1.jpg ]
        done
    done
    class=$(ls sorted | head -n 1)
    mkdir -p linked away
    ln -s ../away "linked/$class"
    rc=0; "$TOP/pipelines/classify" -q -m model.rn photos --copy-to linked > got 2> err || rc=$?
    [ $rc = 4 ] && grep -q "linked/.*: a link, and no folder" err && [ -z "$(ls away)" ]
}

@test "the exit code is true: full disks, closed descriptors, signals, tools that are killed" {
    draw many 60 # ... and a network that takes its time
    rn-list many | rn-pick --head 2 | rn-batch --train -b 2 | rn-train -o slow > /dev/null 2>&1
    mv slow/last.rn slow.rn
    full() { local rc=0; "$@" > /dev/full 2> err || rc=$?; echo $rc; }
    [ "$(full "$TOP/pipelines/classify" -m model.rn photos)" = 4 ]
    grep -q 'No space left' err
    [ "$(full "$TOP/pipelines/classify" -m model.rn photos --copy-to s --json)" = 4 ]
    rc=0; (ulimit -n 16; exec "$TOP/pipelines/classify" -m model.rn photos) > got 2> err || rc=$?
    [ $rc = 4 ] || { [ $rc = 1 ]; [ "$(wc -l < got)" = 19 ]; }
    for signal in INT TERM HUP; do
        [ "$(signalled $signal "$TOP/pipelines/classify" -m slow.rn -j 1 many)" = $((128 + $(kill -l $signal))) ]
        [ "$(wc -l < got)" -lt 361 ]
    done
    # a tool that is killed: its signal
    for tool in rn-batch rn-predict; do
        rm -f got
        set -m
        "$TOP/pipelines/classify" -m slow.rn -j 1 many > got 2> err & pid=$!
        set +m
        for ((i = 0; i < 200; i++)); do [ ! -s got ] || break; sleep 0.05; done
        kill -9 "$(below $pid $tool)"
        rc=0; wait $pid || rc=$?
        [ $rc = 137 ]
        [ "$(wc -l < got)" -lt 361 ]
        grep -qx 'classify: a tool was ended by signal KILL' err
    done
    # a temporary folder that is not there, where one is needed
    for more in "--copy-to s" "-S :"; do
        rc=0; (cd / && TMPDIR=$OLDPWD/none "$TOP/pipelines/classify" -m "$OLDPWD/model.rn" "$OLDPWD/photos" $more) > got 2> err || rc=$?
        [ $rc = 4 ]
        [ ! -s got ]
        grep -q 'none: no temporary folder' err
    done
}

@test "rn-predict: predictions that were made before become the same table; other classes' do not" {
    rn-list --unlabeled photos | rn-batch -q -k --for model.rn -o b.rn || true
    rn-predict -m model.rn b.rn -o p.rn
    for form in "--tsv" "--json --top 2" "--csv --min-confidence 0.9"; do
        rn-predict -m model.rn $form b.rn > want || [ $? = 1 ]
        rn-predict -m model.rn $form p.rn > got || [ $? = 1 ]
        cmp want got
    done
    rn-predict -m model.rn p.rn | rn-show --json | grep -v '"rn":' > got
    rn-show --json p.rn | grep -v '"rn":' | cmp - got
    stream 'head(predictions => [qw(a b)])' 'dict(id => str("x"), label => none, split => none, probs => tensor("<f4", [2], pack("f<*", 1, 0)))' 'tail(1)' > other.rn
    fails 3 "predictions of other classes than model.rn has" rn-predict -m model.rn other.rn -o x.rn
}
