# power.pl -- reads what faults.c wrote down of a program (RN_LOG) and cuts the power after each line of it, with every loss that is
# legal then: any of the bytes that were written since their file's fsync, and any of the changes of a folder since its own. Says which
# names could then stand for a file that is neither the old one nor the new one, whole, and which are not for good at the end.
# exit: 0 when there are none, 1; the last line is how many states there were.
use strict;
use warnings;

my @events = map { chomp; [split / /] } <STDIN>;
my ($states, %wrong) = (0);

# What the disk may hold after the first $n events.
for my $n (0 .. @events) {
    my (%life, %pending, %names, %changes, %target);
    for my $event (@events[0 .. $n - 1]) {
        my ($what, $inode, @more) = @$event;
        if ($what eq "create") {
            $life{$inode}++; # an inode comes again when its file is gone
        } elsif ($what eq "write") {
            $pending{$inode . "." . ($life{$inode} // 0)}++;
        } elsif ($what eq "fsync") {
            delete $pending{$inode . "." . ($life{$inode} // 0)};
        } elsif ($what eq "folder") {
            apply(\%names, $_) for @{delete $changes{$inode} // []};
        } elsif ($what eq "link") {
            my $file = $more[0] . "." . ($life{$more[0]} // 0);
            $target{$more[1]} = $file;
            push @{$changes{$inode}}, ["name", $more[1], $file];
        } elsif ($what eq "rename") {
            my ($there, $from, $to) = @more;
            $names{$to} //= "old" if $there eq "old" && !exists $target{$to};
            my $file = $target{$from} // die "rename of $from, which nobody made\n";
            push @{$changes{$inode}}, ["name", $to, $file, $from];
            $target{$to} = $file;
        } elsif ($what eq "unlink") {
            push @{$changes{$inode}}, ["gone", $more[0]];
            delete $target{$more[0]};
        }
    }
    my @all = map { @$_ } values %changes;
    die "too many changes of folders at once\n" if @all > 16;
    for my $kept (0 .. 2 ** @all - 1) {
        my %state = %names;
        $kept >> $_ & 1 and apply(\%state, $all[$_]) for 0 .. $#all;
        $states++;
        for my $name (grep { !/\.tmp$/ } keys %state) {
            my $file = $state{$name} // "";
            $wrong{"$name could be cut off"}++ if $file && $pending{$file};
            $wrong{"$name could be gone"}++ if !$file && $names{$name};
        }
    }
    next if $n < @events;
    my @open = grep { $_->[0] eq "name" && $_->[1] !~ /\.tmp$/ } @all;
    $wrong{"$_->[1] is not for good when the program has ended"}++ for @open;
}
print "$_\n" for sort keys %wrong;
print "$states states\n";
exit(%wrong ? 1 : 0);

sub apply {
    my ($names, $change) = @_;
    my ($what, $name, $file, $from) = @$change;
    $names->{$name} = $what eq "gone" ? undef : $file;
    delete $names->{$from} if defined $from;
}
