# Evaluation in several views, of whole frames, and by ensembles: rn-batch --views, --whole; rn-predict; rn-score --mean.
load common

# besides the lab's, a model that has learned so little that it is sure of nothing
setup_file() {
    lab "$BATS_FILE_TMPDIR/lab"
    cd "$BATS_FILE_TMPDIR/lab"
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 3 |
        rn-train -a resnet20 -t ours --lr 1e-5 -j 1 -o soft > /dev/null
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/lab/." .; }

predict() { rn-predict -j "${jobs:-1}" -m soft/last.rn "$@"; }

# pixels N FILE: the bytes of record N's images
pixels() { rn-pick --skip $(($1 - 1)) --head 1 "$2" | rn-show --npy images | tail -c +129; }

@test "every view, whole frames too: the same predictions for any --batch and -j, one a photo, in the photos' order" {
    rn-list photos > list.rn
    rn-show --tsv list.rn | tail -n +2 | cut -f 1 > ids
    [ "$(wc -l < ids)" -gt 8 ]
    for options in "--views one" "--views flip" "--views dihedral" "--views five" "--views scales" --whole \
            "--whole --views flip" "--whole --views dihedral" "--whole --views scales"; do
        rn-batch --for soft/last.rn $options -b 1 -j 1 list.rn | predict --tsv > want
        tail -n +2 want | cut -f 1 | diff ids -
        for b in 2 5 16; do
            rn-batch --for soft/last.rn $options -b $b -j $b list.rn -o batches.rn
            jobs=2 predict --tsv batches.rn | cmp want -
        done
        rn-show --json batches.rn | head -n 1 | jq -r '.history[-1].args | join(" ")' | grep -e "${options##* }" || [ "$options" = "--views one" ]
        cp want "table ${options// /}"
    done
    # they are different views
    [ "$(md5sum table* | cut -d ' ' -f 1 | sort -u | wc -l)" = 9 ]
    rn-batch --size 32 list.rn | cmp - <(rn-batch --size 32 --views one list.rn)
}

@test "the views are what they are called" {
    rn-list photos | rn-pick --head 1 > one.rn
    rn-batch --size 32 one.rn -o plain.rn
    rn-batch --size 32 --views dihedral one.rn -o dihedral.rn
    pixels 1 plain.rn > want
    pixels 1 dihedral.rn | cmp want -
    for v in 1 2 3 4 5 6 7; do
        perl -e 'local $/; my $x = <>; my ($v, $n) = ('$v', 32);
            for my $r (0 .. $n - 1) { for my $k (0 .. $n - 1) { my ($y, $c) = ($r, $v % 2 ? $n - 1 - $k : $k);
                ($y, $c) = ($c, $n - 1 - $y) for 1 .. $v >> 1; print substr $x, ($y * $n + $c) * 3, 3 } }' want > turned
        pixels $((v + 1)) dihedral.rn | cmp turned -
    done
    # the corners lie in the whole frame, the middle is the usual crop
    rn-batch --size 32 --views five one.rn -o five.rn
    pixels 5 five.rn | cmp want -
    rn-batch --size 32 --whole one.rn -o whole.rn
    rn-show whole.rn | sed -n 's/^0:0\tu8 \[1,\([0-9]*\),\([0-9]*\),3\].*/\1 \2/p' > size
    read -r height width < size
    [ "$height" = 37 ] || [ "$width" = 37 ]
    pixels 1 whole.rn > frame
    for v in 0 1 2 3; do
        perl -e 'local $/; my $x = <>; my ($v, $h, $w, $n) = ('$v', '$height', '$width', 32);
            print substr $x, ((($v >> 1) * ($h - $n) + $_) * $w + $v % 2 * ($w - $n)) * 3, $n * 3 for 0 .. $n - 1' frame > corner
        pixels $((v + 1)) five.rn | cmp corner -
    done
    rn-batch --size 224 --views scales one.rn | rn-show | sed -n 's/.*u8 \[1,\([0-9]*\),.*/\1/p' | diff <(printf '%s\n' 192 224 256) -
    rn-show whole.rn | head -n 1 | grep -x '# batches: eval, batch 16, epoch 0, any size'
    rn-show five.rn | head -n 1 | grep -x '# batches: eval, batch 16, epoch 0, views 5'
}

# colours MORE RECORD...: a foreign stream of eval batches whose pictures have one colour each
colours() {
    local more=$1
    shift
    stream "head('batches', ['cardboard', 'glass', 'metal', 'paper', 'plastic', 'trash'], mode => str('eval')$more)" "$@" "tail($#)"
}
record() { # COLOUR ID
    echo "dict(epoch => num(0), index => num(0), ids => list(str('$2')), labels => list(none()),
        images => tensor('|u1', [1, 32, 32, 3], chr($1) x 3072))"
}

