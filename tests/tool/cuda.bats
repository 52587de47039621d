# The CUDA device where there is no GPU: the plug-in is found, loads, and says what is missing; its names and kernels are
# what they are meant to be. What it computes is tested in tests/cuda.
load common

PLUGIN=$BUILD/rn-cuda.so

setup() {
    cd "$BATS_TEST_TMPDIR"
    # a folder of programs of our own: rn-predict opens the device before it looks at a model
    mkdir -p bin
    cp "$BUILD/rn-predict" bin/
    unset LD_LIBRARY_PATH CUDA_VISIBLE_DEVICES
}

need_plugin() { [ -e "$PLUGIN" ] || skip "this build has no CUDA plug-in (no nvcc)"; }
need_no_gpu() { [ ! -e /dev/nvidiactl ] || skip "this machine has a GPU"; }

# refused CODE PATTERN DEVICE: one line that matches, and the exit code
refused() {
    local rc=0
    "${PREDICT:-bin/rn-predict}" -d "$3" -m none.rn </dev/null >out 2>err || rc=$?
    cat err
    [ $rc = "$1" ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ] && grep -qE "^rn-predict: device cuda.*$2" err
}

@test "a program without the plug-in says so, with one that is damaged too" {
    refused 4 "this build has no plug-in rn-cuda.so" cuda
    refused 4 "this build has no plug-in rn-cuda.so" cuda:0,1
    echo "no library" >bin/rn-cuda.so
    refused 4 "the plug-in does not load: .*rn-cuda.so" cuda
}

@test "the plug-in of another version is refused" {
    cat >other.c <<'END'
const unsigned long rn_device_cuda_size = 1;
const void *const rn_device_cuda = 0;
END
    cc -shared -fPIC -o bin/rn-cuda.so other.c
    refused 4 "rn-cuda.so is another version's: build or install program and plug-in together" cuda
}

@test "the plug-in is found beside the program, and where it is installed" {
    need_plugin
    need_no_gpu
    PREDICT=rn-predict refused 4 "no usable GPU" cuda
    mkdir -p usr/bin usr/lib/recyclenet
    cp "$BUILD/rn-predict" usr/bin
    cp "$PLUGIN" usr/lib/recyclenet
    PREDICT=usr/bin/rn-predict refused 4 "no usable GPU" cuda
    grep -q 'lib/recyclenet' "$TOP/Makefile"
}

@test "without a GPU: what is missing, exit 4; a list that makes no sense: exit 2" {
    need_plugin
    need_no_gpu
    cp "$PLUGIN" bin/
    for device in cuda cuda:0 cuda:3 cuda:0,1; do
        refused 4 "no usable GPU: NVIDIA's driver is not installed, or too old" $device
    done
    for device in cuda: cuda:x cuda:-1 cuda:0,0 cuda:0, cuda:,1 cuda:0,1x cuda:99999999999999999999 "cuda: 0"; do
        refused 2 "must be numbers of GPUs" "$device"
    done
    # the same where there is a libcuda.so.1, but only to link with
    stub=$(dirname "$(readlink -f "$(command -v nvcc)")")/../lib64/stubs/libcuda.so
    if [ -e "$stub" ]; then
        mkdir lib
        ln -s "$(realpath "$stub")" lib/libcuda.so.1
        export LD_LIBRARY_PATH=$PWD/lib
        refused 4 "no usable GPU: libcuda.so.1 is the toolkit's stub" cuda
    fi
}

@test "a precision that there is not is refused" {
    for device in cpu reference; do
        rc=0; rn-predict -d $device --precision tf32 -m none.rn </dev/null >out 2>err || rc=$?
        [ $rc = 2 ]
        [ "$(cat err)" = "rn-predict: device $device: it computes in fp32 only; --precision=tf32 is for GPUs" ]
    done
    for name in bf8 fp16 "" FP32; do
        rc=0; rn-train --precision "$name" -o run </dev/null >out 2>err || rc=$?
        [ $rc = 2 ]
        [ "$(cat err)" = "rn-train: --precision: '$name' is not one of fp32|tf32|bf16" ]
    done
    rc=0; rn-train -d cuda --precision bogus -o run </dev/null >out 2>err || rc=$? # before a GPU is looked for
    [ $rc = 2 ]
    grep -q "precision: 'bogus'" err
    [ ! -e run ]
}

@test "a library that is missing or another's is named" {
    need_plugin
    cp "$PLUGIN" bin/
    mkdir lib
    export LD_LIBRARY_PATH=$PWD/lib
    echo >lib/libcudart.so.13
    refused 4 "the CUDA 13 runtime is missing \(.*libcudart.so.13" cuda
    echo 'int nothing;' >empty.c
    cc -shared -fPIC -o lib/libcudart.so.13 empty.c
    refused 4 "libcudart.so.13 has no cuda[A-Za-z]+: another version of it is needed" cuda
}

