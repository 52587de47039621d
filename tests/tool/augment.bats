# rn-augment: ids, recipes, files that it writes, determinism, error records. What transforms do is the subject of tests/unit/augment*.c.
load common
FIXTURES=$TOP/tests/fixtures/images

# recipe [TRANSFORM,...]: a file as A.save writes it
recipe() { echo "{\"__version__\": \"1.3.1\", \"transform\": {\"__class_fullname__\": \"Compose\", \"p\": 1.0, \"transforms\": [$1], \"bbox_params\": null, \"keypoint_params\": null, \"additional_targets\": {}, \"is_check_shapes\": true}}"; }
one() { echo "{\"__class_fullname__\": \"$1\", \"always_apply\": false, \"p\": 1.0${2:+, $2}}"; }
ids() { rn-show --json "$@" | jq -r 'select(.id) | .id'; }
records() { rn-show --json --values "$1" | jq -c 'select(.id)'; }

setup_file() { "$BUILD/draw" "$BATS_FILE_TMPDIR/photos" 3 >/dev/null; }
setup() {
    cd "$BATS_TEST_TMPDIR"
    ln -s "$BATS_FILE_TMPDIR/photos" photos
    recipe "$(one Rotate),$(one OneOf "\"transforms\": [$(one Blur),$(one GaussNoise),$(one CLAHE),$(one RandomShadow),$(one ElasticTransform)]")" |
        sed 's/"__class_fullname__": "OneOf", "always_apply": false,/"__class_fullname__": "OneOf",/' >mixed.json
    recipe "$(one Normalize)" >floats.json
}

@test "one output a recipe and copy, with the photo's label and split" {
    rn-list photos | rn-split -r 50/25/25 -o all.rn
    rn-augment --split all -r affine,mixed.json -n 2 all.rn >out.rn
    [ "$(ids all.rn | wc -l)" = 18 ]
    diff <(ids out.rn) <(ids all.rn | awk '{ for (r = 0; r < 2; r++) for (c = 1; c < 3; c++) print $0 "#" (r ? "mixed" : "affine") "." c }')
    diff <(rn-show --json out.rn | jq -c 'select(.id) | [.label, .split]') <(rn-show --json all.rn | jq -c 'select(.id) | [.label, .split]' | sed 'p;p;p')
    # copies differ, and so do seeds; the same command gives the same bytes
    [ "$(records out.rn | jq -c .image | sort -u | wc -l)" -gt 60 ]
    rn-augment --split all -r affine,mixed.json -n 2 all.rn | cmp - out.rn
    ! rn-augment --split all -r affine,mixed.json -n 2 -s 5 all.rn | cmp -s - out.rn || false
    # the first copy is the same whatever else is asked for
    diff <(rn-augment --split all -r mixed.json all.rn | rn-show --json --values | jq -c 'select(.id)') <(records out.rn | grep '#mixed.1"')
    # the file's name is in the ids only
    cp mixed.json other.json
    diff <(rn-augment --split all -r other.json all.rn | rn-show --json --values | jq -c 'select(.id) | .image') <(records out.rn | grep '#mixed.1"' | jq -c .image)
}

@test "any -j, any order, any shards: the same records" {
    rn-list photos >all.rn
    rn-augment -j 1 -r affine,distort,mixed.json --explain all.rn >out.rn
    for j in 2 7; do rn-augment -j $j -r affine,distort,mixed.json --explain <all.rn | cmp - out.rn; done
    records out.rn | sort >sorted
    for i in 3 1 2; do
        rn-pick --shard $i/3 all.rn | rn-augment -r affine,distort,mixed.json --explain
    done >shards.rn
    diff <(records shards.rn | sort) sorted
}

@test "200 photos through the three recipes: the same records with other threads and in shards" {
    all=$SHARED/trashnet/dataset-resized
    [ -d "$all" ] || skip "no ../shared/trashnet"
    n=200
    [ -z "${RN_FULL-}" ] || n=1000000
    # every few of all of them, so that each class is there
    rn-list "$all" -o listed.rn
    rn-show --json listed.rn | jq -r 'select(.id) | .path' | awk -v step=$((n < 2527 ? 2527 / n : 1)) -v n=$n 'NR % step == 0 && k++ < n' >names
    rn-list --files-from names -o some.rn
    [ "$(rn-augment -j 1 some.rn | tail -c 9 | od -An -tx1)" = "$(rn-augment -j 8 some.rn | tail -c 9 | od -An -tx1)" ] # the tail's hash
    # the records of two shards, without heads and tails: their images' sums
    sums() { rn-show --json "$1" | jq -c 'select(.id) | [.id, .label, .image]'; }
    mkfifo whole a b
    rn-augment some.rn >whole & rn-pick --shard 1/2 some.rn | rn-augment >a & rn-pick --shard 2/2 some.rn | rn-augment >b &
    diff <(sums whole) <(sums a; sums b)
    wait
}

