# What rn-batch --train draws: crops, flips, turns, recipes, balance, sizes that grow. Each follows from the seed, the epoch
# and the id alone: any -j, any place to go on from, and a run that was broken off gives the same bytes.
load common

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    draw photos 3 > /dev/null
    rm photos/trash/trash[23].jpg photos/metal/metal3.jpg
    rn-list photos -o samples.rn
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/." .; }

# Every option on its own, and many at once.
kinds() {
    cat <<'END'
--crop-scale 0.35,1
--crop-ratio 1,1
--drop-last
--flip v
--flip hv
--flip none
--rot90
--erase 0.5
--augment affine
--augment affine -p high
--balance class
--balance sqrt
--size 12:0,20:1
--mixup 0.4
--cutmix 1
--augment affine -p 0.7 --crop-scale 0.5,1 --flip hv --rot90 --erase 0.3 --balance class --size 12:0,16:2 --mixup 0.2 --cutmix 1
END
}

batches() { rn-batch --train -b 4 --epochs 3 -s 7 "$@" samples.rn; }
# size OPTIONS: --size 12 where they have none
size() { [[ "$*" == *--size* ]] || echo --size 12; }

# numbers FILE: its batches, a line each: place, ids, and the hash of their pictures
numbers() {
    rn-show --json --values "$1" | grep '^{"epoch"' > lines
    paste -d ' ' <(jq -c '[.epoch, .index, .ids, .labels, .images.shape]' lines) \
        <(perl -MDigest::MD5=md5_hex -ne 'print substr(md5_hex($_), 0, 12), "\n"' lines)
}

# photos_of FILE: each picture of the stream as "epoch id hash"
photos_of() {
    rn-show --json --values "$1" | jq -r 'select(.ids) | . as $r | ($r.images.shape[1:] | .[0] * .[1] * .[2]) as $n | range(.ids | length) as $i |
        "\(.epoch) \(.ids[$i]) \($r.images.values[$i * $n:($i + 1) * $n])"' |
        perl -MDigest::MD5=md5_hex -ne '/^(\S+ \S+) (.*)/ && print "$1 ", substr(md5_hex($2), 0, 12), "\n"'
}

@test "defaults are what they were, and any number of threads gives the same bytes" {
    batches --size 12 -o plain.rn
    batches --size 12 --crop-scale 0.08,1 --crop-ratio 0.75,1.3333333333333333 --flip h --erase 0 --balance none |
        cmp plain.rn -
    numbers plain.rn > plain
    while read -r options; do
        batches $(size $options) $options -j 1 -o one.rn
        for j in 2 5; do batches $(size $options) $options -j $j | cmp one.rn -; done
        # (these classes' roots are so alike that --balance sqrt changes nothing)
        [ "$options" = "--balance sqrt" ] || ! numbers one.rn | cmp -s plain - || { echo "$options: nothing differs"; return 1; }
        # the history says it
        name=${options%% *}
        rn-show --json one.rn | head -n 1 | jq -r '.history[-1].args[]' | grep -q -- "$name"
    done < <(kinds)
}

@test "--from: from each place on, the rest is what it was" {
    while read -r options; do
        batches $(size $options) $options -o whole.rn
        numbers whole.rn > whole
        last=$([ "$options" = --drop-last ] && echo 2 || echo 3) # of an epoch's batches
        for place in 0:0 0:1 1:$last 2:0 2:2; do
            batches $(size $options) $options --from $place -o rest.rn
            numbers rest.rn > rest
            [ -s rest ]
            tail -n "$(wc -l < rest)" whole | diff - rest
            head -n 1 rest | grep -q "^\[${place/:/,}," || { echo "$options: $place"; return 1; }
        done
    done < <(kinds)
}

