# rn-score: reports, joined segments, errors, exit codes. The streams are written here, by hand, as a foreign writer would.
load common

# predictions CLASS...: a segment of predictions from lines "id label p p ..." on standard input; label "-": nil; "id label !text":
# an error record. Perl, because it is on every Debian machine and packs bytes.
predictions() {
    perl -e '
        sub text { my $n = length $_[0]; $n < 32 ? chr(0xa0 | $n) . $_[0] : "\xd9" . chr($n) . $_[0] }
        sub list { "\xdc" . pack("n", scalar @_) . join("", @_) }
        sub map_ { my $n = @_ / 2; chr(0x80 | $n) . join("", @_) }
        sub bin  { "\xc4" . chr(length $_[0]) . $_[0] }
        binmode STDOUT;
        my ($n, @classes) = (0, @ARGV);
        print map_(text("rn"), text("predictions"), text("version"), "\x01", text("classes"), list(map { text($_) } @classes));
        while (<STDIN>) {
            chomp;
            my ($id, $label, @p) = split / /;
            my @start = (text("id"), text($id), text("label"), $label eq "-" ? "\xc0" : chr $label);
            $n++;
            if ($p[0] =~ /^!/) { print map_(@start, text("split"), "\xc0", text("error"), text(substr "@p", 1)); next }
            print map_(@start, text("probs"), map_(bin("nd"), "\xc3", bin("type"), text("<f4"), bin("kind"), bin(""),
                                                   bin("shape"), list(chr scalar @p), bin("data"), bin(pack "f<*", @p)));
        }
        print map_(text("rn"), text("end"), text("records"), "\xcd" . pack("n", $n));
    ' "$@"
}

# four of five right
some() {
    predictions glass paper metal <<'END'
a/1 0 .8 .1 .1
a/2 0 .6 .3 .1
b/1 1 .2 .7 .1
b/2 1 .5 .4 .1
c/1 2 .1 .1 .8
END
}

@test "json: the keys of the contract, in order" {
    some | rn-score --json > out
    [ "$(wc -l < out)" = 1 ]
    [ "$(jq -r 'keys_unsorted | join(" ")' out)" = "n errors acc1 acc2 balanced_accuracy macro_f1 weighted_f1 cohen_kappa mcc log_loss ece15 precision recall f1 support confusion acc1_interval" ]
    [ "$(jq -c '[.n, .errors, .acc1, .acc2, .support, .confusion]' out)" = '[5,0,80,100,[2,2,1],[[2,0,0],[1,1,0],[0,0,1]]]' ]
    jq -e '(.balanced_accuracy - 250/3 | fabs) < 1e-9 and (.macro_f1 - (0.8 + 2/3 + 1)/3 | fabs) < 1e-9' out
    jq -e '(.log_loss - (-(0.8|log) - (0.6|log) - (0.7|log) - (0.4|log) - (0.8|log))/5 | fabs) < 1e-6' out
    jq -e '(.acc1_interval[0] - 37.553 | fabs) < 1e-3 and (.acc1_interval[1] - 96.377 | fabs) < 1e-3' out
}

@test "--pool: runs of the same photos have a mean, a deviation and an interval over runs and photos" {
    some > one.rn
    # the second run has one more right
    predictions glass paper metal > two.rn <<'END'
c/1 2 .1 .1 .8
b/2 1 .3 .6 .1
b/1 1 .2 .7 .1
a/2 0 .6 .3 .1
a/1 0 .8 .1 .1
END
    rn-score --pool --json one.rn two.rn > out
    jq -e '.runs | .acc1 == [80, 100] and .mean == 90 and (.deviation - 14.1421356 | fabs) < 1e-6 and .interval[0] < 80 and .interval[1] == 100' out
    rn-score --pool --json two.rn one.rn | jq -e --slurpfile a out '.runs.interval == $a[0].runs.interval'
    rn-score --pool one.rn two.rn | grep -qE '^their mean Acc@1 +90.00 %   .95 % over runs and photos: [0-9.]+ to 100.00.$'
    [ "$(rn-score --pool --tsv one.rn two.rn | grep -c '^runs_')" = 6 ]
    # of other photos there is nothing to say of runs
    some | rn-pick --head 3 > other.rn
    rn-score --pool --json one.rn other.rn | jq -e '.runs == null and .n == 8'
}

