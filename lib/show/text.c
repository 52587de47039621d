/* text.c -- for people. */
#include <stdio.h>
#include <string.h>

#include "show/show.h"

enum { FEW = 4 }; /* ids of a batch that are named */

const char *rn_show_shape(const struct rn_tensor *tensor, char room[static 256])
{
    int n = 0;
    room[0] = '\0';
    for (int i = 0; i < tensor->dims; i++)
        n += snprintf(room + n, 256 - (size_t)n, i ? ",%zu" : "%zu", tensor->shape[i]);
    return room;
}

static int text(struct rn_out *out, const char *before, struct rn_text text, struct rn_err *err)
{
    if (rn_out_write(out, before, strlen(before), err))
        return -1;
    return text.data ? rn_out_escaped(out, text, RN_ESCAPE_MESSAGE, err) : rn_out_write(out, "-", 1, err);
}

/* "u8 [16,224,224,3]" */
static int tensor(struct rn_out *out, const struct rn_tensor *tensor, struct rn_err *err)
{
    static const char *const types[RN_TYPES] = { [RN_U8] = "u8", [RN_F16] = "f16", [RN_F32] = "f32", [RN_I64] = "i64" };
    char room[256];
    return rn_out_printf(out, err, "\t%s [%s]", types[tensor->type], rn_show_shape(tensor, room));
}

static int history(struct rn_out *out, const struct rn_history *history, struct rn_err *err)
{
    for (size_t i = 0; i < history->count; i++) {
        const struct rn_step *step = &history->step[i];
        if (text(out, i ? " | " : "# made by: ", step->tool, err))
            return -1;
        for (size_t k = 0; k < step->args.count; k++)
            if (text(out, " ", step->args.item[k], err))
                return -1;
    }
    return history->count ? rn_out_write(out, "\n", 1, err) : 0;
}

static int number(struct rn_out *out, const char *name, int64_t value, struct rn_err *err)
{
    return value == RN_NIL ? 0 : rn_out_printf(out, err, ", %s %lld", name, (long long)value);
}

static int about_batches(struct rn_out *out, const struct rn_head *head, struct rn_err *err)
{
    if (rn_out_printf(out, err, ": %s", head->mode == RN_TRAIN ? "train" : "eval") || number(out, "batch", head->batch, err) ||
        number(out, "epoch", head->epoch, err) || number(out, "epochs", head->epochs, err) ||
        number(out, "batches an epoch", head->batches_per_epoch, err) || number(out, "views", head->views, err) ||
        (head->soft && rn_out_printf(out, err, ", soft targets")) || (head->any_size && rn_out_printf(out, err, ", any size")) ||
        (head->layer.data && text(out, ", features of ", head->layer, err)))
        return -1;
    return head->has_seed ? rn_out_printf(out, err, ", seed %llu", (unsigned long long)head->seed) : 0;
}

static int about_weights(struct rn_out *out, const struct rn_head *head, struct rn_err *err)
{
    char room[32];
    if (text(out, ": ", head->arch, err) || text(out, ", attention ", head->attention, err) ||
        (head->temperature > 0 && rn_out_printf(out, err, ", temperature %s", rn_text_number(head->temperature, room))))
        return -1;
    if (head->epoch == RN_NIL)
        return 0;
    if (rn_out_printf(out, err, ", checkpoint: next batch %lld:%lld", (long long)head->epoch, (long long)head->batch_index))
        return -1;
    return head->best_acc1 < 0 ? 0 : rn_out_printf(out, err, ", best Acc@1 %.2f", head->best_acc1);
}

