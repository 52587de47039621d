# pipelines/: how they are written, what they take, and that their exit code is true: whatever is broken off, killed, full or missing.
load common

PIPELINES=$TOP/pipelines

# lab/: small photos and a network; run/: a folder as pipelines/train leaves it. bin/: stand-ins for tools, found before the tools
# by the pipelines of clone/, which have no build beside them.
setup_file() {
    cd "$BATS_FILE_TMPDIR"
    lab lab
    mkdir run
    cp lab/model/{last.rn,log.tsv} run
    cp lab/{all,test}.rn run
    cp -r "$TOP/pipelines" "$TOP/data" . && mkdir clone && mv pipelines data clone
}
setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir bin
    LAB=$BATS_FILE_TMPDIR/lab CLONE=$BATS_FILE_TMPDIR/clone/pipelines MODEL=$LAB/model/last.rn
    (cd "$BATS_FILE_TMPDIR" && cp -r run "$BATS_TEST_TMPDIR")
    cp -r "$LAB/photos" photos
    cat "$LAB"/photos/glass/*.jpg > video.mjpeg
}

# written_with_lib: the pipelines, but those that are not yet
written_with_lib() { (cd "$PIPELINES" && grep -l '^\. "\$lib"' -- * 2> /dev/null); }

# code WANTED COMMAND...: its exit code; what it says is in out and err
code() {
    local wanted=$1 rc=0
    shift
    "$@" > out 2> err || rc=$?
    [ $rc = "$wanted" ] || { echo "$*: exit $rc, not $wanted"; cat err; return 1; }
}

# stand_in TOOL LINE...: a program in bin/
stand_in() {
    local tool=$1
    shift
    { echo '#!/bin/bash'; printf '%s\n' "$@"; } > "bin/$tool"
    chmod +x "bin/$tool"
}

# ---- how they are written ----

@test "no line is longer than 100 columns, and nothing is written twice" {
    cd "$PIPELINES"
    awk 'length > 100 { print FILENAME ": line " FNR ": " length; bad = 1 } END { exit bad }' $(written_with_lib) lib.sh hosts.sh
    # three lines in a row, but for the first that all have in common and the usage texts
    for name in $(written_with_lib) lib.sh hosts.sh; do
        sed -e '1,/^\. "\$lib"/{/^/d}' -e '/<<END/,/^END/d' "$name" | sed 's/^ *//' | grep -vE '^(#.*|[})]|fi|done|esac|begin "\$@"|)$' |
            awk -v name="$name" 'NR > 2 { print two "\\n" one "\\n" $0 "\t" name } { two = one; one = $0 }' | sort -u
    done | cut -f 1 | sort | uniq -d > "$BATS_TEST_TMPDIR/twice"
    [ ! -s "$BATS_TEST_TMPDIR/twice" ] || { cat "$BATS_TEST_TMPDIR/twice"; false; }
}

@test "shellcheck has nothing to say" {
    command -v shellcheck > /dev/null || skip "shellcheck is not here"
    cd "$PIPELINES"
    shellcheck lib.sh hosts.sh $(written_with_lib)
    cd "$TOP" && shellcheck bootstrap data/see-folders tests/run tests/suite .ci/run
}

@test "what stands in arithmetic was checked" {
    cd "$PIPELINES"
    # [[ a -eq b ]] computes what is in a; there is none of it
    if grep -nE '\[\[.* -(eq|ne|lt|gt|le|ge) |declare -i|\blet ' $(written_with_lib) lib.sh | grep -v ':#'; then false; fi
    for name in $(written_with_lib); do
        sed '/^ *#/d' "$name" | grep -oE '(\$|for )\(\([^)]*(\)[^)]+)*\)\)' | grep -oE 'opt\[[a-z-]+\]|[a-z_]+' | sort -u > "$BATS_TEST_TMPDIR/words" || true
        while read -r word; do
            case $word in
                i | count | rows | recipe_sets | recipes | shards | for) ;; # shards: hosts.sh's; count: of records; rows: an option or that
                opt\[*) word=${word#opt[} && grep -qE "^ *bounded ${word%]} [0-9]+ [0-9]+$" "$name" || { echo "$name: opt[$word"; false; } ;;
                *) echo "$name: $word"; false ;;
            esac
        done < "$BATS_TEST_TMPDIR/words"
    done
    grep -q '^bounded rows ' contact-sheet
}

