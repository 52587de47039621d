# rn-show: every kind in every form, what scripts read, damage.
load common

# shape FILE.png: its height and width
shape() { perl -e 'local $/; open F, "<", shift; $_ = <F>; print join(" ", reverse unpack "N2", substr $_, 16, 8), "\n"' "$1"; }

@test "--sheet: all pictures in rows as one PNG; of batches and images, error records too, with their names" {
    draw photos 1
    : > photos/broken.jpg
    rn-list --unlabeled photos > all.rn
    rn-batch -k --size 20 --resize 20 -b 4 all.rn > batches.rn 2> /dev/null || true
    rn-show --sheet 3 batches.rn -o sheet.png
    [ "$(shape sheet.png)" = "60 60" ] # 6 pictures and an empty cell: 3 rows of 3
    rn-show --sheet 9 batches.rn > wide.png
    [ "$(shape wide.png)" = "20 140" ]
    rn-show --sheet 3 --labels batches.rn -o labels.png
    [ "$(shape labels.png)" = "105 60" ]
    # the third picture is where it should be
    rn-show --png 3 batches.rn -o third.png
    mkdir s t
    cp wide.png s
    cp third.png t
    echo '{"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [], "bbox_params": null,' \
        '"keypoint_params": null, "additional_targets": {}, "is_check_shapes": true}}' > none.json
    pixels() { rn-list --unlabeled "$1" | rn-augment -r none.json | rn-show --json --values | jq -c 'select(.image) | .image.values | flatten'; }
    pixels s > wide
    pixels t > third
    jq -c '. as $x | [range(20) | $x[. * 420 + 120:. * 420 + 180][]]' wide | cmp - third
    # pictures of several sizes: a cell holds the largest
    rn-augment -k -r none.json all.rn > images.rn 2> /dev/null || true
    rn-show --sheet 2 images.rn -o images.png
    [ "$(shape images.png)" = "$(rn-show --json images.rn | jq -rs 'map(.image.shape // empty) | "\(4 * (map(.[0]) | max)) \(2 * (map(.[1]) | max))"')" ]
    fails 3 "no picture" rn-show --sheet 2 <(rn-pick --head 0 batches.rn)
    fails 3 "not decoded yet" rn-show --sheet 2 all.rn
    fails 2 "one of --table" rn-show --sheet 2 --png 1 batches.rn
    fails 2 "labels goes with --sheet" rn-show --labels batches.rn
    fails 4 "No space" rn-show --sheet 2 batches.rn -o /dev/full
}

weights() {
    stream 'head("weights", ["g"], arch => none(), attention => none(), input => none(), note => dict(a => list(num(1), real(0.1), real(9**9**9), "\xc2"), b => bin("xyz")))' \
        'dict(name => str("conv1.weight"), role => str("parameter"), value => tensor("<f4", [2,1,1,2], pack("f<*", 0.1, -1.5, 1e-7, 16777216)))' \
        'dict(name => str("n"), role => str("buffer"), value => tensor("<i8", [], pack("q<", 9007199254740993)))' \
        'dict(name => str("h"), role => str("buffer"), value => tensor("<f2", [3], pack("v*", 0x3c00, 0xfc00, 0x0001)))' \
        'dict(name => str("x"), role => str("momentum"), value => tensor("<f4", [2], pack("f<", 1) . "\x00\x00\xc0\x7f"))' \
        'dict(name => str("e"), role => str("buffer"), value => tensor("<f4", [0], ""))' 'tail(5)'
}

predictions() {
    stream 'head("predictions", ["gl\tass", "paper"])' \
        'dict(id => str("a\n1"), label => num(1), probs => tensor("<f4", [2], pack("f<*", 0.25, 0.75)))' \
        'dict(id => bin("\xff\\"), label => none(), probs => tensor("<f4", [2], pack("f<*", 0.5, 0.5)))' \
        'dict(id => str("bad"), label => num(0), split => str("val"), error => str("cut\tshort"))' 'tail(3)'
}

