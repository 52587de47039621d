/* flow.c -- a ring of items, a cursor for each stage. */
#include "flow/flow.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/threads.h"

struct slot {
    struct rn_item item;
    int done; /* stages */
    struct rn_err err;
};

struct worker {
    struct rn_flow *flow;
    int stage;
    void *desk;
};

struct rn_flow {
    struct rn_flow_plan plan;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot *slot; /* a ring: item number k is in slot k % slots */
    size_t slots;
    size_t read, begun[RN_FLOW_STAGES], taken; /* item numbers: taken <= begun[i] <= begun[i - 1] <= read <= taken + slots */
    size_t failed;     /* the first item with an error; SIZE_MAX: none */
    bool held;         /* item number `taken` is the caller's */
    bool ended;        /* nothing will be read any more: for this reason: */
    int end;           /* what rn_flow_next gives then */
    struct rn_err err;
    bool closed;
    atomic_int stop;   /* the reader must not wait for bytes */
    int stages;
    struct worker *worker;
    pthread_t *thread; /* the first reads, the others are workers, in their order */
    int threads;
    /* the reading thread's: */
    struct rn_head *head;    /* of the segment that is being read; NULL: none. Its tail's item takes it over */
    struct rn_record record; /* the reader's */
    bool again;              /* the record is wanted once more */
};

/* ---- reading ---- */

static void free_head(struct rn_head *head)
{
    if (head)
        rn_head_free(head);
    free(head);
}

static int read_head(struct rn_flow *flow, struct rn_item *item, struct rn_err *err)
{
    const struct rn_head *head;
    int rc = rn_reader_head(flow->plan.reader, flow->plan.kinds, &head, err);
    if (rc != 1)
        return rc;
    if (!(flow->head = rn_calloc(1, sizeof *flow->head, err)) || rn_head_copy(flow->head, head, err))
        return -1;
    item->event = RN_FLOW_HEAD;
    item->head = flow->head;
    return 1;
}

/* A large record stays where it is, and the reader gets the item's memory; one that may be wanted again is the reader's. */
static int keep_record(struct rn_flow *flow, struct rn_item *item, struct rn_err *err)
{
    struct rn_record rest = flow->record;
    int rc = flow->plan.read ? 0 : rn_reader_exchange(flow->plan.reader, &item->berth, err);
    if (rc < 0)
        return -1;
    if (rc) {
        rest.tensor.data = NULL;
        rest.data.data = NULL;
    }
    if (rn_record_copy(&item->record, &rest, &item->bytes, err))
        return -1;
    item->exchanged = rc;
    if (rc) {
        item->record.tensor.data = flow->record.tensor.data;
        item->record.data = flow->record.data;
    }
    return 0;
}

static int read_record(struct rn_flow *flow, struct rn_item *item, struct rn_err *err)
{
    int rc = flow->again ? 1 : rn_reader_record(flow->plan.reader, &flow->record, err);
    item->head = flow->head;
    if (rc == 1) {
        item->event = RN_FLOW_RECORD;
        return keep_record(flow, item, err) ? -1 : 1;
    }
    if (rc)
        return rc;
    item->event = RN_FLOW_TAIL;
    item->owned = flow->head;
    flow->head = NULL;
    return 1;
}

/* The next item that is taken. 1, 0 at the stream's end, -1 or RN_STOPPED. */
static int read_item(struct rn_flow *flow, struct rn_item *item, struct rn_err *err)
{
    if (!flow->plan.reader) {
        item->event = RN_FLOW_RECORD;
        return flow->plan.read(flow->plan.context, item, err);
    }
    for (;;) {
        int rc = (flow->head ? read_record : read_head)(flow, item, err);
        if (rc != 1 || !flow->plan.read)
            return rc;
        int answer = flow->plan.read(flow->plan.context, item, err);
        flow->again = answer == RN_FLOW_AGAIN;
        if (answer < 0)
            return -1;
        if (answer != RN_FLOW_OMIT || item->event != RN_FLOW_RECORD)
            return 1;
    }
}