@test "a run that is broken off anywhere goes on with all of these, and ends with the same bytes" {
    options=(--augment affine -p 0.7 --crop-scale 0.5,1 --flip hv --rot90 --erase 0.3 --balance class --size 32:0,40:2 --mixup 0.2
        --cutmix 1)
    batches "${options[@]}" -o whole.rn
    rn-train -a resnet20 -j 1 --lr 0.001 -o base whole.rn > /dev/null
    for part in 2 4 6; do
        head -c $(($(stat -c %s whole.rn) * part / 7)) whole.rn |
            rn-train -a resnet20 -j 1 --lr 0.001 --save-every 1 -o run > /dev/null 2>&1 || true
        place=$(rn-show --where run/last.rn)
        echo "$place" >> places
        rn-batch --train --resume run/last.rn samples.rn -o rest.rn
        batches "${options[@]}" --from $place | cmp - rest.rn
        rn-train -j 1 --resume run/last.rn -o run rest.rn > /dev/null
        cmp base/last.rn run/last.rn
        rm -r run
    done
    [ "$(sort -u places | wc -l)" = 3 ]
    # something else is an error, the same again is not
    rn-batch --train --resume base/last.rn --flip hv --augment affine --size 32:0,40:2 samples.rn > /dev/null
    fails 2 '--flip is not what base/last.rn was trained with: --flip=hv' \
        rn-batch --train --resume base/last.rn --flip v samples.rn
    fails 2 '--size is not what base/last.rn was trained with: --size=32:0,40:2' \
        rn-batch --train --resume base/last.rn --size 40 samples.rn
    # the network's size is the last one
    rn-batch --for base/last.rn samples.rn | rn-show | grep -q '^# input: size 40, resize 46'
    [ "$(rn-batch --for base/last.rn samples.rn | rn-predict -j 1 -m base/last.rn --tsv | wc -l)" = 16 ]
}

@test "killed in the middle of an epoch, with each of these: the checkpoint says what the rest is made of" {
    while read -r options; do
        rm -rf run pipe
        batches $options -o whole.rn
        batches $options --from 0:2 -o want.rn
        mkfifo pipe
        rn-train -a resnet20 -q -j 1 --lr 0.001 --save-every 2 -o run pipe > /dev/null 2> err &
        trainer=$!
        exec 7> pipe
        head -c $(($(stat -c %s whole.rn) - $(stat -c %s want.rn) + 2000)) whole.rn >&7
        for ((i = 0; i < 600; i++)); do
            [ ! -e run/last.rn ] || break
            sleep 0.05
        done
        kill -9 $trainer
        exec 7>&-
        wait $trainer || true
        [ "$(rn-show --where run/last.rn)" = 0:2 ] || { echo "$options"; cat err; return 1; }
        rn-batch --train --resume run/last.rn samples.rn | cmp - want.rn || { echo "$options"; return 1; }
    done <<'END'
--size 32 --crop-scale 0.35,1 --crop-ratio 1,1 --flip hv --rot90 --erase 0.5 --drop-last
--size 32:0,40:2 --augment affine -p high --balance class --flip none
--size 32 --mixup 0.4 --balance sqrt --flip v
--size 32 --cutmix 1 --augment affine
END
}

@test "--augment: the pixels of rn-augment, and others in the next epoch" {
    cat > square.json <<'END'
{"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [
 {"__class_fullname__": "Resize", "always_apply": true, "p": 1.0, "height": 24, "width": 24},
 {"__class_fullname__": "Rotate", "always_apply": false, "p": 0.7},
 {"__class_fullname__": "HueSaturationValue", "always_apply": false, "p": 0.7}]}}
END
    plain=(--crop-scale 1,1 --crop-ratio 1,1 --flip none --size 24)
    rn-batch --train -b 5 -s 7 --epochs 2 "${plain[@]}" --augment ./square.json samples.rn -o fly.rn
    rn-augment -r ./square.json -s 7 samples.rn | rn-batch --train -b 5 "${plain[@]}" -o made.rn
    photos_of fly.rn | sort > fly
    photos_of made.rn | sed 's/#square.1//' | sort > made
    grep '^0 ' fly | diff made -
    grep '^1 ' fly | sed 's/^1/0/' | comm -12 - made > same
    [ "$(wc -l < same)" -lt 8 ]
    cat > floats.json <<'END'
{"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [
 {"__class_fullname__": "Normalize", "always_apply": false, "p": 1.0}]}}