images() {
    stream 'head("images", ["glass"])' \
        'dict(id => str("1"), label => num(0), split => str("train"), image => tensor("|u1", [1,2,3], pack("C*", 1, 2, 3, 4, 5, 255)))' \
        'dict(id => str("2"), label => none(), split => none(), image => tensor("|u1", [2,1,3], pack("C*", 0, 0, 0, 0, 0, 0)))' \
        'dict(id => str("bad"), label => none(), split => none(), error => str("no"))' 'tail(3)'
}

batches() {
    stream 'head("batches", ["glass", "paper"], mode => str("train"), input => dict(size => num(1), resize => num(1), mean => list(real(0.5), real(0.5), real(0.5)), std => list(real(1), real(1), real(1))), batch => num(6), epoch => num(2), seed => num(7), epochs => num(9), batches_per_epoch => num(1), class_counts => list(num(6), num(0)), history => list(dict(tool => str("rn-batch"), version => str("0"), args => list(str("--train")))))' \
        'dict(id => str("bad"), label => num(0), split => none(), error => str("no"))' \
        'dict(epoch => num(2), index => num(0), ids => list(map { str($_) } qw(a b c d e f)), labels => list(num(1), none(), (num(0)) x 4), images => tensor("|u1", [6,1,1,3], "abcabcabcabcabcabc"))' 'tail(2)'
}

@test "text: a line a record, for every kind" {
    weights | rn-show > out
    cat > want <<'END'
# weights: -, attention -
# 1 class: g
# 1 more key: see --json
conv1.weight	parameter	f32 [2,1,1,2]
n	buffer	i64 []
h	buffer	f16 [3]
x	momentum	f32 [2]
e	buffer	f32 [0]
# 5 records
END
    diff want out
    predictions | rn-show > out
    cat > want <<'END'
# predictions
# 2 classes: gl\x09ass, paper
a\x0a1	paper	paper	0.7500
\xff\	-	gl\x09ass	0.5000
bad	gl\x09ass	val	error: cut\x09short
# 3 records
END
    diff want out
    images | rn-show > out
    cat > want <<'END'
# images
# 1 class: glass
1	glass	train	u8 [1,2,3]
2	-	-	u8 [2,1,3]
bad	-	-	error: no
# 3 records
END
    diff want out
    batches | rn-show > out
    cat > want <<'END'
# batches: train, batch 6, epoch 2, epochs 9, batches an epoch 1, seed 7
# 2 classes: glass, paper
# input: size 1, resize 1, mean 0.5 0.5 0.5, std 1 1 1
# made by: rn-batch --train
bad	glass	-	error: no
2:0	u8 [6,1,1,3]	a, b, c, d, and 2 more
# 2 records
END
    diff want out
}