@test "libraries of pip's packages are found; what is not names LD_LIBRARY_PATH" {
    need_plugin
    cp "$PLUGIN" bin/
    unset CONDA_PREFIX
    mkdir -p lib env/lib/python3.99/site-packages/nvidia/cu13/lib
    echo >lib/libcudart.so.13
    echo 'int nothing;' >empty.c
    cc -shared -fPIC -o env/lib/python3.99/site-packages/nvidia/cu13/lib/libcudart.so.13 empty.c
    export LD_LIBRARY_PATH=$PWD/lib
    VIRTUAL_ENV='' refused 4 "runtime is missing .*; LD_LIBRARY_PATH names the folders of libraries, as pip's" cuda
    VIRTUAL_ENV=$PWD/nowhere refused 4 "the CUDA 13 runtime is missing" cuda
    VIRTUAL_ENV=$PWD/env refused 4 "libcudart.so.13 has no cuda[A-Za-z]+: another version" cuda
    VIRTUAL_ENV='' CONDA_PREFIX=$PWD/env refused 4 "libcudart.so.13 has no cuda" cuda
}

@test "the plug-in shows nothing but the device, and needs no CUDA library to load" {
    need_plugin
    [ "$(nm -D --defined-only "$PLUGIN" | awk '{ print $3 }' | sort | xargs)" = "rn_device_cuda rn_device_cuda_size" ]
    ! readelf -d "$PLUGIN" | grep -E 'NEEDED.*(cuda|cublas|cudnn|nccl)'
}

@test "every function that is looked up by name is in the real library" {
    need_plugin
    number=0
    for pair in RUNTIME:libcudart.so.13 BLAS:libcublas.so.13 DNN:libcudnn.so.9 NCCL:libnccl.so.2; do
        grep -q "RN_CUDA_${pair%:*} \"${pair#*:}\"" "$TOP/lib/device/cuda/api.h"
        library=$(ldconfig -p | awk -v name="${pair#*:}" '$1 == name { print $NF; exit }')
        [ -n "$library" ] || skip "no ${pair#*:} here"
        nm -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort >has
        sed -n "/RN_CUDA_${pair%:*}_API(X)/,/^\$/s/^ *X(\([A-Za-z0-9_]*\)).*/\1/p" "$TOP/lib/device/cuda/api.h" | sort >wants
        [ -s wants ]
        number=$((number + $(wc -l <wants)))
        comm -23 wants has >missing
        cat missing
        [ ! -s missing ]
    done
    [ $number -ge 50 ]
}

@test "each kernel takes the registers and the shared memory that the table says, and spills nothing" {
    need_plugin
    "$TOP/tests/cuda/registers" "$BUILD" >now.tsv
    head -n 1 now.tsv | cmp -s - <(head -n 1 "$TOP/tests/cuda/registers.tsv") || skip "the table was made with $(head -n 1 "$TOP/tests/cuda/registers.tsv")"
    diff "$TOP/tests/cuda/registers.tsv" now.tsv
    awk -F'\t' 'NR > 2 && ($3 > 80 || $4 != 0 || $5 > 16384) { print; bad = 1 } END { exit bad }' now.tsv
    # all kernels for all architectures
    for arch in sm_80 sm_90 sm_120; do
        [ "$(grep -c "	$arch	" now.tsv)" = "$(cat "$TOP"/lib/device/cuda/*.cu | grep -c '^KERNEL(')" ]
    done
}

@test "a register that spills fails the build" {
    need_plugin
    cat >spill.cu <<'END'
#include "device/cuda/kernel.h"
struct spill { float *y; };
extern "C" __global__ void __launch_bounds__(1024, 2) rn_spill(const struct spill v)
{
    float x[96];
#pragma unroll
    for (int i = 0; i < 96; i++)
        x[i] = v.y[i * 1024 + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 96; i++)
        v.y[i * 1024 + threadIdx.x] = x[95 - i] * x[(i * 7) % 96];
}
END
    mkdir -p tree/lib/device/cuda
    cp -r "$TOP/lib/core" tree/lib/
    cp "$TOP"/lib/device/*.[ch] tree/lib/device/
    cp "$TOP"/lib/device/cuda/{plugin.mk,*.h} tree/lib/device/cuda/
    cp spill.cu tree/lib/device/cuda/
    rc=0
    make -s -C tree -f lib/device/cuda/plugin.mk CUDA_ARCHS=90 build/lib/device/cuda/spill.fatbin >out 2>&1 || rc=$?
    cat out
    [ $rc != 0 ]
    grep -q "Registers are spilled" out
    [ ! -e tree/build/lib/device/cuda/spill.fatbin ]
}

@test "gpu-verify without a GPU says what is missing, and writes no report" {
    need_plugin
    need_no_gpu
    rc=0
    "$TOP/tests/cuda/gpu-verify" "$BUILD" "$PWD/report.md" >out 2>err || rc=$?
    [ $rc = 4 ] && [ ! -s out ] && [ ! -e report.md ] && grep -q "no usable GPU" err
}
