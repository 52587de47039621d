/* mix.c -- mixup (Zhang et al., "mixup: Beyond empirical risk minimization", ICLR 2018) and CutMix (Yun et al., ICCV 2019), as
 * torchvision's references do them: each photo with the one before it in the batch, by one share for all. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "batch/private.h"
#include "core/rng.h"

enum { ONE = 1 << 16 };

/* y = share x + (1 - share) z over n bytes, to the nearest; share in 1/ONE. */
static void blend(uint8_t *y, const uint8_t *x, const uint8_t *z, size_t n, uint32_t share)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((share * x[i] + (ONE - share) * z[i] + ONE / 2) / ONE);
}

/* The rectangle that comes from the other photo: its middle anywhere, cut off at the edges. */
static struct rn_box cut(size_t height, size_t width, double share, struct rn_rng *rng)
{
    size_t x = rn_rng_below(rng, width), y = rn_rng_below(rng, height);
    double side = 0.5 * sqrt(1 - share);
    size_t high = (size_t)(side * (double)height), wide = (size_t)(side * (double)width);
    struct rn_box box = { y > high ? y - high : 0, x > wide ? x - wide : 0, 0, 0 };
    box.height = (y + high < height ? y + high : height) - box.top;
    box.width = (x + wide < width ? x + wide : width) - box.left;
    return box;
}

static void share_out(struct rn_assembly *assembly, size_t count, double share, int64_t *heavier)
{
    size_t classes = assembly->head.classes.count;
    memset(assembly->targets, 0, count * classes * sizeof *assembly->targets);
    for (size_t i = 0; i < count; i++) {
        size_t other = (i + count - 1) % count;
        float *target = assembly->targets + i * classes;
        target[assembly->labels[i]] += (float)share;
        target[assembly->labels[other]] += (float)(1 - share);
        heavier[i] = share >= 0.5 ? assembly->labels[i] : assembly->labels[other];
    }
}

static int make_room(struct rn_assembly *assembly, size_t count, size_t one, struct rn_err *err)
{
    size_t bytes, shares;
    if (!rn_mul(count, one, &bytes) || !rn_mul(count, assembly->head.classes.count, &shares))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: a batch of %zu photos", count);
    if (rn_grow(&assembly->mixed, &assembly->mixed_capacity, bytes, 1, err))
        return -1;
    return rn_grow(&assembly->targets, &assembly->targets_capacity, shares, sizeof *assembly->targets, err);
}

int rn_assembly_mix(struct rn_assembly *assembly, struct rn_err *err)
{
    char room[256];
    const struct rn_batch_plan *plan = assembly->plan;
    size_t count = assembly->ids.count, height = assembly->view[0].height, width = assembly->view[0].width;
    size_t one = height * width * 3;
    const uint8_t *images = assembly->images[0];
    struct rn_rng rng = rn_rng(plan->seed, RN_FOR_MIX, (uint64_t)assembly->index, (uint32_t)assembly->head.epoch);
    bool blends = plan->mixup > 0 && (!(plan->cutmix > 0) || rn_rng_unit(&rng) < 0.5);
    double share = rn_rng_beta(&rng, blends ? plan->mixup : plan->cutmix);
    struct rn_box box = { 0 };
    for (size_t i = 0; i < count; i++)
        if (assembly->labels[i] == RN_NIL)
            return rn_fail(err, RN_EXIT_DATA, "'%s' has no label: it cannot be mixed with others",
                           rn_text_show(assembly->ids.item[i], room));
    if (make_room(assembly, count, one, err))
        return -1;
    uint32_t parts = (uint32_t)lround(share * ONE);
    if (blends) {
        share = (double)parts / ONE;
    } else {
        box = cut(height, width, share, &rng);
        share = 1 - (double)(box.height * box.width) / (double)(height * width);
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *x = images + i * one, *z = images + (i + count - 1) % count * one;
        uint8_t *y = assembly->mixed + i * one;
        if (blends)
            blend(y, x, z, one, parts);
        else
            memcpy(y, x, one);
        for (size_t r = box.top; r < box.top + box.height; r++)
            memcpy(y + (r * width + box.left) * 3, z + (r * width + box.left) * 3, box.width * 3);
    }
    int64_t *heavier = rn_calloc(count, sizeof *heavier, err);
    if (!heavier)
        return -1;
    share_out(assembly, count, share, heavier);
    memcpy(assembly->labels, heavier, count * sizeof *heavier);
    free(heavier);
    return 0;
}
