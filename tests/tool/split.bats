# rn-split: exact totals, independence from order, published lists, folds, joined segments.
load common

# many N CLASS...: a listing of N pictures of each class
many() {
    local n=$1 class i
    shift
    for class; do for ((i = 0; i < n; i++)); do echo "d/$class/$class$i.jpg"; done; done > list
    mkdir -p d
    (IFS=,; tr '\n' '\0' < list | while IFS= read -rd '' i; do mkdir -p "${i%/*}"; : > "$i"; done)
    rn-list d
}

# "N split" for each split, of rn-show --tsv
counts() { rn-show --tsv | tail -n +2 | cut -f "${1:-3}" | sort | uniq -c | awk '{ $1 = $1; print }'; }

@test "totals are exact, classes as even as they allow, the input's order stays" {
    many 37 glass paper metal > all.rn
    rn-split all.rn > split.rn
    counts < split.rn > out
    printf '%s\n' '20 test' '77 train' '14 val' | diff - out
    # 37 * 77 / 111 = 25.67, 37 * 14 / 111 = 4.67, 37 * 20 / 111 = 6.67
    rn-show --tsv split.rn | tail -n +2 | cut -f 2,3 | sort | uniq -c | awk '
        $3 == "train" && $1 != 25 && $1 != 26 || $3 == "val" && $1 != 4 && $1 != 5 || $3 == "test" && $1 != 6 && $1 != 7 { exit 1 }'
    diff <(rn-show --tsv all.rn | cut -f 1) <(rn-show --tsv split.rn | cut -f 1)
    rn-split --ratio 100/0/0 all.rn | counts | diff <(echo '111 train') -
    rn-split -r 0/50/50 all.rn | counts | diff <(printf '%s\n' '56 test' '55 val') -
}

@test "the seed and the ids decide, not the order of the input" {
    many 20 glass paper > all.rn
    rn-split all.rn > a.rn
    rn-split < all.rn | cmp - a.rn
    rn-split --seed 1234 --ratio 70/13/17 all.rn | cmp - a.rn
    rn-split a.rn | rn-show --tsv | diff <(rn-show --tsv a.rn) -
    sort -R --random-source=<(yes) list | rn-list --files-from - > other.rn
    rn-list --files-from list --classes paper,glass > same.rn
    diff <(rn-split same.rn | rn-show --tsv | sort) <(rn-split other.rn | rn-show --tsv | sort)
    rn-split -s 5 all.rn | rn-show --tsv > b
    run diff <(rn-show --tsv a.rn) b
    [ "$status" = 1 ]
    rn-split -s 5 all.rn | rn-show --json | head -n 1 | grep -F '{"tool":"rn-split","version":"0.1.0","args":["--seed=5"]}'
}

@test "segments are joined: classes by name, unlabelled samples a group of their own, error records passed on" {
    photos a glass/1.jpg paper/2.jpg; photos b paper/3.jpg wood/4.jpg; photos c 5.jpg
    rn-list a > a.rn
    rn-list --classes wood,paper b > b.rn
    rn-list --unlabeled c > c.rn
    stream 'head("samples", ["wood"], note => str("kept"))' \
        'dict(id => str("broken"), label => num(0), split => str("old"), error => str("no"), mine => num(7))' \
        'dict(id => str("6"), label => num(0), split => str("old"), path => str("6.jpg"), mine => num(8))' 'tail(2)' > d.rn
    cat a.rn b.rn c.rn d.rn | rn-split --ratio 0/0/100 | rn-show --json | sed 's/"xxh3":.*/"xxh3"}/' > out
    cat > want <<'END'
{"rn":"samples","version":1,"classes":["glass","paper","wood"],"note":"kept","history":[{"tool":"rn-list","version":"0.1.0","args":[]},{"tool":"rn-list","version":"0.1.0","args":["--classes=wood,paper"]},{"tool":"rn-list","version":"0.1.0","args":["--unlabeled"]},{"tool":"rn-split","version":"0.1.0","args":["--ratio=0/0/100"]}]}
{"id":"glass/1.jpg","label":0,"split":"test","path":"a/glass/1.jpg"}
{"id":"paper/2.jpg","label":1,"split":"test","path":"a/paper/2.jpg"}
{"id":"paper/3.jpg","label":1,"split":"test","path":"b/paper/3.jpg"}
{"id":"wood/4.jpg","label":2,"split":"test","path":"b/wood/4.jpg"}
{"id":"5.jpg","label":null,"split":"test","path":"c/5.jpg"}
{"id":"broken","label":2,"split":"old","error":"no","mine":7}
{"id":"6","label":2,"split":"test","path":"6.jpg","mine":8}
{"rn":"end","records":7,"xxh3"}
END
    diff want out
    fails 3 'there twice' rn-split a.rn a.rn
    fails 3 'a stream of batches, not of samples' rn-split <(stream 'head("batches", [], mode => str("eval"))' 'tail(0)')
}

