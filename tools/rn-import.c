/* rn-import -- weights of PyTorch (.pth, .pth.tar) and safetensors as a stream.
 * stdin: such a file. stdout: weights. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "exchange/exchange.h"
#include "tools/tool.h"

struct opts {
    const char *arch, *attention, *classes, *key;
    bool strict;
};

static const struct rn_opt options[] = {
    { 'a', "arch", RN_OPT_TEXT, RN_AT(opts, arch), 0, 0, "check the file as this network, and write a model", "NAME", 0,
      rn_arch_name },
    { 't', "attention", RN_OPT_TEXT, RN_AT(opts, attention), 0, 0, "with --arch: its attention module (none)", "NAME", 0,
      rn_attention_name },
    { 0, "classes", RN_OPT_TEXT, RN_AT(opts, classes), 0, 0, "names of the classes, in the order of the last layer",
      "NAME,NAME,..." },
    { 0, "key", RN_OPT_TEXT, RN_AT(opts, key), 0, 0, "take this dictionary of a checkpoint (model_ema, teacher.model)", "NAME" },
    { 0, "strict", RN_OPT_FLAG, RN_AT(opts, strict), 0, 0, "refuse what would be left out" },
    RN_OPT_LAST,
};

/* 8 GiB: twice what a stream can hold of one tensor and more than any ResNet */
static const size_t file_limit = (size_t)1 << 33;

struct work {
    const struct opts *opts;
    struct rn_buffer file, room;
    struct rn_foreign foreign;
    struct rn_text arch;    /* of --arch, or what the file says; nil: none */
    struct rn_graph *graph; /* with a network, and what is what in it */
    struct rn_fit fit;
    struct rn_head head;
    struct rn_writer *writer;
    size_t not_finite; /* tensors with a number that is not finite */
    char first[256];   /* the first of them, for a message */
};

static int check_usage(struct work *w, const struct rn_args *args, struct rn_err *err)
{
    if (args->operands > 1)
        return rn_fail(err, RN_EXIT_USAGE, "one file at a time");
    if (w->opts->attention && !w->opts->arch)
        return rn_fail(err, RN_EXIT_USAGE, "--attention goes with --arch");
    return w->opts->classes ? rn_texts_split(&w->head.classes, w->opts->classes, "--classes", err) : 0;
}

/* A file with tensors that would be left out is another network than the one that is asked for. */
static int check_others(const struct work *w, struct rn_text attention, struct rn_err *err)
{
    char shown[256];
    const struct rn_texts *others = &w->fit.others;
    for (size_t i = 0; i < others->count && rn_text_is(attention, "none"); i++) {
        struct rn_text name = others->item[i];
        if ((name.length > 4 && !memcmp(name.data, "att.", 4)) || memmem(name.data, name.length, ".att.", 5))
            return rn_fail(err, RN_EXIT_DATA, "it has an attention module ('%s'): say which with --attention",
                           rn_text_show(name, shown));
    }
    if (!others->count)
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "another network: %zu of its tensors are not %.*s's (attention %.*s), the first is '%s'; "
                                      "without --arch what fits can serve --init", others->count, (int)w->arch.length, w->arch.data,
                   (int)attention.length, attention.data, rn_text_show(others->item[0], shown));
}

static int copy_text(struct rn_text *to, struct rn_text from, struct rn_err *err)
{
    char *copy = rn_calloc(from.length + 1, 1, err);
    if (!copy)
        return -1;
    memcpy(copy, from.data, from.length);
    *to = (struct rn_text){ copy, from.length };
    return 0;
}

