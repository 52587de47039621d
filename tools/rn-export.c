/* rn-export -- a network taken out of its training: for other programs (safetensors, npz, ONNX), or to be handed on (rn).
 * stdin: weights. stdout: such a file. */
#include <stdlib.h>
#include <string.h>

#include "core/shipped.h"
#include "exchange/exchange.h"
#include "stream/stream.h"
#include "tools/tool.h"

enum format { SAFETENSORS, NPZ, ONNX, RN, FORMATS };
static const char *const endings[FORMATS] = { "safetensors", "npz", "onnx", "rn" };

struct opts {
    int format;
    int64_t opset;
    bool half;
    double temperature;
};

static const struct rn_opt options[] = {
    { 0, "format", RN_OPT_CHOICE, RN_AT(opts, format), 0, 0, "of the result (by default what the ending of -o says)",
      "safetensors|npz|onnx|rn", RN_OPT_HOW },
    { 0, "opset", RN_OPT_INT, RN_AT(opts, opset), 13, 21, "of ONNX: what the runtime understands", NULL, RN_OPT_HOW },
    { 0, "half", RN_OPT_FLAG, RN_AT(opts, half), 0, 0, "rn, safetensors, npz: convolutions and matrices in half precision" },
    { 0, "temperature", RN_OPT_REAL, RN_AT(opts, temperature), RN_TEMPERATURE_LEAST, RN_TEMPERATURE_MOST,
      "what logits are divided by (rn-score fits it)", "T" },
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
    return rn_fail(err, RN_EXIT_USAGE, "--format, or -o FILE that ends in .safetensors, .npz, .onnx or .rn, is needed");
}

/* The network alone is no checkpoint; how its batches were made becomes a part of its history. */
static int end_training(struct rn_head *head, const struct opts *opts, struct rn_err *err)
{
    struct rn_history whole = { 0 };
    if (head->epoch != RN_NIL && rn_history_copy(&whole, &head->batches_history, err))
        goto fail;
    if (rn_history_copy(&whole, &head->history, err))
        goto fail;
    rn_history_free(&head->history);
    head->history = whole;
    head->epoch = RN_NIL;
    return rn_head_sign(head, &rn_tool, opts, NULL, err);
fail:
    rn_history_free(&whole);
    return -1;
}

static int write_stream(const struct rn_head *head, const struct rn_tensors *tensors, const char *path, struct rn_err *err)
{
    struct rn_writer *writer;
    if (rn_writer_open(&writer, path, err))
        return -1;
    int rc = rn_writer_head(writer, head, err);
    for (size_t i = 0; i < tensors->count && rc == 0; i++) {
        const struct rn_named *item = &tensors->item[i];
        struct rn_record record = { .kind = RN_WEIGHTS, .name = rn_text(item->name), .role = item->role, .tensor = item->tensor };
        rc = rn_writer_record(writer, &record, err);
    }
    if (rc == 0 && (rc = rn_writer_tail(writer, err)) == 0)
        return rn_writer_close(writer, err);
    rn_writer_discard(writer);
    return -1;
}

/* What the file says becomes what is to be written. */
static int prepare(enum format format, const struct opts *opts, struct rn_head *head, struct rn_tensors *tensors,
                   struct rn_err *err)
{
    if (opts->temperature > 0)
        head->temperature = opts->temperature;
    if (format == ONNX && rn_tensors_convert(tensors, RN_F32, err))
        return -1;
    if (format != ONNX && (rn_tensors_finite(tensors, err) || (opts->half && rn_tensors_convert(tensors, RN_F16, err))))
        return -1;
    if (format == SAFETENSORS && head->arch.data)
        return rn_tensors_add_counters(tensors, err);
    return format == RN ? end_training(head, opts, err) : 0;
}

static int write_file(enum format format, const struct opts *opts, const struct rn_head *head, const struct rn_tensors *tensors,
                      struct rn_out *out, struct rn_err *err)
{
    return format == ONNX  ? rn_onnx_write(head, tensors, (int)opts->opset, out, err)
           : format == NPZ ? rn_npz_write(tensors, out, err)
                           : rn_safetensors_write(head, tensors, out, err);
}

