/* rn-score -- how good are these predictions?
 * stdin: predictions, all segments as one. stdout: text, JSON or TSV; a picture with --plot.
 * exit: 1 when below --min, when an error record was met, or when parts of the set are missing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "score/looks.h"
#include "score/means.h"
#include "score/report.h"
#include "stream/stream.h"
#include "tools/tool.h"

struct opts {
    bool json, tsv, mean, pool, fit;
    const char *compare, *plot, *looks;
    double min, published[2];
};

static const struct rn_opt options[] = {
    { 0, "json", RN_OPT_FLAG, RN_AT(opts, json), 0, 0, "write one JSON object", NULL, RN_OPT_HOW },
    { 0, "tsv", RN_OPT_FLAG, RN_AT(opts, tsv), 0, 0, "write metric and value, a line each", NULL, RN_OPT_HOW },
    { 0, "mean", RN_OPT_FLAG, RN_AT(opts, mean), 0, 0, "score an ensemble: the mean of each file's probabilities by id" },
    { 0, "compare", RN_OPT_TEXT, RN_AT(opts, compare), 0, 0, "predictions for the same ids, for McNemar's test",
      "OTHER" },
    { 0, "plot", RN_OPT_TEXT, RN_AT(opts, plot), 0, 0, "draw confusions, reliability, each class's precision and recall",
      "FILE.svg", RN_OPT_HOW },
    { 'm', "min", RN_OPT_REAL, RN_AT(opts, min), 0, 100, "exit 1 below this Acc@1, in percent" },
    { 0, "pool", RN_OPT_FLAG, RN_AT(opts, pool), 0, 0, "each FILE is a run of its own: all their predictions count", NULL, RN_OPT_HOW },
    { 0, "published", RN_OPT_REALS, RN_AT(opts, published), 0, 1e12, "compare with an Acc@1 in percent that others had on N photos",
      "ACC,N", RN_OPT_HOW, .count = 2 },
    { 0, "fit-temperature", RN_OPT_FLAG, RN_AT(opts, fit), 0, 0, "the temperature that calibrates these best, for rn-export", NULL, RN_OPT_HOW },
    { 0, "looks", RN_OPT_TEXT, RN_AT(opts, looks), 0, 0, "count in this log how often these photos were scored", "FILE", RN_OPT_HOW },
    RN_OPT_LAST,
};

/* What is known about one of the streams. */
struct reading {
    struct rn_texts missing;  /* lines of what is not there */
    struct rn_texts *classes; /* joined; shared by both streams, so that a label is the same number in both */
    struct rn_tally tally;
    struct rn_answers answers;
    bool keep_answers;
    struct rn_means *means; /* --mean: rows are put there; NULL: into the tally */
    struct rn_calibration *calibration; /* NULL: not wanted */
    struct rn_answers *runs; /* --pool: those of each file, and how many there are */
    size_t run_count;
    const char *log; /* --looks, or NULL */
    struct rn_look look;
    uint64_t looks;
    struct rn_buffer made_by, bytes;
    uint64_t errors;
    double *row; /* one prediction's probabilities, in the order of `classes` */
    size_t row_capacity;
};

static void reading_free(struct reading *reading)
{
    rn_tally_free(&reading->tally);
    rn_answers_free(&reading->answers);
    for (size_t i = 0; i < reading->run_count; i++)
        rn_answers_free(&reading->runs[i]);
    free(reading->runs);
    rn_texts_free(&reading->missing);
    rn_buffer_free(&reading->made_by);
    rn_buffer_free(&reading->bytes);
    free(reading->row);
}

/* What the log of looks is to say of it. label: -1: none. */
static int look_at(struct reading *reading, struct rn_text id, int64_t label, const struct rn_answer *answer, struct rn_err *err)
{
    struct rn_look *look = &reading->look;
    struct rn_text name = label < 0 ? RN_TEXT("") : reading->classes->item[label];
    size_t length = answer->failed ? 0 : reading->classes->count * sizeof *reading->row;
    reading->bytes.length = 0;
    look->n += !answer->failed;
    look->errors += answer->failed;
    look->right += answer->right;
    if (rn_listing_add(&look->photos, id, name, err) || rn_buffer_add(&reading->bytes, id.data, id.length, err) ||
        rn_buffer_add(&reading->bytes, "", 1, err) || rn_buffer_add(&reading->bytes, reading->row, length, err))
        return -1;
    look->predictions += rn_hash64((struct rn_text){ reading->bytes.data, reading->bytes.length });
    return 0;
}

