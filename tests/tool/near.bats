# rn-near and rn-split --group-near: photos that are the same or nearly so, and their labels.
load common

# set_of FILE ID: the number of its set
set_of() { awk -F'\t' -v id="$2" '$2 == id { print $1 }' "$1"; }

# clan: drawn photos, and near ones of glass1: the same file, saved anew as PNG, turned and mirrored
clan() {
    draw photos 4 >/dev/null
    cp photos/glass/glass1.jpg photos/glass/same.jpg
    cp photos/glass/glass1.jpg photos/metal/other.jpg
    rn-list photos | rn-pick id=glass/glass1.jpg > one.rn
    cat > turn.json <<'END'
{"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [
 {"__class_fullname__": "Transpose", "always_apply": true, "p": 1.0}, {"__class_fullname__": "HorizontalFlip", "always_apply": true, "p": 1.0}]}}
END
    rn-augment -r ./turn.json --write turned one.rn >/dev/null
    mv turned/glass/glass1-turn-1.jpg photos/glass/turned.jpg
}

@test "copies, turned and saved anew, are found, and labels that contradict each other: exit 1" {
    clan
    rn-list photos > all.rn
    rc=0; rn-near all.rn > near.tsv || rc=$?
    [ $rc = 1 ]
    head -n 1 near.tsv | diff <(printf 'set\tid\tlabel\tsplit\tnear\tturn\tdistance\talike\tfault\n') -
    [ -n "$(set_of near.tsv glass/same.jpg)" ]
    for id in glass/glass1.jpg metal/other.jpg glass/turned.jpg; do
        [ "$(set_of near.tsv $id)" = "$(set_of near.tsv glass/same.jpg)" ]
    done
    awk -F'\t' '$2 == "glass/turned.jpg" { print $6, $9 }' near.tsv | grep -E '^turned (90|270) label$'
    awk -F'\t' '$2 == "glass/same.jpg" { print $5, $6, $7, $8 }' near.tsv | grep -x 'glass/glass1.jpg same 0 1.0000'
    # any number of threads, embedded files, pixels
    for jobs in 1 5; do
        rn-near -j $jobs all.rn > again || true
        cmp near.tsv again
    done
    rn-list --embed photos | rn-near > again || true
    cmp near.tsv again
    rn-pick label=paper all.rn | rn-pick --head 1 > clean.rn
    rn-near clean.rn > out
    [ "$(wc -l < out)" = 1 ]
}

@test "--group-near keeps near photos in one split, and rn-near sees where they are not" {
    clan
    rn-list photos > all.rn
    for seed in 1 2 3 4 5; do
        rn-split --folds 4 --group-near -s $seed all.rn -o split.rn
        { rn-near split.rn || true; } | awk -F'\t' '$9 ~ /split/ { exit 1 }'
        rn-show --tsv split.rn | tail -n +2 | cut -f 3 | sort | uniq -c | awk '$1 < 6 || $1 > 8 { exit 1 } END { exit NR != 4 }'
    done
    rn-split --folds 4 --group-near -s 5 -j 3 all.rn | cmp - split.rn
    rn-split --folds 4 -s 5 all.rn | { rn-near || true; } | grep -c 'split$'
}

@test "a photo that cannot be read ends it, or with -k is counted and near no other" {
    draw photos 1 >/dev/null
    : > photos/glass/empty.jpg
    rn-list photos > all.rn
    fails 3 'photos/glass/empty.jpg: an empty file' rn-split --group-near all.rn
    fails 3 'photos/glass/empty.jpg: an empty file' rn-near all.rn -o out
    [ ! -e out ]
    rc=0; rn-near -k all.rn > out 2> err || rc=$?
    [ $rc = 1 ]
    grep -x 'rn-near: photos that could not be read: 1' err
    ! grep empty out || false
    rn-split -k --group-near all.rn -o split.rn 2> err
    grep -x 'rn-split: photos that could not be read: 1' err
    [ "$(rn-show --json split.rn | tail -n 1 | jq .records)" = 7 ]
    fails 2 'distance' rn-near --distance 17 all.rn
}

@test "TrashNet: three photos have two labels each, and of all pairs found none is of two things" {
    [ -d "$SHARED/trashnet/dataset-resized" ] || skip "the photos are not here"
    rn-list "$SHARED/trashnet/dataset-resized" > all.rn
    rn-near all.rn > near.tsv || true
    awk -F'\t' '$9 == "label" { print $2, $5 }' near.tsv | diff - <(printf '%s\n' \
        'glass/glass115.jpg metal/metal91.jpg' 'metal/metal91.jpg glass/glass115.jpg' \
        'glass/glass176.jpg plastic/plastic152.jpg' 'plastic/plastic152.jpg glass/glass176.jpg' \
        'glass/glass389.jpg plastic/plastic332.jpg' 'plastic/plastic332.jpg glass/glass389.jpg')
    # 32 pairs: each was looked at, and is one thing seen twice
    [ "$(tail -n 1 near.tsv | cut -f 1)" = 32 ]
    [ "$(wc -l < near.tsv)" = 65 ]
    rn-split --group-near all.rn -o split.rn
    for s in train=1768 val=328 test=431; do [ "$(rn-pick "split=${s%=*}" split.rn | rn-show --json | tail -n 1 | jq .records)" = "${s#*=}" ]; done
    { rn-near split.rn || true; } | awk -F'\t' '$9 ~ /split/ { exit 1 }'
}
