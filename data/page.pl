# page.pl -- pages of pipelines/report, tables and heatmaps: self-contained HTML, no scripts, light and dark, for small screens too.
#   perl page.pl report TITLE FOLDER    FOLDER: log.tsv, score.json, score.svg, worst.tsv, commands.txt, maps/index.tsv (what there is)
#   perl page.pl tables                 standard input: lines "table N title", then TSV rows of pipelines/tables
#   perl page.pl heatmaps INDEX.tsv     of rn-heatmap; the pictures stay files, relative to the page
# The page goes to standard output.
use strict;
use warnings;
binmode STDOUT;
binmode STDIN;

my ($here) = $0 =~ m{^(.*)/} ? $1 : '.';

sub slurp { my ($path) = @_; open(my $file, '<:raw', $path) or return ''; local $/; my $all = <$file>; defined $all ? $all : '' }
sub esc {
    my ($text) = @_;
    my %name = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;', "'" => '&#39;');
    $text =~ s/([&<>"'])/$name{$1}/g;
    $text =~ s/([\x00-\x08\x0b-\x1f\x7f])/sprintf '\\x%02x', ord $1/ge;
    return $text;
}
sub base64 { my $text = pack 'u', $_[0]; $text =~ s/^.//mg; $text =~ s/\n//g; $text =~ tr{` -_}{AA-Za-z0-9+/}; my $pad = (3 - length($_[0]) % 3) % 3;
             substr($text, -$pad) = '=' x $pad if $pad; return $text }
sub table_of { my ($path) = @_; my ($head, @rows) = map { [split /\t/, $_, -1] } split /\n/, slurp($path);
               return map { my $row = $_; +{ map { $head->[$_] => $row->[$_] } 0 .. $#$head } } @rows }

# The template, data/page.html, filled: {{title}} and {{body}}, which are HTML.
sub page {
    my ($title, $body) = @_;
    my $page = slurp("$here/page.html") or die "$here/page.html: cannot be read: $!\n";
    my %fill = (title => $title, body => $body);
    $page =~ s/\{\{(title|body)\}\}/$fill{$1}/g;
    print $page;
}

# ---- learning curves ----

# Marks between low and high that a person would choose.
sub marks {
    my ($low, $high) = @_;
    my $step = 10 ** int(log(($high - $low) / 4) / log(10) - ($high - $low < 4 ? 1 : 0));
    for my $times (1, 2, 5, 10) { if (($high - $low) / ($step * $times) <= 5) { $step *= $times; last } }
    my $first = int($low / $step);
    return grep { $_ >= $low - 1e-9 && $_ <= $high + 1e-9 } map { $step * $_ } $first .. $first + 12;
}

# chart TITLE, LOG, [name, class, [[x, y] ...]] ...: one figure, x: epochs
sub chart {
    my ($title, $log, @lines) = @_;
    my @all = map { @{$_->[2]} } @lines;
    return '' if !@all;
    my $scale = sub { $log ? log($_[0]) / log(10) : $_[0] };
    my ($low, $high) = (sort { $a <=> $b } map { $scale->($_->[1]) } @all)[0, -1];
    ($low, $high) = ($low - 0.5, $high + 0.5) if $high - $low < 1e-12;
    my ($begin, $end) = (sort { $a <=> $b } map { $_->[0] } @all)[0, -1];
    my $x = sub { 56 + 290 * ($end > $begin ? ($_[0] - $begin) / ($end - $begin) : 0.5) };
    my $y = sub { 170 - 150 * ($_[0] - $low) / ($high - $low) };
    my $svg = qq(<svg viewBox="0 0 360 200" role="img">\n);
    for my $mark ($log ? grep({ $_ >= $low - 1e-9 && $_ <= $high + 1e-9 } int($low) - 1 .. int($high) + 1) : marks($low, $high)) {
        $svg .= sprintf qq(<path class="g" d="M56 %.1fh290"/><text x="50" y="%.1f" text-anchor="end">%s</text>\n), $y->($mark), $y->($mark) + 4,
            sprintf('%.4g', $log ? 10 ** $mark : $mark);
    }
    $svg .= sprintf qq(<text x="%.1f" y="188" text-anchor="middle">%s</text>\n), $x->($_), $_ for $begin == $end ? $begin : ($begin, $end);
    $svg .= qq(<text x="201" y="188" text-anchor="middle">epoch</text>\n);
    my @names;
    for my $line (@lines) {
        my ($name, $class, $points) = @$line;
        next if !@$points;
        push @names, qq(<span style="color:var(--$class)">■</span> $name);
        $svg .= qq(<polyline class="$class" points=") . join(' ', map { sprintf '%.1f,%.1f', $x->($_->[0]), $y->($scale->($_->[1])) } @$points) . qq("/>\n);
        next if @$points > 150;
        $svg .= sprintf qq(<circle class="f$class" cx="%.1f" cy="%.1f" r="2.5"><title>%s, epoch %s: %s</title></circle>\n), $x->($_->[0]), $y->($scale->($_->[1])),
            $name, $_->[0], $_->[1] for @$points;
    }
    return qq(<figure><figcaption><b>$title</b> ) . (@names > 1 ? join(' ', @names) : '') . qq(</figcaption>\n$svg</svg></figure>\n);
}

sub curves {
    my @log = @_;
    my $column = sub { my ($name) = @_; [map { [$_->{epoch}, $_->{$name}] } grep { defined $_->{$name} && $_->{$name} =~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/i } @log] };
    my @rates = map { $_->[1] } @{$column->('lr')};
    return qq(<div class="grid">\n) . chart('Loss', 0, ['training', 'a', $column->('train_loss')], ['validation', 'b', $column->('val_loss')]) .
        chart('Acc@1, %', 0, ['training', 'a', $column->('train_acc1')], ['validation', 'b', $column->('val_acc1')]) .
        chart('Learning rate', !grep({ $_ <= 0 } @rates), ['learning rate', 'a', $column->('lr')]) .
        chart('Images a second', 0, ['images a second', 'a', $column->('images_per_s')]) . qq(</div>\n);
}

# ---- the report ----

sub report {
    my ($title, $folder) = @_;
    my @log = table_of("$folder/log.tsv");
    my $score = slurp("$folder/score.json");
    my %n = map { $_ => $score =~ /"$_": ([-0-9.e+]+)/ ? $1 : undef } qw(acc1 n errors acc2 macro_f1 log_loss ece15);
    my $body = '';
    if ($score =~ /"acc1_interval": \[([-0-9.e+]+), ([-0-9.e+]+)\]/) {
        $body .= sprintf qq(<p><span class="big">%.2f %%</span> Acc\@1 on %d test photos<br/><span class="muted">95 %% interval %.2f to %.2f %% · Acc\@2 %.2f %% · macro F1 %.4f · log loss %.4f · ECE %.4f · %d photos failed</span></p>\n),
            $n{acc1}, $n{n}, $1, $2, $n{acc2}, $n{macro_f1}, $n{log_loss}, $n{ece15}, $n{errors};
    }
    my $seconds = 0;
    $seconds += $_->{seconds} || 0 for @log;
    $body .= sprintf qq(<h2>Training: %d epochs, %d:%02d:%02d</h2>\n), scalar @log, $seconds / 3600, $seconds / 60 % 60, $seconds % 60;
    $body .= curves(@log);
    my $svg = slurp("$folder/score.svg");
    $body .= qq(<h2>The test photos</h2>\n<img class="score" alt="confusion matrix, reliability, precision and recall" src="data:image/svg+xml;base64,) . base64($svg) . qq("/>\n) if $svg;
    my @worst = table_of("$folder/worst.tsv");
    my %picture = map { $_->{id} => $_->{picture} } table_of("$folder/maps/index.tsv");
    $body .= qq(<h2>The worst mistakes</h2>\n) . (@worst ? qq(<p class="muted">Those it was surest of. Over each photo: what spoke for its verdict (Grad-CAM).</p>\n<div class="grid">\n) : qq(<p>There are none.</p>\n));
    for my $photo (@worst) {
        my $png = defined $picture{$photo->{id}} ? slurp("$folder/maps/$picture{$photo->{id}}") : '';
        $body .= '<figure>' . ($png ? '<img alt="" src="data:image/png;base64,' . base64($png) . '"/>' : '<p class="muted">(the photo cannot be read any more)</p>') .
            sprintf("<figcaption>%s<br/>is <b>%s</b>, taken for <b>%s</b> (%.1f %%)</figcaption></figure>\n", map({ esc($_) } @{$photo}{qw(id label prediction)}), 100 * $photo->{confidence});
    }
    $body .= qq(</div>\n) if @worst;
    $body .= qq(<h2>How it was made</h2>\n<pre>) . esc(slurp("$folder/commands.txt")) . qq(</pre>\n);
    page(esc($title), $body);
}

# ---- the published tables ----

# An interval with ours as a dot, and the published figure as a bar across, on a scale of low .. high percent.
sub interval {
    my ($low, $high, $ours, $from, $to, $published) = @_;
    my $x = sub { 4 + 232 * ($_[0] - $low) / ($high - $low) };
    my $svg = qq(<svg class="i" viewBox="0 0 240 20" role="img"><path class="g" d="M4 10h232"/>);
    $svg .= sprintf qq(<path class="a" d="M%.1f 10H%.1fM%.1f 6v8M%.1f 6v8"/><circle class="fa" cx="%.1f" cy="10" r="4"/>), map({ $x->($_) } $from, $to, $from, $to, $ours) if $ours ne '-';
    return $svg . sprintf qq(<path class="b" d="M%.1f 2v16"/></svg>), $x->($published);
}

sub tables {
    my (@tables, $body);
    while (my $line = <STDIN>) {
        chomp $line;
        if ($line =~ /^table (\d+) (.*)/) { push @tables, { number => $1, title => $2, rows => [] } } else { push @{$tables[-1]{rows}}, [split /\t/, $line, -1] }
    }
    $body = qq(<p class="muted">Acc\@1 in percent on the test photos. Ours: mean over seeds, with the 95 % interval (Wilson) of all their photos. <span style="color:var(--a)">●</span> ours, <span style="color:var(--b)">❙</span> published.</p>\n);
    for my $table (@tables) {
        my ($low, $high) = (sort { $a <=> $b } map { grep { $_ ne '-' } @{$_}[1, 4, 5] } @{$table->{rows}})[0, -1];
        next if !defined $low;
        ($low, $high) = (int($low) - 1, int($high) + 2);
        $body .= sprintf qq(<h2>Table %d: %s</h2>\n<div class="wide"><table><tr><th>network</th><th>published</th><th>ours</th><th>95 %%</th><th>%d to %d %%</th><th>difference</th><th>params/M</th><th>seeds</th><th>epochs</th></tr>\n),
            $table->{number}, esc($table->{title}), $low, $high;
        for my $row (@{$table->{rows}}) {
            my ($what, $published, $params, $ours, $from, $to, $seeds, $epochs, $difference) = map { esc($_) } @$row;
            $body .= "<tr>" . join('', map { "<td>$_</td>" } $what, $published, $ours, $ours eq '-' ? '-' : "$from to $to", interval($low, $high, $ours, $from, $to, $published), $difference, $params, $seeds, $epochs) . "</tr>\n";
        }
        $body .= "</table></div>\n";
    }
    page('RecycleNet: the published tables, and ours', $body);
}

# ---- heat maps ----

# A cell of a TSV file as it was; a path as the address in a link.
sub raw { my ($text) = @_; my %back = (t => "\t", n => "\n", r => "\r"); $text =~ s/\\(.)/$back{$1} \/\/ $1/ge; return $text }
sub url { my ($path) = @_; $path =~ s{([^A-Za-z0-9._~/-])}{sprintf '%%%02X', ord $1}ge; return $path }

sub heatmaps {
    my ($index) = @_;
    my ($body, $left, $drawn) = ('', '', 0);
    for my $photo (table_of($index)) {
        my ($id, $verdict, $picture) = map { raw($_ // '') } @{$photo}{qw(id prediction picture)};
        if ($picture eq '') { $left .= '<li>' . esc("$id: $verdict") . "</li>\n"; next }
        $drawn++;
        $body .= sprintf qq(<figure><a href="%s"><img src="%s" alt="%s" loading="lazy"/></a><figcaption>%s</figcaption></figure>\n),
            url($picture), url($picture), esc("$id: $verdict"), esc($id);
    }
    $body = qq(<div class="grid maps">\n$body</div>\n<p>$drawn ) . ($drawn == 1 ? 'photo' : 'photos') . "</p>\n";
    $body .= "<h2>Not drawn</h2>\n<ul>$left</ul>\n" if $left;
    page('Heat maps', $body);
}

my $what = shift @ARGV || '';
if ($what eq 'report' && @ARGV == 2) { report(@ARGV) } elsif ($what eq 'tables') { tables() } elsif ($what eq 'heatmaps' && @ARGV == 1) { heatmaps(@ARGV) }
else { die "usage: perl page.pl report TITLE FOLDER | tables | heatmaps INDEX.tsv\n" }
close STDOUT or die "cannot write: $!\n";