@test "a photo's probabilities are the mean of its views', in whatever order they come" {
    colours '' "$(record 10 a)" "$(record 200 b)" "$(record 90 c)" "$(record 250 d)" | predict --tsv | tail -n +2 > single
    colours ', views => num(2)' "$(record 10 x)" "$(record 200 y)" "$(record 90 y)" "$(record 250 x)" | predict --tsv | tail -n +2 > views
    cut -f 1 views | diff <(printf '%s\n' y x) -
    paste <(awk -F'\t' '{ for (k = 5; k <= 10; k++) v[$1, k] = $k }
        END { for (k = 5; k <= 10; k++) print (v["b", k] + v["c", k]) / 2, (v["a", k] + v["d", k]) / 2 }' OFS='\t' CONVFMT=%.9g single) \
        <(awk -F'\t' '{ for (k = 5; k <= 10; k++) v[$1, k] = $k } END { for (k = 5; k <= 10; k++) print v["y", k], v["x", k] }' OFS='\t' views) |
        awk -F'\t' '{ for (k = 1; k < 3; k++) { d = $k - $(k + 2); if (d < 0) d = -d; if (!(d < 1e-6)) exit 1 } } END { exit NR != 6 }'
    colours ', views => num(2)' "$(record 10 x)" > few.rn
    fails 3 "'x' has fewer than the 2 views" predict few.rn -o out.rn
    colours ', views => num(2)' "$(record 1 x)" "$(record 1 y)" "$(record 2 x)" "$(record 3 x)" > many.rn
    fails 3 "'x' has more than the 2 views" predict many.rn -o out.rn
    colours ', views => num(1)' "$(record 1 x)" > one.rn
    fails 3 '"views"' predict one.rn
    colours ', any_size => num(1)' "$(record 1 x)" > any.rn
    fails 3 '"any_size" is neither true nor false' predict any.rn
    # who looks at one picture at a time does not take a photo for several
    rn-list photos | rn-pick --head 2 | rn-batch --for soft/last.rn --views flip -o flip.rn
    rc=0; rn-train -a resnet20 -j 1 -o run --val flip.rn train.rn > out 2> err || rc=$?
    [ $rc = 3 ]
    grep 'flip.rn: the stream has 2 views of each photo' err
    [ ! -e run/last.rn ]
    fails 3 '2 views of each photo' rn-heatmap -m model/last.rn -o maps flip.rn
}

@test "a photo that fails is one error record, whatever the views; nonsense is refused" {
    mkdir p
    cp photos/glass/*.jpg p
    : > p/broken.jpg
    rn-list --unlabeled p > list.rn
    rc=0; rn-batch -k --for soft/last.rn --views dihedral --whole -b 2 list.rn -o b.rn 2> err || rc=$?
    [ $rc = 1 ]
    grep -x 'rn-batch: error records made: 1 (.*)' err
    rc=0; predict --tsv b.rn > table || rc=$?
    [ $rc = 1 ]
    [ "$(wc -l < table)" = "$(($(ls p | wc -l) + 1))" ]
    [ "$(grep -c '^broken.jpg' table)" = 1 ]
    fails 2 '--views does not go with --train' rn-batch --train --views flip list.rn
    fails 2 '--whole does not go with --train' rn-batch --train --whole list.rn
    fails 2 '--views five are crops' rn-batch --whole --views five list.rn
    fails 2 'crops of 32 do not lie in photos scaled to 20' rn-batch --size 32 --resize 20 --views five list.rn
    fails 2 'views' rn-batch --views six list.rn
    rn-list photos | rn-pick --head 1 | rn-augment -r affine -o pixels.rn
    fails 3 'a whole frame of .* is more than the 900 pixels' rn-batch --whole --max-pixels 900 --size 32 pixels.rn -o out.rn
}

@test "rn-score --mean: an ensemble is scored by the mean of its networks' probabilities, by id and class name" {
    two() { # ID PROBS: of classes a and b
        echo "dict(id => str('$1'), label => num($2), probs => tensor('<f4', [2], pack('f<2', $3)))"
    }
    stream 'head("predictions", ["a", "b"])' "$(two x 0 '0.9, 0.1')" "$(two y 1 '0.6, 0.4')" "$(two z 1 '0.2, 0.8')" 'tail(3)' > one.rn
    # the classes in another order, the photos too
    stream 'head("predictions", ["b", "a"])' "$(two y 0 '0.7, 0.3')" "$(two z 0 '0.3, 0.7')" "$(two x 1 '0.2, 0.8')" 'tail(3)' > two.rn
    rn-score --mean --json one.rn two.rn > mean
    # x .85, y b .55, z b .55
    jq -e '.n == 3 and .acc1 == 100 and .confusion == [[1, 0], [0, 2]]' mean
    jq -e '(.log_loss - (-(0.85 | log) - 2 * (0.55 | log)) / 3) | fabs < 1e-7' mean
    rn-score --json one.rn | jq -e '.acc1 < 67'
    rn-score --mean --compare one.rn --json one.rn two.rn | jq -e '.compare.b == 1 or .mcnemar.b == 1 or (tostring | contains("\"b\":1"))'
    rn-score --mean one.rn one.rn | diff <(rn-score one.rn) -
    rn-pick id!=y two.rn > short.rn
    fails 3 "'y' is not in short.rn" rn-score --mean one.rn short.rn
    fails 3 "'y' is only in two.rn" rn-score --mean <(cat short.rn) two.rn
    fails 2 'two files of predictions' rn-score --mean one.rn
    fails 2 'two files of predictions' rn-score --mean
    stream 'head("predictions", ["a", "b"])' "$(two x 1 '0.9, 0.1')" "$(two y 1 '0.6, 0.4')" "$(two z 1 '0.2, 0.8')" 'tail(3)' > other.rn
    fails 3 "'x' has another label" rn-score --mean one.rn other.rn
    stream 'head("predictions", ["a", "b"])' 'dict(id => str("x"), label => num(0), split => none(), error => str("no"))' \
        "$(two y 1 '0.6, 0.4')" "$(two z 1 '0.2, 0.8')" 'tail(3)' > failed.rn
    rc=0; rn-score --mean --json one.rn failed.rn > out || rc=$?
    [ $rc = 1 ] && jq -e '.n == 2 and .errors == 1' out
}
