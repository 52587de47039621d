# spool.bats -- rn-batch --train --spool none: records are read again where they lie.
load common

@test "--spool none: the same batches from the files themselves, of all kinds, from wherever standard input stands; no pipe" {
    draw photos 3
    rn-list photos > all.rn
    rn-pick --embed all.rn -o whole.rn
    rn-pick --cut 3 whole.rn -o s.%d.rn
    rn-augment -q -r affine --split all all.rn -o images.rn
    stream 'head("samples", ["trash", "wood"])' 'dict(id => str("x"), label => num(0), split => none(), error => str("gone"))' 'tail(1)' > bad.rn
    { printf junk; cat whole.rn images.rn; } > behind
    options="--train --size 32 -b 5 --epochs 2 -k -q"
    for input in whole.rn "s.1.rn s.2.rn s.3.rn" "images.rn bad.rn whole.rn" all.rn; do
        rn-batch $options $input -o want.rn || true
        rn-batch $options --spool none $input -o got.rn || true
        cmp want.rn got.rn
        rn-batch $options --spool none --balance class $input 2> /dev/null | rn-show --json > got || true
        rn-batch $options --balance class $input 2> /dev/null | rn-show --json | cmp - got
    done
    rn-batch $options whole.rn images.rn -o want.rn
    { dd bs=4 count=1 of=/dev/null 2> /dev/null; rn-batch $options --spool none; } < behind | cmp - want.rn
    # nothing is put aside
    TMPDIR=/nowhere rn-batch $options --spool none whole.rn images.rn | cmp - want.rn
    fails 4 nowhere env TMPDIR=/nowhere rn-batch $options whole.rn
    piped() { cat whole.rn | rn-batch --train --spool none; }
    fails 2 '^rn-batch: --spool none needs files, not a pipe: standard input$' piped
    mkfifo fifo
    fails 2 '^rn-batch: --spool none needs files, not a pipe: fifo$' rn-batch --train --spool none fifo < /dev/null
    fails 2 '^rn-batch: --spool needs --train' rn-batch --spool none whole.rn
}

@test "--spool none: a file that changes while it is read is an error, not other photos" {
    draw photos 3
    rn-list photos | rn-pick --embed -o whole.rn
    mkfifo out
    rn-batch --train --size 256 -b 1 -j 1 --epochs 50 --spool none whole.rn > out 2> err & pid=$!
    exec 8< out
    head -c 1000 <&8 > /dev/null
    perl -e 'open my $f, "+<", "whole.rn"; seek $f, 300, 0; print $f "x" x ((-s "whole.rn") - 300)'
    cat <&8 > rest
    exec 8<&-
    rc=0; wait $pid || rc=$?
    [ $rc = 3 ] && grep '^rn-batch: whole.rn: it has changed since it was read: --spool none needs' err
}