@test "--keep passes the originals on, in front of what is made of them" {
    rn-list photos | rn-pick --head 2 >two.rn
    rn-augment --keep -r affine two.rn >out.rn
    diff <(ids out.rn) <(ids two.rn | sed 'p; s/$/#affine.1/' )
    # and their pixels: as a recipe that does nothing has them
    recipe "" >nothing.json
    diff <(rn-augment -r nothing.json two.rn | rn-show --json --values | jq -c 'select(.id) | .image') <(records out.rn | grep -v '#' | jq -c .image)
    # images can be augmented again, and batched with samples
    rn-augment -r distort out.rn >again.rn
    [ "$(ids again.rn | wc -l)" = 4 ]
    cat two.rn again.rn | rn-batch --train -b 3 --size 32 | rn-show --json | jq -e -s '.[-1].records == 2'
}

@test "--write: a tree that lists again with the same labels" {
    rn-list photos >all.rn
    rn-augment -r affine,mixed.json -n 2 --write out --keep all.rn >written.rn
    [ "$(find out -name '*.jpg' | wc -l)" = 72 ]
    [ -z "$(find out -type f ! -name '*.jpg')" ]
    first=$(ids all.rn | head -n 1)
    [ -s "out/${first%.*}-mixed-2.jpg" ]
    # a stream of samples: originals as they were, and what was written
    [ "$(ids written.rn | wc -l)" = 90 ]
    diff <(rn-show --json written.rn | jq -r 'select(.id | contains("#")?) | .path + " " + (.label | tostring)' | sort) \
         <(rn-list out | rn-show --json | jq -r 'select(.id) | .path + " " + (.label | tostring)' | sort)
    rn-batch --size 32 -b 90 written.rn | rn-show --json | jq -e -s 'map(select(.ids) | .ids | length) == [90]'
    # what is in the files is near to what the stream would have had
    recipe "" >nothing.json
    rn-augment -r affine all.rn | rn-show --json --values | jq -c 'select(.id) | .image' >direct
    rn-show --json written.rn | jq -r 'select(.id | endswith("affine.1")?) | .path' >names
    rn-list --files-from names | rn-augment -r nothing.json | rn-show --json --values | jq -c 'select(.id) | .image' >read
    [ "$(jq -c .shape direct)" = "$(jq -c .shape read)" ]
    jq -n -e '[inputs] | [.[:18], .[18:]] | transpose | map((.[0].mean - .[1].mean) | fabs < 1) | all and length == 18' direct read
    # again: the same bytes, whatever -j
    cp -r out before
    rn-augment -j 5 -r affine,mixed.json -n 2 --write out --keep all.rn | cmp - written.rn
    diff -r out before
}

@test "--write: a name that is too long, links that were planted: an error record, and nothing elsewhere" {
    long=$(printf 'x%.0s' {1..250})
    mkdir -p in/glass in/paper in/metal out elsewhere
    cp "$FIXTURES/rgb.jpg" in/glass/a.jpg
    cp "$FIXTURES/rgb.jpg" "in/glass/$long.jpg"
    cp "$FIXTURES/rgb.jpg" in/paper/b.jpg
    cp "$FIXTURES/rgb.jpg" in/metal/c.jpg
    # a folder, a file of the final name, and the temporary name that could once be guessed
    mkdir out/metal
    ln -s ../elsewhere out/paper
    ln -s ../../elsewhere/final out/metal/c-affine-1.jpg
    mkdir -p out/glass
    for pid in $(seq $((BASHPID)) $((BASHPID + 400))); do ln -s ../../elsewhere/planted "out/glass/.a-affine-1.jpg.$pid.tmp"; done
    rc=0; rn-list in | rn-augment -r affine --write out -o x.rn 2>err || rc=$?
    [ $rc = 1 ]
    [[ "$(cat err)" == "rn-augment: error records made: 2 (the first: "*")" ]]
    rn-show --json x.rn >records
    grep -qF '"id":"paper/b.jpg#affine.1","label":2,"split":null,"error":"paper/b.jpg#affine.1: out/paper/b-affine-1.jpg: Too many levels' records
    grep -q '"id":"glass/xxx.*#affine.1".*"error":".*: File name too long"' records
    [ "$(ls elsewhere)" = "" ]
    [ -s out/glass/a-affine-1.jpg ]
    [ -s out/metal/c-affine-1.jpg ]
    [ ! -L out/metal/c-affine-1.jpg ]
    [ "$(rn-pick --errors x.rn | ids | wc -l)" = 2 ]
    # 200 letters were too many once, and need not be
    mv "in/glass/$long.jpg" "in/glass/${long:0:230}.jpg"
    rn-list in/glass --unlabeled | rn-augment -r affine --write fresh -o y.rn && [ -s "fresh/${long:0:230}-affine-1.jpg" ]
}

