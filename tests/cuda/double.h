/* double.h -- what the doubles of NVIDIA's libraries share. libcudart's double defines it; the others link against that one.
 *
 * The doubles have the real libraries' sonames and the real headers' prototypes, and lie in a folder that LD_LIBRARY_PATH
 * names. They compute on the CPU, in one thread, and are stricter than a GPU: what is wrong but would not be noticed is a
 * defect, told in one line that begins with "doubles: ", and ends the process (SIGABRT).
 *
 * Work given to a stream is queued. It runs as late as the rules allow (when something waits for it), or in a random order
 * that the rules allow, so that a missing synchronisation or event shows in the numbers. Device memory is out of the host's
 * reach, and NaN at first.
 *
 * Environment:
 *   RN_DOUBLE_GPUS=1         how many GPUs there are
 *   RN_DOUBLE_MEMORY=BYTES   what each has
 *   RN_DOUBLE_FAIL=K         the K-th call fails (from 1); NAME:K: the K-th of that function; lost:K: all from the K-th on;
 *                            lost1:K: GPU 1's, which does not get on any more, nor does who waits for it;
 *                            stuck1:K: the same, but no call fails
 *   RN_DOUBLE_ORDER=late     or a number: the seed of a random order
 *   RN_DOUBLE_RACES=N        look for races in launches of at most N threads (131072; 0: in none)
 *   RN_DOUBLE_GUARD=0        let the host reach device memory (large networks take less time)
 *   RN_DOUBLE_KERNELS=FILE   kernels compiled for the CPU (shim.h) instead of the interpreter
 * RN_DOUBLE_COMPUTE=0 kernels, convolutions and products do nothing when their turn comes: for runs whose numbers nobody reads
 *   RN_DOUBLE_COVERAGE=FILE  append, for each instruction of each kernel, how often it was executed
 *   RN_DOUBLE_CUDNN_VERSION=V cuDNN's version; else its header's
 *   RN_DOUBLE_REPORT=FILE    write at the end: calls, the call that failed, what was not given back
 *   RN_DOUBLE_CALLS=FILE     write the names of the functions in the order in which they are called
 *   RN_DOUBLE_CUDNN=FILE     the real libcudnn, whose descriptors check ours
 *   RN_DOUBLE_WORKSPACE=B    each convolution wants B bytes more of workspace for each image
 *   RN_DOUBLE_FRUGAL=1       a last engine of cuDNN's wants none of that
 *   RN_DOUBLE_SINGLE=1       for one image cuDNN's first engine gives other numbers than for many; 2: all do
 *   RN_DOUBLE_FAST=1         a second engine of cuDNN's, whose numbers differ, takes half the time; 2: twice. Time is counted: what
 *                            engines say that they take
 *   RN_DOUBLE_FALLBACK=1     cuDNN's first list of engines has none that serves, the fallback's has */
#ifndef TESTS_CUDA_DOUBLE_H
#define TESTS_CUDA_DOUBLE_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

/* Counts this call; true: it shall fail. Functions that free or describe are not counted. */
bool double_fails(const char *function);

void double_defect(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Queues run(a copy of args). Inside a captured graph the copy is what each launch gets. */
void double_enqueue(cudaStream_t stream, const char *what, void (*run)(void *args), const void *args, size_t bytes);
/* The same for work in which several streams meet: it waits for all, and all wait for it. */
void double_enqueue_together(cudaStream_t *streams, int count, const char *what, void (*run)(void *args), const void *args,
                             size_t bytes);
int double_gpu(cudaStream_t stream);
int double_current_gpu(void);
bool double_captured(cudaStream_t stream); /* is the stream being captured? */
bool double_computes(void);
/* What is done now takes so long, as events see it. */
void double_spend(double ms);

/* That `bytes` there are memory of the stream's GPU; else a defect that names `what`. */
void double_need(cudaStream_t stream, const void *memory, size_t bytes, const char *what);

/* Things that must be given back. */
enum double_thing { DOUBLE_STREAM, DOUBLE_EVENT, DOUBLE_GRAPH, DOUBLE_LIBRARY, DOUBLE_PINNED, DOUBLE_BLAS, DOUBLE_DNN,
                    DOUBLE_DESCRIPTOR, DOUBLE_COMMUNICATOR, DOUBLE_THINGS };
void double_count(enum double_thing thing, int change);

#endif
