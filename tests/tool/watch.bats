# pipelines/watch: a line for each photo that arrives, whatever arrives, until it is interrupted.
load common

setup_file() { lab "$BATS_FILE_TMPDIR/lab"; }
setup() {
    cd "$BATS_TEST_TMPDIR"
    lab=$BATS_FILE_TMPDIR/lab PATH=$TOP/pipelines:$PATH
    jpg=$lab/photos/glass/glass1.jpg
    mkdir in
    command -v inotifywait >/dev/null || stand_in
}
teardown() { [ -z "${watcher-}" ] || kill "$watcher" 2>/dev/null || true; }

# stand_in: what inotifywait says of files, for machines without it
stand_in() {
    mkdir -p bin
    PATH=$PWD/bin:$PATH
    cat >bin/inotifywait <<'END'
#!/bin/bash
dir=${*: -1}
declare -A seen
first=1
while :; do
    while IFS= read -r -d '' file; do
        [ "${seen["$file"]-}" ] || [ "$first" ] || printf '%s %s\0' CLOSE_WRITE,CLOSE "$file"
        seen["$file"]=1
    done < <(find "$dir" -type f -print0)
    [ -z "$first" ] || echo "Watches established." >&2
    first=
    sleep 0.1
done
END
    chmod +x bin/inotifywait
}

# start OPTION...: in the background, until it watches
start() {
    rm -f err # an earlier one's says that it watches
    set -m    # else it ignores INT
    watch in -m "$lab/model/last.rn" "$@" >out 2>err & watcher=$!
    set +m
    for _ in $(seq 300); do ! grep -qs 'in: watched' err || return 0; sleep 0.05; done
    cat err
    return 1
}
# lines N: until there are so many
lines() {
    for _ in $(seq 300); do [ "$(wc -l <out)" -lt "$1" ] || return 0; sleep 0.05; done
    cat out err
    return 1
}
# stop SIGNAL: it dies of that
stop() {
    local rc=0
    kill -s "$1" "$watcher"
    for _ in $(seq 200); do ! kill -0 "$watcher" 2>/dev/null || sleep 0.05; done
    kill -s KILL "$watcher" 2>/dev/null || true # and not for ever
    wait "$watcher" || rc=$?
    watcher=
    [ $rc = $((128 + $(kill -l "$1"))) ]
}

@test "photos that are written or moved there, also with strange names; others are passed over" {
    odd=$'in/new\nline $(touch pwned) [x]\'.jpg'
    start --json --top 1
    cp "$jpg" in/1.jpg
    lines 1
    cp "$jpg" in/.part
    mv in/.part "$odd"
    echo text >in/notes.txt
    lines 2
    echo none >in/broken.png
    lines 3
    cp "$jpg" in/last.jpg
    lines 4
    [ "$(jq -c '[.id, (.probabilities | length? // 0), (.error != null)]' out | sed -n '1p;3,4p' | paste -sd' ')" = \
        '["in/1.jpg",1,false] ["in/broken.png",0,true] ["in/last.jpg",1,false]' ]
    [ "$(sed -n 2p out | jq .id)" = "$(jq -n --arg id "$odd" '$id')" ]
    stop TERM
    [ "$(ls)" = "$(printf '%s\n' $([ ! -d bin ] || echo bin) err in out)" ]
}

@test "--existing: what is there first; a name that comes again; folders that are made or moved there" {
    cp "$jpg" in/old.jpg
    start --existing
    lines 2
    cp -r "$lab/photos/paper" new
    mv new in/moved
    cp -r "$lab/photos/metal" in/made
    lines 6
    more=7
    [ -d bin ] || { cp "$jpg" in/old.jpg; lines 7; more=8; } # the stand-in sees a file once
    cp "$jpg" in/end.jpg
    lines $more
    stop INT
    [ "$(head -n 1 out | cut -f 1-4)" = $'id\tlabel\tprediction\tconfidence' ]
    sed -n 2p out | grep -q $'^in/old.jpg\t'
    [ "$(cut -f 1 out | grep -c '^in/m[ao][dv]e*d*/')" = 4 ]
    [ "$(cut -f 1 out | grep '^in/m' | sort | uniq -d)" = "" ]
    [ -d bin ] || cut -f 1 out | grep -qE '^in/old.jpg#[0-9]+$'
}

@test "a tool that is killed ends it at once, though nothing arrives" {
    for tool in rn-list rn-batch rn-predict; do
        watch in -m "$lab/model/last.rn" > got 2> err & watcher=$!
        for ((i = 0; i < 200; i++)); do [ -z "$(below $watcher $tool)" ] || ! grep -q watched err || break; sleep 0.05; done
        kill -9 "$(below $watcher $tool)"
        for _ in $(seq 200); do ! kill -0 "$watcher" 2>/dev/null || sleep 0.05; done
        kill -s KILL "$watcher" 2>/dev/null || true
        rc=0; wait $watcher || rc=$?
        watcher=
        [ $rc = 137 ] || { echo "$tool: exit $rc"; cat err; false; }
    done
}

@test "what cannot be watched, and what is missing" {
    fails 4 'none: there is no such folder' watch none
    fails 4 'no such network' watch in -m none.rn
    fails 2 'DIR is missing' watch
    fails 2 'one of --tsv, --csv and --json' watch in -m "$lab/model/last.rn" --csv --json -q
    watch --help | grep -q -- --existing
}

@test "a folder that is removed or renamed ends the watch with 4 and a line, as it would hear of nothing more" {
    [ ! -d bin ] || skip "inotifywait is not there"
    for change in 'rm -rf in' 'mv in other' 'mv in/sub in/sub2'; do
        rm -rf in other; mkdir -p in/sub
        start
        bash -c "$change"
        for _ in $(seq 100); do ! kill -0 "$watcher" 2>/dev/null || sleep 0.05; done
        ! kill -0 "$watcher" 2>/dev/null || { echo "$change: it runs on"; false; }
        rc=0; wait $watcher || rc=$?
        watcher=
        [ $rc = 4 ] || { echo "$change: exit $rc"; cat err; false; }
        grep -q 'folder was moved or removed' err
    done
}

@test "numbers of watch that nobody can mean are wrong usage" {
    fails 2 "to 65536" watch in -b 0
    fails 2 "from 0 to 86400000" watch in --wait 99999999999
}
