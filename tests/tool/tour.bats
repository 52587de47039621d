# The manual pages in doc/: clean for groff, and the tour of rn(7) word for word.
load common

# commands PAGE: the examples of the page's tour, as they are typed and as they answer
commands() { sed -n '/^\.SH A TOUR/,/^\.SH FOR/p' "$1" | sed -n '/^\.EX/,/^\.EE/{/^\.E[XE]/d;s/\\-/-/g;s/\\e/\\/g;p}'; }

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
    commands "$TOP/doc/rn.7" > tour
    [ "$(grep -c '^\$ ' tour)" -ge 15 ]
    while IFS= read -r command; do
        printf '$ %s\n' "$command"
        bash -c "set -o pipefail; $command" < /dev/null || { echo "failed: $command" >&2; exit 1; }
    done < <(sed -n 's/^\$ //p' tour) > out
    diff tour out
}

@test "rn(7): every tool is mentioned, every option that it names exists" {
    for tool in $(cd "$TOP/tools" && ls rn-*.c | sed 's/\.c$//'); do grep -q "^.BR $tool (1)" "$TOP/doc/rn.7"; done
    sed 's/\\-/-/g' "$TOP/doc/rn.7" | sed -n '/^\.TS/,/^\.TE/p' | grep -oE 'rn-[a-z]+( (-{1,2}[a-z]+)[^;|(),]*)' | while read -r tool words; do
        for word in $words; do
            [[ $word != -* ]] || "$tool" --help | grep -qE -- "(^|[ ,])$word([ ,=]|\$)" || { echo "$tool has no $word"; exit 1; }
        done
    done
}
