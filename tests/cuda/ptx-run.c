/* ptx-run.c -- executes decoded kernels: blocks one after the other, warps of a block in turns, 32 lanes at a time. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx-code.h"

/* Who touched a byte last, and in which epoch; epochs count barriers (of all blocks that ever ran). Who: the thread, flags,
 * and from bit MARK_STAGE how many warp barriers it had passed. WARP: several lanes of its warp; MANY: of several warps. */
struct ptx_mark {
    uint32_t written, writer, read, reader;
};
enum { MARK_LANE = 0x3ff, MARK_ATOMIC = 1 << 10, MARK_MANY = 1 << 11, MARK_WARP = 1 << 12, MARK_STAGE = 13 };

struct warp {
    char *bank[BANKS];
    struct block *block;
    int index;
    uint32_t mask;      /* lanes that execute the instruction */
    uint32_t absent;    /* lanes that do not exist or have exited */
    uint32_t running, at_barrier, waiting;
    bool all;           /* every lane that exists: no need to blend */
    uint32_t on[LANES]; /* the mask, all ones or zero a lane */
    int pc[LANES];
    uint32_t stage;     /* warp barriers so far */
    uint32_t specials[SPECIALS][LANES];
};

struct block {
    const struct ptx_kernel *kernel;
    const struct ptx_launch *launch;
    const struct ptx_memory *memory;
    struct ptx_fault *fault;
    struct warp *warp;
    int warps, threads;
    unsigned at[3];
    char *registers, *local, *shared, *params;
    struct ptx_mark *shared_marks;
    size_t shared_bytes, static_bytes;
    uint32_t launch_epoch, block_epoch;
};

static uint32_t epoch = 1;
static uint64_t executed;

uint64_t ptx_executed(void)
{
    return executed;
}

/* ---- faults ---- */

static void thread_of(const struct block *b, int thread, unsigned id[3])
{
    const unsigned *n = b->launch->block;
    id[0] = (unsigned)thread % n[0];
    id[1] = (unsigned)thread / n[0] % n[1];
    id[2] = (unsigned)thread / n[0] / n[1];
}