END
    fails 2 'gives floats' rn-batch --train --augment ./floats.json samples.rn
    fails 2 "says itself how probable" rn-batch --train --augment ./square.json -p 0.5 samples.rn
    fails 2 'probability' rn-batch --train --augment affine -p often samples.rn
    fails 2 'nosuch' rn-batch --train --augment nosuch samples.rn
    fails 3 '[a-z]*/[a-z]*[0-9].jpg: Random[A-Za-z]*: a crop of' rn-batch --train --augment basic -p 1 samples.rn -o out.rn
}

@test "--balance: an epoch is as long as it was, classes are seen alike or by their roots, all photos in turn" {
    # 3 3 2 3 3 1 photos
    seen() { numbers "$1" | sed 's/ [^ ]*$//' | jq -r '.[0] as $e | .[2][] | "\($e) \(split("/")[0])"' | sort | uniq -c | awk '{ print $2, $3, $1 }'; }
    rn-batch --train -b 4 --epochs 9 --size 8 --balance class samples.rn -o class.rn
    seen class.rn | awk '$3 < 2 || $3 > 3 { exit 1 } { n[$1] += $3 } END { for (e in n) if (n[e] != 15) exit 1; exit NR != 54 }'
    # 46 sqrt(9) / 16 = 8.6, 46 sqrt(1) / 16 = 2.9
    draw many 9 > /dev/null
    rm many/trash/trash[2-9].jpg
    rn-list many | rn-batch --train -b 4 --epochs 2 --size 8 --balance sqrt -o sqrt.rn
    seen sqrt.rn | awk '$2 == "trash" && $3 != 3 || $2 != "trash" && $3 != 8 && $3 != 9 { exit 1 } END { exit NR != 12 }'
    # trash has one photo: it comes again, with other crops
    rn-batch --train -b 4 --epochs 1 --size 8 --balance class samples.rn -o one.rn
    photos_of one.rn | grep trash > trash
    [ "$(wc -l < trash)" -ge 2 ]
    [ "$(sort -u trash | wc -l)" = "$(wc -l < trash)" ]
    # over the epochs every photo comes
    numbers class.rn | sed 's/ [^ ]*$//' | jq -r '.[2][]' | sort -u | wc -l | grep -x 15
    rn-show --json class.rn | head -n 1 | jq -c '[.batches_per_epoch, .class_counts]' | grep -x '\[4,\[3,3,2,3,3,1\]\]'
}

@test "--rot90, --flip, --erase are what they say" {
    # a photo of one size, whole: only turns and flips are left
    rn-list photos | rn-pick id=glass/glass1.jpg > one.rn
    whole=(--train -b 1 --epochs 40 --size 16 --crop-scale 1,1 --crop-ratio 1,1)
    kinds_of() { rn-batch "${whole[@]}" "$@" square.rn -o out.rn; photos_of out.rn | cut -d ' ' -f 3 | sort -u | wc -l; }
    cat > square.json <<'END'
{"__version__": "1.3.1", "transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [
 {"__class_fullname__": "Resize", "always_apply": true, "p": 1.0, "height": 16, "width": 16}]}}
END
    rn-augment -r ./square.json one.rn -o square.rn
    [ "$(kinds_of --flip none)" = 1 ]
    [ "$(kinds_of)" = 2 ]
    [ "$(kinds_of --flip v)" = 2 ]
    [ "$(kinds_of --flip hv)" = 4 ]
    [ "$(kinds_of --rot90 --flip none)" = 4 ]
    [ "$(kinds_of --rot90 --flip hv)" = 8 ]
    # half are erased, by the mean colour, from 2 to 33 percent and the edges' rounding
    rn-batch "${whole[@]}" --flip none square.rn --epochs 1 | rn-show --json --values | jq -c 'select(.ids) | .images.values' > plain
    rn-batch "${whole[@]}" --flip none --erase 0.5 square.rn | rn-show --json --values | jq -c 'select(.ids) | .images.values' > erased
    perl -e 'open F, "plain"; my @p = <F> =~ /\d+/g; open F, "erased"; my ($n, $most) = (0, 0);
        while (<F>) { my @e = /\d+/g; my $d = 0;
            for my $k (0 .. $#p / 3) { my @c = @e[3 * $k .. 3 * $k + 2]; next if "@c" eq "@p[3 * $k .. 3 * $k + 2]";
                "@c" eq "124 116 104" or die "@c"; $d++ }
            $n++ if $d; $most = $d if $d > $most }
        $n > 8 && $n < 32 && $most > 10 && $most < 0.45 * 256 or die "$n $most"'
}

