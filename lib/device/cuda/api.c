/* api.c -- NVIDIA's libraries, loaded when the device is opened. They stay loaded. */
#include <dlfcn.h>
#include <string.h>

#include "device/cuda/cuda.h"

static void *library(const char *name, const char *what, struct rn_err *err)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        rn_fail(err, RN_EXIT_SYSTEM, "device cuda: %s is missing (%s)", what, dlerror());
    return handle;
}

static int symbol(void *to, void *handle, const char *name, const char *file, struct rn_err *err)
{
    void *found = dlsym(handle, name);
    if (!found)
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: %s has no %s: another version of it is needed", file, name);
    memcpy(to, &found, sizeof found);
    return 0;
}

#define SYMBOL(name)                                            \
    if (symbol(&api->name, handle, #name, file, err))           \
        return -1;

static int load_blas(struct rn_cuda_api *api, struct rn_err *err)
{
    const char *file = RN_CUDA_BLAS;
    void *handle = library(file, "cuBLAS 13", err);
    if (!handle)
        return -1;
    RN_CUDA_BLAS_API(SYMBOL)
    return 0;
}

static int load_dnn(struct rn_cuda_api *api, struct rn_err *err)
{
    const char *file = RN_CUDA_DNN;
    void *handle = library(file, "cuDNN 9", err);
    if (!handle)
        return -1;
    RN_CUDA_DNN_API(SYMBOL)
    return 0;
}

static int load_nccl(struct rn_cuda_api *api, struct rn_err *err)
{
    const char *file = RN_CUDA_NCCL;
    void *handle = library(file, "NCCL 2, which several GPUs need,", err);
    if (!handle)
        return -1;
    RN_CUDA_NCCL_API(SYMBOL)
    return 0;
}

int rn_cuda_load_runtime(struct rn_cuda_api *api, struct rn_err *err)
{
    const char *file = RN_CUDA_RUNTIME;
    void *handle = library(file, "the CUDA 13 runtime", err);
    if (!handle)
        return -1;
    RN_CUDA_RUNTIME_API(SYMBOL)
    return 0;
}

int rn_cuda_load_libraries(struct rn_cuda_api *api, bool several, struct rn_err *err)
{
    return load_blas(api, err) || load_dnn(api, err) || (several && load_nccl(api, err)) ? -1 : 0;
}