/* The log has its line before anybody sees the figure. */
static int log_look(struct reading *reading, struct rn_err *err)
{
    if (!reading->log)
        return 0;
    reading->look.made_by = (struct rn_text){ reading->made_by.data ? reading->made_by.data : "", reading->made_by.length };
    int rc = rn_look_log(reading->log, &reading->look, (int64_t)time(NULL), &reading->looks, err);
    reading->look = (struct rn_look){ 0 };
    return rc ? rn_fail_at(err, "--looks") : 0;
}

/* The last step of the history, as it is typed. */
static int remember_maker(struct reading *reading, const struct rn_history *history, struct rn_err *err)
{
    const struct rn_step *step = history->count ? &history->step[history->count - 1] : NULL;
    reading->made_by.length = 0;
    int rc = step ? rn_buffer_add(&reading->made_by, step->tool.data, step->tool.length, err) : 0;
    for (size_t i = 0; step && i < step->args.count && rc == 0; i++)
        rc = rn_buffer_add(&reading->made_by, " ", 1, err) ||
             rn_buffer_add(&reading->made_by, step->args.item[i].data, step->args.item[i].length, err) ? -1 : 0;
    return rc;
}

/* The photo's answer; failed: an error record. Its probabilities are in the row. */
static int judge(struct reading *reading, struct rn_text id, int64_t label, bool failed, struct rn_err *err)
{
    struct rn_answer answer = { .failed = failed };
    char room[256];
    if (failed) {
        reading->errors++;
    } else {
        answer.label = (size_t)label;
        if (rn_tally_add(&reading->tally, reading->row, answer.label, &answer.right, err))
            return rn_fail_at(err, "'%s'", rn_text_show(id, room));
        if (reading->calibration && rn_calibration_add(reading->calibration, reading->row, reading->classes->count, answer.label,
                                                       err))
            return -1;
    }
    if (reading->log && look_at(reading, id, label, &answer, err))
        return -1;
    return reading->keep_answers ? rn_answers_add(&reading->answers, id, answer, err) : 0;
}

static int read_record(struct reading *reading, const struct rn_record *record, const int64_t *map,
                       struct rn_err *err)
{
    char room[256];
    struct rn_mean *mean;
    bool failed = record->error.data != NULL;
    int64_t label = record->label == RN_NIL ? RN_NIL : map[record->label];
    if (!failed && label == RN_NIL)
        return rn_fail(err, RN_EXIT_DATA, "'%s' has no label: it cannot be scored", rn_text_show(record->id, room));
    for (size_t i = 0; !failed && i < reading->classes->count; i++)
        reading->row[i] = 0;
    for (size_t i = 0; !failed && i < record->tensor.shape[0]; i++)
        reading->row[map[i]] = rn_tensor_get(&record->tensor, i);
    if (!reading->means)
        return judge(reading, record->id, label, failed, err);
    return rn_means_add(reading->means, record->id, label, failed ? NULL : reading->row, reading->classes->count, &mean, err);
}

static int read_segment(struct reading *reading, struct rn_reader *reader, const struct rn_head *head,
                        struct rn_err *err)
{
    char where[512];
    int64_t *map = NULL;
    if (rn_classes_join(reading->classes, head, &map, err) || remember_maker(reading, &head->history, err))
        return -1;
    struct rn_record record;
    int rc = -1;
    if (rn_tally_classes(&reading->tally, reading->classes->count, err) ||
        rn_grow(&reading->row, &reading->row_capacity, reading->classes->count, sizeof *reading->row, err))
        goto out;
    while ((rc = rn_reader_record(reader, &record, err)) == 1)
        if (read_record(reading, &record, map, err)) {
            rc = rn_fail_at(err, "%s", rn_reader_where(reader, where));
            break;
        }
out:
    free(map);
    return rc;
}