@test "names and logs that are programs are not run" {
    payload='x[$(touch "$OWNED")]'
    export OWNED=$PWD/owned
    for name in $(written_with_lib); do
        # each option that takes a whole number, and each operand
        for option in $("$PIPELINES/$name" --help | grep -oE -- '--[a-z-]+=N( |$)' | tr -d ' '); do
            code 2 "$PIPELINES/$name" "${option%N}$payload" photos "$PWD/s.png"
            grep -q 'is not a whole number' err
        done
        "$PIPELINES/$name" "$payload" "$payload" > out 2> err < /dev/null || true
        [ ! -e owned ] || { echo "$name"; false; }
    done
    code 2 "$PIPELINES/ablation" resnet18 --trashnet photos --seeds "$payload"
    # the first column of a log
    mkdir -p a/resnet18/1
    cp "$LAB/test.rn" a/resnet18/1
    cp "$MODEL" a/resnet18/1/best.rn
    : > a/resnet18/1/score.json
    printf 'epoch\tlr\n%s\t1\n' "$payload" > a/resnet18/1/log.tsv
    code 0 "$PIPELINES/tables" a 1
    printf 'epoch\tval_acc1\n%s\t%s\n' "$payload" "$payload" > run/log.tsv
    "$PIPELINES/report" run || true
    for table in "$payload" 'title' 5 ''; do code 2 "$PIPELINES/tables" a "$table"; done
    [ ! -e owned ]
}

# ---- options ----

@test "a reason is one line: what is missing, too much, misspelt, or a tool's" {
    for name in $(written_with_lib); do
        [ "$("$PIPELINES/$name" --version)" = "$name $(rn-list -V | cut -d' ' -f 2-)" ]
        fails 2 "^$name: --halp is not an option here: is --help meant" "$PIPELINES/$name" --halp
        fails 2 "^$name: --bogus-thing is not an option here .see $name --help.$" "$PIPELINES/$name" --bogus-thing
        fails 2 "^$name: --progress: 'x' is not one of auto, always, never" "$PIPELINES/$name" --progress=x
        fails 2 "^$name: -Z is not an option here" "$PIPELINES/$name" -Z
        case $name in
            demo | webcam) ;;
            *) fails 2 "^$name: [A-Z]+ is missing" "$PIPELINES/$name" ;;
        esac
    done
    fails 2 "^evaluate: --epochs is not an option here: --epochs is rn-batch's " "$PIPELINES/evaluate" --epochs 3
    fails 2 "^evaluate: --modle=x .*is --model meant" "$PIPELINES/evaluate" --modle=x
    fails 2 "^evaluate: -m needs a value" "$PIPELINES/evaluate" -m
    fails 2 "^evaluate: --json takes no value" "$PIPELINES/evaluate" --json=1
    fails 2 "^evaluate: --m may mean more than one option" "$PIPELINES/evaluate" --m x
    fails 2 "^evaluate: 'b' is one operand too many" "$PIPELINES/evaluate" a b
    fails 2 "^evaluate: an operand is empty" "$PIPELINES/evaluate" ''
    fails 2 "^contact-sheet: --rows: '0' is not a whole number from 1" "$PIPELINES/contact-sheet" photos s.png --rows 0
    fails 2 "^contact-sheet: --rows: '99999999999999999999' is not" "$PIPELINES/contact-sheet" photos s.png --rows 99999999999999999999
    fails 2 "^evaluate: 'two.lines' is one" "$PIPELINES/evaluate" a $'two\nlines'
}