@test "--write: names that would leave the folder, or meet" {
    mkdir -p twice/glass
    cp "$FIXTURES/rgb.jpg" twice/glass/a.jpg
    cp "$FIXTURES/rgb.png" twice/glass/a.png
    # a.png beside a.jpg keeps its ending in the name, in all of its copies
    rn-list twice | rn-augment -r affine -n 30 --write out -o x.rn
    [ "$(find out -name 'a-affine-*.jpg' | wc -l)" = 30 ]
    [ "$(find out -name 'a.png-affine-*.jpg' | wc -l)" = 30 ]
    [ "$(rn-show --json x.rn | jq -r 'select(.id) | .path' | sort -u | wc -l)" = 60 ]
    # but not where that name is another photo's
    cp "$FIXTURES/rgb.png" twice/glass/a.png.jpg
    rc=0; rn-list twice/glass/a.png.jpg twice/glass/a.jpg twice/glass/a.png | rn-augment -r affine --write out >x 2>err || rc=$?
    [ $rc = 3 ]
    grep -q "another photo is written to glass/a.png already" err
    stream 'head("samples", ["..", "ok"])' "dict(id => str('x.jpg'), label => num(0), split => none, path => str('$FIXTURES/rgb.jpg'))" \
        "dict(id => str('../../y.jpg'), label => num(1), split => none, path => str('$FIXTURES/rgb.jpg'))" 'tail(2)' >hostile.rn
    mkdir -p deep/er
    rc=0; rn-augment -r affine -k --write deep/er/out hostile.rn -o x.rn || rc=$?
    [ $rc = 1 ]
    [ "$(find . -newer hostile.rn -name '*.jpg' | sort)" = ./deep/er/out/ok/y-affine-1.jpg ]
    fails 4 "/dev/null" rn-augment -r affine -k --write /dev/null/x -o y.rn <(rn-list photos)
    [ ! -e y.rn ]
}

@test "--explain says what ran and what it drew" {
    rn-list photos >all.rn
    rn-augment -r mixed.json --explain all.rn >out.rn
    rn-show --json out.rn | jq -e -s '[.[] | select(.id) | .augment[0].transform == "Rotate" and (.augment[0].angle | fabs <= 90) and (.augment | length == 2)] | all and length == 18'
    rn-show --json out.rn | jq -e -s '[.[] | .augment // [] | .[] | select(.transform == "RandomShadow") | .polygons | length % 10 == 0] | all'
    # it changes nothing else, and a second run replaces it
    diff <(rn-augment -r mixed.json all.rn | rn-show --json --values | jq -c 'select(.id)') <(records out.rn | jq -c 'del(.augment)')
    rn-augment -r affine --explain out.rn | rn-show --json | jq -e -s '[.[] | select(.id) | .augment[-1].transform | test("Flip")] | all'
}

@test "--replay does again what --explain wrote: the same bytes, with any seed; other pictures in the same way" {
    rn-list photos >all.rn
    every=$(one Rotate),$(one RandomBrightness)
    recipe "$(one SomeOf "\"n\": 2, \"replace\": true, \"transforms\": [$every,$(one Rotate '"limit": [3, 4]')]" | sed 's/"always_apply": false,//'),$(one Rotate '"limit": [70, 80]')" >twice.json
    for options in "-r affine,distort,mixed.json -n 2" "-r twice.json --keep" "-r affine --write out"; do
        rn-augment $options --explain all.rn >out.rn
        rn-augment $options --explain --replay out.rn -j 3 all.rn | cmp - out.rn
    done
    rn-augment -r affine,distort,mixed.json -n 2 --explain all.rn >out.rn
    diff <(records out.rn | jq -c 'del(.augment)' | sort) <(rn-augment -r mixed.json,distort,affine -s 99 -n 2 --replay out.rn all.rn | rn-show --json --values | jq -c 'select(.id)' | sort)
    # the photos of the same names in another size: the same flips and angles
    mkdir other
    cp -r photos/. other
    rn-list other | rn-augment -r affine,distort,mixed.json -n 2 --explain --replay out.rn | rn-show --json | jq -c 'select(.id) | .augment' | diff - <(rn-show --json out.rn | jq -c 'select(.id) | .augment')
}

