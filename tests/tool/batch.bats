# rn-batch: exit codes, bytes that depend on nothing but the input, resuming, broken photos, a live pipe. The streams are
# written here, by hand, as a foreign writer would; what is in the batches is the subject of tests/unit/batch.c.
load common
PHOTOS=$TOP/tests/fixtures/images

# stream KIND HEAD: a segment from lines on standard input, each a record as Perl's list of keys and values. Text is a
# string, bin is \"string", nil is undef, a number is a number.
stream() {
    perl -e '
        sub pack_ { my $v = shift;
            return "\xc0" if !defined $v;
            return "\xc6" . pack("N", length $$v) . $$v if ref $v eq "SCALAR";
            return "\xdd" . pack("N", scalar @$v) . join "", map { pack_($_) } @$v if ref $v eq "ARRAY";
            return "\xdf" . pack("N", @{$$v} / 2) . join "", map { pack_($_) } @{$$v} if ref $v eq "REF";
            return "\xcf" . pack("Q>", $v) if $v =~ /^\d+$/;
            return "\xcb" . pack("d>", $v) if $v =~ /^\d*\.\d+$/;
            return "\xdb" . pack("N", length $v) . $v }
        sub slurp { local $/; open my $f, "<", shift or die; binmode $f; <$f> }
        binmode STDOUT; $| = 1; my $n = 0;
        print pack_(\["rn", shift, "version", 1, eval shift]);
        while (<STDIN>) { print pack_(\[eval]); die $@ if $@; $n++ }
        print pack_(\["rn", "end", "records", $n]);
    ' "$@"
}

# samples FILE...: labelled in turn cat, dog
samples() {
    local i=0
    for file; do
        echo "'id', '$(basename "$file")', 'label', $((i++ % 2)), 'split', undef, 'path', '$file'"
    done | stream samples "'classes', ['cat', 'dog']"
}
some() { samples "$PHOTOS"/{rgb.jpg,rgb.png,grey.jpg,palette.png,lossy.webp,rgb.tif,exif6.jpg,palette.gif,cmyk.jpg,rgba.png}; }

# checkpoint EPOCH INDEX: weights, begun with rn-batch --train -b 3 --epochs 4 -s 77 --size 40
checkpoint() {
    stream weights "'classes', ['cat', 'dog'], 'arch', 'resnet18', 'attention', 'ours', 'input', \\['size', 40, 'resize', 46,
        'mean', [0.485, 0.456, 0.406], 'std', [0.229, 0.224, 0.225]], 'epoch', $1, 'batch_index', $2, 'best_acc1', undef,
        'partial', \\['loss_sum', 0.0, 'correct', 0, 'seen', 0],
        'batches', \\['seed', 77, 'batch', 3, 'epochs', 4, 'history', []], 'options', [], 'RN_CPU', undef" </dev/null
}

# fails CODE TEXT COMMAND...: exits CODE, with one line on stderr that has TEXT in it, and no whole stream on stdout
fails() {
    local code=$1 text=$2 rc=0
    shift 2
    "$@" >out 2>err || rc=$?
    [ $rc = "$code" ] || { echo "exit $rc, not $code"; cat err; return 1; }
    [ "$(wc -l <err)" = 1 ] && grep -qF -- "$text" err || { cat err; return 1; }
    ! tail -c 40 out | grep -qaF xxh3
}

@test "any number of threads gives the same bytes" {
    some >in
    for mode in "" "--train --epochs 3 -s 5"; do
        rn-batch $mode -b 3 --size 32 -j 1 in >one
        for j in 2 7; do
            rn-batch $mode -b 3 --size 32 -j $j <in >other
            cmp one other
        done
    done
}

