# data/fetch-weights and data/fetch-trashnet against a server on this machine: broken downloads go on, what does not match is refused.
load common

setup() {
    cd "$BATS_TEST_TMPDIR"
    command -v curl > /dev/null || skip "no curl"
    mkdir served
}

teardown() { [ -z "${server-}" ] || kill "$server"; }

# serve [CUT]: sets $url; requests are in ./requests
serve() {
    perl "$TOP/tests/tool/serve.pl" served port "$@" > requests &
    server=$!
    for _ in {1..100}; do [ ! -e port ] || break; sleep .05; done
    url=http://127.0.0.1:$(cat port)
}

@test "fetch-weights: a broken download goes on where it broke; another file is refused" {
    head -c 300000 /dev/zero > served/resnet18-f37072fd.pth
    serve 100000
    export RN_WEIGHTS_URL=$url
    rc=0; "$TOP/data/fetch-weights" resnet18 got/ > out 2> err || rc=$?
    # curl itself tries again or gives up; either way the rest is asked for, not the whole
    [ $rc = 3 ] || { [ $rc = 4 ]; grep -q 'call again to go on' err; [ "$(stat -c %s got/resnet18-f37072fd.pth.part)" = 100000 ]; }
    rc=0; "$TOP/data/fetch-weights" resnet18 got/ > out 2> err || rc=$?
    [ $rc = 3 ]
    grep -qx 'resnet18-f37072fd.pth 100000' requests
    grep -q 'resnet18-f37072fd.pth: its SHA-256 begins with [0-9a-f]\{8\}, not f37072fd: refused' err
    [ -z "$(ls got)" ]
    fails 4 'the download broke' "$TOP/data/fetch-weights" resnet34 got/
}

@test "fetch-weights: the file whose SHA-256 its name bears is taken" {
    head -c 300000 /dev/urandom > weights
    sum=$(sha256sum < weights | cut -c 1-8) file=resnet18-$sum.pth
    mv weights "served/$file"
    # the script, with these digits for resnet18's
    sed "s/f37072fd/$sum/" "$TOP/data/fetch-weights" > fetch-weights
    chmod +x fetch-weights
    serve 100000
    export RN_WEIGHTS_URL=$url
    ./fetch-weights resnet18 got/ > out 2> err || ./fetch-weights resnet18 got/ > out
    [ "$(cat out)" = "got/$file" ]
    cmp "got/$file" "served/$file"
    [ "$(cat requests)" = "$file 0"$'\n'"$file 100000" ]
    [ "$(./fetch-weights resnet18 got/)" = "got/$file is there" ]
    [ "$(wc -l < requests)" = 2 ]
    # killed when all of it had come
    mv "got/$file" "got/$file.part"
    ./fetch-weights resnet18 got/
    cmp "got/$file" "served/$file"
    [ "$(ls got)" = "$file" ]
}

# archive FILE [LIST...]: a zip with a folder of (empty) photos for each class, below another folder, as TrashNet's is
archive() {
    local file=$1
    shift
    perl -MIO::Compress::Zip=:all -e '
        my @classes = qw(glass paper cardboard plastic metal trash);
        my ($out, $zip) = (shift);
        for my $list (@ARGV) { open my $in, "<", $list or die; while (<$in>) { /^(\S+\.jpg) (\d)/ or die;
            my $name = "dataset-resized/$classes[$2 - 1]/$1";
            $zip ? $zip->newStream(Name => $name, Method => ZIP_CM_STORE) : ($zip = IO::Compress::Zip->new($out, Name => $name, Method => ZIP_CM_STORE)) } }
        $zip->close' "$file" "$@"
}

@test "fetch-trashnet: all of the published split's photos and no others; a broken download goes on" {
    command -v unzip > /dev/null || skip "no unzip"
    perl -MIO::Compress::Zip -e 1 2> /dev/null || skip "no IO::Compress::Zip"
    archive served/photos.zip "$TOP"/data/split/*.txt
    archive served/more.zip "$TOP/data/split/test.txt"
    archive served/few.zip "$TOP/data/split/train.txt"
    head -c 1000 served/photos.zip > served/broken.zip
    serve 50000
    export RN_TRASHNET_URL=$url/photos.zip RN_ADDITIONAL_URL=$url/more.zip
    "$TOP/data/fetch-trashnet" "my photos" > out 2> err || { grep -q 'call again to go on' err; "$TOP/data/fetch-trashnet" "my photos" > out; }
    grep -qx 'photos.zip 50000' requests
    [ "$(ls "my photos" | paste -sd' ')" = "cardboard glass metal paper plastic trash" ]
    [ "$(rn-list "my photos" | rn-show --tsv | sed 1d | wc -l)" = 2527 ]
    rn-list "my photos" | rn-split --list "train=$TOP/data/split/train.txt" --list "val=$TOP/data/split/val.txt" --list "test=$TOP/data/split/test.txt" |
        rn-pick split=test | rn-show --json | tail -n 1 | grep -q '"records":431,'
    [ "$(ls)" = "$(printf '%s\n' err 'my photos' out port requests served | sort)" ]
    # once more: nothing is asked for but the additional photos
    "$TOP/data/fetch-trashnet" --additional "my photos" > out
    grep -qx 'my photos is there' out
    [ "$(find "my photos-additional" -type f | wc -l)" = 431 ]
    # an archive of other photos, one that is damaged, one that is not there
    RN_TRASHNET_URL=$url/few.zip fails 3 'not the photos of the published split: refused' "$TOP/data/fetch-trashnet" few
    [ ! -e few ]
    [ ! -e few.new ]
    RN_TRASHNET_URL=$url/broken.zip fails 3 'not a whole zip archive; call again' "$TOP/data/fetch-trashnet" broken
    [ ! -e broken ]
    [ ! -e broken.zip.part ]
    RN_TRASHNET_URL=$url/none.zip fails 4 'the download broke' "$TOP/data/fetch-trashnet" none
    # killed when all of it had come
    mkdir again
    cp served/photos.zip again/photos.zip.part
    "$TOP/data/fetch-trashnet" again/photos > out
    [ "$(ls again)" = photos ]
    rc=0; "$TOP/data/fetch-trashnet" a b > out 2> err || rc=$?
    [ $rc = 2 ] && [ ! -s out ] && grep -q '^usage: ' err
}