@test "every pipeline finds lib.sh through a link, from any folder, with CDPATH and a foreign locale set" {
    ln -s "$PIPELINES/evaluate" link
    export CDPATH=/ LC_ALL=de_DE.UTF-8 POSIXLY_CORRECT=1
    mkdir "a b"
    cd "a b"
    code 0 ../link ../photos --json -m "$MODEL"
    jq -e '.n == 12 and .errors == 0' out
}

@test "paths that hold = or begin with a hyphen are paths" {
    cp -r photos ./-x
    cp "$MODEL" a=b.rn
    mkdir c=d
    cp "$MODEL" ./-m.rn
    code 0 "$PIPELINES/evaluate" -m a=b.rn -o c=d/test.rn -- -x
    code 0 "$PIPELINES/compare" c=d c=d/test.rn
    code 0 "$PIPELINES/heatmaps" --model=-m.rn -o x=y --kind feature -- -x
    [ -s x=y/index.html ]
    code 0 "$PIPELINES/contact-sheet" -r affine --size 16 --rows 2 -- -x -sheet=1.png
    [ -s ./-sheet=1.png ]
    mv run r=s && code 0 "$PIPELINES/report" r=s && [ -s r=s/report.html ]
}

# ---- exit codes ----

# Each line: the tool that is made slow, and a pipeline that waits for it.
everything() {
    cat <<END
rn-predict evaluate photos -m $MODEL
rn-heatmap heatmaps photos -m $MODEL -o maps
rn-show contact-sheet photos sheet.png -r affine --size 16
rn-score compare run run
rn-score tables a 1
perl report run -o page.html
rn-predict webcam - -m $MODEL
rn-train train photos -o new -a resnet20 --size 32 -b 4 -e 1
rn-train folds photos -o new-folds -a resnet20 -k 3 --size 32 -b 4 -e 1
rn-train ablation resnet18-scratch --trashnet photos --size 32 --epochs 1 --out ablation
END
}
prepare_table() { mkdir -p a/resnet18/1 && cp run/log.tsv run/test.rn a/resnet18/1 && cp "$MODEL" a/resnet18/1/best.rn && : > a/resnet18/1/score.json; }

@test "TERM, INT and HUP end a pipeline and all of its tools; the code is the signal's, and nothing is left" {
    prepare_table
    mkdir tmp
    export TMPDIR=$PWD/tmp PATH=$PWD/bin:$PATH
    everything > all
    while read -r tool name arguments; do
        # contact-sheet asks rn-show before: for the number of photos
        stand_in "$tool" "case '$tool '\$* in rn-show*--json*) exec $(printf %q "$(command -v "$tool")") \"\$@\" ;; esac" 'echo $$ > pid; exec sleep 100'
        for signal in TERM INT HUP; do
            rm -f pid
            set -m # INT is ignored by what is started behind a shell's back
            # shellcheck disable=SC2086
            "$CLONE/$name" $arguments > out 2> err < video.mjpeg &
            pipeline=$!
            set +m
            for _ in {1..400}; do [ ! -s pid ] || break; sleep 0.05; done
            [ -s pid ] || { echo "$name did not call $tool"; cat err; kill $pipeline; false; }
            kill -$signal $pipeline
            rc=0; wait $pipeline || rc=$?
            [ $rc = $((128 + $(kill -l $signal))) ] || { echo "$name: $signal gave $rc"; cat err; false; }
            for _ in {1..100}; do kill -0 "$(cat pid)" 2> /dev/null || break; sleep 0.05; done # who was its parent may be gone
            if kill -0 "$(cat pid)" 2> /dev/null; then echo "$name: $tool goes on"; false; fi
            [ -z "$(ls tmp)" ] || { echo "$name leaves $(ls tmp)"; false; }
        done
        rm "bin/$tool"
    done < all
    [ ! -e sheet.png ] && [ ! -e page.html ] && [ ! -e new/test.rn ]
}

