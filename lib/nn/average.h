/* average.h -- several networks as one, by the mean of their weights (Wortsman et al., "Model soups", ICML 2022). */
#ifndef RN_NN_AVERAGE_H
#define RN_NN_AVERAGE_H

#include "nn/weights.h"

/* The mean of these weights files' parameters and running statistics (of checkpoints with a moving average: of that), in double, in
 * the order of the files. *net is the caller's, open for training; *head, initialised here, says what it is: the first file's
 * classes and input, and all histories. Errors: exit 3, a file whose network, classes or input are not the first one's. */
RN_MUST int rn_average(struct rn_net **net, struct rn_head *head, struct rn_device *dev, char *const *files, size_t count,
                       struct rn_err *err);

/* Running statistics anew, from all batches of the stream: the mean over batches of their means and unbiased variances, as
 * PyTorch's update_bn. *photos: how many there were; *errors: error records, which are passed over. Errors: exit 3: no photos. */
RN_MUST int rn_average_norms(struct rn_net *net, const struct rn_head *head, const char *path, int64_t *photos, int64_t *errors,
                             struct rn_err *err);

#endif
