# rn-predict: the same predictions as a stream, as tables and as JSON; how sure is sure.
load common

setup_file() {
    lab "$BATS_FILE_TMPDIR/lab"
    cd "$BATS_FILE_TMPDIR/lab"
    # one that is not sure
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 4 | rn-train --lr 1e-4 -j 1 -o soft >/dev/null
    : >broken,.jpg
    { rn-list photos; echo broken,.jpg | rn-list --unlabeled --files-from -; } | rn-batch -q --for soft/last.rn -k -o all-batches.rn || [ $? = 1 ]
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/lab/." .; }

# predict OPTION...: all photos; exit 1, because one of them is broken
predict() {
    local rc=0
    rn-predict -j 1 -m soft/last.rn "$@" all-batches.rn || rc=$?
    [ $rc = 1 ]
}

@test "--json: an object a line that says what the table says" {
    predict --json >out
    predict --tsv >table
    [ "$(wc -l <out)" = 13 ]
    diff <(jq -r '[.id, .label // "", .prediction // "error: \(.error)"] | @tsv' out) <(tail -n +2 table | cut -f 1-3)
    rn-predict -m soft/last.rn all-batches.rn -o p.rn
    diff <(jq -c '.probabilities | select(.) | [.[]]' out) <(rn-show --json --values p.rn | jq -c '.probs.values | select(.)')
    [ "$(jq -r 'select(.error == null) | .probabilities | keys_unsorted | join(",")' out | sort -u)" = cardboard,glass,metal,paper,plastic,trash ]
    jq -e 'select(.error == null) | .confidence == ([.probabilities[]] | max) and .probabilities[.prediction] == .confidence' out | sort -u | grep -qx true
    grep -qx '{"id":"broken,.jpg","label":null,"prediction":null,"confidence":null,"error":"broken,.jpg: an empty file"}' out
}

@test "--csv: the table with commas, quoted where it must be" {
    predict --csv >out
    predict --tsv >table
    diff <(tr '\t' , <table | sed 's/^broken,.jpg,,error: broken,.jpg: an empty file/"broken,.jpg",,"error: broken,.jpg: an empty file"/') out
}

@test "--top: the likeliest classes, in their order, in every form" {
    predict --tsv --top 8 >out
    predict --tsv >table
    [ "$(head -n 1 out | cut -f 5-8)" = $'top1\tprob1\ttop2\tprob2' ]
    # each line's six pairs, sorted by hand; two are left empty
    paste out table | awk -F'\t' '
        NR == 1 { for (i = 25; i <= NF; i++) name[i] = $i; next }
        $3 ~ /^error/ { next }
        { n = 0
          for (i = 25; i <= NF; i++) { at = ++n; while (at > 1 && p[at - 1] < $i + 0) { p[at] = p[at - 1]; c[at] = c[at - 1]; at-- } p[at] = $i + 0; c[at] = name[i] }
          for (k = 1; k <= 6; k++) if ($(3 + 2 * k) != c[k] || $(4 + 2 * k) + 0 != p[k]) { print "line " NR ", place " k; bad = 1 }
          if ($17 $18 $19 $20 != "") { print "line " NR ": more than six"; bad = 1 }
          lines++ }
        END { exit bad || lines != 12 }'
    predict --csv --top 3 | cmp - <(predict --tsv --top 3 | tr '\t' , | sed 's/^broken,.jpg,,error: broken,.jpg: an empty file/"broken,.jpg",,"error: broken,.jpg: an empty file"/')
    diff <(predict --json --top 2 | jq -r 'select(.error == null) | .probabilities | to_entries | map(.key) | @tsv') \
         <(predict --tsv --top 2 | tail -n +2 | cut -f 5,7 | grep -v '^	*$')
    # a thousand are asked for, and there are six
    [ "$(predict --json --top 1000 | jq -r 'select(.error == null) | .probabilities | length' | sort -u)" = 6 ]
}

@test "--min-confidence: what is less likely is unsure, the numbers stay" {
    p=$(predict --tsv | tail -n +2 | cut -f 4 | sort -g | grep . | sed -n 6p)
    predict --tsv --min-confidence "$p" >out
    [ "$(cut -f 3 out | grep -c '^unsure$')" = 5 ]
    diff <(cut -f 1,2,4- out) <(predict --tsv | cut -f 1,2,4-)
    [ "$(predict --json --min-confidence 1 | jq -r .prediction | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd,)" = "1 null,12 unsure" ]
    diff <(predict --csv --min-confidence 0) <(predict --csv)
}

@test "forms exclude each other, and what belongs to them needs one" {
    fails 2 'one of --tsv, --csv and --json' rn-predict -m soft/last.rn --tsv --json val.rn
    fails 2 'one of' rn-predict -m soft/last.rn --csv --json val.rn
    fails 2 '--min-confidence goes with' rn-predict -m soft/last.rn --min-confidence 0.5 val.rn
    fails 2 '--top goes with' rn-predict -m soft/last.rn --top 5 val.rn
    fails 2 'min-confidence' rn-predict -m soft/last.rn --tsv --min-confidence 50 val.rn
}

@test "a photo's line is there before the next photo is" {
    mkfifo names out
    rn-list --files-from - --live <names | rn-batch --for soft/last.rn -b 1 -k | rn-predict -j 1 -m soft/last.rn --json >out & line=$!
    exec 8>names 9<out
    for photo in photos/glass/glass1.jpg photos/metal/metal1.jpg photos/glass/glass1.jpg; do
        echo $photo >&8
        read -t 20 -r verdict <&9
        [[ $verdict == "{\"id\":\"$photo"* ]]
    done
    exec 8>&-
    wait $line
}
