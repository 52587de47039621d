/* bf16.cu -- between float32 and bfloat16; and bf16 copies: what convolutions read instead of a block of float32 parameters. */
#include "device/cuda/kernel.h"

struct narrow {
    unsigned short *to;
    const float *from;
    rn_index count;
};

struct widen {
    float *to;
    const unsigned short *from;
    rn_index count;
    int add; /* to what is there */
};

#ifdef RN_KERNELS

KERNEL(narrow)(const struct narrow v)
{
    for (each(i, v.count))
        v.to[i] = narrow(v.from[i]);
}

KERNEL(widen)(const struct widen v)
{
    for (each(i, v.count))
        v.to[i] = v.add ? v.to[i] + widen(v.from[i]) : widen(v.from[i]);
}

#else

#include "device/cuda/cuda.h"

int rn_cuda_narrow(const struct rn_cuda_part *p, void *to, const void *from, size_t count, struct rn_err *err)
{
    struct narrow v = { to, from, count };
    return rn_cuda_launch(p, RN_CUDA_narrow, rn_cuda_blocks(count), &v, (struct rn_array){ to, 1, count, 1, 1 }, err);
}

int rn_cuda_widen(const struct rn_cuda_part *p, void *to, const void *from, size_t count, bool add, struct rn_err *err)
{
    struct widen v = { to, from, count, add };
    return rn_cuda_launch(p, RN_CUDA_widen, rn_cuda_blocks(count), &v, (struct rn_array){ to, 1, count, 1, 1 }, err);
}

/* A bf16 copy is made whole when a convolution first asks for it; sgd keeps it up to date, other writers leave it stale. */
static int freshen(const struct rn_cuda_part *p, struct rn_cuda_block *block, struct rn_err *err)
{
    if (!(block->stale >> p->g & 1))
        return 0;
    block->stale &= ~(1u << p->g);
    return rn_cuda_narrow(p, block->bf16_copy[p->g], block->at[p->g], block->bytes / sizeof(float), err);
}

static void *in_bf16_copy(const struct rn_cuda_block *block, int g, const void *w)
{
    return block->bf16_copy[g] + ((const char *)w - block->at[g]) / 2;
}

int rn_cuda_bf16_copy(const struct rn_cuda_part *p, struct map *w, struct rn_err *err)
{
    struct rn_cuda_block *block = rn_cuda_block_of(p->cuda, p->g, w->at);
    if (!block || block->cut || w->bf16)
        return 0;
    if (!block->bf16_copy[p->g]) {
        if (!(block->bf16_copy[p->g] = rn_cuda_take(p, block->bytes / 2, err)))
            return -1;
        block->stale |= 1u << p->g;
    }
    if (freshen(p, block, err))
        return -1;
    w->at = in_bf16_copy(block, p->g, w->at);
    w->bf16 = 1;
    return 0;
}

void *rn_cuda_bf16_copy_of(const struct rn_cuda_part *p, const void *w)
{
    const struct rn_cuda_block *block = rn_cuda_block_of(p->cuda, p->g, w);
    return block && block->bf16_copy[p->g] ? in_bf16_copy(block, p->g, w) : NULL;
}

void rn_cuda_stale(struct rn_cuda *cuda, const void *w)
{
    struct rn_cuda_block *block = rn_cuda_block_of(cuda, 0, w);
    for (int g = 0; block && g < cuda->gpus; g++)
        if (block->bf16_copy[g])
            block->stale |= 1u << g;
}

int rn_cuda_freshen(struct rn_cuda *cuda, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err))
        for (size_t i = 0; i < p.cuda->blocks && p.rc == 0; i++)
            p.rc = freshen(&p, &p.cuda->block[i], err);
    return p.rc;
}

#endif
