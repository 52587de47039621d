/* verdicts.c -- predictions as tables and lines that programs read. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show/show.h"

/* The likeliest first, of equals the one that the head names first; what is not a number comes last. */
static int by_chance(const void *a, const void *b)
{
    const struct rn_ranked *x = a, *y = b;
    if (x->chance != y->chance && (!isnan(x->chance) || !isnan(y->chance)))
        return isnan(x->chance) || x->chance < y->chance ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

/* v->ranked: all classes in order, or, where the likeliest is enough, that one. */
static int rank(struct rn_verdicts *v, const float *probs, size_t classes, struct rn_err *err)
{
    if (rn_grow(&v->ranked, &v->capacity, classes + 1, sizeof *v->ranked, err))
        return -1;
    for (size_t i = 0; i < classes; i++)
        v->ranked[i] = (struct rn_ranked){ probs[i], i };
    if (v->top > 1)
        qsort(v->ranked, classes, sizeof *v->ranked, by_chance);
    for (size_t i = 1; v->top <= 1 && i < classes; i++)
        if (by_chance(&v->ranked[i], &v->ranked[0]) < 0)
            v->ranked[0] = v->ranked[i];
    return 0;
}

/* What is said of the likeliest class; nil: there is no class. */
static struct rn_text verdict(const struct rn_verdicts *v, const struct rn_texts *classes)
{
    if (!classes->count)
        return (struct rn_text){ 0 };
    return v->ranked[0].chance >= (float)v->least || v->least <= 0 ? classes->item[v->ranked[0].index] : RN_TEXT("unsure");
}

/* ---- tables ---- */

static int text(const struct rn_verdicts *v, struct rn_out *out, struct rn_text text, struct rn_err *err)
{
    return rn_out_escaped(out, text, v->form == RN_VERDICTS_CSV ? RN_ESCAPE_CSV : RN_ESCAPE_TSV, err);
}

static int next(const struct rn_verdicts *v, struct rn_out *out, struct rn_err *err)
{
    return rn_out_write(out, v->form == RN_VERDICTS_CSV ? "," : "\t", 1, err);
}

static int blanks(const struct rn_verdicts *v, struct rn_out *out, size_t count, struct rn_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (next(v, out, err))
            return -1;
    return 0;
}

static int number(const struct rn_verdicts *v, struct rn_out *out, float value, struct rn_err *err)
{
    return next(v, out, err) || rn_out_printf(out, err, "%.9g", (double)value) ? -1 : 0;
}

static int table_head(const struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes, struct rn_err *err)
{
    static const char *const names[] = { "id", "label", "prediction", "confidence" };
    const char *between = v->form == RN_VERDICTS_CSV ? "," : "\t";
    for (size_t i = 0; i < 4; i++)
        if (rn_out_printf(out, err, "%s%s", i ? between : "", names[i]))
            return -1;
    for (size_t k = 1; k <= v->top; k++)
        if (rn_out_printf(out, err, "%stop%zu%sprob%zu", between, k, between, k))
            return -1;
    for (size_t i = 0; i < classes->count && !v->top; i++)
        if (next(v, out, err) || text(v, out, classes->item[i], err))
            return -1;
    return rn_out_write(out, "\n", 1, err);
}

/* "error: " and the reason as one cell. */
static int table_error(const struct rn_verdicts *v, struct rn_out *out, struct rn_text error, struct rn_err *err)
{
    struct rn_buffer cell = { 0 };
    int rc = rn_buffer_add(&cell, "error: ", 7, err) || rn_buffer_add(&cell, error.data, error.length, err) || next(v, out, err) ||
             text(v, out, (struct rn_text){ cell.data, cell.length }, err) ? -1 : 0;
    rn_buffer_free(&cell);
    return rc;
}

static int table_numbers(const struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes, const float *probs,
                         struct rn_err *err)
{
    size_t shown = v->top < classes->count ? v->top : classes->count;
    for (size_t k = 0; k < shown; k++)
        if (next(v, out, err) || text(v, out, classes->item[v->ranked[k].index], err) || number(v, out, v->ranked[k].chance, err))
            return -1;
    for (size_t i = 0; i < classes->count && !v->top; i++)
        if (number(v, out, probs[i], err))
            return -1;
    return blanks(v, out, 2 * (v->top - shown), err);
}

static int table_row(const struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes,
                     const struct rn_record *record, struct rn_err *err)
{
    struct rn_text label = record->label == RN_NIL ? RN_TEXT("") : classes->item[record->label];
    if (text(v, out, record->id, err) || next(v, out, err) || text(v, out, label, err))
        return -1;
    if (record->error.data)
        return table_error(v, out, record->error, err) ||
               blanks(v, out, 1 + (v->top ? 2 * v->top : classes->count), err) ? -1 : 0;
    return next(v, out, err) || text(v, out, verdict(v, classes), err) ||
           number(v, out, v->ranked[0].chance, err) ||
           table_numbers(v, out, classes, record->tensor.data, err) ? -1 : 0;
}

/* ---- JSON ---- */

static int json_text(struct rn_out *out, const char *before, struct rn_text text, struct rn_err *err)
{
    if (rn_out_write(out, before, strlen(before), err))
        return -1;
    return text.data ? rn_out_escaped(out, text, RN_ESCAPE_JSON, err) : rn_out_write(out, "null", 4, err);
}

static int json_number(struct rn_out *out, const char *before, float value, struct rn_err *err)
{
    char room[32];
    return rn_out_printf(out, err, "%s%s", before, isfinite(value) ? rn_text_float(value, room) : "null");
}

static int json_numbers(const struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes, const float *probs,
                        struct rn_err *err)
{
    size_t shown = v->top && v->top < classes->count ? v->top : classes->count;
    for (size_t k = 0; k < shown; k++) {
        size_t i = v->top ? v->ranked[k].index : k;
        if (json_text(out, k ? "," : ",\"probabilities\":{", classes->item[i], err) || json_number(out, ":", probs[i], err))
            return -1;
    }
    return rn_out_write(out, "}", 1, err);
}

static int json_line(const struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes,
                     const struct rn_record *record, struct rn_err *err)
{
    struct rn_text nil = { 0 }, label = record->label == RN_NIL ? nil : classes->item[record->label];
    if (json_text(out, "{\"id\":", record->id, err) || json_text(out, ",\"label\":", label, err))
        return -1;
    int rc = record->error.data ? json_text(out, ",\"prediction\":null,\"confidence\":null,\"error\":", record->error, err)
                                : json_text(out, ",\"prediction\":", verdict(v, classes), err) ||
                                      json_number(out, ",\"confidence\":", v->ranked[0].chance, err) ||
                                      json_numbers(v, out, classes, record->tensor.data, err);
    return rc || rn_out_write(out, "}", 1, err) ? -1 : 0;
}

int rn_verdicts_head(const struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes, struct rn_err *err)
{
    return v->form == RN_VERDICTS_JSON ? 0 : table_head(v, out, classes, err);
}

int rn_verdicts_record(struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes, const struct rn_record *record,
                       struct rn_err *err)
{
    if (!record->error.data && rank(v, record->tensor.data, classes->count, err))
        return -1;
    int rc = v->form == RN_VERDICTS_JSON ? json_line(v, out, classes, record, err) : table_row(v, out, classes, record, err);
    return rc || rn_out_write(out, "\n", 1, err) ? -1 : 0;
}

void rn_verdicts_free(struct rn_verdicts *v)
{
    free(v->ranked);
    *v = (struct rn_verdicts){ 0 };
}
