/* softmax_loss.cu -- cross entropy with class weights and label smoothing, as PyTorch's CrossEntropyLoss:
 *
 *     loss = ((1 - e) sum_n u[label_n] l(n, label_n) + e / C sum_n sum_i u[i] l(n, i)) / sum_n u[label_n]
 *
 * where u are the class weights, and l(n, i) = -log softmax(x_n)[i] = log(sum_j exp(x_nj)) - x_ni. */
#include "device/cuda/kernel.h"

struct result {
    double loss;
    long long correct;
};

struct softmax_loss {
    struct map dlogits, logits; /* dlogits: optional */
    struct result *result;
    const long long *labels;
    const float *weights; /* u; NULL: all 1 */
    float smoothing;
    double total; /* sum_n u[label_n], over the images of all GPUs */
};

#ifdef RN_KERNELS

/* The largest of x and the first place where it is, to every thread of the warp. */
static __device__ inline float largest(const float *x, unsigned c, unsigned *place)
{
    float best = -INFINITY;
    unsigned at = c;
    for (unsigned i = lane(); i < c; i += RN_LANES)
        if (x[i] > best || at == c) {
            best = x[i];
            at = i;
        }
    for (int step = RN_LANES / 2; step; step /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, best, step);
        unsigned there = __shfl_xor_sync(0xffffffffu, at, step);
        if (there < c && (at == c || other > best || (other == best && there < at))) {
            best = other;
            at = there;
        }
    }
    *place = at;
    return best;
}

/* The part of l(n, i) in the loss. */
static __device__ inline float weight(const struct softmax_loss *v, unsigned i, unsigned label)
{
    float share = (i == label ? 1 - v->smoothing : 0) + v->smoothing / (float)v->logits.c;
    return (float)((v->weights ? share * v->weights[i] : share) / v->total);
}

/* One block: each warp takes every RN_ROWS-th image. */
KERNEL(softmax_loss)(const struct softmax_loss v)
{
    __shared__ double losses[RN_ROWS];
    __shared__ long long hits[RN_ROWS];
    unsigned c = v.logits.c, place;
    double loss = 0;
    long long correct = 0;
    for (unsigned n = row(); n < v.logits.n; n += RN_ROWS) {
        const float *x = v.logits.at + (rn_index)n * c;
        unsigned label = (unsigned)v.labels[n];
        float most = largest(x, c, &place), sum = 0, weights = 0, weighted = 0;
        for (unsigned i = lane(); i < c; i += RN_LANES)
            sum += expf(x[i] - most);
        sum = sum_lanes(sum);
        float log_sum = logf(sum);
        for (unsigned i = lane(); i < c; i += RN_LANES) {
            float w = weight(&v, i, label);
            weights += w;
            weighted += w * (log_sum - (x[i] - most));
        }
        weights = sum_lanes(weights);
        loss += sum_lanes(weighted);
        correct += place == label;
        for (unsigned i = lane(); v.dlogits.at && i < c; i += RN_LANES)
            v.dlogits.at[(rn_index)n * c + i] = expf(x[i] - most) / sum * weights - weight(&v, i, label);
    }
    if (lane() == 0) {
        losses[row()] = loss;
        hits[row()] = correct;
    }
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int r = 1; r < RN_ROWS; r++) {
        loss += losses[r];
        correct += hits[r];
    }
    v.result->loss = loss;
    v.result->correct = correct;
}

#else

#include <string.h>

#include "device/check.h"
#include "device/cuda/cuda.h"

/* Labels and class weights go to the GPU in one page, behind the place for the result. */
static int start(struct rn_cuda_part *p, struct rn_array dlogits, struct rn_array logits, const int64_t *labels,
                 const struct rn_loss_options *options, double total, struct rn_err *err)
{
    size_t label_bytes = p->n * sizeof *labels, weight_bytes = options->class_weights ? logits.c * sizeof(float) : 0;
    char *near, *far;
    if (rn_cuda_page(p, sizeof(struct result) + label_bytes + weight_bytes, &near, &far, err))
        return -1;
    char *at = near + sizeof(struct result), *there = far + sizeof(struct result);
    memcpy(at, labels + p->first, label_bytes);
    if (weight_bytes)
        memcpy(at + label_bytes, options->class_weights, weight_bytes);
    struct softmax_loss v = {
        rn_cuda_cut(p, dlogits), rn_cuda_cut(p, logits), (struct result *)far, (const long long *)there,
        weight_bytes ? (const float *)(there + label_bytes) : NULL, (float)options->smoothing, total };
    struct rn_cuda_grid one = { 1, 1, 1 };
    if (rn_cuda_copy(p, there, at, label_bytes + weight_bytes, cudaMemcpyHostToDevice, err) ||
        rn_cuda_launch(p, RN_CUDA_softmax_loss, one, &v, logits, err))
        return -1;
    return rn_cuda_copy(p, near, far, sizeof(struct result), cudaMemcpyDeviceToHost, err);
}

static int finish(struct rn_cuda_part *p, struct rn_loss *loss, struct rn_err *err)
{
    struct result result;
    char *near, *far;
    if (rn_cuda_wait(p, err) || rn_cuda_page(p, sizeof result, &near, &far, err))
        return -1;
    memcpy(&result, near, sizeof result);
    loss->loss += result.loss;
    loss->correct += result.correct;
    return 0;
}

int rn_cuda_softmax_loss(struct rn_device *dev, struct rn_loss *loss, struct rn_array dlogits, struct rn_array logits,
                         const int64_t *labels, const struct rn_loss_options *options, struct rn_err *err)
{
    if (rn_check_loss(dlogits, logits, labels, err))
        return -1;
    double total = 0;
    for (size_t n = 0; n < logits.n; n++)
        total += options->class_weights ? (double)options->class_weights[labels[n]] : 1;
    *loss = (struct rn_loss){ 0 };
    struct rn_cuda_part p = rn_cuda_parts(dev, logits.n);
    while (rn_cuda_next(&p, err))
        p.rc = p.n ? start(&p, dlogits, logits, labels, options, total, err) : 0;
    if (p.rc)
        return -1;
    p = rn_cuda_parts(dev, logits.n);
    while (rn_cuda_next(&p, err))
        p.rc = p.n ? finish(&p, loss, err) : 0;
    return p.rc;
}

#endif
