/* teacher.c -- predictions by id, and by epoch where they are of what was drawn in it. */
#include "nn/teacher.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "nn/weights.h"
#include "score/means.h"

struct rn_teacher {
    const char *path; /* borrowed */
    struct rn_texts classes;
    struct rn_means means; /* in the order of classes; no labels; by key_of */
    bool drawn, has_seed, met; /* they differ by epoch; the seed of that is known; a segment has been read */
    uint64_t seed;
    struct rn_buffer key;
    double *row;           /* (classes) */
};

/* The id; of draws with a byte 0 and the epoch behind it. */
static int key_of(struct rn_teacher *teacher, struct rn_text *key, struct rn_text id, int64_t epoch, struct rn_err *err)
{
    char digits[32];
    *key = id;
    if (!teacher->drawn)
        return 0;
    int length = snprintf(digits, sizeof digits, "%lld", (long long)epoch);
    teacher->key.length = 0;
    if (rn_buffer_add(&teacher->key, id.data, id.length, err) || rn_buffer_add(&teacher->key, "", 1, err) ||
        rn_buffer_add(&teacher->key, digits, (size_t)length, err))
        return -1;
    *key = (struct rn_text){ teacher->key.data, teacher->key.length };
    return 0;
}

/* "'x'", or "'x' in epoch 3". */
static const char *show(const struct rn_teacher *teacher, struct rn_text key, char room[static 300])
{
    char shown[256];
    size_t at = key.length;
    while (teacher->drawn && at && key.data[at - 1])
        at--;
    snprintf(room, 300, "'%s'%s%.*s", rn_text_show((struct rn_text){ key.data, teacher->drawn ? at - 1 : key.length }, shown),
             teacher->drawn ? " in epoch " : "", teacher->drawn ? (int)(key.length - at) : 0, key.data + at);
    return room;
}

/* All segments are of draws by one seed, or all are of photos as they are. */
static int meet(struct rn_teacher *teacher, const struct rn_head *head, struct rn_err *err)
{
    bool drawn = head->epoch != RN_NIL;
    if (teacher->met && drawn != teacher->drawn)
        return rn_fail(err, RN_EXIT_DATA, "some of its predictions are of train batches, and some are not");
    if (teacher->met && drawn && (head->has_seed != teacher->has_seed || head->seed != teacher->seed))
        return rn_fail(err, RN_EXIT_DATA, "its predictions are of train batches of several seeds");
    teacher->met = true;
    teacher->drawn = drawn;
    teacher->has_seed = drawn && head->has_seed;
    teacher->seed = head->seed;
    return 0;
}

static int read_record(struct rn_teacher *teacher, const struct rn_record *record, int64_t epoch, const int64_t *map,
                       struct rn_err *err)
{
    struct rn_mean *mean;
    struct rn_text key;
    bool failed = record->error.data != NULL;
    for (size_t k = 0; !failed && k < teacher->classes.count; k++)
        teacher->row[map[k]] = rn_tensor_get(&record->tensor, k);
    return key_of(teacher, &key, record->id, epoch, err) ? -1 :
           rn_means_add(&teacher->means, key, RN_NIL, failed ? NULL : teacher->row, teacher->classes.count, &mean, err);
}

static int read_segment(struct rn_teacher *teacher, struct rn_reader *reader, const struct rn_head *head, struct rn_err *err)
{
    char shown[512];
    struct rn_record record;
    int64_t *map;
    int rc;
    if (meet(teacher, head, err) || rn_labels_map(&teacher->classes, &head->classes, &map, err))
        return -1;
    for (size_t k = 0; k < teacher->classes.count; k++)
        if (rn_texts_find(&head->classes, teacher->classes.item[k]) < 0) {
            free(map);
            return rn_fail(err, RN_EXIT_DATA, "it does not know the class '%s': a teacher has predictions for all classes of the "
                                              "batches", rn_text_show(teacher->classes.item[k], shown));
        }
    while ((rc = rn_reader_record(reader, &record, err)) == 1)
        if (read_record(teacher, &record, head->epoch, map, err)) {
            rc = rn_fail_at(err, "%s", rn_reader_where(reader, shown));
            break;
        }
    free(map);
    return rc;
}

