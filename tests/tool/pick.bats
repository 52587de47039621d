# rn-pick: conditions, slices, every kind, unknown keys.
load common

# a listing of six samples with splits, two segments, an error record, an unknown key
six() {
    stream 'head("samples", ["glass", "paper"], note => str("kept"))' \
        'dict(id => str("g1"), label => num(0), split => str("train"), path => str("p/g1"), mine => num(1))' \
        'dict(id => str("p1"), label => num(1), split => str("val"), path => str("p/p1"))' \
        'dict(id => str("bad"), label => num(1), split => str("train"), error => str("cut short"))' 'tail(3)' \
        'head("samples", ["paper", "glass"])' \
        'dict(id => str("g2"), label => num(1), split => str("train"), data => bin("xyz"))' \
        'dict(id => str("n"), label => none(), split => none(), path => str("n"))' \
        'dict(id => str("p2"), label => num(0), split => str("test"), path => str("a=b"))' 'tail(3)'
}

# the ids that are picked, in one line
ids() { rn-pick "$@" | rn-show --tsv | cut -f 1 | grep -v '^id$' | paste -sd ' '; }

@test "conditions: or within a key, and between keys, nothing, not" {
    six > six.rn
    [ "$(ids six.rn)" = 'g1 p1 bad g2 n p2' ]
    [ "$(ids split=train six.rn)" = 'g1 bad g2' ]
    [ "$(ids split=train split=val six.rn)" = 'g1 p1 bad g2' ]
    [ "$(ids split=train label=glass six.rn)" = 'g1 g2' ]
    [ "$(ids split=train label=glass id=g2 six.rn)" = 'g2' ]
    [ "$(ids label=paper six.rn)" = 'p1 bad p2' ]
    [ "$(ids label!=paper six.rn)" = 'g1 g2 n' ]
    [ "$(ids label!=paper label!=glass six.rn)" = 'n' ]
    [ "$(ids label= six.rn)" = 'n' ]
    [ "$(ids split!= label!= error= six.rn)" = 'g1 p1 g2 p2' ]
    [ "$(ids --errors six.rn)" = 'bad' ]
    [ "$(ids --errors label=glass six.rn)" = '' ]
    [ "$(ids 'error=cut short' six.rn)" = 'bad' ]
    [ "$(ids path=a=b six.rn)" = 'p2' ]
    cp six.rn split=train
    [ "$(ids split=test ./split=train)" = 'p2' ]
    [ "$(ids split=test - < six.rn)" = 'p2' ]
}

@test "head and skip count what the conditions leave, over all segments" {
    six > six.rn
    [ "$(ids --head 2 six.rn)" = 'g1 p1' ]
    [ "$(ids --skip 2 --head 2 six.rn)" = 'bad g2' ]
    [ "$(ids --skip 1 split=train six.rn)" = 'bad g2' ]
    [ "$(ids --head 0 six.rn)" = '' ]
    [ "$(ids --skip 99 six.rn)" = '' ]
}

@test "heads: one segment for each, unknown keys kept, signed in" {
    six | rn-pick split=train --head 2 label=glass | rn-show --json | sed 's/"xxh3":.*/"xxh3"}/' > out
    cat > want <<'END'
{"rn":"samples","version":1,"classes":["glass","paper"],"note":"kept","history":[{"tool":"rn-pick","version":"0.1.0","args":["--head=2","label=glass","split=train"]}]}
{"id":"g1","label":0,"split":"train","path":"p/g1","mine":1}
{"rn":"end","records":1,"xxh3"}
{"rn":"samples","version":1,"classes":["paper","glass"],"history":[{"tool":"rn-pick","version":"0.1.0","args":["--head=2","label=glass","split=train"]}]}
{"id":"g2","label":1,"split":"train","data":{"bytes":3}}
{"rn":"end","records":1,"xxh3"}
END
    diff want out
    # files are no part of the history, so where it came from does not matter
    six > six.rn
    rn-pick split=train six.rn > a.rn
    six | rn-pick split=train | cmp - a.rn
}

