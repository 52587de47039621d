# The manual pages in doc/: clean for groff, and the tour of rn(7) word for word.
load common

# promise PAGE [LEAST]: runs its blocks in this folder and compares
promise() {
    perl "$TOP/tests/tool/blocks.pl" --page "$1" > said
    [ "$(grep -c "^\\$ " said)" -ge "${2-15}" ]
    perl "$TOP/tests/tool/blocks.pl" "$1" > got
    diff said got
}

@test "doc/: groff has nothing to say" {
    command -v groff > /dev/null || skip "no groff"
    for page in "$TOP"/doc/*.[57]; do
        groff -t -man -Tutf8 -ww -rLL=90n "$page" > out 2> err
        [ ! -s err ] || { echo "$page:"; cat err; false; }
        [ "$(wc -l < out)" -gt 40 ]
    done
}

@test "rn(7): the tour's commands give what it shows" {
    draw photos 20
    promise "$TOP/doc/rn.7"
}

@test "README: its commands give what it shows, in a new folder with a space in its name" {
    mkdir "a clone"
    cd "a clone"
    # what a clone has that was built
    ln -s "$TOP/pipelines" "$TOP/data" .
    ln -s "$(realpath "$BUILD")" build
    for program in jq perl parallel; do command -v $program > /dev/null; done
    promise "$TOP/README.md" 8
    mkdir ../longer
    cd ../longer
    ln -s "$TOP/pipelines" "$TOP/data" .
    ln -s "$(realpath "$BUILD")" build
    promise "$TOP/doc/tour.md"
}

@test "README and doc/: a block that is not run says so, and they are few" {
    awk '/^```sh$/ { n++; if (before !~ /\*\(not run by the tests: .*\)\*$/) { print "line " NR ": not marked"; exit 1 } } NF { before = $0 } END { if (n > 5) exit 1 }' "$TOP/README.md" "$TOP"/doc/*.md
    [ "$(grep -cE '^    [^ ]' "$TOP/README.md")" = 0 ]
    [ "$(wc -l < "$TOP/README.md")" -le 220 ]
}

@test "rn(7): every tool is mentioned, every option that it names exists" {
    for tool in $(cd "$TOP/tools" && ls rn-*.c | sed 's/\.c$//'); do grep -q "^.BR $tool (1)" "$TOP/doc/rn.7"; done
    sed 's/\\-/-/g' "$TOP/doc/rn.7" | sed -n '/^\.TS/,/^\.TE/p' | grep -oE 'rn-[a-z]+( (-{1,2}[a-z]+)[^;|(),]*)' | while read -r tool words; do
        for word in $words; do
            [[ $word != -* ]] || "$tool" --help | grep -qE -- "(^|[ ,])$word([ ,=]|\$)" || { echo "$tool has no $word"; exit 1; }
        done
    done
}

@test "training.md: what its table calls ours is an option of ours" {
    for tool in train batch predict score split; do "rn-$tool" --help; done > help
    for pipeline in train folds; do "$TOP/pipelines/$pipeline" --help; done >> help
    sed -n 's/^|.*| \(.*\) |$/\1/p' "$TOP/doc/training.md" | grep -o -- '--[a-z][a-z0-9-]*' | sort -u > ours
    [ "$(wc -l < ours)" -gt 40 ]
    while read -r option; do
        [[ $option == --distillation-* ]] || grep -qE -- "(^|[ ,])$option([= ]|\$)" help || { echo "$option"; false; }
    done < ours
}

@test "from-the-original.md and rn(7): the same table for those who come from the original" {
    sed 's/\\-/-/g; s/\\&//g' "$TOP/doc/rn.7" | sed -n '/^\.TS/,/^\.TE/p' | grep -P '\t' | cut -f 1 | grep . > page
    sed -n 's/^| `\{0,1\}\([^|`]*\)`\{0,1\} |.*/\1/p' "$TOP/doc/from-the-original.md" | sed 's/ *$//' > readme
    diff page readme
    [ "$(wc -l < page)" -ge 28 ]
}

@test "README and doc/: their pictures and links are there" {
    for page in README.md CONTRIBUTING.md doc/*.md; do
        grep -oE '(\]\(|src=")[^)"]+' "$TOP/$page" | sed -E 's/^(\]\(|src=")//' | grep -v '^http' | while read -r file; do
            [ -s "$TOP/$(dirname "$page")/$file" ] || { echo "$page: $file is not there"; exit 1; }
        done
    done
    well_formed "$TOP/doc/pictures/score.svg"
    for picture in heatmap augmented; do [ "$(head -c 8 "$TOP/doc/pictures/$picture.png" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]; done
}
