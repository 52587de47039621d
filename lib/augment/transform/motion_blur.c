/* motion_blur.c -- means along a short line. Where the line lies in its square is random, so the picture moves a little. */
#include <math.h>
#include <string.h>

#include "augment/private.h"

struct motion_blur {
    double blur_limit[2];
    bool allow_shifted;
};

static const struct rn_opt options[] = {
    { 0, "blur_limit", RN_OPT_PAIR, RN_AT(motion_blur, blur_limit), 3, RN_KERNEL_MAX, "sides of the square", NULL, RN_FROM_3 | RN_ORDERED | RN_WHOLE },
    { 0, "allow_shifted", RN_OPT_FLAG, RN_AT(motion_blur, allow_shifted), 0, 0, "the line may lie anywhere in the square", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { 
    { "ksize", 1, 1, RN_KERNEL_MAX, 1 }, { "p1", 2, -RN_KERNEL_MAX, RN_KERNEL_MAX, 1 },
    { "p2", 2, -RN_KERNEL_MAX, RN_KERNEL_MAX, 1 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct motion_blur *o = opts;
    return rn_sides_check(o->blur_limit, !o->allow_shifted, true, err);
}

/* Both ends of an odd number of pixels, moved to the middle of the square. */
static void centre(double *a, double *b, double k)
{
    if (fmod(fabs(*a - *b), 2) != 0) {
        if (*b > *a)
            *b -= 1;
        else
            *a -= 1;
    }
    double off = (*a + *b) / 2 - (k / 2 - 0.5);
    *a = trunc(*a - off);
    *b = trunc(*b - off);
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    double k = value[0] = rn_uniform_side(rng, ((const struct motion_blur *)opts)->blur_limit);
    value[1] = rn_uniform_int(rng, 0, k - 1);
    value[3] = rn_uniform_int(rng, 0, k - 1);
    value[2] = rn_uniform_int(rng, 0, k - 1);
    if (value[1] == value[3]) { /* two different ones */
        value[4] = rn_uniform_int(rng, 0, k - 2);
        value[4] += value[4] >= value[2];
    } else {
        value[4] = rn_uniform_int(rng, 0, k - 1);
    }
    if (!((const struct motion_blur *)opts)->allow_shifted) {
        centre(&value[1], &value[3], k);
        centre(&value[2], &value[4], k);
    }
    return 5;
}

struct kernel {
    size_t k;
    uint8_t mask[RN_KERNEL_MAX * RN_KERNEL_MAX];
};

static void set(void *context, int x, int y)
{
    struct kernel *kernel = context;
    if (x >= 0 && y >= 0 && (size_t)x < kernel->k && (size_t)y < kernel->k)
        kernel->mask[(size_t)y * kernel->k + (size_t)x] = 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    struct kernel kernel = { .k = (size_t)value[0] };
    rn_line_draw((int)value[1], (int)value[2], (int)value[3], (int)value[4], set, &kernel);
    if (!memchr(kernel.mask, 1, kernel.k * kernel.k))
        return rn_fail(err, RN_EXIT_DATA, "the line lies beside its square of %zu x %zu", kernel.k, kernel.k);
    return rn_canvas_masked_mean(x, kernel.mask, kernel.k, err);
}

const struct rn_augment rn_augment_motion_blur = {
    .class_name = "MotionBlur", .p = 0.5, .options = options, .size = sizeof(struct motion_blur), .drawn = drawn,
    .defaults = &(const struct motion_blur){ { 3, 7 }, true }, .bytes_only = true,
    .check = check, .draw = draw, .apply = apply,
};