@test "embedded photos stay whole, many too" {
    mkdir -p d/x
    for i in 1 2 3 4 5 6; do head -c 1500000 /dev/urandom > d/x/$i.jpg; done
    rn-list --embed d | rn-split > out.rn
    [ "$(rn-show --json out.rn | grep -c '{"bytes":1500000}')" = 6 ]
    perl -e 'local $/; open F, "<", "out.rn"; $s = <F>; for (1 .. 6) { open G, "<", "d/x/$_.jpg"; $g = <G>; exit 1 if index($s, $g) < 0 }'
    [ "$(ls -A "$BATS_TEST_TMPDIR")" = $'d\nout.rn' ]
}

@test "--folds: names, sizes within one, every class in every fold" {
    many 23 glass paper > all.rn
    rn-split --folds 4 all.rn > folds.rn
    counts < folds.rn | diff <(printf '%s\n' '12 fold0' '12 fold1' '11 fold2' '11 fold3') -
    rn-show --tsv folds.rn | tail -n +2 | cut -f 2,3 | sort | uniq -c | awk '$1 != 5 && $1 != 6 { exit 1 } END { exit NR != 8 }'
    fails 2 'not both' rn-split --folds 4 --ratio 70/13/17 all.rn
    fails 2 'from 2' rn-split --folds 1 all.rn
}

@test "--folds: none is left without a photo, nor by groups" {
    draw photos 2 > /dev/null
    rn-list photos > all.rn
    rn-split --folds 12 all.rn | counts | wc -l | grep -x 12
    fails 3 '^rn-split: --folds: 13 are more than the 12 photos' rn-split --folds 13 all.rn
    fails 3 '^rn-split: --folds: fold[0-6] of 7 has no photo: with what is to stay together, fewer' rn-split --folds 7 --group folder all.rn
    rn-list --unlabeled photos/glass | rn-pick --head 0 | rn-split --folds 3 | counts | wc -l | grep -x 0
}

@test "--fold: one of the folds is test, the next val, the others train" {
    rn-split --folds 4 all.rn | rn-show --tsv | sed 1d | cut -f 1,3 > folds
    for fold in 0 1 2 3; do
        rn-split --folds 4 --fold $fold all.rn | rn-show --tsv | sed 1d | cut -f 1,3 > words
        sed "s/\tfold$fold\$/\ttest/; s/\tfold$(((fold + 1) % 4))\$/\tval/; s/\tfold.\$/\ttrain/" folds | diff - words
    done
    fails 2 "^rn-split: --fold: it needs --folds" rn-split --fold 1 all.rn
    fails 2 "^rn-split: --fold: '4' is not one of 0 to 3" rn-split --folds 4 --fold 4 all.rn
    fails 2 "^rn-split: --fold: '-1'" rn-split --folds 4 --fold -1 all.rn
    fails 2 "^rn-split: --fold: of two folds none is left to train on" rn-split --folds 2 --fold 0 all.rn
}