static int read_stream(struct reading *reading, char *const *files, size_t count, struct rn_err *err)
{
    struct rn_reader *reader;
    const struct rn_head *head;
    int rc;
    if (rn_reader_open(&reader, files, count, err))
        return -1;
    rn_reader_unique(reader);
    rn_reader_join(reader);
    while ((rc = rn_reader_head(reader, RN_KIND_BIT(RN_PREDICTIONS), &head, err)) == 1)
        if (read_segment(reading, reader, head, err)) {
            rc = -1;
            break;
        }
    if (rc == 0)
        rc = rn_reader_missing(reader, false, &reading->missing, NULL, err);
    rn_reader_close(reader);
    return rc;
}

/* Each file on its own, then the means. */
static int read_ensemble(struct reading *reading, const struct rn_args *args, struct rn_err *err)
{
    struct rn_means means = { 0 };
    char room[256], file[256];
    int rc = 0;
    reading->means = &means;
    for (size_t i = 0; rc == 0 && i < args->operands; i++) {
        size_t before = means.count;
        rc = read_stream(reading, &args->operand[i], 1, err);
        rn_text_show(rn_text(args->operand[i]), file);
        for (size_t k = 0; rc == 0 && k < means.count; k++)
            if (means.item[k].count != i + 1 || (i && k >= before))
                rc = rn_fail(err, RN_EXIT_DATA, "--mean: '%s' is %s %s", rn_text_show(means.item[k].id, room),
                             k >= before ? "only in" : "not in", file);
    }
    for (size_t k = 0; rc == 0 && k < means.count; k++) {
        const struct rn_mean *mean = &means.item[k];
        for (size_t c = 0; c < reading->classes->count; c++)
            reading->row[c] = rn_mean_probability(mean, c);
        rc = judge(reading, mean->id, mean->label, mean->failed, err);
    }
    reading->means = NULL;
    rn_means_free(&means);
    return rc;
}

/* Each file is a run of its own, in which an id is one photo. */
static int read_runs(struct reading *reading, const struct rn_args *args, struct rn_err *err)
{
    reading->keep_answers = true;
    if (!(reading->runs = rn_calloc(args->operands, sizeof *reading->runs, err)))
        return -1;
    for (size_t i = 0; i < args->operands; i++) {
        if (read_stream(reading, args->operand + i, 1, err) || log_look(reading, err))
            return -1;
        reading->runs[reading->run_count++] = reading->answers;
        reading->answers = (struct rn_answers){ 0 };
    }
    return 0;
}

static int read_first(struct reading *first, const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    if (opts->pool)
        return read_runs(first, args, err);
    if (opts->mean ? read_ensemble(first, args, err) : read_stream(first, args->operand, args->operands, err))
        return -1;
    return first->tally.n + first->errors ? log_look(first, err) : 0;
}

static int read_both(struct reading *first, struct reading *second, struct rn_comparison *comparison,
                     const struct opts *opts, const struct rn_args *args, struct rn_texts *classes,
                     struct rn_err *err)
{
    struct rn_score score;
    char room[256];
    first->classes = second->classes = classes;
    first->keep_answers = second->keep_answers = opts->compare != NULL;
    first->log = second->log = opts->looks;
    if (read_first(first, opts, args, err))
        return -1;
    if (first->tally.n + first->errors == 0)
        return rn_fail(err, RN_EXIT_DATA, "%s: there are no predictions to score",
                       args->operands ? rn_text_show(rn_text(args->operand[0]), room) : "standard input");
    if (!opts->compare)
        return 0;
    char *other = (char *)opts->compare;
    if (read_stream(second, &other, 1, err) || log_look(second, err) || rn_score(&score, &second->tally, err))
        return -1;
    first->looks = second->looks;
    double acc1 = score.acc1;
    rn_score_free(&score);
    if (rn_answers_compare(comparison, &first->answers, &second->answers, err))
        return rn_fail_at(err, "--compare %s", rn_text_show(rn_text(other), room));
    comparison->acc1 = acc1;
    return 0;
}

static int write_whole(const char *path, int (*write)(struct rn_out *, const struct rn_report *, struct rn_err *),
                       const struct rn_report *report, struct rn_err *err)
{
    struct rn_out *out;
    if (rn_out_open(&out, path, err))
        return -1;
    if (write(out, report, err)) {
        rn_out_discard(out);
        return -1;
    }
    return rn_out_commit(out, err);
}

