# What every tool has in common: help, version, man page, completion, wrong usage; and their installation.
load common

tools() { (cd "$TOP/tools" && ls rn-*.c | sed 's/\.c$//'); }

@test "every option of --help is in the man page and in the completion" {
    for tool in $(tools); do
        "$tool" --help > help
        grep -oE -- '--[a-z][a-z0-9-]*' help | sort -u > options
        [ -s options ]
        "$tool" --help-man | sed 's/\\-/-/g' > man
        "$tool" --help-completion > completion
        bash -n completion
        sed '/^examples:/,$d' help | grep -oE -- '^ *(-[A-Za-z], )?--[a-z][a-z0-9-]*' | grep -oE -- '--.*' | while read -r option; do
            grep -qF -- "$option" man && grep -qF -- "$option" completion || { echo "$tool $option"; exit 1; }
        done
        [ "$("$tool" --version)" = "$("$tool" -V)" ]
        [[ $("$tool" -V) == "$tool (recyclenet) "* ]]
    done
}

@test "--version --verbose: a line for each library, with the version that it says itself" {
    for tool in $(tools); do
        "$tool" --version --verbose > out
        [ "$(head -n 1 out)" = "$("$tool" -V)" ]
        grep -qE '^C library: [0-9]+\.[0-9]+ \(/' out
        ! tail -n +2 out | grep -vE '^[A-Za-z -]+: (not here|.*[0-9]+\.[0-9]+.* \(/.*\))$' || { echo "$tool"; cat out; false; }
    done
    rn-batch --version --verbose > out
    for name in jansson libjpeg libpng libseccomp libvips msgpack-c xxHash zlib; do grep -q "^$name: " out; done
    [ "$(sed -n 's/^zlib: \([0-9.]*\).*/\1/p' out)" = "$(pkg-config --modversion zlib)" ]
    fails 2 "--verbose is not an option here" rn-list --verbose
}

@test "what the programs are linked with and load, as SPDX" {
    for tool in dpkg jq ldd; do command -v $tool > /dev/null || skip "$tool is not here"; done
    SOURCE_DATE_EPOCH=0 "$TOP/tests/sbom" "$BUILD" > sbom.json
    jq -e '.spdxVersion == "SPDX-2.3" and .creationInfo.created == "1970-01-01T00:00:00Z"' sbom.json
    for name in libc libjpeg libvips libopenblas libmsgpack libseccomp; do
        jq -e --arg name $name 'any(.packages[]; (.name | startswith($name)) and (.checksums[0].checksumValue | length == 64))' sbom.json
    done
    jq -e '[.packages[].SPDXID] as $ids | all(.relationships[]; .relatedSpdxElement as $id | any($ids[]; . == $id))' sbom.json
}

@test "wrong usage: exit 2, one line, nothing on standard output" {
    for tool in $(tools); do
        "$tool" --no-such-option > out 2> err < /dev/null && status=0 || status=$?
        [ $status = 2 ] || { echo "$tool: $status"; false; }
        [ "$(wc -l < err)" = 1 ]
        grep -q "^$tool: " err
        [ ! -s out ]
    done
}

@test "messages are one line, whatever is quoted in them" {
    for tool in $(tools); do
        "$tool" $'--no\nsuch\e[31m' 2> err < /dev/null && status=0 || status=$?
        [ $status = 2 ]
        [ "$(wc -l < err)" = 1 ]
        ! grep -q $'\e' err || false
    done
}

@test "a misspelt option gets the near one, another tool's its owner" {
    fails 2 "^rn-train: --epochs is not an option here: --epochs is rn-batch's " rn-train --epochs 3
    fails 2 "^rn-pick: --seed=3 .*: --seed is rn-augment's, rn-batch's, rn-split's, rn-train's " rn-pick --seed=3
    fails 2 "^rn-batch: --reszie=3 .*: is --resize meant. " rn-batch --reszie=3
    fails 2 "^rn-predict: --modle .*: is --model meant. " rn-predict --modle x
    fails 2 "^rn-show: --what is not an option here .see" rn-show --what
    fails 2 "^rn-show: -Z is not an option here .see" rn-show -Z
    fails 2 "^rn-show: --=x is not an option here .see" rn-show --=x
    fails 2 "^rn-show: --$(printf '%0300d' 0) is not" rn-show "--$(printf '%0300d' 0)"
}

