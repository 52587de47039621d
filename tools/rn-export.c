/* rn-export -- weights for other programs: safetensors, npz, ONNX.
 * stdin: weights. stdout: such a file. */
#include <stdlib.h>
#include <string.h>

#include "exchange/exchange.h"
#include "tools/tool.h"

enum format { SAFETENSORS, NPZ, ONNX, FORMATS };
static const char *const endings[FORMATS] = { "safetensors", "npz", "onnx" };

struct opts {
    int format;
    int64_t opset;
};

static const struct rn_opt options[] = {
    { 0, "format", RN_OPT_CHOICE, RN_AT(opts, format), 0, 0, "of the result (by default what the ending of -o says)",
      "safetensors|npz|onnx" },
    { 0, "opset", RN_OPT_INT, RN_AT(opts, opset), 13, 21, "of ONNX: what the runtime understands", NULL },
    RN_OPT_LAST,
};

static int choose(const struct opts *opts, const struct rn_args *args, enum format *format, struct rn_err *err)
{
    const char *dot = args->output ? strrchr(args->output, '.') : NULL;
    *format = (enum format)opts->format;
    if (args->given & 1)
        return 0;
    for (int i = 0; i < FORMATS && dot; i++) {
        if (!strcmp(dot + 1, endings[i])) {
            *format = (enum format)i;
            return 0;
        }
    }
    return rn_fail(err, RN_EXIT_USAGE, "--format, or -o FILE that ends in .safetensors, .npz or .onnx, is needed");
}

static int write_file(enum format format, int opset, const struct rn_head *head, struct rn_tensors *tensors, struct rn_out *out,
                      struct rn_err *err)
{
    if (format == ONNX)
        return rn_onnx_write(head, tensors, opset, out, err);
    if (rn_tensors_finite(tensors, err))
        return -1;
    if (format == NPZ)
        return rn_npz_write(tensors, out, err);
    return (head->arch.data && rn_tensors_add_counters(tensors, err)) || rn_safetensors_write(head, tensors, out, err) ? -1 : 0;
}

static int read_head(struct rn_reader *reader, struct rn_head *head, struct rn_err *err)
{
    const struct rn_head *first;
    int rc = rn_reader_head(reader, RN_KIND_BIT(RN_WEIGHTS), &first, err);
    if (rc == 0)
        return rn_fail(err, RN_EXIT_DATA, "no weights: the stream is empty");
    return rc == 1 ? rn_head_copy(head, first, err) : -1;
}

static int read_end(struct rn_reader *reader, struct rn_err *err)
{
    const struct rn_head *second;
    int rc = rn_reader_head(reader, RN_KIND_BIT(RN_WEIGHTS), &second, err);
    return rc == 1 ? rn_fail(err, RN_EXIT_DATA, "the stream has several networks: one at a time") : rc;
}

static int run(const void *opts, const struct rn_args *args, struct rn_err *err)
{
    char shown[256];
    enum format format;
    struct rn_reader *reader = NULL;
    struct rn_head head = { 0 };
    struct rn_tensors tensors = { 0 };
    struct rn_out *out = NULL;
    int rc = -1;
    if (choose(opts, args, &format, err))
        goto out;
    if (format != ONNX && args->given & 2) {
        rn_fail(err, RN_EXIT_USAGE, "--opset goes with ONNX");
        goto out;
    }
    if ( rn_reader_open(&reader, args->operand, args->operands, err) ||
        read_head(reader, &head, err) || rn_tensors_load(&tensors, reader, err) || read_end(reader, err))
        goto out;
    if (rn_out_open(&out, args->output, err) || rn_out_binary(out, err))
        goto out;
    if (write_file(format, (int)((const struct opts *)opts)->opset, &head, &tensors, out, err)) {
        rn_fail_at(err, "%s", args->operands ? rn_text_show(rn_text(args->operand[0]), shown) : "standard input");
        goto out;
    }
    rc = rn_out_commit(out, err);
    out = NULL;
out:
    rn_out_discard(out);
    rn_tensors_free(&tensors);
    rn_head_free(&head);
    rn_reader_close(reader);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-export", .operands = "[FILE]", .summary = "weights for PyTorch, numpy or ONNX",
    .options = options, .size = sizeof(struct opts), .defaults = &(const struct opts){ .opset = 17 }, .run = run,
    .about = "safetensors and npz hold every parameter and running statistic under the name that PyTorch has for it; momentum is "
             "left out. The safetensors of a network also hold a num_batches_tracked for each batch norm (0 where the stream has "
             "none), so that load_state_dict of the original network takes them as they are; their metadata hold what "
             "ONNX's do, and rn-import reads them. Weights with NaN or infinities are refused.\n\n"
             "ONNX (opset 13 to 21): 'images', float32 [N,3,H,W], N, H and W free, normalised as (pixel / 255 - mean) / std; "
             "'probabilities', float32 [N,classes]. The model's metadata holds classes, mean and std (JSON arrays), size, resize, "
             "arch and attention. It needs weights that name a network (rn-train's, or rn-import --arch).",
    .examples = "rn-export run/best.rn -o model.safetensors\n"
                "rn-export --format=onnx < run/best.rn > model.onnx",
};
