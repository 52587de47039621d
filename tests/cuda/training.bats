# Whole training by the tools on the CUDA device, whose libraries are the doubles: steps, validation, checkpoints, resume, prediction;
# a GPU that is lost. The first test's kernels are executed by the interpreter, the others' are compiled for the CPU. Called by
# tests/run (tests/cuda/suites.mk sets the environment).

CUDA() { LD_LIBRARY_PATH=$DOUBLES RN_DOUBLE_GUARD=0 RN_DOUBLE_RACES=0 "$@"; }

setup_file() {
    export PATH=$BUILD:$PATH WORK=$BATS_FILE_TMPDIR XDG_CACHE_HOME=$BATS_FILE_TMPDIR/cache
    cd "$WORK"
    draw photos 5 1
    rn-list photos | rn-split -r 60/20/20 -o all.rn
    rn-pick split=val all.rn | rn-batch --size 32 -o val.rn
    rn-pick split=test all.rn | rn-batch --size 32 -o test.rn
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 7 --epochs 2 -o train.rn # 18 pictures: 7, 7, 4
}

setup() { cd "$WORK"; }

# train DEVICE DIR [OPTION]...: two epochs
train() {
    local device=$1 dir=$2
    shift 2
    CUDA rn-train -q -a resnet20 -t ours --lr "${lr-0.001}" -d "$device" -o "$dir" "$@"
}