@test "json: the stream's keys, unknown ones too; tensors summed up, or whole" {
    weights | rn-show --json > out
    cat > want <<'END'
{"rn":"weights","version":1,"classes":["g"],"arch":null,"attention":null,"input":null,"note":{"a":[1,0.1,null,false],"b":{"bytes":3}},"history":[]}
{"name":"conv1.weight","role":"parameter","value":{"type":"<f4","shape":[2,1,1,2],"min":-1.5,"max":16777216,"mean":4194303.65000005}}
{"name":"n","role":"buffer","value":{"type":"<i8","shape":[],"min":9007199254740993,"max":9007199254740993,"mean":9007199254740992}}
{"name":"h","role":"buffer","value":{"type":"<f2","shape":[3],"min":null,"max":1,"mean":null}}
{"name":"x","role":"momentum","value":{"type":"<f4","shape":[2],"min":null,"max":null,"mean":null}}
{"name":"e","role":"buffer","value":{"type":"<f4","shape":[0],"min":null,"max":null,"mean":null}}
{"rn":"end","records":5}
END
    # the mean is of what float32 has of these numbers
    sed 's/"mean":4194303\.6[0-9]*/"mean":4194303.65000005/; s/"mean":9007199254740992.*}}$/"mean":9007199254740992}}/' out | diff want -
    weights | rn-show --json --values > out
    grep -F '"values":[0.1,-1.5,1e-07,16777216]}}' out
    grep -F '"values":[9007199254740993]}}' out
    grep -F '"values":[1,null,5.9604645e-08]}}' out
    grep -F '"values":[1,null]}}' out
    grep -F '"values":[]}}' out
    predictions | rn-show --json > out
    cat > want <<'END'
{"rn":"predictions","version":1,"classes":["gl\tass","paper"],"history":[]}
{"id":"a\n1","label":1,"probs":{"type":"<f4","shape":[2],"min":0.25,"max":0.75,"mean":0.5},"prediction":"paper","confidence":0.75}
{"id":"\udcff\\","label":null,"probs":{"type":"<f4","shape":[2],"min":0.5,"max":0.5,"mean":0.5},"prediction":"gl\tass","confidence":0.5}
{"id":"bad","label":0,"split":"val","error":"cut\tshort"}
{"rn":"end","records":3}
END
    diff want out
    batches | rn-show --json > out
    cat > want <<'END'
{"rn":"batches","version":1,"classes":["glass","paper"],"mode":"train","input":{"size":1,"resize":1,"mean":[0.5,0.5,0.5],"std":[1,1,1]},"batch":6,"epoch":2,"seed":7,"epochs":9,"batches_per_epoch":1,"class_counts":[6,0],"history":[{"tool":"rn-batch","version":"0","args":["--train"]}]}
{"id":"bad","label":0,"split":null,"error":"no"}
{"epoch":2,"index":0,"ids":["a","b","c","d","e","f"],"labels":[1,null,0,0,0,0],"images":{"type":"|u1","shape":[6,1,1,3],"min":97,"max":99,"mean":98}}
{"rn":"end","records":2}
END
    diff want out
    # our own tail has the hash
    batches | rn-pick | rn-show --json | tail -n 1 | grep -xE '\{"rn":"end","records":2,"xxh3":"[0-9a-f]{16}"\}'
    perl -MJSON::PP -e 1 2>/dev/null || return 0
    for kind in weights images batches; do $kind | rn-show --json --values | perl -MJSON::PP -ne 'decode_json($_)'; done
}

@test "tsv: a header line, escapes, again where the columns change" {
    predictions | rn-show --tsv > out
    printf '%s\n' 'id	label	prediction	confidence	gl\tass	paper' 'a\n1	paper	paper	0.75	0.25	0.75' > want
    printf '\xff\\\\\t\tgl\\tass\t0.5\t0.5\t0.5\nbad\tgl\\tass\terror: cut\\tshort\t\t\t\n' >> want
    diff want out
    images > i.rn; batches > b.rn; predictions > p.rn
    rn-show --tsv i.rn i.rn b.rn > out
    cat > want <<'END'
id	label	split	type	shape	min	max	mean	error
1	glass	train	|u1	1,2,3	1	255	45	
2			|u1	2,1,3	0	0	0	
bad								no
1	glass	train	|u1	1,2,3	1	255	45	
2			|u1	2,1,3	0	0	0	
bad								no
epoch	index	type	shape	min	max	mean	ids	labels	error
							bad	glass	no
2	0	|u1	6,1,1,3	97	99	98	a,b,c,d,e,f	paper,,glass,glass,glass,glass	
END
    diff want out
    weights | rn-show --tsv | sed -n '1p;4,5p' | diff <(printf '%s\n' 'name	role	type	shape	min	max	mean' 'h	buffer	<f2	3	-inf	1	-inf' 'x	momentum	<f4	2			') -
    for file in i.rn b.rn p.rn; do [ "$(rn-show --tsv $file | awk -F '\t' '{ print NF }' | sort -u | wc -l)" = 1 ]; done
}

@test "header: heads alone" {
    images > i.rn; predictions > p.rn
    [ "$(rn-show --header i.rn p.rn)" = $'# images\n# 1 class: glass\n# predictions\n# 2 classes: gl\\x09ass, paper' ]
    [ "$(rn-show --header --json i.rn p.rn | grep -o '"rn":"[a-z]*"' | paste -sd ' ')" = '"rn":"images" "rn":"predictions"' ]
}