@test "a tool that is killed, a foreign program that fails: never 0, and no file is half there" {
    prepare_table
    export PATH=$PWD/bin:$PATH
    everything | grep -v '^perl' > all
    while read -r tool name arguments; do
        stand_in "$tool" "case '$tool '\$* in rn-show*--json*) exec $(printf %q "$(command -v "$tool")") \"\$@\" ;; esac" 'kill -KILL $$'
        # shellcheck disable=SC2086
        code 137 "$CLONE/$name" $arguments < video.mjpeg
        grep -qE "^$name: .*(signal KILL|not finished)" err || { echo "$name"; cat err; false; }
        rm "bin/$tool"
    done < all
    [ ! -e sheet.png ]
    [ ! -e new/test.rn ]
    for rc in 1 5 9 77; do
        stand_in perl "exit $rc"
        code 4 "$CLONE/report" run -o page.html
        code 4 "$CLONE/heatmaps" photos -m "$MODEL" -o maps --kind feature
        code 4 "$CLONE/webcam" - -m "$MODEL" < video.mjpeg
        rm bin/perl
        stand_in jq "exit $rc"
        code 4 "$CLONE/report" run -o page.html
        code 4 "$CLONE/tables" a 1
        code 4 "$CLONE/contact-sheet" photos sheet.png -r affine
        rm bin/jq
    done
    [ ! -e page.html ] && [ ! -e maps/index.html ] && [ ! -e sheet.png ] && [ -z "$(ls -d page.html.* maps/index.html.* 2> /dev/null)" ]
}

@test "a full device is exit 4" {
    prepare_table
    for command in "evaluate photos -m $MODEL" "evaluate photos -m $MODEL --json" "compare run run" "tables a 1" \
        "webcam --once - -m $MODEL" "webcam - -m $MODEL" "train --help" "train --version"; do
        rc=0
        # shellcheck disable=SC2086
        "$PIPELINES"/$command > /dev/full 2> err < video.mjpeg || rc=$?
        [ $rc = 4 ] || { echo "$command: $rc"; cat err; false; }
        [ -s err ]
    done
    code 4 "$PIPELINES/contact-sheet" photos /dev/full -r affine
    code 4 "$PIPELINES/report" run -o /dev/full
    code 4 "$PIPELINES/tables" --html /dev/full a 1
    # a file that may not grow is a full disk: nothing appears
    (ulimit -f 8; code 4 "$PIPELINES/contact-sheet" photos sheet.png -r affine)
    (ulimit -f 8; rc=0; "$PIPELINES/report" run -o page.html 2> err || rc=$?; [ $rc = 4 ] || [ $rc = 153 ])
    [ ! -e sheet.png ]
    [ ! -e page.html ]
    [ -z "$(ls page.html.* 2> /dev/null)" ]
    # webcam's reader may leave: that ends it as it ends a tool
    for _ in {1..50}; do cat video.mjpeg; done > long.mjpeg
    ("$PIPELINES/webcam" - -m "$MODEL" < long.mjpeg || echo $? > rc) | head -n 1 > /dev/null
    [ "$(cat rc)" = 141 ]
}

@test "where standard error is closed or full, the work is done all the same" {
    "$PIPELINES/classify" photos/glass > want 2> words
    [ -s words ]
    "$PIPELINES/classify" photos/glass > got 2> /dev/full
    cmp want got
    "$PIPELINES/classify" photos/glass > got 2>&-
    cmp want got
}

@test "contact-sheet: a photo that cannot be read is said, exit 1, and the others are drawn" {
    : > photos/glass/0.jpg
    code 1 "$PIPELINES/contact-sheet" photos/glass sheet.png -r affine -n 1 --rows 2 --size 32
    grep -qx 'rn-augment: error records made: 1 (photos/glass/0.jpg: an empty file)' err
    [ "$(head -c 4 sheet.png | tail -c 3)" = PNG ]
}

