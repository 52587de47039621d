/* flow.c -- the laws of lib/flow: what goes in comes out, once, in order, whatever is slow and whatever fails, and no more is read
 * ahead than was asked for. Run in the repository's root. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "flow/flow.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))
enum { RECORDS = 60, SEGMENTS = 3, NONE = -1 };
static char path[] = "/tmp/rn-flow-test.XXXXXX";
static struct rn_err err;

static void must(int rc)
{
    if (rc)
        fail_msg("%s", err.text);
}

/* Segments of `each` samples, numbered through; a segment's number is its class. */
static void write_samples(struct rn_writer *writer, int segments, int each, bool last_tail)
{
    for (int s = 0; s < segments; s++) {
        char text[32];
        struct rn_head head;
        rn_head_init(&head, RN_SAMPLES);
        snprintf(text, sizeof text, "%d", s);
        must(rn_texts_add(&head.classes, rn_text(text), &err));
        must(rn_writer_head(writer, &head, &err));
        rn_head_free(&head);
        for (int i = 0; i < each; i++) {
            snprintf(text, sizeof text, "%d", s * each + i);
            must(rn_writer_record(writer, &(const struct rn_record){ .id = rn_text(text), .path = rn_text(text), .label = 0 },
                                  &err));
        }
        if (s + 1 < segments || last_tail)
            must(rn_writer_tail(writer, &err));
    }
    must(rn_writer_flush(writer, &err));
}