@test "--fit-temperature: the temperature, and what log loss and ECE are with it" {
    some > p.rn
    rn-score --fit-temperature --json p.rn > out
    # every temperature, one after the other, by the definition
    best=$(perl -e '
        @p = ([0, .8, .1, .1], [0, .6, .3, .1], [1, .2, .7, .1], [1, .5, .4, .1], [2, .1, .1, .8]);
        for ($t = 0.1; $t < 5; $t += 0.0005) {
            $loss = 0;
            for (@p) { ($l, @q) = @$_; $s = 0; $s += $_ ** (1 / $t) for @q; $loss -= log($q[$l] ** (1 / $t) / $s) / @p }
            ($best, $least) = ($t, $loss) if !defined $least || $loss < $least;
        }
        print "$best $least"')
    jq -e --arg best "${best% *}" --arg least "${best#* }" '.temperature | (.value - ($best | tonumber) | fabs) < 0.002 and (.log_loss - ($least | tonumber) | fabs) < 1e-6' out
    [ "$(rn-score --fit-temperature p.rn | tail -n 3 | sed 's/ *[0-9.]*$//' | paste -sd,)" = 'temperature,log loss with it,ECE with it' ]
    [ "$(rn-score --fit-temperature --tsv p.rn | grep -c ^temperature)" = 3 ]
    # all right: the surer the better
    some | rn-pick id=a/1 id=a/2 > right.rn
    fails 3 'no temperature fits best: .*every photo is right' rn-score --fit-temperature right.rn
    # without it nothing is new
    [ "$(rn-score --json p.rn | jq -r 'keys_unsorted | last')" = acc1_interval ]
}

@test "--looks: each scoring of other predictions is a line, before the score is shown" {
    some > one.rn
    some > same.rn
    rn-score --looks log one.rn | tail -n 1 | grep -qx 'looks so far              1   (log)'
    rn-score --looks log --json same.rn | jq -e '.looks == 1'
    predictions glass paper metal > two.rn <<'END'
c/1 2 .1 .1 .8
b/2 1 .3 .6 .1
b/1 1 .2 .7 .1
a/2 0 .6 .3 .1
a/1 0 !gone
END
    rc=0; rn-score --looks log --json two.rn > out || rc=$?
    [ $rc = 1 ]
    jq -e '.looks == 2' out
    # other photos are counted by themselves
    rn-pick --head 3 one.rn | rn-score --looks log --tsv | grep -qx $'looks\t1'
    [ "$(head -n 1 log)" = $'time\tphotos\tn\terrors\tacc1\tpredictions\tmade_by' ]
    [ "$(sed 1d log | cut -f 3-5 | paste -sd' ')" = $'5\t0\t80.00 4\t1\t100.00 3\t0\t100.00' ]
    [ "$(sed 1d log | cut -f 7 | paste -sd,)" = ",,rn-pick --head=3" ]
    ! sed 1d log | cut -f 1 | grep -vE '^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9](:[0-5][0-9]){2}Z$' || false
    # each file of a pool is a look, and the other side of a comparison, too
    rm log
    predictions glass paper metal > three.rn <<'END'
a/1 0 .8 .1 .1
a/2 0 .6 .3 .1
b/1 1 .1 .8 .1
b/2 1 .5 .4 .1
c/1 2 .1 .1 .8
END
    rn-score --pool --looks log --json one.rn three.rn | jq -e '.looks == 2'
    rm log
    rn-score --compare three.rn --looks log --json one.rn > /dev/null
    [ "$(wc -l < log)" = 3 ]
    # many at once: no line is lost
    rm log
    for i in {1..8}; do predictions glass paper metal <<< "a/1 0 .8 .1 .0$i" > p$i.rn; done
    for i in {1..8}; do rn-score --looks log p$i.rn > /dev/null & done
    wait
    [ "$(wc -l < log)" = 9 ]
    # no line, no score
    echo hello > other
    fails 3 '^rn-score: --looks: other: not a log of looks' rn-score --looks other one.rn
    fails 4 '^rn-score: --looks: none/log: No such file' rn-score --looks none/log one.rn
    fails 4 '^rn-score: --looks: /dev/full: ' rn-score --looks /dev/full one.rn
    [ "$(cat other)" = hello ]
}

@test "--pool: each file is a run of its own; --published: a difference and its p" {
    some > one.rn
    some > two.rn
    fails 3 "a/1" rn-score one.rn two.rn
    rn-score --pool --json --published 90,431 one.rn two.rn > out
    jq -e '.n == 10 and .acc1 == 80 and .support == [4, 4, 2]' out
    # two proportions, 8 of 10 and 387.9 of 431: z = -1.032
    jq -e '.published | .acc1 == 90 and .n == 431 and .difference == -10 and (.p - 0.3022 | fabs) < 5e-4' out
    rn-score --published 90,431 one.rn | tail -n 3 | diff - <(printf '%s\n' \
        'published Acc@1       90.00 %   (of 431)' 'difference           -10.00' 'its p                0.4609')
    rn-score --tsv --published 90,431 one.rn | tail -n 4 | cut -f 1 | paste -sd' ' | grep -qx 'published_acc1 published_n published_difference published_p'
    [ "$(rn-score --pool --json one.rn | jq -c .)" = "$(rn-score --json one.rn | jq -c .)" ]
    fails 2 "FILE... is missing" rn-score --pool
    fails 2 "pool and --compare exclude" rn-score --pool --compare two.rn one.rn
    for bad in 101,5 50,0.5 50,0 50 x,3; do fails 2 "published" rn-score --published $bad one.rn; done
}

@test "tsv: a header, then metric and value; awkward class names are escaped" {
    some | rn-score --tsv > out
    [ "$(head -n 1 out)" = "metric	value" ]
    [ "$(awk -F'\t' 'NF != 2' out | wc -l)" = 0 ]
    grep -qx 'acc1	80' out
    grep -qx 'precision/metal	1' out
    grep -qx 'confusion/paper/glass	1' out
    [ "$(wc -l < out)" = $((1 + 2 + 9 + 3 * 4 + 9 + 2)) ]
    predictions $'tab\there' b <<< 'x 0 .9 .1' | rn-score --tsv | grep -qxF 'support/tab\there	1'
}

@test "text: numbers and the confusion matrix with names" {
    some | rn-score > out
    grep -qE '^predictions +5$' out
    grep -qE '^Acc@1 +80.00 % +\(95 %: 37.55 to 96.38\)$' out
    grep -qE '^paper +1 +1 +0$' out
    grep -qE '^paper +1.0000 +0.5000 +0.6667 +2$' out
}

@test "segments are joined: classes by name, in any order, and more of them" {
    { predictions glass paper <<< 'x 1 .3 .7'; predictions metal glass <<< $'y 0 .6 .4\nz 1 .9 .1'; } > two.rn
    [ "$(rn-score --json two.rn | jq -c '[.n, .support, .confusion]')" = '[3,[1,1,1],[[0,0,1],[0,1,0],[0,0,1]]]' ]
    predictions glass paper <<< 'x 1 .3 .7' > one.rn
    predictions metal glass <<< $'y 0 .6 .4\nz 1 .9 .1' > other.rn
    cmp <(rn-score one.rn other.rn) <(rn-score two.rn)
}

@test "error records are counted, and the exit is 1" {
    predictions a b <<< $'x 0 .9 .1\ny 1 !cannot decode\nz - !gone' > e.rn
    run rn-score --json e.rn
    [ $status = 1 ]
    [ "$(jq -c '[.n, .errors, .acc1]' <<< "$output")" = '[1,2,100]' ]
    predictions a b <<< 'y 1 !cannot decode' > only.rn
    run rn-score --json only.rn
    [ $status = 1 ]
    jq -e '.n == 0 and .errors == 1 and .acc1 == 0 and ([.. | numbers | select(isnan or isinfinite)] | length) == 0' <<< "$output"
}

@test "--min decides the exit" {
    some > s.rn
    rn-score --min 80 s.rn
    run rn-score --min 80.01 s.rn
    [ $status = 1 ]
    [ "${lines[0]}" = "predictions               5" ]
    run rn-score --min 101 s.rn
    [ $status = 2 ]
}

@test "--compare: McNemar over the same ids, whatever their order and class order" {
    for i in $(seq 20); do echo "p$i 0 .9 .1"; done | predictions cat dog > a.rn
    for i in $(seq 20 -1 1); do [ $i -le 14 ] && echo "p$i 1 .8 .2" || echo "p$i 1 .2 .8"; done | predictions dog cat > b.rn
    rn-score --json --compare b.rn a.rn | jq -e '.compare | [.acc1, .n, .b, .c] == [30, 20, 14, 0] and (.p - 1/8192 | fabs) < 1e-12'
    rn-score --json --compare - b.rn < a.rn | jq -e '.compare | [.acc1, .n, .b, .c] == [100, 20, 0, 14] and (.p - 1/8192 | fabs) < 1e-12'
    rn-score --tsv --compare b.rn a.rn | grep -qx 'compare_b	14'
    rn-score --compare b.rn a.rn | grep -qE "^McNemar's p +0.0001221$"
}

@test "--compare refuses other ids and other labels" {
    predictions a b <<< $'x 0 .9 .1\ny 1 .9 .1' > a.rn
    predictions a b <<< 'x 0 .9 .1' > fewer.rn
    predictions a b <<< $'x 0 .9 .1\ny 0 .9 .1' > label.rn
    run rn-score --compare fewer.rn a.rn
    [ $status = 3 ]
    [ "$output" = "rn-score: --compare fewer.rn: 'y' is only in the first of the two" ]
    run rn-score --compare label.rn a.rn
    [ $status = 3 ]
    [ "$output" = "rn-score: --compare label.rn: 'y' has another label in the second of the two" ]
    run rn-score --compare - < a.rn
    [ $status = 2 ]
    run rn-score --compare none.rn a.rn
    [ $status = 4 ]
}

@test "bad data: exit 3, one line, nothing on standard output" {
    predictions a b <<< $'x 0 .9 .1\ny - .9 .1' > unlabelled.rn
    predictions a b <<< $'x 0 .9 .1\nx 0 .9 .1' > twice.rn
    predictions a b <<< 'x 0 nan .1' > nan.rn
    predictions a b <<< 'x 0 0 0' > zeros.rn
    predictions a b <<< 'x 0 -1 2' > negative.rn
    predictions a b <<< 'x 0 .9' > short.rn
    predictions a b <<< 'x 2 .9 .1' > label.rn
    predictions a b < /dev/null > none.rn
    some | head -c -3 > cut.rn
    : > empty.rn
    for f in *.rn; do
        run rn-score -o out "$f"
        [ $status = 3 ] || { echo "$f: $status $output"; false; }
        [ ${#lines[@]} = 1 ]
        [[ $output == "rn-score: $f:"* ]] || { echo "$output"; false; }
        [ ! -e out ]
    done
    run rn-score unlabelled.rn
    [[ $output == *"record 1 "*"'y' has no label"* ]] || [[ $output == *"record 2 "*"'y' has no label"* ]]
}

@test "usage and system errors" {
    some > s.rn
    run rn-score --json --tsv s.rn
    [ $status = 2 ]
    run rn-score --plots s.rn
    [ $status = 2 ]
    run rn-score missing.rn
    [ $status = 4 ]
    [ "$output" = "rn-score: missing.rn: No such file or directory" ]
    run rn-score -o /dev/full s.rn
    [ $status = 4 ]
    [ "$output" = "rn-score: /dev/full: cannot write: No space left on device" ]
    run rn-score -o no/such/out s.rn
    [ $status = 4 ]
}

@test "plot: a picture beside the report, its parts where the numbers say" {
    some | rn-score --plot p.svg > with
    cmp with <(some | rn-score)
    well_formed p.svg
    grep -q 'prefers-color-scheme:dark' p.svg
    grep -qE '<svg [^>]*viewBox="0 0 600 [0-9]+"' p.svg
    [ "$(grep -c ' taken for ' p.svg)" = 4 ]   # cells that are not 0
    grep -q 'fill-opacity="0.560"><title>paper taken for glass: 1 of 2<' p.svg
    [ "$(grep -cE '^<text class="c[^"]*" [^>]*>[0-9]+</text>$' p.svg)" = 9 ]
    # predictions with .5, .6, .7 and two of .8: four bins, of which one was never right
    [ "$(grep -c ' predictions: ' p.svg)" = 4 ]
    grep -q '<title>2 predictions: 100.0 % right, 80.0 % sure<' p.svg
    grep -q '<title>1 predictions: 0.0 % right, 50.0 % sure<' p.svg
    grep -qE '<rect class="b" x="130" y="[0-9.]+" width="197.00" ' p.svg # paper's recall: half of 394
    [ "$(grep -c '>50.0 %</text>' p.svg)" = 1 ]
}

@test "plot: awkward class names, and many classes" {
    predictions '<b>&"' $'tab\there' $'not\xffutf8' "a name that is far too long to be shown" <<< 'x 0 .9 .1 0 0' | rn-score --plot p.svg > /dev/null
    well_formed p.svg
    grep -qF '&lt;b&gt;&amp;&quot;' p.svg
    grep -qF 'tab\x09here' p.svg
    grep -qF 'not\xffutf8' p.svg
    grep -qF '>a name that i…<' p.svg
    for n in 1 21 60 201; do
        stream "head(predictions => [map { \"c\$_\" } 1 .. $n])" \
            "dict(id => str(x), label => num(0), split => none, probs => tensor('<f4', [$n], pack('f<*', .9, (0) x $((n - 1)))))" 'tail(1)' |
            rn-score --plot p.svg > /dev/null
        well_formed p.svg
        [ "$(grep -c 'Too many to draw' p.svg)" = $((n > 200 ? 2 : 0)) ]
        [ "$(grep -c ' taken for ' p.svg)" = $((n > 200 ? 0 : 1)) ]
    done
    predictions a b <<< 'x 0 !gone' > e.rn
    run rn-score --plot none.svg e.rn
    [ $status = 1 ]
    well_formed none.svg
    if grep -qiE "nan|inf" none.svg; then false; fi
}

@test "plot: wrong names leave nothing behind" {
    some > s.rn
    fails 2 '--plot: a file' rn-score --plot - s.rn
    fails 2 'same file' rn-score --plot x -o x s.rn
    fails 4 'no/such' rn-score --plot no/such/p.svg s.rn
    fails 4 '/dev/full' rn-score --plot /dev/full s.rn
    fails 3 '' rn-score --plot p.svg <(head -c 100 s.rn)
    [ ! -e x ] && [ ! -e p.svg ]
}

@test "the reference of scikit-learn, through a stream" {
    [ -r "$SHARED/golden/score/reference.json" ] || skip "no ../shared/golden/score"
    ref=$SHARED/golden/score/reference.json
    jq -r '[.labels, .probs] | transpose | to_entries[] | "p\(.key) \(.value[0]) \(.value[1] | map(tostring) | join(" "))"' "$ref" |
        predictions $(jq -r '.classes[]' "$ref") | rn-score --json > out
    jq -e --slurpfile ref "$ref" '
        . as $is | $ref[0].expected as $should
        | def off(a; b): [a, b] | map([.. | numbers]) | transpose | map(.[0] - .[1] | fabs) | max;
        [$should | keys[] | select(. != "confusion_rows_true_columns_predicted")
         | off($is[.]; $should[.])] + [off($is.confusion; $should.confusion_rows_true_columns_predicted)]
        | length == 15 and max < 1e-6' out
}
