/* softmax_loss.cu -- cross entropy with class weights and label smoothing, as PyTorch's CrossEntropyLoss:
 *
 *     loss = ((1 - e) sum_n u[label_n] l(n, label_n) + e / C sum_n sum_i u[i] l(n, i)) / sum_n u[label_n]
 *
 * where u are the class weights, and l(n, i) = -log softmax(x_n)[i] = log(sum_j exp(x_nj)) - x_ni. */
#include "device/cuda/kernel.h"

/* The page that goes to the GPU, and whose first part comes back: this, then the labels, then the class weights. */
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

static size_t page_bytes(const struct rn_cuda_part *p, const struct rn_device_step *step)
{
    return sizeof(struct page) + label_bytes(p) + weight_bytes(step);
}

/* The result of the i-th step, read when it is there. */
static int read_back(struct rn_cuda *cuda, unsigned i, struct rn_err *err)
{
    struct rn_cuda_begun *step = &cuda->begun[i % RN_STEPS_AHEAD];
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    if (!step->loss)
        return 0;
    *step->loss = (struct rn_loss){ 0 };
    while (rn_cuda_next(&p, err)) {
        const struct rn_cuda_page *page = &p.gpu->page;
        struct page result;
        if (!p.n || (p.rc = rn_cuda_wait(&p, page->told[i % RN_STEPS_AHEAD], err)))
            continue;
        memcpy(&result, page->near[i % RN_STEPS_AHEAD], sizeof result);
        step->loss->loss += result.loss;
        step->loss->correct += result.correct;
    }
    step->loss = NULL;
    return p.rc;
}

void rn_cuda_page_free(struct rn_cuda *cuda, struct rn_cuda_page *page)
{
    for (int i = 0; i < RN_STEPS_AHEAD; i++) {
        if (page->near[i])
            cuda->api.cudaFreeHost(page->near[i]);
        if (page->told[i])
            cuda->api.cudaEventDestroy(page->told[i]);
    }
    if (page->far)
        cuda->api.cudaFree(page->far);
    *page = (struct rn_cuda_page){ 0 };
}

static int make_page(const struct rn_cuda_part *p, size_t bytes, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    struct rn_cuda_page *page = &p->gpu->page;
    if (rn_cuda_wait(p, NULL, err))
        return -1;
    rn_cuda_page_free(p->cuda, page);
    for (int i = 0; i < RN_STEPS_AHEAD; i++) {
        void *near = NULL;
        if (rn_cuda_check(p, api->cudaEventCreateWithFlags(&page->told[i], cudaEventDisableTiming), "an event", err) ||
            rn_cuda_check(p, api->cudaMallocHost(&near, bytes), "pinned memory", err))
            return -1;
        page->near[i] = near;
    }
    if (!(page->far = rn_cuda_take(p, bytes, err)))
        return -1;
    page->bytes = bytes;
    return 0;
}

/* Pages that are large enough. What lies in smaller ones is read first. */
static int fit_pages(struct rn_cuda *cuda, const struct rn_device_step *step, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    bool fit = true;
    while (rn_cuda_next(&p, err))
        fit = fit && page_bytes(&p, step) <= p.gpu->page.bytes;
    if (p.rc || fit)
        return p.rc;
    for (unsigned i = cuda->steps_ended; i != cuda->steps_begun; i++)
        if (read_back(cuda, i, err))
            return -1;
    cuda->generation++; /* records point to the page */
    p = rn_cuda_parts(&cuda->device, step->n);
    while (rn_cuda_next(&p, err))
        if (page_bytes(&p, step) > p.gpu->page.bytes)
            p.rc = make_page(&p, rn_cuda_ceil(page_bytes(&p, step), 4096) * 4096, err);
    return p.rc;
}

int rn_cuda_loss_in(struct rn_cuda *cuda, const struct rn_device_step *step, struct rn_err *err)
{
    const float *weights = step->options->class_weights;
    unsigned turn = cuda->steps_begun % RN_STEPS_AHEAD;
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    struct page page = { 0 };
    for (size_t n = 0; n < step->n; n++)
        page.total += weights ? (double)weights[step->labels[n]] : 1;
    if (fit_pages(cuda, step, err))
        return -1;
    while (rn_cuda_next(&p, err)) {
        char *near = p.gpu->page.near[turn];
        if (!p.n)
            continue;
        memcpy(near, &page, sizeof page);
        memcpy(near + sizeof page, step->labels + p.first, label_bytes(&p));
        if (weights)
            memcpy(near + sizeof page + label_bytes(&p), weights, weight_bytes(step));
        p.rc = rn_cuda_copy(&p, p.gpu->page.far, near, page_bytes(&p, step), cudaMemcpyHostToDevice, err);
    }
    if (p.rc)
        return -1;
    cuda->begun[turn] = (struct rn_cuda_begun){ step->loss, step->n };
    cuda->steps_begun++;
    return 0;
}

int rn_cuda_loss_back(struct rn_cuda *cuda, struct rn_err *err)
{
    unsigned turn = (cuda->steps_begun - 1) % RN_STEPS_AHEAD;
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, cuda->begun[turn].n);
    while (rn_cuda_next(&p, err)) {
        struct rn_cuda_page *page = &p.gpu->page;
        if (p.n)
            p.rc = rn_cuda_copy(&p, page->near[turn], page->far, sizeof(struct page), cudaMemcpyDeviceToHost, err) ||
                           rn_cuda_check(&p, cuda->api.cudaEventRecord(page->told[turn], p.gpu->stream), "an event", err) ? -1 : 0;
    }
    return p.rc;
}

int rn_cuda_loss_out(struct rn_cuda *cuda, struct rn_err *err)
{
    return read_back(cuda, cuda->steps_ended++, err);
}

static int start(struct rn_cuda_part *p, struct rn_array dlogits, struct rn_array logits, const struct rn_loss_options *options,
                 struct rn_err *err)
{
    char *labels = p->gpu->page.far + sizeof(struct page), *weights = labels + label_bytes(p);
    struct softmax_loss v = {
        rn_cuda_cut(p, dlogits), rn_cuda_cut(p, logits), (struct page *)(void *)p->gpu->page.far,
        (const long long *)(const void *)labels, options->class_weights ? (const float *)(const void *)weights : NULL,
        (float)options->smoothing };
    struct rn_cuda_grid one = { 1, 1, 1 };
    return rn_cuda_launch(p, RN_CUDA_softmax_loss, one, &v, logits, err);
}

/* In a step its begin has sent the page, and its end reads it. */
int rn_cuda_softmax_loss(struct rn_device *dev, struct rn_loss *loss, struct rn_array dlogits, struct rn_array logits,
                         const int64_t *labels, const struct rn_loss_options *options, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    const struct rn_device_step step = { .loss = loss, .n = logits.n, .c = logits.c, .labels = labels, .options = options };
    bool alone = cuda->stage == RN_CUDA_OUTSIDE;
    if (rn_check_loss(dlogits, logits, labels, err) || (alone && rn_cuda_loss_in(cuda, &step, err)))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, logits.n);
    while (rn_cuda_next(&p, err))
        p.rc = p.n ? start(&p, dlogits, logits, options, err) : 0;
    if (p.rc || !alone)
        return p.rc;
    return rn_cuda_loss_back(cuda, err) || rn_cuda_loss_out(cuda, err) ? -1 : 0;
}

#endif
