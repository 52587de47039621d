/* softmax_loss.cu -- cross entropy with class weights and label smoothing, as PyTorch's CrossEntropyLoss:
 *
 *     loss = ((1 - e) sum_n u[label_n] l(n, label_n) + e / C sum_n sum_i u[i] l(n, i)) / sum_n u[label_n]
 *
 * or, with shares t of the classes, sum_n sum_i u[i] ((1 - e) t[n, i] + e / C) l(n, i) / N,
 * where u are the class weights, and l(n, i) = -log softmax(x_n)[i] = log(sum_j exp(x_nj)) - x_ni. With a teacher's p at
 * temperature T that is 1 - a of the loss, and a T^2 sum_n KL(p_n || softmax(x_n / T)) / N the rest. */
#include "device/cuda/kernel.h"

/* The page that goes to the GPU, and whose first part comes back: this, then the labels, the class weights, the images' shares,
 * what the teacher says of them. */
struct page {
    double loss;
    long long correct;
    double total, images; /* sum_n u[label_n], or with shares N; N: of all GPUs */
    double temperature, alpha;
};

struct softmax_loss {
    struct map dlogits, logits; /* float32; dlogits: optional */
    struct page *page;
    const long long *labels;
    const float *weights; /* u; NULL: all 1 */
    const float *targets, *teacher; /* t and p, (N,C); NULL: labels alone; none */
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

/* The part of l(n, i) in the loss, with labels or shares. */
static __device__ inline float weight(const struct softmax_loss *v, unsigned n, unsigned i, unsigned label)
{
    float share = v->targets ? v->targets[(rn_index)n * v->logits.c + i] : i == label ? 1 : 0;
    share = fmaf(1 - v->smoothing, share, v->smoothing / (float)v->logits.c);
    return (float)((v->weights ? share * v->weights[i] : share) / v->page->total);
}

/* Of image n's loss and gradient 1 - alpha stays, and the distance to the teacher comes. most: the largest of x. */
static __device__ inline double distil(const struct softmax_loss *v, unsigned n, const float *x, float most, double loss)
{
    const float *p = v->teacher + (rn_index)n * v->logits.c;
    float *d = (float *)v->dlogits.at, t = (float)v->page->temperature, a = (float)v->page->alpha, images = (float)v->page->images;
    float sum = 0, kl = 0;
    for (unsigned i = lane(); i < v->logits.c; i += RN_LANES)
        sum += expf((x[i] - most) / t);
    float log_sum = logf(sum_lanes(sum));
    for (unsigned i = lane(); i < v->logits.c; i += RN_LANES) {
        float log_q = (x[i] - most) / t - log_sum;
        if (p[i] > 0)
            kl += p[i] * (logf(p[i]) - log_q);
        if (d)
            d[(rn_index)n * v->logits.c + i] = fmaf(1 - a, d[(rn_index)n * v->logits.c + i], a * t * (expf(log_q) - p[i]) / images);
    }
    kl = sum_lanes(kl);
    return (1 - v->page->alpha) * loss + v->page->alpha * v->page->temperature * v->page->temperature * kl / v->page->images;
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
            float w = weight(&v, n, i, label);
            weights += w;
            weighted += w * (log_sum - (x[i] - most));
        }
        weights = sum_lanes(weights);
        double own = sum_lanes(weighted);
        correct += place == label;
        for (unsigned i = lane(); v.dlogits.at && i < c; i += RN_LANES)
            ((float *)v.dlogits.at)[(rn_index)n * c + i] = expf(x[i] - most) / sum * weights - weight(&v, n, i, label);
        loss += v.teacher ? distil(&v, n, x, most, own) : own;
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

/* Of this GPU's images, what is said of each class. */
static size_t share_bytes(const struct rn_cuda_part *p, const float *shares, size_t classes)
{
    return shares ? p->n * classes * sizeof *shares : 0;
}

static size_t page_bytes(const struct rn_cuda_part *p, const struct rn_device_step *step)
{
    const struct rn_loss_options *o = step->options;
    if (step->logits)
        return p->n * step->c * sizeof *step->logits;
    return sizeof(struct page) + label_bytes(p) + weight_bytes(step) + share_bytes(p, o->targets, step->c) +
           share_bytes(p, o->teacher, step->c);
}

/* Of this GPU's images. */
static size_t logit_bytes(const struct rn_cuda_part *p, const struct rn_cuda_begun *step)
{
    return p->n * step->output.c * sizeof *step->logits;
}

static int read_logits(struct rn_cuda *cuda, unsigned turn, struct rn_err *err)
{
    struct rn_cuda_begun *step = &cuda->begun[turn];
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    while (rn_cuda_next(&p, err))
        if (p.n && !(p.rc = rn_cuda_wait(&p, p.gpu->page.told[turn], err)))
            memcpy(step->logits + p.first * step->output.c, p.gpu->page.near[turn], logit_bytes(&p, step));
    step->logits = NULL;
    return p.rc;
}

/* The result of the i-th step, read when it is there. */
static int read_back(struct rn_cuda *cuda, unsigned i, struct rn_err *err)
{
    struct rn_cuda_begun *step = &cuda->begun[i % RN_STEPS_AHEAD];
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    if (step->logits)
        return read_logits(cuda, i % RN_STEPS_AHEAD, err);
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
        if (rn_cuda_check(p, api->cudaEventCreateWithFlags(&page->told[i], cudaEventDisableTiming | cudaEventBlockingSync),
                          "an event", err) ||
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
    cuda->generation++; /* captures point to the page */
    p = rn_cuda_parts(&cuda->device, step->n);
    while (rn_cuda_next(&p, err))
        if (page_bytes(&p, step) > p.gpu->page.bytes)
            p.rc = make_page(&p, rn_cuda_ceil(page_bytes(&p, step), 4096) * 4096, err);
    return p.rc;
}

static char *append(char *to, const void *from, size_t bytes)
{
    if (bytes)
        memcpy(to, from, bytes);
    return to + bytes;
}

static void write_page(const struct rn_cuda_part *p, char *to, const struct rn_device_step *step, const struct page *page)
{
    const struct rn_loss_options *o = step->options;
    size_t first = p->first * step->c;
    to = append(to, page, sizeof *page);
    to = append(to, step->labels + p->first, label_bytes(p));
    to = append(to, o->class_weights, weight_bytes(step));
    to = append(to, o->targets ? o->targets + first : NULL, share_bytes(p, o->targets, step->c));
    append(to, o->teacher ? o->teacher + first : NULL, share_bytes(p, o->teacher, step->c));
}

int rn_cuda_loss_in(struct rn_cuda *cuda, const struct rn_device_step *step, struct rn_err *err)
{
    const struct rn_loss_options *o = step->options;
    unsigned turn = cuda->steps_begun % RN_STEPS_AHEAD;
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    struct page page = { 0 };
    if (fit_pages(cuda, step, err))
        return -1;
    if (o)
        page = (struct page){ .images = (double)step->n, .temperature = o->temperature, .alpha = o->alpha };
    for (size_t n = 0; n < step->n && o; n++)
        page.total += o->class_weights && !o->targets ? (double)o->class_weights[step->labels[n]] : 1;
    while (o && rn_cuda_next(&p, err)) {
        char *near = p.gpu->page.near[turn];
        if (!p.n)
            continue;
        write_page(&p, near, step, &page);
        p.rc = rn_cuda_copy(&p, p.gpu->page.far, near, page_bytes(&p, step), cudaMemcpyHostToDevice, err);
    }
    if (p.rc)
        return -1;
    cuda->begun[turn] = (struct rn_cuda_begun){ step->loss, step->logits, step->output, step->n };
    cuda->steps_begun++;
    return 0;
}

int rn_cuda_loss_back(struct rn_cuda *cuda, struct rn_err *err)
{
    unsigned turn = (cuda->steps_begun - 1) % RN_STEPS_AHEAD;
    const struct rn_cuda_begun *step = &cuda->begun[turn];
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, step->n);
    while (rn_cuda_next(&p, err)) {
        struct rn_cuda_page *page = &p.gpu->page;
        size_t bytes = step->logits ? logit_bytes(&p, step) : sizeof(struct page);
        if (p.n && step->logits)
            p.rc = rn_cuda_to_plain(&p, (float *)(void *)page->far, step->output, err);
        if (p.n && !p.rc)
            p.rc = rn_cuda_copy(&p, page->near[turn], page->far, bytes, cudaMemcpyDeviceToHost, err) ||
                           rn_cuda_check(&p, cuda->api.cudaEventRecord(page->told[turn], p.gpu->stream), "an event", err) ? -1 : 0;
    }
    return p.rc;
}

int rn_cuda_loss_out(struct rn_cuda *cuda, struct rn_err *err)
{
    return read_back(cuda, cuda->steps_ended++, err);
}

static int start(struct rn_cuda_part *p, struct rn_array dlogits, const struct rn_device_step *step, struct rn_array logits,
                 struct rn_err *err)
{
    const struct rn_loss_options *o = step->options;
    char *labels = p->gpu->page.far + sizeof(struct page), *weights = labels + label_bytes(p);
    char *targets = weights + weight_bytes(step), *teacher = targets + share_bytes(p, o->targets, step->c);
    struct softmax_loss v = {
        rn_cuda_cut(p, dlogits), rn_cuda_cut(p, logits), (struct page *)(void *)p->gpu->page.far,
        (const long long *)(const void *)labels, o->class_weights ? (const float *)(const void *)weights : NULL,
        o->targets ? (const float *)(const void *)targets : NULL, o->teacher ? (const float *)(const void *)teacher : NULL,
        (float)o->smoothing };
    struct rn_cuda_grid one = { 1, 1, 1 };
    return rn_cuda_launch(p, RN_CUDA_softmax_loss, one, &v, logits, err);
}

/* In a step its begin has sent the page, and its end reads it. */
int rn_cuda_softmax_loss(struct rn_device *dev, const struct rn_softmax_loss *op, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    struct rn_array logits = op->logits;
    const struct rn_device_step step = { .loss = op->loss, .n = logits.n, .c = logits.c, .labels = op->labels,
                                         .options = op->options };
    bool alone = cuda->stage == RN_CUDA_OUTSIDE;
    if (rn_check_softmax_loss(op, err) || (alone && rn_cuda_loss_in(cuda, &step, err)))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, logits.n);
    while (rn_cuda_next(&p, err))
        p.rc = p.n ? start(&p, op->dlogits, &step, logits, err) : 0;
    if (p.rc || !alone)
        return p.rc;
    return rn_cuda_loss_back(cuda, err) || rn_cuda_loss_out(cuda, err) ? -1 : 0;
}

#endif
