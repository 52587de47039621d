#!/usr/bin/perl
# checkpoint.pl -- a checkpoint as the original program would have written it (ResNet-18 with its attention module, on
# several GPUs, so every name begins with "module."), and whether all of it is in what rn-export made of it.
#     checkpoint.pl write [NAME...] > FILE.pth.tar    torch.save's format before PyTorch 1.6; with more tensors of these names
#     checkpoint.pl check FILE.safetensors|FILE.npz
#     checkpoint.pl nan NAME > FILE.pth.tar           the same, with a NaN in that tensor
use strict;
use warnings;

my @tensors; # [name, shape, bytes, storage type]
my $block = pack 'f<*', map { (($_ * 2654435761) % 16777216) / 8388608 - 1 } 0 .. 65535;

sub tensor {
    my ($name, @shape) = @_;
    my $count = 1;
    $count *= $_ for @shape;
    my $start = 4 * ((7919 * @tensors) % 65536);
    my $bytes = substr $block x (2 + int $count / 65536), $start, 4 * $count;
    push @tensors, [$name, \@shape, $bytes, 'Float'];
}

sub norm {
    my ($name, $c) = @_;
    tensor("$name.$_", $c) for qw(weight bias running_mean running_var);
    $tensors[-1][2] &= "\xff\xff\xff\x7f" x $c; # a variance: without sign
    push @tensors, ["$name.num_batches_tracked", [], pack('q<', 1000 + @tensors), 'Long'];
}

sub network {
    tensor('conv1.weight', 64, 3, 7, 7);
    norm('bn1', 64);
    my $in = 64;
    for my $stage (1 .. 4) {
        my $c = 32 << $stage;
        for my $i (0, 1) {
            my $block = "layer$stage.$i";
            tensor("$block.conv1.weight", $c, $in, 3, 3);
            norm("$block.bn1", $c);
            tensor("$block.conv2.weight", $c, $c, 3, 3);
            norm("$block.bn2", $c);
            if ($in != $c) {
                tensor("$block.downsample.0.weight", $c, $in, 1, 1);
                norm("$block.downsample.1", $c);
            }
            $in = $c;
        }
    }
    tensor('att.ChannelGate.mlp.0.weight', 32, 512);
    tensor('att.ChannelGate.mlp.0.bias', 32);
    tensor('att.ChannelGate.mlp.2.weight', 512, 32);
    tensor('att.ChannelGate.mlp.2.bias', 512);
    tensor('att.SpatialGate.spatial.0.weight', 1, 512, 7, 7);
    tensor('att.SpatialGate.spatial.0.bias', 1);
    tensor('final_fc.weight', 6, 512);
    tensor('final_fc.bias', 6);
}

# ---- pickles: see Python's pickletools ----

sub text { "X" . pack('V', length $_[0]) . $_[0] }
sub integer { "J" . pack 'l<', $_[0] }
sub tuple { '(' . join('', @_) . 't' }
sub call { my ($function, @arguments) = @_; "c$function\n" . tuple(@arguments) . 'R' }
sub dict { '}(' . join('', @_) . 'u' }