static int make_file(void **state)
{
    (void)state;
    struct rn_writer *writer;
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    must(rn_writer_open(&writer, path, &err));
    write_samples(writer, SEGMENTS, RECORDS / SEGMENTS, true);
    must(rn_writer_close(writer, &err));
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* What the stages do, and what they saw. */
struct law {
    int slow[2];            /* stage s sleeps for some records, differently for each */
    int bad_read, bad[2];   /* the number of the record that fails in reading, in stage s; NONE */
    int omit, again;        /* records whose number this divides; 0: none */
    int before;             /* the last record that read was called for: again comes once */
    atomic_int inside, most; /* items read and not taken */
};
struct job {
    int number, first;
    bool second;
};

static int number_of(const struct rn_item *item)
{
    int number = 0;
    for (size_t i = 0; item->event == RN_FLOW_RECORD && i < item->record.id.length; i++)
        number = 10 * number + item->record.id.data[i] - '0';
    return item->event == RN_FLOW_RECORD ? number : NONE;
}

static int read_law(void *context, struct rn_item *item, struct rn_err *error)
{
    struct law *law = context;
    struct job *job = item->job;
    int number = job->number = number_of(item), again = number != law->before;
    law->before = number;
    if (number != NONE && number == law->bad_read)
        return rn_fail(error, RN_EXIT_DATA, "read %d", number);
    if (number > 0 && law->omit && number % law->omit == 0)
        return RN_FLOW_OMIT;
    int inside = ++law->inside;
    law->most = inside > law->most ? inside : law->most;
    return number > 0 && law->again && number % law->again == 0 && again ? RN_FLOW_AGAIN : RN_FLOW_TAKE;
}

/* A class's name is the segment's number: is the head the item's? */
static bool has_its_head(const struct rn_item *item)
{
    int number = number_of(item);
    return number == NONE || atoi(item->head->classes.item[0].data) == number / (RECORDS / SEGMENTS);
}

static int work(struct law *law, struct rn_item *item, int stage, struct rn_err *error)
{
    int number = number_of(item);
    if (number != NONE && law->slow[stage] && number % law->slow[stage] == 0)
        usleep(300 + (useconds_t)(number * 7919 % 500));
    if (number != NONE && number == law->bad[stage])
        return rn_fail(error, RN_EXIT_DATA, "stage %d, %d", stage, number);
    return has_its_head(item) ? 0 : rn_fail(error, RN_EXIT_SYSTEM, "another segment's head");
}

static int first(void *context, struct rn_item *item, struct rn_err *error)
{
    struct job *job = item->job;
    job->first = job->number * 3 + 1;
    return work(context, item, 0, error);
}

static int second(void *context, struct rn_item *item, struct rn_err *error)
{
    struct job *job = item->job;
    job->second = job->first == job->number * 3 + 1;
    return work(context, item, 1, error);
}

static void clear(void *job)
{
    *(struct job *)job = (struct job){ 0 };
}

static struct rn_flow_plan plan_of(struct rn_reader *reader, struct law *law, int threads, int more, size_t ahead)
{
    return (struct rn_flow_plan){ .reader = reader, .kinds = RN_KIND_BIT(RN_SAMPLES), .ahead = ahead, .size = sizeof(struct job),
                                  .context = law,
                                  .read = read_law, .stage = { { threads, first }, { more, second } }, .clear = clear };
}

static struct rn_reader *open_file(const char *name)
{
    struct rn_reader *reader;
    static char *file[1];
    file[0] = (char *)name;
    must(rn_reader_open(&reader, file, 1, &err));
    return reader;
}

/* The numbers of the records that come, into number; how many. *rc: what ended them. */
static size_t take_all(struct law *law, int threads, int more, size_t ahead, int *number, int *rc)
{
    struct rn_reader *reader = open_file(path);
    struct rn_flow *flow;
    struct rn_item *item;
    size_t count = 0, events[3] = { 0 };
    const struct rn_flow_plan plan = plan_of(reader, law, threads, more, ahead);
    err = (struct rn_err){ 0 };
    law->before = NONE;
    law->inside = law->most = 0;
    must(rn_flow_open(&flow, &plan, &err));
    while ((*rc = rn_flow_next(flow, &item, &err)) == 1) {
        const struct job *job = item->job;
        law->inside--;
        events[item->event]++;
        assert_true(events[RN_FLOW_HEAD] == events[RN_FLOW_TAIL] + (item->event != RN_FLOW_TAIL));
        assert_true(has_its_head(item));
        assert_true(job->number == number_of(item) && (!threads || job->first == job->number * 3 + 1) && (!more || job->second));
        if (item->event == RN_FLOW_RECORD)
            number[count++] = job->number;
    }
    if (*rc == 0)
        assert_true(events[RN_FLOW_HEAD] == SEGMENTS && events[RN_FLOW_TAIL] == SEGMENTS);
    else /* it stays */
        assert_int_equal(rn_flow_next(flow, &item, &err), *rc);
    assert_true(law->most <= (int)ahead + 1); /* one may be taken, and not counted yet */
    rn_flow_close(flow);
    rn_reader_close(reader);
    return count;
}

static const struct shape {
    int threads, more;
    size_t ahead;
} shapes[] = { { 0, 0, 1 }, { 1, 0, 1 }, { 1, 0, 2 }, { 1, 3, 5 }, { 4, 0, 10 }, { 3, 1, 4 }, { 2, 2, 100 } };

static void everything_comes_once_and_in_order(void **state)
{
    (void)state;
    const struct law laws[] = { { { 0, 0 }, NONE, { NONE, NONE }, 0, 0 }, { { 5, 0 }, NONE, { NONE, NONE }, 0, 0 },
                                { { 0, 7 }, NONE, { NONE, NONE }, 0, 0 }, { { 3, 4 }, NONE, { NONE, NONE }, 0, 0 } };
    for (size_t l = 0; l < LENGTH(laws); l++)
        for (size_t s = 0; s < LENGTH(shapes); s++) {
            struct law law = laws[l];
            int number[RECORDS], rc;
            assert_int_equal(take_all(&law, shapes[s].threads, shapes[s].more, shapes[s].ahead, number, &rc), RECORDS);
            assert_int_equal(rc, 0);
            for (int i = 0; i < RECORDS; i++)
                assert_int_equal(number[i], i);
        }
}

static void records_are_left_out_and_taken_twice(void **state)
{
    (void)state;
    for (size_t s = 0; s < LENGTH(shapes); s++) {
        struct law law = { { 3, 2 }, NONE, { NONE, NONE }, 5, 4 };
        int number[2 * RECORDS], rc;
        size_t count = take_all(&law, shapes[s].threads, shapes[s].more, shapes[s].ahead, number, &rc), at = 0;
        assert_int_equal(rc, 0);
        for (int i = 0; i < RECORDS; i++)
            for (int times = i && i % 5 == 0 ? 0 : i && i % 4 == 0 ? 2 : 1; times; times--)
                assert_int_equal(number[at++], i);
        assert_int_equal(count, at);
    }
}

static void the_first_error_wins_and_what_is_before_it_comes(void **state)
{
    (void)state;
    const struct {
        struct law law;
        int count;
        const char *text;
    } cases[] = {
        { { { 1, 0 }, NONE, { 20, NONE }, 0, 0 }, 20, "stage 0, 20" },
        { { { 0, 1 }, NONE, { 21, 20 }, 0, 0 }, 20, "stage 1, 20" }, /* the later one is met first */
        { { { 0, 1 }, NONE, { 20, 21 }, 0, 0 }, 20, "stage 0, 20" },
        { { { 3, 5 }, 22, { NONE, 20 }, 0, 0 }, 20, "stage 1, 20" },
        { { { 3, 5 }, 20, { NONE, NONE }, 0, 0 }, 20, "read 20" },
        { { { 0, 0 }, NONE, { 0, NONE }, 0, 0 }, 0, "stage 0, 0" },
        { { { 0, 0 }, NONE, { NONE, RECORDS - 1 }, 0, 0 }, RECORDS - 1, "stage 1, 59" },
    };
    for (size_t c = 0; c < LENGTH(cases); c++)
        for (size_t s = 0; s < LENGTH(shapes); s++) {
            struct law law = cases[c].law;
            int number[RECORDS], rc;
            if ((law.bad[0] != NONE && !shapes[s].threads) || (law.bad[1] != NONE && !shapes[s].more))
                continue;
            assert_int_equal(take_all(&law, shapes[s].threads, shapes[s].more, shapes[s].ahead, number, &rc), cases[c].count);
            assert_int_equal(rc, -1);
            assert_string_equal(err.text, cases[c].text);
            for (int i = 0; i < cases[c].count; i++)
                assert_int_equal(number[i], i);
        }
}

/* ---- at once ---- */

/* Each of the three waits for the one before it to be at the next record: where they took turns, nobody would go on. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int read, worked;
};

static void reach(struct gate *gate, int *place, int number)
{
    pthread_mutex_lock(&gate->lock);
    *place = number;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
}

static void await(struct gate *gate, const int *place, int number)
{
    pthread_mutex_lock(&gate->lock);
    while (*place < number && number < RECORDS)
        pthread_cond_wait(&gate->moved, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static int read_gate(void *context, struct rn_item *item, struct rn_err *error)
{
    struct gate *gate = context;
    (void)error;
    if (item->event == RN_FLOW_RECORD)
        reach(gate, &gate->read, number_of(item));
    return RN_FLOW_TAKE;
}

static int work_gate(void *context, struct rn_item *item, struct rn_err *error)
{
    struct gate *gate = context;
    (void)error;
    if (item->event != RN_FLOW_RECORD)
        return 0;
    reach(gate, &gate->worked, number_of(item));
    await(gate, &gate->read, number_of(item) + 1);
    return 0;
}

static void one_is_read_and_one_worked_on_while_one_is_taken(void **state)
{
    (void)state;
    struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NONE, NONE };
    struct rn_reader *reader = open_file(path);
    const struct rn_flow_plan plan = { .reader = reader, .kinds = RN_KIND_BIT(RN_SAMPLES), .ahead = 4, .context = &gate,
                                       .read = read_gate,
                                       .stage = { { 1, work_gate } } }; /* 4: a tail and a head may be between two records */
    struct rn_flow *flow;
    struct rn_item *item;
    int rc, count = 0;
    must(rn_flow_open(&flow, &plan, &err));
    while ((rc = rn_flow_next(flow, &item, &err)) == 1)
        if (item->event == RN_FLOW_RECORD) {
            await(&gate, &gate.worked, number_of(item) + 1);
            count++;
        }
    assert_int_equal(rc, 0);
    assert_int_equal(count, RECORDS);
    rn_flow_close(flow);
    rn_reader_close(reader);
}