@test "--list: names and classes, and whatever does not fit" {
    photos d glass/glass1.jpg paper/paper1.jpg paper/paper2.jpg cardboard/x.jpg
    rn-list d > all.rn
    echo 'glass1.jpg 1' > train; echo 'paper2.jpg 2' > val
    rn-split --list train=train --list val=val all.rn 2> err | rn-show --tsv | tail -n +2 | cut -f 1,3 > out
    printf '%s\t%s\n' cardboard/x.jpg '' glass/glass1.jpg train paper/paper1.jpg '' paper/paper2.jpg val | diff - out
    [ "$(cat err)" = 'rn-split: 2 samples are in no list: they have no split' ]
    rn-split -q --list train=train --list val=val all.rn 2>&1 > /dev/null | cmp - /dev/null
    echo 'paper1.jpg 1' > bad
    fails 3 'paper1.jpg: .* glass, .* paper' rn-split --list train=bad all.rn
    echo 'nobody.jpg 3' > bad
    fails 3 'nobody.jpg: .*no sample' rn-split --list train=bad all.rn
    fails 3 'glass1.jpg: .*twice' rn-split --list train=train --list val=train all.rn
    printf 'glass1.jpg 1\nglass1.jpg\n' > bad
    fails 3 '^rn-split: bad: line 2: ' rn-split --list train=bad all.rn
    fails 4 'none: No such file' rn-split --list train=none all.rn
    fails 2 'SPLIT=FILE' rn-split --list train all.rn
    fails 2 'leaves nothing' rn-split --list train=train --folds 2 all.rn
    photos e other/paper2.jpg paper/more/paper2.jpg
    mv e/other e/paper/other
    fails 3 'paper/other/paper2.jpg: a second sample' rn-split --list val=val <(rn-list e)
}

@test "ratios that are none, damage, a full disk" {
    many 3 glass > all.rn
    for ratio in 70/30 70/13/18 a/b/c 50/50/0/0 '' 100; do fails 2 'sum to 100' rn-split --ratio "$ratio" all.rn; done
    head -c -1 all.rn > cut.rn
    fails 3 '^rn-split: cut.rn: ' rn-split cut.rn -o out.rn
    [ ! -e out.rn ]
    fails 3 'no bytes' rn-split /dev/null
    fails 4 'none.rn: No such file' rn-split none.rn
    rc=0; rn-split all.rn > /dev/full 2> err || rc=$?
    [ $rc = 4 ]
    [ "$(wc -l < err)" = 1 ]
    mkdir e
    rn-list e | rn-split | rn-show --json | tail -n 1 | grep -F '"records":0'
}

@test "TrashNet: 1768/328/431, and the published lists" {
    [ -d "$SHARED/trashnet/dataset-resized" ] || skip "no photos beside the repository"
    rn-list "$SHARED/trashnet/dataset-resized" > all.rn
    rn-split all.rn | counts | diff <(printf '%s\n' '431 test' '1768 train' '328 val') -
    for set in train val test; do lists+=(--list "$set=$TOP/data/split/$set.txt"); done
    rn-split "${lists[@]}" all.rn 2> err > published.rn
    [ ! -s err ]
    counts < published.rn | diff <(printf '%s\n' '431 test' '1768 train' '328 val') -
    for set in train val test; do
        diff <(cut -d ' ' -f 1 "$SHARED/trashnet/one-indexed-files-notrash_$set.txt" | sort) \
            <(rn-pick split=$set published.rn | rn-show --tsv | tail -n +2 | cut -f 1 | sed 's#.*/##' | sort)
    done
}

# torn FILE: photos of which copies, or the photo itself, are in different splits; COPIES are told by their names
torn() {
    rn-show --tsv "$1" | tail -n +2 | awk -F'\t' '{
        photo = $1; sub(/.*\//, "", photo); sub(/(\.jpg)?(#.*)?$/, "", photo); sub(/-[a-z]+-[0-9]+$/, "", photo)
        if (!(photo in split)) split[photo] = $3; else if (split[photo] != $3) print photo }' | sort -u | wc -l
}

