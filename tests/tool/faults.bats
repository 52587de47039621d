# faults.bats -- whatever the system does not give: exit 4 and one line, and what has its final name is whole; or the result is as
# ever. A place of each runs here; with RN_FULL=1 all of them.
load common
load faults

setup_file() {
    faulty
    cat lab/photos/*/*1.jpg > lab/frames
}

# whole: each stream and picture that has its name is as it should be
whole() {
    local file
    while IFS= read -r file; do
        case $file in
            */log.tsv) ;; # says how long things took
            new/run/*) rn-show "$file" > /dev/null || return ;; # an epoch's, or the next one's
            *) cmp "want${file#new}" "$file" || return ;;
        esac
    done < <(find new -type f)
}

# steady: without the columns of rn-train that say how long things took
steady() { if grep -q '^epoch.*seconds$' out; then cut -f 1-6; else cat; fi; }

# places COUNT: those of them that are tried: all, or the one in the middle
places() {
    if [ -n "${RN_FULL-}" ]; then
        seq 1 $(($1 > 200 ? $1 / 200 : 1)) "$1"
    elif [ "$1" -gt 0 ]; then
        echo $((($1 + 1) / 2))
    fi
}

# withstands KINDS COMMAND...: which writes into the folder new, or to standard output
withstands() {
    local kinds=$1 kind count at rc
    shift
    rm -rf new want count
    mkdir new
    RN_FAIL_COUNT=count hit 0 none "$@" || { echo "$*"; cat err; return 1; }
    steady < out > want.out
    mv new want
    for kind in $kinds; do
        count=$(sed -n "s/^$kind //p" count)
        for at in $(places "$count"); do
            rm -rf new
            mkdir new
            rc=0; hit "$at" "$kind" "$@" || rc=$?
            case $rc-$kind in
                0-*) steady < out | cmp - want.out && [ "$(cd want && find . | sort)" = "$(cd new && find . | sort)" ] ;;
                4-short | 4-interrupted) false ;;
                4-*) [ "$(wc -l < err)" = 1 ] && grep -q "^$1: " err ;;
                *) false ;;
            esac && whole || { echo "$*: $kind $at of $count: exit $rc"; cat err; ls -l new; return 1; }
        done
    done
}

reading="memory open read close mmap short interrupted"
writing="$reading write fsync folder rename thread"

@test "the tools that list, choose and look" {
    withstands "$writing" rn-list photos -o new/x
    withstands "$reading write" rn-list photos
    withstands "$writing" rn-split all.rn -o new/x
    withstands "$writing" rn-pick label=glass all.rn -o new/x
    withstands "$writing" rn-show --tsv test.rn -o new/x
    withstands "$writing" rn-show --png 1 val.rn -o new/x.png
    withstands "$reading" rn-show --header model/last.rn
    withstands "$writing" rn-score --plot new/x.svg test.rn -o new/y
    withstands "$writing" rn-frames frames -o new/x
}

@test "the tools that decode" {
    withstands "$writing" rn-near -j 1 --distance 0 all.rn -o new/x
    withstands "$writing" rn-augment -j 1 -r affine --split all all.rn -o new/x
    withstands "$writing" rn-augment -q -j 1 -r affine --split all --write new/photos all.rn -o new/x
    withstands "$writing" rn-batch -j 1 --size 32 all.rn -o new/x
    withstands "$writing" rn-batch -j 1 --train --size 33 all.rn -o new/x
}

@test "the tools that compute" {
    withstands "$writing" rn-train -a resnet20 -q -j 1 train.rn -o new/run
    withstands "$writing" rn-predict -j 1 -m model/last.rn val.rn -o new/x
    withstands "$writing" rn-average model/last.rn model/last.rn -o new/x
    withstands "$writing" rn-heatmap -q -j 1 -m model/last.rn --kind attention val.rn -o new/maps
}

@test "the tools that exchange weights" {
    withstands "$writing" rn-import -q "$TOP/tests/fixtures/import/beside/beside.pth" -o new/x
    for ending in onnx npz safetensors; do
        withstands "$writing" rn-export model/last.rn -o new/x.$ending
    done
}

# logged COMMAND...: what it does to files is in the file log
logged() {
    rm -f log
    RN_LOG=$PWD/log LD_PRELOAD="$BATS_FILE_TMPDIR/faults.so" "$@" > out 2> err
}

@test "the power is cut at any moment: a file is the old one or the new one, and at the end the new one" {
    mkdir power
    cp all.rn power/x
    for command in "rn-split all.rn -o power/x" "rn-export model/last.rn -o power/y.onnx" "rn-score --plot power/z.svg test.rn -o power/x" \
        "rn-augment -j 1 -r affine --split all all.rn -o power/x" "rn-train -a resnet20 -q -j 1 --save-every 1 train.rn -o power/run" \
        "rn-train -a resnet20 -q -j 1 --save-every 1 train.rn -o power/run --overwrite"; do
        logged $command
        perl "$BATS_TEST_DIRNAME/power.pl" < log > verdict || { echo "$command"; cat verdict log; return 1; }
    done
    [ "$(tail -n 1 verdict | cut -d ' ' -f 1)" -gt 100 ]
    # without one of its flushes each of them is found out
    grep -v '^fsync' log | perl "$BATS_TEST_DIRNAME/power.pl" | grep -q 'last.rn could be cut off'
    logged rn-split all.rn -o power/x
    grep -v '^folder' log | perl "$BATS_TEST_DIRNAME/power.pl" | grep -q 'is not for good when the program has ended'
}

@test "a new file has its own name from the first: no moment in which a killed program leaves another" {
    logged rn-split all.rn -o made.rn
    grep -q '^link .* made.rn' log || { cat log; false; }
    ! grep -F .tmp log || false
}

# survives TOOL COMMAND...: the pipeline, where that tool of it is refused something: exit 4, or the same output
survives() {
    local tool=$1 kind count at rc
    shift
    rm -rf new count
    mkdir new
    RN_FAIL_TOOL=$tool RN_FAIL_COUNT=count hit 0 none "$@" || { echo "$*"; cat err; return 1; }
    steady < out > want.out
    for kind in read write interrupted ${RN_FULL:+memory open short}; do
        count=$(sed -n "s/^$kind //p" count)
        for at in $(places "$count"); do
            rm -rf new
            mkdir new
            rc=0; RN_FAIL_TOOL=$tool hit "$at" "$kind" "$@" || rc=$?
            case $rc-$kind in
                0-*) steady < out | cmp - want.out ;;
                4-short | 4-interrupted) false ;;
                4-*) grep -q "$tool: " err ;;
                1-*) grep -q 'error records made: [1-9]' err ;; # of a photo
                *) false ;;
            esac || { echo "$*: $tool: $kind $at of $count: exit $rc"; cat err; return 1; }
        done
    done
}

@test "pipelines: the code is the tool's, whichever is refused something" {
    PATH=$TOP/pipelines:$PATH # by name: env takes a path with = for a variable
    for tool in rn-list rn-batch rn-predict; do
        survives $tool classify -j 1 -m model/last.rn photos
    done
    for tool in rn-batch rn-predict rn-score; do
        survives $tool evaluate -m model/last.rn photos
    done
    for tool in rn-split rn-train; do
        survives $tool train -q photos -o new/run -a resnet20 -t none -e 1 -b 4 --size 32
    done
    survives rn-augment augment -j 1 -r affine photos new/photos
}

# of FILE COMMAND...: runs it, and puts its exit code into the file
of() {
    local file=$1 rc=0
    shift
    "$@" || rc=$?
    echo $rc > "$file"
}

# six STAGE SIGNAL: six tools, of which that one gets the signal when all run; the codes are in the files 0 to 5
six() {
    local i stages=(rn-pick rn-split rn-augment rn-batch rn-predict rn-score)
    mkfifo feed
    { head -c -30 all.rn; until [ -e go ]; do sleep 0.05; done; tail -c 30 all.rn; } > feed 2> feed.err &
    {
        of 0 rn-pick < feed | of 1 rn-split -q -r 0/0/100 | of 2 rn-augment -q -j 1 -r affine --split all | of 3 rn-batch -j 1 --size 32 |
            of 4 rn-predict -j 1 -m model/last.rn | of 5 rn-score > out
    } 2> err & line=$!
    for ((i = 0; i < 200; i++)); do victim=$(below $line "${stages[$1]}" | head -n 1); [ -z "$victim" ] || break; sleep 0.02; done
    kill -"$2" "$victim"
    touch go
}

@test "of six tools in a line any is killed: all end in seconds, and none says that all went well" {
    for stage in 0 1 2 3 4 5; do
        rm -f feed go ? out
        six $stage KILL
        for ((i = 0; i < 100; i++)); do kill -0 $line 2> /dev/null || break; sleep 0.05; done
        ! kill -0 $line 2> /dev/null || { echo "stage $stage: after 5 seconds some run"; false; }
        wait || true
        [ "$(cat $stage)" = 137 ] && [ ! -s out ] || { echo "stage $stage: $(cat ? | paste -s)"; cat err; false; }
        for ((i = stage + 1; i < 6; i++)); do [ "$(cat $i)" = 3 ] || { echo "$stage: $i exits $(cat $i)"; false; }; done
        for ((i = 0; i < stage; i++)); do [[ $(cat $i) =~ ^(0|141)$ ]] || { echo "$stage: $i exits $(cat $i)"; false; }; done
    done
}

@test "... or stopped: the others wait, and go on when it does" {
    for stage in 0 2 4; do
        rm -f feed go ? out
        six $stage STOP
        sleep 0.3
        kill -0 $line
        kill -CONT "$victim"
        wait
        [ "$(cat ? | tr -d '\n')" = 000000 ]
        grep -q '^predictions *12$' out
    done
}
