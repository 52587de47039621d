#!/usr/bin/env perl
# serve.pl FOLDER PORTFILE [CUT] -- serves the folder's files by HTTP/1.1 on a free port of this machine, which it writes to PORTFILE,
# with ranges; the first answer is cut after CUT bytes. A line a request, method and range, goes to standard output.
use strict;
use warnings;
use IO::Socket::INET;

my ($folder, $portfile, $cut) = @ARGV;
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "no socket: $!\n";
open my $port, '>', "$portfile.new" or die; print $port $server->sockport; close $port; rename "$portfile.new", $portfile;
$| = 1;
$SIG{PIPE} = 'IGNORE';
while (my $client = $server->accept) {
    my ($path, $from) = ('', 0);
    while (defined(my $line = <$client>)) {
        $path = $1 if $line =~ m{^GET /(\S*)};
        $from = $1 if $line =~ /^Range: bytes=(\d+)-/i;
        last if $line =~ /^\r?\n/;
    }
    print "$path $from\n";
    if (open my $file, '<:raw', "$folder/$path") {
        my $size = -s $file;
        if ($from && $from >= $size) {
            print $client "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */$size\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        } else {
            seek $file, $from, 0;
            local $/;
            my $data = <$file>;
            print $client $from ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes $from-" . ($size - 1) . "/$size\r\n" : "HTTP/1.1 200 OK\r\n",
                "Accept-Ranges: bytes\r\nContent-Length: " . length($data) . "\r\nConnection: close\r\n\r\n", $cut ? substr($data, 0, $cut) : $data;
            undef $cut;
        }
    } else {
        print $client "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    }
    close $client;
}