@test "a copy that rn-augment made goes where its photo goes, by its id or by its file's name, with folds and lists too" {
    draw photos 3 > /dev/null
    rn-list photos > photos.rn
    rn-augment -r affine,distort -n 2 --keep --write copies photos.rn -o all.rn
    rn-split photos.rn | rn-show --tsv | cut -f 1,3 > want
    for options in "" "--folds 5" "-s 9 --ratio 50/0/50"; do
        rn-split $options all.rn -o split.rn
        [ "$(torn split.rn)" = 0 ]
        [ "$(rn-show --tsv split.rn | tail -n +2 | cut -f 3 | sort -u | wc -l)" -ge 2 ]
        rn-list photos copies | rn-split $options -o files.rn
        [ "$(torn files.rn)" = 0 ]
        rn-list copies | rn-split $options -o alone.rn
        [ "$(torn alone.rn)" = 0 ]
        [ "$(rn-show --tsv alone.rn | tail -n +2 | cut -f 3 | sort -u | wc -l)" -ge 2 ]
    done
    # the photos' splits are what they are without copies
    rn-split all.rn | rn-show --tsv | grep -v '#' | cut -f 1,3 | diff want -
    printf '%s\n' 'glass1.jpg 1' 'glass2.jpg 1' > a; printf '%s\n' 'glass3.jpg 1' > b
    rn-pick label=glass all.rn | rn-split --list train=a --list test=b -o listed.rn
    rn-pick label=glass photos.rn > glass.rn; rn-augment -r affine --write more glass.rn | rn-split --list train=a --list test=b -o only.rn
    [ "$(torn listed.rn)" = 0 ]
    [ "$(torn only.rn)" = 0 ]
    counts < listed.rn | diff <(printf '%s\n' '5 test' '10 train') -
    counts < only.rn | diff <(printf '%s\n' '1 test' '2 train') -
}