@test "shards: together the whole, in order, each a stream" {
    six > six.rn
    for n in 1 2 3 4 6 7 100; do
        : > all.rn
        for ((i = 1; i <= n; i++)); do rn-pick --shard $i/$n six.rn >> all.rn; done
        [ "$(rn-show --tsv all.rn | cut -f 1 | paste -sd ' ')" = 'id g1 p1 bad g2 n p2' ]
    done
    [ "$(ids --shard 2/3 six.rn)" = 'bad g2' ]
    [ "$(ids --shard 2/2 split=train six.rn)" = 'g2' ]
    [ "$(ids --shard 2/3 six.rn six.rn)" = 'n p2 g1 p1' ]
    [ "$(ids --shard 2/3 < six.rn)" = 'bad g2' ]
    # standard input is read from where it stands
    { printf junk; cat six.rn; } > behind
    [ "$({ dd bs=4 count=1 of=/dev/null 2>/dev/null; ids --shard 2/3; } < behind)" = 'bad g2' ]
}

@test "shards need files" {
    six > six.rn
    pipe() { cat six.rn | rn-pick --shard 1/2; }
    fails 2 'not a pipe' pipe
    mkfifo fifo
    fails 2 'not a pipe' rn-pick --shard 1/2 fifo
    for shard in 0/2 3/2 1 1/ /2 1/0 a/b 1/2/3 -1/2 ''; do fails 2 'I/N' rn-pick --shard "$shard" six.rn; done
    fails 4 'none.rn' rn-pick --shard 1/2 none.rn
    head -c -1 six.rn > cut.rn
    fails 3 'cut.rn' rn-pick --shard 1/2 cut.rn
}

@test "weights, batches, predictions and images" {
    stream 'head("weights", [], arch => none(), attention => none(), input => none())' \
        'dict(name => str("a"), role => str("parameter"), value => tensor("<f4", [1], pack("f<", 1)))' \
        'dict(name => str("b"), role => str("buffer"), value => tensor("<f4", [1], pack("f<", 2)))' \
        'dict(name => str("a"), role => str("momentum"), value => tensor("<f4", [1], pack("f<", 3)))' 'tail(3)' > w.rn
    [ "$(ids role=parameter role=buffer w.rn | tr ' ' ,)" = 'name,a,b' ]
    [ "$(ids name=a role!=momentum w.rn)" = 'name a' ]
    fails 2 'role' rn-pick role=bias w.rn
    batch() { echo "dict(epoch => num($1), index => num($2), ids => list(str('i')), labels => list(none()), images => tensor('|u1', [1,1,1,3], 'abc'))"; }
    stream 'head("batches", [], mode => str("eval"))' "$(batch 0 0)" "$(batch 0 1)" \
        'dict(id => str("bad"), label => none(), split => none(), error => str("x"))' "$(batch 1 0)" 'tail(4)' > b.rn
    [ "$(rn-pick epoch=0 index!=0 b.rn | rn-show | grep -v '^#')" = $'0:1\tu8 [1,1,1,3]\ti' ]
    [ "$(rn-pick --errors id=bad b.rn | rn-show | grep -v '^#')" = $'bad\t-\t-\terror: x' ]
    [ "$(rn-pick epoch!=0 b.rn | rn-show | grep -vc '^#')" = 2 ]
    fails 2 'whole number' rn-pick epoch=x b.rn
    stream 'head("predictions", ["g"])' 'dict(id => str("1"), label => num(0), probs => tensor("<f4", [1], pack("f<", 1)))' 'tail(1)' > p.rn
    [ "$(ids label=g p.rn)" = '1' ]
    fails_at_head() { rn-pick "$@" > /dev/null; }
    fails 3 'predictions have no "split"' fails_at_head split=train p.rn
    fails 3 'weights have no "label"' fails_at_head label= w.rn
    stream 'head("images", ["g"])' 'dict(id => str("1"), label => num(0), split => none(), image => tensor("|u1", [1,1,3], "abc"))' 'tail(1)' > i.rn
    [ "$(ids split= i.rn)" = '1' ]
    # mixed kinds stay what they are
    six > six.rn
    rn-pick id!=1 six.rn i.rn | rn-show --json | grep -o '"rn":"[a-z]*"' | paste -sd ' ' | grep -x '"rn":"samples" "rn":"end" "rn":"samples" "rn":"end" "rn":"images" "rn":"end"'
}