/* ---- two halves ---- */

struct halves {
    int begun, ended, most, bad_first, bad_second;
};

static int first_half(void *context, struct rn_item *item, struct rn_err *error)
{
    struct halves *h = context;
    int number = number_of(item);
    if (number == NONE)
        return 0;
    if (number == h->bad_first)
        return rn_fail(error, RN_EXIT_DATA, "first half of %d", number);
    if (number != h->begun++)
        return rn_fail(error, RN_EXIT_SYSTEM, "record %d begins as the %d. one", number, h->begun);
    h->most = h->begun - h->ended > h->most ? h->begun - h->ended : h->most;
    return 0;
}

static int second_half(void *context, struct rn_item *item, struct rn_err *error)
{
    struct halves *h = context;
    int number = number_of(item);
    if (number == NONE)
        return 0;
    if (number == h->bad_second)
        return rn_fail(error, RN_EXIT_DATA, "second half of %d", number);
    if (number != h->ended++)
        return rn_fail(error, RN_EXIT_SYSTEM, "record %d ends as the %d. one", number, h->ended);
    usleep(200); /* the next one comes meanwhile */
    return 0;
}

static int take_halves(struct halves *h, struct rn_reader *reader, int *number, int most)
{
    const struct rn_flow_plan plan = { .reader = reader, .kinds = ~0u, .ahead = 5, .context = h,
                                       .stage = { { 1, first_half, second_half } } };
    struct rn_flow *flow;
    struct rn_item *item;
    int rc, count = 0;
    must(rn_flow_open(&flow, &plan, &err));
    while (count < most && (rc = rn_flow_next(flow, &item, &err)) == 1)
        if (item->event == RN_FLOW_RECORD)
            number[count++] = number_of(item);
    rn_flow_close(flow);
    return count;
}