static void *read_all(void *argument)
{
    struct rn_flow *flow = argument;
    struct rn_err err = { 0 };
    int rc = 0;
    pthread_mutex_lock(&flow->lock);
    for (;;) {
        while (!flow->closed && flow->read == flow->taken + flow->slots)
            pthread_cond_wait(&flow->changed, &flow->lock);
        if (flow->closed || flow->failed != SIZE_MAX)
            break;
        struct slot *slot = &flow->slot[flow->read % flow->slots];
        pthread_mutex_unlock(&flow->lock);
        rc = read_item(flow, &slot->item, &err);
        pthread_mutex_lock(&flow->lock);
        if (rc != 1)
            break;
        slot->done = 0;
        flow->read++;
        pthread_cond_broadcast(&flow->changed);
    }
    flow->ended = true;
    flow->end = rc;
    flow->err = err;
    pthread_cond_broadcast(&flow->changed);
    pthread_mutex_unlock(&flow->lock);
    return NULL;
}

/* ---- memory that is lent ---- */

static void free_berth(struct rn_flow *flow, struct rn_berth *berth)
{
    if (berth->data != berth->lent)
        free(berth->data);
    if (berth->lent)
        flow->plan.take_back(flow->plan.lender, berth->lent);
    *berth = (struct rn_berth){ 0 };
}

static const void *moved(const void *at, const struct rn_berth *from, const struct rn_berth *to)
{
    return at ? to->data + ((const char *)at - from->data) : NULL;
}

/* The item's record moves to a block that is lent, as large, unless it is in one already. */
static void lend(struct rn_flow *flow, struct rn_item *item)
{
    struct rn_berth *berth = &item->berth, lent = { .capacity = berth->capacity };
    if (!flow->plan.lend || item->event != RN_FLOW_RECORD || berth->data == berth->lent)
        return;
    if (!(lent.data = lent.lent = flow->plan.lend(flow->plan.lender, berth->capacity))) {
        flow->plan.lend = NULL;
        return;
    }
    memcpy(lent.data, berth->data, berth->capacity);
    if (item->exchanged) {
        item->record.tensor.data = moved(item->record.tensor.data, berth, &lent);
        item->record.data.data = moved(item->record.data.data, berth, &lent);
    }
    free_berth(flow, berth);
    *berth = lent;
}

/* ---- working ---- */

typedef int work_of(void *context, struct rn_item *item, struct rn_err *err);

static void work(const struct worker *worker, size_t number, work_of *of, bool done)
{
    struct rn_flow *flow = worker->flow;
    struct slot *slot = &flow->slot[number % flow->slots];
    struct rn_err err = { 0 };
    pthread_mutex_unlock(&flow->lock);
    slot->item.desk = worker->desk;
    if (of == flow->plan.stage[0].work && flow->plan.lend)
        lend(flow, &slot->item);
    int rc = of(flow->plan.context, &slot->item, &err);
    pthread_mutex_lock(&flow->lock);
    slot->done += done;
    if (rc) {
        slot->err = err;
        flow->failed = number < flow->failed ? number : flow->failed;
        flow->stop = 1; /* what comes behind it is of no use */
    }
    pthread_cond_broadcast(&flow->changed);
}

/* Has the item come to this stage? */
static bool has_come(const struct rn_flow *flow, int stage, size_t number)
{
    return number < flow->read && flow->slot[number % flow->slots].done == stage;
}

static void *work_all(void *argument)
{
    const struct worker *worker = argument;
    struct rn_flow *flow = worker->flow;
    size_t *next = &flow->begun[worker->stage];
    pthread_mutex_lock(&flow->lock);
    while (!flow->closed && *next < flow->failed && !(flow->ended && *next == flow->read)) {
        if (!has_come(flow, worker->stage, *next)) {
            pthread_cond_wait(&flow->changed, &flow->lock);
            continue;
        }
        work(worker, (*next)++, flow->plan.stage[worker->stage].work, true);
    }
    pthread_mutex_unlock(&flow->lock);
    if (flow->plan.leave)
        flow->plan.leave(worker->desk);
    return NULL;
}

