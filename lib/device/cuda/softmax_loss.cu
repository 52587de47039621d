/* softmax_loss.cu -- cross entropy with class weights and label smoothing, as PyTorch's CrossEntropyLoss:
 *
 *     loss = ((1 - e) sum_n u[label_n] l(n, label_n) + e / C sum_n sum_i u[i] l(n, i)) / sum_n u[label_n]
 *
 * where u are the class weights, and l(n, i) = -log softmax(x_n)[i] = log(sum_j exp(x_nj)) - x_ni. */
#include "device/cuda/kernel.h"

/* The page that goes to the GPU and back: this, then the labels, then the class weights. */
struct page {
    double loss;
    long long correct;
    double total; /* sum_n u[label_n], over the images of all GPUs */
};

struct softmax_loss {
    struct map dlogits, logits; /* float32; dlogits: optional */
    struct page *page;
    const long long *labels;
    const float *weights; /* u; NULL: all 1 */
    float smoothing;
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
    return (float)((v->weights ? share * v->weights[i] : share) / v->page->total);
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
        const float *x = (const float *)v.logits.at + (rn_index)n * c;
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
            ((float *)v.dlogits.at)[(rn_index)n * c + i] = expf(x[i] - most) / sum * weights - weight(&v, i, label);
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
    v.page->loss = loss;
    v.page->correct = correct;
}

#else

#include <string.h>

#include "device/check.h"
#include "device/cuda/cuda.h"

static size_t label_bytes(const struct rn_cuda_part *p)
{
    return p->n * sizeof(int64_t);
}

static size_t weight_bytes(const struct rn_device_step *step)
{
    return step->options->class_weights ? step->c * sizeof(float) : 0;
}

int rn_cuda_loss_in(struct rn_cuda *cuda, const struct rn_device_step *step, struct rn_err *err)
{
    const float *weights = step->options->class_weights;
    struct page page = { 0 };
    for (size_t n = 0; n < step->n; n++)
        page.total += weights ? (double)weights[step->labels[n]] : 1;
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    while (rn_cuda_next(&p, err)) {
        char *near, *far;
        if ((p.rc = rn_cuda_page(&p, sizeof page + label_bytes(&p) + weight_bytes(step), &near, &far, err)))
            break;
        memcpy(near, &page, sizeof page);
        memcpy(near + sizeof page, step->labels + p.first, label_bytes(&p));
        if (weights)
            memcpy(near + sizeof page + label_bytes(&p), weights, weight_bytes(step));
    }
    return p.rc;
}

int rn_cuda_loss_out(struct rn_cuda *cuda, const struct rn_device_step *step, struct rn_err *err)
{
    *step->loss = (struct rn_loss){ 0 };
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    while (rn_cuda_next(&p, err)) {
        struct page page;
        char *near, *far;
        if ((p.rc = rn_cuda_wait(&p, NULL, err) || rn_cuda_page(&p, sizeof page, &near, &far, err) ? -1 : 0) || !p.n)
            continue;
        memcpy(&page, near, sizeof page);
        step->loss->loss += page.loss;
        step->loss->correct += page.correct;
    }
    return p.rc;
}

static int start(struct rn_cuda_part *p, struct rn_array dlogits, struct rn_array logits, const struct rn_device_step *step, struct rn_err *err)
{
    size_t bytes = sizeof(struct page) + label_bytes(p) + weight_bytes(step);
    char *near, *far;
    if (rn_cuda_page(p, bytes, &near, &far, err))
        return -1;
    struct softmax_loss v = {
        rn_cuda_cut(p, dlogits), rn_cuda_cut(p, logits), (struct page *)(void *)far,
        (const long long *)(const void *)(far + sizeof(struct page)),
        step->options->class_weights ? (const float *)(const void *)(far + sizeof(struct page) + label_bytes(p)) : NULL,
        (float)step->options->smoothing };
    struct rn_cuda_grid one = { 1, 1, 1 };
    return rn_cuda_copy(p, far, near, bytes, cudaMemcpyHostToDevice, err) ||
                   rn_cuda_launch(p, RN_CUDA_softmax_loss, one, &v, logits, err) ||
                   rn_cuda_copy(p, near, far, sizeof(struct page), cudaMemcpyDeviceToHost, err) ? -1 : 0;
}

int rn_cuda_softmax_loss(struct rn_device *dev, struct rn_loss *loss, struct rn_array dlogits, struct rn_array logits,
                         const int64_t *labels, const struct rn_loss_options *options, struct rn_err *err)
{
    struct rn_device_step step = { .loss = loss, .n = logits.n, .c = logits.c, .labels = labels, .options = options };
    if (rn_check_loss(dlogits, logits, labels, err) || rn_cuda_loss_in(rn_cuda(dev), &step, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, logits.n);
    while (rn_cuda_next(&p, err))
        p.rc = p.n ? start(&p, dlogits, logits, &step, err) : 0;
    if (p.rc || rn_cuda(dev)->stage != RN_CUDA_OUTSIDE)
        return p.rc;
    return rn_cuda_loss_out(rn_cuda(dev), &step, err);
}

#endif
