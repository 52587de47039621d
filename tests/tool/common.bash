# common.bash -- what every test of a tool loads: the tools are on PATH, and each test works in a folder of its own.
TOP=$(realpath "$BATS_TEST_DIRNAME/../..")
BUILD=${BUILD:-$TOP/build}
SHARED=$TOP/../shared
PATH=$BUILD:$PATH

setup() { cd "$BATS_TEST_TMPDIR"; }

# stream EXPRESSION...: what the Perl expressions give, one after the other, as a foreign program would write it: dict(key => value,
# ...), list(...), str, bin, num (a whole number from -32 to 65535), real (float64), none, tensor(TYPE, [SHAPE], BYTES) as
# msgpack-numpy has it, head(KIND, [CLASSES], more...), tail(N).
stream() {
    perl -e '
        sub str { my $n = length $_[0]; $n < 32 ? chr(0xa0 | $n) . $_[0] : "\xda" . pack("n", $n) . $_[0] }
        sub bin { "\xc6" . pack("N", length $_[0]) . $_[0] }
        sub num { $_[0] < 0 ? chr(256 + $_[0]) : $_[0] < 128 ? chr $_[0] : "\xcd" . pack("n", $_[0]) }
        sub real { "\xcb" . pack("d>", $_[0]) }
        sub none { "\xc0" }
        sub list { "\xdc" . pack("n", scalar @_) . join("", @_) }
        sub dict { "\xde" . pack("n", @_ / 2) . join("", map { $_ % 2 ? $_[$_] : str($_[$_]) } 0 .. $#_) }
        sub tensor { my ($type, $shape, $data) = @_;
                     "\x85" . bin("nd") . "\xc3" . bin("type") . str($type) . bin("kind") . bin("") .
                     bin("shape") . list(map { num($_) } @$shape) . bin("data") . bin($data) }
        sub head { my ($kind, $classes, @more) = @_;
                   dict(rn => str($kind), version => num(1), classes => list(map { str($_) } @$classes), @more) }
        sub tail { dict(rn => str("end"), records => num($_[0])) }
        binmode STDOUT;
        for (@ARGV) { my @bytes = eval $_; die $@ if $@; print @bytes }
    ' "$@"
}

# lab FOLDER: small drawn photos and one stream of each kind that came of them, for tests that need a whole line: photos/, all.rn
# (samples), train.rn (train batches: 2 epochs of 3), val.rn (eval batches), model/last.rn (after one epoch), test.rn (predictions)
lab() {
    mkdir "$1" && cd "$1" || return
    draw photos 2
    rn-list photos | rn-split -r 70/30/0 -o all.rn
    rn-pick split=val all.rn | rn-batch --size 32 -o val.rn
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 3 --epochs 1 | rn-train -a resnet20 -t ours --lr 0.01 -j 1 -o model >/dev/null
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 3 --epochs 2 -o train.rn
    rn-predict -j 1 -m model/last.rn val.rn -o test.rn
    cd - >/dev/null
}

# photos FOLDER NAME...: files that are as good as photos to tools that do not open them
photos() {
    local folder=$1 name
    shift
    for name; do
        mkdir -p "$(dirname "$folder/$name")"
        printf 'photo %s' "$name" > "$folder/$name"
    done
}

# fails CODE PATTERN COMMAND...: exits with the code, says one line that matches the pattern, and writes nothing
fails() {
    local code=$1 pattern=$2 rc=0
    shift 2
    "$@" >fails.out 2>fails.err || rc=$?
    [ $rc = "$code" ] || { echo "$*: exit $rc, not $code"; cat fails.err; return 1; }
    [ "$(wc -l <fails.err)" = 1 ] || { echo "$*: not one line:"; cat fails.err; return 1; }
    grep -qE -- "$pattern" fails.err || { echo "$*: not /$pattern/:"; cat fails.err; return 1; }
    [ ! -s fails.out ] || { echo "$*: it wrote $(wc -c <fails.out) bytes"; return 1; }
}

# well_formed FILE: it is XML: every tag is closed, & begins a reference, and there is UTF-8 only
well_formed() {
    perl -e '
        use open ":std", ":encoding(UTF-8)";
        local $/; my $xml = <STDIN>; my @open;
        die "a control character\n" if $xml =~ /[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffd}-\x{ffff}]/;
        while ($xml =~ /\G(?:<(\/?)([a-z0-9]+)((?: [a-zA-Z:-]+="[^"<]*")*)(\/?)>|([^<]+))/gc) {
            my ($text, $end, $name, $more, $empty) = ($5 // $3, $1, $2, $3, $4);
            die "a bare &: $text\n" if $text =~ /&(?!amp;|lt;|gt;|quot;|#39;)/;
            next if defined $5 || $empty;
            if (!$end) { push @open, $name } elsif ((pop(@open) // "") ne $name) { die "</$name> closes nothing\n" }
        }
        die "not XML at byte " . (pos $xml) . "\n" if (pos($xml) // 0) < length $xml;
        die "<$open[-1]> is not closed\n" if @open;
    ' < "$1"
}

# below PID NAME: the process of that name that the other began
below() {
    local child
    for child in $(ps -o pid= --ppid "$1"); do
        if [ "$(ps -o comm= -p "$child")" = "$2" ]; then echo "$child"; else below "$child" "$2"; fi
    done
}