static int fit(struct work *w, struct rn_err *err)
{
    char shown[256];
    size_t classes;
    const struct rn_head *about = &w->foreign.about;
    struct rn_text attention = w->opts->attention ? rn_text(w->opts->attention) : about->attention.data ? about->attention
                               : RN_TEXT("none");
    const struct rn_arch *arch = rn_arch_find(w->arch);
    if (!arch)
        return rn_fail(err, RN_EXIT_USAGE, "no architecture is called '%s' (rn-train --help lists them)",
                       rn_text_show(w->arch, shown));
    if (rn_foreign_classes(&w->foreign, arch, &classes, err))
        return -1;
    if (w->head.classes.count && w->head.classes.count != classes)
        return rn_fail(err, RN_EXIT_DATA, "the last layer has %zu classes, %s names %zu", classes,
                       w->opts->classes ? "--classes" : "the file", w->head.classes.count);
    if (rn_graph_new(&w->graph, w->arch, attention, classes, err) || rn_foreign_fit(&w->foreign, w->graph, &w->fit, err) ||
        check_others(w, attention, err))
        return -1;
    w->head.has_input = true;
    w->head.input = about->has_input ? about->input : rn_input_default;
    w->head.temperature = about->temperature;
    return copy_text(&w->head.arch, w->arch, err) || copy_text(&w->head.attention, attention, err) ? -1 : 0;
}

/* What the file says of itself; options go before it. */
static int take_about(struct work *w, struct rn_err *err)
{
    w->arch = w->opts->arch ? rn_text(w->opts->arch) : w->foreign.about.arch;
    if (!w->opts->classes && rn_texts_copy(&w->head.classes, &w->foreign.about.classes, err))
        return -1;
    return w->arch.data ? fit(w, err) : 0;
}

static int report(const struct work *w, const struct rn_args *args, struct rn_err *err)
{
    char shown[256];
    const struct rn_texts *list[] = { &w->foreign.left_out, &w->fit.left_out };
    static const char *const what[] = { "no tensors", "not the network's" };
    for (size_t i = 0; i < 2; i++) {
        if (!list[i]->count)
            continue;
        rn_text_show(list[i]->item[0], shown);
        if (w->opts->strict)
            return rn_fail(err, RN_EXIT_DATA, "--strict: %zu entries are %s, the first is '%s'", list[i]->count, what[i], shown);
        if (!args->quiet)
            rn_note("%zu entries left out (%s), the first is '%s'", list[i]->count, what[i], shown);
    }
    if (w->foreign.others.count && !args->quiet)
        rn_note("'%s'%s has tensors too and is not taken (--key NAME would)", rn_text_show(w->foreign.others.item[0], shown),
                w->foreign.others.count > 1 ? " (and there are more)" : "");
    return 0;
}

static int load(struct work *w, const char *path, const struct rn_args *args, struct rn_err *err)
{
    char shown[256];
    bool standard = !path || !strcmp(path, "-");
    if (rn_file_read(&w->file, standard ? "/dev/stdin" : path, file_limit, err))
        return -1;
    if (rn_foreign_open(&w->foreign, (struct rn_text){ w->file.data, w->file.length }, w->opts->key, err) || take_about(w, err) ||
        report(w, args, err))
        return rn_fail_at(err, "%s", standard ? "standard input" : rn_text_show(rn_text(path), shown));
    return 0;
}

static bool ends_with(struct rn_text name, const char *end)
{
    size_t length = strlen(end);
    return name.length >= length && !memcmp(name.data + name.length - length, end, length);
}

static int write_tensor(struct work *w, size_t i, const char *new_name, struct rn_err *err)
{
    struct rn_text name = new_name ? rn_text(new_name) : w->foreign.name.item[i];
    bool buffer = ends_with(name, "running_mean") || ends_with(name, "running_var") || ends_with(name, "num_batches_tracked");
    struct rn_record record = { .kind = RN_WEIGHTS, .name = name, .role = buffer ? RN_BUFFER : RN_PARAMETER };
    if (rn_foreign_read(&w->foreign, i, &record.tensor, &w->room, err))
        return -1;
    if (!rn_tensor_finite(&record.tensor) && w->not_finite++ == 0)
        rn_text_show(name, w->first);
    return rn_writer_record(w->writer, &record, err);
}

