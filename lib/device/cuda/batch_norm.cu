/* batch_norm.cu -- Ioffe and Szegedy, "Batch normalization", ICML 2015: y = gamma (x - mean) / sqrt(var + eps) + beta.
 *
 * Each pass is three kernels: sums of each channel over parts of the rows, the parts' sum (in double), and the map. Forward
 * sums are of x minus the channel's first value, so that a large mean does not eat the variance.
 *
 * All is a matter of bytes. Kernels move four channels at once where they can (_wide), with the loads of several rows on their
 * way. The sums go through the rows from the end, where the kernel before has just been, and the map then from the beginning,
 * where the sums have: that much is still in the cache.
 *
 * Statistics of several GPUs are those of the whole batch (or of each one's part, as rn_device_class.norms says): each has two
 * numbers a channel of its images, gets those of the others, and adds all in the order of the GPUs, as all of them do. */
#include "device/cuda/kernel.h"

enum { STAT_LANES = 8 }; /* channels of a block that adds the parts */

/* What GPUs tell each other: forward the mean of their own values and the sum of squares around it, backward their two sums. */
struct whole {
    double *numbers; /* (GPUs, 2, C); NULL: each has its own statistics */
    unsigned images, gpus, own; /* of the whole batch; this GPU's place */
};

struct batch_norm {
    struct map y, x, residual;
    const float *gamma, *beta;
    float *running_mean, *running_var, *mean, *inv_std;
    float *sums; /* (parts, 2, C) */
    unsigned parts, lanes;
    int relu;
    double momentum, eps;
    struct whole whole;
};

/* relu: d is 0 where y is not positive; where y is not there, it follows from x. */
struct batch_norm_backward {
    struct map dx, dresidual, dy, x, y;
    float *dgamma, *dbeta;
    const float *gamma, *beta, *mean, *inv_std;
    float *sums, *means; /* (parts, 2, C); (2, C): of d and of d times the normal */
    unsigned parts, lanes;
    /* keep: the sums' kernel writes d to dresidual; fixed: statistics do not follow from x */
    int relu, keep, add_dx, add_dw, fixed;
    struct whole whole;
};

#ifdef RN_KERNELS

enum { AT_ONCE = 4 }; /* rows whose loads are on their way together */

/* What the threads have of a part's sums goes to its place. */
template <class K> static __device__ inline void keep_sums(float *sums, float *sum, unsigned lanes, unsigned c, unsigned channels)
{
    sum_lane<2 * K::WIDTH>(sum, lanes);
    if (threadIdx.x < lanes && c < channels)
        for (int k = 0; k < K::WIDTH; k++) {
            sums[2 * blockIdx.y * channels + c + k] = sum[k];
            sums[(2 * blockIdx.y + 1) * channels + c + k] = sum[K::WIDTH + k];
        }
}

/* ---- forward ---- */

template <class K, int ROWS>
static __device__ inline void sum_of_rows(float *sum, const struct batch_norm &v, const float *shift, rn_index i, rn_index back)
{
    float x[ROWS][K::WIDTH];
    for (int r = 0; r < ROWS; r++)
        K::load(x[r], v.x, i - r * back);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < K::WIDTH; k++) {
            float d = x[r][k] - shift[k];
            sum[k] += d;
            sum[K::WIDTH + k] += d * d;
        }
}

template <class K> static __device__ inline void sums(const struct batch_norm &v)
{
    struct place at = place_of<K>(v.lanes);
    float sum[2 * K::WIDTH] = { 0 }, shift[K::WIDTH];
    if (at.c < v.x.c) {
        rn_index rows = rows_of(v.x), r = at.row, last = (rows - 1) * v.x.c + at.c, back = at.stride * v.x.c;
        K::load(shift, v.x, at.c);
        for (; r + (AT_ONCE - 1) * at.stride < rows; r += AT_ONCE * at.stride)
            sum_of_rows<K, AT_ONCE>(sum, v, shift, last - r * v.x.c, back);
        for (; r < rows; r += at.stride)
            sum_of_rows<K, 1>(sum, v, shift, last - r * v.x.c, back);
    }
    keep_sums<K>(v.sums, sum, v.lanes, at.c, v.x.c);
}