/* An item's second half waits for the next one's first, if that one is there, and for no more. */
static void two_items_are_under_way_at_once(void **state)
{
    (void)state;
    const struct halves cases[] = { { .bad_first = NONE, .bad_second = NONE }, { .bad_first = 30, .bad_second = NONE },
                                    { .bad_first = NONE, .bad_second = 30 }, { .bad_first = 31, .bad_second = 30 },
                                    { .bad_first = 0, .bad_second = NONE } };
    for (size_t c = 0; c < LENGTH(cases); c++) {
        struct halves h = cases[c];
        struct rn_reader *reader = open_file(path);
        int number[RECORDS], fails = h.bad_second != NONE ? h.bad_second : h.bad_first;
        err = (struct rn_err){ 0 };
        int count = take_halves(&h, reader, number, RECORDS);
        assert_int_equal(count, fails == NONE ? RECORDS : fails);
        for (int i = 0; i < count; i++)
            assert_int_equal(number[i], i);
        assert_true(fails == NONE ? !err.exit : strstr(err.text,
                                                       h.bad_second != NONE ? "second half of 30" : "first half of") != NULL);
        assert_true(fails == 0 || h.most == 2);
        rn_reader_close(reader);
    }
}

/* ---- the stream ---- */

/* Through a flow into memory. */
static int copy(const char *name, struct rn_buffer *to, int threads)
{
    struct rn_reader *reader = open_file(name);
    struct law law = { { 0, 0 }, NONE, { NONE, NONE }, 0, 0 };
    const struct rn_flow_plan plan = { .reader = reader, .kinds = ~0u, .ahead = 3, .size = sizeof(struct job), .context = &law,
                                       .stage = { { threads, first } } };
    struct rn_flow *flow;
    struct rn_item *item;
    int rc;
    must(rn_flow_open(&flow, &plan, &err));
    while ((rc = rn_flow_next(flow, &item, &err)) == 1) {
        if (item->event == RN_FLOW_HEAD)
            must(rn_buffer_add(to, "|", 1, &err));
        if (item->event == RN_FLOW_RECORD)
            must(rn_record_pack(&item->record, to, &err));
    }
    rn_flow_close(flow);
    rn_reader_close(reader);
    return rc;
}