@test "--replay: what has no record, or one that does not fit, is an error that says so" {
    rn-list photos | rn-pick --head 2 >two.rn
    rn-augment -r affine,mixed.json --explain two.rn >out.rn
    fails 3 "cardboard1.jpg#affine.2: out.rn has no record of it" rn-augment -r affine -n 2 --replay out.rn -o no.rn two.rn
    rc=0; rn-augment -r affine -n 2 -k --replay out.rn two.rn >k.rn 2>err || rc=$?
    [ $rc = 1 ]
    [ "$(rn-pick --errors k.rn | ids | wc -l)" = 2 ]
    [ "$(ids k.rn | wc -l)" = 4 ]
    # the recipe has changed since
    recipe "$(one Blur),$(one CLAHE)" >mixed.json
    fails 3 "cardboard1.jpg#mixed.1: out.rn: augment\\[0\\]: Rotate was transform 0, which is Blur in the recipe mixed" rn-augment -r mixed.json --replay out.rn -o no.rn two.rn
    fails 3 "two.rn: no record says what was done to it: rn-augment --explain" rn-augment -r affine --replay two.rn two.rn
    fails 4 "No such file" rn-augment -r affine --replay nowhere.rn two.rn
    # numbers that are never drawn: of a foreign writer
    recipe "$(one Rotate),$(one Blur),$(one ChannelShuffle)" >own.json
    rn-pick --head 1 two.rn >one.rn
    line() { stream 'head("images", [])' "dict(id => str('cardboard/cardboard1.jpg#own.1'), label => none, split => none, augment => list($1), image => tensor('|u1', [1, 1, 3], 'abc'))" 'tail(1)' >line.rn; }
    says() { fails 3 "augment\\[0\\]: $1" rn-augment -r own.json --replay line.rn -o no.rn one.rn; }
    line "dict(transform => str('Rotate'), at => num(0), angle => num(30))"
    rn-augment -r own.json --replay line.rn one.rn >/dev/null
    line "dict(transform => str('Rotate'), at => num(0))"
    says "Rotate: angle is missing"
    line "dict(transform => str('Rotate'), at => num(0), angle => str('x'))"
    says "Rotate: angle: not a number"
    line "dict(transform => str('Rotate'), at => num(0), angle => num(3), scale => num(3))"
    says "Rotate: more than it draws"
    line "dict(transform => str('Rotate'), at => num(7), angle => num(3))"
    says "Rotate was transform 7, which is none"
    line "dict(transform => str('Blur'), at => num(1), ksize => num(60000))"
    says "Blur: ksize: 60000 is never drawn"
    line "dict(transform => str('ChannelShuffle'), at => num(2), order => list(num(0), num(1), num(3)))"
    says "ChannelShuffle: order: 3 is never drawn"
    line "dict(transform => str('ChannelShuffle'), at => num(2), order => list(num(0), num(1)))"
    says "ChannelShuffle: order: 2 numbers, not 3"
    line "num(3)"
    says "no transform, or not at which place"
    # error records are made again
    printf x >photos-broken.jpg; printf '%s\n' photos-broken.jpg photos/cardboard/cardboard1.jpg | rn-list --unlabeled --files-from - >mixed.rn
    rc=0; rn-augment -q -k -r affine --explain mixed.rn >first.rn || rc=$?
    [ $rc = 1 ]
    rc=0; rn-augment -q -k -r affine --explain --replay first.rn mixed.rn | cmp - first.rn
    recipe "$(one CenterCrop '"height": 2000, "width": 20')" >large.json
    rn-augment -q -k -r large.json,affine --explain two.rn >first.rn || [ $? = 1 ]
    rn-augment -q -k -r large.json,affine --explain --replay first.rn two.rn | cmp - first.rn
}

@test "odd inputs: too small for a crop, grey, 1 x 1" {
    recipe "$(one RandomCrop '"height": 50, "width": 50')" >crop.json
    mkdir small
    # the smallest photo of all: one drawn from a stream of pixels
    stream 'head("images", ["a"])' 'dict(id => str("dot"), label => num(0), split => none, image => tensor("|u1", [1, 1, 3], "abc"))' \
        'dict(id => str("row"), label => none, split => none, image => tensor("|u1", [1, 60, 3], "x" x 180))' 'tail(2)' >tiny.rn
    fails 3 "dot#crop.1: RandomCrop: a crop of 50 x 50 is larger than the picture of 1 x 1" rn-augment -r crop.json -o x.rn tiny.rn
    rc=0; rn-augment -r crop.json,affine,distort -k tiny.rn -o out.rn 2>err || rc=$?
    [ $rc = 1 ]
    grep -q "error records made: 2" err
    [ "$(rn-pick --errors out.rn | ids | tr '\n' ' ')" = "dot#crop.1 row#crop.1 " ]
    rn-pick error= out.rn | rn-show --json | jq -e -s '[.[] | select(.id | startswith("dot")?) | .image.shape == [1, 1, 3]] | all and length == 2'
    # an error record passes on, once, and is no failure of this tool
    rn-augment -r affine -n 3 out.rn >again.rn
    [ "$(rn-pick --errors again.rn | ids | wc -l)" = 2 ]
    # grey, palette, alpha, CMYK, turned
    for name in grey.jpg palette.png rgba.png cmyk.jpg exif6.jpg; do echo "$FIXTURES/$name"; done >names
    rn-list --unlabeled --files-from names | rn-augment -r affine,distort -p 1 >out.rn
    [ "$(ids out.rn | wc -l)" = 10 ]
}