@test "npy: one file after the other" {
    images | rn-show --npy image > out
    {
        printf '\x93NUMPY\x01\x00\x76\x00%-117s\n\x01\x02\x03\x04\x05\xff' "{'descr': '|u1', 'fortran_order': False, 'shape': (1,2,3), }"
        printf '\x93NUMPY\x01\x00\x76\x00%-117s\n\x00\x00\x00\x00\x00\x00' "{'descr': '|u1', 'fortran_order': False, 'shape': (2,1,3), }"
    } | cmp - out
    weights | rn-show --npy value -o w.npy
    grep -aF "'descr': '<i8', 'fortran_order': False, 'shape': (), }" w.npy
    grep -aF "'descr': '<f2', 'fortran_order': False, 'shape': (3,), }" w.npy
    grep -aF "'shape': (2,1,1,2), }" w.npy
    predictions > p.rn
    [ "$(rn-show --npy probs p.rn | wc -c)" = 272 ]
    fails 3 "predictions have no tensor 'image'" rn-show --npy image p.rn
    fails 2 "no record has a tensor 'label'" rn-show --npy label p.rn
    script -qec true /dev/null >out 2>&1 </dev/null || skip "no pseudo-terminal can be made here"
    rc=0; script -qec "rn-show --npy probs p.rn" /dev/null > out < /dev/null || rc=$?
    [ $rc = 2 ]
    grep "is a terminal" out
}

@test "json: a prediction's class and confidence, but not beside keys of that name in the stream" {
    stream 'head("predictions", ["a", "b"])' \
        'dict(id => str("1"), label => none(), probs => tensor("<f4", [2], pack("f<*", 0.1, 0.9)), more => num(1))' \
        'dict(id => str("2"), label => none(), probs => tensor("<f4", [2], pack("f<*", 0.1, 0.9)), confidence => num(1))' \
        'dict(id => str("3"), label => none(), probs => tensor("<f4", [2], "\x00\x00\xc0\x7f" x 2))' 'tail(3)' | rn-show --json >out
    sed -n 2p out | grep -qF ',"more":1,"prediction":"b","confidence":0.9}'
    sed -n 3p out | grep -qF '},"confidence":1}'
    ! sed -n 3p out | grep -q prediction || false
    sed -n 4p out | grep -qF '"prediction":"a","confidence":null}'
}

@test "names that a terminal would obey: as they are in a file's table, escaped on a terminal and in JSON" {
    stream 'head("samples", ["c\xc2\x9b1m", "p\xe2\x80\xaejpg"])' \
        'dict(id => str("a\e[31m\x07,b"), label => num(0), split => none(), path => bin("x\x9b\tb"))' \
        'dict(id => str("2"), label => num(1), split => none(), path => str("\xc3\xa9"))' 'tail(2)' >s.rn
    rn-show --tsv s.rn >out
    grep -qF $'a\e[31m\a,b\tc\xc2\x9b1m\t\tx\x9b\\tb' out
    rn-show --json s.rn >out
    grep -qF '"classes":["c\u009b1m","p\u202ejpg"]' out
    grep -qF '{"id":"a\u001b[31m\u0007,b"' out
    ! LC_ALL=C grep -q $'[\e\x9b\a]' out || false
    script -qec true /dev/null >out 2>&1 </dev/null || skip "no pseudo-terminal can be made here"
    script -qec "rn-show --tsv s.rn" /dev/null </dev/null | tr -d '\r' >out
    sed -n 2p out | grep -qF 'a\x1b[31m\x07,b	c\x9b1m		x\x9b\tb'
    sed -n 3p out | grep -qF $'2\tp\\u202ejpg\t\t\xc3\xa9'
    ! LC_ALL=C grep -q $'[\e\x9b\a]' out || false
    stream 'head("predictions", ["c\e[1m", "b"])' 'dict(id => str("1"), label => num(0), probs => tensor("<f4", [2], pack("f<*", 0.1, 0.9)))' 'tail(1)' >p.rn
    script -qec "rn-score --tsv p.rn" /dev/null </dev/null >out
    grep -qF 'precision/c\x1b[1m' out && ! grep -q $'\e' out
}

