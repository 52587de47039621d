/* table.c -- TSV. A cell of what is not there is empty. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "show/show.h"

static const char *const columns[RN_KINDS] = {
    [RN_SAMPLES] = "id\tlabel\tsplit\tpath\tbytes\terror",
    [RN_IMAGES] = "id\tlabel\tsplit\ttype\tshape\tmin\tmax\tmean\terror",
    [RN_BATCHES] = "epoch\tindex\ttype\tshape\tmin\tmax\tmean\tids\tlabels\terror",
    [RN_PREDICTIONS] = "id\tlabel\tprediction\tconfidence",
    [RN_WEIGHTS] = "name\trole\ttype\tshape\tmin\tmax\tmean",
};

static int text(struct rn_out *out, const char *before, struct rn_text text, struct rn_err *err)
{
    return rn_out_write(out, before, strlen(before), err) || rn_out_escaped(out, text, RN_ESCAPE_TSV, err) ? -1 : 0;
}

static bool same_columns(const struct rn_table *table, const struct rn_head *head)
{
    if (!table->begun || table->kind != head->kind)
        return false;
    if (head->kind != RN_PREDICTIONS)
        return true;
    bool same = table->classes.count == head->classes.count;
    for (size_t i = 0; same && i < head->classes.count; i++)
        same = rn_text_equal(table->classes.item[i], head->classes.item[i]);
    return same;
}

int rn_table_head(struct rn_table *table, struct rn_out *out, const struct rn_head *head, struct rn_err *err)
{
    if (same_columns(table, head))
        return 0;
    rn_texts_free(&table->classes);
    table->begun = true;
    table->kind = head->kind;
    if (rn_texts_copy(&table->classes, &head->classes, err) || rn_out_printf(out, err, "%s", columns[head->kind]))
        return -1;
    for (size_t i = 0; head->kind == RN_PREDICTIONS && i < head->classes.count; i++)
        if (text(out, "\t", head->classes.item[i], err))
            return -1;
    return rn_out_write(out, "\n", 1, err);
}

void rn_table_free(struct rn_table *table)
{
    rn_texts_free(&table->classes);
    *table = (struct rn_table){ 0 };
}

static int blanks(struct rn_out *out, size_t count, struct rn_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (rn_out_write(out, "\t", 1, err))
            return -1;
    return 0;
}

static struct rn_text class_of(const struct rn_head *head, int64_t label)
{
    return label == RN_NIL ? RN_TEXT("") : head->classes.item[label];
}

/* Type, shape, smallest, largest and mean; the numbers are empty when one of them is none. */
static int tensor(struct rn_out *out, const struct rn_tensor *tensor, struct rn_err *err)
{
    char room[256];
    size_t count;
    double least = INFINITY, most = -INFINITY, sum = 0;
    bool good = rn_tensor_count(tensor, &count) && count;
    if (rn_out_printf(out, err, "\t%s\t%s", rn_type_name(tensor->type), rn_show_shape(tensor, room)))
        return -1;
    for (size_t i = 0; good && i < count; i++) {
        double value = rn_tensor_get(tensor, i);
        good = !isnan(value);
        least = value < least ? value : least;
        most = value > most ? value : most;
        sum += value;
    }
    return good ? rn_out_printf(out, err, "\t%.9g\t%.9g\t%.17g", least, most, sum / (double)count) : blanks(out, 3, err);
}

static int batch(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    if (record->error.data)
        return blanks(out, 6, err) || text(out, "\t", record->id, err) || text(out, "\t", class_of(head, record->label), err) ||
               text(out, "\t", record->error, err) ? -1 : 0;
    if (rn_out_printf(out, err, "%lld\t%lld", (long long)record->epoch, (long long)record->index) ||
        tensor(out, &record->tensor, err))
        return -1;
    for (size_t i = 0; i < record->count; i++)
        if (text(out, i ? "," : "\t", record->ids[i], err))
            return -1;
    for (size_t i = 0; i < record->count; i++)
        if (text(out, i ? "," : "\t", class_of(head, record->labels[i]), err))
            return -1;
    return blanks(out, 1, err);
}

static int prediction(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    size_t best = 0, classes = head->classes.count;
    if (record->error.data)
        return text(out, "\terror: ", record->error, err) || blanks(out, 1 + classes, err) ? -1 : 0;
    for (size_t i = 1; i < classes; i++)
        if (rn_tensor_get(&record->tensor, i) > rn_tensor_get(&record->tensor, best))
            best = i;
    if (!classes)
        return blanks(out, 2, err);
    bool says = rn_tensor_finite(&record->tensor); /* else it names no class */
    if (text(out, "\t", says ? head->classes.item[best] : RN_TEXT(""), err) ||
        rn_out_printf(out, err, "\t%.9g", rn_nan_unsigned(rn_tensor_get(&record->tensor, best))))
        return -1;
    for (size_t i = 0; i < classes; i++)
        if (rn_out_printf(out, err, "\t%.9g", rn_nan_unsigned(rn_tensor_get(&record->tensor, i))))
            return -1;
    return 0;
}

static int sample(struct rn_out *out, const struct rn_record *record, struct rn_err *err)
{
    if (record->error.data)
        return blanks(out, 2, err);
    return record->data.data ? rn_out_printf(out, err, "\t\t%zu", record->data.length)
                             : text(out, "\t", record->path, err) || blanks(out, 1, err) ? -1 : 0;
}

static int cells(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    if (head->kind == RN_BATCHES)
        return batch(out, head, record, err);
    if (head->kind == RN_WEIGHTS)
        return text(out, "", record->name, err) || rn_out_printf(out, err, "\t%s", rn_role_name(record->role)) ||
               tensor(out, &record->tensor, err) ? -1 : 0;
    if (text(out, "", record->id, err) || text(out, "\t", class_of(head, record->label), err))
        return -1;
    if (head->kind == RN_PREDICTIONS)
        return prediction(out, head, record, err);
    if (text(out, "\t", record->split, err))
        return -1;
    int rc = head->kind == RN_SAMPLES ? sample(out, record, err)
             : record->error.data     ? blanks(out, 5, err)
                                      : tensor(out, &record->tensor, err);
    return rc || text(out, "\t", record->error, err) ? -1 : 0;
}

int rn_table_record(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    return cells(out, head, record, err) || rn_out_write(out, "\n", 1, err) ? -1 : 0;
}