@test "a photo that cannot be read: an error, or one error record" {
    cp -rL photos broken
    head -c 500 "$FIXTURES/rgb.jpg" >broken/glass/0.jpg
    fails 3 "broken/glass/0.jpg: damaged JPEG" rn-augment -r affine -o x.rn <(rn-list broken)
    rc=0; rn-list broken | rn-augment -r affine,distort -n 20 --keep -k -q -o out.rn || rc=$?
    [ $rc = 1 ]
    [ "$(rn-pick --errors out.rn | ids)" = glass/0.jpg ]
    [ "$(ids out.rn | wc -l)" = $((18 * 41 + 1)) ]
    [ "$(ids out.rn | sort -u | wc -l)" = $((18 * 41 + 1)) ]
}

@test "floats: f32 pictures, which rn-batch and --write refuse" {
    rn-list photos | rn-pick --head 2 >two.rn
    rn-augment -r floats.json two.rn >floats.rn
    rn-show --json floats.rn | jq -e -s '[.[] | select(.id) | .image | .type == "<f4" and .max < 3 and .min > -3 and .min < 0] | all and length == 2'
    fails 3 "#floats.1: a picture of floats, normalised already: batches are made of 8-bit pixels" rn-batch -o x.rn floats.rn
    fails 2 "floats.json: gives floats \(Normalize\): --write makes files of 8-bit pixels \(--until-normalize leaves it out\)" rn-augment -r floats.json --write out two.rn
    fails 3 "affine.1: a picture of floats" rn-augment -r affine --write out -o x.rn floats.rn
    [ ! -e out ]
    recipe "$(one Normalize),$(one CLAHE)" >late.json
    fails 3 "CLAHE: takes 8-bit pixels, not floats" rn-augment -r late.json -o x.rn two.rn
}

@test "pipelines that end in Normalize and ToTensorV2: as they are, or until there" {
    rn-list photos | rn-pick --head 2 >two.rn
    recipe "$(one HorizontalFlip),$(one Normalize),$(one ToTensorV2 '"transpose_mask": false'),$(one NoOp)" >late.json
    fails 2 "late.json: ToTensorV2: it must be the last transform" rn-augment -r late.json two.rn
    recipe "$(one HorizontalFlip),$(one Normalize),$(one albumentations.pytorch.transforms.ToTensorV2 '"transpose_mask": false')" >torch.json
    rn-augment -r torch.json two.rn >floats.rn 2>err
    [ "$(cat err)" = "rn-augment: torch.json: ToTensorV2 changes nothing here: pictures stay height x width x 3" ]
    rn-show --json floats.rn | jq -e -s '[.[] | select(.id) | .image.type == "<f4"] | all and length == 2'
    # said once, and the same pixels as without the end
    rn-augment --until-normalize -r torch.json two.rn >bytes.rn 2>err
    [ "$(cat err)" = "rn-augment: torch.json: its Normalize is left to who reads the pictures (--until-normalize)" ]
    recipe "$(one HorizontalFlip)" >flip.json
    diff <(rn-augment -r flip.json two.rn | rn-show --json --values | jq -c 'select(.id) | .image') <(records bytes.rn | jq -c .image)
    rn-augment -q --until-normalize -r torch.json --write out two.rn -o written.rn 2>err
    [ ! -s err ]
    [ "$(find out -name '*-torch-1.jpg' | wc -l)" = 2 ]
    # one in the middle stays
    recipe "$(one Normalize),$(one RandomBrightness)" >middle.json
    rn-augment --until-normalize -r middle.json two.rn | rn-show --json | jq -e -s '[.[] | select(.id) | .image.type == "<f4"] | all'
}

@test "val and test are left alone unless asked, and that is said" {
    rn-list photos | rn-split -r 50/25/25 -o all.rn
    n=$(rn-show --json all.rn | jq -s '[.[] | select(.split == "train")] | length')
    rn-augment -r affine all.rn >out.rn 2>err
    [ "$(cat err)" = "rn-augment: photos of other splits than train, not augmented: $((18 - n)) (--split all augments them)" ]
    rn-show --json out.rn | jq -e -s "[.[] | select(.id) | .split == \"train\"] | all and length == $n"
    # the same as of these alone; with --keep the others pass, in their places
    diff <(records out.rn) <(rn-pick split=train all.rn | rn-augment -r affine | rn-show --json --values | jq -c 'select(.id)')
    rn-augment -q --keep -r affine all.rn >kept.rn
    diff <(ids kept.rn) <(rn-show --json all.rn | jq -r 'select(.id) | .id, (select(.split == "train") | .id + "#affine.1")')
    rn-augment -q --split val,test -r affine all.rn | rn-show --json | jq -e -s "[.[] | select(.id) | .split != \"train\"] | all and length == $((18 - n))"
    [ "$(rn-augment --split all -r affine all.rn 2>err | ids | wc -l)" = 18 ]
    [ ! -s err ]
    # where there are no splits there is nothing to say
    [ "$(rn-list photos | rn-augment -r affine 2>err | ids | wc -l)" = 18 ] && [ ! -s err ]
}