@test "make install and uninstall" {
    build=$(realpath --relative-to="$TOP" "$BUILD")
    make -s -C "$TOP" B="$build" DESTDIR="$PWD/root" PREFIX=/usr install
    for tool in $(tools); do
        cmp "$BUILD/$tool" "root/usr/bin/$tool"
        [ -s "root/usr/share/man/man1/$tool.1" ]
        [ -s "root/usr/share/bash-completion/completions/$tool" ]
    done
    for pipeline in "$TOP"/pipelines/*; do
        name=$(basename "$pipeline")
        [ "$name" = demo ] || [ "$name" = examples ] || [[ $name = *.sh ]] || { [ -x "root/usr/bin/rn-pipe-$name" ]; [ -s "root/usr/share/man/man1/rn-pipe-$name.1" ]; [ -s "root/usr/share/bash-completion/completions/rn-pipe-$name" ]; }
    done
    for page in rn.7 rn-stream.5; do cmp "$TOP/doc/$page" "root/usr/share/man/man${page##*.}/$page"; done
    # an installed pipeline finds its data
    mkdir r
    root/usr/bin/rn-pipe-tables --html r/t.html r 1
    grep -q '<h2>Table 1: ' r/t.html
    make -s -C "$TOP" B="$build" DESTDIR="$PWD/root" PREFIX=/usr uninstall
    [ "$(find root -type f | wc -l)" = 0 ]
}

pipelines() { (cd "$TOP/pipelines" && find . -maxdepth 1 -type f ! -name '*.sh' | sed 's/^..//' | sort); }

@test "pipelines: their help fits a screen and names every option; man pages and completions come of it" {
    for name in $(pipelines); do
        file=$TOP/pipelines/$name
        "$file" --help > help
        [ "$(wc -l < help)" -le 24 ] || { echo "$name: help of $(wc -l < help) lines"; false; }
        ! grep -E '.{81}' help || { echo "$name"; false; }
        head -n 1 help | grep -q "^usage: $name "
        rc=0; "$file" --no-such-option > out 2> err < /dev/null || rc=$?
        [ $rc = 2 ] && [ ! -s out ] || { echo "$name: $rc"; false; }
        [ "$name" != demo ] || continue
        cmp "$BUILD/man/rn-pipe-$name.1" <("$TOP/doc/pipe-page" man "$file")
        sed 's/\\-/-/g' "$BUILD/man/rn-pipe-$name.1" > page
        bash -c '. "$1"; COMP_WORDS=("$2" --) COMP_CWORD=1; "_${2//-/_}" "$2" -- "$2" 2> /dev/null; printf "%s\n" "${COMPREPLY[@]}"' - \
            "$BUILD/completions/rn-pipe-$name" "rn-pipe-$name" > words
        for option in $(grep -oE '^  (-[a-zA-Z], |    )--[a-z-]+' help | grep -oE -- '--.*'); do
            grep -q -- "^\.B .*$option" page && grep -qxE -- "$option=?" words || { echo "$name $option"; false; }
        done
    done
}

@test "man pages: examples, what of the environment is heeded, and what to see besides, which is there" {
    for page in "$BUILD"/man/*.1; do
        sed 's/\\-/-/g' "$page" > page
        grep -qx '.SH EXAMPLES' page && grep -qx '.SH SEE ALSO' page || { echo "$page"; false; }
        sed -n '/^.SH SEE ALSO/,$s/^.BR \(rn[a-z-]*\) (\([157]\)).*/\1.\2/p' page > others
        grep -qx rn.7 others || { echo "$page"; false; }
        for other in $(cat others); do
            [ -e "$BUILD/man/$other" ] || [ -e "$TOP/doc/$other" ] || { echo "$page: $other"; false; }
            [ "$other" != "${page##*/}" ] || { echo "$page sees itself"; false; }
        done
    done
    sed -n '/^.SH ENVIRONMENT/,/^.SH/p' "$BUILD/man/rn-train.1" | grep -qx '.B RN_CPU'
    sed -n '/^.SH ENVIRONMENT/,/^.SH/p' "$BUILD/man/rn-split.1" | grep -qx '.B TMPDIR'
    ! grep -q '^.SH ENVIRONMENT' "$BUILD/man/rn-frames.1" || false
    grep -qx '.BR rn\\-recipes (7),' "$BUILD/man/rn-augment.1"
}