/* from: what the network was read from, for messages about it. */
static int export(enum format format, const struct opts *opts, const struct rn_head *head, const struct rn_tensors *tensors,
                  const char *from, const char *path, struct rn_err *err)
{
    struct rn_out *out;
    if (format == RN)
        return write_stream(head, tensors, path, err);
    if (rn_out_open(&out, path, err))
        return -1;
    int rc = rn_out_binary(out, err);
    if (rc == 0 && (rc = write_file(format, opts, head, tensors, out, err)))
        rn_fail_at(err, "%s", from);
    if (rc == 0)
        return rn_out_commit(out, err);
    rn_out_discard(out);
    return -1;
}

static int check_usage(enum format format, const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    if (format != ONNX && args->given & 2)
        return rn_fail(err, RN_EXIT_USAGE, "--opset goes with ONNX");
    if (format == ONNX && opts->half)
        return rn_fail(err, RN_EXIT_USAGE, "--half: an ONNX model has the precision that it computes in, which is single");
    if (format == NPZ && opts->temperature > 0)
        return rn_fail(err, RN_EXIT_USAGE, "--temperature: npz has no place for it");
    return 0;
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

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    char room[256];
    const struct opts *opts = options_;
    const char *from = args->operands ? rn_text_show(rn_text(args->operand[0]), room) : "standard input";
    enum format format;
    struct rn_reader *reader = NULL;
    struct rn_head head = { 0 };
    struct rn_tensors tensors = { 0 };
    struct rn_buffer file = { 0 };
    int rc = choose(opts, args, &format, err) || check_usage(format, opts, args, err) ||
             (args->operands && rn_shipped_model(&file, args->operand[0], err)) ||
             rn_reader_open(&reader, &file.data, args->operands, err) || read_head(reader, &head, err) ||
             rn_tensors_load(&tensors, reader, err) || read_end(reader, err) ? -1 : 0;
    if (rc == 0 && (rc = prepare(format, opts, &head, &tensors, err)))
        rn_fail_at(err, "%s", from);
    if (rc == 0)
        rc = export(format, opts, &head, &tensors, from, args->output, err);
    rn_tensors_free(&tensors);
    rn_head_free(&head);
    rn_reader_close(reader);
    rn_buffer_free(&file);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-export", .operands = "[FILE]", .summary = "a network to be handed on: for PyTorch, numpy, ONNX, or as a stream",
    .options = options, .size = sizeof(struct opts), .defaults = &(const struct opts){ .opset = 17 }, .run = run,
    .environment = RN_ENV_RECORD_MAX,
    .about = "safetensors and npz hold every parameter and running statistic under the name that PyTorch has for it; momentum is "
             "left out. The safetensors of a network also hold a num_batches_tracked for each batch norm (0 where the stream has "
             "none), so that load_state_dict of the original network takes them as they are; their metadata hold what "
             "ONNX's do, and rn-import reads them. Weights with NaN or infinities are refused.\n\n"
             "ONNX (opset 13 to 21): 'images', float32 [N,3,H,W], N, H and W free, normalised as (pixel / 255 - mean) / std; "
             "'probabilities', float32 [N,classes]. The model's metadata holds classes, mean and std (JSON arrays), size, resize, "
             "arch and attention. It needs weights that name a network (rn-train's, or rn-import --arch).\n\n"
             "rn: the network alone, as a stream: no checkpoint, the moving average in the place of what it is of (rn-train "
             "--ema), and the whole history.\n\n"
             "--half stores convolutions and matrices in half precision, rounded to the nearest (of two as near to the even) "
             "number, which halves the file; norms, biases and running statistics stay as they are. All is computed in single "
             "precision. A number above 65504 is refused (exit 3).\n\n"
             "--temperature is kept in the file (not in npz): who computes probabilities divides the logits by it.",
    .examples = "rn-export run/best.rn -o model.safetensors\n"
                "rn-export --half --temperature=1.3 run/best.rn -o model.rn\n"
                "rn-export --format=onnx < run/best.rn > model.onnx",
};