/* The first fault of a launch is the one that is told. */
static void fault(struct warp *w, const struct instruction *i, int lane, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
static void fault(struct warp *w, const struct instruction *i, int lane, const char *format, ...)
{
    const struct block *b = w->block;
    struct ptx_fault *f = b->fault;
    unsigned id[3];
    if (f->text[0])
        return;
    thread_of(b, w->index * LANES + lane, id);
    char source[32] = "";
    if (i->source)
        snprintf(source, sizeof source, " (.cu line %d)", i->source);
    va_list args;
    va_start(args, format);
    int n = snprintf(f->text, sizeof f->text, "kernel %s, PTX line %d%s, '%s', block %u,%u,%u, thread %u,%u,%u: ", b->kernel->name,
                     i->line, source, i->text, b->at[0], b->at[1], b->at[2], id[0], id[1], id[2]);
    vsnprintf(f->text + n, n < (int)sizeof f->text ? sizeof f->text - (size_t)n : 0, format, args);
    va_end(args);
}

static bool failed(const struct warp *w)
{
    return w->block->fault->text[0] != 0;
}

/* ---- lane by lane ---- */

typedef uint32_t u32;
typedef int32_t s32;
typedef float f32;
typedef uint64_t u64;
typedef int64_t s64;
typedef double f64;

enum rounding { ROUND_DOWN, ROUND_UP, ROUND_ZERO };

static inline float flush(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

/* a b + c, rounded in a direction: the nearest result, and what it lacks, which is exact in float64. */
static inline float directed_fma(enum rounding to, float a, float b, float c)
{
    float r = __builtin_fmaf(a, b, c);
    double p = (double)a * b, s = p + c, of_c = s - p, lost = (p - (s - of_c)) + (c - of_c), rest = (s - (double)r) + lost;
    bool down = to == ROUND_DOWN || (to == ROUND_ZERO && r > 0), up = to == ROUND_UP || (to == ROUND_ZERO && r < 0);
    if (rest < 0 && down)
        return nextafterf(r, -INFINITY);
    if (rest > 0 && up)
        return nextafterf(r, INFINITY);
    return r;
}

static inline int64_t saturated(double x, int64_t low, int64_t high)
{
    return x != x ? 0 : x <= (double)low ? low : x >= (double)high ? high : (int64_t)x;
}

static inline uint64_t saturated_u64(double x)
{
    return !(x > 0) ? 0 : x >= 0x1p64 ? UINT64_MAX : (uint64_t)x;
}

static inline float from_bf16(uint32_t x)
{
    uint32_t bits = x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t to_bf16(float f)
{
    uint32_t x;
    memcpy(&x, &f, sizeof x);
    return f != f ? 0x7fff : (x + 0x7fff + (x >> 16 & 1)) >> 16;
}

static inline float from_f16(uint32_t x)
{
    uint16_t bits = (uint16_t)x;
    _Float16 h;
    memcpy(&h, &bits, sizeof h);
    return (float)h;
}

static inline uint32_t to_f16(float f)
{
    _Float16 h = (_Float16)f;
    uint16_t bits;
    memcpy(&bits, &h, sizeof bits);
    return f != f ? 0x7fff : bits;
}

static inline uint64_t ones(uint32_t count)
{
    return count > 63 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

static inline uint64_t bits(uint64_t x, uint32_t from, uint32_t count, uint32_t width)
{
    return from >= width ? 0 : (x & ones(width)) >> from & ones(count);
}

static inline uint64_t signed_bits(uint64_t x, uint32_t from, uint32_t count, uint32_t width)
{
    uint32_t last = from + count - 1 < width - 1 ? from + count - 1 : width - 1;
    uint64_t sign = count && x >> last & 1 ? UINT64_MAX : 0, field = bits(x, from, count, width);
    uint32_t have = from >= width ? 0 : count < width - from ? count : width - from;
    return field | (sign & ~ones(have));
}

static inline uint64_t insert_bits(uint64_t field, uint64_t into, uint32_t at, uint32_t count, uint32_t width)
{
    uint64_t mask = at >= width ? 0 : ones(count) << at & ones(width);
    return (into & ~mask) | (at >= width ? 0 : field << at & mask);
}

/* The 32 bits in reverse, in the upper half. */
static inline uint64_t reverse(uint32_t x)
{
    uint32_t r = 0;
    for (int i = 0; i < 32; i++)
        r |= (x >> i & 1) << (31 - i);
    return (uint64_t)r << 32;
}

static inline uint32_t permute(uint32_t a, uint32_t b, uint32_t selector)
{
    uint64_t both = (uint64_t)b << 32 | a;
    uint32_t r = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t select = selector >> 4 * i & 15, byte = both >> 8 * (select & 7) & 255;
        r |= (select & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * i;
    }
    return r;
}

static inline uint32_t lut(uint32_t a, uint32_t b, uint32_t c, uint32_t table)
{
    uint32_t r = 0;
    for (uint32_t i = 0; i < 8; i++)
        if (table >> i & 1)
            r |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return r;
}

static inline void *lanes(const struct warp *w, const struct operand *o)
{
    return w->bank[o->bank] + o->offset;
}

/* Lanes that are off keep what they have; where all are on, nothing need be kept. A result's register may be a source's:
 * each lane reads before it writes. */
#define LOOP(type, load, result) \
    type *r_ = lanes(w, &i->o[0]); \
    if (w->all) { \
        _Pragma("GCC ivdep") for (int l = 0; l < LANES; l++) { load; r_[l] = (type)(result); } \
    } else { \
        _Pragma("GCC ivdep") for (int l = 0; l < LANES; l++) { load; type x_ = (type)(result); r_[l] = w->on[l] ? x_ : r_[l]; } \
    }
#define UNARY_LOOP(rt, at, result) LOOP(rt, at a = a_[l], result)
#define BINARY_LOOP(rt, at, bt, result) LOOP(rt, at a = a_[l]; bt b = b_[l], result)
#define TERNARY_LOOP(rt, at, bt, ct, result) LOOP(rt, at a = a_[l]; bt b = b_[l]; ct c = c_[l], result)
#define QUATERNARY_LOOP(rt, at, bt, ct, dt, result) LOOP(rt, at a = a_[l]; bt b = b_[l]; ct c = c_[l]; dt d = d_[l], result)
#define OPERATION(name) static void name(struct warp *w, const struct instruction *i)
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

#define UNARY(name, rt, at, result) \
    OPERATION(PASTE(line_, __LINE__)) { const at *a_ = lanes(w, &i->o[1]); UNARY_LOOP(rt, at, result) }
#define BINARY(name, rt, at, bt, result) \
    OPERATION(PASTE(line_, __LINE__)) { \
        const at *a_ = lanes(w, &i->o[1]); const bt *b_ = lanes(w, &i->o[2]); BINARY_LOOP(rt, at, bt, result) }
#define TERNARY(name, rt, at, bt, ct, result) \
    OPERATION(PASTE(line_, __LINE__)) { \
        const at *a_ = lanes(w, &i->o[1]); const bt *b_ = lanes(w, &i->o[2]); const ct *c_ = lanes(w, &i->o[3]); \
        TERNARY_LOOP(rt, at, bt, ct, result) }
#define QUATERNARY(name, rt, at, bt, ct, dt, result) \
    OPERATION(PASTE(line_, __LINE__)) { \
        const at *a_ = lanes(w, &i->o[1]); const bt *b_ = lanes(w, &i->o[2]); const ct *c_ = lanes(w, &i->o[3]); \
        const dt *d_ = lanes(w, &i->o[4]); QUATERNARY_LOOP(rt, at, bt, ct, dt, result) }
#define CONVERT(modifiers, dotted, to, from, rt, at, result) \
    OPERATION(cvt##modifiers##_##to##_##from) { const at *a_ = lanes(w, &i->o[1]); UNARY_LOOP(rt, at, result) }
#define UNARY_OF_WARP(name, result) OPERATION(PASTE(line_, __LINE__)) { LOOP(u32, (void)0, result) }
#include "ptx-ops.inc"
#undef UNARY
#undef BINARY
#undef TERNARY
#undef QUATERNARY
#undef CONVERT
#undef UNARY_OF_WARP

#define UNARY(name, rt, at, result) { name, PASTE(line_, __LINE__), 2, { sizeof(rt), sizeof(at) } },
#define BINARY(name, rt, at, bt, result) { name, PASTE(line_, __LINE__), 3, { sizeof(rt), sizeof(at), sizeof(bt) } },
#define TERNARY(name, rt, at, bt, ct, result) { name, PASTE(line_, __LINE__), 4, { sizeof(rt), sizeof(at), sizeof(bt), sizeof(ct) } },
#define QUATERNARY(name, rt, at, bt, ct, dt, result) \
    { name, PASTE(line_, __LINE__), 5, { sizeof(rt), sizeof(at), sizeof(bt), sizeof(ct), sizeof(dt) } },
#define CONVERT(modifiers, dotted, to, from, rt, at, result) \
    { "cvt" dotted "." #to "." #from, cvt##modifiers##_##to##_##from, 2, { sizeof(rt), sizeof(at) } },
#define UNARY_OF_WARP(name, result) { name, PASTE(line_, __LINE__), 1, { sizeof(u32) } },
const struct operation ptx_operations[] = {
#include "ptx-ops.inc"
    { NULL, NULL, 0, { 0 } },
};

/* ---- comparisons ---- */

/* The predicate, combined with another where the instruction says so, and its complement's. */
static void set_predicates(struct warp *w, const struct instruction *i, const u32 *compared)
{
    static const u32 all_true[LANES] = { 1 };
    const u32 *with = i->mode == BOOL_NONE ? all_true : lanes(w, &i->o[3]);
    u32 *p = lanes(w, &i->o[0]), *q = i->o[4].width ? lanes(w, &i->o[4]) : NULL;
    for (int l = 0; l < LANES; l++) {
        u32 other = (with[l] != 0) != i->o[3].negated, yes = compared[l], no = !yes;
        if (!w->on[l])
            continue;
        p[l] = i->mode == BOOL_AND ? yes & other : i->mode == BOOL_OR ? yes | other : i->mode == BOOL_XOR ? yes ^ other : yes;
        if (q)
            q[l] = i->mode == BOOL_AND ? no & other : i->mode == BOOL_OR ? no | other : i->mode == BOOL_XOR ? no ^ other : no;
    }
}

#define COMPARISON(name, type, lane, value, result) \
    static void compare_##name##_##type(struct warp *w, const struct instruction *i) \
    { \
        const lane *a_ = lanes(w, &i->o[1]), *b_ = lanes(w, &i->o[2]); \
        u32 compared[LANES], *p = lanes(w, &i->o[0]); \
        for (int l = 0; l < LANES; l++) { value a = (value)a_[l], b = (value)b_[l]; compared[l] = (result); } \
        if (w->all && i->mode == BOOL_NONE && !i->o[4].width) \
            memcpy(p, compared, sizeof compared); \
        else \
            set_predicates(w, i, compared); \
    }
#define EQUALITIES(X, type, lane, value) X(eq, type, lane, value, a == b) X(ne, type, lane, value, a != b)
#define ORDERS(X, type, lane, value) \
    EQUALITIES(X, type, lane, value) X(lt, type, lane, value, a < b) X(le, type, lane, value, a <= b) \
    X(gt, type, lane, value, a > b) X(ge, type, lane, value, a >= b)
#define UNSIGNED(X, type, lane, value) \
    ORDERS(X, type, lane, value) X(lo, type, lane, value, a < b) X(ls, type, lane, value, a <= b) \
    X(hi, type, lane, value, a > b) X(hs, type, lane, value, a >= b)
#define FLOATS(X, type) \
    X(eq, type, type, type, a == b) X(ne, type, type, type, a < b || a > b) \
    X(lt, type, type, type, a < b) X(le, type, type, type, a <= b) \
    X(gt, type, type, type, a > b) X(ge, type, type, type, a >= b) X(equ, type, type, type, !(a < b || a > b)) \
    X(neu, type, type, type, !(a == b)) X(ltu, type, type, type, !(a >= b)) X(leu, type, type, type, !(a > b)) \
    X(gtu, type, type, type, !(a <= b)) X(geu, type, type, type, !(a < b)) X(num, type, type, type, a == a && b == b) \
    X(nan, type, type, type, a != a || b != b)
#define COMPARISONS(X) \
    EQUALITIES(X, b16, u32, uint16_t) EQUALITIES(X, b32, u32, u32) EQUALITIES(X, b64, u64, u64) \
    UNSIGNED(X, u16, u32, uint16_t) UNSIGNED(X, u32, u32, u32) UNSIGNED(X, u64, u64, u64) \
    ORDERS(X, s16, u32, int16_t) ORDERS(X, s32, s32, s32) ORDERS(X, s64, s64, s64) FLOATS(X, f32) FLOATS(X, f64)
COMPARISONS(COMPARISON)

ptx_step *ptx_compare(const char *comparison, const char *type)
{
#define ROW(name, type, lane, value, result) { #name, #type, compare_##name##_##type },
    static const struct { const char *comparison, *type; ptx_step *run; } all[] = { COMPARISONS(ROW) };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].comparison, comparison) && !strcmp(all[i].type, type))
            return all[i].run;
    return NULL;
}

/* ---- races ---- */

enum { ACCESS_READ, ACCESS_WRITE, ACCESS_ATOMIC };

/* Whether nothing orders that access before the one of this thread now. since: what is older is of no interest. */
static bool concurrent(const struct warp *w, int lane, uint32_t then, uint32_t who, uint32_t since)
{
    const struct block *b = w->block;
    if (then < since)
        return false;
    if (then < b->block_epoch)
        return true; /* another block of this launch */
    if (then < epoch)
        return false;
    if (who & MARK_MANY)
        return true;
    if ((int)(who & MARK_LANE) / LANES != w->index)
        return true;
    if (who >> MARK_STAGE != (w->stage & (UINT32_MAX >> MARK_STAGE)))
        return false;
    return who & MARK_WARP || (int)(who & MARK_LANE) != w->index * LANES + lane;
}

static void race(struct warp *w, const struct instruction *i, int lane, uint32_t then, uint32_t who, const char *did)
{
    unsigned id[3];
    thread_of(w->block, (int)(who & MARK_LANE), id);
    if (then < w->block->block_epoch)
        fault(w, i, lane, "data race: another block of this launch %s the same place", did);
    else
        fault(w, i, lane, "data race: thread %u,%u,%u %s the same place, and no barrier is between", id[0], id[1], id[2], did);
}

static uint32_t merged_reader(const struct warp *w, int lane, const struct ptx_mark *m)
{
    uint32_t self = (uint32_t)(w->index * LANES + lane) | w->stage << MARK_STAGE;
    if (m->read != epoch || (m->reader & ~(uint32_t)MARK_WARP) == self)
        return m->read == epoch ? m->reader : self;
    if ((m->reader & MARK_LANE) / LANES == (uint32_t)w->index && !(m->reader & MARK_MANY))
        return m->reader >> MARK_STAGE == self >> MARK_STAGE ? self | MARK_WARP : self;
    return self | MARK_MANY;
}

static void touch(struct warp *w, const struct instruction *i, int lane, struct ptx_mark *m, int access, uint32_t since)
{
    bool atomic = access == ACCESS_ATOMIC;
    if (m->written >= since && !(atomic && m->writer & MARK_ATOMIC) && concurrent(w, lane, m->written, m->writer, since))
        race(w, i, lane, m->written, m->writer, "wrote");
    if (access != ACCESS_READ && m->read >= since && concurrent(w, lane, m->read, m->reader, since))
        race(w, i, lane, m->read, m->reader, "reads");
    if (access != ACCESS_READ) {
        m->written = epoch;
        m->writer = (uint32_t)(w->index * LANES + lane) | w->stage << MARK_STAGE | (atomic ? MARK_ATOMIC : 0);
    } else if (!(m->read >= since && m->read < w->block->block_epoch)) { /* another block's read conflicts with every write */
        m->reader = merged_reader(w, lane, m);
        m->read = epoch;
    }
}

void ptx_forget(struct ptx_region *region)
{
    free(region->shadow);
    region->shadow = NULL;
}

/* ---- memory ---- */

static struct ptx_region *find_region(const struct block *b, uintptr_t address)
{
    const struct ptx_module *m = b->kernel->module;
    for (size_t i = 0; i < m->variables; i++)
        if (address >= m->variable[i].base && address < m->variable[i].base + m->variable[i].bytes)
            return &m->variable[i];
    return b->memory->find(b->memory->of, address);
}

static void touch_global(struct warp *w, const struct instruction *i, int lane, struct ptx_region *r, uintptr_t address,
                         size_t size, int access)
{
    if (!r->shadow && !(r->shadow = calloc(r->bytes, sizeof *r->shadow))) {
        fault(w, i, lane, "no memory to look for races");
        return;
    }
    for (size_t k = 0; k < size; k++)
        touch(w, i, lane, &r->shadow[address - r->base + k], access, w->block->launch_epoch);
}

static bool within(const struct ptx_region *r, uintptr_t address, size_t size)
{
    return address >= r->base && size <= r->bytes && address - r->base <= r->bytes - size;
}

enum { FAR = 1 << 16 }; /* behind an allocation: it is not what was meant */

static char *global_at(struct warp *w, const struct instruction *i, int lane, uint64_t address, size_t size, int access)
{
    struct ptx_region **hint = &w->block->kernel->hint[i - w->block->kernel->code], *r = *hint;
    if (!r || !within(r, address, size)) {
        r = find_region(w->block, address);
        if (!r || address - r->base > r->bytes + FAR) {
            fault(w, i, lane, "address %#" PRIx64 " is in no allocation", address);
            return NULL;
        }
        if (!within(r, address, size)) {
            fault(w, i, lane, "%zu bytes at offset %zu of an allocation of %zu", size, (size_t)(address - r->base), r->bytes);
            return NULL;
        }
        *hint = r;
    }
    if (w->block->memory->races)
        touch_global(w, i, lane, r, address, size, access);
    return (char *)address;
}

static char *shared_at(struct warp *w, const struct instruction *i, int lane, uint64_t at, size_t size, int access)
{
    const struct block *b = w->block;
    const uint8_t *owner = b->kernel->shared_owner;
    if (size > b->shared_bytes || at > b->shared_bytes - size) {
        fault(w, i, lane, "%zu bytes at offset %" PRIu64 " of %zu bytes of shared memory", size, at, b->shared_bytes);
        return NULL;
    }
    if (at < b->static_bytes && (!owner[at] || at + size > b->static_bytes || owner[at + size - 1] != owner[at])) {
        fault(w, i, lane, "%zu bytes at offset %" PRIu64 " of shared memory, outside of every variable", size, at);
        return NULL;
    }
    for (size_t k = 0; b->memory->races && k < size; k++)
        touch(w, i, lane, &b->shared_marks[at + k], access, b->block_epoch);
    return b->shared + at;
}

static char *local_at(struct warp *w, const struct instruction *i, int lane, uint64_t at, size_t size)
{
    size_t bytes = w->block->kernel->local_bytes;
    if (size > bytes || at > bytes - size) {
        fault(w, i, lane, "%zu bytes at offset %" PRIu64 " of %zu bytes of local memory", size, at, bytes);
        return NULL;
    }
    return w->block->local + (size_t)(w->index * LANES + lane) * bytes + at;
}

static char *param_at(struct warp *w, const struct instruction *i, int lane, uint64_t at, size_t size, int access)
{
    size_t bytes = w->block->kernel->param_bytes;
    at = at >= param_window ? at - param_window : at;
    if (size > bytes || at > bytes - size || access != ACCESS_READ) {
        fault(w, i, lane, "%zu bytes at offset %" PRIu64 " of %zu bytes of parameters", size, at, bytes);
        return NULL;
    }
    return w->block->params + at;
}

/* Where a lane's address is in this process; NULL: a fault. */
static char *place(struct warp *w, const struct instruction *i, int lane, uint64_t address, size_t size, int access)
{
    if (address & (size - 1)) {
        fault(w, i, lane, "address %#" PRIx64 " is not a multiple of %zu", address, size);
        return NULL;
    }
    enum space space = i->space;
    if (space == SPACE_GENERIC) {
        static const enum space windows[] = { SPACE_GLOBAL, SPACE_SHARED, SPACE_LOCAL, SPACE_PARAM };
        space = address >> 62 ? SPACE_GLOBAL : windows[address >> 60];
        if (space != SPACE_GLOBAL)
            address &= (UINT64_C(1) << 60) - 1;
    }
    switch (space) {
    case SPACE_SHARED:
        return shared_at(w, i, lane, address, size, access);
    case SPACE_LOCAL:
        return local_at(w, i, lane, address, size);
    case SPACE_PARAM:
        return param_at(w, i, lane, address, size, access);
    default:
        return global_at(w, i, lane, address, size, access);
    }
}

/* All lanes in the allocation where this instruction was last, and nothing to look for: no need to ask lane by lane. */
static bool all_where_it_was(const struct warp *w, const struct instruction *i, const uint64_t *address, size_t size)
{
    const struct ptx_region *r = w->block->kernel->hint[i - w->block->kernel->code];
    if (!r || w->block->memory->races || (i->space != SPACE_GLOBAL && i->space != SPACE_GENERIC))
        return false;
    uint64_t low = UINT64_MAX, high = 0, all = 0;
    for (int l = 0; l < LANES; l++) {
        low = address[l] < low ? address[l] : low;
        high = address[l] > high ? address[l] : high;
        all |= address[l];
    }
    return !(all & (size - 1)) && within(r, low, size) && within(r, high, size);
}

/* at[l]: each active lane's place. false: a fault. */
static bool places(struct warp *w, const struct instruction *i, char *at[LANES], int access)
{
    uint64_t address[LANES];
    size_t size = (size_t)i->bytes * i->elements;
    const void *base = lanes(w, &i->o[0]);
    if (i->o[0].width == 8)
        for (int l = 0; l < LANES; l++)
            address[l] = ((const u64 *)base)[l] + (uint64_t)i->offset;
    else
        for (int l = 0; l < LANES; l++)
            address[l] = (u32)(((const u32 *)base)[l] + (uint32_t)i->offset);
    if (w->mask != every_lane) {
        uint64_t some = address[__builtin_ctz(w->mask)];
        for (int l = 0; l < LANES; l++)
            address[l] = w->on[l] ? address[l] : some;
    }
    if (all_where_it_was(w, i, address, size)) {
        memcpy(at, address, sizeof address);
        return true;
    }
    for (int l = 0; l < LANES; l++)
        if (w->on[l])
            at[l] = place(w, i, l, address[l], size, access);
    return !failed(w);
}

/* All lanes, one number each, side by side in memory: what most loads and stores are. */
static bool side_by_side(const struct warp *w, const struct instruction *i, char *const at[LANES])
{
    if (w->mask != every_lane || i->elements != 1 || i->bytes != 4 || i->o[1].width != 4)
        return false;
    bool apart = false;
    for (int l = 1; l < LANES; l++)
        apart |= at[l] != at[0] + 4 * l;
    return !apart;
}

#define LOAD_LANES(type) \
    for (int l = 0; l < LANES; l++) { \
        type x; \
        if (!w->on[l]) \
            continue; \
        memcpy(&x, at[l] + e * (int)sizeof x, sizeof x); \
        if (o->width == 8) \
            ((u64 *)r)[l] = (u64)x; \
        else \
            ((u32 *)r)[l] = (u32)x; \
    } \
    break

void ptx_ld(struct warp *w, const struct instruction *i)
{
    char *at[LANES];
    if (!places(w, i, at, ACCESS_READ))
        return;
    if (side_by_side(w, i, at)) {
        memcpy(lanes(w, &i->o[1]), at[0], 4 * LANES);
        return;
    }
    for (int e = 0; e < i->elements; e++) {
        const struct operand *o = &i->o[1 + e];
        void *r = lanes(w, o);
        switch (i->bytes * 2 + i->is_signed) {
        case 2: LOAD_LANES(uint8_t);
        case 3: LOAD_LANES(int8_t);
        case 4: LOAD_LANES(uint16_t);
        case 5: LOAD_LANES(int16_t);
        case 8: LOAD_LANES(uint32_t);
        case 9: LOAD_LANES(int32_t);
        default: LOAD_LANES(uint64_t);
        }
    }
}

void ptx_st(struct warp *w, const struct instruction *i)
{
    char *at[LANES];
    if (!places(w, i, at, ACCESS_WRITE))
        return;
    if (side_by_side(w, i, at)) {
        memcpy(at[0], lanes(w, &i->o[1]), 4 * LANES);
        return;
    }
    for (int e = 0; e < i->elements; e++) {
        const struct operand *o = &i->o[1 + e];
        const char *from = lanes(w, o);
        for (int l = 0; l < LANES; l++) /* the lowest bytes come first */
            if (w->on[l])
                memcpy(at[l] + e * i->bytes, from + l * o->width, i->bytes);
    }
}

enum atomic { ATOMIC_ADD, ATOMIC_MIN, ATOMIC_MAX, ATOMIC_EXCH, ATOMIC_CAS, ATOMIC_AND, ATOMIC_OR, ATOMIC_XOR, ATOMIC_INC,
              ATOMIC_DEC };

int ptx_atomic(const char *operation, const char *type)
{
    static const struct { const char *name; const char *types; } all[] = {
        { "add", "u32 s32 u64 f32 f64" }, { "min", "u32 s32 u64 s64" }, { "max", "u32 s32 u64 s64" }, { "exch", "b32 b64" },
        { "cas", "b32 b64" }, { "and", "b32 b64" }, { "or", "b32 b64" }, { "xor", "b32 b64" }, { "inc", "u32" }, { "dec", "u32" },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, operation))
            return strstr(all[i].types, type) ? (int)i : -1;
    return -1;
}

static uint64_t add_floats(uint64_t a, uint64_t b, size_t bytes)
{
    float f[2];
    double d[2];
    uint64_t sum = 0;
    if (bytes == 8) {
        memcpy(&d[0], &a, 8);
        memcpy(&d[1], &b, 8);
        d[0] += d[1];
        memcpy(&sum, &d[0], 8);
    } else {
        memcpy(&f[0], &a, 4);
        memcpy(&f[1], &b, 4);
        f[0] += f[1];
        memcpy(&sum, &f[0], 4);
    }
    return sum;
}

static uint64_t combine(const struct instruction *i, uint64_t old, uint64_t b, uint64_t c)
{
    int64_t sold = i->bytes == 4 ? (int32_t)old : (int64_t)old, sb = i->bytes == 4 ? (int32_t)b : (int64_t)b;
    bool less = i->is_signed ? sb < sold : b < old;
    switch ((enum atomic)i->mode) {
    case ATOMIC_ADD: return i->is_float ? add_floats(old, b, i->bytes) : old + b;
    case ATOMIC_MIN: return less ? b : old;
    case ATOMIC_MAX: return less ? old : b;
    case ATOMIC_EXCH: return b;
    case ATOMIC_CAS: return old == b ? c : old;
    case ATOMIC_AND: return old & b;
    case ATOMIC_OR: return old | b;
    case ATOMIC_XOR: return old ^ b;
    case ATOMIC_INC: return old >= b ? 0 : old + 1;
    case ATOMIC_DEC: return old == 0 || old > b ? b : old - 1;
    }
    return 0;
}

static uint64_t lane_of(const struct warp *w, const struct operand *o, int l)
{
    return o->width == 8 ? ((const u64 *)lanes(w, o))[l] : ((const u32 *)lanes(w, o))[l];
}

static void set_lane(const struct warp *w, const struct operand *o, int l, uint64_t value)
{
    if (o->width == 8)
        ((u64 *)lanes(w, o))[l] = value;
    else
        ((u32 *)lanes(w, o))[l] = (u32)value;
}

void ptx_atom(struct warp *w, const struct instruction *i)
{
    char *at[LANES];
    if (!places(w, i, at, ACCESS_ATOMIC))
        return;
    for (int l = 0; l < LANES; l++) {
        uint64_t old = 0;
        if (!w->on[l])
            continue;
        memcpy(&old, at[l], i->bytes);
        uint64_t result = combine(i, old, lane_of(w, &i->o[2], l), i->o[3].width ? lane_of(w, &i->o[3], l) : 0);
        memcpy(at[l], &result, i->bytes);
        set_lane(w, &i->o[1], l, old);
    }
}

void ptx_mov_pack(struct warp *w, const struct instruction *i)
{
    for (int l = 0; l < LANES; l++) {
        uint64_t value = 0;
        for (int e = 0; e < i->elements; e++)
            value |= (lane_of(w, &i->o[1 + e], l) & ones(8 * i->bytes)) << 8 * i->bytes * e;
        if (w->on[l])
            set_lane(w, &i->o[0], l, value);
    }
}

void ptx_mov_unpack(struct warp *w, const struct instruction *i)
{
    for (int l = 0; l < LANES; l++) {
        uint64_t value = lane_of(w, &i->o[0], l);
        for (int e = 0; e < i->elements && w->on[l]; e++)
            set_lane(w, &i->o[1 + e], l, value >> 8 * i->bytes * e & ones(8 * i->bytes));
    }
}

/* ---- the warp together ---- */

void ptx_warp_barrier(struct warp *w, const struct instruction *i)
{
    (void)i;
    w->stage++;
}

/* The lane that lane l reads; `in`: whether that is within the segment. As the PTX manual's shfl. */
static int source_lane(enum shuffle mode, int l, uint32_t by, uint32_t clamp, bool *in)
{
    int segment = (int)(clamp >> 8 & 31), shift = (int)(by & 31), c = (int)(clamp & 31);
    int most = (l & segment) | (c & ~segment), least = l & segment, j = l;
    if (mode == SHFL_UP)
        j = l - shift;
    else if (mode == SHFL_DOWN)
        j = l + shift;
    else if (mode == SHFL_BFLY)
        j = l ^ shift;
    else
        j = least | (shift & ~segment);
    *in = mode == SHFL_UP ? j >= most : j <= most;
    return *in ? j : l;
}

void ptx_shfl(struct warp *w, const struct instruction *i)
{
    u32 from[LANES], *r = lanes(w, &i->o[1]), *p = lanes(w, &i->o[2]);
    const u32 *by = lanes(w, &i->o[4]), *clamp = lanes(w, &i->o[5]);
    memcpy(from, lanes(w, &i->o[3]), sizeof from);
    for (int l = 0; l < LANES; l++) {
        bool in;
        if (!w->on[l])
            continue;
        int j = source_lane((enum shuffle)i->mode, l, by[l], clamp[l], &in);
        if (!w->on[j]) {
            fault(w, i, l, "it reads lane %d, which does not take part", j);
            return;
        }
        r[l] = from[j];
        p[l] = in;
    }
}

void ptx_vote(struct warp *w, const struct instruction *i)
{
    const u32 *p = lanes(w, &i->o[2]);
    uint32_t votes = 0;
    for (int l = 0; l < LANES; l++)
        votes |= (uint32_t)((p[l] != 0) != i->o[2].negated) << l;
    votes &= w->mask;
    uint32_t result = i->mode == VOTE_BALLOT ? votes : i->mode == VOTE_ALL ? votes == w->mask : i->mode == VOTE_ANY ? votes != 0
                                                     : votes == 0 || votes == w->mask;
    for (int l = 0; l < LANES; l++)
        if (w->on[l])
            set_lane(w, &i->o[1], l, result);
}

/* ---- control ---- */

static void set_mask(struct warp *w, uint32_t mask)
{
    w->mask = mask;
    w->all = (mask | w->absent) == every_lane; /* what is written to lanes that are not there does not matter */
    for (int l = 0; l < LANES; l++)
        w->on[l] = mask >> l & 1 ? every_lane : 0;
}

static uint32_t chosen(const struct warp *w, const struct instruction *i)
{
    if (!i->guard.width)
        return w->mask;
    const u32 *p = lanes(w, &i->guard);
    uint32_t yes = 0;
    for (int l = 0; l < LANES; l++)
        yes |= (uint32_t)(p[l] != 0) << l;
    return (i->guard.negated ? ~yes : yes) & w->mask;
}

static void go(struct warp *w, uint32_t who, int pc)
{
    for (int l = 0; l < LANES; l++)
        if (who >> l & 1)
            w->pc[l] = pc;
}

static void run_guarded(struct warp *w, const struct instruction *i)
{
    uint32_t mask = w->mask, some = chosen(w, i);
    if (!some)
        return;
    set_mask(w, some);
    i->run(w, i);
    set_mask(w, mask);
}

/* Those that the instruction's mask names, less those that are gone; it must be the same in each lane and name itself. */
static uint32_t members(struct warp *w, const struct instruction *i, uint32_t who)
{
    const u32 *named = lanes(w, &i->o[0]);
    uint32_t first = named[__builtin_ctz(who)];
    for (int l = 0; l < LANES; l++)
        if (who >> l & 1 && (named[l] != first || !(first >> l & 1)))
            fault(w, i, l, "it names lanes %#x, lane %d names %#x", named[l], __builtin_ctz(who), first);
    return first & ~w->absent;
}

/* Lanes that wait at one instruction go on when all that it names are there. */
static bool release_waiting(struct warp *w)
{
    for (uint32_t left = w->waiting; left && !failed(w);) {
        uint32_t group = 0;
        int pc = w->pc[__builtin_ctz(left)];
        for (int l = 0; l < LANES; l++)
            group |= (uint32_t)(left >> l & 1 && w->pc[l] == pc) << l;
        left &= ~group;
        const struct instruction *i = &w->block->kernel->code[pc];
        if (members(w, i, group) != group)
            continue;
        set_mask(w, group);
        i->run(w, i);
        w->waiting &= ~group;
        w->running |= group;
        go(w, group, pc + 1);
        return true;
    }
    return false;
}

/* A control instruction at pc: 0 when the group goes on at *pc, 1 when it comes apart or stops. */
static int control(struct warp *w, const struct instruction *i, int *pc)
{
    uint32_t some = chosen(w, i), rest = w->mask & ~some;
    if (!some) {
        ++*pc;
        return 0;
    }
    if (i->kind == KIND_BRANCH && !rest) {
        *pc = i->target;
        return 0;
    }
    go(w, rest, *pc + 1);
    go(w, some, *pc);
    switch (i->kind) {
    case KIND_BRANCH:
        go(w, some, i->target);
        break;
    case KIND_TABLE:
        for (int l = 0; l < LANES; l++) {
            u32 value = ((const u32 *)lanes(w, &i->o[0]))[l];
            if (!(some >> l & 1))
                continue;
            if (value >= (u32)i->target)
                fault(w, i, l, "branch %u of a table of %d", value, i->target);
            else
                w->pc[l] = i->targets[value];
        }
        break;
    case KIND_WARP:
        w->running &= ~some;
        w->waiting |= some;
        break;
    case KIND_BARRIER:
        w->running &= ~some;
        w->at_barrier |= some;
        break;
    case KIND_EXIT:
        w->running &= ~some;
        w->absent |= some;
        break;
    default:
        fault(w, i, __builtin_ctz(some), "it was reached");
    }
    return 1;
}

/* Runs the lanes at the lowest place until they come apart, stop, or meet others. */
static void run_group(struct warp *w)
{
    const struct ptx_kernel *k = w->block->kernel;
    int pc = INT32_MAX, next = INT32_MAX;
    uint32_t group = 0;
    for (int l = 0; l < LANES; l++)
        if (w->running >> l & 1 && w->pc[l] < pc)
            pc = w->pc[l];
    for (int l = 0; l < LANES; l++) {
        if (!(w->running >> l & 1))
            continue;
        if (w->pc[l] == pc)
            group |= UINT32_C(1) << l;
        else if (w->pc[l] < next)
            next = w->pc[l];
    }
    set_mask(w, group);
    while (pc < next) {
        const struct instruction *i = &k->code[pc];
        k->executed[pc]++;
        executed++;
        if (i->kind <= KIND_MEMORY) {
            if (i->guard.width)
                run_guarded(w, i);
            else
                i->run(w, i);
            pc++;
        } else if (i->kind == KIND_WARP && !i->guard.width && members(w, i, group) == group) {
            i->run(w, i);
            pc++;
        } else if (control(w, i, &pc)) {
            return;
        }
        if (i->kind != KIND_PLAIN && failed(w))
            return;
    }
    go(w, group, pc);
}

/* ---- blocks ---- */

static void start_warp(struct block *b, int index)
{
    struct warp *w = &b->warp[index];
    const unsigned *n = b->launch->block;
    int here = b->threads - index * LANES < LANES ? b->threads - index * LANES : LANES;
    uint32_t exist = (uint32_t)ones((uint32_t)here);
    *w = (struct warp){ .block = b, .index = index, .running = exist, .absent = ~exist };
    w->bank[BANK_REGISTERS] = b->registers + (size_t)index * b->kernel->register_bytes;
    w->bank[BANK_CONSTANTS] = b->kernel->constants;
    w->bank[BANK_SPECIALS] = (char *)w->specials;
    for (int l = 0; l < LANES; l++) {
        unsigned id[3];
        uint32_t bit = UINT32_C(1) << l, below = bit - 1;
        thread_of(b, index * LANES + l, id);
        for (int k = 0; k < 3; k++) {
            w->specials[TID_X + k][l] = id[k];
            w->specials[NTID_X + k][l] = n[k];
            w->specials[CTAID_X + k][l] = b->at[k];
            w->specials[NCTAID_X + k][l] = b->launch->grid[k];
        }
        w->specials[LANEID][l] = (uint32_t)l;
        w->specials[WARPID][l] = (uint32_t)index;
        w->specials[LANEMASK_EQ][l] = bit;
        w->specials[LANEMASK_LT][l] = below;
        w->specials[LANEMASK_LE][l] = below | bit;
        w->specials[LANEMASK_GT][l] = ~(below | bit);
        w->specials[LANEMASK_GE][l] = ~below;
    }
}

/* All warps have stopped: at a barrier that all threads have reached, or somewhere they will never leave. */
static void pass_barrier(struct block *b)
{
    int arrived = 0, place = -1;
    struct warp *first = NULL;
    int lane = 0;
    for (int k = 0; k < b->warps; k++) {
        struct warp *w = &b->warp[k];
        if (w->waiting)
            fault(w, &b->kernel->code[w->pc[__builtin_ctz(w->waiting)]], __builtin_ctz(w->waiting),
                  "it waits for lanes of its warp that never come");
        for (int l = 0; l < LANES; l++) {
            if (!(w->at_barrier >> l & 1))
                continue;
            arrived++;
            if (first && w->pc[l] != place)
                fault(w, &b->kernel->code[w->pc[l]], l, "barrier divergence: other threads wait at line %d",
                      b->kernel->code[place].line);
            if (!first) {
                first = w;
                lane = l;
                place = w->pc[l];
            }
        }
    }
    if (first && arrived < b->threads)
        fault(first, &b->kernel->code[place], lane, "barrier divergence: %d of %d threads have reached it, the others have exited",
              arrived, b->threads);
    for (int k = 0; k < b->warps; k++) {
        struct warp *w = &b->warp[k];
        w->running = w->at_barrier;
        w->at_barrier = 0;
        go(w, w->running, place + 1);
    }
    epoch++;
}

static void run_block(struct block *b)
{
    const struct ptx_kernel *k = b->kernel;
    b->block_epoch = ++epoch;
    memset(b->registers, 0xff, (size_t)b->warps * k->register_bytes);
    memset(b->local, 0xff, (size_t)b->warps * LANES * k->local_bytes);
    memset(b->shared, 0xff, b->shared_bytes);
    for (int i = 0; i < b->warps; i++)
        start_warp(b, i);
    for (bool live = true; live && !b->fault->text[0];) {
        for (int i = 0; i < b->warps; i++)
            while ((b->warp[i].running || release_waiting(&b->warp[i])) && !b->fault->text[0])
                run_group(&b->warp[i]);
        if (b->fault->text[0])
            return;
        live = false;
        for (int i = 0; i < b->warps; i++)
            live = live || b->warp[i].absent != every_lane;
        if (live)
            pass_barrier(b);
    }
}

static int start(struct block *b, struct ptx_fault *fault)
{
    const struct ptx_kernel *k = b->kernel;
    const unsigned *n = b->launch->block, *grid = b->launch->grid;
    uint64_t threads = (uint64_t)n[0] * n[1] * n[2];
    if (threads == 0 || threads > 1024 || !grid[0] || !grid[1] || !grid[2]) {
        snprintf(fault->text, sizeof fault->text, "kernel %s: %u,%u,%u blocks of %u,%u,%u threads", k->name, grid[0], grid[1],
                 grid[2], n[0], n[1], n[2]);
        return -1;
    }
    b->threads = (int)threads;
    b->warps = (b->threads + LANES - 1) / LANES;
    b->static_bytes = k->shared_bytes;
    b->shared_bytes = k->shared_bytes;
    if (b->launch->dynamic_shared)
        b->shared_bytes = (k->shared_bytes ? k->shared_bytes + 31 : 0) / 16 * 16 + b->launch->dynamic_shared;
    b->warp = aligned_alloc(64, (sizeof *b->warp * (size_t)b->warps + 63) / 64 * 64);
    b->registers = aligned_alloc(64, ((size_t)b->warps * k->register_bytes + 64) / 64 * 64);
    b->local = malloc((size_t)b->warps * LANES * k->local_bytes + 1);
    b->shared = aligned_alloc(64, (b->shared_bytes + 64) / 64 * 64);
    b->shared_marks = b->memory->races ? calloc(b->shared_bytes + 1, sizeof *b->shared_marks) : NULL;
    b->params = calloc(1, k->param_bytes + 1);
    if (!b->warp || !b->registers || !b->local || !b->shared || !b->params || (b->memory->races && !b->shared_marks)) {
        snprintf(fault->text, sizeof fault->text, "kernel %s: out of memory", k->name);
        return -1;
    }
    for (size_t i = 0; i < k->params; i++)
        memcpy(b->params + k->param[i].offset, b->launch->args[i], k->param[i].bytes);
    return 0;
}

int ptx_run(const struct ptx_kernel *kernel, const struct ptx_launch *launch, const struct ptx_memory *memory,
            struct ptx_fault *fault)
{
    struct block b = { .kernel = kernel, .launch = launch, .memory = memory, .fault = fault, .launch_epoch = ++epoch };
    fault->text[0] = 0;
    if (!start(&b, fault))
        for (b.at[2] = 0; b.at[2] < launch->grid[2] && !fault->text[0]; b.at[2]++)
            for (b.at[1] = 0; b.at[1] < launch->grid[1] && !fault->text[0]; b.at[1]++)
                for (b.at[0] = 0; b.at[0] < launch->grid[0] && !fault->text[0]; b.at[0]++)
                    run_block(&b);
    free(b.warp);
    free(b.registers);
    free(b.local);
    free(b.shared);
    free(b.shared_marks);
    free(b.params);
    return fault->text[0] ? -1 : 0;
}