@test "table: the first lines in columns" {
    for ((i = 1; i <= 30; i++)); do printf '%s\n' "photos/metal/m$i.jpg"; done > names
    mkdir -p photos/metal
    xargs touch < names
    rn-list photos > all.rn
    rn-show -t 3 all.rn > out
    cat > want <<'END'
# samples
# 1 class: metal
# made by: rn-list
id             label  split  content
metal/m1.jpg   metal  -      photos/metal/m1.jpg
metal/m10.jpg  metal  -      photos/metal/m10.jpg
metal/m11.jpg  metal  -      photos/metal/m11.jpg
# 27 more
END
    diff want <(sed '$d' out)
    tail -n 1 out | grep -E '^# 30 records, xxh3 '
    # every kind; characters, not bytes, are counted; long cells are cut
    stream 'head("predictions", ["gl\xc3\xa4ss", "paper"])' 'dict(id => str("\xc3\xa4" x 15), label => num(0), probs => tensor("<f4", [2], pack("f<*", 0.25, 0.75)))' \
        'dict(id => bin("x" x 70), label => num(1), probs => tensor("<f4", [2], pack("f<*", 0.75, 0.25)))' 'tail(2)' | rn-show --table 9 | sed 1,2d > out
    cat > want <<END
id                                                            label  prediction  confidence
$(printf 'ä%.0s' {1..15})                                               gläss  paper       0.7500
$(printf 'x%.0s' {1..57})...  paper  gläss       0.7500
# 2 records
END
    diff want out
    batches | rn-show -t 5 | grep -E '^2:0 +u8 \[6,1,1,3\] +a, b, c, d, and 2 more$'
    images | rn-show -t 1 | grep -E '^1   glass  train  u8 \[1,2,3\]$'
    weights | rn-show -t 2 | grep -E '^conv1.weight  parameter  f32 \[2,1,1,2\]$'
    # no records, two segments
    stream 'head("images", ["a"])' 'tail(0)' > none.rn
    images > i.rn
    [ "$(rn-show -t 2 none.rn i.rn | grep -c '^id ')" = 2 ]
    fails 2 'table' rn-show -t 0 i.rn
    head -c -5 i.rn > cut.rn
    rc=0; rn-show -t 1 cut.rn > out 2> err || rc=$?
    [ $rc = 3 ] && grep -q '^1   glass' out
}

