/* score.c -- scores against scikit-learn's: a small case of ours, and the reference when it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rng.h"
#include "score/compare.h"
#include "score/looks.h"
#include "score/runs.h"
#include "score/score.h"
#include "score/temperature.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static struct rn_err err;

static void near(const char *what, double is, double should)
{
    if (!(fabs(is - should) <= 1e-9 + 1e-9 * fabs(should)))
        fail_msg("%s is %.17g, not %.17g", what, is, should);
}

/* Probabilities in 64ths: exact in any type, with ties, zeros, rows whose sum is not 1, a sure and wrong prediction,
 * a class (3) that is only predicted and one (4) that is nowhere. The numbers are scikit-learn 1.9's. */
enum { N = 24, C = 5 };
static const int labels[N] = { 2, 0, 0, 1, 2, 2, 2, 1, 0, 0, 1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0 };
static const int probs[N][C] = {
    { 3, 36, 24, 1, 0 },   { 22, 14, 16, 13, 0 }, { 24, 5, 14, 21, 0 }, { 16, 16, 16, 16, 0 }, { 0, 64, 0, 0, 0 },
    { 0, 0, 16, 32, 0 },   { 3, 25, 17, 20, 0 },  { 2, 24, 9, 29, 0 },  { 51, 3, 6, 4, 0 },    { 15, 36, 6, 7, 0 },
    { 5, 21, 32, 6, 0 },   { 8, 42, 6, 7, 0 },    { 8, 3, 50, 2, 0 },   { 2, 54, 5, 3, 0 },    { 40, 3, 3, 18, 0 },
    { 28, 14, 9, 13, 0 },  { 36, 6, 4, 18, 0 },   { 43, 8, 8, 6, 0 },   { 17, 4, 6, 37, 0 },   { 4, 45, 11, 3, 0 },
    { 42, 8, 8, 6, 0 },    { 13, 3, 19, 29, 0 },  { 45, 10, 4, 5, 0 },  { 34, 5, 9, 17, 0 },
};

static void add(struct rn_tally *tally, int i)
{
    double row[C];
    bool right;
    for (int k = 0; k < C; k++)
        row[k] = probs[i][k] / 64.0;
    assert_int_equal(rn_tally_add(tally, row, (size_t)labels[i], &right, &err), 0);
}

static void small_case(void **state)
{
    (void)state;
    static const double precision[C] = { 10 / 11.0, 2 / 7.0, 0.5, 0, 0 }, recall[C] = { 10 / 13.0, 0.4, 1 / 6.0, 0, 0 },
                        f1[C] = { 5 / 6.0, 1 / 3.0, 0.25, 0, 0 };
    static const uint64_t support[C] = { 13, 5, 6, 0, 0 };
    static const uint64_t confusion[C][C] = { { 10, 2, 0, 1, 0 }, { 1, 2, 1, 1, 0 }, { 0, 3, 1, 2, 0 }, { 0 }, { 0 } };
    struct rn_tally tally = { 0 };
    struct rn_score score;
    assert_int_equal(rn_tally_classes(&tally, C, &err), 0);
    for (int i = 0; i < N; i++)
        add(&tally, i);
    assert_int_equal(rn_score(&score, &tally, &err), 0);
    assert_int_equal(score.n, N);
    near("acc1", score.acc1, 54.166666666666664);
    near("acc2", score.acc2, 87.5);
    near("low", score.acc1_interval[0], 35.07486535891948);
    near("high", score.acc1_interval[1], 72.108666268789);
    near("balanced accuracy", score.balanced_accuracy, 44.529914529914535);
    near("macro F1", score.macro_f1, 0.3541666666666667);
    near("weighted F1", score.weighted_f1, 0.5833333333333334);
    near("kappa", score.cohen_kappa, 0.316062176165803);
    near("MCC", score.mcc, 0.3338321265334737);
    near("log loss", score.log_loss, 2.354080912456766);
    near("ECE", score.ece, 0.25);
    for (size_t i = 0; i < C; i++) {
        near("precision", score.precision[i], precision[i]);
        near("recall", score.recall[i], recall[i]);
        near("F1", score.f1[i], f1[i]);
        assert_int_equal(score.support[i], support[i]);
        assert_memory_equal(tally.confusion + i * tally.capacity, confusion[i], sizeof confusion[i]);
    }
    rn_score_free(&score);
    rn_tally_free(&tally);
}