@test "help fits a screen; man pages are well-formed and built" {
    for tool in $(tools); do
        "$tool" -h > help
        screen=26
        case $tool in rn-augment | rn-batch | rn-train) screen=60 ;; esac # they have every option of a recipe
        [ "$(sed '/^examples:/,$d' help | wc -l)" -le $screen ] && [ "$(wc -l < help)" -le $((screen + 5)) ] || { echo "$tool"; false; }
        ! grep -E '.{81}' help || { echo "$tool"; false; }
        cmp help <("$tool" --help)
        cmp "$BUILD/man/$tool.1" <("$tool" --help-man)
        cmp "$BUILD/completions/$tool" <("$tool" --help-completion)
    done
    command -v groff > /dev/null || return 0
    for page in "$BUILD"/man/*.1; do
        groff -man -ww -Tutf8 -z "$page" > warnings 2>&1
        [ ! -s warnings ] || { echo "$page"; cat warnings; false; }
    done
}

@test "completion completes" {
    for tool in $(tools); do
        bash -c '
            . "$1"; words=("$2" "--he"); COMP_WORDS=("${words[@]}") COMP_CWORD=1 COMP_LINE="$2 --he" COMP_POINT=${#COMP_LINE}
            function=$(complete -p "$2" | grep -oP -- "-F \K\S+") && { $function "$2" --he "$2"; printf "%s\n" "${COMPREPLY[@]}"; }
        ' - "$BUILD/completions/$tool" "$tool" > words
        grep -qE '^--help ?$' words || { echo "$tool"; cat words; false; }
    done
}

@test "what replaces a file keeps its mode, and of a pipeline also the link to it" {
    draw photos 1
    rn-list photos -o a.rn
    chmod 600 a.rn
    rn-list photos -o a.rn
    [ "$(stat -c %a a.rn)" = 600 ]
    : > page.html
    chmod 600 page.html
    ln -s page.html link
    "$TOP/pipelines/tables" . 1 --html link
    [ -L link ]
    [ -s page.html ]
    [ "$(stat -c %a page.html)" = 600 ]
    "$TOP/pipelines/tables" . 1 --html - | grep -q '</html>'
    [ ! -e ./- ]
}

@test "a page that cannot be written is named, with the program" {
    [ -w /dev/full ] || skip "no /dev/full"
    rc=0
    "$TOP/pipelines/tables" . 1 --html /dev/full 2> err || rc=$?
    [ $rc = 4 ]
    grep -q "No space left" err
    grep -q "^tables: /dev/full: it is not written" err
}

@test "a batch of none is wrong usage of train" {
    mkdir photos
    fails 2 "train: --batch: '0' is not a whole number from 1 to 65536" "$TOP/pipelines/train" photos -b 0
}

@test "a folder cannot be standard output" {
    for line in "train $PWD -o -" "folds $PWD -k 3 -o -" "heatmaps $PWD -o -"; do
        fails 2 ': -: this is a folder' "$TOP"/pipelines/$line -q
        [ ! -e ./- ]
    done
    fails 2 'does not say the size of epoch 0' "$TOP/pipelines/train" "$PWD" --size 32:5
}