KERNEL(batch_norm_sums)(const struct batch_norm v)
{
    sums<struct one>(v);
}

KERNEL(batch_norm_sums_wide)(const struct batch_norm v)
{
    v.x.bf16 ? sums<struct four_bf16>(v) : sums<struct four_full>(v);
}

/* The two sums of a channel over all parts, to the first thread of its lane. */
static __device__ inline void add_parts(const float *sums, unsigned parts, unsigned c, unsigned channels, double *sum)
{
    enum { ROWS = RN_BLOCK / STAT_LANES };
    sum[0] = sum[1] = 0;
    for (unsigned part = threadIdx.x / STAT_LANES; c < channels && part < parts; part += AT_ONCE * ROWS) {
        float x[AT_ONCE][2];
        for (int i = 0; i < AT_ONCE; i++)
            for (int k = 0; k < 2; k++)
                x[i][k] = part + i * ROWS < parts ? sums[(2 * (part + i * ROWS) + k) * channels + c] : 0;
        for (int i = 0; i < AT_ONCE; i++)
            for (int k = 0; k < 2; k++)
                sum[k] += x[i][k];
    }
    sum_lane<2>(sum, STAT_LANES);
}

/* Evaluation's statistics for the batch's. */
KERNEL(batch_norm_fixed)(const struct batch_norm v)
{
    for (each(c, v.x.c)) {
        v.mean[c] = v.running_mean[c];
        v.inv_std[c] = (float)(1 / sqrt(v.running_var[c] + v.eps));
    }
}

/* How many images GPU g has, as rn_cuda_next cuts them. */
static __device__ inline unsigned images_of(const struct whole &w, unsigned g)
{
    unsigned chunk = (w.images + w.gpus - 1) / w.gpus, first = g * chunk;
    return first >= w.images ? 0 : w.images - first < chunk ? w.images - first : chunk;
}

/* Where the two numbers of GPU g's channels are. */
static __device__ inline double *numbers_of(const struct whole &w, unsigned g, unsigned channels)
{
    return w.numbers + (rn_index)2 * g * channels;
}

static __device__ inline void settle(const struct batch_norm &v, unsigned c, double mean, double squares, double count)
{
    double var = squares < 0 ? 0 : squares / count;
    v.mean[c] = (float)mean;
    v.inv_std[c] = (float)(1 / sqrt(var + v.eps));
    v.running_mean[c] = (float)((1 - v.momentum) * v.running_mean[c] + v.momentum * mean);
    v.running_var[c] = (float)((1 - v.momentum) * v.running_var[c] + v.momentum * var * count / (count - 1));
}

KERNEL(batch_norm_stats)(const struct batch_norm v)
{
    unsigned c = blockIdx.x * STAT_LANES + threadIdx.x % STAT_LANES;
    double sum[2], count = (double)rows_of(v.x);
    add_parts(v.sums, v.parts, c, v.x.c, sum);
    if (threadIdx.x >= STAT_LANES || c >= v.x.c)
        return;
    double mean = 0, squares = 0;
    if (count > 0) {
        mean = get(v.x, c) + sum[0] / count;
        squares = sum[1] - sum[0] * sum[0] / count;
    }
    if (!v.whole.numbers) {
        settle(v, c, mean, squares, count);
        return;
    }
    double *own = numbers_of(v.whole, v.whole.own, v.x.c);
    own[c] = mean;
    own[v.x.c + c] = squares;
}

