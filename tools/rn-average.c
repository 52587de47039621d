/* rn-average -- several networks as one: the mean of their weights.
 * operands: weights of equal networks. stdout: weights.
 * exit: 1 when --norms met an error record. */
#include "nn/average.h"
#include "tools/tool.h"

struct opts {
    const char *norms, *device;
    int64_t jobs;
};

static const struct rn_opt options[] = {
    { 0, "norms", RN_OPT_TEXT, RN_AT(opts, norms), 0, 0, "batch norms' statistics anew, from these batches (-: stdin)", "BATCHES" },
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "cpu, cuda or cuda:0,1", "DEVICE", RN_OPT_HOW },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 0, 1024, "threads; 0: one a core", NULL, RN_OPT_HOW },
    RN_OPT_LAST,
};

static int take_norms(struct rn_net *net, const struct rn_head *head, const char *path, const struct rn_args *args, int64_t *errors,
                      struct rn_err *err)
{
    int64_t photos;
    if (rn_average_norms(net, head, path, &photos, errors, err))
        return -1;
    if (*errors && !args->quiet)
        rn_note("%s: %lld of %lld photos could not be read: the statistics are without them", path, (long long)*errors,
                (long long)(photos + *errors));
    return 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    struct rn_device *dev = NULL;
    struct rn_net *net = NULL;
    struct rn_head head = { 0 };
    int64_t errors = 0;
    if (!args->operands)
        return rn_fail(err, RN_EXIT_USAGE, "two or more weights files are needed (see rn-average --help)");
    int rc = rn_device_open(&dev, opts->device, (int)opts->jobs, err) ||
             rn_average(&net, &head, dev, args->operand, args->operands, err) ? -1 : 0;
    if (rc == 0 && opts->norms)
        rc = take_norms(net, &head, opts->norms, args, &errors, err);
    if (rc == 0)
        rc = rn_head_sign(&head, &rn_tool, opts, NULL, err) || rn_weights_save(net, &head, false, args->output, err) ? -1 : 0;
    rn_head_free(&head);
    rn_net_close(net);
    rn_device_close(dev);
    return rc ? rc : errors ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-average", .operands = "MODEL...", .summary = "average the weights of equal networks",
    .options = options, .size = sizeof(struct opts), .defaults = &(const struct opts){ .device = "cpu" }, .run = run,
    .environment = RN_ENV_CPU | RN_ENV_RECORD_MAX,
    .about = "Writes a network whose every weight is the mean of the same weight of all MODELs: of one run's epochs (rn-train "
             "--keep), or of runs that began with the same --init. Networks, classes and input must be equal. Of a checkpoint "
             "with a moving average (rn-train --ema) that is taken.\n\n"
             "The mean of the batch norms' statistics is not what the mean of the weights would give. --norms measures them "
             "anew on a stream of batches: give it those of training (rn-batch --train, one epoch).\n\n" RN_ABOUT_GPUS,
    .examples = "rn-average run/epoch-*.rn -o soup.rn\n"
                "rn-pick split=train all.rn | rn-batch --train | rn-average run/epoch-*.rn --norms - -o soup.rn",
};
