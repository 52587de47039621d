/* half.cu -- between float32 and bfloat16; and twins: what convolutions read instead of a block of float32 parameters. */
#include "device/cuda/kernel.h"

struct convert {
    struct map to, from;
    int add; /* to what is there */
};

#ifdef RN_KERNELS

KERNEL(convert)(const struct convert v)
{
    for (each(i, count_of(v.from)))
        give(v.to, i, get(v.from, i), v.add);
}

#else

#include "device/cuda/cuda.h"

int rn_cuda_convert(const struct rn_cuda_part *p, struct map to, struct map from, bool add, struct rn_err *err)
{
    struct convert v = { to, from, add };
    struct rn_array shape = { NULL, from.n, from.c, from.h, from.w };
    return rn_cuda_launch(p, RN_CUDA_convert, rn_cuda_each(from), &v, shape, err);
}

/* A twin is made whole when a convolution first asks for it; sgd keeps it up to date, other writers leave it stale. */
static int freshen(const struct rn_cuda_part *p, struct rn_cuda_block *block, struct rn_err *err)
{
    size_t count = block->bytes / sizeof(float);
    struct map from = { block->at[p->g], 1, 1, 1, rn_cuda_dim(count) }, to = from;
    if (!(block->stale >> p->g & 1))
        return 0;
    to.at = block->twin[p->g];
    to.half = 1;
    block->stale &= ~(1u << p->g);
    return rn_cuda_convert(p, to, from, false, err);
}

int rn_cuda_twin(const struct rn_cuda_part *p, struct map *w, struct rn_err *err)
{
    struct rn_cuda_block *block = rn_cuda_block_of(p->cuda, p->g, w->at);
    if (!block || block->cut || w->half)
        return 0;
    if (!block->twin[p->g]) {
        if (!(block->twin[p->g] = rn_cuda_take(p, block->bytes / 2, err)))
            return -1;
        block->stale |= 1u << p->g;
    }
    if (freshen(p, block, err))
        return -1;
    w->at = block->twin[p->g] + ((char *)w->at - block->at[p->g]) / 2;
    w->half = 1;
    return 0;
}

void *rn_cuda_twin_of(const struct rn_cuda_part *p, const void *w)
{
    const struct rn_cuda_block *block = rn_cuda_block_of(p->cuda, p->g, w);
    return block && block->twin[p->g] ? block->twin[p->g] + ((const char *)w - block->at[p->g]) / 2 : NULL;
}

void rn_cuda_stale(struct rn_cuda *cuda, const void *w)
{
    struct rn_cuda_block *block = rn_cuda_block_of(cuda, 0, w);
    for (int g = 0; block && g < cuda->gpus; g++)
        if (block->twin[g])
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