KERNEL(batch_norm_whole)(const struct batch_norm v)
{
    for (each(c, v.x.c)) {
        double mean = 0, squares = 0, count = 0;
        unsigned g = 0;
#pragma unroll 1
        do { /* the first has images, whoever has not */
            const double *of = numbers_of(v.whole, g, v.x.c);
            double n = (double)images_of(v.whole, g) * v.x.h * v.x.w, all = count + n, d = of[c] - mean;
            mean += d * (n / all);
            squares += of[v.x.c + c] + d * d * (count * n / all);
            count = all;
        } while (++g < v.whole.gpus);
        settle(v, (unsigned)c, mean, squares, count);
    }
}

/* Forward and backward have the same bits from the same x: backward knows by them what the ReLU let pass. */
static __device__ inline float normalized(float x, float mean, float scale, float beta)
{
    return fmaf(x - mean, scale, beta);
}

template <class K> struct affine {
    float mean[K::WIDTH], scale[K::WIDTH], beta[K::WIDTH];
};

template <class K, class V> static __device__ inline struct affine<K> affine_of(const V &v, unsigned c)
{
    struct affine<K> n;
    for (int k = 0; k < K::WIDTH; k++) {
        n.mean[k] = v.mean[c + k];
        n.scale[k] = v.gamma[c + k] * v.inv_std[c + k];
        n.beta[k] = v.beta[c + k];
    }
    return n;
}

template <class K, int ROWS>
static __device__ inline void rows_forward(const struct batch_norm &v, const struct affine<K> &n, rn_index i, rn_index step)
{
    float x[ROWS][K::WIDTH], more[ROWS][K::WIDTH] = { { 0 } };
    for (int r = 0; r < ROWS; r++)
        K::load(x[r], v.x, i + r * step);
    if (v.residual.at)
        for (int r = 0; r < ROWS; r++)
            K::load(more[r], v.residual, i + r * step);
    for (int r = 0; r < ROWS; r++) {
        for (int k = 0; k < K::WIDTH; k++) {
            float y = normalized(x[r][k], n.mean[k], n.scale[k], n.beta[k]) + more[r][k];
            x[r][k] = v.relu && y < 0 ? 0 : y;
        }
        K::store(v.y, i + r * step, x[r]);
    }
}

template <class K> static __device__ inline void forward(const struct batch_norm &v)
{
    struct place at = place_of<K>(v.lanes);
    if (at.c >= v.x.c)
        return;
    struct affine<K> n = affine_of<K>(v, at.c);
    rn_index rows = rows_of(v.x), r = at.row, step = at.stride * v.x.c;
    for (; r + (AT_ONCE - 1) * at.stride < rows; r += AT_ONCE * at.stride)
        rows_forward<K, AT_ONCE>(v, n, r * v.x.c + at.c, step);
    for (; r < rows; r += at.stride)
        rows_forward<K, 1>(v, n, r * v.x.c + at.c, step);
}

KERNEL(batch_norm)(const struct batch_norm v)
{
    forward<struct one>(v);
}

KERNEL(batch_norm_wide)(const struct batch_norm v)
{
    v.x.bf16 ? forward<struct four_bf16>(v) : forward<struct four_full>(v);
}

/* ---- backward ---- */

/* x, and d: the gradient before the ReLU. */
template <class K, int ROWS>
static __device__ inline void load_gradients(float (*x)[K::WIDTH], float (*d)[K::WIDTH], const struct batch_norm_backward &v,
                                             const struct affine<K> &n, rn_index i, rn_index step)
{
    for (int r = 0; r < ROWS; r++) {
        K::load(x[r], v.x, i + r * step);
        K::load(d[r], v.dy, i + r * step);
    }
    if (!v.relu)
        return;
    float y[ROWS][K::WIDTH];
    if (v.y.at)
        for (int r = 0; r < ROWS; r++)
            K::load(y[r], v.y, i + r * step);
    else
        for (int r = 0; r < ROWS; r++)
            for (int k = 0; k < K::WIDTH; k++)
                y[r][k] = normalized(x[r][k], n.mean[k], n.scale[k], n.beta[k]);
    for (int r = 0; r < ROWS; r++)
        for (int k = 0; k < K::WIDTH; k++)
            d[r][k] = y[r][k] > 0 ? d[r][k] : 0;
}