static int write_report(const struct rn_report *report, const struct opts *opts, const struct rn_args *args,
                        struct rn_err *err)
{
    if (opts->plot && write_whole(opts->plot, rn_report_plot, report, err))
        return -1;
    return write_whole(args->output, opts->json ? rn_report_json : opts->tsv ? rn_report_tsv : rn_report_text, report, err);
}

/* At most one of the two streams can be standard input. */
static bool both_from_stdin(const struct opts *opts, const struct rn_args *args)
{
    bool used = args->operands == 0;
    for (size_t i = 0; i < args->operands; i++)
        used = used || rn_text_is(rn_text(args->operand[i]), "-");
    return used && opts->compare && rn_text_is(rn_text(opts->compare), "-");
}

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    if (opts->json && opts->tsv)
        return rn_fail(err, RN_EXIT_USAGE, "--json and --tsv: choose one");
    if (opts->plot && (!*opts->plot || rn_text_is(rn_text(opts->plot), "-")))
        return rn_fail(err, RN_EXIT_USAGE, "--plot: a file's name is needed, standard output is the report's");
    if (opts->plot && args->output && rn_text_equal(rn_text(opts->plot), rn_text(args->output)))
        return rn_fail(err, RN_EXIT_USAGE, "--plot and -o name the same file");
    if (opts->mean && args->operands < 2)
        return rn_fail(err, RN_EXIT_USAGE, "--mean: an ensemble is two files of predictions, or more");
    if (opts->mean && opts->pool)
        return rn_fail(err, RN_EXIT_USAGE, "--mean and --pool exclude each other");
    if (opts->pool && (!args->operands || opts->compare))
        return rn_fail(err, RN_EXIT_USAGE, opts->compare ? "--pool and --compare exclude each other"
                       : "--pool: FILE... is missing");
    if (opts->published[0] > 100 || opts->published[1] != floor(opts->published[1]) ||
        (opts->published[0] > 0 && opts->published[1] < 1))
        return rn_fail(err, RN_EXIT_USAGE, "--published: %g,%g is not a percentage and a number of photos", opts->published[0],
                       opts->published[1]);
    if (both_from_stdin(opts, args))
        return rn_fail(err, RN_EXIT_USAGE, "--compare -: standard input is read already");
    return 0;
}

/* What several runs are together; none: there is one, or they are of different photos. */
static int summarise(struct rn_runs *runs, struct reading *reading, struct rn_err *err)
{
    if (reading->run_count < 2 || rn_runs_summarise(runs, reading->runs, reading->run_count, err) == 0)
        return 0;
    rn_runs_free(runs);
    return err->exit == RN_EXIT_DATA ? 0 : -1;
}

static int report_all(struct reading *first, const struct rn_comparison *comparison, const struct rn_calibrated *calibrated,
                      const struct rn_score *score, const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    struct rn_published published = { .acc1 = opts->published[0], .n = (uint64_t)opts->published[1] };
    struct rn_runs runs = { 0 };
    if (summarise(&runs, first, err))
        return -1;
    const struct rn_report report = { .score = score, .tally = &first->tally, .classes = first->classes, .errors = first->errors,
                                      .comparison = opts->compare ? comparison : NULL, .published = published.n ? &published : NULL,
                                      .calibrated = opts->fit ? calibrated : NULL, .runs = runs.count ? &runs : NULL,
                                      .log = opts->looks, .looks = first->looks };
    rn_score_published(&published, score);
    int rc = write_report(&report, opts, args, err);
    rn_runs_free(&runs);
    return rc;
}