/* The same where items have a second half. */
static void *work_in_halves(void *argument)
{
    const struct worker *worker = argument;
    struct rn_flow *flow = worker->flow;
    const struct rn_flow_stage *stage = &flow->plan.stage[worker->stage];
    size_t *next = &flow->begun[worker->stage], finished = 0;
    pthread_mutex_lock(&flow->lock);
    while (!flow->closed && finished < flow->failed && !(flow->ended && finished == flow->read)) {
        if (*next - finished < RN_FLOW_HALVES && *next < flow->failed && has_come(flow, worker->stage, *next)) {
            work(worker, (*next)++, stage->work, false);
        } else if (finished < *next) {
            work(worker, finished++, stage->finish, true);
        } else {
            pthread_cond_wait(&flow->changed, &flow->lock);
        }
    }
    pthread_mutex_unlock(&flow->lock);
    if (flow->plan.leave)
        flow->plan.leave(worker->desk);
    return NULL;
}

/* ---- taking ---- */

static void clear(const struct rn_flow *flow, struct rn_item *item)
{
    if (flow->plan.clear)
        flow->plan.clear(item->job);
    free_head(item->owned);
    item->owned = NULL;
}

static void release(struct rn_flow *flow)
{
    clear(flow, &flow->slot[flow->taken % flow->slots].item);
    pthread_mutex_lock(&flow->lock);
    flow->held = false;
    flow->taken++;
    pthread_cond_broadcast(&flow->changed);
    pthread_mutex_unlock(&flow->lock);
}

enum { STOP_CHECK_MS = 200 };

static struct timespec soon(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += STOP_CHECK_MS * 1000000;
    return time.tv_nsec < 1000000000 ? time : (struct timespec){ time.tv_sec + 1, time.tv_nsec - 1000000000 };
}

/* Until something has changed; true: the deadline is over. A signal does not end a wait for a condition: its flag is looked at. */
static bool wait(struct rn_flow *flow, const struct timespec *deadline)
{
    struct timespec time = soon();
    if (deadline)
        return pthread_cond_timedwait(&flow->changed, &flow->lock, deadline) == ETIMEDOUT;
    if (flow->plan.stop)
        pthread_cond_timedwait(&flow->changed, &flow->lock, &time);
    else
        pthread_cond_wait(&flow->changed, &flow->lock);
    return false;
}

int rn_flow_next_until(struct rn_flow *flow, const struct timespec *deadline, struct rn_item **item, struct rn_err *err)
{
    bool late = false;
    int rc;
    if (flow->held)
        release(flow);
    pthread_mutex_lock(&flow->lock);
    struct slot *slot = &flow->slot[flow->taken % flow->slots];
    for (;;) {
        if (flow->failed == flow->taken) {
            *err = slot->err;
            rc = -1;
            break;
        }
        if (flow->taken < flow->read && slot->done == flow->stages) {
            *item = &slot->item;
            flow->held = true;
            rc = 1;
            break;
        }
        if (flow->ended && flow->taken == flow->read) {
            rc = flow->end;
            *err = rc < 0 ? flow->err : *err;
            break;
        }
        if (late) { /* what came in the last moment was taken, too */
            rc = RN_FLOW_LATE;
            break;
        }
        if (flow->plan.stop && *flow->plan.stop) {
            rc = RN_STOPPED;
            break;
        }
        late = wait(flow, deadline);
    }
    pthread_mutex_unlock(&flow->lock);
    if (rc == 1 && !flow->stages)
        lend(flow, *item);
    return rc;
}

int rn_flow_next(struct rn_flow *flow, struct rn_item **item, struct rn_err *err)
{
    return rn_flow_next_until(flow, NULL, item, err);
}