@test "what cannot be: a key, a class, a file" {
    six > six.rn
    fails 2 "'splitt' is no key" rn-pick splitt=train six.rn
    fails 3 "no class 'wood'" rn-pick label=wood six.rn
    fails 3 "no class 'wood'" rn-pick label!=wood six.rn
    fails 4 'none.rn: No such file' rn-pick split=train none.rn
    fails 2 'is not an option' rn-pick --wat six.rn
    rc=0; rn-pick six.rn > /dev/full 2> err || rc=$?
    [ $rc = 4 ]
    [ "$(wc -l < err)" = 1 ]
    # damage behind what --head has taken is seen too, and no file appears
    head -c -1 six.rn > cut.rn
    rc=0; rn-pick --head 1 cut.rn -o out.rn 2> err || rc=$?
    [ $rc = 3 ]
    [ ! -e out.rn ]
}

@test "a live pipe: a record is there while the input is still open" {
    six > six.rn
    mkfifo in out
    rn-pick id=g1 < in > out &
    exec 7> in 8< out
    head -c 250 six.rn >&7
    timeout 5 head -c 60 <&8 | grep -qa 'kept'
    exec 8<&- 7>&-
    wait || true
}

@test "embed: a slice that needs no files, and the same batches of it, with the same words for what is broken" {
    draw photos 2
    : > photos/glass/empty.jpg
    rm photos/metal/metal1.jpg
    ln -s nowhere photos/metal/metal1.jpg
    rn-list photos > all.rn
    rc=0; rn-pick --embed all.rn -o whole.rn || rc=$?
    [ $rc = 1 ]
    rn-batch -q -k --size 32 all.rn > want.rn || true
    mv photos away
    rn-batch -q -k --size 32 whole.rn > got.rn || true
    diff <(rn-show --json --values want.rn | grep -v '"rn":') \
         <(rn-show --json --values got.rn | grep -v '"rn":')
    rn-show --json got.rn | grep -F '"error":"photos/glass/empty.jpg: an empty file"'
    rn-show --json whole.rn | grep -F '"error":"photos/metal/metal1.jpg: No such file or directory"'
    rn-show --json whole.rn | grep -q '"from_path":"photos/glass/glass1.jpg","data":{"bytes":'
    # bytes that are there already stay
    rn-pick --embed whole.rn | rn-show --json | grep -v '"rn":' > again
    rn-show --json whole.rn | grep -v '"rn":' | diff - again
    [ "$(rn-show --tsv whole.rn | awk -F '\t' '$1 == "glass/glass1.jpg" { print $4, ($5 > 100) }')" = ' 1' ]
    fails 3 "^rn-pick: --embed: samples have files, batches have not" rn-pick --embed want.rn
}

@test "fail: error records, for a reason, of what nobody could do" {
    six > six.rn
    rn-pick --fail 'the host is gone' label=glass six.rn | rn-show --json | grep id > out
    cat > want <<'END'
{"id":"g1","label":0,"split":"train","error":"the host is gone"}
{"id":"g2","label":1,"split":"train","error":"the host is gone"}
END
    diff want out
    # an error that is there says more
    rn-pick --fail 'the host is gone' id=bad six.rn | rn-show --json | grep -F '"error":"cut short"'
    stream 'head("weights", ["g"], arch => none(), attention => none(), input => none())' 'tail(0)' > w.rn
    fails 3 "^rn-pick: --fail: records of weights have no id" rn-pick --fail no w.rn
}

# a set of 12 samples in two segments
twelve() {
    stream 'head("samples", ["glass", "paper"])' \
        'map { dict(id => str("g$_"), label => num(0), split => str($_ % 2 ? "train" : "test"), path => str("g$_")) } 1 .. 7' 'tail(7)' \
        'head("samples", ["paper"])' 'map { dict(id => str("p$_"), label => num(0), split => none(), path => str("p$_")) } 1 .. 5' 'tail(5)'
}
without_history() { rn-show --json "$1" | sed 's/,"history":.*//; s/,"xxh3":.*//'; }