@test "png: a picture of images and batches, its pixels" {
    pixels() { perl -MCompress::Zlib -e 'local $/; $_ = <STDIN>; s/^\x89PNG\r\n\x1a\n// or die; my ($w, $h, $data, $end) = (0, 0, "");
        while (length) { my ($n, $name) = unpack "Na4", $_; my $x = substr $_, 8, $n; die "sum of $name\n" if crc32($name . $x) != unpack "N", substr $_, 8 + $n, 4;
            ($w, $h) = unpack "NN", $x if $name eq "IHDR"; $data .= $x if $name eq "IDAT"; $end++ if $name eq "IEND"; $_ = substr $_, 12 + $n }
        die "no end\n" if $end != 1; my $raw = uncompress($data) // die "not zlib\n"; die "length\n" if length $raw != $h * (3 * $w + 1);
        print "${w}x$h:", (map { my $row = substr $raw, $_ * (3 * $w + 1), 3 * $w + 1; die "filter" if ord $row; map { " $_" } unpack "x C*", $row } 0 .. $h - 1), "\n"'; }
    perl -MCompress::Zlib -e 1 2> /dev/null || skip "no Compress::Zlib"
    [ "$(images | rn-show --png 1 | pixels)" = "2x1: 1 2 3 4 5 255" ]
    [ "$(images | rn-show --png 2 | pixels)" = "1x2: 0 0 0 0 0 0" ]
    images > i.rn; batches > b.rn
    [ "$(rn-show --png 5 b.rn | pixels)" = "1x1: 97 98 99" ]      # 1 is the error record
    fails 3 'error record stands .*: no$' rn-show --png 3 i.rn
    fails 3 'no picture 4: the stream has 3' rn-show --png 4 i.rn
    fails 3 "no picture 11: the stream has 10" rn-show --png 11 i.rn b.rn
    fails 2 'png' rn-show --png 0 i.rn
    predictions > p.rn
    fails 3 'predictions have no pictures' rn-show --png 1 p.rn
    photos f a/1.jpg
    rn-list f > s.rn
    fails 3 'rn-batch' rn-show --png 1 s.rn
    # normalised numbers, planes of channels: (x * 0.25 + 0.5) * 255
    float() { stream "head('batches', [], mode => str('eval')$1)" 'dict(epoch => num(0), index => num(0), ids => list(str("a"), str("b")), labels => list(none, none),
        images => tensor("<f4", [2,3,1,2], pack("f<*", (0) x 6, -2, 9, 2, -0.4, 9**9**9, -9**9**9)))' 'tail(1)'; }
    [ "$(float ', input => dict(size => num(2), resize => num(2), mean => list((real(0.5)) x 3), std => list((real(0.25)) x 3))' | rn-show --png 2 | pixels)" = "2x1: 0 255 255 255 102 0" ]
    float '' > f.rn
    fails 3 'does not say how' rn-show --png 1 f.rn
    # large enough for several blocks, and the same pixels as in the stream
    draw d 1
    rn-list d | rn-batch --size 300 --resize 300 -b 4 -o e.rn
    rn-show --png 6 e.rn -o six.png
    [ "$(pixels < six.png | cut -d: -f 2- | md5sum)" = "$(rn-show --npy images e.rn | tail -c $((300 * 300 * 3)) | od -An -v -tu1 -w540000 | tr -s ' ' | md5sum)" ]
}

@test "where and layers of a checkpoint" {
    checkpoint() {
        stream "head('weights', ['a','b','c','d','e','f'], arch => str('$1'), attention => str('$2'), input => dict(size => num(64), resize => num(73), mean => list(real(0),real(0),real(0)), std => list(real(1),real(1),real(1)))$3)" 'tail(0)'
    }
    place=", epoch => num(4), batch_index => num(17), best_acc1 => none(), partial => dict(loss_sum => real(0), correct => num(0), seen => num(0)), batches => none(), options => list(), RN_CPU => none()"
    [ "$(checkpoint resnet18 none "$place" | rn-show --where)" = 4:17 ]
    checkpoint resnet18 none "$place" | rn-show | grep -x '# weights: resnet18, attention none, checkpoint: next batch 4:17'
    checkpoint resnet18 none '' > m.rn
    fails 3 'no checkpoint' rn-show --where m.rn
    images > i.rn
    fails 3 'a stream of images, not of weights' rn-show --where i.rn
    fails 3 'a stream of images, not of weights' rn-show -l i.rn
    weights > w.rn
    fails 3 'without --arch' rn-show -l w.rn
    checkpoint resnet99 none '' > m.rn
    fails 3 "'resnet99'" rn-show -l m.rn
    while read -r arch attention parameters; do
        checkpoint $arch $attention '' | rn-show -l > out
        grep -qx "# $parameters parameters" out
        checkpoint $arch $attention '' | rn-show -l --tsv > table
        [ "$(sed 1d table | cut -f 5 | awk "{ n += \$1 } END { print n }")" = "$parameters" ]
        awk -F'\t' 'NF != 7 { exit 1 }' table
        [ "$(sed '1d;/^#/d' out | awk '{ print $1 }')" = "$(sed 1d table | cut -f 1)" ]
    done <<'END'
resnet18 none 11179590
resnet34 none 21287750
resnet50 none 23520326
resnet101 none 42512454
resnet152 none 58156102
resnet18 ours 11237991
resnet50 ours 24147143
resnet18 ours-spatial 11204679
resnet18 ours-channel 11212902
resnet18 ours-mul 11237991
END
    # the input of this one is 64 pixels
    checkpoint resnet18 ours '' > m.rn
    rn-show -l m.rn > out
    grep -E '^conv1 +conv 7x7/2, padding 3 +64,32,32 +\[64,3,7,7\] +9408 +19.27 +256.0$' out
    grep -E '^final_fc +linear +6,1,1 +\[6,512\] \[6\] +3078 +0.01 +0.0$' out
    grep -xE '# 0\.30 GFLOP an image of 64x64: .*' out
    rn-show -l --tsv m.rn | grep -xF $'conv1\tconv 7x7/2, padding 3\t64,32,32\t[64,3,7,7]\t9408\t19267584\t262144'
    # the sums are those of their parts, and grow with the batch; prediction's may not, but for the program's own share, which varies
    for batch in 4 16; do
        rn-show -l -b $batch m.rn | grep -A 2 "batch $batch, in MiB" > memory
        awk '/ = / { sum = 0; for (i = 3; i < NF - 1; i++) if ($i != "+") sum += $i; d = sum - $NF; if (d > .3 || d < -.3) exit 1; n++ } END { if (n != 2) exit 1 }' memory
        awk '/ = / { print $NF }' memory > sums.$batch
    done
    paste sums.4 sums.16 | awk 'NR == 1 ? $1 >= $2 : $1 > $2 + 1 { exit 1 }'
    checkpoint resnet50 none '' | rn-show -l -b 1 | grep -E '^# rn-predict '
    # options of rn-train's that are more memory: each is as much as the weights
    for options in '' '--optimizer adamw' '--optimizer adamw --ema 0.99'; do
        # shellcheck disable=SC2086
        rn-show -l m.rn $options | awk '/^# rn-train / { print $5 }'
    done | awk 'NR > 1 && !($1 - last > 42 && $1 - last < 44) { exit 1 } { last = $1 } END { if (NR != 3) exit 1 }'
    fails 4 'none.rn' rn-show -l m.rn --teacher none.rn
    # a checkpoint's own batch
    batches="batches => dict(seed => num(1), batch => num(7), epochs => num(9), history => list())"
    checkpoint resnet18 none "${place/batches => none()/$batches}" | rn-show -l | grep 'batch 7, in MiB'
}

@test "damage: what came before it is shown, exit 3" {
    printf '\xdd\xff\x00\x00\x00' > bad.rn
    fails 3 'not an rn stream' rn-show bad.rn
    # the sanitizers need more room for themselves
    [ -n "${RN_SANITIZED-}" ] || (ulimit -v 65536; fails 3 'not an rn stream' rn-show bad.rn)
    fails 3 'no bytes at all' rn-show /dev/null
    predictions | rn-pick > p.rn
    for form in '' --json --tsv; do
        rn-show $form p.rn > whole
        rc=0; head -c -5 p.rn | rn-show $form > out 2> err || rc=$?
        [ $rc = 3 ]
        [ "$(wc -l < err)" = 1 ]
        head -n 5 whole | sed '/^#.*record/d; /"end"/d' | diff - <(head -n 5 out)
        rc=0; head -c -5 p.rn > cut.rn; rn-show $form cut.rn -o file 2> err || rc=$?
        [ $rc = 3 ]
        [ ! -e file ]
    done
    sed 's/short/shore/' p.rn > altered.rn
    rc=0; rn-show --header altered.rn > out 2> err || rc=$?
    [ $rc = 3 ]
    grep 'altered' err
}

@test "options that do not go together, files that are not there" {
    images > i.rn
    fails 2 'one of' rn-show --json --tsv i.rn
    fails 2 'one of' rn-show --header --tsv i.rn
    fails 2 'goes with --json' rn-show --values i.rn
    fails 2 'goes with -l' rn-show --batch 4 i.rn
    fails 2 'ema goes with -l' rn-show --ema 0 i.rn
    fails 2 'optimizer goes with -l, without --tsv' rn-show -l --tsv --optimizer sgd i.rn
    fails 2 'one of' rn-show -l --json i.rn
    fails 2 'one of' rn-show -t 3 --png 1 i.rn
    fails 4 'none.rn: No such file' rn-show none.rn
    fails 4 'Is a directory' rn-show .
    rc=0; rn-show i.rn > /dev/full 2> err || rc=$?
    [ $rc = 4 ]
    [ "$(wc -l < err)" = 1 ]
    # a reader that has had enough: no message
    for ((i = 0; i < 3000; i++)); do cat i.rn; done | rn-show 2> err | head -n 1
    [ ! -s err ]
}

@test "--cpu: which arithmetic there is here, without a stream" {
    [ "$(RN_CPU=portable rn-show --cpu)" = portable ]
    [[ $(env -u RN_CPU rn-show --cpu) = @(avx512|avx2|portable) ]]
    fails 2 "RN_CPU=mmx" env RN_CPU=mmx rn-show --cpu
    fails 2 "--cpu stands alone" rn-show --cpu --json
    ! rn-show --cpu > /dev/full
}
