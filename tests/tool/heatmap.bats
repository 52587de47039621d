# rn-heatmap and pipelines/heatmaps: pictures by what is in them.
load common
PATH=$TOP/pipelines:$PATH

# squares MODE SEED COUNT BATCH: batches of 192x192 pictures of noise, every other with a bright square of 40x40; its id says
# where: "square/Y-X-K.jpg"
squares() {
    stream "my (\$mode, \$seed, \$count, \$n) = ('$1', $2, $3, $4);"'
        my $train = $mode eq "train";
        srand($seed);
        my $noise = pack("C*", map { 40 + int rand 100 } 1 .. 300000);
        my $bright = pack("C*", map { 200 + int rand 56 } 1 .. 9000);
        my $all = head("batches", ["plain", "square"], mode => str($mode),
            input => dict(size => num(192), resize => num(192), mean => list((real(0.5)) x 3), std => list((real(0.25)) x 3)),
            batch => num($n), $train ? (epoch => num(0), seed => num(1), epochs => num(1), batches_per_epoch => num($count)) : ());
        for my $b (0 .. $count - 1) {
            my ($images, @ids, @labels) = ("");
            for my $k ($b * $n .. $b * $n + $n - 1) {
                my $picture = substr($noise, int rand 180000, 192 * 192 * 3);
                my ($y, $x) = (int rand 153, int rand 153);
                if ($k % 2) {
                    substr($picture, (($y + $_) * 192 + $x) * 3, 120) = substr($bright, int rand 8880, 120) for 0 .. 39;
                }
                $images .= $picture;
                push @ids, str($k % 2 ? "square/$y-$x-$k.jpg" : "plain/$k.jpg");
                push @labels, num($k % 2);
            }
            $all .= dict(epoch => num(0), index => num($b), ids => list(@ids), labels => list(@labels),
                         images => "\x85" . bin("nd") . "\xc3" . bin("type") . str("|u1") . bin("kind") . bin("") . bin("shape") .
                                   list(num($n), num(192), num(192), num(3)) . bin("data") . bin($images));
        }
        $all . tail($count)'
}

# the lab of small photos, and a network that has learned to find squares
setup_file() {
    cd "$BATS_FILE_TMPDIR"
    lab lab
    squares train 1 30 4 > train.rn
    squares eval 2 10 4 > test.rn
    rn-train -t ours --lr 0.003 -j 2 -o finder train.rn >/dev/null
}

# size FILE: "WIDTH HEIGHT" of a PNG file
size() { perl -e 'local $/; open F, "<", $ARGV[0]; $_ = <F>; /^\x89PNG\r\n\x1a\n....IHDR(.{8})/s or die "no PNG"; print join(" ", unpack "NN", $1), "\n"' "$1"; }

# spots FOLDER: for each picture (798x481: a photo and a map, each pixel doubled) its name and the map's brightest place, row and
# column in the photo's pixels
spots() {
    rn-list --unlabeled "$1" > list.rn
    rn-batch --size 798 --resize 481 -b 1000 list.rn | rn-show --npy images > pixels.npy
    rn-show --tsv list.rn | tail -n +2 | cut -f1 | perl -e '
        chomp(my @names = <STDIN>);
        open F, "<:raw", "pixels.npy"; local $/; my $all = <F>;
        my $start = 10 + unpack("v", substr($all, 8, 2));
        for my $i (0 .. $#names) {
            my ($best, $n, $row, $column) = (-1);
            for my $y (0 .. 95) { for my $x (0 .. 95) {
                my @rgb = unpack("C3", substr($all, $start + (($i * 798 + 158 + 34 + 4 * $y) * 798 + 404 + 4 * $x) * 3, 3));
                my $light = 2 * $rgb[0] + 7 * $rgb[1] + $rgb[2];
                ($best, $n, $row, $column) = ($light, 0, 0, 0) if $light > $best;
                if ($light == $best) { $n++; $row += 2 * $y; $column += 2 * $x }
            } }
            printf "%s\t%.1f\t%.1f\n", $names[$i], $row / $n, $column / $n;
        }'
}