@test "cut: in one pass, of a file or a pipe, the slices of --shard, each in its file, and each knows its whole" {
    twelve > set.rn
    for n in 1 3 5 12 17; do
        rm -f s.*.rn
        cat set.rn | rn-pick --cut $n -o s.%02d.rn
        [ "$(ls s.*.rn | wc -l)" = $n ]
        for ((i = 1; i <= n; i++)); do
            rn-pick --shard $i/$n set.rn -o want.rn
            diff <(without_history want.rn) <(without_history "s.$(printf %02d $i).rn")
        done
        [ "$(rn-show --expect=12 s.*.rn)" = 'whole: 12 records' ]
        rn-pick --cut $n set.rn -o t.%d.rn
        for ((i = 1; i <= n; i++)); do cmp "s.$(printf %02d $i).rn" t.$i.rn; done
    done
    rn-pick --shard 2/5 set.rn | rn-show | grep -x '# part 2 of 5: records 3 to 4 of 12'
    rn-show --json t.1.rn | jq -es '.[0].part_of | .records == 12 and (.parts | length) == 1'
    fails 2 "^rn-pick: -o: '-' has no one place" rn-pick --cut 2 set.rn
    for bad in s.rn s.%d.%d.rn s.%s.rn s.%n.rn s.%999d.rn; do fails 2 'no one place for a number' rn-pick --cut 2 set.rn -o $bad; done
    for more in --shard=1/2 --head=1 --skip=1; do fails 2 '^rn-pick: --cut does not go with' rn-pick --cut 2 $more set.rn -o s.%d.rn; done
    [ "$(rn-pick --cut 2 set.rn -o 100%%.%d.rn; ls 100*)" = $'100%.1.rn\n100%.2.rn' ]
}

@test "joining: which parts are missing, there twice, or of another set" {
    twelve > set.rn
    rn-pick --cut 4 set.rn -o s.%d.rn
    stream 'head("samples", ["glass"])' 'map { dict(id => str("o$_"), label => num(0), split => none(), path => str("o")) } 1 .. 8' 'tail(8)' |
        rn-pick --cut 4 -o o.%d.rn
    says() {
        local want=$1 rc=0
        shift
        rn-show --expect "$@" > out || rc=$?
        [ "$rc $(paste -sd ';' out)" = "$want" ] || { echo "$* gives $rc:"; cat out; return 1; }
    }
    says '0 whole: 12 records' s.?.rn
    says '0 whole: 12 records' s.4.rn s.2.rn s.1.rn s.3.rn
    says '0 whole: 12 records' set.rn
    says '0 whole: 20 records' s.?.rn o.?.rn
    says '1 part 3 of 4 is missing: records 7 to 9 of 12' s.1.rn s.2.rn s.4.rn
    says '1 parts 1, 3 to 4 of 4 are missing: records 1 to 3, 7 to 12 of 12' s.2.rn
    says '1 part 1 of 4 is there twice;part 4 of 4 is missing: records 10 to 12 of 12' s.1.rn s.1.rn s.2.rn s.3.rn
    says '1 part 4 of 4 is missing: records 10 to 12 of 12;part 4 of 4 is of another set' s.1.rn s.2.rn s.3.rn o.4.rn
    rc=0; rn-show --expect=13 s.?.rn > out || rc=$?
    [ $rc = 1 ]
    [ "$(cat out)" = '12 records, not 13' ]
    fails 2 "^rn-show: --expect: 'x' is not a number" rn-show --expect=x set.rn
    fails 2 "^rn-show: one of" rn-show --expect --json set.rn
}

@test "parts of parts, and parts that were filtered, make the same whole" {
    twelve > set.rn
    rn-pick --cut 3 set.rn -o s.%d.rn
    rn-pick --cut 2 s.2.rn -o half.%d.rn
    rn-show half.2.rn | grep -x '# a part: records 7 to 7 of 12'
    [ "$(rn-show --expect s.1.rn half.2.rn half.1.rn s.3.rn)" = 'whole: 12 records' ]
    rc=0; rn-show --expect s.1.rn half.1.rn s.3.rn > out || rc=$?
    [ $rc = 1 ]
    [ "$(cat out)" = 'records 7 to 8 of 12 are missing' ]
    for i in 1 2 3; do rn-pick split=train s.$i.rn -o f.$i.rn; done
    [ "$(rn-show --expect=4 f.?.rn)" = 'whole: 4 records' ]
    rn-pick --cut 5 f.1.rn -o g.%d.rn
    [ "$(rn-show --expect=4 g.?.rn f.2.rn f.3.rn)" = 'whole: 4 records' ]
    rc=0; rn-show --expect g.?.rn f.3.rn > out || rc=$?
    [ $rc = 1 ] && [ "$(cat out)" = 'part 2 of 3 is missing: records 5 to 8 of 12' ]
}

