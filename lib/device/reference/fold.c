/* fold.c -- a convolution and the batch norm after it, in evaluation, as one convolution. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

int rn_reference_fold(struct rn_device *dev, const struct rn_fold *op, struct rn_err *err)
{
    struct rn_array w = op->w;
    const struct rn_norm *norm = &op->norm;
    (void)dev;
    if (rn_check_fold(op, err))
        return -1;
    for (size_t k = 0; k < w.n; k++) {
        double scale = *rn_reference_of(norm->gamma, k) / sqrt(*rn_reference_of(norm->running_var, k) + norm->eps);
        *rn_reference_of(op->bias2, k) =
            *rn_reference_of(norm->beta, k) - *rn_reference_of(norm->running_mean, k) * scale;
        for (size_t c = 0; c < w.c; c++)
            for (size_t r = 0; r < w.h; r++)
                for (size_t s = 0; s < w.w; s++)
                    *rn_reference_at(op->w2, k, c, r, s) = *rn_reference_at(w, k, c, r, s) * scale;
    }
    return 0;
}