# boxes OPTION...: "share ratio" of the crops of a picture whose red says x and whose green says y
boxes() {
    mkdir -p ramp/a
    perl -e 'print "P6 200 160 255\n"; for my $y (0 .. 159) { print pack "C3", $_, $y, 0 for 0 .. 199 }' > ramp/a/ramp.ppm
    rn-list ramp | rn-batch --train -b 1 --epochs 200 --size 20 --flip none "$@" | rn-show --json --values |
        jq -r 'select(.ids) | .images.values | [.[0], .[57], .[1], .[1141]] | @tsv' |
        awk '{ w = ($2 - $1) * 20 / 19; h = ($4 - $3) * 20 / 19; print w * h / 32000, w / h }'
}

@test "--crop-scale, --crop-ratio: crops have the areas and shapes that were asked for, all of them" {
    within() { # LOW HIGH RATIO-LOW RATIO-HIGH MEAN-SHARE, of boxes, but for the rounding of edges
        awk -v a="$1" -v b="$2" -v c="$3" -v d="$4" -v m="$5" '
            { s += $1; if ($1 < least || NR == 1) least = $1; if ($1 > most) most = $1
              if ($2 < flat || NR == 1) flat = $2; if ($2 > wide) wide = $2 }
            function far(x, y, by) { return x < y - by || x > y + by }
            END { if (NR != 200 || far(least, a, 0.03) || far(most, b, 0.08) || far(flat, c, 0.06) || far(wide, d, 0.08) || far(s / NR, m, 0.04)) {
                print NR, least, most, flat, wide, s / NR; exit 1 } }'
    }
    # the means are those of 20,000 boxes of torchvision: the largest areas do not fit in every shape
    boxes | within 0.08 1 0.75 1.3333 0.452
    boxes --crop-scale 0.35,1 | within 0.35 1 0.75 1.3333 0.598
    boxes --crop-scale 0.2,0.4 --crop-ratio 0.5,2 | within 0.2 0.4 0.5 2 0.3
    boxes --crop-scale 0.3,0.3 --crop-ratio 1,1 | within 0.3 0.3 1 1 0.3
}

# mixed FILE PLAIN: every picture of the mixed stream is made of two of the plain one by its targets; says how
mixed() {
    rn-show --json --values "$1" | jq -c 'select(.ids) | [.labels, .targets.values, .images.values]' > soft
    rn-show --json --values "$2" | jq -c 'select(.ids) | [.labels, [], .images.values]' > hard
    perl -e 'use strict; my $classes = 6; open my $s, "soft"; open my $h, "hard"; my %seen;
        while (my $x = <$s>) {
            my ($l, $t, $p) = map { [split /,/] } $x =~ /\[([^][]*)\]/g; my ($hl, undef, $q) = map { [split /,/] } <$h> =~ /\[([^][]*)\]/g;
            my $n = @$hl; my $one = @$q / $n;
            for my $i (0 .. $n - 1) {
                my $j = ($i - 1) % $n; my @t = @$t[$i * $classes .. ($i + 1) * $classes - 1]; my ($a, $b) = @$hl[$i, $j];
                my $sum = 0; $sum += $_ for @t; abs($sum - 1) < 1e-5 or die "sum $sum";
                for my $k (0 .. $classes - 1) { $t[$k] == 0 || $k == $a || $k == $b or die "a class that is not there" }
                next if $a == $b;
                my $share = $t[$a]; $l->[$i] == ($share >= 0.5 ? $a : $b) or die "label";
                my ($blend, $paste, $pasted) = (1, 1, 0);
                for my $k (0 .. $one - 1) {
                    my ($y, $u, $v) = ($p->[$i * $one + $k], $q->[$i * $one + $k], $q->[$j * $one + $k]);
                    $blend = 0 if abs($y - $share * $u - (1 - $share) * $v) > 0.51;
                    $paste = 0 if $y != $u && $y != $v; $pasted++ if $y != $u }
                $paste = 0 if $pasted / $one > 1 - $share + 1e-6;
                $blend || $paste or die "neither"; $seen{$blend ? "blend" : "paste"}++ if $blend != $paste } }
        print join(" ", sort keys %seen), "\n"'
}

