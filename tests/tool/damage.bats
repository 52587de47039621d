# Damaged streams and the tools that read them: exit 3 and one line, never another exit, never a file under the final name.
# (Every cut and every bit of small streams is tried in tests/unit/stream.c, without a process for each.)
load common

setup_file() {
    lab "$BATS_FILE_TMPDIR/lab"
    cd "$BATS_FILE_TMPDIR/lab"
    stream "head('images', ['cat', 'dog'])" \
        "dict(id => str('a'), label => num(0), split => none(), image => tensor('|u1', [9, 8, 3], 'x' x 216))" \
        "dict(id => str('b'), label => num(1), split => none(), image => tensor('|u1', [5, 7, 3], 'y' x 105))" 'tail(2)' | rn-pick >images.rn
    stream "head('weights', ['cat', 'dog'], arch => none(), attention => none(), input => none())" \
        "dict(name => str('a'), role => str('parameter'), value => tensor('<f4', [2, 3], pack('f<*', 1 .. 6)))" \
        "dict(name => str('b'), role => str('buffer'), value => tensor('<f4', [5], pack('f<*', 1 .. 5)))" 'tail(2)' | rn-pick >weights.rn
    rn-batch --train --size 32 -b 3 all.rn -o once.rn
}
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/lab/." .; }

# damage N FILE COMMAND...: runs the command N times; each time DAMAGED in it is FILE, cut somewhere or with one bit flipped
damage() {
    perl -e '
        my ($n, $file, @command) = @ARGV;
        srand 2527;
        open my $in, "<:raw", $file or die; local $/; my $good = <$in>;
        for my $i (0 .. $n - 1) {
            my $bytes = $good;
            my $at = int rand length $good;
            my $what = $i % 2 ? "cut at $at" : "a bit of byte $at";
            if ($i % 2) { $bytes = substr $good, 0, $at } else { substr($bytes, $at, 1) ^= chr(1 << int rand 8) }
            open my $out, ">:raw", "damaged" or die; print $out $bytes; close $out or die;
            my $pid = fork // die;
            if (!$pid) {
                open STDIN, "<", "damaged"; open STDOUT, ">", "out"; open STDERR, ">", "err";
                exec map { $_ eq "DAMAGED" ? "damaged" : $_ } @command or die;
            }
            waitpid $pid, 0;
            open my $err, "<", "err"; my $text = <$err>;
            $? == 3 << 8 or die "@command: $what: status $?: $text";
            $text =~ /\A\Q$command[0]\E: [^\n]*\n\z/ or die "@command: $what: not one line: $text";
            !-e "new" && !-e "run/last.rn" && !-e "run/best.rn" or die "@command: $what: there is a file";
        }
        print "$n: @command\n"' "$@"
}

@test "samples" {
    damage 60 all.rn rn-split -o new DAMAGED
    damage 20 all.rn rn-split
    damage 40 all.rn rn-pick split=train -o new
    damage 20 all.rn rn-pick --shard 1/2 -o new DAMAGED
    damage 40 all.rn rn-show --tsv DAMAGED
    damage 30 all.rn rn-batch --size 16 -j 1 -k -q -o new DAMAGED
    damage 20 all.rn rn-batch --train --size 16 -j 1 -k -q
}

@test "images" {
    damage 40 images.rn rn-batch --size 8 -j 1 -o new
    damage 20 images.rn rn-batch --train --size 8 -j 1 -o new DAMAGED
    damage 30 images.rn rn-pick -o new
    damage 30 images.rn rn-show --npy image
}

@test "batches" {
    damage 50 val.rn rn-pick -o new
    damage 50 val.rn rn-show --json --values
    damage 6 val.rn rn-predict -j 1 -m model/last.rn -o new
    damage 2 val.rn rn-predict -j 1 -m model/last.rn --tsv DAMAGED
    damage 6 once.rn rn-train -a resnet20 -j 1 -o run
    damage 2 val.rn rn-train -a resnet20 -j 1 --val DAMAGED -o run once.rn
}

@test "predictions" {
    damage 50 test.rn rn-score -o new
    damage 30 test.rn rn-score --json --compare DAMAGED test.rn
    damage 20 test.rn rn-pick -o new
    damage 20 test.rn rn-show
}

@test "weights" {
    damage 50 weights.rn rn-show
    damage 30 weights.rn rn-show -l DAMAGED
    damage 20 weights.rn rn-pick -o new
    damage 4 weights.rn rn-train -j 1 --init DAMAGED -o run once.rn
    damage 3 model/last.rn rn-predict -j 1 -m DAMAGED -o new val.rn
    damage 2 model/last.rn rn-train -j 1 --resume DAMAGED -o run once.rn
}

@test "a stream of several segments, damaged in the last" {
    cat all.rn all.rn | head -c -9 >cut
    for command in "rn-pick -o new" "rn-show"; do
        rc=0; $command cut >out 2>err || rc=$?
        [ $rc = 3 ]
        [ "$(wc -l <err)" = 1 ]
        [ ! -e new ]
    done
    for command in "rn-pick -o new" "rn-split -o new" "rn-batch -k --size 16 -o new"; do
        for files in "all.rn /dev/null" "/dev/null all.rn" "all.rn weights.rn" "all.rn photos/glass/glass1.jpg"; do
            rc=0; $command $files >out 2>err || rc=$?
            case "$command $files" in "rn-pick"*weights*) [ $rc = 0 ]; rm new; continue ;; esac
            [ $rc = 3 ] && [ "$(wc -l <err)" = 1 ] && [ ! -e new ] || { echo "$command $files: $rc"; cat err; return 1; }
        done
    done
}

@test "five bytes that ask for 96 GB: exit 3 within 64 MiB" {
    for tool in rn-show rn-pick rn-split rn-batch rn-score; do
        # rn-batch's threads and its image library map more than they use
        limit=$((64 << 10)); [ $tool != rn-batch ] || limit=$((640 << 10))
        rc=0; printf '\xdd\xff\x00\x00\x00' | (ulimit -d $limit; exec $tool) 2>err >out || rc=$?
        [ $rc = 3 ] && [ "$(wc -l <err)" = 1 ] || { echo "$tool: exit $rc"; cat err; return 1; }
    done
}
