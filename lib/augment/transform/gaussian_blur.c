/* gaussian_blur.c -- a Gaussian of k x k pixels; with sigma 0 OpenCV's kernels of small sizes. */
#include <math.h>
#include <string.h>

#include "augment/private.h"

struct gaussian_blur {
    double blur_limit[2], sigma_limit[2];
};

static const struct rn_opt options[] = {
    { 0, "blur_limit", RN_OPT_PAIR, RN_AT(gaussian_blur, blur_limit), 0, RN_KERNEL_MAX, "sides of the square, 0: by sigma", NULL, RN_FROM_0 | RN_ORDERED | RN_WHOLE },
    { 0, "sigma_limit", RN_OPT_PAIR, RN_AT(gaussian_blur, sigma_limit), 0, 12, "range of sigma, 0: by the square", NULL, RN_FROM_0 | RN_NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "ksize", 1, 0, RN_KERNEL_MAX, 2 }, { "sigma", 1, 0, 12 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const double *limit = ((const struct gaussian_blur *)opts)->blur_limit;
    for (int i = 0; i < 2; i++)
        if (limit[i] != 0 && fmod(limit[i], 2) != 1)
            return rn_fail(err, RN_EXIT_USAGE, "blur_limit: %g is neither odd nor 0", limit[i]);
    return 0;
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct gaussian_blur *o = opts;
    double low = o->blur_limit[0], high = o->blur_limit[1];
    if (low == 0 && o->sigma_limit[0] == 0) {
        low = 3;
        high = fmax(high, 3);
    }
    double k = rn_uniform_int(rng, low, high);
    if (k != 0 && fmod(k, 2) != 1)
        k = fmod(k + 1, high + 1);
    value[0] = k;
    value[1] = rn_rng_uniform(rng, o->sigma_limit[0], o->sigma_limit[1]);
    return 2;
}

/* Weights of k pixels in 1/256, that sum to 256: rounding errors are carried on, the middle takes what is left. */
static void sampled(uint16_t *kernel, size_t k, double sigma)
{
    double weight[RN_KERNEL_MAX], sum = 0, carry = 0;
    int left = 256;
    for (size_t i = 0; i < k; i++) {
        double d = (double)i - (double)(k - 1) / 2;
        sum += weight[i] = exp(-d * d / (2 * sigma * sigma));
    }
    for (size_t i = 0; i < k / 2; i++) {
        double exact = weight[i] / sum * 256 + carry, rounded = rint(exact);
        carry = exact - rounded;
        kernel[i] = kernel[k - 1 - i] = (uint16_t)rounded;
        left -= 2 * (int)rounded;
    }
    kernel[k / 2] = (uint16_t)left;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    static const uint16_t small[4][7] = { { 1 }, { 1, 2, 1 }, { 1, 4, 6, 4, 1 }, { 4, 14, 28, 36, 28, 14, 4 } };
    static const int shift[4] = { 0, 2, 4, 7 };
    uint16_t kernel[RN_KERNEL_MAX];
    double sigma = value[1];
    size_t k = value[0] > 0 ? (size_t)value[0] : (size_t)rint(sigma * 3 * 2 + 1) | 1;
    if (sigma <= 0 && k <= 7)
        return rn_smooth(x, small[k / 2], k, shift[k / 2], err);
    sampled(kernel, k, sigma > 0 ? sigma : 0.3 * ((double)(k - 1) * 0.5 - 1) + 0.8);
    return rn_smooth(x, kernel, k, 8, err);
}

const struct rn_augment rn_augment_gaussian_blur = {
    .class_name = "GaussianBlur", .p = 0.5, .options = options, .size = sizeof(struct gaussian_blur), .drawn = drawn,
    .defaults = &(const struct gaussian_blur){ { 3, 7 }, { 0, 0 } }, .bytes_only = true,
    .check = check, .draw = draw, .apply = apply,
};