@test "--write: quality, PNG, and what is there with the same bytes stays" {
    rn-list photos | rn-pick --head 3 >three.rn
    rn-augment -r affine --write out three.rn -o a.rn
    rn-augment -r affine --quality 30 --write low three.rn -o b.rn
    [ "$(cat low/*/*.jpg | wc -c)" -lt "$(cat out/*/*.jpg | wc -c)" ]
    # PNG files have the stream's pixels
    rn-augment -r affine --png --write png three.rn -o c.rn
    [ "$(find png -name '*-affine-1.png' | wc -l)" = 3 ]
    [ -z "$(find png -name '*.jpg')" ]
    recipe "" >nothing.json
    diff <(rn-augment -r nothing.json c.rn | rn-show --json --values | jq -c 'select(.id) | .image') \
         <(rn-augment -r affine three.rn | rn-show --json --values | jq -c 'select(.id) | .image')
    # one is lost, one is another's: these two are written, the third keeps its time
    mapfile -t files < <(find out -name '*.jpg' | sort)
    touch -d @1000000000 "${files[@]}"
    rm "${files[0]}"
    echo other >"${files[1]}"
    rn-augment -r affine --write out three.rn -o d.rn 2>err
    cmp a.rn d.rn
    [ "$(cat err)" = $'rn-augment: files that were there already: 1\nrn-augment: files that were replaced: 1' ]
    [ "$(stat -c %Y "${files[2]}")" = 1000000000 ] && [ "$(stat -c %Y "${files[1]}")" -gt 1000000000 ]
}

@test "--write: a run that is killed goes on, and leaves nothing but the files" {
    rn-list photos >all.rn
    rn-augment -q -r affine,distort -n 40 --write whole all.rn -o whole.rn
    rn-augment -q -r affine,distort -n 40 --write out all.rn -o out.rn &
    pid=$!
    for ((i = 0; i < 600; i++)); do
        [ "$(find out -name '*.jpg' 2>/dev/null | wc -l)" -lt 100 ] || break
        sleep 0.01
    done
    kill -9 $pid
    wait $pid || true
    [ ! -e out.rn ]
    there=$(find out -type f | wc -l)
    [ "$there" -ge 100 ]
    [ "$there" -lt 1440 ]
    [ -z "$(cd out && find . -type f -exec cmp {} ../whole/{} \; 2>&1)" ]
    rn-augment -r affine,distort -n 40 --write out all.rn -o out.rn 2>err
    [ "$(cat err)" = "rn-augment: files that were there already: $there" ]
    diff -r whole out
}

# pixels STREAM: of its one record
pixels() { rn-show --json --values "$1" | jq -c 'select(.id) | .image'; }

@test "recipes that were got wrong once are right" {
    cases=$SHARED/cases/augment
    [ -d "$cases" ] || skip "no ../shared/cases"
    recipe "" >nothing.json
    stream 'head("images", [])' "dict(id => str('motion7.png#motion7.1'), label => none, split => none, image => tensor('|u1', [1, 1, 3], 'abc'),
        augment => list(dict(transform => str('MotionBlur'), at => num(0), ksize => num(7), p1 => list(num(2), num(5)), p2 => list(num(2), num(0)))))" 'tail(1)' >motion.rn
    for name in clahe-clip2 hsv-32px motion7; do
        replay=()
        [ $name != motion7 ] || replay=(--replay motion.rn)
        cp "$cases/$name.png" "$cases/$name.albumentations.png" .
        echo $name.png | rn-list --unlabeled --files-from - | rn-augment -r "$cases/$name.json" "${replay[@]}" -o got.rn
        echo $name.albumentations.png | rn-list --unlabeled --files-from - | rn-augment -r nothing.json -o want.rn
        diff <(pixels got.rn) <(pixels want.rn)
    done
    rn-list photos | rn-pick --head 2 >two.rn
    for name in refused-reversed refused-mask-value refused-scalar-mean; do rn-augment -r "$cases/$name.json" two.rn >out.rn; done
    fails 2 "written by Albumentations 1.4.24" rn-augment -r "$cases/accepted-1.4.24-sequential.json" two.rn
    fails 2 'Resize: height: "32" is a text, not a number' rn-augment -r "$cases/accepted-text-number.json" two.rn
}