static int copy_plainly(const char *name, struct rn_buffer *to)
{
    struct rn_reader *reader = open_file(name);
    const struct rn_head *head;
    struct rn_record record;
    int rc;
    while ((rc = rn_reader_head(reader, ~0u, &head, &err)) == 1)
        for (must(rn_buffer_add(to, "|", 1, &err)); (rc = rn_reader_record(reader, &record, &err)) == 1;)
            must(rn_record_pack(&record, to, &err));
    rn_reader_close(reader);
    return rc;
}

static void records_of_every_kind_stay_what_they_are(void **state)
{
    (void)state;
    static const char *const kinds[] = { "samples", "images", "batches", "predictions", "weights" };
    for (size_t k = 0; k < 2 * LENGTH(kinds); k++) {
        char name[128];
        struct rn_buffer here = { 0 }, there = { 0 };
        snprintf(name, sizeof name, "tests/fixtures/%s-%s.rn", k < LENGTH(kinds) ? "plain" : "foreign", kinds[k % LENGTH(kinds)]);
        if (access(name, R_OK))
            continue;
        assert_int_equal(copy_plainly(name, &here), 0);
        assert_int_equal(copy(name, &there, 0), 0);
        assert_true(here.length == there.length && here.length > 2 && !memcmp(here.data, there.data, here.length));
        rn_buffer_free(&here);
        rn_buffer_free(&there);
    }
}

/* Soft batches: the copy's arrays are its own. */
static void targets_are_copied(void **state)
{
    (void)state;
    float shares[4] = { 0.25f, 0.75f, 1, 0 };
    uint8_t pixels[6] = { 1, 2, 3, 4, 5, 6 };
    struct rn_text ids[2] = { RN_TEXT("first"), RN_TEXT("") };
    int64_t labels[2] = { 1, RN_NIL };
    struct rn_buffer bytes = { 0 }, one = { 0 }, other = { 0 };
    struct rn_record copied, record = { .kind = RN_BATCHES, .index = 3, .count = 2, .ids = ids, .labels = labels,
                                        .tensor = { RN_U8, 4, { 2, 1, 1, 3 }, pixels },
                                        .targets = { RN_F32, 2, { 2, 2 }, shares } };
    must(rn_record_pack(&record, &one, &err));
    must(rn_record_copy(&copied, &record, &bytes, &err));
    memset(shares, 0, sizeof shares);
    memset(pixels, 0, sizeof pixels);
    ids[0] = ids[1] = rn_text("x");
    labels[0] = labels[1] = 0;
    must(rn_record_pack(&copied, &other, &err));
    assert_int_equal(one.length, other.length);
    assert_memory_equal(one.data, other.data, one.length);
    rn_buffer_free(&bytes);
    rn_buffer_free(&one);
    rn_buffer_free(&other);
}

/* ---- memory that is lent ---- */

struct lender {
    int lent, given_back, most; /* most: blocks that there are */
    pthread_t thread;
    char *block[64];
};

static void *lend(void *context, size_t bytes)
{
    struct lender *lender = context;
    assert_true(pthread_equal(lender->thread, pthread_self()));
    if (lender->lent == lender->most)
        return NULL;
    return lender->block[lender->lent++] = malloc(bytes);
}

static void take_back(void *context, void *memory)
{
    struct lender *lender = context;
    lender->given_back++;
    assert_true(pthread_equal(lender->thread, pthread_self()));
    for (int i = 0; i < lender->lent; i++)
        lender->block[i] = lender->block[i] == memory ? NULL : lender->block[i];
    free(memory);
}

