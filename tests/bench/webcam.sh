#!/usr/bin/env bash
# webcam.sh -- from a frame to its verdict: drawn pictures given one by one to rn-frames | rn-batch | rn-predict with a ResNet-18 at
# 224 pixels; the next frame is given when the verdict on the one before is there. Milliseconds.
set -euo pipefail
PATH=${BUILD:-build}:$PATH
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT && cd "$scratch"
draw photos 2
rn-list photos | rn-batch --train -b 6 | rn-train -t ours --lr 0.001 -q -o run > /dev/null
perl -MIPC::Open2 -MTime::HiRes=time -e '
    my @frames = map { local (@ARGV, $/) = $_; <> } glob "photos/*/*.jpg";
    my $pid = open2(my $out, my $in, "rn-frames | rn-batch --for run/last.rn -b 1 | rn-predict -m run/last.rn --tsv");
    binmode $in; $in->autoflush(1);
    my @ms;
    for my $i (0 .. 59) {
        my $begun = time;
        print $in $frames[$i % @frames];
        <$out> if $i == 0; # the header line
        <$out> // die "no verdict\n";
        push @ms, 1000 * (time - $begun) if $i >= 10;
    }
    close $in; waitpid $pid, 0;
    @ms = sort { $a <=> $b } @ms;
    printf "frame to verdict, ResNet-18 at 224: median %.1f ms, 90 %% below %.1f ms, most %.1f ms\n", $ms[25], $ms[45], $ms[49];'