int rn_show_head(struct rn_out *out, const struct rn_head *head, struct rn_err *err)
{
    char room[256];
    if (rn_out_printf(out, err, "# %s", rn_kind_name(head->kind)) ||
        (head->kind == RN_BATCHES && about_batches(out, head, err)) ||
        (head->kind == RN_WEIGHTS && about_weights(out, head, err)) ||
        rn_out_printf(out, err, "\n# %zu class%s", head->classes.count, head->classes.count == 1 ? "" : "es"))
        return -1;
    for (size_t i = 0; i < head->classes.count; i++)
        if (text(out, i ? ", " : ": ", head->classes.item[i], err))
            return -1;
    if (rn_out_write(out, "\n", 1, err) ||
        (head->has_input && rn_out_printf(out, err, "# input: %s\n", rn_input_describe(&head->input, room))) ||
        history(out, &head->history, err))
        return -1;
    for (size_t i = 0; i < head->part_of.parts; i++) {
        const struct rn_part *part = &head->part_of.part[i];
        if ((part->of ? rn_out_printf(out, err, "# part %lld of %lld: ", (long long)part->number, (long long)part->of)
                      : rn_out_printf(out, err, "# a part: ")) ||
            (part->count ? rn_out_printf(out, err, "records %lld to %lld", (long long)part->first + 1,
                                         (long long)(part->first + part->count))
                         : rn_out_printf(out, err, "none")) ||
            rn_out_printf(out, err, " of %lld\n", (long long)head->part_of.records))
            return -1;
    }
    const char *plural = head->extras == 1 ? "" : "s";
    return head->extras ? rn_out_printf(out, err, "# %zu more key%s: see --json\n", head->extras, plural) : 0;
}

static int batch(struct rn_out *out, const struct rn_record *record, struct rn_err *err)
{
    if (rn_out_printf(out, err, "%lld:%lld", (long long)record->epoch, (long long)record->index) ||
        tensor(out, &record->tensor, err))
        return -1;
    for (size_t i = 0; i < record->count && i < FEW; i++)
        if (text(out, i ? ", " : "\t", record->ids[i], err))
            return -1;
    return record->count > FEW ? rn_out_printf(out, err, ", and %zu more", record->count - FEW) : 0;
}

static int prediction(struct rn_out *out, const struct rn_head *head, const struct rn_tensor *probs, struct rn_err *err)
{
    size_t best = 0;
    for (size_t i = 1; i < head->classes.count; i++)
        if (rn_tensor_get(probs, i) > rn_tensor_get(probs, best))
            best = i;
    bool says = rn_tensor_finite(probs); /* else it names no class */
    return !head->classes.count || text(out, "\t", says ? head->classes.item[best] : RN_TEXT("no class"), err) ||
           rn_out_printf(out, err, "\t%.4f", rn_nan_unsigned(rn_tensor_get(probs, best))) ? -1 : 0;
}

static int content(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    if (record->error.data)
        return text(out, "\terror: ", record->error, err);
    if (head->kind == RN_PREDICTIONS)
        return prediction(out, head, &record->tensor, err);
    if (head->kind == RN_IMAGES)
        return tensor(out, &record->tensor, err);
    return record->data.data ? rn_out_printf(out, err, "\t%zu bytes", record->data.length) : text(out, "\t", record->path, err);
}

int rn_show_record(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    int rc;
    struct rn_text label = record->label == RN_NIL ? (struct rn_text){ 0 } : head->classes.item[record->label];
    if (head->kind == RN_WEIGHTS)
        rc = text(out, "", record->name, err) || rn_out_printf(out, err, "\t%s", rn_role_name(record->role)) ||
             tensor(out, &record->tensor, err);
    else if (head->kind == RN_BATCHES && !record->error.data)
        rc = batch(out, record, err);
    else
        rc = text(out, "", record->id, err) || text(out, "\t", label, err) ||
             ((head->kind != RN_PREDICTIONS || record->error.data) && text(out, "\t", record->split, err)) ||
             content(out, head, record, err);
    return rc || rn_out_write(out, "\n", 1, err) ? -1 : 0;
}

int rn_show_tail(struct rn_out *out, uint64_t records, uint64_t xxh3, bool hashed, struct rn_err *err)
{
    if (rn_out_printf(out, err, "# %llu record%s", (unsigned long long)records, records == 1 ? "" : "s"))
        return -1;
    return hashed ? rn_out_printf(out, err, ", xxh3 %016llx\n", (unsigned long long)xxh3) : rn_out_write(out, "\n", 1, err);
}