@test "without a folder for temporary files: exit 4, one line, nothing elsewhere" {
    prepare_table
    root=$(ls -A /)
    export TMPDIR=/nowhere/at/all
    while read -r _ name arguments; do
        [ "$name" != compare ] && [ "$name" != heatmaps ] || continue # they make none
        # shellcheck disable=SC2086
        code 4 "$PIPELINES/$name" $arguments < video.mjpeg
        [ "$(cat err)" = "$name: /nowhere/at/all: no temporary folder can be made there (TMPDIR)" ] || { cat err; false; }
    done < <(everything)
    [ "$(ls -A /)" = "$root" ] && [ ! -e sheet.png ] && [ ! -e page.html ]
}

@test "with few descriptors it is all or an error" {
    "$PIPELINES/evaluate" photos -m "$MODEL" --json > whole
    for n in 5 6 7 8 10 12 16 24; do
        rc=0
        (ulimit -n $n; exec "$PIPELINES/evaluate" photos -m "$MODEL" --json) > part 2> err || rc=$?
        [ $rc != 0 ] || cmp whole part || { echo "$n"; false; }
        rc=0
        (ulimit -n $n; exec "$PIPELINES/contact-sheet" photos sheet$n.png -r affine --size 16) > part 2> err || rc=$?
        [ $rc != 0 ] || [ -s sheet$n.png ] || { echo "$n"; false; }
        rc=0
        (ulimit -n $n; exec "$PIPELINES/webcam" - -m "$MODEL" < video.mjpeg) > part 2> err || rc=$?
        [ $rc != 0 ] || [ "$(wc -l < part)" = 2 ] || { echo "$n"; false; }
    done
}

@test "Ctrl-Z stops the tools, and they go on with it" {
    export PATH=$PWD/bin:$PATH
    stand_in rn-predict 'echo $$ > pid; exec sleep 100'
    set -m
    "$CLONE/evaluate" photos -m "$MODEL" > out 2> err &
    pipeline=$!
    set +m
    for _ in {1..400}; do [ ! -s pid ] || break; sleep 0.05; done
    state() { sed 's/.*) //' "/proc/$1/stat" | cut -c 1; }
    kill -TSTP $pipeline
    for _ in {1..100}; do [ "$(state "$(cat pid)")$(state $pipeline)" != TT ] || break; sleep 0.05; done
    [ "$(state "$(cat pid)")$(state $pipeline)" = TT ]
    kill -CONT $pipeline
    for _ in {1..100}; do [ "$(state "$(cat pid)")" = T ] || break; sleep 0.05; done
    [ "$(state "$(cat pid)")" != T ]
    kill $pipeline
    rc=0; wait $pipeline || rc=$?
    [ $rc = 143 ]
}

@test "evaluate: a photo that cannot be read is counted, and is exit 1; --min too" {
    : > photos/glass/broken.jpg
    code 1 "$PIPELINES/evaluate" photos -m "$MODEL" --json
    jq -e '.n == 12 and .errors == 1' out
    rm photos/glass/broken.jpg
    code 1 "$PIPELINES/evaluate" photos -m "$MODEL" --min 100
    code 0 "$PIPELINES/evaluate" photos -m "$MODEL" --min 0
    fails 4 "^evaluate: none.rn: there is no such network to read" "$PIPELINES/evaluate" photos -m none.rn
    fails 4 "^evaluate: nowhere: there are no such photos" "$PIPELINES/evaluate" nowhere -m "$MODEL"
}

@test "-q: nothing but errors" {
    : > photos/glass/broken.jpg
    code 1 "$PIPELINES/evaluate" -q photos -m "$MODEL"
    [ ! -s err ]
    grep -q '^errors *1$' out
    code 1 "$PIPELINES/heatmaps" -q photos -m "$MODEL" -o maps --kind feature
    [ ! -s err ]
    [ ! -s out ]
    code 1 "$PIPELINES/train" -q -k photos -o new --size 32 -b 5 -e 1
    [ ! -s err ]
}