/* Batches of all sizes, larger and larger in each of the segments. */
static void write_large(const char *name, int segments, int each)
{
    struct rn_writer *writer;
    struct rn_text ids[2] = { RN_TEXT("first"), RN_TEXT("second") };
    int64_t labels[2] = { 0, RN_NIL };
    must(rn_writer_open(&writer, name, &err));
    for (int s = 0; s < segments; s++) {
        struct rn_head head;
        rn_head_init(&head, RN_BATCHES);
        must(rn_texts_add(&head.classes, RN_TEXT("a"), &err));
        must(rn_writer_head(writer, &head, &err));
        rn_head_free(&head);
        for (int i = 0; i < each; i++) {
            size_t side = (size_t)(i % 7 == 3 ? 4 : 100 + 20 * i);
            uint8_t *pixels = malloc(2 * side * side * 3);
            for (size_t k = 0; k < 2 * side * side * 3; k++)
                pixels[k] = (uint8_t)(k * 7 + (size_t)(s * each + i));
            must(rn_writer_record(writer, &(const struct rn_record){ .kind = RN_BATCHES, .index = i, .count = 2, .ids = ids,
                                                                     .labels = labels,
                                                                     .tensor = { RN_U8, 4, { 2, side, side, 3 }, pixels } }, &err));
            free(pixels);
        }
        must(rn_writer_tail(writer, &err));
    }
    must(rn_writer_close(writer, &err));
}

/* Large records stay where they were read, from the second time on in memory that was lent, as far as there is any; all of that is
 * given back. */
static void large_records_are_read_into_memory_that_is_lent(void **state)
{
    (void)state;
    char name[] = "/tmp/rn-flow-large.XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    close(fd);
    write_large(name, 3, 12);
    for (int most = 0; most < 64; most += 31) {
        struct lender lender = { .most = most, .thread = pthread_self() };
        struct rn_buffer here = { 0 }, there = { 0 };
        struct rn_reader *reader = open_file(name);
        struct rn_flow *flow;
        struct rn_item *item;
        int rc, within = 0;
        const struct rn_flow_plan plan = { .reader = reader, .kinds = ~0u, .ahead = 3, .lend = lend, .take_back = take_back,
                                           .lender = &lender };
        assert_int_equal(copy_plainly(name, &here), 0);
        must(rn_flow_open(&flow, &plan, &err));
        while ((rc = rn_flow_next(flow, &item, &err)) == 1) {
            const char *pixels = item->event == RN_FLOW_RECORD ? item->record.tensor.data : NULL;
            if (item->event == RN_FLOW_HEAD)
                must(rn_buffer_add(&there, "|", 1, &err));
            if (pixels)
                must(rn_record_pack(&item->record, &there, &err));
            within += pixels && item->berth.lent && pixels >= item->berth.data && pixels < item->berth.data + item->berth.capacity;
        }
        assert_int_equal(rc, 0);
        rn_flow_close(flow);
        rn_reader_close(reader);
        assert_true(here.length == there.length && here.length > 2 && !memcmp(here.data, there.data, here.length));
        assert_int_equal(lender.lent, lender.given_back);
        assert_true(most ? within >= 12 && lender.lent >= 5 : !within);
        rn_buffer_free(&here);
        rn_buffer_free(&there);
    }
    unlink(name);
}

static void damage_comes_in_its_place(void **state)
{
    (void)state;
    char cut[] = "/tmp/rn-flow-cut.XXXXXX";
    struct rn_buffer file = { 0 };
    int fd = mkstemp(cut);
    assert_true(fd >= 0);
    must(rn_file_read(&file, path, 1 << 20, &err));
    must(rn_file_write(fd, file.data, file.length * 2 / 3, &err));
    for (int threads = 0; threads < 4; threads += 3) {
        struct rn_buffer here = { 0 }, there = { 0 };
        char text[sizeof err.text];
        assert_int_equal(copy_plainly(cut, &here), -1);
        snprintf(text, sizeof text, "%s", err.text);
        assert_int_equal(copy(cut, &there, threads), -1);
        assert_string_equal(err.text, text);
        assert_int_equal(here.length, there.length);
        rn_buffer_free(&here);
        rn_buffer_free(&there);
    }
    rn_buffer_free(&file);
    close(fd);
    unlink(cut);
}