@test "what is made of parts are parts: a score of three of four says so; rn-batch, rn-split and rn-near, too" {
    lab lab
    ln -s lab/photos photos
    rn-list photos | rn-pick --cut 4 -o s.%d.rn
    for i in 1 2 3 4; do rn-batch --for lab/model/last.rn s.$i.rn | rn-predict -q -m lab/model/last.rn -o p.$i.rn; done
    rn-score p.?.rn > whole
    rn-list photos | rn-batch --for lab/model/last.rn | rn-predict -q -m lab/model/last.rn | rn-score | cmp - whole
    rc=0; rn-score p.1.rn p.2.rn p.4.rn > out 2> err || rc=$?
    [ $rc = 1 ]
    grep -q '^predictions  *9$' out
    [ "$(cat err)" = 'rn-score: part 3 of 4 is missing: records 7 to 9 of 12' ]
    fails 3 '^rn-score: p.1.rn: head .byte 0.: part 1 of 4 is there twice$' rn-score p.1.rn p.2.rn p.1.rn
    # one part alone is what was asked for; several are not
    rn-batch --size 32 s.2.rn > /dev/null
    rn-batch --train --size 32 s.2.rn > /dev/null
    rn-split s.2.rn > /dev/null
    for command in "rn-batch --size 32" "rn-batch --train --size 32" rn-split "rn-near --distance 0"; do
        rc=0; $command s.1.rn s.2.rn s.4.rn > out 2> err || rc=$?
        [ $rc = 1 ] && [ "$(cat err)" = "${command%% *}: part 3 of 4 is missing: records 7 to 9 of 12" ] || { echo "$command: $rc"; cat err; false; }
        $command s.?.rn > out 2> err || [ "$command" = "rn-near --distance 0" ]
        [ ! -s err ]
        rc=0; $command s.2.rn s.2.rn 2> err > out || rc=$?
        [ $rc = 3 ]
        grep -q 'part 2 of 4 is there twice' err
    done
    rn-split -q s.1.rn s.2.rn s.4.rn > some.rn || true
    rc=0; rn-show --expect some.rn > out || rc=$?
    [ $rc = 1 ]
    [ "$(cat out)" = 'part 3 of 4 is missing: records 7 to 9 of 12' ]
    [ "$(rn-show --expect some.rn s.3.rn)" = 'whole: 12 records' ]
    rn-augment -q -r affine --split all s.2.rn | rn-show --header | grep -x '# part 2 of 4: records 4 to 6 of 12'
    # a part of which nothing is left is there all the same
    rn-pick label=glass s.4.rn | rn-batch --size 32 -o none.rn && rn-show --expect none.rn > out || true
    grep -q '^parts 1 to 3 of 4 are missing' out
    cat s.1.rn <(rn-pick label=glass s.4.rn) s.2.rn s.3.rn | rn-batch --size 32 | rn-show --expect | grep -q '^whole'
}

@test "a head that says nonsense of its part is damage; nil is nothing" {
    part() { stream "head('samples', ['a'], part_of => $1)" 'tail(0)'; }
    one='dict(part => num(1), of => num(2), first => num(0), count => num(4))'
    part "dict(set => num(7), records => num(8), parts => list($one))" | rn-show | grep -x '# part 1 of 2: records 1 to 4 of 8'
    part 'none()' | rn-show --expect | grep -x 'whole: 0 records'
    for bad in 'num(1)' 'dict(set => num(7), records => num(8))' 'dict(set => num(7), records => num(8), parts => list())' \
        "dict(set => num(7), records => num(3), parts => list($one))" \
        "dict(set => num(7), records => num(8), parts => list(${one/num(1)/num(3)}))" \
        "dict(set => num(7), records => num(8), parts => list(${one/of => num(2), /}))" \
        "dict(set => num(7), records => num(8), parts => list($one), more => num(1))"; do
        part "$bad" > bad.rn
        rc=0; rn-show bad.rn > out 2> err || rc=$?
        [ $rc = 3 ] && grep -q '^rn-show: bad.rn: head (byte 0): ' err || { echo "$bad: $rc"; cat err; false; }
    done
}