template <class K, int ROWS>
static __device__ inline void sum_gradients(float *sum, const struct batch_norm_backward &v, const struct affine<K> &n, rn_index i,
                                            rn_index step)
{
    float x[ROWS][K::WIDTH], d[ROWS][K::WIDTH];
    load_gradients<K, ROWS>(x, d, v, n, i, step);
    for (int r = 0; r < ROWS; r++) {
        for (int k = 0; k < K::WIDTH; k++) {
            sum[k] += d[r][k];
            sum[K::WIDTH + k] += d[r][k] * (x[r][k] - n.mean[k]);
        }
        if (v.keep)
            K::store(v.dresidual, i + r * step, d[r]);
    }
}

template <class K> static __device__ inline void backward_sums(const struct batch_norm_backward &v)
{
    struct place at = place_of<K>(v.lanes);
    float sum[2 * K::WIDTH] = { 0 };
    if (at.c < v.x.c) {
        struct affine<K> n = affine_of<K>(v, at.c);
        rn_index rows = rows_of(v.x), r = at.row, last = (rows - 1) * v.x.c + at.c, step = 0 - at.stride * v.x.c;
        for (; r + at.stride < rows; r += 2 * at.stride)
            sum_gradients<K, 2>(sum, v, n, last - r * v.x.c, step);
        for (; r < rows; r += at.stride)
            sum_gradients<K, 1>(sum, v, n, last - r * v.x.c, step);
        for (int k = 0; k < K::WIDTH; k++)
            sum[K::WIDTH + k] *= v.inv_std[at.c + k];
    }
    keep_sums<K>(v.sums, sum, v.lanes, at.c, v.x.c);
}

KERNEL(batch_norm_backward_sums)(const struct batch_norm_backward v)
{
    backward_sums<struct one>(v);
}

KERNEL(batch_norm_backward_sums_wide)(const struct batch_norm_backward v)
{
    v.x.bf16 ? backward_sums<struct four_bf16>(v) : backward_sums<struct four_full>(v);
}

/* Parameters' gradients are of the own images: later they are summed over GPUs as all others are. */
KERNEL(batch_norm_backward_stats)(const struct batch_norm_backward v)
{
    unsigned c = blockIdx.x * STAT_LANES + threadIdx.x % STAT_LANES;
    double sum[2], count = (double)rows_of(v.x);
    add_parts(v.sums, v.parts, c, v.x.c, sum);
    if (threadIdx.x >= STAT_LANES || c >= v.x.c)
        return;
    if (v.dbeta)
        v.dbeta[c] = (float)(v.add_dw ? v.dbeta[c] + sum[0] : sum[0]);
    if (v.dgamma)
        v.dgamma[c] = (float)(v.add_dw ? v.dgamma[c] + sum[1] : sum[1]);
    if (!v.whole.numbers) {
        v.means[c] = v.fixed ? 0 : (float)(sum[0] / count);
        v.means[v.x.c + c] = v.fixed ? 0 : (float)(sum[1] / count);
        return;
    }
    double *own = numbers_of(v.whole, v.whole.own, v.x.c);
    own[c] = sum[0];
    own[v.x.c + c] = sum[1];
}

KERNEL(batch_norm_backward_whole)(const struct batch_norm_backward v)
{
    double count = (double)v.whole.images * v.x.h * v.x.w;
    for (each(i, (rn_index)2 * v.x.c)) {
        double sum = 0;
        unsigned g = 0;
#pragma unroll 1
        do {
            sum += numbers_of(v.whole, g, v.x.c)[i];
        } while (++g < v.whole.gpus);
        v.means[i] = (float)(sum / count);
    }
}