/* An ensemble is one for each photo. */
static int check(const struct rn_teacher *teacher, struct rn_err *err)
{
    char shown[300], first[300];
    const struct rn_means *means = &teacher->means;
    if (!means->count)
        return rn_fail(err, RN_EXIT_DATA, "there are no predictions to learn from");
    for (size_t i = 1; i < means->count; i++)
        if (means->item[i].count != means->item[0].count)
            return rn_fail(err, RN_EXIT_DATA, "%san ensemble that is not whole: %s has %zu predictions, %s %zu",
                           teacher->drawn ? "photos that come again in an epoch (rn-batch --balance), or " : "",
                           show(teacher, means->item[0].id, first), means->item[0].count, show(teacher, means->item[i].id, shown),
                           means->item[i].count);
    return 0;
}

static int read_all(struct rn_teacher *teacher, struct rn_err *err)
{
    char *files[] = { (char *)teacher->path };
    struct rn_reader *reader;
    const struct rn_head *head;
    int rc;
    if (rn_reader_open(&reader, files, 1, err))
        return -1;
    while ((rc = rn_reader_head(reader, RN_KIND_BIT(RN_PREDICTIONS), &head, err)) == 1)
        if ((rc = read_segment(teacher, reader, head, err)))
            break;
    rn_reader_close(reader);
    return rc;
}

int rn_teacher_open(struct rn_teacher **result, const char *path, const struct rn_texts *classes, struct rn_err *err)
{
    char shown[256];
    struct rn_teacher *teacher = rn_calloc(1, sizeof *teacher, err);
    *result = teacher;
    if (!teacher)
        return -1;
    teacher->path = path;
    teacher->row = rn_calloc(classes->count, sizeof *teacher->row, err);
    if (teacher->row && rn_texts_copy(&teacher->classes, classes, err) == 0 &&
        (read_all(teacher, err) == 0 && check(teacher, err) == 0))
        return 0;
    rn_teacher_close(teacher);
    *result = NULL;
    return rn_fail_at(err, "--teacher %s", rn_text_show(rn_text(path), shown));
}

void rn_teacher_close(struct rn_teacher *teacher)
{
    if (!teacher)
        return;
    rn_texts_free(&teacher->classes);
    rn_means_free(&teacher->means);
    rn_buffer_free(&teacher->key);
    free(teacher->row);
    free(teacher);
}

bool rn_teacher_seed(const struct rn_teacher *teacher, uint64_t *seed)
{
    *seed = teacher->seed;
    return teacher->has_seed;
}

size_t rn_teacher_photos(const struct rn_teacher *teacher)
{
    return teacher->means.count;
}

/* An id and a row of their own, and places that are half or a quarter taken. */
size_t rn_teacher_bytes(size_t photos, size_t classes)
{
    return photos * (100 + sizeof(double) * classes);
}

/* In text, so that it is the same on every processor. */
int rn_teacher_print(const struct rn_teacher *teacher, uint64_t *print, struct rn_err *err)
{
    char digits[32];
    struct rn_buffer said = { 0 };
    int rc = 0;
    *print = 0;
    for (size_t i = 0; rc == 0 && i < teacher->means.count; i++) {
        said.length = 0;
        for (size_t k = 0; rc == 0 && k < teacher->classes.count; k++) {
            int length = snprintf(digits, sizeof digits, " %a", rn_mean_probability(&teacher->means.item[i], k));
            rc = rn_buffer_add(&said, digits, (size_t)length, err);
        }
        if (rc == 0)
            rc = rn_listing_add(print, teacher->means.item[i].id, (struct rn_text){ said.data, said.length }, err);
    }
    rn_buffer_free(&said);
    return rc;
}

int rn_teacher_say(struct rn_teacher *teacher, int64_t epoch, const struct rn_text *ids, size_t count, double temperature,
                   float *probs, struct rn_err *err)
{
    char path[256], shown[300];
    struct rn_text key;
    size_t classes = teacher->classes.count;
    for (size_t n = 0; n < count; n++) {
        if (key_of(teacher, &key, ids[n], epoch, err))
            return -1;
        const struct rn_mean *mean = rn_means_find(&teacher->means, key);
        double most = 0, sum = 0;
        for (size_t k = 0; mean && !mean->failed && k < classes; k++)
            most = fmax(most, rn_mean_probability(mean, k));
        if (!(most > 0))
            return rn_fail(err, RN_EXIT_DATA, "--teacher %s: it has %s of %s", rn_text_show(rn_text(teacher->path), path),
                           !mean ? "no prediction" : mean->failed ? "an error record instead" : "no class",
                           show(teacher, key, shown));
        for (size_t k = 0; k < classes; k++)
            sum += pow(rn_mean_probability(mean, k) / most, 1 / temperature);
        for (size_t k = 0; k < classes; k++)
            probs[n * classes + k] = (float)(pow(rn_mean_probability(mean, k) / most, 1 / temperature) / sum);
    }
    return 0;
}