@test "--mixup, --cutmix: pictures are mixed as their targets say, in a stream of version 2" {
    batches --size 12 -o plain.rn
    batches --size 12 --mixup 0.8 -o soft.rn
    mixed soft.rn plain.rn | grep -x blend
    batches --size 12 --cutmix 1 -o soft.rn
    mixed soft.rn plain.rn | grep -x paste
    batches --size 12 --cutmix 1 --mixup 0.8 -o soft.rn
    mixed soft.rn plain.rn | grep -x 'blend paste'
    rn-show --json soft.rn | head -n 1 | jq .version | grep -x 2
    rn-show --json plain.rn | head -n 1 | jq .version | grep -x 1
    rn-pick index!=0 soft.rn | rn-show --json | grep '"ids"' | jq -c '.targets.shape' | grep -q '^\[4,6\]$'
    rn-show soft.rn | head -n 1 | grep 'soft targets'
    # mixed with itself alone, a photo stays what it is
    rn-batch --train -b 1 --size 12 --mixup 1 samples.rn -o one.rn
    rn-batch --train -b 1 --size 12 samples.rn -o alone.rn
    cmp <(rn-show --json one.rn | jq -c 'select(.ids) | .images') <(rn-show --json alone.rn | jq -c 'select(.ids) | .images')
    # ... and teaches what it taught
    for kind in "" "--mixup 1"; do
        rn-batch --train -b 1 --size 40 $kind samples.rn | rn-train -a resnet20 -j 1 --lr 1e-4 --overwrite -o run > /dev/null
        cut -f 1-4 run/log.tsv > "log$kind"
    done
    cmp log "log--mixup 1"
    cp -L photos/glass/glass1.jpg x.jpg
    echo x.jpg | rn-list --unlabeled --files-from - -o nobody.rn
    fails 3 "'x.jpg' has no label: it cannot be mixed" rn-batch --train --size 12 --mixup 1 nobody.rn -o out.rn
}

@test "nonsense is refused" {
    while IFS='|' read -r pattern options; do
        fails 2 "$pattern" rn-batch $options samples.rn -o out.rn
        [ ! -e out.rn ]
    done <<'END'
--flip needs --train|--flip v
--rot90 needs --train|--rot90
--erase needs --train|--erase 0.5
--augment needs --train|--augment affine
--balance needs --train|--balance class
--crop-scale needs --train|--crop-scale 0.5,1
--crop-ratio needs --train|--crop-ratio 1,1
it needs --augment|--train -p high
crop-scale|--train --crop-scale 0,1
crop-scale|--train --crop-scale 0.5
crop-scale|--train --crop-scale 1,0.5
crop-scale|--train --crop-scale 0.5,1.5
crop-ratio|--train --crop-ratio 0,1
flip|--train --flip vh
erase|--train --erase 1.5
balance|--train --balance even
mixup|--train --mixup -1
cutmix|--train --cutmix x
--mixup needs --train|--mixup 0.2
--cutmix needs --train|--cutmix 1
--size|--train --size 24:1
--size|--train --size 24:0,32
--size|--train --size 24:0,32:0
--size|--train --size 24:0,
--size|--train --size 24,32
--size|--train --size 0:0
--size|--train --size 24:-1
grow with --train only|--size 24:0,32:1
END
}