@test "the map points at what the network was trained to find" {
    finder=$BATS_FILE_TMPDIR/finder/last.rn
    rn-predict -m "$finder" -j 1 "$BATS_FILE_TMPDIR/test.rn" | rn-score --min 90
    rn-heatmap -m "$finder" -j 1 --alpha 1 --class square -o maps "$BATS_FILE_TMPDIR/test.rn"
    [ "$(size "$(ls -d maps/square/*.png | head -n 1)")" = "798 481" ]
    mv maps/square only
    spots only > spots
    [ "$(wc -l < spots)" = 20 ]
    # within the square, or half a cell of the map (16 pixels) beside it; the same against other pictures' squares: chance
    perl -ne '/^(\d+)-(\d+)-\S+\t(\S+)\t(\S+)/ or die; push @at, [$1 + 19.5, $2 + 19.5, $3, $4];
        END { for my $shift (0 .. $#at) { for my $i (0 .. $#at) {
                  my ($c, $h) = ($at[($i + $shift) % @at], $at[$i]);
                  $hits[$shift > 0]++ if abs($c->[0] - $h->[2]) <= 36 && abs($c->[1] - $h->[3]) <= 36;
              } }
              my ($there, $chance) = ($hits[0] / @at, $hits[1] / @at / $#at);
              print "at the square $there, elsewhere $chance\n";
              exit !($there >= 0.8 && $chance < 0.4) }' spots
}

@test "a picture for each photo, and an index" {
    lab=$BATS_FILE_TMPDIR/lab
    rn-heatmap -m "$lab/model/last.rn" -j 1 -o maps "$lab/val.rn"
    rn-predict -m "$lab/model/last.rn" -j 1 --tsv "$lab/val.rn" | tail -n +2 > verdicts
    cut -f1-4 verdicts | awk -F'\t' 'BEGIN { print "id\tlabel\tprediction\tconfidence\tpicture" } { print $0 "\t" $1 ".png" }' | diff - maps/index.tsv
    while IFS=$'\t' read -r id _; do
        [ "$(size "maps/$id.png")" = "$((30 + 2 * 224)) $((97 + 224))" ]
    done < verdicts
    [ "$(find maps -type f | wc -l)" = $(($(wc -l < verdicts) + 1)) ]
    # the photo is in the picture as it was seen: its first pixel, enlarged
    id=$(head -n 1 verdicts | cut -f1)
    rn-show --npy images "$lab/val.rn" | tail -c $((32 * 32 * 3 * $(wc -l < verdicts))) | head -c 3 > pixel
    mkdir one
    cp "maps/$id.png" one/
    rn-list --unlabeled one | rn-batch --size 478 --resize 321 | rn-show --npy images | tail -c $((478 * 478 * 3)) |
        tail -c +$(((78 + 34) * 478 * 3 + 10 * 3 + 1)) | head -c 3 | cmp - pixel
}

@test "side by side: three panels, two verdicts; each network has its own scale" {
    lab=$BATS_FILE_TMPDIR/lab
    rn-train -t none -j 1 -o plain "$lab/train.rn" >/dev/null
    rn-heatmap -m "$lab/model/last.rn" --side-by-side plain/last.rn -j 1 --kind feature -o maps "$lab/val.rn"
    paste <(rn-predict -m "$lab/model/last.rn" -j 1 --tsv "$lab/val.rn" | cut -f1-4) \
          <(rn-predict -m plain/last.rn -j 1 --tsv "$lab/val.rn" | cut -f3,4) | tail -n +2 > expected
    tail -n +2 maps/index.tsv | cut -f1-6 | diff expected -
    [ "$(head -n 1 maps/index.tsv)" = $'id\tlabel\tprediction\tconfidence\tprediction2\tconfidence2\tpicture' ]
    [ "$(size "maps/$(head -n 1 expected | cut -f1).png")" = "$((40 + 3 * 224)) $((97 + 224))" ]
}

@test "kinds, layers, classes and shares differ in what is drawn; jobs and batches do not" {
    finder=$BATS_FILE_TMPDIR/finder/last.rn test=$BATS_FILE_TMPDIR/test.rn
    squares eval 2 1 4 > four.rn
    picture() { rm -rf out && rn-heatmap -m "$finder" -o out "$@" four.rn && find out -name '*.png' | sort | xargs cat | cksum; }
    for args in "" "--class plain" "--kind feature" "--kind attention" "--kind feature --layer att" "--kind feature --layer layer1.0" \
            "--alpha 0.3"; do
        picture -j 1 $args >> sums
    done
    [ "$(sort -u sums | wc -l)" = 7 ]
    [ "$(picture -j 2)" = "$(head -n 1 sums)" ]
    # the same photos in a batch of forty's first place
    rn-heatmap -m "$finder" -o whole -j 1 "$test"
    for f in $(cd out && find . -name '*.png'); do cmp "out/$f" "whole/$f"; done
}

# batch ID...: an eval batch of 64x64 pictures with these ids, as a foreign program would write it
batch() {
    local ids=
    for id; do ids+="str('$id'),"; done
    stream 'head("batches", [], mode => str("eval"))' \
        "dict(epoch => num(0), index => num(0), ids => list($ids), labels => list((none) x $#), images => tensor('|u1', [$#, 64, 64, 3], 'x' x ($# * 12288)))" 'tail(1)'
}

@test "ids that lead out of the folder are refused, and twice the same picture" {
    finder=$BATS_FILE_TMPDIR/finder/last.rn
    mkdir safe
    for id in ../out a/../../out /tmp/out .. a/.. . '' a/ $'a\\x00b'; do
        batch good "${id//\'/}" > bad.rn
        [[ $id != *x00* ]] || batch good | perl -pe 's/\xa4good/\xa4g\0od/' > bad.rn
        fails 3 'is no name of a file below safe/maps' rn-heatmap -m "$finder" -j 1 -o safe/maps bad.rn
        [ "$(find . -name '*out*' | grep -cv fails.out)" = 0 ]
        [ ! -e safe/maps/index.tsv ]
        rm -rf safe/maps
    done
    fails 3 'a second photo for safe/maps/a/b.png' rn-heatmap -m "$finder" -j 1 -o safe/maps <(batch a/b ./a//b)
    rm -rf safe/maps
    batch ./x/y.jpg $'caf\xc3\xa9 <&> 1.jpg' ..a | rn-heatmap -m "$finder" -j 1 -o safe/maps
    [ -s safe/maps/x/y.jpg.png ] && [ -s "safe/maps/"$'caf\xc3\xa9 <&> 1.jpg.png' ] && [ -s safe/maps/..a.png ]
}

@test "a name that is too long, or has a link in its way: a line in the index, the rest is drawn, exit 1" {
    finder=$BATS_FILE_TMPDIR/finder/last.rn
    long=$(printf 'x%.0s' {1..250})jpg
    mkdir -p maps/real elsewhere
    ln -s ../elsewhere maps/linked
    ln -s "$PWD/elsewhere" maps/far
    : >maps/file
    ln -s ../../elsewhere/planted maps/real/a.png
    mkdir maps/folder.png
    rc=0; batch 1 "$long" linked/a far/a file/a real/a folder 2 | rn-heatmap -m "$finder" -j 1 -o maps 2>err || rc=$?
    [ $rc = 1 ]
    grep -qx 'rn-heatmap: 5 photos have no picture: error records (see maps/index.tsv)' err
    [ -s maps/1.png ]
    [ -s maps/2.png ]
    [ "$(ls elsewhere)" = "" ]
    [ -s maps/real/a.png ]
    [ ! -L maps/real/a.png ]
    [ "$(cut -f 3 maps/index.tsv | grep -c '^error: maps/')" = 5 ]
    grep -q "^$long"$'\t\terror: maps/xxx.*: File name too long\t\t$' maps/index.tsv
    grep -q $'^linked/a\t\terror: maps/linked/a.png: Too many levels of symbolic links\t\t$' maps/index.tsv
    grep -q $'^far/a\t\terror: maps/far/a.png: Too many' maps/index.tsv
    grep -q $'^file/a\t\terror: maps/file/a.png: Not a directory' maps/index.tsv
    grep -q $'^folder\t\terror: maps/folder.png: Is a directory' maps/index.tsv
    [ "$(find maps -name '.rn*' | wc -l)" = 0 ]
    # the index, too
    ln -sf ../elsewhere/index maps/index.tsv
    fails 3 'maps/index.tsv: a link' rn-heatmap -m "$finder" -j 1 -o maps <(batch 1)
    [ ! -e elsewhere/index ]
}

@test "error records are passed over: exit 1" {
    lab=$BATS_FILE_TMPDIR/lab rc=0
    cp -r "$lab/photos" .
    : > photos/glass/broken.jpg
    rn-list photos | rn-batch --for "$lab/model/last.rn" -k > some.rn 2>/dev/null || true
    rn-heatmap -m "$lab/model/last.rn" -j 1 -o maps some.rn 2>err || rc=$?
    [ $rc = 1 ]
    [ "$(cat err)" = "rn-heatmap: 1 photo has no picture: an error record (see maps/index.tsv)" ]
    grep -q $'^glass/broken.jpg\tglass\terror: .*\t\t$' maps/index.tsv
    [ "$(wc -l < maps/index.tsv)" = 14 ] && [ "$(find maps -name '*.png' | wc -l)" = 12 ]
}

@test "nothing, damage, and what does not fit" {
    lab=$BATS_FILE_TMPDIR/lab finder=$BATS_FILE_TMPDIR/finder/last.rn
    fails 3 'no bytes at all' rn-heatmap -m "$finder" -o maps </dev/null
    fails 3 'a stream of samples' rn-heatmap -m "$finder" -o maps "$lab/all.rn"
    fails 3 '' rn-heatmap -m "$finder" -o maps <(stream 'head("batches", ["glass"])' 'tail(0)')
    fails 3 'size 192.*size 32|size 32.*size 192' rn-heatmap -m "$finder" -o maps <(stream 'head("batches", ["plain"], input => dict(size => num(32), resize => num(32), mean => list((real(0.5)) x 3), std => list((real(0.25)) x 3)))' \
        'dict(epoch => num(0), index => num(0), ids => list(str("a")), labels => list(none), images => tensor("|u1", [1, 32, 32, 3], "x" x 3072))' 'tail(1)')
    fails 2 '-o DIR is needed' rn-heatmap -m "$finder"
    fails 2 'goes with --kind' rn-heatmap -m "$finder" -o none --layer att
    fails 2 'goes with --kind' rn-heatmap -m "$finder" -o none --kind feature --class square
    fails 2 "no class 'gold'" rn-heatmap -m "$finder" -o none --class gold
    fails 2 "no layer 'layer9'" rn-heatmap -m "$finder" -o none --kind feature --layer layer9
    fails 2 'not a map' rn-heatmap -m "$finder" -o none --kind feature --layer avgpool
    fails 2 'no attention module in layer4' rn-heatmap -m "$finder" -o none --kind attention --layer layer4
    fails 4 'absent.rn' rn-heatmap -m "$finder" --side-by-side absent.rn -o none
    fails 4 'fails.out' rn-heatmap -m "$finder" -o fails.out/maps <(batch a)
    [ ! -e none ]
    # an empty stream is no error
    stream 'head("batches", [])' 'tail(0)' | rn-heatmap -m "$finder" -o empty
    [ "$(cat empty/index.tsv)" = $'id\tlabel\tprediction\tconfidence\tpicture' ]
}

@test "numbers that are already normalised: the photo is got back" {
    finder=$BATS_FILE_TMPDIR/finder/last.rn
    # (102 / 255 - 0.5) / 0.25 = -0.4
    stream 'head("batches", [])' 'dict(epoch => num(0), index => num(0), ids => list(str("a")), labels => list(none),
        images => tensor("<f4", [1, 3, 64, 64], pack("f<*", (-0.4) x 12288)))' 'tail(1)' | rn-heatmap -m "$finder" -j 1 -o maps
    rn-list --unlabeled maps | rn-batch --size 542 --resize 353 | rn-show --npy images | tail -c +$(((94 + 100) * 542 * 3 + 128 + 60 * 3 + 1)) | head -c 3 > pixel
    [ "$(od -An -tu1 pixel | xargs)" = "102 102 102" ]
}

@test "pipelines/heatmaps: a page that shows every picture" {
    lab=$BATS_FILE_TMPDIR/lab rc=0 odd=$'a "b" <c> & caf\xc3\xa9 #1%.jpg'
    mkdir -p in/metal in/glass
    cp "$lab"/photos/metal/metal1.jpg in/metal/
    cp "$lab"/photos/glass/glass1.jpg "in/glass/$odd"
    : > in/glass/broken.jpg
    heatmaps in -m "$lab/model/last.rn" --kind feature -o out 2>err || rc=$?
    [ $rc = 1 ]
    [ -s "out/glass/$odd.png" ]
    [ -s out/metal/metal1.jpg.png ]
    [ "$(grep -c '<figure>' out/index.html)" = 2 ]
    # its links, decoded, are the pictures; it needs nothing else
    perl -ne 'while (/(?:src|href)="([^"]*)"/g) { $_ = $1; next if /^data:/; s/%(..)/chr hex $1/ge; print "$_\n" }' out/index.html | sort -u > links
    (cd out && find . -name '*.png' | sed 's/^..//' | sort) | diff - links
    ! grep -E '<script|https?:' out/index.html || false
    grep -qF 'a &quot;b&quot; &lt;c&gt; &amp; caf' out/index.html
    grep -q '<li>glass/broken.jpg: error: ' out/index.html
    [ "$(ls -A out)" = "$(printf '%s\n' glass index.html index.tsv metal)" ]
    # folders as classes
    heatmaps -l in/ -m "$lab/model/last.rn" --kind feature -o labeled 2>err || rc=$?
    [ $rc = 1 ]
    [ "$(sed -n 3p labeled/index.tsv | cut -f2)" = glass ]
    # an exit code is the largest of the tools'
    rc=0; heatmaps in -m none.rn -o fresh 2>err || rc=$?
    [ $rc = 4 ]
    [ ! -e fresh ]
    rc=0; heatmaps 2>err || rc=$?
    [ $rc = 2 ]
    heatmaps --help > help && grep -q side-by-side help
}

@test "the page in a browser: it shows the pictures, and the console stays empty" {
    command -v chromium >/dev/null || skip "chromium is not installed"
    lab=$BATS_FILE_TMPDIR/lab
    mkdir -p "in/a #1"
    cp "$lab"/photos/metal/metal1.jpg "in/a #1/50%.jpg"
    heatmaps in -m "$lab/model/last.rn" -o out
    timeout 120 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --window-size=700,800 \
        --enable-logging=stderr --screenshot="$PWD/page.png" "file://$PWD/out/index.html" >log 2>&1
    ! grep CONSOLE log || false
    # the map's colours are on the page: without the picture there is nothing but black and white
    mkdir shot
    mv page.png shot/
    rn-list --unlabeled shot | rn-batch --size 700 --resize 700 | rn-show --npy images | tail -c $((700 * 700 * 3)) |
        perl -e 'local $/; $_ = <STDIN>; my $n = 0; for my $i (0 .. length() / 3 - 1) { my ($r, $g, $b) = unpack("C3", substr($_, 3 * $i, 3)); $n++ if abs($r - $b) > 40 } exit !($n > 5000)'
}
