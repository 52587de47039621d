/* api.h -- every function of NVIDIA's libraries that the device calls, one table a library.
 *
 * Nothing is linked: api.c looks each name up with dlsym when the device is opened, so that the tools run where there is no
 * CUDA. The types are those of the real headers, by __typeof__: a table that is out of step with them does not compile, and
 * a test holds it against the real .so files. Names with a version (cublasSgemm_v2) are those that the headers' macros give.
 *
 * Kernels are compiled by nvcc into fat binaries (sm_80, sm_90, sm_120, and PTX of compute_75 for the driver to translate),
 * one for each .cu file, uncompressed, and lie in the plug-in as bytes. open gives each to cudaLibraryLoadData, looks each
 * kernel up by its name ("rn_add") with cudaLibraryGetKernel, and starts it with cudaLaunchKernel on that cudaKernel_t:
 * host code never uses <<<>>>, so nothing here needs nvcc's own host stubs. Each kernel has exactly one parameter, a struct
 * by value, which its host half fills (the same declaration, in the same file); every block has 256 threads in x. */
#ifndef RN_DEVICE_CUDA_API_H
#define RN_DEVICE_CUDA_API_H

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <nccl.h>

#define RN_CUDA_RUNTIME "libcudart.so.13"
#define RN_CUDA_RUNTIME_API(X)    \
    X(cudaRuntimeGetVersion)      \
    X(cudaDriverGetVersion)       \
    X(cudaGetErrorString)         \
    X(cudaGetLastError)           \
    X(cudaGetDeviceCount)         \
    X(cudaSetDevice)              \
    X(cudaGetDeviceProperties)    \
    X(cudaDeviceGetAttribute)     \
    X(cudaMemGetInfo)             \
    X(cudaMalloc)                 \
    X(cudaFree)                   \
    X(cudaMallocHost)             \
    X(cudaFreeHost)               \
    X(cudaMemcpyAsync)            \
    X(cudaMemcpyPeerAsync)        \
    X(cudaMemsetAsync)            \
    X(cudaStreamCreateWithFlags)  \
    X(cudaStreamDestroy)          \
    X(cudaStreamSynchronize)      \
    X(cudaStreamQuery)            \
    X(cudaStreamWaitEvent)        \
    X(cudaStreamBeginCapture)     \
    X(cudaStreamEndCapture)       \
    X(cudaEventCreateWithFlags)   \
    X(cudaEventDestroy)           \
    X(cudaEventRecord)            \
    X(cudaEventSynchronize)       \
    X(cudaEventQuery)             \
    X(cudaEventElapsedTime)       \
    X(cudaGraphInstantiate)       \
    X(cudaGraphDestroy)           \
    X(cudaGraphExecDestroy)       \
    X(cudaGraphLaunch)            \
    X(cudaLibraryLoadData)        \
    X(cudaLibraryUnload)          \
    X(cudaLibraryGetKernel)       \
    X(cudaLaunchKernel)

#define RN_CUDA_BLAS "libcublas.so.13"
#define RN_CUDA_BLAS_API(X)       \
    X(cublasCreate_v2)            \
    X(cublasDestroy_v2)           \
    X(cublasGetVersion_v2)        \
    X(cublasSetStream_v2)         \
    X(cublasSetMathMode)          \
    X(cublasSetWorkspace_v2)      \
    X(cublasGetStatusString)      \
    X(cublasGemmEx)

/* The graph interface, which conv2d.cu alone uses. It lists engines by expected time, without measuring, so that the list is
 * the same each time. In evaluation the first that is deterministic is taken, in training the fastest of the first few. */
#define RN_CUDA_DNN "libcudnn.so.9"
#define RN_CUDA_DNN_API(X)        \
    X(cudnnGetErrorString)        \
    X(cudnnGetVersion)            \
    X(cudnnCreate)                \
    X(cudnnDestroy)               \
    X(cudnnSetStream)             \
    X(cudnnBackendCreateDescriptor) \
    X(cudnnBackendDestroyDescriptor) \
    X(cudnnBackendSetAttribute)   \
    X(cudnnBackendGetAttribute)   \
    X(cudnnBackendFinalize)       \
    X(cudnnBackendExecute)

/* Loaded when there is more than one GPU. */
#define RN_CUDA_NCCL "libnccl.so.2"
#define RN_CUDA_NCCL_API(X)       \
    X(ncclGetErrorString)         \
    X(ncclGetLastError)           \
    X(ncclGetVersion)             \
    X(ncclCommInitAll)            \
    X(ncclCommDestroy)            \
    X(ncclCommGetAsyncError)      \
    X(ncclGroupStart)             \
    X(ncclGroupEnd)               \
    X(ncclAllReduce)              \
    X(ncclAllGather)

struct rn_cuda_api {
#define RN_CUDA_POINTER(name) __typeof__(&name) name;
    RN_CUDA_RUNTIME_API(RN_CUDA_POINTER)
    RN_CUDA_BLAS_API(RN_CUDA_POINTER)
    RN_CUDA_DNN_API(RN_CUDA_POINTER)
    RN_CUDA_NCCL_API(RN_CUDA_POINTER)
#undef RN_CUDA_POINTER
};

#endif