@test "the order of the input does not matter to training" {
    some >in
    # the same records, the last one first
    local i=0 files=("$PHOTOS"/{rgb.jpg,rgb.png,grey.jpg,palette.png,lossy.webp,rgb.tif,exif6.jpg,palette.gif,cmyk.jpg,rgba.png})
    for ((i = 9; i >= 0; i--)); do
        echo "'id', '$(basename "${files[i]}")', 'label', $((i % 2)), 'split', undef, 'path', '${files[i]}'"
    done | stream samples "'classes', ['cat', 'dog']" >backward
    ! cmp -s in backward || false
    rn-batch --train -b 3 --epochs 2 --size 16 in >one
    rn-batch --train -b 3 --epochs 2 --size 16 backward | cmp - one
    rn-batch -b 3 --size 16 in >one
    ! rn-batch -b 3 --size 16 backward | cmp -s - one
}

@test "--from: the rest of the stream, byte for byte" {
    some >in
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 in >whole
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 --from 2:0 in >rest
    [ "$(wc -c <rest)" -lt "$(wc -c <whole)" ]
    tail -c "$(wc -c <rest)" whole | cmp - rest
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 --from 3:2 in >rest
    # the last two batches of four: 3 photos and 1, then a tail, whose count and hash are others
    n=$((4 * 40 * 40 * 3))
    [ "$(wc -c <rest)" -gt $n ]
    cmp <(tail -c $((n + 40)) whole | head -c $n) <(tail -c $((n + 40)) rest | head -c $n)
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 --from 4:0 in >rest
    [ "$(wc -c <rest)" -lt 2000 ]
    # stopped between the last batch of epoch 1 and its end: what is left of it is a segment without records
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 --from 1:4 in >rest
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 --from 2:0 in >next
    tail -c "$(wc -c <next)" rest | cmp - next
    [ "$(rn-show --json rest | head -n 2 | jq -c '.epoch // .records')" = "1
0" ]
    fails 3 "there is no batch 5" rn-batch --train -b 3 --epochs 4 --from 1:5 in
    fails 2 "behind the end" rn-batch --train -b 3 --epochs 4 --from 4:1 in
    fails 2 "behind the end" rn-batch --train --from 2:0 in
}

@test "--resume takes seed, batch, epochs, place and size from the checkpoint" {
    some >in
    checkpoint 2 1 >last.rn
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 --from 2:1 in >from
    rn-batch --train --resume last.rn in >resumed
    cmp from resumed
    rn-batch --train --resume last.rn -b 3 -s 77 --size 40 --resize 46 --epochs 4 in >resumed
    cmp from resumed
    checkpoint 4 0 >last.rn
    rn-batch --train --resume last.rn in >resumed
    rn-batch --train -b 3 --epochs 4 -s 77 --size 40 --from 4:0 in | cmp - resumed
    rn-batch --train --resume last.rn --epochs 5 in >resumed
    rn-batch --train -b 3 --epochs 5 -s 77 --size 40 --from 4:0 in | cmp - resumed
    fails 2 "--batch is 16" rn-batch --train --resume last.rn -b 16 in
    fails 2 "--seed is 1234" rn-batch --train --resume last.rn -s 1234 in
    fails 2 "exclude each other" rn-batch --train --resume last.rn --from 0:0 in
    fails 4 "none.rn" rn-batch --train --resume none.rn in
    fails 3 "a stream of samples, not of weights" rn-batch --train --resume in in
    stream weights "'classes', [], 'arch', undef, 'attention', undef, 'input', undef" </dev/null >import.rn
    fails 3 "do not say what their input is" rn-batch --for import.rn in
}

@test "--for takes the input from a model" {
    some >in
    checkpoint 0 0 >model.rn
    rn-batch --for model.rn in >one
    rn-batch --size 40 in | cmp - one
    fails 2 "--size is 64" rn-batch --for model.rn --size 64 in
}

@test "a photo that cannot be read" {
    head -c 300 "$PHOTOS/rgb.jpg" >"broken one.jpg"
    samples "$PHOTOS/rgb.jpg" "broken one.jpg" "$PHOTOS/rgb.png" >in
    for mode in "" --train; do
        fails 3 "rn-batch: broken one.jpg: damaged JPEG" rn-batch $mode --size 16 in
        rc=0; rn-batch $mode -k --size 16 in >out 2>err || rc=$?
        [ $rc = 1 ]
        [[ "$(cat err)" == "rn-batch: error records made: 1 ("*")" ]]
        grep -qaF "broken one.jpg: damaged JPEG" out
        for j in 1 7; do
            rn-batch $mode -k -q --size 16 -j $j in 2>&1 | cmp - out
        done
    done
    samples "$PHOTOS/rgb.jpg" none.jpg >in
    fails 4 "rn-batch: none.jpg: No such file" rn-batch in
    samples "$PHOTOS/rgb.jpg" . >in
    fails 4 "rn-batch: .: Is a directory" rn-batch in
    fails 3 "16 x 12 pixels are more than --max-pixels 191" \
        rn-batch --max-pixels 191 <(samples "$PHOTOS/rgb.jpg")
    rn-batch --max-pixels 192 <(samples "$PHOTOS/rgb.jpg") >out
}

@test "photos as phones, cameras and browsers write them are taken" {
    samples "$PHOTOS"/{scan-of-no-frequencies,stray-bytes-before-end,xmp6-attribute,exif6-long}.jpg \
        "$PHOTOS"/{no-end.png,no-trailer.gif,second-frame-cut.gif,ycbcr-lzw.tif,palette.bmp,rgb.ppm} >in
    rn-batch --size 16 in >out 2>err
    [ ! -s err ]
    [ "$(rn-show --json out | tail -n 1 | jq .records)" = 1 ]
    for photo in turned6.heic turned6.avif an-avif.jpg; do
        samples "$PHOTOS/$photo" >in
        rn-batch --size 16 in >out 2>err ||
            grep -qE "(HEIC|AVIF), which the libvips here cannot decode" err
    done
}

@test "one picture in any format is the same picture" {
    for photo in {rgb,no-end,crc-of-pixels-wrong}.png rgb.tif lossless.webp rgb.bmp rgb.ppm; do
        samples "$PHOTOS/$photo" | rn-batch --size 12 --resize 12 |
            rn-show --npy images >"$photo.npy"
        cmp rgb.png.npy "$photo.npy"
    done
    [ "$(wc -c <rgb.png.npy)" -gt 432 ] # 12 x 12 x 3
}

@test "HEIC without a decoder: a record that says how to convert it" {
    samples "$PHOTOS/photo.heic" "$PHOTOS/an-avif.jpg" "$PHOTOS/rgb.jpg" >in
    export VIPSHOME=$PWD/none # where libvips looks for its loader of HEIC
    rc=0; rn-batch -k --size 16 in >out 2>err || rc=$?
    if [ $rc = 1 ]; then
        [[ "$(cat err)" == "rn-batch: error records made: 2 (the first: "*")" ]]
        grep -qa "photo.heic: HEIC, which the libvips here cannot decode: .* convert the photo" out
        grep -qa "an-avif.jpg: AVIF, which the libvips here cannot decode: .* convert the photo" out
    else
        [ $rc = 0 ] # a libvips that has the loader within
    fi
}

@test "photos of 108 megapixels pass, and the limit names its option" {
    size() { # HEIGHT WIDTH: the JPEG with another size in its header
        perl -0777 -pe 's/(\xff\xc0\x00\x11\x08)..../$1 . pack("nn", '"$1, $2"')/se' \
            "$PHOTOS/rgb.jpg"
    }
    size 9000 12000 >large.jpg
    fails 3 "damaged JPEG" rn-batch <(samples large.jpg)
    size 13378 13378 >larger.jpg
    fails 3 "13378 x 13378 pixels are more than --max-pixels 178956970" \
        rn-batch <(samples larger.jpg)
}

@test "an error record of the input passes on, with exit 0" {
    { echo "'id', 'lost', 'label', 0, 'split', undef, 'error', 'the disk is gone'"
      echo "'id', 'a', 'label', 1, 'split', undef, 'path', '$PHOTOS/rgb.jpg'"; } | stream samples "'classes', ['cat', 'dog']" >in
    for mode in "" --train; do
        rn-batch $mode --size 16 in >out 2>err
        [ ! -s err ]
        grep -qaF "the disk is gone" out
    done
}

@test "embedded files, pixels, no labels, a picture of one pixel" {
    { echo "'id', 'file', 'label', undef, 'split', undef, 'data', \\slurp('$PHOTOS/rgb.jpg')"; } | stream samples "'classes', []" >embedded
    perl -e 'sub t { chr(0xa0 | length $_[0]) . $_[0] } sub b { "\xc4" . chr(length $_[0]) . $_[0] } binmode STDOUT;
        print "\x83", t("rn"), t("images"), t("version"), "\x01", t("classes"), "\x90";
        print "\x84", t("id"), t("dot"), t("label"), "\xc0", t("split"), "\xc0", t("image"), "\x85", b("nd"), "\xc3", b("type"), t("|u1"),
              b("kind"), b(""), b("shape"), "\x93\x01\x01\x03", b("data"), b("\x11\x22\x33");
        print "\x82", t("rn"), t("end"), t("records"), "\x01"' >pixels
    samples "$PHOTOS/rgb.png" >listed
    rn-batch --size 16 embedded pixels listed >joined
    cat embedded pixels listed | rn-batch --size 16 | cmp - joined
    [ "$(grep -aoF dot joined | wc -l)" = 1 ]
    rn-batch --train --size 16 --epochs 2 embedded pixels listed >joined
    [ "$(grep -aoF dot joined | wc -l)" = 2 ]
    rn-batch --size 4 --resize 4 pixels >dot
    perl -0777 -ne 'exit !/\x11\x22\x33\x11\x22\x33/' dot
}

@test "damaged input: exit 3, and no tail" {
    some >in
    head -c -1 in >cut
    fails 3 "cut" rn-batch --size 16 cut
    fails 3 "cut" rn-batch --train --size 16 cut
    fails 3 "no bytes at all" rn-batch /dev/null
    fails 3 "there twice" rn-batch --size 16 in in
    fails 3 "there twice" rn-batch --train --size 16 in in
    fails 4 "none.rn" rn-batch none.rn
    echo hello >text
    fails 3 "not an rn stream" rn-batch text
    checkpoint 0 0 >weights.rn
    fails 3 "a stream of weights, not of samples or images" rn-batch weights.rn
}

@test "wrong arguments: exit 2, and no output" {
    some >in
    for wrong in "-b 0" "-b x" "--epochs 2" "--from 0:0" "--seed 1" "--resume in" "--train --from 1" "--train --from :1" \
            "--train --from 1:" "--train --from -1:0" "--train --from 0:0x" "--train --epochs 0" "--size 0" "--resize 0" "-j 0" \
            "--max-pixels 0" "--no-such" "--train --for in --resume in"; do
        rm -f out.rn
        rc=0; rn-batch $wrong -o out.rn in 2>err || rc=$?
        [ $rc = 2 ] || { echo "$wrong: exit $rc"; return 1; }
        [ ! -e out.rn ]
        [ "$(wc -l <err)" = 1 ]
    done
}

@test "progress, when it is asked for" {
    some >in
    rn-batch --size 16 --progress always in 2>err >out
    grep -qF "photos" err
    rn-batch --train --epochs 2 --size 16 --progress always in 2>err >out
    grep -qF "20 of 20 photos" err
    rn-batch --size 16 -q --progress always in 2>err >out
    [ ! -s err ]
}

@test "a full device: one line, exit 4" {
    some >in
    for mode in "" --train; do
        rc=0; rn-batch $mode in >/dev/full 2>err || rc=$?
        [ $rc = 4 ]
        [ "$(wc -l <err)" = 1 ]
    done
    # ... and at once, though the input is still open
    mkfifo pipe
    { cat in; sleep 20; } >pipe 2>/dev/null 3>&- &
    feeder=$! start=$SECONDS rc=0
    rn-batch -b 2 <pipe >/dev/full 2>err || rc=$?
    kill $feeder
    [ $rc = 4 ] && [ $((SECONDS - start)) -lt 10 ]
}

@test "a live pipe: a batch is there while the input is still open" {
    mkfifo pipe
    : >out # the reader makes it anew only when the pipe is open
    samples "$PHOTOS/rgb.jpg" "$PHOTOS/rgb.png" >in
    # the first record, and a part of the second
    { head -c -60 in; sleep 20; } >pipe 3>&- &
    feeder=$! start=$SECONDS
    rn-batch -b 1 --size 32 <pipe >out 2>err &
    reader=$!
    while [ "$(wc -c <out)" -lt $((32 * 32 * 3)) ] && [ $((SECONDS - start)) -lt 10 ]; do sleep 0.05; done
    kill $feeder $reader
    [ "$(wc -c <out)" -ge $((32 * 32 * 3)) ]
}

@test "names with spaces, quotes and newlines" {
    name=$'a b"c\'d\ne.jpg'
    cp "$PHOTOS/rgb.jpg" "$name"
    printf '%s' "$name" >name
    echo "'id', slurp('name'), 'label', undef, 'split', undef, 'path', slurp('name')" | stream samples "'classes', []" >in
    rn-batch --size 8 in >out
    rm "$name"
    fails 4 "a b\"c'd\\x0ae.jpg: No such file" rn-batch --size 8 in
}

@test "the exif orientation counts, unless --no-exif" {
    samples "$PHOTOS/exif3.jpg" >in
    rn-batch --size 12 --resize 12 in >turned
    rn-batch --size 12 --resize 12 --no-exif in >plain
    turned=$(tail -c 440 turned | head -c 400 | md5sum) plain=$(tail -c 440 plain | head -c 400 | md5sum)
    [ "$turned" != "$plain" ]
}

@test "--wait: a batch that is not full goes out after a while, a full one at once" {
    draw photos 2
    find photos -name '*.jpg' | LC_ALL=C sort >names
    mkfifo list samples batches
    rn-list --files-from - --live <list >samples & rn-batch -b 4 --wait 50 --size 32 <samples >batches &
    rn-show --json <batches | jq --unbuffered -r 'select(.ids) | [.index, (.ids | length)] | @tsv' >out & show=$!
    exec 8>list
    seen() { for _ in $(seq 200); do [ "$(wc -l <out)" = "$1" ] && return; sleep 0.05; done; cat out; return 1; }
    sed -n 1p names >&8
    seen 1
    sed -n 2,3p names >&8
    seen 2
    sed -n 4,12p names >&8
    exec 8>&-
    wait $show
    # nothing is lost or repeated, whatever was sent together
    [ "$(sed -n 1p out)" = $'0\t1' ]
    [ "$(awk '{ n += $2; bad += $1 != NR - 1 || $2 > 4 } END { print n, bad }' out)" = "12 0" ]
    # 0: what is ready; one that never comes is not waited for
    (sed 3q names; sleep 1) | rn-list --files-from - --live | rn-batch -b 1000 --wait 0 --size 32 | rn-show --json |
        jq -r 'select(.ids) | .ids[]' | diff - <(sed 3q names)
    # a whole file in one go gives the same batches as without
    rn-list photos -o all.rn
    cmp <(rn-batch -b 5 --wait 600000 --size 32 all.rn) <(rn-batch -b 5 --size 32 all.rn)
    fails 2 '--wait' rn-batch --train --wait 5 all.rn
    fails 2 'wait' rn-batch --wait -1 all.rn
}