/* ---- beginning and end ---- */

static int start(struct rn_flow *flow, struct rn_err *err)
{
    size_t count = 1;
    for (; flow->stages < RN_FLOW_STAGES && flow->plan.stage[flow->stages].threads; flow->stages++)
        count += (size_t)flow->plan.stage[flow->stages].threads;
    if (!(flow->thread = rn_calloc(count, sizeof *flow->thread, err)) ||
        !(flow->worker = rn_calloc(count, sizeof *flow->worker, err)) || rn_thread_start(&flow->thread[0], read_all, flow, err))
        return -1;
    flow->threads = 1;
    for (int s = 0; s < flow->stages; s++)
        for (int i = 0; i < flow->plan.stage[s].threads; i++, flow->threads++) {
            struct worker *worker = &flow->worker[flow->threads];
            *worker = (struct worker){ flow, s, rn_calloc(1, flow->plan.desk, err) };
            if (!worker->desk || rn_thread_start(&flow->thread[flow->threads],
                                                 flow->plan.stage[s].finish ? work_in_halves : work_all, worker, err)) {
                free(worker->desk);
                return -1;
            }
        }
    return 0;
}

static int prepare(struct rn_flow *flow, struct rn_err *err)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&flow->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&flow->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    flow->failed = SIZE_MAX;
    if (!(flow->slot = rn_calloc(flow->plan.ahead + 1, sizeof *flow->slot, err)))
        return -1;
    flow->slots = flow->plan.ahead + 1;
    for (size_t i = 0; i < flow->slots; i++)
        if (!(flow->slot[i].item.job = rn_calloc(1, flow->plan.size, err)))
            return -1;
    if (flow->plan.reader)
        rn_reader_stop_on(flow->plan.reader, &flow->stop);
    return 0;
}

int rn_flow_open(struct rn_flow **result, const struct rn_flow_plan *plan, struct rn_err *err)
{
    struct rn_flow *flow = *result = rn_calloc(1, sizeof *flow, err);
    if (!flow)
        return -1;
    flow->plan = *plan;
    if (prepare(flow, err) == 0 && start(flow, err) == 0)
        return 0;
    rn_flow_close(flow);
    *result = NULL;
    return -1;
}

void rn_flow_close(struct rn_flow *flow)
{
    if (!flow)
        return;
    flow->stop = 1;
    pthread_mutex_lock(&flow->lock);
    flow->closed = true;
    pthread_cond_broadcast(&flow->changed);
    pthread_mutex_unlock(&flow->lock);
    for (int i = 0; i < flow->threads; i++) {
        pthread_join(flow->thread[i], NULL);
        free(flow->worker[i].desk);
    }
    if (flow->plan.reader)
        rn_reader_stop_on(flow->plan.reader, NULL);
    for (size_t i = 0; i < flow->slots; i++) {
        struct rn_item *item = &flow->slot[i].item;
        if (item->job)
            clear(flow, item);
        free(item->job);
        rn_buffer_free(&item->bytes);
        free_berth(flow, &item->berth);
    }
    if (flow->plan.take_back) {
        struct rn_berth last;
        rn_reader_leave(flow->plan.reader, &last);
        free_berth(flow, &last);
    }
    free_head(flow->head);
    pthread_cond_destroy(&flow->changed);
    pthread_mutex_destroy(&flow->lock);
    free(flow->thread);
    free(flow->worker);
    free(flow->slot);
    free(flow);
}

int rn_flow_run(const struct rn_flow_plan *plan, int (*take)(void *context, struct rn_item *item, struct rn_err *err),
                struct rn_err *err)
{
    struct rn_flow *flow;
    struct rn_item *item;
    int rc;
    if (rn_flow_open(&flow, plan, err))
        return -1;
    while ((rc = rn_flow_next(flow, &item, err)) == 1)
        if (take(plan->context, item, err)) {
            rc = -1;
            break;
        }
    rn_flow_close(flow);
    return rc;
}
