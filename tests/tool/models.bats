# Networks that are handed on: in half precision, calibrated, found by name; and the one that comes with the program.
load common

setup_file() { lab "$BATS_FILE_TMPDIR/lab"; }
setup() { cd "$BATS_TEST_TMPDIR" && cp -rs "$BATS_FILE_TMPDIR/lab/." .; }

# probs FILE: each photo's probabilities
probs() { rn-show --json --values "$1" | jq -c 'select(.id) | [.id, .probs.values]'; }

# an installation whose networks are small and small2, the first by default
# installed [NETWORK]: it is there as small, and calmer as small2
installed() {
    local name network=${1-model/last.rn}
    mkdir -p root/bin root/share/recyclenet/models
    cp "$BUILD"/rn-* root/bin 2> /dev/null || true # folders are none of these
    for name in classify evaluate heatmaps watch webcam; do cp "$TOP/pipelines/$name" "root/bin/rn-pipe-$name"; done
    cp "$TOP"/pipelines/*.sh "$TOP/data/page.pl" "$TOP/data/page.html" root/share/recyclenet
    cp -L "$network" root/share/recyclenet/models/small.rn
    rn-export --temperature 3 "$network" -o root/share/recyclenet/models/small2.rn
    echo small > root/share/recyclenet/models/default
    PATH=$PWD/root/bin:$PATH
}

# ---- half precision ----

@test "--half: matrices and convolutions in half precision, the rest as it was, no momentum, and the whole history" {
    rn-export --half model/last.rn -o half.rn
    rn-show --json half.rn | jq -r 'select(.name) | [.role, (.value.shape | length), .value.type] | @tsv' | sort -u > types
    diff types - <<< $'buffer\t1\t<f4\nparameter\t1\t<f4\nparameter\t2\t<f2\nparameter\t4\t<f2'
    # every tensor is there, and the numbers, rounded (the first layers' are looked at)
    shapes() { rn-show --json "$1" | jq -c 'select(.name and .role != "momentum") | [.name, .value.shape]'; }
    diff <(shapes half.rn) <(shapes model/last.rn)
    rn-export half.rn -o half.safetensors
    rn-import half.safetensors | rn-export --format=safetensors -o wide.safetensors
    rn-export model/last.rn -o full.safetensors
    perl -MJSON::PP -e 'sub first_layers { open my $f, "<:raw", shift; read $f, my $n, 8; read $f, my $head, unpack "Q<", $n; local $/; my $all = <$f>;
            my $tensor = decode_json($head);
            map { my ($from, $to) = @{$tensor->{$_}{data_offsets}}; unpack "f<*", substr $all, $from, $to - $from }
                sort grep { /^(conv1|bn1|layer1).*(weight|bias|mean|var)$/ } keys %$tensor }
        my @half = first_layers("wide.safetensors"); my @full = first_layers("full.safetensors"); @half == @full && @half > 10000 or die;
        for (0 .. $#full) { my $by = abs($half[$_] - $full[$_]); $by <= abs($full[$_]) / 2048 || $by <= 3e-8 or die "$half[$_], not $full[$_]"; $differ++ if $by }
        $differ > 9000 or die "only $differ are rounded"'
    [ "$(stat -c %s half.rn)" -lt $(($(stat -c %s full.safetensors) * 55 / 100)) ]
    # what made the photos' batches, the network, this
    [ "$(rn-show --json half.rn | head -n 1 | jq -c '[.epoch, [.history[].tool]]')" = '[null,["rn-list","rn-split","rn-pick","rn-batch","rn-train","rn-export"]]' ]
    # computed in float32: near, the same for any batch, and the same from what was widened
    rn-predict -j 1 -m half.rn val.rn -o half
    paste <(probs half | jq -r '.[1][]') <(probs test.rn | jq -r '.[1][]') | awk '{ d = $1 - $2; if (d < -0.01 || d > 0.01) exit 1 }'
    rn-import half.safetensors | rn-predict -j 1 -m - val.rn | cmp <(probs half) <(probs -)
    rn-export half.rn -o half.onnx
    [ "$(stat -c %s half.onnx)" -gt $(($(stat -c %s full.safetensors) * 9 / 10)) ]
    rn-export --half model/last.rn -o again.rn
    cmp half.rn again.rn
    rn-export --half < model/last.rn --format=rn | cmp - half.rn
    rn-export --half half.rn | fails 2 'needed' rn-export --half half.rn
    # a start for training, and no checkpoint
    rn-train -q -a resnet20 -t ours --init half.rn -j 1 train.rn -o more
    fails 3 'not a checkpoint' rn-train --resume half.rn -o none train.rn
}

@test "--half: what half precision has not is refused by name; what it rounds is even" {
    floats() { stream 'head("weights", [], arch => none, attention => none, input => none)' \
        "dict(name => str(\"a.weight\"), role => str(\"parameter\"), value => tensor(\"<f4\", [1, 4], pack(\"f<4\", $1)))" 'tail(1)'; }
    floats '1 + 2**-11, 1 + 3 * 2**-11, 2**-24, 65519' | rn-export --half --format=rn | rn-show --json --values > out
    jq -se 'map(select(.name) | [.value.type, .value.values]) == [["<f2", [1, 1.0019531, 5.9604645e-08, 65504]]]' out
    floats '1, 2, 3, 65520' > big.rn
    fails 3 "^rn-export: big.rn: 'a.weight': 65520 is more than half precision has" rn-export --half big.rn -o none.rn
    floats '1, 2, 3, -1e9' > big.rn
    fails 3 "big.rn: 'a.weight': -1e.09 is more" rn-export --half big.rn -o none.safetensors
    floats '1, 2, "nan", 4' > nan.rn
    fails 3 "'a.weight' holds NaN" rn-export --half nan.rn -o none.rn
    fails 3 "'a.weight' holds NaN" rn-export nan.rn -o none.rn
    rn-export --half model/last.rn | head -c 500000 > cut.rn || true
    rn-export --half model/last.rn -o half.rn
    head -c 500000 half.rn > cut.rn
    fails 3 'cut.rn: .*ends before the tail|cut.rn: .*ends within it' rn-predict -m cut.rn val.rn
    fails 3 'cut.rn' rn-export cut.rn -o none.rn
    fails 2 'ONNX model has the precision' rn-export --half model/last.rn -o none.onnx
    fails 4 'No space left' rn-export --half --format=rn model/last.rn -o /dev/full
    [ -z "$(ls none* 2> /dev/null)" ]
}

@test "half-precision weights with NaN or infinities are refused as others are" {
    rn-export --half model/last.rn -o half.rn
    # the first number of conv1.weight becomes an infinity, then NaN; the hash is the writer's, so it is left out
    for bits in '\x00\x7c' '\x00\x7e'; do
        perl -e 'local $/; $_ = <STDIN>; s/(conv1\.weight.{0,120}?data\xc5..)../$1'"$bits"'/s or die; s/\x83(\xa2rn\xa3end\xa7records.{1,3})\xa4xxh3\xc4\x08.{8}$/\x82$1/s or die; print' < half.rn > bad.rn
        fails 3 "'conv1.weight' holds NaN or an infinity" rn-predict -m bad.rn val.rn
    done
}

@test "a moving average takes the place of what it is of" {
    rn-train -q -a resnet20 -t ours --ema 0.5 -j 1 train.rn -o ema
    rn-export ema/last.rn -o out.rn
    rn-show --json out.rn | jq -r 'select(.name) | .role' | sort | uniq -c | awk '{ print $2 }' | paste -sd' ' | grep -qx 'buffer parameter'
    cmp <(rn-predict -j 1 -m out.rn val.rn | rn-show --json --values | jq -c 'select(.id)') \
        <(rn-predict -j 1 -m ema/last.rn val.rn | rn-show --json --values | jq -c 'select(.id)')
}

# ---- temperature ----

@test "--temperature: probabilities are those of logits divided by it, everywhere" {
    rn-export --temperature 2.5 model/last.rn -o calm.rn
    rn-show --header calm.rn | grep -qx '# weights: resnet20, attention ours, temperature 2.5'
    rn-predict -j 1 -m calm.rn val.rn -o calm
    paste <(probs test.rn | jq -c '.[1]') <(probs calm | jq -c '.[1]') | while IFS=$'\t' read -r was is; do
        jq -ne --argjson was "$was" --argjson is "$is" '[$was[] | pow(.; 0.4)] | (add as $s | map(. / $s)) as $want |
            [range($is | length) | ($is[.] - $want[.] | fabs) < 1e-6] | all' > /dev/null || { echo "$was $is"; false; }
    done
    # a heat map says what the table says
    rn-heatmap -j 1 -m calm.rn -o maps val.rn
    paste <(sed 1d maps/index.tsv | cut -f 4) <(rn-predict -j 1 -m calm.rn --tsv val.rn | sed 1d | cut -f 4) |
        awk '{ d = $1 - $2; n++; if (d < -1e-6 || d > 1e-6) exit 1 } END { exit !n }'
    # it goes with the network, into other formats and back
    rn-export calm.rn -o calm.safetensors
    rn-import calm.safetensors | rn-predict -j 1 -m - val.rn | cmp <(probs calm) <(probs -)
    rn-export calm.rn -o calm.onnx
    grep -qa calibrated calm.onnx
    grep -qa temperature calm.onnx
    rn-pick role=parameter role=buffer calm.rn | rn-show --header | grep -q 'ours, temperature 2.5'
    # not with what is learned from there
    rn-train -q -a resnet20 -t ours --init calm.rn -j 1 train.rn -o more
    [ "$(rn-show --json more/last.rn | head -n 1 | jq .temperature)" = null ]
    [ "$(rn-average calm.rn calm.rn | rn-show --json | head -n 1 | jq .temperature)" = null ]
    # and where none is asked for, files are as they were
    rn-export model/last.rn -o plain.onnx
    ! grep -qa temperature plain.onnx || false
    fails 2 'npz has no place' rn-export --temperature 2 model/last.rn -o none.npz
    fails 2 'temperature' rn-export --temperature 0 model/last.rn -o none.rn
    fails 2 'temperature' rn-export --temperature nan model/last.rn -o none.rn
}

@test "rn-score --fit-temperature, rn-export: the log loss is then what was promised" {
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 4 | rn-train -q -a resnet20 --lr 1e-4 -j 1 -o soft
    rn-list photos | rn-batch --for soft/last.rn | rn-predict -j 1 -m soft/last.rn --tsv > table
    # the photos that it has right, and one of the others
    awk -F'\t' '$2 == $3' table | cut -f 1 > ids
    awk -F'\t' 'NR > 1 && $2 != $3' table | cut -f 1 | head -n 1 >> ids
    [ "$(wc -l < ids)" -gt 2 ]
    mapfile -t ids < ids
    rn-list photos | rn-pick "${ids[@]/#/id=}" | rn-batch --for soft/last.rn -o some.rn
    rn-predict -j 1 -m soft/last.rn some.rn | rn-score --fit-temperature --json > fitted
    t=$(jq .temperature.value fitted)
    jq -e '.temperature.log_loss <= .log_loss' fitted
    rn-export --temperature "$t" soft/last.rn -o calm.rn
    rn-predict -j 1 -m calm.rn some.rn | rn-score --fit-temperature --json > again
    jq -ne --slurpfile a fitted --slurpfile b again '($a[0].temperature.log_loss - $b[0].log_loss | fabs) < 1e-6 and
        ($a[0].temperature.ece15 - $b[0].ece15 | fabs) < 1e-6 and ($b[0].temperature.value - 1 | fabs) < 1e-3 and $a[0].acc1 == $b[0].acc1'
}

# ---- names ----

@test "-m NAME: a network that comes with the program; a file goes first; what is neither says which there are" {
    installed
    for name in small small2; do
        rn-batch --for $name --size 32 all.rn -o batches.rn
        rn-predict -j 1 -m $name val.rn -o by-name
        rn-predict -j 1 -m root/share/recyclenet/models/$name.rn val.rn -o by-path
        cmp <(probs by-name) <(probs by-path)
        rn-show --header by-name | grep -q "rn-predict --model=$name"
    done
    rn-heatmap -j 1 -m small --side-by-side small2 -o maps val.rn
    rn-train -q -a resnet20 -t ours --init small2 -j 1 train.rn -o more
    fails 4 "^rn-predict: other: no such file: there is no network other; there are small, small2, and any FILE.rn" rn-predict -m other val.rn
    fails 4 "^rn-batch: other: no such file" rn-batch --for other all.rn
    fails 4 "^rn-predict: ./small: No such file" rn-predict -m ./small val.rn
    fails 4 "^rn-predict: small.rn: No such file" rn-predict -m small.rn val.rn
    rn-export --temperature 3 --format rn model/last.rn -o small
    rn-predict -j 1 -m small val.rn | cmp <(probs by-name) <(probs -) # which is small2
}

@test "without -m the tools take the network that comes with the program, and say so once; -q: not" {
    installed
    rn-predict -j 1 val.rn -o default 2> err
    [ "$(cat err)" = "rn-predict: the network is small, which comes with the program (-m takes another)" ]
    rn-predict -j 1 -m small val.rn | cmp - default
    rn-predict -q -j 1 val.rn 2> err | cmp - default
    [ ! -s err ]
    rn-heatmap -j 1 -o maps val.rn 2> err
    [ "$(cat err)" = "rn-heatmap: the network is small, which comes with the program (-m takes another)" ]
    echo small2 > root/share/recyclenet/models/default
    rn-predict -q -j 1 val.rn | cmp - <(rn-predict -j 1 -m small2 val.rn)
    rm root/share/recyclenet/models/default
    fails 2 '^rn-predict: -m MODEL is needed: no network came with the program' rn-predict val.rn
    fails 2 '^rn-heatmap: -m MODEL is needed' rn-heatmap -o none val.rn
    fails 2 '^rn-pipe-evaluate: -m MODEL is needed' rn-pipe-evaluate photos
}

@test "a file here of the network's name is not taken for the one that comes with the program" {
    name=$(< "$TOP/data/models/default")
    rn-list photos | rn-batch | rn-predict -q --tsv > tools
    "$TOP/pipelines/classify" -q photos > pipelines
    : > "$name"
    rn-list photos | rn-batch | rn-predict -q --tsv | cmp - tools
    "$TOP/pipelines/classify" -q photos | cmp - pipelines
}

@test "rn-export and rn-show find a network by its name" {
    name=$(< "$TOP/data/models/default")
    rn-export "$name" -o net.safetensors
    rn-export "$TOP/data/models/$name.rn" -o same.safetensors
    cmp net.safetensors same.safetensors
    rn-show --header "$name" > got
    rn-show --header "$TOP/data/models/$name.rn" | cmp - got
    fails 4 'there is no network nobody; there are ' rn-show nobody
}

@test "without -m the pipelines do, too" {
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 4 | rn-train -q -a resnet20 --lr 1e-4 -j 1 -o soft
    installed soft/last.rn
    line='the network is small, which comes with the program (-m takes another)'
    rn-pipe-classify photos > got 2> err
    [ "$(cat err)" = "rn-pipe-classify: $line" ]
    rn-pipe-classify photos -m soft/last.rn | cmp - got
    rn-pipe-classify -q photos 2> err | cmp - got
    [ ! -s err ]
    rn-pipe-classify photos -m small2 > calm
    ! cmp -s calm got || false
    cmp <(cut -f 1-3 calm) <(cut -f 1-3 got)
    rn-pipe-evaluate photos --json -o out.rn > score 2> err
    [ "$(cat err)" = "rn-pipe-evaluate: $line" ]
    rn-show --header out.rn | grep -q 'rn-predict --model=small$'
    rn-pipe-heatmaps photos -o maps 2> err
    [ "$(cat err)" = "rn-pipe-heatmaps: $line" ]
    cat photos/glass/*.jpg | rn-pipe-webcam - > lines 2> err
    [ "$(cat err)" = "rn-pipe-webcam: $line" ]
    [ "$(wc -l < lines)" = 2 ]
    fails 4 'other: there is no such network' rn-pipe-evaluate photos -m other
    command -v inotifywait > /dev/null || return 0
    mkdir in && timeout -s INT 20 rn-pipe-watch in > lines 2> err & watch=$!
    for _ in {1..200}; do ! grep -q watched err || break; sleep .05; done
    cp photos/glass/glass1.jpg in
    for _ in {1..200}; do [ "$(wc -l < lines)" != 2 ] || break; sleep .05; done
    kill -INT "$watch"; wait "$watch" || true
    grep -qx "rn-pipe-watch: $line" err && [ "$(wc -l < lines)" = 2 ]
}

# ---- the network that comes with the program ----

@test "the shipped network is what data/models says of it: its sum, its size, half precision, no momentum, calibrated" {
    cd "$TOP/data/models"
    name=$(< default)
    sha256sum -c --quiet SHA256SUMS
    [ "$(awk '{ print $2 }' SHA256SUMS)" = "$name.rn" ]
    [ "$(stat -c %s "$name.rn")" -le 24000000 ]
    rn-show --json "$name.rn" > "$BATS_TEST_TMPDIR/shown"
    cd "$BATS_TEST_TMPDIR"
    [ "$(head -n 1 shown | jq -c '[.arch, .attention, .epoch, .temperature != null, (.classes | length)]')" = '["resnet18","ours",null,true,6]' ]
    [ "$(jq -r 'select(.name) | .role' shown | sort -u | paste -sd,)" = buffer,parameter ]
    head -n 1 shown | jq -r '.history[].tool' | grep -q rn-train
}

@test "the demo's photos get the classes that the study says" {
    name=$(< "$TOP/data/models/default")
    rn-list -q "$TOP/data/photos" | rn-batch | rn-predict -q -o got.rn
    [ "$(find "$TOP/data/photos" -name '*.jpg' | wc -l)" = 48 ]
    [ "$(du -sb "$TOP/data/photos" | cut -f 1)" -lt 1000000 ]
    rn-show --json --values "$TOP/data/models/$name".*.predictions | jq -r 'select(.id) | [.id, .probs.values[]] | @tsv' | sort > kept
    rn-show --json --values got.rn | jq -r 'select(.id) | [.id, .probs.values[]] | @tsv' | sort > got
    [ "$(wc -l < kept)" = 431 ]
    join -t $'\t' got kept | awk -F'\t' '{ n++; for (i = 2; i <= 7; i++) { d = $i - $(i + 6); if (d < -1e-5 || d > 1e-5) { print; bad = 1 } } } END { exit bad || n != 48 }'
}

@test "the study's scripts say so where TrashNet's photos are not there" {
    fails 4 "^study-quick: .*/none: TrashNet's photos are not there" "$TOP/data/study-quick" none
    fails 4 "^without: none: TrashNet's photos are not there" "$TOP/data/without" leak none x.rn
    fails 2 "^without: usage: " "$TOP/data/without" leaks none x.rn
}

@test "data/without leaves out the test photos that are nearly in train or val, or contradict one" {
    local photos=$SHARED/trashnet/dataset-resized kept
    [ -d "$photos/glass" ] || skip "no ../shared/trashnet"
    kept=$(echo "$TOP"/data/models/*.predictions)
    [ "$("$TOP/data/without" leak "$photos" "$kept" | head -n 1 | tr -s ' ')" = 'predictions 421' ]
    [ "$("$TOP/data/without" contradict "$photos" "$kept" | head -n 1 | tr -s ' ')" = 'predictions 430' ]
}