sub pickled_tensor {
    my ($key, $shape, $type, $count) = @_;
    my (@stride, $n);
    for (reverse @$shape) { unshift @stride, $n // 1; $n = ($n // 1) * $_ }
    my $storage = tuple(text('storage'), "ctorch\n${type}Storage\n", text($key), text('cuda:0'), integer($count), 'N') . 'Q';
    return call("torch._utils\n_rebuild_tensor_v2", $storage, integer(0), tuple(map { integer($_) } @$shape),
                tuple(map { integer($_) } @stride), "\x89", call("collections\nOrderedDict"));
}

sub write_checkpoint {
    my ($state, $data, $key, @keys) = ('', '', 1000);
    my $add = sub {
        my ($shape, $bytes, $type) = @_;
        my $count = length($bytes) / ($type eq 'Long' ? 8 : 4);
        push @keys, ++$key;
        $data .= pack('q<', $count) . $bytes;
        return pickled_tensor($key, $shape, $type, $count);
    };
    $state .= text("module.$_->[0]") . $add->(@$_[1, 2, 3]) for @tensors;
    my $momentum = $add->([6], pack('f<6', 1 .. 6), 'Float');
    my $optimizer = dict(text('state'), dict(integer(0), dict(text('momentum_buffer'), $momentum)),
                         text('param_groups'), '](' . dict(text('lr'), 'G' . pack('d>', 2e-4)) . 'e');
    my $checkpoint = dict(text('epoch'), integer(17), text('arch'), text('resnet18_base'),
                          text('state_dict'), call("collections\nOrderedDict") . "($state" . 'u',
                          text('best_acc1'), $add->([], pack('f<', 93.5), 'Float'), text('optimizer'), $optimizer);
    my $machine = dict(text('protocol_version'), integer(1001), text('little_endian'), "\x88");
    binmode STDOUT;
    print map { "\x80\x02$_." } "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", "M\xe9\x03", $machine, $checkpoint,
        '](' . join('', map { text($_) } @keys) . 'e';
    print $data;
    close STDOUT or die "$!\n";
}

# ---- what came out: name -> "[shape]" and bytes ----

sub read_safetensors {
    my ($file) = @_;
    my $length = unpack 'Q<', $file;
    my ($header, $data, %found) = (substr($file, 8, $length), substr $file, 8 + $length);
    while ($header =~ /"([^"]+)":\{"dtype":"(\w+)","shape":\[([\d,]*)\],"data_offsets":\[(\d+),(\d+)\]\}/g) {
        $found{$1} = ["$2 $3", substr $data, $4, $5 - $4];
    }
    return \%found;
}

sub read_npz {
    my ($file) = @_;
    my ($at, %found) = 0;
    while (substr($file, $at, 4) eq "PK\3\4") {
        my ($size, $name) = unpack 'x22 V v', substr $file, $at, 30;
        my $key = substr $file, $at + 30, $name;
        my $entry = substr $file, $at + 30 + $name, $size;
        my $length = unpack 'x8 v', $entry;
        substr($entry, 0, 10 + $length) =~ /^\x93NUMPY\x01\0..\{'descr': '<(..)', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n$/s
            or die "$key: no header\n";
        my ($type, $shape) = ($1 eq 'f4' ? 'F32' : 'I64', $2);
        $shape =~ s/,? //g unless $shape =~ /, /;
        $shape =~ s/, /,/g;
        $shape =~ s/,$//;
        $found{ $key =~ s/\.npy$//r } = ["$type $shape", substr $entry, 10 + $length];
        $at += 30 + $name + $size;
    }
    return \%found;
}

sub check {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $file = <$in>;
    my $found = $path =~ /\.npz$/ ? read_npz($file) : read_safetensors($file);
    for (@tensors) {
        my ($name, $shape, $bytes, $type) = @$_;
        my $is = delete $found->{$name} or die "$name is missing\n";
        my $should = ($type eq 'Long' ? 'I64 ' : 'F32 ') . join ',', @$shape;
        die "$name is $is->[0], not $should\n" if $is->[0] ne $should;
        die "$name has other numbers\n" if $is->[1] ne $bytes;
    }
    die "there is more: ", join(' ', sort keys %$found), "\n" if %$found;
    print scalar(@tensors), " tensors\n";
}

network();
my $what = shift // 'write';
if ($what eq 'check') {
    check(@ARGV);
} else {
    if ($what eq 'nan') {
        substr($_->[2], 4, 4) = pack 'f<', -sin(9**9**9) for grep { $_->[0] eq $ARGV[0] } @tensors;
    } else {
        tensor($_, 2) for @ARGV;
    }
    write_checkpoint();
}