/* Classes become known one by one, as in a stream whose segments are joined; what was counted stays where it was. */
static void classes_grow(void **state)
{
    (void)state;
    struct rn_tally tally = { 0 };
    bool right;
    for (size_t c = 1; c <= 40; c++) {
        double row[40] = { 0 };
        row[c - 1] = 1;
        assert_int_equal(rn_tally_classes(&tally, c, &err), 0);
        assert_int_equal(rn_tally_add(&tally, row, c / 2, &right, &err), 0);
        assert_int_equal(right, c <= 2);
    }
    for (size_t i = 0; i < 40; i++)
        for (size_t k = 0; k < 40; k++)
            assert_int_equal(tally.confusion[i * tally.capacity + k], (k + 1) / 2 == i);
    assert_int_equal(rn_tally_classes(&tally, RN_SCORE_CLASSES + 1, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    rn_tally_free(&tally);
}

/* No predictions, one class, everything right or wrong: 0 where there is nothing to divide by, and never NaN. */
static void extremes(void **state)
{
    (void)state;
    static const struct { size_t classes, n; int label, predicted; double acc1, low, high, kappa; } cases[] = {
        { 0, 0, 0, 0, 0, 0, 100, 0 },
        { 3, 0, 0, 0, 0, 0, 100, 0 },
        { 1, 5, 0, 0, 100, 56.551753, 100, 0 },
        { 3, 5, 1, 1, 100, 56.551753, 100, 0 },
        { 3, 5, 1, 2, 0, 0, 43.448247, 0 },
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct rn_tally tally = { 0 };
        struct rn_score score;
        double row[3] = { 0 };
        bool right;
        row[cases[i].predicted] = 1;
        assert_int_equal(rn_tally_classes(&tally, cases[i].classes, &err), 0);
        for (size_t k = 0; k < cases[i].n; k++)
            assert_int_equal(rn_tally_add(&tally, row, (size_t)cases[i].label, &right, &err), 0);
        assert_int_equal(rn_score(&score, &tally, &err), 0);
        near("acc1", score.acc1, cases[i].acc1);
        assert_true(fabs(score.acc1_interval[0] - cases[i].low) < 1e-5);
        assert_true(fabs(score.acc1_interval[1] - cases[i].high) < 1e-5);
        near("kappa", score.cohen_kappa, cases[i].kappa);
        near("MCC", score.mcc, 0);
        const double all[] = { score.acc2, score.balanced_accuracy, score.macro_f1, score.weighted_f1, score.log_loss, score.ece };
        for (size_t k = 0; k < LENGTH(all); k++)
            assert_true(isfinite(all[k]));
        rn_score_free(&score);
        rn_tally_free(&tally);
    }
}

static void what_is_no_probability(void **state)
{
    (void)state;
    static const double rows[][2] = { { NAN, 1 }, { 1, NAN }, { INFINITY, 0 }, { -0.1, 1 }, { 0, 0 } };
    struct rn_tally tally = { 0 };
    bool right;
    assert_int_equal(rn_tally_classes(&tally, 2, &err), 0);
    for (size_t i = 0; i < LENGTH(rows); i++) {
        err = (struct rn_err){ 0 };
        assert_int_equal(rn_tally_add(&tally, rows[i], 0, &right, &err), -1);
        assert_int_equal(err.exit, RN_EXIT_DATA);
    }
    assert_int_equal(tally.n, 0);
    rn_tally_free(&tally);
}

/* scipy.stats.binomtest(b, b + c). */
static void mcnemar(void **state)
{
    (void)state;
    static const struct { uint64_t b, c; double p; } rows[] = {
        { 0, 0, 1 }, { 1, 0, 1 }, { 5, 0, 0.0625 }, { 10, 3, 0.09228515625 }, { 3, 10, 0.09228515625 }, { 7, 7, 1 },
        { 30, 12, 0.007915897334896727 }, { 1000, 900, 0.023108845108901193 }, { 0, 60, 1.734723475976807e-18 },
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        double p = rn_mcnemar(rows[i].b, rows[i].c);
        if (!(fabs(p - rows[i].p) <= 1e-9 * rows[i].p))
            fail_msg("%zu: %.17g, not %.17g", i, p, rows[i].p);
    }
    assert_true(rn_mcnemar(0, UINT64_MAX / 2) == 0);
}

static void put(struct rn_answers *answers, const char *id, size_t label, bool right, bool failed)
{
    struct rn_answer answer = { .label = label, .right = right, .failed = failed };
    assert_int_equal(rn_answers_add(answers, rn_text(id), answer, &err), 0);
}

static void comparison(void **state)
{
    (void)state;
    struct rn_answers a = { 0 }, b = { 0 };
    struct rn_comparison both;
    assert_int_equal(rn_answers_compare(&both, &a, &b, &err), 0);
    assert_true(both.pairs == 0 && both.p == 1);
    put(&a, "x/1", 0, true, false);
    put(&a, "x/2", 1, true, false);
    put(&a, "y/1", 2, true, false);
    put(&a, "y", 2, false, false);
    put(&a, "z", 0, true, true);
    put(&b, "z", 7, false, false); /* the other has no answer: left out, whatever the label */
    put(&b, "y/1", 2, true, false);
    put(&b, "y", 2, true, false);
    put(&b, "x/2", 1, false, false);
    put(&b, "x/1", 0, false, false);
    assert_int_equal(rn_answers_compare(&both, &a, &b, &err), 0);
    assert_int_equal(both.pairs, 4);
    assert_int_equal(both.b, 2);
    assert_int_equal(both.c, 1);
    assert_true(both.p == 1);
    put(&a, "w", 0, true, false);
    assert_int_equal(rn_answers_compare(&both, &a, &b, &err), -1);
    assert_string_equal(err.text, "'w' is only in the first of the two");
    put(&b, "w", 1, true, false);
    assert_int_equal(rn_answers_compare(&both, &a, &b, &err), -1);
    assert_string_equal(err.text, "'w' has another label in the second of the two");
    put(&b, "zz", 1, true, false);
    a.item[0].label = 1;
    assert_int_equal(rn_answers_compare(&both, &a, &b, &err), -1);
    assert_string_equal(err.text, "'zz' is only in the second of the two");
    assert_int_equal(err.exit, RN_EXIT_DATA);
    rn_answers_free(&a);
    rn_answers_free(&b);
}

/* ---- temperature ---- */

enum { PHOTOS = 200, CLASSES = 4 };

/* Photos whose logits are `sharp` times those that their labels were drawn from: that is the temperature to be found. */
static void draw_calibration(struct rn_calibration *calibration, double sharp)
{
    struct rn_rng rng = rn_rng(1, RN_FOR_DRAW, 0, 0);
    for (int i = 0; i < PHOTOS; i++) {
        double z[CLASSES], p[CLASSES], q[CLASSES], sum = 0, tempered = 0, at = rn_rng_unit(&rng);
        size_t label = 0;
        for (int k = 0; k < CLASSES; k++)
            z[k] = 2 * rn_rng_normal(&rng);
        for (int k = 0; k < CLASSES; k++) {
            sum += p[k] = exp(z[k]);
            tempered += q[k] = exp(sharp * z[k]);
        }
        for (int k = 0; k < CLASSES; k++)
            q[k] = (double)(float)(q[k] / tempered);
        while (label + 1 < CLASSES && (at -= p[label] / sum) > 0)
            label++;
        assert_int_equal(rn_calibration_add(calibration, q, CLASSES, label, &err), 0);
    }
}

/* The mean loss, written down once more: probabilities to the power 1/T, divided by their sum. */
static double plain_loss(const struct rn_calibration *c, double temperature)
{
    double loss = 0;
    for (size_t i = 0; i < c->photos; i++) {
        double sum = 0;
        for (size_t k = 0; k < CLASSES; k++)
            sum += pow(exp(c->logit[CLASSES * i + k]), 1 / temperature);
        loss -= log(pow(exp(c->logit[CLASSES * i + c->photo[i].label]), 1 / temperature) / sum);
    }
    return loss / (double)c->photos;
}

static void temperature_is_the_best_of_all(void **state)
{
    (void)state;
    static const double sharp[] = { 0.5, 1, 3 };
    for (size_t s = 0; s < LENGTH(sharp); s++) {
        struct rn_calibration c = { 0 };
        struct rn_calibrated calibrated;
        double fitted, best = 0, least = INFINITY;
        draw_calibration(&c, sharp[s]);
        assert_int_equal(rn_calibration_fit(&c, 0.01, 100, &fitted, &err), 0);
        for (double t = 0.2; t < 6; t *= 1.0005) { /* every temperature, one after the other */
            double loss = plain_loss(&c, t);
            best = loss < least ? t : best;
            least = loss < least ? loss : least;
        }
        assert_true(fabs(fitted / best - 1) < 0.001);
        assert_true(fabs(fitted / sharp[s] - 1) < 0.2);
        near("loss", rn_calibration_loss(&c, fitted), plain_loss(&c, fitted));
        assert_true(plain_loss(&c, fitted) <= least + 1e-12);
        assert_int_equal(rn_calibrate(&calibrated, &c, 0.01, 100, &err), 0);
        assert_true(calibrated.temperature == fitted && fabs(calibrated.log_loss - least) < 1e-6);
        assert_true(calibrated.ece >= 0 && calibrated.ece < 0.1);
        rn_calibration_free(&c);
    }
}

static void no_temperature_fits(void **state)
{
    (void)state;
    static const double sure[2] = { 0.75, 0.25 }, lost[2] = { 0, 1 }, even[2] = { 0.5, 0.5 };
    struct rn_calibration c = { 0 };
    double fitted;
    assert_int_equal(rn_calibration_fit(&c, 0.01, 100, &fitted, &err), -1); /* of nothing */
    assert_int_equal(rn_calibration_add(&c, sure, 2, 0, &err), 0);
    assert_int_equal(rn_calibration_fit(&c, 0.01, 100, &fitted, &err), -1);
    assert_non_null(strstr(err.text, "every photo is right"));
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_int_equal(rn_calibration_add(&c, even, 2, 1, &err), 0);
    assert_int_equal(rn_calibration_fit(&c, 0.01, 100, &fitted, &err), -1);
    assert_int_equal(rn_calibration_add(&c, lost, 2, 0, &err), 0); /* a probability of 0: no infinity */
    assert_true(isfinite(rn_calibration_loss(&c, 1)));
    assert_int_equal(rn_calibration_fit(&c, 0.01, 100, &fitted, &err), -1);
    assert_non_null(strstr(err.text, "say nothing of the labels"));
    rn_calibration_free(&c);
}

/* ---- runs ---- */

static void several_runs(void **state)
{
    (void)state;
    struct rn_answers run[3] = { 0 }, again[3] = { 0 };
    struct rn_runs runs, other;
    char id[24];
    for (int r = 0; r < 3; r++)
        for (int i = 0; i < 100; i++) {
            snprintf(id, sizeof id, "photo %d", i);
            put(&run[r], id, 0, i < 90 + 2 * r, i == 0 && r == 0); /* one failed: 89 of 99, 92, 94 of 100 */
            put(&again[2 - r], id, 0, i < 90 + 2 * r, i == 0 && r == 0);
        }
    assert_int_equal(rn_runs_summarise(&runs, run, 3, &err), 0);
    near("first", runs.acc1[0], 8900.0 / 99);
    near("mean", runs.mean, (8900.0 / 99 + 92 + 94) / 3);
    double d[] = { 8900.0 / 99 - runs.mean, 92 - runs.mean, 94 - runs.mean };
    near("deviation", runs.deviation, sqrt((d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) / 2));
    /* of 100 photos at 92 %, and of 3 runs: sqrt(0.92 * 0.08 / 100) and 2.05 / sqrt(3) are 2.71 and 1.18 points */
    assert_true(fabs(runs.interval[0] - (92 - 1.96 * 2.95)) < 0.8 && fabs(runs.interval[1] - (92 + 1.96 * 2.95)) < 0.8);
    assert_int_equal(rn_runs_summarise(&other, again, 3, &err), 0);
    assert_true(other.interval[0] == runs.interval[0] && other.interval[1] == runs.interval[1]);
    rn_runs_free(&runs);
    rn_runs_free(&other);
    put(&run[1], "another", 0, true, false);
    assert_int_equal(rn_runs_summarise(&runs, run, 3, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    rn_runs_free(&runs);
    for (int r = 0; r < 3; r++) {
        rn_answers_free(&run[r]);
        rn_answers_free(&again[r]);
    }
}

/* ---- looks ---- */

static void looks_are_counted(void **state)
{
    (void)state;
    char path[] = "/tmp/rn-looks.XXXXXX", text[512];
    uint64_t count;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct rn_look look = { .photos = 0xabc, .predictions = 1, .n = 8, .errors = 1, .right = 6,
                            .made_by = rn_text("rn-predict --model=a\tb.rn") };
    assert_int_equal(rn_look_log(path, &look, 86400, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(rn_look_log(path, &look, 99999, &count, &err), 0); /* the same predictions: no new look */
    assert_int_equal(count, 1);
    look.predictions = 2;
    assert_int_equal(rn_look_log(path, &look, 86401, &count, &err), 0);
    assert_int_equal(count, 2);
    look.photos = 0xdef; /* others */
    assert_int_equal(rn_look_log(path, &look, 86402, &count, &err), 0);
    assert_int_equal(count, 1);
    ssize_t length = pread(fd, text, sizeof text - 1, 0);
    assert_true(length > 0);
    text[length] = '\0';
    static const char first[] = "time\tphotos\tn\terrors\tacc1\tpredictions\tmade_by\n"
                                "1970-01-02T00:00:00Z\t0000000000000abc\t8\t1\t75.00\t0000000000000001\trn-predict "
                                "--model=a\\tb.rn\n";
    assert_memory_equal(text, first, sizeof first - 1);
    /* what is no such log stays as it is */
    static const char *const others[] = { "hello\n", "time\tphotos\tn\terrors\tacc1\tpredictions\tmade_by\nx\n",
                                          "time\tphotos\tn\terrors\tacc1\tpredictions\tmade_by\ncut" };
    for (size_t i = 0; i < LENGTH(others); i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, others[i], strlen(others[i]), 0), strlen(others[i]));
        assert_int_equal(rn_look_log(path, &look, 0, &count, &err), -1);
        assert_int_equal(err.exit, RN_EXIT_DATA);
        assert_int_equal(lseek(fd, 0, SEEK_END), strlen(others[i]));
    }
    close(fd);
    unlink(path);
    assert_int_equal(rn_look_log("/nowhere/log", &look, 0, &count, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
}

static double real(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void agrees(const char *key, double is, double should)
{
    if (!(fabs(is - should) <= 1e-6))
        fail_msg("%s is %.12g, scikit-learn has %.12g", key, is, should);
}

static void reference(void **state)
{
    (void)state;
    const char *path = "../shared/golden/score/reference.json";
    if (access(path, R_OK))
        skip();
    json_t *root = json_load_file(path, 0, NULL);
    assert_non_null(root);
    const json_t *true_labels = json_object_get(root, "labels"), *rows = json_object_get(root, "probs");
    const json_t *expected = json_object_get(root, "expected");
    size_t classes = json_array_size(json_object_get(root, "classes"));
    struct rn_tally tally = { 0 };
    struct rn_score score;
    bool right;
    double row[16];
    assert_in_range(classes, 1, 16);
    assert_int_equal(rn_tally_classes(&tally, classes, &err), 0);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t k = 0; k < classes; k++)
            row[k] = (float)json_number_value(json_array_get(json_array_get(rows, i), k));
        size_t label = (size_t)json_integer_value(json_array_get(true_labels, i));
        assert_int_equal(rn_tally_add(&tally, row, label, &right, &err), 0);
    }
    assert_int_equal(rn_score(&score, &tally, &err), 0);
    agrees("n", (double)score.n, real(expected, "n"));
    agrees("acc1", score.acc1, real(expected, "acc1"));
    agrees("acc2", score.acc2, real(expected, "acc2"));
    agrees("balanced_accuracy", score.balanced_accuracy, real(expected, "balanced_accuracy"));
    agrees("macro_f1", score.macro_f1, real(expected, "macro_f1"));
    agrees("weighted_f1", score.weighted_f1, real(expected, "weighted_f1"));
    agrees("cohen_kappa", score.cohen_kappa, real(expected, "cohen_kappa"));
    agrees("mcc", score.mcc, real(expected, "mcc"));
    agrees("log_loss", score.log_loss, real(expected, "log_loss"));
    agrees("ece15", score.ece, real(expected, "ece15"));
    for (size_t i = 0; i < classes; i++) {
        agrees("precision", score.precision[i], json_number_value(json_array_get(json_object_get(expected, "precision"), i)));
        agrees("recall", score.recall[i], json_number_value(json_array_get(json_object_get(expected, "recall"), i)));
        agrees("f1", score.f1[i], json_number_value(json_array_get(json_object_get(expected, "f1"), i)));
        agrees("support", (double)score.support[i], json_number_value(json_array_get(json_object_get(expected, "support"), i)));
        const json_t *line = json_array_get(json_object_get(expected, "confusion_rows_true_columns_predicted"), i);
        for (size_t k = 0; k < classes; k++)
            agrees("confusion", (double)tally.confusion[i * tally.capacity + k], json_number_value(json_array_get(line, k)));
    }
    rn_score_free(&score);
    rn_tally_free(&tally);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_case), cmocka_unit_test(classes_grow), cmocka_unit_test(extremes),
        cmocka_unit_test(what_is_no_probability), cmocka_unit_test(mcnemar), cmocka_unit_test(comparison),
        cmocka_unit_test(temperature_is_the_best_of_all), cmocka_unit_test(no_temperature_fits),
        cmocka_unit_test(several_runs), cmocka_unit_test(looks_are_counted),
        cmocka_unit_test(reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