static int write_tensors(struct work *w, struct rn_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < w->foreign.count && !w->graph && rc == 0; i++)
        rc = write_tensor(w, i, NULL, err);
    for (size_t i = 0; w->graph && i < w->graph->params && rc == 0; i++) {
        rc = write_tensor(w, w->fit.param[i], w->graph->param[i].name, err);
        if (rc == 0 && w->fit.counter[i] >= 0)
            rc = write_tensor(w, (size_t)w->fit.counter[i], NULL, err);
    }
    return rc;
}

static int write_stream(struct work *w, const char *path, struct rn_err *err)
{
    if (rn_writer_open(&w->writer, path, err) || rn_head_sign(&w->head, &rn_tool, w->opts, NULL, err) ||
        rn_writer_head(w->writer, &w->head, err) || write_tensors(w, err) || rn_writer_tail(w->writer, err))
        return -1;
    struct rn_writer *writer = w->writer;
    w->writer = NULL;
    return rn_writer_close(writer, err);
}

static int run(const void *opts, const struct rn_args *args, struct rn_err *err)
{
    struct work w = { .opts = opts };
    rn_head_init(&w.head, RN_WEIGHTS);
    int rc = check_usage(&w, args, err) || load(&w, args->operands ? args->operand[0] : NULL, args, err) ||
             write_stream(&w, args->output, err) ? -1 : RN_EXIT_OK;
    if (rc == 0 && w.not_finite && !args->quiet)
        rn_note("%zu %s NaN or infinities, the first is '%s': rn-predict, rn-heatmap, rn-export and --init refuse it", w.not_finite,
                w.not_finite == 1 ? "tensor holds" : "tensors hold", w.first);
    rn_writer_discard(w.writer);
    rn_fit_free(&w.fit);
    rn_graph_free(w.graph);
    rn_foreign_free(&w.foreign);
    rn_buffer_free(&w.file);
    rn_buffer_free(&w.room);
    rn_head_free(&w.head);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-import", .operands = "[FILE]", .summary = "weights of PyTorch or safetensors as a stream",
    .options = options, .size = sizeof(struct opts), .run = run,
    .about = "Reads what torch.save wrote (.pth, .pth.tar, .ckpt: zip archives, and the format before PyTorch 1.6) or safetensors; "
             "which it is, the content says. Of a checkpoint the dictionary with the network's tensors is taken: state_dict, "
             "model_state_dict, model or whatever its key is; epoch, optimizer and the rest are not. Where several could be meant, "
             "as model beside model_ema, they are named (exit 3) and --key chooses; dots lead to inner ones (teacher.model).\n\n"
             "What wrappers put before names is removed: module., _orig_mod., model., backbone., in any order and number, and "
             "any prefix that all names share before conv1, layer1 ... fc. All other names are kept.\n\n"
             "Half precision, bfloat16, 8-bit floats and double become float32; integers (num_batches_tracked) stay integers. "
             "Complex, quantised and sparse tensors are refused. A tensor with NaN or infinities is named in a note.\n\n"
             "Without --arch the result serves rn-train --init and rn-export. With --arch every tensor of that network must be "
             "there in its shape, and no other, but for counters and the weights of losses, which are left out with a note, or "
             "refused with --strict; 'fc' is written as 'final_fc'. With --classes too it is a model for rn-predict, whose input "
             "is ImageNet's (224 pixels). Safetensors of rn-export say all of that themselves, in their metadata (arch, attention, "
             "classes, mean, std, size, resize); options go before it.\n\n"
             "Nothing in the file is ever executed: of a pickle, dictionaries, lists, numbers, text and tensors are read; sets, "
             "bytes, numpy's arrays, dates, paths, namespaces and the like are passed over; anything else is refused (exit 3), and "
             "the message names it and its place.",
    .examples = "rn-import resnet18-imagenet.pth -o resnet18.rn\n"
                "rn-import --key model_ema checkpoint.pth -o ema.rn\n"
                "rn-import -a resnet18 -t ours --classes \"$(paste -sd, data/classes)\" model_best.pth.tar -o model.rn",
};