/* ---- live ---- */

struct live {
    char fifo[64], folder[32];
    struct rn_writer *writer;
    struct rn_reader *reader;
    int keep; /* so that neither end waits to be opened */
};

static void open_live(struct live *live)
{
    *live = (struct live){ .folder = "/tmp/rn-flow-live.XXXXXX" };
    assert_non_null(mkdtemp(live->folder));
    snprintf(live->fifo, sizeof live->fifo, "%s/fifo", live->folder);
    assert_int_equal(mkfifo(live->fifo, 0600), 0);
    live->keep = open(live->fifo, O_RDWR | O_CLOEXEC);
    assert_true(live->keep >= 0);
    live->reader = open_file(live->fifo);
    must(rn_writer_open(&live->writer, live->fifo, &err));
}

static void close_live(struct live *live)
{
    rn_writer_discard(live->writer);
    rn_reader_close(live->reader);
    close(live->keep);
    unlink(live->fifo);
    rmdir(live->folder);
}

static struct timespec in(int seconds)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += seconds;
    return time;
}

static void what_is_there_is_handed_on_while_the_input_is_open(void **state)
{
    (void)state;
    struct live live;
    struct law law = { { 0, 0 }, NONE, { NONE, NONE }, 0, 0, .before = NONE };
    struct rn_flow *flow;
    struct rn_item *item;
    struct timespec past = { 0 };
    open_live(&live);
    const struct rn_flow_plan plan = plan_of(live.reader, &law, 2, 1, 8);
    must(rn_flow_open(&flow, &plan, &err));
    assert_int_equal(rn_flow_next_until(flow, &past, &item, &err), RN_FLOW_LATE);
    write_samples(live.writer, 1, 3, false);
    for (int i = -1; i < 3; i++) {
        struct timespec deadline = in(60);
        assert_int_equal(rn_flow_next_until(flow, &deadline, &item, &err), 1);
        assert_int_equal(number_of(item), i);
    }
    assert_int_equal(rn_flow_next_until(flow, &past, &item, &err), RN_FLOW_LATE);
    rn_flow_close(flow); /* while it waits for input */
    close_live(&live);
}

static void a_last_item_is_ended_while_the_input_is_open(void **state)
{
    (void)state;
    struct live live;
    struct halves h = { .bad_first = NONE, .bad_second = NONE };
    int number[3];
    open_live(&live);
    write_samples(live.writer, 1, 3, false);
    assert_int_equal(take_halves(&h, live.reader, number, 3), 3);
    close_live(&live);
}

static void a_flag_ends_the_wait_and_close_does_at_any_time(void **state)
{
    (void)state;
    struct live live;
    struct law law = { { 1, 1 }, NONE, { NONE, NONE }, 0, 0, .before = NONE };
    atomic_int stop = 0;
    struct rn_flow *flow;
    struct rn_item *item;
    open_live(&live);
    struct rn_flow_plan plan = plan_of(live.reader, &law, 1, 0, 1);
    plan.stop = &stop;
    must(rn_flow_open(&flow, &plan, &err));
    write_samples(live.writer, 1, 1, false);
    assert_int_equal(rn_flow_next(flow, &item, &err), 1);
    assert_int_equal(rn_flow_next(flow, &item, &err), 1);
    stop = 1;
    assert_int_equal(rn_flow_next(flow, &item, &err), RN_STOPPED);
    rn_flow_close(flow);
    close_live(&live);
    for (int taken = 0; taken < 20; taken += 3) { /* with items in every place */
        struct rn_reader *reader = open_file(path);
        const struct rn_flow_plan full = plan_of(reader, &law, 2, 2, 6);
        must(rn_flow_open(&flow, &full, &err));
        for (int i = 0; i < taken; i++)
            assert_int_equal(rn_flow_next(flow, &item, &err), 1);
        rn_flow_close(flow);
        rn_reader_close(reader);
    }
    rn_flow_close(NULL);
}