@test "ElasticTransform with same_dxdy: a ramp along the diagonal stays, moved as far to the right as down" {
    perl -e 'print "P6 80 80 255\n"; for my $y (0 .. 79) { print pack "C3", (128 + $_ - $y) x 3 for 0 .. 79 }' >ramp.ppm
    echo ramp.ppm | rn-list --unlabeled --files-from - -o ramp.rn
    # most FILE: how far a sample is off that lies where nothing comes from beyond an edge
    most() {
        rn-augment -r "./$1" -n 4 ramp.rn | rn-show --json --values | jq -c 'select(.id) | .image.values | flatten' | tr -d '[]' | perl -F, -ane '
            for my $y (24 .. 55) { for my $x (24 .. 55) { my $d = abs $F[3 * (80 * $y + $x)] - 128 - $x + $y; $most = $d if $d > $most } } END { print 0 + $most, "\n" }'
    }
    still='"alpha": 90, "sigma": 4, "alpha_affine": 0'
    recipe "$(one ElasticTransform "$still, \"same_dxdy\": true")" >same.json
    recipe "$(one ElasticTransform "$still, \"same_dxdy\": false")" >free.json
    [ "$(most same.json)" -le 1 ]
    [ "$(most free.json)" -ge 4 ]
}

@test "photos too small for the default recipe: said at the first one" {
    rn-list photos >all.rn
    fails 3 "cardboard/.*.jpg: a photo of [0-9]+ x [0-9]+ \(width x height\), and RandomSizedCrop in the recipe basic takes 384 x 384 and more: say which recipes \(-r affine,distort\), or -k" \
        rn-augment -o x.rn all.rn
    [ ! -e x.rn ]
    # what was asked for is done
    rc=0; rn-augment -k -q -o x.rn all.rn || rc=$?
    [ $rc = 1 ] && [ "$(rn-pick error= x.rn | ids | wc -l)" -ge 36 ]
}

