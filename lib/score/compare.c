/* compare.c -- McNemar's test (Psychometrika 12, 1947) in its exact form, on pairs that are matched by id. */
#include "score/compare.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int rn_answers_add(struct rn_answers *answers, struct rn_text id, struct rn_answer answer, struct rn_err *err)
{
    if (rn_grow(&answers->item, &answers->capacity, answers->count + 1, sizeof *answers->item, err) ||
        !(answer.id = rn_calloc(id.length, 1, err)))
        return -1;
    if (id.length)
        memcpy(answer.id, id.data, id.length);
    answer.id_length = id.length;
    answers->item[answers->count++] = answer;
    return 0;
}

void rn_answers_free(struct rn_answers *answers)
{
    for (size_t i = 0; i < answers->count; i++)
        free(answers->item[i].id);
    free(answers->item);
    *answers = (struct rn_answers){ 0 };
}

static struct rn_text id_of(const struct rn_answer *answer)
{
    return (struct rn_text){ answer->id, answer->id_length };
}

static int by_id(const void *a, const void *b)
{
    return rn_text_compare(id_of(a), id_of(b));
}

static void sort(struct rn_answers *answers)
{
    if (answers->count)
        qsort(answers->item, answers->count, sizeof *answers->item, by_id);
}

int rn_answers_compare(struct rn_comparison *comparison, struct rn_answers *first, struct rn_answers *second,
                       struct rn_err *err)
{
    char room[256];
    *comparison = (struct rn_comparison){ 0 };
    sort(first);
    sort(second);
    for (size_t i = 0; i < first->count || i < second->count; i++) {
        const struct rn_answer *a = i < first->count ? &first->item[i] : NULL;
        const struct rn_answer *b = i < second->count ? &second->item[i] : NULL;
        int order = !a ? 1 : !b ? -1 : by_id(a, b);
        if (order)
            return rn_fail(err, RN_EXIT_DATA, "'%s' is only in the %s of the two",
                           rn_text_show(id_of(order < 0 ? a : b), room), order < 0 ? "first" : "second");
        if (a->failed || b->failed)
            continue;
        if (a->label != b->label)
            return rn_fail(err, RN_EXIT_DATA, "'%s' has another label in the second of the two",
                           rn_text_show(id_of(a), room));
        comparison->pairs++;
        comparison->b += a->right && !b->right;
        comparison->c += !a->right && b->right;
    }
    comparison->p = rn_mcnemar(comparison->b, comparison->c);
    return 0;
}

double rn_mcnemar(uint64_t b, uint64_t c)
{
    double n = (double)b + (double)c, fewer = (double)(b < c ? b : c), sum = 0;
    /* the binomial terms from the largest down, so that the loop ends where nothing is added any more */
    double term = exp(lgamma(n + 1) - lgamma(fewer + 1) - lgamma(n - fewer + 1) - n * log(2));
    for (double i = fewer; i >= 0 && term > sum * DBL_EPSILON; i--) {
        sum += term;
        term *= i / (n - i + 1);
    }
    return 2 * sum < 1 ? 2 * sum : 1;
}
