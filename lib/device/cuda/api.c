/* api.c -- NVIDIA's libraries, loaded when the device is opened. They stay loaded. */
#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/cuda/cuda.h"

/* Where pip puts them: the nvidia-* packages of the Python environment that is active. */
static void *library_of_pip(const char *name)
{
    static const char *const environments[] = { "VIRTUAL_ENV", "CONDA_PREFIX" };
    void *handle = NULL;
    for (size_t i = 0; i < 2 && !handle; i++) {
        const char *root = getenv(environments[i]);
        char pattern[4096];
        glob_t found;
        if (!root || !*root ||
            snprintf(pattern, sizeof pattern, "%s/lib/python3*/site-packages/nvidia/*/lib/%s", root, name) >= (int)sizeof pattern ||
            glob(pattern, 0, NULL, &found))
            continue;
        for (size_t k = 0; k < found.gl_pathc && !handle; k++)
            handle = dlopen(found.gl_pathv[k], RTLD_NOW | RTLD_LOCAL);
        globfree(&found);
    }
    return handle;
}

static void *library(const char *name, const char *what, struct rn_err *err)
{
    char why[512];
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    snprintf(why, sizeof why, "%s", handle ? "" : dlerror());
    if (!handle && !(handle = library_of_pip(name)))
        rn_fail(err, RN_EXIT_SYSTEM, "device cuda: %s is missing (%s); LD_LIBRARY_PATH names the folders of libraries, as pip's "
                "site-packages/nvidia/*/lib, which are found by themselves where VIRTUAL_ENV is set", what, why);
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

/* NVLS sums in the switch, in an order that nobody promises. Who has set NCCL_ALGO knows better. */
int rn_cuda_load_libraries(struct rn_cuda_api *api, bool several, struct rn_err *err)
{
    if (several && setenv("NCCL_ALGO", "^NVLS", 0))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    return load_blas(api, err) || load_dnn(api, err) || (several && load_nccl(api, err)) ? -1 : 0;
}
