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

/* Loads one library of api.h into the table. */
#define LIBRARY(load, FILE, API, what)                              \
    int load(struct rn_cuda_api *api, struct rn_err *err)           \
    {                                                               \
        const char *file = FILE;                                    \
        void *handle = library(file, what, err);                    \
        if (!handle)                                                \
            return -1;                                              \
        API(SYMBOL)                                                 \
        return 0;                                                   \
    }
#define SYMBOL(name)                                                \
    if (symbol(&api->name, handle, #name, file, err))               \
        return -1;

LIBRARY(rn_cuda_load_runtime, RN_CUDA_RUNTIME, RN_CUDA_RUNTIME_API, "the CUDA 13 runtime")
static LIBRARY(load_blas, RN_CUDA_BLAS, RN_CUDA_BLAS_API, "cuBLAS 13")
static LIBRARY(load_dnn, RN_CUDA_DNN, RN_CUDA_DNN_API, "cuDNN 9")
static LIBRARY(load_nccl, RN_CUDA_NCCL, RN_CUDA_NCCL_API, "NCCL 2, which several GPUs need,")

int rn_cuda_load_libraries(struct rn_cuda_api *api, bool several, struct rn_err *err)
{
    return load_blas(api, err) || load_dnn(api, err) || (several && load_nccl(api, err)) ? -1 : 0;
}