template <class K, int ROWS>
static __device__ inline void rows_backward(const struct batch_norm_backward &v, const struct affine<K> &n, const float *of_d,
                                            const float *of_dot, rn_index i, rn_index step)
{
    float x[ROWS][K::WIDTH], d[ROWS][K::WIDTH], was[K::WIDTH];
    load_gradients<K, ROWS>(x, d, v, n, i, step);
    for (int r = 0; r < ROWS; r++) {
        for (int k = 0; k < K::WIDTH; k++)
            x[r][k] = n.scale[k] * (d[r][k] - of_d[k] - (x[r][k] - n.mean[k]) * of_dot[k]);
        if (v.add_dx) {
            K::load(was, v.dx, i + r * step);
            for (int k = 0; k < K::WIDTH; k++)
                x[r][k] += was[k];
        }
        K::store(v.dx, i + r * step, x[r]);
        if (!v.dresidual.at)
            continue;
        K::load(was, v.dresidual, i + r * step); /* else it is written by the sums' kernel */
        for (int k = 0; k < K::WIDTH; k++)
            d[r][k] += was[k];
        K::store(v.dresidual, i + r * step, d[r]);
    }
}

template <class K> static __device__ inline void backward(const struct batch_norm_backward &v)
{
    struct place at = place_of<K>(v.lanes);
    if (at.c >= v.x.c)
        return;
    struct affine<K> n = affine_of<K>(v, at.c);
    float of_d[K::WIDTH], of_dot[K::WIDTH];
    for (int k = 0; k < K::WIDTH; k++) {
        of_d[k] = v.means[at.c + k];
        of_dot[k] = v.means[v.x.c + at.c + k] * v.inv_std[at.c + k];
    }
    rn_index rows = rows_of(v.x), r = at.row, step = at.stride * v.x.c;
    for (; r + at.stride < rows; r += 2 * at.stride)
        rows_backward<K, 2>(v, n, of_d, of_dot, r * v.x.c + at.c, step);
    for (; r < rows; r += at.stride)
        rows_backward<K, 1>(v, n, of_d, of_dot, r * v.x.c + at.c, step);
}

KERNEL(batch_norm_backward)(const struct batch_norm_backward v)
{
    backward<struct one>(v);
}

KERNEL(batch_norm_backward_wide)(const struct batch_norm_backward v)
{
    v.x.bf16 ? backward<struct four_bf16>(v) : backward<struct four_full>(v);
}

#else

#include "device/check.h"
#include "device/cuda/step.h"

/* The grids: sums (their blocks in y are the parts), statistics, the map. */
struct grids {
    struct rn_cuda_grid sums, stats, map;
    unsigned lanes;
};

/* 1024 blocks keep any GPU busy, and are few enough parts to add. */
static struct grids grids_of(struct map x, bool wide)
{
    size_t c = wide ? x.c / 4 : x.c, rows = (size_t)x.n * x.h * x.w;
    return (struct grids){ rn_cuda_tiles(c, rows, 8, 1024), { rn_cuda_ceil(x.c, STAT_LANES), 1, 1 },
                           rn_cuda_tiles(c, rows, 8, 1 << 14), rn_cuda_lanes(c) };
}

/* Before what is launched for each GPU in turn: whose statistics are these? */
static bool of_the_whole(struct rn_device *dev, const struct rn_norm *norm)
{
    const struct rn_cuda *cuda = rn_cuda(dev);
    return cuda->gpus > 1 && cuda->norms == RN_NORMS_WHOLE && !norm->fixed;
}

/* What each GPU tells the others; all of it lies at the workspace's beginning. */
static size_t told_bytes(size_t channels)
{
    return 2 * sizeof(double) * channels;
}

static struct whole whole_of(const struct rn_cuda_part *p, bool whole, void *workspace)
{
    return (struct whole){ whole ? workspace : NULL, rn_cuda_dim(p->images), (unsigned)p->cuda->gpus, (unsigned)p->g };
}

/* A norm on a GPU. */
struct forward_work {
    struct batch_norm v;
    struct grids grids;
    bool wide;
};