@test "two photos of one name: the files that rn-augment makes of them go where each goes" {
    draw photos 9 > /dev/null
    rn-list photos > jpg.rn
    for label in glass metal paper; do
        # the other half of a name is another picture, so that nothing else keeps them together
        for i in 1 2 3; do mv photos/$label/$label$((i + 3)).jpg photos/$label/$label$i.png; done
    done
    cp "$TOP/data/recipes/affine.json" our-own.json
    rn-list photos | rn-augment -q -r ./our-own.json -n 2 --write copies > /dev/null
    [ -e copies/glass/glass1.png-our-own-2.jpg ]
    [ -e copies/glass/glass1-our-own-2.jpg ]
    rn-list photos copies | rn-split --folds 3 | rn-show --tsv | tail -n +2 | awk -F'\t' '
        { photo = $1; sub(/.*\//, "", photo); copy = sub(/-our-own-[0-9]+[.]jpg$/, "", photo); if (!(photo ~ /[.]/)) photo = photo ".jpg"
          if (photo in fold && fold[photo] != $3) bad = 1; fold[photo] = $3; copies += copy }
        END { exit bad || copies != 2 * length(fold) }'
}

@test "--group keeps samples of one value together, --group folder those of one folder" {
    for ((i = 0; i < 60; i++)); do
        echo "dict(id => str('$i'), label => num($((i % 2))), split => none(), path => str('$i'), who => $( ((i < 50)) && echo "num($((i / 3)))" || echo 'none()'))"
    done > records
    mapfile -t records < records
    stream 'head("samples", ["a", "b"])' "${records[@]}" 'tail(60)' > all.rn
    rn-split --folds 4 --group who all.rn | rn-show --json > out
    grep '"id"' out | jq -r 'select(.who != null) | "\(.who) \(.split)"' | sort -u | cut -d ' ' -f 1 | uniq -d > torn
    [ ! -s torn ]
    # folds of 15, and of 7 or 8 of each label, but for what a group of three makes of that
    grep '"id"' out | jq -r .split | sort | uniq -c | awk '$1 < 13 || $1 > 17 { exit 1 }'
    grep '"id"' out | jq -r '"\(.split) \(.label)"' | sort | uniq -c | awk '$1 < 5 || $1 > 10 { exit 1 } END { exit NR != 8 }'
    head -n 1 out | jq -c '.history[-1].args' | grep -Fx '["--folds=4","--group=who"]'
    rn-split --folds 4 --group who -s 5 all.rn | rn-show --json | grep '"id"' | jq -r .split > other
    run diff <(grep '"id"' out | jq -r .split) other
    [ "$status" = 1 ]
    photos d glass/one/{1,2,3}.jpg glass/two/{1,2}.jpg paper/{1,2,3,4}.jpg
    rn-list d | rn-split --folds 3 --group folder | rn-show --tsv | tail -n +2 | cut -f 1,3 | sed 's:[^/]*\t: :' | sort -u | cut -d ' ' -f 1 | uniq -d | wc -l | grep -x 0
    fails 3 'no sample has a "where"' rn-split --group where all.rn
    fails 2 '--group: .label. says nothing' rn-split --group label all.rn
    fails 2 '--list leaves nothing to --group' rn-split --list a=b --group who all.rn
    fails 2 '--list leaves nothing to --group-near' rn-split --list a=b --group-near all.rn
    fails 2 '--jobs goes with --group-near' rn-split -j 2 all.rn
    fails 2 '--keep-going goes with --group-near' rn-split -k all.rn
}

@test "a split that folders have is kept, given up when another is asked for, and not mixed with none" {
    photos d {train,val}/{glass,paper}/{1,2,3}.jpg test/glass/4.jpg; photos e glass/{1,2,3}.jpg
    : >d/train/glass/5.dng
    rn-list -q d -o d.rn || [ $? = 1 ]
    for options in "" "-s 7"; do
        rn-split $options d.rn 2>err | rn-show --tsv >out
        [ ! -s err ]
        diff <(rn-show --tsv d.rn) out
    done
    rn-show --header <(rn-split d.rn) | grep -qx '# made by: rn-list --layout=splits | rn-split'
    rm -r d/val
    rn-list -q d | rn-split 2>err | rn-show --tsv | cut -f 3 | sort -u | paste -sd, | grep -q "test,train"
    [ "$(cat err)" = "rn-split: no sample is in val: there was no such folder (--ratio draws a split anew)" ]
    # filters between leave it so; a second rn-split of another split does not
    [ "$(rn-pick label=paper d.rn | rn-split | rn-show --tsv | cut -f 3 | sort | uniq -c | awk '{ print $1 $2 }' | paste -sd,)" = 1split,3train,3val ]
    rn-split --folds 2 d.rn 2>err | rn-split 2>err2 | rn-show --tsv | cut -f 3 | sort -u | paste -sd, | grep -q 'test,train,val'
    [ "$(cat err)" = "rn-split: the split of the folders (train, val, test) is given up for a drawn one" ]
    [ ! -s err2 ]
    rn-split -q -r 100/0/0 d.rn 2>err | rn-show --json | grep -c '"split":"train","path"' | grep -qx 13
    [ ! -s err ]
    cat d.rn <(rn-list e) >mixed.rn
    fails 3 '13 samples have the split of their folders .* and 3 have none' rn-split mixed.rn
    rn-split -q -r 70/13/17 mixed.rn | rn-show --json | tail -n 1 | grep -q '"records":17'
}

@test "a list may begin with a byte order mark; what is wrong with a name says in which list and line" {
    mkdir -p t/glass
    : > t/glass/glass1.jpg
    : > t/glass/glass2.jpg
    rn-list t > all.rn
    printf '\357\273\277glass1.jpg 1\r\nglass2.jpg 1\r\n' > list.txt
    rn-split -q --list train=list.txt all.rn | rn-show --tsv | cut -f 3 | sort | uniq -c | grep -q '2 train'
    echo 'nope.jpg 1' >> list.txt
    fails 3 '^rn-split: list.txt: line 3: nope.jpg: it is listed, and no sample has this name$' rn-split --list train=list.txt all.rn
    echo 'glass1.jpg 1' > more.txt
    sed -i 3d list.txt
    fails 3 '^rn-split: (list.txt: line 1|more.txt: line 1): .*glass1.jpg: it is listed twice$' rn-split --list train=list.txt --list val=more.txt all.rn
}