# late DEVICE: the number of a call in the last tenth of two epochs there
late() {
    local report=$WORK/calls-${1//[^a-z0-9]/-}
    [ -e "$report" ] || RN_DOUBLE_REPORT=$report train "$1" calls --overwrite --save-every 1 <train.rn >/dev/null
    awk '$1 == "calls" { print int(0.95 * $2) }' "$report"
}

@test "two epochs: the losses are the CPU device's, the best network predicts the same" {
    local lr=0.0001 # larger steps make of the last digit what they like
    train cuda run --val val.rn <train.rn >cuda.log
    train cpu host --val val.rn <train.rn >cpu.log
    [ "$(wc -l <run/log.tsv)" = 3 ]
    # The first epoch's losses are near; after that batch norm over a few numbers makes of the last digit whatever it likes (the
    # reference device is no nearer to the CPU's). NaN fails.
    paste <(cut -f 3,5 run/log.tsv) <(cut -f 3,5 host/log.tsv) | awk '
        function off(a, b, most) { return !(a - b <= most * b && b - a <= most * b) }
        NR == 2 && (off($1, $3, 0.001) || off($2, $4, 0.02)) { bad = 1 }
        NR == 3 && (off($1, $3, 0.3) || off($2, $4, 0.3)) { bad = 1 }
        END { exit bad || NR != 3 }'
    CUDA rn-predict -q -d cuda -m run/last.rn -o cuda-test.rn test.rn
    rn-predict -q -m run/last.rn -o cpu-test.rn test.rn
    diff <(rn-show --tsv cuda-test.rn | cut -f 1) <(rn-show --tsv cpu-test.rn | cut -f 1)
    diff <(rn-predict --tsv -m run/last.rn test.rn | cut -f 1-3) <(CUDA rn-predict --tsv -d cuda -m run/last.rn test.rn | cut -f 1-3)
}

@test "a run that was broken off and resumed: the same bytes" {
    export RN_DOUBLE_KERNELS=$SHIM
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 7 --epochs 2 | CUDA rn-train -q -a resnet20 -t ours --lr 0.001 -d cuda -o whole >whole.log
    RN_DOUBLE_FAIL=lost:$(late cuda) train cuda broken --save-every 1 <train.rn >broken.log 2>broken.err && return 1
    rn-show --where broken/last.rn
    rn-pick split=train all.rn | rn-batch --train --resume broken/last.rn |
        CUDA rn-train -q --resume broken/last.rn -d cuda -o broken >again.log
    cmp whole/last.rn broken/last.rn
    diff <(cut -f 1-6 whole/log.tsv) <(cut -f 1-6 broken/log.tsv)
}

@test "batches are read into pinned memory, and where that ends into other: the same bytes" {
    export RN_DOUBLE_KERNELS=$SHIM
    rn-pick split=train all.rn | rn-batch --train --size 36 -b 18 --epochs 3 -o wide.rn # 70 KB a batch
    RN_DOUBLE_CALLS=$PWD/names CUDA rn-train -q -a resnet20 --lr 0.001 -d cuda -o pinned wide.rn >pinned.log
    blocks=$(grep -c '^cudaMallocHost$' names)
    [ "$blocks" -gt 4 ] # two slots or one, two pages, and batches
    RN_DOUBLE_FAIL=cudaMallocHost:$blocks CUDA rn-train -q -a resnet20 --lr 0.001 -d cuda -o other wide.rn >other.log
    cmp pinned/last.rn other/last.rn
}

@test "a run in bfloat16 that is resumed goes on in it, unasked: the same bytes" {
    export RN_DOUBLE_KERNELS=$SHIM
    train cuda whole16 --precision bf16 <train.rn >whole.log
    head -c "$(($(stat -c %s train.rn) * 5 / 6))" train.rn >cut.rn
    train cuda broken16 --precision bf16 --save-every 1 <cut.rn >broken.log 2>broken.err && return 1
    cp -r broken16 moved16
    rn-pick split=train all.rn | rn-batch --train --resume broken16/last.rn |
        CUDA rn-train -q --resume broken16/last.rn -d cuda -o broken16 >again.log 2>again.err
    [ ! -s again.err ]
    cmp whole16/last.rn broken16/last.rn
    # on other libraries it goes on, and says that the bits will be others
    rn-pick split=train all.rn | rn-batch --train --resume moved16/last.rn |
        RN_DOUBLE_CUDNN_VERSION=90102 CUDA rn-train -q --resume moved16/last.rn -d cuda -o moved16 >again.log 2>again.err
    grep -q 'was trained on cuda-sm90-bf16, double of 4 SMs, driver .*, runtime .*, cuBLAS .*, cuDNN .*, goes on on .* cuDNN 9.1.2: results will differ' again.err
    rc=0
    CUDA rn-train --resume broken16/last.rn --precision fp32 -d cuda -o broken16 </dev/null >out 2>err || rc=$?
    [ $rc = 2 ] && grep -q 'precision=fp32 is not what the run that is resumed has' err
}

@test "a lost GPU: exit 4, one line, and the checkpoint before it can be read" {
    export RN_DOUBLE_KERNELS=$SHIM
    rc=0
    RN_DOUBLE_FAIL=lost:$(late cuda) train cuda lost --save-every 1 <train.rn >out 2>err || rc=$?
    cat err
    [ $rc = 4 ]
    [ "$(grep -c . err)" = 1 ]
    grep -q '^rn-train: .*device cuda:0: .*: --resume lost/last.rn goes on$' err
    rn-show --where lost/last.rn | grep -qE '^[01]:[0-9]+$'
}

@test "a loss that is not finite: exit 5, and no checkpoint has what it made of the weights" {
    export RN_DOUBLE_KERNELS=$SHIM
    rc=0
    train cuda wild --save-every 1 --lr 1e6 <train.rn >out 2>err || rc=$?
    cat err
    [ $rc = 5 ]
    [ "$(grep -c . err)" = 1 ]
    place=$(sed -n 's/^rn-train: epoch \([0-9]*\), batch \([0-9]*\): the loss is .*: training diverged.*/\1:\2/p' err)
    [ "$(rn-show --where wild/last.rn)" = "$place" ] # as it was before that batch
}

@test "out of memory: exit 4, what is wanted, free, and how many images would fit: they do" {
    export RN_DOUBLE_KERNELS=$SHIM RN_DOUBLE_MEMORY=220000000
    rn-pick split=train all.rn | rn-batch --train --size 96 -b 18 --epochs 1 -o large.rn
    rc=0
    train cuda small <large.rn >out 2>err || rc=$?
    cat err
    [ $rc = 4 ]
    grep -qE '^rn-train: .*device cuda:0: out of memory: [0-9.]+ MiB wanted, [0-9.]+ of 209.8 MiB free: batches of [0-9]+ images? \(rn-batch -b [0-9]+\) would fit$' err
    images=$(sed 's/.*-b \([0-9]*\)).*/\1/' err)
    rn-pick split=train all.rn | rn-batch --train --size 96 -b "$images" --epochs 1 | train cuda small --overwrite
}

@test "two GPUs: the same run twice gives the same bytes" {
    export RN_DOUBLE_GPUS=2 RN_DOUBLE_KERNELS=$SHIM
    RN_DOUBLE_REPORT=$WORK/calls-cuda-0-1 train cuda:0,1 pair <train.rn >pair.log
    train cuda:0,1 again <train.rn >again.log
    cmp pair/last.rn again/last.rn
    [ "$(wc -l <pair/log.tsv)" = 3 ]
    awk 'NR > 1 && !($3 > 0 && $3 < 10) { exit 1 }' pair/log.tsv
}

@test "one of two GPUs is lost: the other does not wait for it" {
    export RN_DOUBLE_GPUS=2 RN_DOUBLE_KERNELS=$SHIM
    rc=0
    RN_DOUBLE_FAIL=lost1:$(late cuda:0,1) train cuda:0,1 half --save-every 1 <train.rn >out 2>err || rc=$?
    cat err
    [ $rc = 4 ]
    [ "$(grep -c . err)" = 1 ]
    grep -q '^rn-train: .*device cuda:1: ' err
    rn-show --where half/last.rn | grep -qE '^[01]:[0-9]+$'
}

# near A B SHARE: the first epoch's loss, in two folders
near() {
    paste <(sed -n 2p "$1/log.tsv" | cut -f 3) <(sed -n 2p "$2/log.tsv" | cut -f 3) |
        awk -v share="$3" '!($1 - $2 <= share * $2 && $2 - $1 <= share * $2) { print; exit 1 } END { if (NR != 1) exit 1 }'
}

@test "two GPUs train as one does, but for rounding; with --bn part they do not" {
    export RN_DOUBLE_GPUS=2 RN_DOUBLE_KERNELS=$SHIM
    train cuda:0,1 as-one <train.rn >as-one.log
    train cuda one <train.rn >one.log
    train cuda:0,1 parts --bn part <train.rn >parts.log
    near as-one one 0.0001
    near parts one 0.001 && return 1
    grep -aq -- --bn=whole as-one/last.rn
    grep -aq 'cuda-sm90-x2-whole, ' as-one/last.rn
}

@test "a run that is resumed has the --bn of before; one of before there was --bn has each GPU's part" {
    export RN_DOUBLE_GPUS=2 RN_DOUBLE_KERNELS=$SHIM
    train cuda:0,1 parts --bn part --overwrite <train.rn >parts.log
    head -c "$(($(stat -c %s train.rn) * 5 / 6))" train.rn >cut.rn
    train cuda:0,1 old --bn part --save-every 1 <cut.rn >old.log 2>old.err && return 1
    cp -r old elsewhere
    rc=0
    CUDA rn-train --resume old/last.rn --bn whole -d cuda:0,1 -o old </dev/null >out 2>err || rc=$?
    [ $rc = 2 ]
    grep -q -- '--bn=whole is not what the run that is resumed has' err
    # another option that the run has anyway, and no hash
    perl -0777 -pi -e 's/--bn=part/--wd=1e-4/g; s/\x83(\xa2rn\xa3end\xa7records.{1,3})\xa4xxh3\xc4\x08.{8}$/\x82$1/s' old/last.rn
    grep -aq -- --bn= old/last.rn && return 1
    rn-pick split=train all.rn | rn-batch --train --resume old/last.rn -o rest.rn
    CUDA rn-train -q --resume old/last.rn -d cuda:0,1 -o old rest.rn >again.log 2>again.err
    [ ! -s again.err ]
    diff <(cut -f 1-6 parts/log.tsv) <(cut -f 1-6 old/log.tsv)
    CUDA rn-train -q --resume elsewhere/last.rn -d cuda -o elsewhere rest.rn >again.log 2>again.err
    grep -q 'goes on on cuda-sm90, .*: results will differ: --bn=part, of other parts$' again.err
}

@test "engines that were tried: a run that is resumed elsewhere has those of its checkpoint, or tries none" {
    export RN_DOUBLE_KERNELS=$SHIM
    head -c "$(($(stat -c %s train.rn) * 5 / 6))" train.rn >cut.rn
    XDG_CACHE_HOME=$PWD/here RN_DOUBLE_FAST=1 train cuda tried <train.rn >tried.log
    grep -aq 'forward fp32 n7 c3,32x32 k16,32x32 r3x3' tried/last.rn
    XDG_CACHE_HOME=$PWD/here RN_DOUBLE_FAST=2 train cuda moved --save-every 1 <cut.rn >moved.log 2>moved.err && return 1
    rn-pick split=train all.rn | rn-batch --train --resume moved/last.rn -o rest.rn
    XDG_CACHE_HOME=$PWD/elsewhere RN_DOUBLE_FAST=2 CUDA rn-train -q --resume moved/last.rn -d cuda -o moved rest.rn >again.log 2>again.err
    [ ! -s again.err ]
    cmp tried/last.rn moved/last.rn
    # one of before there were choices
    RN_CUDA_ENGINES=first RN_DOUBLE_FAST=1 train cuda plain <train.rn >plain.log
    RN_CUDA_ENGINES=first RN_DOUBLE_FAST=1 train cuda untried --save-every 1 <cut.rn >untried.log 2>untried.err && return 1
    rn-pick split=train all.rn | rn-batch --train --resume untried/last.rn -o rest.rn # it may have come further, or less far
    XDG_CACHE_HOME=$PWD/here RN_DOUBLE_FAST=1 CUDA rn-train -q --resume untried/last.rn -d cuda -o untried --save-every 1 rest.rn >again.log 2>again.err
    cmp plain/last.rn untried/last.rn
    cmp tried/last.rn untried/last.rn >differ && return 1
    [ -s differ ]
}

# goes_on DEVICE STREAM OPTION...: killed behind the first batch of epoch 1, and resumed; whole/ is the run that was not
goes_on() {
    local device=$1 stream=$2
    shift 2
    rm -rf whole broken pipe
    CUDA rn-train -q -a resnet20 --lr 0.001 -d "$device" -o whole "$@" <"$stream.rn" >whole.log
    mkfifo pipe
    CUDA rn-train -q -a resnet20 --lr 0.001 -d "$device" -o broken "$@" --save-every 1 pipe >broken.log 2>broken.err 3>&- &
    local trainer=$!
    exec 7>pipe
    head -c $(($(stat -c %s "$stream.rn") * 28 / 36)) "$stream.rn" >&7
    for ((i = 0; i < 1200; i++)); do
        [ "$(rn-show --where broken/last.rn 2>/dev/null)" != 1:1 ] || break
        sleep 0.1
    done
    [ "$(rn-show --where broken/last.rn)" = 1:1 ] || { cat broken.err; return 1; }
    kill -9 $trainer
    exec 7>&-
    wait $trainer || true
    rn-pick split=train all.rn | rn-batch --train --resume broken/last.rn -o rest.rn
    if [ "$stream" = features ]; then
        mv rest.rn images.rn
        rn-predict -q -m start.rn --features head -o rest.rn images.rn
    fi
    CUDA rn-train -q --resume broken/last.rn -d "$device" -o broken rest.rn >again.log
    cmp whole/last.rn broken/last.rn
    diff <(cut -f 1-6 whole/log.tsv) <(cut -f 1-6 broken/log.tsv)
}

@test "AdamW, averages, clipped and accumulated gradients, mixed photos: the CPU's losses; killed and resumed, the same bytes" {
    export RN_DOUBLE_KERNELS=$SHIM RN_DOUBLE_GPUS=2
    options=(-t none --optimizer adamw --ema 0.5 --clip 1 --accumulate 2 --label-smoothing 0.1 --class-weights sqrt --val val.rn)
    rn-pick split=train all.rn | rn-batch --train --size 32 -b 7 --epochs 2 --mixup 0.4 --cutmix 1 -o mixed.rn
    goes_on cuda mixed "${options[@]}"
    CUDA rn-train -q -a resnet20 --lr 0.001 -o on-cpu "${options[@]}" <mixed.rn >on-cpu.log
    near whole on-cpu 0.02
    CUDA rn-predict -q -d cuda -m whole/best.rn test.rn | rn-show --json - | grep -q '"probs"'
    [ -z "${RN_FULL:-}" ] || goes_on cuda:0,1 mixed "${options[@]}"
}

@test "a teacher, Nesterov's momentum, frozen layers and norms, in bfloat16: killed and resumed, the same bytes" {
    export RN_DOUBLE_KERNELS=$SHIM
    rn-pick split=train all.rn | rn-batch | rn-predict -q -o said.rn
    goes_on cuda train -t none --nesterov --ema 0.9 --clip 2 --accumulate 2 --teacher said.rn --alpha 0.7 --temperature 3 \
        --freeze conv1,bn1,layer1,layer2 --freeze-norms --no-decay bn,bias --layer-decay 0.8 --precision bf16
}

@test "--head on features: the CPU's losses; killed and resumed, the same bytes, on two GPUs" {
    export RN_DOUBLE_KERNELS=$SHIM RN_DOUBLE_GPUS=2
    rn-train -q -a resnet20 --lr 0.001 -o made <train.rn >made.log
    cp made/last.rn start.rn
    rn-predict -q -m start.rn --features head -o features.rn train.rn
    goes_on cuda:0,1 features --init start.rn --head --ema 0.9 --accumulate 2
    rn-train -q -a resnet20 --lr 0.001 --overwrite -o host --init start.rn --head --ema 0.9 --accumulate 2 <features.rn >host.log
    near whole host 0.0001
}
