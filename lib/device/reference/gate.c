/* gate.c -- a = x times the channel's gate, b = x times the pixel's gate; y is a + b, a b, or the larger of the two. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

static double combined(double a, double b, bool both, bool channel, enum rn_combine combine)
{
    if (!both)
        return channel ? a : b;
    switch (combine) {
    case RN_COMBINE_SUM:
        return a + b;
    case RN_COMBINE_MUL:
        return a * b;
    case RN_COMBINE_MAX:
        return a > b || isnan(a) ? a : b;
    }
    return NAN;
}

int rn_reference_gate(struct rn_device *dev, const struct rn_gate *op, struct rn_err *err)
{
    struct rn_array y = op->y, x = op->x, channel = op->channel, spatial = op->spatial;
    (void)dev;
    if (rn_check_gate(op, err))
        return -1;
    for (size_t n = 0; n < x.n; n++)
        for (size_t c = 0; c < x.c; c++)
            for (size_t h = 0; h < x.h; h++)
                for (size_t w = 0; w < x.w; w++) {
                    double value = *rn_reference_at(x, n, c, h, w);
                    double a = channel.data ? value * *rn_reference_at(channel, n, c, 0, 0) : 0;
                    double b = spatial.data ? value * *rn_reference_at(spatial, n, 0, h, w) : 0;
                    *rn_reference_at(y, n, c, h, w) =
                        combined(a, b, channel.data && spatial.data, channel.data, op->combine);
                }
    return 0;
}

/* dy/da, the other's dy/db being share(b, a). */
static double share(double a, double b, enum rn_combine combine)
{
    switch (combine) {
    case RN_COMBINE_SUM:
        return 1;
    case RN_COMBINE_MUL:
        return b;
    case RN_COMBINE_MAX:
        return a == b ? 0.5 : a > b;
    }
    return NAN;
}

int rn_reference_gate_backward(struct rn_device *dev, const struct rn_gate_backward *op, struct rn_err *err)
{
    struct rn_array x = op->x, channel = op->channel, spatial = op->spatial;
    (void)dev;
    if (rn_check_gate_backward(op, err))
        return -1;
    bool both = channel.data && spatial.data;
    rn_reference_begin(op->dx, op->add & RN_ADD_DX);
    rn_reference_begin(op->dchannel, 0);
    rn_reference_begin(op->dspatial, 0);
    for (size_t n = 0; n < x.n; n++)
        for (size_t c = 0; c < x.c; c++)
            for (size_t h = 0; h < x.h; h++)
                for (size_t w = 0; w < x.w; w++) {
                    double value = *rn_reference_at(x, n, c, h, w), d = *rn_reference_at(op->dy, n, c, h, w);
                    double of_channel = channel.data ? *rn_reference_at(channel, n, c, 0, 0) : 0;
                    double of_pixel = spatial.data ? *rn_reference_at(spatial, n, 0, h, w) : 0;
                    double by_channel = value * of_channel, by_pixel = value * of_pixel;
                    double da = d * (both ? share(by_channel, by_pixel, op->combine) : 1);
                    double db = d * (both ? share(by_pixel, by_channel, op->combine) : 1);
                    *rn_reference_at(op->dx, n, c, h, w) += da * of_channel + db * of_pixel;
                    if (channel.data)
                        *rn_reference_at(op->dchannel, n, c, 0, 0) += da * value;
                    if (spatial.data)
                        *rn_reference_at(op->dspatial, n, 0, h, w) += db * value;
                }
    return 0;
}