/* Items without a reader: a number each, squared by threads that count in their desks what they did. */
struct maker {
    int made, wanted, bad, taken;
    atomic_int worked;
};
static atomic_int left; /* what the desks said at the end */

static int make_item(void *context, struct rn_item *item, struct rn_err *error)
{
    struct maker *maker = context;
    if (maker->made == maker->wanted)
        return RN_FLOW_OMIT;
    if (maker->made == maker->bad)
        return rn_fail(error, RN_EXIT_DATA, "made %d", maker->made);
    if (maker->made % 10 == 0)
        item->event = RN_FLOW_HEAD;
    ((struct job *)item->job)->number = maker->made++;
    return RN_FLOW_TAKE;
}

static int square(void *context, struct rn_item *item, struct rn_err *error)
{
    struct maker *maker = context;
    struct job *job = item->job;
    (void)error;
    if (job->number % 7 == 0)
        usleep(200); /* so that later ones are done first */
    job->first = job->number * job->number;
    ++*(int *)item->desk;
    maker->worked++;
    return 0;
}

static void count_left(void *desk)
{
    left += *(int *)desk;
}

static int take_square(void *context, struct rn_item *item, struct rn_err *error)
{
    struct maker *maker = context;
    const struct job *job = item->job;
    assert_int_equal(job->number, maker->taken);
    assert_int_equal(job->first, job->number * job->number);
    assert_int_equal(item->event, job->number % 10 ? RN_FLOW_RECORD : RN_FLOW_HEAD);
    return ++maker->taken == 77 ? rn_fail(error, RN_EXIT_DATA, "enough") : 0;
}

static void items_may_be_made(void **state)
{
    (void)state;
    static const struct { int wanted, bad, taken; } rows[] = {
        { 0, NONE, 0 }, { 60, NONE, 60 }, { 60, 33, 33 }, { 500, NONE, 77 },
    };
    for (size_t r = 0; r < LENGTH(rows); r++)
        for (int threads = 1; threads <= 4; threads++) {
            struct maker maker = { .wanted = rows[r].wanted, .bad = rows[r].bad };
            const struct rn_flow_plan plan = { .ahead = (size_t)threads * 2, .size = sizeof(struct job), .context = &maker,
                                               .read = make_item, .stage = { { threads, square } }, .clear = clear,
                                               .desk = sizeof(int), .leave = count_left };
            err = (struct rn_err){ 0 };
            left = 0;
            int rc = rn_flow_run(&plan, take_square, &err);
            assert_int_equal(rc, rows[r].bad == NONE && rows[r].taken == rows[r].wanted ? 0 : -1);
            assert_int_equal(maker.taken, rows[r].taken);
            assert_string_equal(err.text, rows[r].bad != NONE ? "made 33" : rows[r].taken == 77 ? "enough" : "");
            assert_int_equal(left, maker.worked);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_once_and_in_order), cmocka_unit_test(records_are_left_out_and_taken_twice),
        cmocka_unit_test(the_first_error_wins_and_what_is_before_it_comes),
        cmocka_unit_test(one_is_read_and_one_worked_on_while_one_is_taken),
        cmocka_unit_test(records_of_every_kind_stay_what_they_are), cmocka_unit_test(items_may_be_made),
        cmocka_unit_test(targets_are_copied), cmocka_unit_test(large_records_are_read_into_memory_that_is_lent),
        cmocka_unit_test(damage_comes_in_its_place),
        cmocka_unit_test(two_items_are_under_way_at_once), cmocka_unit_test(a_last_item_is_ended_while_the_input_is_open),
        cmocka_unit_test(what_is_there_is_handed_on_while_the_input_is_open),
        cmocka_unit_test(a_flag_ends_the_wait_and_close_does_at_any_time),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