static bool tell_missing(const struct reading *reading, bool quiet)
{
    for (size_t i = 0; i < reading->missing.count && !quiet; i++)
        rn_note("%s", reading->missing.item[i].data);
    return reading->missing.count > 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    struct reading first = { 0 }, second = { 0 };
    struct rn_texts classes = { 0 };
    struct rn_comparison comparison;
    struct rn_score score = { 0 };
    struct rn_calibration calibration = { 0 };
    struct rn_calibrated calibrated = { 0 };
    if (check_usage(opts, args, err))
        return -1;
    first.calibration = opts->fit ? &calibration : NULL;
    int rc = read_both(&first, &second, &comparison, opts, args, &classes, err);
    if (rc == 0 && (rc = rn_score(&score, &first.tally, err)) == 0) {
        rc = opts->fit ? rn_calibrate(&calibrated, &calibration, RN_TEMPERATURE_LEAST, RN_TEMPERATURE_MOST, err) : 0;
        rc = rc || report_all(&first, &comparison, &calibrated, &score, opts, args, err) ? -1 : 0;
        bool missing = rc == 0 && tell_missing(&first, args->quiet) + tell_missing(&second, args->quiet);
        if (rc == 0 && (missing || first.errors || second.errors || !(score.acc1 >= opts->min)))
            rc = RN_EXIT_NO;
    }
    rn_score_free(&score);
    rn_calibration_free(&calibration);
    rn_texts_free(&classes);
    reading_free(&first);
    reading_free(&second);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-score",
    .operands = "[FILE...]",
    .summary = "score predictions",
    .options = options, .environment = RN_ENV_RECORD_MAX,
    .size = sizeof(struct opts),
    .about = "Reads predictions, takes all their segments as one (classes are joined by name), and says how good they "
             "are: Acc@1 with Wilson's 95 % interval, Acc@2, balanced accuracy, F1, Cohen's kappa, Matthews' "
             "correlation, log loss, expected calibration error, and precision, recall, F1 and confusions of each "
             "class, as scikit-learn defines them. A division by zero is 0. A tie between classes goes to the first.\n\n"
             "--json writes n, errors, acc1, acc2, balanced_accuracy, macro_f1, weighted_f1, cohen_kappa, mcc, "
             "log_loss, ece15, precision, recall, f1, support, confusion (rows true, columns predicted) and "
             "acc1_interval; acc1, acc2, balanced_accuracy and the interval are in percent. --tsv writes the same as "
             "rows of metric and value: acc1_low and acc1_high, recall/CLASS, confusion/TRUE/PREDICTED.\n\n"
             "--mean takes each file as one network's predictions for the same photos and scores the mean of their "
             "probabilities, matched by id; a photo that one of them could not read counts as an error record.\n\n"
             "--compare adds McNemar's exact test on the predictions of both streams, matched by id: b are right here "
             "only, c there only, p is the chance of a difference at least that large if neither were better.\n\n"
             "--pool takes each file as a run of its own, so that an id may come once in each: networks of several seeds on the "
             "same photos. Where they are the same photos in all, the mean of the runs' Acc@1, its standard deviation and a 95 % "
             "interval over runs and photos are added (two-level bootstrap, 10,000 draws). --published adds the difference to an "
             "accuracy that others have published, and p of the two-sided z-test of two proportions.\n\n"
             "--fit-temperature finds the number by which logits are to be divided so that the log loss is least, and says what "
             "log loss and calibration error are then. Fit it on photos that neither trained nor test the network, as those of "
             "validation; rn-export --temperature puts it into a network.\n\n"
             "--looks appends a line to a log, before the score is shown: time, photos (a hash of ids and labels), n, errors, "
             "acc1, predictions (a hash), and the command that made them; predictions that have a line get no second one. The "
             "report says how many lines there are of these photos. Who tries many networks on a test list chooses the luckiest: "
             "the log shows it.\n\n"
             "--plot writes an SVG besides: the confusion matrix, the reliability diagram (how often it was right, by how sure it "
             "was), precision and recall of each class. It is light or dark as the viewer prefers.\n\n"
             "A prediction without a label is an error. The exit status is 1 when there were error records, in either stream, when "
             "parts of a set that was cut (rn-pick --shard, --cut) are missing, which a line says, or when Acc@1 is below --min.",
    .examples = "rn-batch --for run/best.rn test.rn | rn-predict -m run/best.rn | rn-score\n"
                "rn-score --json test.rn | jq .acc1\n"
                "rn-score --plot test.svg test.rn\n"
                "rn-score --compare plain.rn attention.rn\n"
                "rn-score --mean resnet18.rn resnet34.rn resnet50.rn",
    .run = run,
};