static int launch_statistics(struct rn_cuda_part *p, struct forward_work *k, bool whole, const struct rn_norm *norm,
                             struct rn_array x, struct rn_err *err)
{
    size_t told = whole ? told_bytes(x.c) * (size_t)p->cuda->gpus : 0;
    if (norm->fixed)
        return rn_cuda_launch(p, RN_CUDA_batch_norm_fixed, rn_cuda_blocks(x.c), &k->v, x, err);
    char *room = rn_cuda_workspace(p, told + 2 * sizeof(float) * k->v.parts * x.c, err);
    if (!room)
        return -1;
    k->v.whole = whole_of(p, whole, room);
    k->v.sums = (float *)(void *)(room + told);
    return rn_cuda_launch(p, k->wide ? RN_CUDA_batch_norm_sums_wide : RN_CUDA_batch_norm_sums, k->grids.sums, &k->v, x, err) ||
                   rn_cuda_launch(p, RN_CUDA_batch_norm_stats, k->grids.stats, &k->v, x, err) ? -1 : 0;
}

int rn_cuda_batch_norm(struct rn_device *dev, const struct rn_batch_norm *op, struct rn_err *err)
{
    struct forward_work work[RN_CUDA_GPUS];
    const struct rn_norm *norm = &op->norm;
    struct rn_array x = op->x;
    bool whole = of_the_whole(dev, norm);
    if (rn_check_batch_norm(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n), q = p;
    while (rn_cuda_next(&p, err)) {
        struct forward_work *k = &work[p.g];
        k->v = (struct batch_norm){
            rn_cuda_cut(&p, op->y), rn_cuda_cut(&p, x), rn_cuda_cut(&p, op->residual), rn_cuda_at(&p, norm->gamma.data),
            rn_cuda_at(&p, norm->beta.data), rn_cuda_at(&p, norm->running_mean.data), rn_cuda_at(&p, norm->running_var.data),
            rn_cuda_at(&p, norm->mean.data), rn_cuda_at(&p, norm->inv_std.data), .relu = op->activation == RN_ACT_RELU,
            .momentum = norm->momentum, .eps = norm->eps };
        k->wide = rn_cuda_wide(k->v.x, k->v.x) && rn_cuda_wide(k->v.x, k->v.y) && rn_cuda_wide(k->v.x, k->v.residual);
        k->grids = grids_of(k->v.x, k->wide);
        k->v.parts = (unsigned)k->grids.sums.y;
        k->v.lanes = k->grids.lanes;
        if (!p.n && !whole)
            continue;
        if (!norm->fixed && !whole && p.n * x.h * x.w < 2)
            p.rc = rn_fail(err, RN_EXIT_DATA, "device cuda:%d: its part of the batch is one image, of a 1x1 map: batch norm needs "
                                              "more than one value a channel; use larger batches or fewer GPUs", p.gpu->ordinal);
        else
            p.rc = launch_statistics(&p, k, whole, norm, x, err);
    }
    q.rc = p.rc || (whole && rn_cuda_tell(dev, told_bytes(x.c), err)) ? -1 : 0;
    while (rn_cuda_next(&q, err)) {
        const struct forward_work *k = &work[q.g];
        q.rc = (whole && rn_cuda_launch(&q, RN_CUDA_batch_norm_whole, rn_cuda_blocks(x.c), &k->v, x, err)) ||
                       rn_cuda_launch(&q, k->wide ? RN_CUDA_batch_norm_wide : RN_CUDA_batch_norm, k->grids.map, &k->v, x, err)
                   ? -1 : 0;
    }
    return q.rc;
}

struct backward_work {
    struct batch_norm_backward v;
    struct grids grids;
    bool wide;
};

static int launch_sums(struct rn_cuda_part *p, struct backward_work *k, bool whole, struct rn_array x, struct rn_err *err)
{
    size_t told = whole ? told_bytes(x.c) * (size_t)p->cuda->gpus : 0;
    char *room = rn_cuda_workspace(p, told + 2 * sizeof(float) * ((size_t)k->v.parts + 1) * x.c, err);
    if (!room)
        return -1;
    k->v.whole = whole_of(p, whole, room);
    k->v.sums = (float *)(void *)(room + told);
    k->v.means = k->v.sums + (size_t)2 * k->v.parts * x.c;
    enum rn_cuda_kernel sums = k->wide ? RN_CUDA_batch_norm_backward_sums_wide : RN_CUDA_batch_norm_backward_sums;
    return rn_cuda_launch(p, sums, k->grids.sums, &k->v, x, err) ||
                   rn_cuda_launch(p, RN_CUDA_batch_norm_backward_stats, k->grids.stats, &k->v, x, err) ? -1 : 0;
}

/* y is read where a residual was added alone: dresidual is there then, as on the CPU device. Its d is written once, by the sums'
 * kernel, and is what the map's kernel reads instead of dy and y; unless dresidual holds something that it is added to. */
int rn_cuda_batch_norm_backward(struct rn_device *dev, const struct rn_batch_norm_backward *op, struct rn_err *err)
{
    struct backward_work work[RN_CUDA_GPUS];
    const struct rn_norm *norm = &op->norm;
    struct rn_array x = op->x, none = { 0 };
    bool relu = op->activation == RN_ACT_RELU, whole = of_the_whole(dev, norm);
    if (rn_check_batch_norm_backward(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n), q = p;
    while (rn_cuda_next(&p, err)) {
        struct backward_work *k = &work[p.g];
        k->v = (struct batch_norm_backward){
            rn_cuda_cut(&p, op->dx), rn_cuda_cut(&p, op->dresidual), rn_cuda_cut(&p, op->dy), rn_cuda_cut(&p, x),
            rn_cuda_cut(&p, relu && op->dresidual.data ? op->y : none), rn_cuda_at(&p, op->dgamma.data),
            rn_cuda_at(&p, op->dbeta.data), rn_cuda_at(&p, norm->gamma.data), rn_cuda_at(&p, norm->beta.data),
            rn_cuda_at(&p, norm->mean.data), rn_cuda_at(&p, norm->inv_std.data), .relu = relu,
            .keep = op->dresidual.data && !(op->add & RN_ADD_RESIDUAL), .add_dx = op->add & RN_ADD_DX,
            .add_dw = op->add & RN_ADD_DW, .fixed = norm->fixed };
        k->wide = rn_cuda_wide(k->v.x, k->v.x) && rn_cuda_wide(k->v.x, k->v.dx) && rn_cuda_wide(k->v.x, k->v.dresidual) &&
                  rn_cuda_wide(k->v.x, k->v.dy) && rn_cuda_wide(k->v.x, k->v.y);
        k->grids = grids_of(k->v.x, k->wide);
        k->v.parts = (unsigned)k->grids.sums.y;
        k->v.lanes = k->grids.lanes;
        if (p.n || whole)
            p.rc = launch_sums(&p, k, whole, x, err);
        else
            p.rc = rn_cuda_idle(&p, op->dgamma, k->v.add_dw, err) || rn_cuda_idle(&p, op->dbeta, k->v.add_dw, err) ? -1 : 0;
    }
    q.rc = p.rc || (whole && rn_cuda_tell(dev, told_bytes(x.c), err)) ? -1 : 0;
    while (rn_cuda_next(&q, err)) {
        struct backward_work *k = &work[q.g];
        struct batch_norm_backward then = k->v;
        if (then.keep) {
            then.dy = then.dresidual;
            then.dresidual.at = NULL;
            then.relu = 0;
        }
        q.rc = (whole && rn_cuda_launch(&q, RN_CUDA_batch_norm_backward_whole, rn_cuda_blocks(2 * x.c), &k->v, x, err)) ||
                       rn_cuda_launch(&q, k->wide ? RN_CUDA_batch_norm_backward_wide : RN_CUDA_batch_norm_backward, k->grids.map,
                                      &then, x, err) ? -1 : 0;
    }
    return q.rc;
}

#endif
