# flat.bats -- memory of the tools that stream does not grow from 10^4 to 10^6 records; of those that remember ids, by these alone.
load ../tool/common

# list N: a stream of N samples of few photos
list() {
    perl -e '
        my ($n, @path) = @ARGV; binmode STDOUT;
        sub str { my $l = length $_[0]; ($l < 32 ? chr(0xa0 | $l) : "\xd9" . chr $l) . $_[0] }
        print "\x83", str("rn"), str("samples"), str("version"), "\x01", str("classes"), "\x91", str("a");
        for my $i (1 .. $n) {
            print "\x84", str("id"), str(sprintf "a/%08d.jpg", $i), str("label"), "\x00", str("split"), "\xc0", str("path"), str($path[$i % @path]);
        }
        print "\x82", str("rn"), str("end"), str("records"), "\xce", pack "N", $n;
    ' "$1" photos/*/*.jpg
}
setup_file() {
    [ -x /usr/bin/time ] || skip "GNU time is not here"
    cd "$BATS_FILE_TMPDIR"
    draw photos 2
    list 10000 > 10000.rn
    list 1000000 > 1000000.rn
}
setup() { cd "$BATS_FILE_TMPDIR" || return; }

# peak COMMAND...: KiB
peak() {
    /usr/bin/time -q -o peak -f %M "$@" > /dev/null || return
    cat peak
}
# flat BYTES COMMAND...: with N for the number of records: what it takes for a million is at most 5 % more, and so many bytes a record.
# 512 KiB besides: the kernel counts pages by 64 and more at a time.
flat() {
    local bytes=$1 small large
    shift
    small=$(peak "${@//N.rn/10000.rn}") && large=$(peak "${@//N.rn/1000000.rn}") || return
    echo "$*: $small, $large KiB"
    [ "$large" -le $((small * 105 / 100 + 512 + bytes * 1000000 / 1024)) ]
}

@test "what streams is flat" {
    flat 0 rn-pick label=a N.rn
    flat 0 rn-pick --shard 2/3 N.rn
    flat 0 rn-pick --cut 3 N.rn -o part.%d.rn
    flat 0 rn-pick --tar --max-size 100M --head 200000 N.rn -o s-%03d.tar
    flat 0 rn-show --tsv N.rn
    flat 0 rn-show --json N.rn
    flat 0 rn-show --expect N.rn
}

@test "what refuses repeated ids remembers them, in 24 bytes each" {
    perl -e 'print "photos/$_\n" for 1 .. 10000' > 10000.names
    perl -e 'print "photos/$_\n" for 1 .. 1000000' > 1000000.names
    flat 24 sh -c 'rn-list -q --live --files-from "${0%.rn}.names" || :' N.rn
    flat 24 rn-batch -q -k --size 8 -j 1 --no-sandbox --max-pixels 1 N.rn -o /dev/null || [ $? = 1 ]
}
