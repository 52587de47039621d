/* channel_shuffle.c -- the channels in a random order: channel i becomes what channel order[i] was. */
#include "augment/private.h"

static const struct rn_drawn drawn[] = { { "order", 3, 0, 2, 1 }, { 0 } };

static size_t draw(double *value, const void *options, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)options, (void)x;
    for (int i = 0; i < 3; i++)
        value[i] = i;
    for (int i = 2; i > 0; i--) {
        int j = (int)rn_rng_below(rng, (uint64_t)i + 1);
        double swap = value[i];
        value[i] = value[j];
        value[j] = swap;
    }
    return 3;
}

static inline __attribute__((always_inline)) void shuffle(uint8_t *restrict y, const uint8_t *restrict x, size_t n, size_t a,
                                                          size_t b, size_t c)
{
    for (size_t i = 0; i < n; i++) {
        y[3 * i] = x[3 * i + a];
        y[3 * i + 1] = x[3 * i + b];
        y[3 * i + 2] = x[3 * i + c];
    }
}

/* One loop for each order, so that each is compiled into byte shuffles. */
RN_PLAIN bytes_plain(uint8_t *restrict y, const uint8_t *restrict x, size_t n, const size_t order[3])
{
    switch (order[0] * 3 + order[1]) {
    case 1: /* 0 1 2 */
        shuffle(y, x, n, 0, 1, 2);
        break;
    case 2:
        shuffle(y, x, n, 0, 2, 1);
        break;
    case 3:
        shuffle(y, x, n, 1, 0, 2);
        break;
    case 5:
        shuffle(y, x, n, 1, 2, 0);
        break;
    case 6:
        shuffle(y, x, n, 2, 0, 1);
        break;
    default:
        shuffle(y, x, n, 2, 1, 0);
    }
}
RN_WIDE(bytes, (uint8_t *restrict y, const uint8_t *restrict x, size_t n, const size_t order[3]), (y, x, n, order))

static void floats(float *y, const float *x, size_t n, const size_t order[3])
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            y[3 * i + c] = x[3 * i + order[c]];
}

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)options, (void)count;
    const size_t order[3] = { (size_t)value[0], (size_t)value[1], (size_t)value[2] };
    void *y = rn_canvas_next(x, x->type, x->height, x->width, err);
    if (!y)
        return -1;
    if (x->type == RN_U8)
        bytes(y, x->pixels, x->height * x->width, order);
    else
        floats(y, x->pixels, x->height * x->width, order);
    rn_canvas_turn(x, x->type, x->height, x->width);
    return 0;
}

const struct rn_augment rn_augment_channel_shuffle = {
    .class_name = "ChannelShuffle", .until = 4, .p = 0.5, .drawn = drawn, .draw = draw, .apply = apply,
};
