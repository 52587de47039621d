# rn-train and the batches it is given: what cannot work is said before the first step.
load common

# photos CLASS=COUNT...: drawn ones
classes() {
    draw all 4
    for pair; do
        mkdir -p "photos/${pair%=*}"
        find "all/${pair%=*}" -type f | sort | head -n "${pair#*=}" | xargs cp -t "photos/${pair%=*}"
    done
}

# refused CODE PATTERN COMMAND...: one line, and no file; the table's head may be there
refused() {
    local code=$1 pattern=$2 rc=0
    shift 2
    "$@" > out 2> err || rc=$?
    [ $rc = "$code" ] || { echo "exit $rc, not $code"; cat err; return 1; }
    [ "$(wc -l < err)" = 1 ] || { cat err; return 1; }
    grep -qE -- "$pattern" err || { cat err; return 1; }
    [ ! -e run/last.rn ]
}

@test "a last batch that is too small is known before the first step, and left out by --drop-last" {
    classes glass=4 metal=3
    rn-list photos | rn-batch --train --size 32 -b 3 --epochs 2 -o batches.rn
    refused 3 "the last batch of an epoch, of 7 in 3 batches of 3 \(rn-batch --drop-last leaves it out\): layer layer4" \
        rn-train -o run batches.rn
    [ "$(wc -l < out)" = 1 ]
    # at 33 pixels maps are larger than 1x1; and two batches of 3 are whole
    rn-list photos | rn-batch --train --size 33 -b 3 | rn-train -j 1 -o large > /dev/null
    rn-list photos | rn-batch --train --size 32 -b 3 --epochs 2 --drop-last -o batches.rn
    [ "$(rn-show --json batches.rn | jq -c 'select(.index != null) | [.epoch, .index, (.ids | length)]' | tr '\n' ' ')" = \
        "[0,0,3] [0,1,3] [1,0,3] [1,1,3] " ]
    [ "$(rn-show --json batches.rn | head -n 1 | jq -c '[.batches_per_epoch, .class_counts]')" = "[2,[4,3]]" ]
    rn-train -j 1 -o run batches.rn > table
    [ "$(wc -l < table)" = 3 ]
    rm -r run
    refused 3 "layer layer4" rn-train -o run < <(rn-list photos | rn-batch --train --size 32 -b 1)
}

@test "a run of --drop-last goes on with it" {
    classes glass=4 metal=3
    rn-list photos | rn-batch --train --size 32 -b 3 --epochs 2 --drop-last | rn-train -j 1 -o whole > /dev/null
    rn-list photos | rn-batch --train --size 32 -b 3 --epochs 2 --drop-last -o all.rn
    rn-list photos | rn-batch --train --size 32 -b 3 --epochs 2 --drop-last --from 0:0 | head -c 40000 > cut.rn
    rn-train -j 1 -o half --save-every 1 cut.rn > /dev/null 2>&1 || true
    [ -e half/last.rn ]
    rn-list photos | rn-batch --train --resume half/last.rn | rn-train -j 1 --resume half/last.rn -o half > /dev/null
    cmp whole/last.rn half/last.rn
    rn-list photos | rn-batch --train --size 33 -b 3 | rn-train -j 1 -o other > /dev/null
    fails 2 "drop-last is not what other/last.rn was trained with" rn-batch --train --drop-last --resume other/last.rn < /dev/null
    fails 2 "--drop-last needs --train" rn-batch --drop-last < /dev/null
    rn-list photos -o all.rn
    fails 3 "leaves nothing: 7 photos are less than one batch of 16" rn-batch --train --drop-last all.rn
}

@test "--val says which parts of a set that was cut it lacks, once; whole, it says nothing" {
    classes glass=4 metal=4
    rn-list photos | rn-pick --cut 4 -o part.%d.rn
    for i in 1 2 3 4; do rn-batch --size 33 part.$i.rn -o val.$i.rn; done
    rn-list photos | rn-batch --train --size 33 -b 4 --epochs 2 -o batches.rn
    cat val.1.rn val.4.rn > val.rn
    rn-train -j 1 -a resnet20 -o run --val val.rn batches.rn 2> err > /dev/null
    [ "$(grep val.rn err)" = "rn-train: val.rn: parts 2 to 3 of 4 are missing: records 3 to 6 of 8" ] || { cat err; false; }
    cat val.?.rn > whole.rn
    rn-train -j 1 -a resnet20 -o whole --val whole.rn batches.rn 2> err > /dev/null
    ! grep -i missing err || false
}

@test "--val is a file: a pipe is refused at once" {
    classes glass=2 metal=2
    rn-list photos | rn-batch --size 33 -o val.rn
    refused 2 "--val /dev/fd/.*: it is read after each epoch, so it must be a file, not a pipe" rn-train -o run --val <(cat val.rn) < /dev/null
    refused 2 "--val -: " rn-train -o run --val - < val.rn
    mkfifo pipe
    refused 2 "--val pipe: " rn-train -o run --val pipe < /dev/null
    [ ! -e run ]
    refused 4 "missing.rn: No such file" rn-train -o run --val missing.rn < <(rn-list photos | rn-batch --train --size 33 -b 2)
}

@test "a validation without photos is refused before the first step" {
    classes glass=2 metal=2
    rn-list photos | rn-pick split=none | rn-batch --size 33 -o val.rn
    refused 3 "val.rn: no photos to validate on" rn-train -o run --val val.rn < <(rn-list photos | rn-batch --train --size 33 -b 2)
}

@test "weights of classes that leave nothing to train on are wrong usage" {
    classes glass=2 metal=2
    refused 2 "--class-weights: '0,0': a weight above 0 is needed" rn-train --class-weights 0,0 -o run < /dev/null
    refused 2 "'0,,1' is not none" rn-train --class-weights 0,,1 -o run < /dev/null
    rn-list photos --classes glass,metal,paper | rn-batch --train --size 33 -b 2 -o batches.rn
    refused 2 "every class that has photos has the weight 0" rn-train --class-weights 0,0,1 -o run batches.rn
    refused 2 "2 numbers for 3 classes" rn-train --class-weights 0,1 -o run batches.rn
}

@test "one line about classes without photos, and about one class alone" {
    classes glass=3 metal=3 paper=2
    rn-list photos --classes glass,metal,paper,trash -o all.rn
    rn-pick label=glass all.rn | rn-batch --size 33 -o val.rn
    rn-batch --train --size 33 -b 4 all.rn | rn-train -j 1 --val val.rn -o run > /dev/null 2> err
    [ "$(cat err)" = "rn-train: 1 of 4 classes have no photos to train on, the first is 'trash'
rn-train: val.rn: 3 of 4 classes have no photos to validate on, the first is 'metal'" ] || { cat err; false; }
    mkdir one
    cp -r photos/glass one
    rn-list one | rn-batch --train --size 33 -b 3 | rn-train -j 1 -o alone > /dev/null 2> err
    [ "$(cat err)" = "rn-train: there is one class only, 'glass': nothing to tell apart" ] || { cat err; false; }
    rn-list one | rn-batch --train --size 33 -b 3 | rn-train -q -j 1 -o quiet > /dev/null 2> err
    [ ! -s err ]
}

@test "a loss that is no number is nan, without a sign" {
    classes glass=2 metal=2
    rn-list photos | rn-batch --train --size 33 -b 1 -o batches.rn
    rc=0
    rn-train -j 1 --class-weights 0,1 -o run batches.rn > /dev/null 2> err || rc=$?
    [ $rc = 5 ]
    grep -q "the loss is nan: training diverged" err || { cat err; false; }
}