@test "the same pixels by every arithmetic that RN_CPU can name, of all transforms" {
    rn-list photos | rn-pick --head 2 >all.rn
    recipe "$(one FancyPCA)" >none.json
    names=$(rn-augment -r none.json all.rn 2>&1 | sed -n 's/.*there are //p' | tr -d ,)
    mkdir each
    count=0
    # each NAME [OPTIONS]: of bytes and, where these are taken, of floats
    each() {
        count=$((count + 1))
        recipe "$(one "$@")" >each/$count.json
        recipe "$(one Normalize),$(one "$@")" >each/$count-floats.json
    }
    for name in $names; do
        case $name in
        and | *Compose | OneOf | SomeOf | OneOrOther | Sequential) ;; # the rest is of these
        RandomSizedCrop) each "$name" '"min_max_height": [20, 44], "height": 33, "width": 29' ;;
        Resize) for by in 0 1 2 3 4; do each "$name" "\"height\": 37, \"width\": 75, \"interpolation\": $by"; done ;;
        *Crop) each "$name" '"height": 33, "width": 29' ;;
        Blur | MedianBlur | GaussianBlur | MotionBlur)
            for side in 3 5 7 9 21; do each "$name" "\"blur_limit\": [$side, $side]"; done ;;
        *) each "$name" ;;
        esac
    done
    [ $count -gt 70 ]
    recipes=$(echo each/*.json | tr ' ' ,)
    RN_CPU=portable rn-augment -q -k -j 2 -r "$recipes" all.rn >portable.rn || [ $? = 1 ]
    [ "$(rn-show --json portable.rn | jq -s '[.[] | select(.id and (.error | not))] | length')" -gt $((count * 2)) ]
    for cpu in avx2 avx512; do
        RN_CPU=$cpu rn-show --cpu || continue
        RN_CPU=$cpu rn-augment -q -k -j 2 -r "$recipes" all.rn >$cpu.rn || [ $? = 1 ]
        cmp portable.rn $cpu.rn
    done
    fails 2 "RN_CPU=mmx: must be avx512, avx2 or portable" env RN_CPU=mmx rn-augment -r affine all.rn
}

@test "what cannot be is said" {
    rn-list photos >all.rn
    fails 2 "there is no recipe nothing; there are affine, basic, distort" rn-augment -r nothing all.rn
    fails 4 "nothing.json" rn-augment -r nothing.json all.rn
    recipe "$(one FancyPCA)" >grey.json
    fails 2 "grey.json: Compose: Compose\[0\]: unknown transform FancyPCA; there are Affine, " rn-augment -r grey.json all.rn
    recipe "$(one ToGrey)" >grey.json
    fails 2 "unknown transform ToGrey; did you mean ToGray\? There are" rn-augment -r grey.json all.rn
    recipe "$(one Flip)" | sed 's/1.3.1/1.4.24/' >later.json
    fails 2 "later.json: written by Albumentations 1.4.24, whose transforms are others: versions 1.0 to 1.3 are read, .* save it with 1.3.1 " rn-augment -r later.json all.rn
    for version in 1.4.8 1.4.10 1.5.0 2.0.0 2.0.8; do
        recipe "$(one Flip)" | sed "s/1.3.1/$version/" >later.json
        fails 2 "later.json: written by Albumentations $version, whose" rn-augment -r later.json all.rn
    done
    fails 2 "'a,,b' has a name that is empty" rn-augment --split a,,b all.rn
    fails 2 "quality" rn-augment --quality 0 --write out all.rn
    recipe "$(one Blur '"blur_limits": 3')" >key.json
    fails 2 "Blur: unknown parameter blur_limits; did you mean blur_limit\? There are p, always_apply, blur_limit" rn-augment -r key.json all.rn
    fails 2 "mixed.json says itself how probable" rn-augment -r mixed.json -p low all.rn
    fails 2 "'often' is not low, mid, high or a number from 0 to 1" rn-augment -p often all.rn
    fails 2 "is not low" rn-augment -p 1.5 all.rn
    fails 2 "two are called affine" rn-augment -r affine,affine all.rn
    fails 2 "copies" rn-augment -n 0 all.rn
    fails 2 "there is no recipe" rn-augment -r "" all.rn
    fails 3 "predictions" rn-augment -r affine <(stream 'head("predictions", ["a"])' 'tail(0)')
    recipe "$(one Flip)" | head -c 100 >cut.json
    fails 2 "cut.json: line 1: not JSON" rn-augment -r cut.json all.rn
}

@test "-p: the chance of what is optional; what is chosen by weight is chosen" {
    rn-list photos | rn-pick --head 6 >six.rn
    rn-augment -r distort -p 0 -n 20 --explain six.rn | rn-show --json | jq -e -s '[.[] | select(.id) | .augment | length == 2] | all and length == 120'
    rn-augment -r distort -p 1 -n 20 --explain six.rn | rn-show --json | jq -e -s '[.[] | select(.id) | .augment | length == 4] | all and length == 120'
}

@test "pipelines/augment: over the cores and as jobs of GNU parallel the same files" {
    cp -rL photos broken
    head -c 500 "$FIXTURES/rgb.jpg" >broken/glass/0.jpg
    run "$TOP/pipelines/augment" broken here -r affine,mixed.json -n 2 -j 3
    [ "$status" = 1 ]
    [[ $output == "rn-augment: error records made: 1 ("*")" ]]
    [ "$(find here -type f | wc -l)" = 72 ]
    run "$TOP/pipelines/augment" -S : -j 2 broken "over there" -r affine,mixed.json -n 2
    [ "$status" = 1 ]
    diff -r here "over there"
    [ "$(rn-list here | rn-show --json | jq -s '.[-1].records')" = 72 ]
    run "$TOP/pipelines/augment" photos none -r nothing
    [ "$status" = 2 ]
    [[ $output == *"there is no recipe nothing"* ]]
    run "$TOP/pipelines/augment" photos
    [ "$status" = 2 ]
    "$TOP/pipelines/augment" --help | grep -q "^usage: augment PHOTOS OUT"
}

@test "pipelines/contact-sheet: a PNG with a row a photo" {
    perl -MCompress::Zlib -e1 2>/dev/null || skip "no Compress::Zlib"
    "$TOP/pipelines/contact-sheet" photos sheet.png -r affine,mixed.json --rows 3 --size 20 -n 2
    echo "$PWD/sheet.png" >name
    recipe "" >nothing.json
    rn-list --unlabeled --files-from name | rn-augment -r nothing.json >sheet.rn
    [ "$(rn-show --json sheet.rn | jq -c 'select(.id) | .image.shape')" = "[60,100,3]" ]
    # its first square is the first photo, as rn-batch has it
    rn-list --unlabeled photos | rn-pick --head 1 | rn-batch --size 20 --resize 20 | rn-show --json --values | jq -c 'select(.ids) | .images.values | flatten | .[:60]' >first
    rn-show --json --values sheet.rn | jq -c 'select(.id) | .image.values | flatten | .[:60]' | cmp - first
    # a line of words for each row
    "$TOP/pipelines/contact-sheet" photos labels.png -r affine,mixed.json --rows 3 --size 20 -n 2 --labels
    [ "$(perl -e 'local $/; $_ = <STDIN>; print join " ", unpack "N2", substr $_, 16, 8' < labels.png)" = "100 105" ]
    rc=0; "$TOP/pipelines/contact-sheet" "$TOP/data/recipes" sheet.png 2>err || rc=$?
    [ $rc = 3 ] && grep -q "no photos" err
}

@test "the manual names every transform" {
    names=$(sed -n 's/.*\.class_name = "\([^"]*\)".*/\1/p' "$TOP"/lib/augment/transform/*.c)
    [ "$(wc -l <<< "$names")" -gt 50 ]
    for name in $names; do grep -qw "$name" "$TOP/doc/rn-recipes.7" || { echo "$name"; false; }; done
}
