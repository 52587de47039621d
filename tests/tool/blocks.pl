#!/usr/bin/env perl
# blocks.pl [--page|--fill] README.md|rn.7 -- runs a page's command blocks in this folder, in their order, and prints what they say as the
# page should have it; with --page, what the page has; with --fill, README.md with what they say now (to be put in its place). In README.md they are the fenced blocks that begin ```console: lines "$ COMMAND", each
# followed by what it says on both outputs; ```console figures: the figures and classes in it follow from arithmetic that may differ
# from here to there, and are masked. In a man page they are the examples (.EX) of A TOUR.
# Masked everywhere: hashes, times and rates, numbers with a decimal point; runs of blanks count as one.
use strict;
use warnings;

my $mode = @ARGV && $ARGV[0] =~ /^--(page|fill)$/ ? (shift, $1)[1] : 'run';
my $file = shift;
open my $in, '<', $file or die "$file: $!\n";
my ($inside, $tour, @blocks) = (0, 0);
my @page = ('');    # what stands between the blocks
while (<$in>) {
    $page[-1] .= $_ if !$inside || /^```$/;
    if ($file =~ /\.md$/) {
        if (!$inside && /^```console( figures)?$/) { $inside = 1; push @blocks, { figures => !!$1, lines => [] }; push @page, ''; next }
        if ($inside && /^```$/) { $inside = 0; next }
    } else {
        $tour = 1 if /^\.SH A TOUR/;
        $tour = 0 if /^\.SH FOR/;
        if ($tour && /^\.EX/) { $inside = 1; push @blocks, { figures => 0, lines => [] }; next }
        $inside = 0 if /^\.EE/;
        s/\\-/-/g; s/\\e/\\/g;
    }
    push @{ $blocks[-1]{lines} }, $_ if $inside;
}
die "$file: no blocks\n" if !@blocks;

sub masked {
    my ($text, $figures) = @_;
    $text =~ s/\b[0-9a-f]{16}\b/HASH/g;
    $text =~ s/-?\b\d+\.\d+(e-?\d+)?\b/FIGURE/g;
    if ($figures) {
        $text =~ s/\b(cardboard|glass|metal|paper|plastic|trash)\b(?![\/0-9])/CLASS/g;
        $text =~ s/(?<![\w.\/-])\d+\b(?!\.)/FIGURE/g;
    }
    $text =~ s/[ \t]+/ /g;
    $text =~ s/ +$//mg;
    return $text;
}

for my $block (@blocks) {
    print shift @page if $mode eq 'fill';
    my @commands;
    for (@{ $block->{lines} }) {
        if (/^\$ (.*)/) { push @commands, { typed => $_, command => $1, says => '' } }
        elsif (/^> (.*)/ && @commands && $commands[-1]{says} eq '') { $commands[-1]{typed} .= $_; $commands[-1]{command} .= "\n$1" }
        elsif (@commands) { $commands[-1]{says} .= $_ }
        else { die "$file: a block that begins with no command: $_" }
    }
    for my $c (@commands) {
        my $says = $c->{says};
        if ($mode ne 'page') {
            # a command that stops reading early ends the one before it by SIGPIPE: that is no failure
            open my $run, '-|', 'bash', '-c', "exec 2>&1 < /dev/null; $c->{command}\n" .
                'for code in "${PIPESTATUS[@]}"; do [ $code = 0 ] || [ $code = 141 ] || exit $code; done' or die;
            local $/;
            $says = <$run> // '';
            close $run or die "$file: $c->{command}\nfailed (exit " . ($? >> 8) . "), saying:\n$says";
        }
        print $c->{typed}, $mode eq 'fill' ? $says : masked($says, $block->{figures});
    }
}
print @page if $mode eq 'fill';
