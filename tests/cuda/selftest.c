/* selftest.c -- the interpreter itself: kernels of selftest.cu as nvcc wrote them, against plain C; and faults that it must
 * find. argv: the PTX files (the same kernels for several architectures), then "--bugs" and those of wrong variants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regions.h"

static const char *const *file; /* of the sound kernels; NULL at the end */
static const char *const *bug;

/* ---- modules and memory ---- */

static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail_msg("%s cannot be opened", path);
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, size + 1);
    assert_true(fread(text, 1, size, f) == size);
    fclose(f);
    return text;
}

static struct ptx_module *load(const char *path)
{
    struct ptx_module *module;
    struct ptx_fault fault = { "" };
    char *text = slurp(path);
    if (ptx_load(&module, text, &fault))
        fail_msg("%s: %s", path, fault.text);
    free(text);
    return module;
}

static void *on_gpu(const void *from, size_t bytes)
{
    void *p = region_alloc(0, bytes);
    regions_open();
    if (from)
        memcpy(p, from, bytes);
    regions_close();
    return p;
}

static void from_gpu(void *to, void *from, size_t bytes)
{
    regions_open();
    memcpy(to, from, bytes);
    regions_close();
    assert_int_equal(region_free(from), 0);
}

struct size {
    unsigned x, y, z;
};

/* The fault's text, "" when there is none. */
static const char *run(const struct ptx_module *m, const char *name, struct size grid, struct size block, size_t shared,
                       void *const *args)
{
    static struct ptx_fault fault;
    struct ptx_memory memory = { region_find, NULL, true };
    struct ptx_launch launch = { { grid.x, grid.y, grid.z }, { block.x, block.y, block.z }, shared, args };
    const struct ptx_kernel *kernel = ptx_find(m, name);
    assert_non_null(kernel);
    regions_open();
    int rc = ptx_run(kernel, &launch, &memory, &fault);
    regions_close();
    assert_int_equal(rc, fault.text[0] ? -1 : 0);
    return fault.text;
}

#define ARGS(...) (void *[]){ __VA_ARGS__ }
#define RUN(m, name, grid, block, shared, ...) \
    do { \
        const char *said = run(m, name, (struct size)grid, (struct size)block, shared, ARGS(__VA_ARGS__)); \
        if (said[0]) \
            fail_msg("%s", said); \
    } while (0)
#define SIZE(...) { __VA_ARGS__ }

static void near(double got, double want, double tolerance, const char *what, int i)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s %d: %.9g, not %.9g", what, i, got, want);
}

static void random_floats(float *x, int n, unsigned seed)
{
    for (int i = 0; i < n; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)(seed >> 8) / (1 << 22) - 2;
    }
}

/* ---- sound kernels ---- */

enum { N = 1000 };

static void saxpy(const struct ptx_module *m)
{
    float x[N], y[N], got[N], a = 2.5f;
    int n = N;
    random_floats(x, N, 1);
    random_floats(y, N, 2);
    void *dx = on_gpu(x, sizeof x), *dy = on_gpu(y, sizeof y);
    RUN(m, "saxpy", SIZE(4, 1, 1), SIZE(256, 1, 1), 0, &a, &dx, &dy, &n);
    from_gpu(got, dy, sizeof got);
    for (int i = 0; i < N; i++)
        assert_true(got[i] == fmaf(a, x[i], y[i])); /* the same bits */
    region_free(dx);
}

static void reduce(const struct ptx_module *m)
{
    float x[N], got[2];
    double want = 0;
    int n = N;
    random_floats(x, N, 3);
    for (int i = 0; i < N; i++)
        want += (double)x[i];
    void *dx = on_gpu(x, sizeof x), *out = on_gpu(NULL, sizeof got);
    RUN(m, "reduce", SIZE(2, 1, 1), SIZE(256, 1, 1), 0, &dx, &out, &n);
    from_gpu(got, out, sizeof got);
    near((double)got[0] + (double)got[1], want, 1e-4, "sum", 0);
    region_free(dx);
}

static void softmax(const struct ptx_module *m)
{
    enum { ROWS = 7, COLUMNS = 53 };
    float x[ROWS * COLUMNS], y[ROWS * COLUMNS];
    int columns = COLUMNS;
    random_floats(x, ROWS * COLUMNS, 4);
    void *dx = on_gpu(x, sizeof x), *dy = on_gpu(NULL, sizeof y);
    RUN(m, "softmax", SIZE(ROWS, 1, 1), SIZE(32, 1, 1), 0, &dx, &dy, &columns);
    from_gpu(y, dy, sizeof y);
    for (int r = 0; r < ROWS; r++) {
        double sum = 0;
        for (int c = 0; c < COLUMNS; c++)
            sum += exp((double)x[r * COLUMNS + c]);
        for (int c = 0; c < COLUMNS; c++)
            near((double)y[r * COLUMNS + c], exp((double)x[r * COLUMNS + c]) / sum, 1e-7, "softmax", r * COLUMNS + c);
    }
    region_free(dx);
}

static void product(const struct ptx_module *m)
{
    enum { ROWS = 37, COLUMNS = 45, INNER = 53 };
    float a[ROWS * INNER], b[INNER * COLUMNS], c[ROWS * COLUMNS];
    int rows = ROWS, columns = COLUMNS, inner = INNER;
    random_floats(a, ROWS * INNER, 5);
    random_floats(b, INNER * COLUMNS, 6);
    void *da = on_gpu(a, sizeof a), *db = on_gpu(b, sizeof b), *dc = on_gpu(NULL, sizeof c);
    RUN(m, "product", SIZE(3, 3, 1), SIZE(16, 16, 1), 0, &da, &db, &dc, &rows, &columns, &inner);
    from_gpu(c, dc, sizeof c);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            double sum = 0;
            for (int k = 0; k < INNER; k++)
                sum += (double)a[i * INNER + k] * (double)b[k * COLUMNS + j];
            near((double)c[i * COLUMNS + j], sum, 1e-5, "product", i * COLUMNS + j);
        }
    region_free(da);
    region_free(db);
}

static void histogram(const struct ptx_module *m)
{
    int x[N], counts[16] = { 0 }, got[16], n = N, largest = -5, want[16] = { 0 }, most = -5;
    float sum = 0;
    double all = 0;
    for (int i = 0; i < N; i++) {
        x[i] = (i * 7919) % 1013;
        want[x[i] & 15]++;
        all += 0.5 * x[i];
        most = x[i] > most ? x[i] : most;
    }
    void *dx = on_gpu(x, sizeof x), *dc = on_gpu(counts, sizeof counts), *ds = on_gpu(&sum, sizeof sum),
         *dl = on_gpu(&largest, sizeof largest);
    RUN(m, "histogram", SIZE(4, 1, 1), SIZE(256, 1, 1), 0, &dx, &dc, &ds, &dl, &n);
    from_gpu(got, dc, sizeof got);
    from_gpu(&sum, ds, sizeof sum);
    from_gpu(&largest, dl, sizeof largest);
    assert_memory_equal(got, want, sizeof want);
    near((double)sum, all, 1, "sum", 0);
    assert_int_equal(largest, most);
    region_free(dx);
}

static void indices(const struct ptx_module *m)
{
    long quotient[N], remainder[N], n = N, by = -977;
    void *dq = on_gpu(NULL, sizeof quotient), *dr = on_gpu(NULL, sizeof remainder);
    RUN(m, "indices", SIZE(4, 1, 1), SIZE(256, 1, 1), 0, &dq, &dr, &n, &by);
    from_gpu(quotient, dq, sizeof quotient);
    from_gpu(remainder, dr, sizeof remainder);
    for (long i = 0; i < N; i++) {
        long large = (i << 33) - 12345;
        assert_int_equal(quotient[i], large / by);
        assert_int_equal(remainder[i], large % by);
    }
}

static void collatz(const struct ptx_module *m)
{
    int x[N], steps[N], n = N;
    for (int i = 0; i < N; i++)
        x[i] = 1 + i * 37 % 511;
    void *dx = on_gpu(x, sizeof x), *ds = on_gpu(NULL, sizeof steps);
    RUN(m, "collatz", SIZE(8, 1, 1), SIZE(128, 1, 1), 0, &dx, &ds, &n);
    from_gpu(steps, ds, sizeof steps);
    for (int i = 0; i < N; i++) {
        long at = x[i];
        int count = 0;
        while (at != 1) {
            if (at % 2) {
                at = 3 * at + 1;
                count += 100 * (int)(at & 3);
            } else {
                at /= 2;
            }
            count++;
        }
        assert_int_equal(steps[i], count);
    }
    region_free(dx);
}

static void choices(const struct ptx_module *m)
{
    struct { int add[4]; double times; } choice = { { 5, 6, -7, 8 }, 0.75 };
    enum { BLOCK = 96 };
    static const float table[4] = { 1, 10, 100, 1000 };
    float x[BLOCK];
    double y[BLOCK];
    unsigned counts[3];
    int n = 90;
    random_floats(x, BLOCK, 7);
    void *dx = on_gpu(x, sizeof x), *dy = on_gpu(NULL, sizeof y), *dc = on_gpu(NULL, sizeof counts);
    RUN(m, "choices", SIZE(1, 1, 1), SIZE(BLOCK, 1, 1), BLOCK * sizeof(float), &choice, &dx, &dy, &dc, &n);
    from_gpu(y, dy, sizeof y);
    for (int i = 0; i < n; i++) {
        float local[8];
        for (int k = 0; k < 8; k++)
            local[(k + i) & 7] = (float)k;
        float mirror = BLOCK - 1 - i < n ? x[BLOCK - 1 - i] : 0, v = fmaf(mirror, table[i & 3], local[i * 5 & 7]);
        const float ways[] = { v + 1, v * 3, sqrtf(fabsf(v)), -v, rintf(v), (float)(int)v, log1pf(fabsf(v)) };
        near(y[i], (double)ways[i % 7] * choice.times + choice.add[i & 3], 1e-3, "choice", i);
    }
    from_gpu(counts, dc, sizeof counts);
    assert_int_equal(counts[0], 0);
    region_free(dx);
}

static float as_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&x, &bits, sizeof bits);
    return x;
}

static void conversions(const struct ptx_module *m)
{
    float x[N], bf16[N], f16[N];
    unsigned char u8[N];
    unsigned bits[N];
    int n = N;
    random_floats(x, N, 8);
    x[0] = 1.00390625f; /* half way between two bf16: to even */
    void *dx = on_gpu(x, sizeof x), *db = on_gpu(NULL, sizeof bf16), *dh = on_gpu(NULL, sizeof f16), *du = on_gpu(NULL, sizeof u8),
         *di = on_gpu(NULL, sizeof bits);
    RUN(m, "conversions", SIZE(4, 1, 1), SIZE(256, 1, 1), 0, &dx, &db, &dh, &du, &di, &n);
    from_gpu(bf16, db, sizeof bf16);
    from_gpu(f16, dh, sizeof f16);
    from_gpu(u8, du, sizeof u8);
    from_gpu(bits, di, sizeof bits);
    for (int i = 0; i < N; i++) {
        unsigned b, reversed = 0;
        memcpy(&b, &x[i], sizeof b);
        for (int k = 0; k < 32; k++)
            reversed |= (b >> k & 1) << (31 - k);
        assert_true(bf16[i] == as_bf16(x[i]));
        near((double)f16[i], (double)x[i], 0x1p-11 * fabs((double)x[i]) + 1e-7, "f16", i);
        assert_int_equal(u8[i], (unsigned char)fminf(fmaxf(x[i] * 255, 0), 255));
        assert_int_equal(bits[i], (unsigned)__builtin_popcount(b) + ((b ? (unsigned)__builtin_clz(b)
                                                                      : 32) << 8) + (reversed & 0xff0000) +
                                      ((~b << 5 | b >> 27) & 0xff000000u));
    }
    region_free(dx);
}

static void vectors(const struct ptx_module *m)
{
    float x[4 * N], y[4 * N];
    int n = N;
    random_floats(x, 4 * N, 9);
    void *dx = on_gpu(x, sizeof x), *dy = on_gpu(NULL, sizeof y);
    RUN(m, "vectors", SIZE(4, 1, 1), SIZE(256, 1, 1), 0, &dx, &dy, &n);
    from_gpu(y, dy, sizeof y);
    for (int i = 0; i < N; i++) {
        const float *a = x + 4 * i, *b = y + 4 * i;
        assert_true(b[0] == a[3] && b[1] == a[2] + a[0] && b[2] == a[1] && b[3] == a[0]);
    }
    region_free(dx);
}

static void votes(const struct ptx_module *m)
{
    int x[32], down[32], n = 32;
    unsigned ballot[32], want = 0;
    for (int i = 0; i < 32; i++) {
        x[i] = i * 11 % 7 - 3;
        want |= (unsigned)(x[i] > 0) << i;
    }
    void *dx = on_gpu(x, sizeof x), *db = on_gpu(NULL, sizeof ballot), *dd = on_gpu(NULL, sizeof down);
    RUN(m, "votes", SIZE(1, 1, 1), SIZE(32, 1, 1), 0, &dx, &db, &dd, &n);
    from_gpu(ballot, db, sizeof ballot);
    from_gpu(down, dd, sizeof down);
    for (int i = 0; i < 32; i++) {
        int value = i % 16 + 3 < 16 ? x[i + 3] : x[i];
        if (x[i] > 0)
            value += 1000 * __builtin_popcount(want) + x[__builtin_ctz(want)];
        assert_int_equal(ballot[i], want);
        assert_int_equal(down[i], value);
    }
    region_free(dx);
}

static void sound_kernels(void **state)
{
    (void)state;
    static void (*const all[])(const struct ptx_module *) = {
        saxpy, reduce, softmax, product, histogram, indices, collatz, choices, conversions, vectors, votes,
    };
    for (const char *const *f = file; *f; f++) {
        struct ptx_module *m = load(*f);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            all[i](m);
        ptx_free(m);
    }
    assert_int_equal(regions_count(), 0);
}

/* ---- faults ---- */

static void expect(const char *said, const char *what)
{
    if (!strstr(said, what))
        fail_msg("it says \"%s\", not \"%s\"", said, what);
}

static void faults(void **state)
{
    (void)state;
    struct ptx_module *m = load(file[0]);
    float zeros[96] = { 0 };
    int numbers[32] = { 0, 1, 2, 3, 4 };
    int n = 64, few = 20;
    void *x = on_gpu(zeros, 64 * sizeof *zeros), *y = on_gpu(zeros, sizeof zeros), *k = on_gpu(numbers, sizeof numbers);
    const struct size one = { 1, 1, 1 }, two = { 2, 1, 1 }, b32 = { 32, 1, 1 }, b64 = { 64, 1, 1 }, b96 = { 96, 1, 1 };
    const char *said = run(m, "past_the_end", one, b96, 0, ARGS(&x, &n));
    expect(said, "kernel past_the_end, PTX line");
    expect(said, "'st.global");
    expect(said, "thread 64,0,0: 4 bytes at offset 256 of an allocation of 256");
    expect(run(m, "past_shared", one, b64, 0, ARGS(&x)), "outside of every variable");
    expect(run(m, "diverging", one, b64, 0, ARGS(&y, &few)), "barrier divergence: other threads wait at line");
    expect(run(m, "exit_early", one, b64, 0, ARGS(&y, &few)), "barrier divergence: 20 of 64 threads");
    expect(run(m, "blocks_collide", two, b32, 0, ARGS(&x)), "data race: another block of this launch wrote");
    assert_string_equal(run(m, "blocks_collide", one, b32, 0, ARGS(&x)), "");
    expect(run(m, "warp_race", one, b32, 0, ARGS(&x)), "data race: thread 31,0,0 wrote the same place");
    expect(run(m, "misaligned", one, b32, 0, ARGS(&y)), "is not a multiple of 4");
    expect(run(m, "lost_shuffle", one, b32, 0, ARGS(&y)), "it waits for lanes of its warp that never come");
    expect(run(m, "trapped", one, b32, 0, ARGS(&k)), "thread 3,0,0: it was reached");
    void *nowhere = (void *)(uintptr_t)0x10000;
    expect(run(m, "past_the_end", one, b32, 0, ARGS(&nowhere, &n)), "is in no allocation");
    assert_int_equal(region_free(x), 0);
    assert_int_equal(region_free(y), 0);
    assert_int_equal(region_free(k), 0);
    ptx_free(m);
}

/* bug[0]: without the barrier of reduce; bug[1]: product reads one too far; bug[2]: warp_race with __syncwarp, which is sound. */
static void seeded_bugs(void **state)
{
    (void)state;
    float a[53 * 45];
    int n = 600, rows = 37, columns = 45, inner = 53;
    random_floats(a, 53 * 45, 10);
    void *x = on_gpu(a, 37 * 53 * sizeof *a), *y = on_gpu(a, sizeof a), *out = on_gpu(NULL, sizeof a);
    struct ptx_module *m = load(bug[0]);
    expect(run(m, "reduce", (struct size){ 2, 1, 1 }, (struct size){ 256, 1, 1 }, 0, ARGS(&x, &out, &n)), "data race: thread");
    ptx_free(m);
    m = load(bug[1]);
    expect(run(m, "product", (struct size){ 3, 3, 1 }, (struct size){ 16, 16, 1 }, 0, ARGS(&x, &y, &out, &rows, &columns, &inner)),
           "of an allocation of");
    ptx_free(m);
    m = load(bug[2]);
    assert_string_equal(run(m, "warp_race", (struct size){ 1, 1, 1 }, (struct size){ 32, 1, 1 }, 0, ARGS(&out)), "");
    ptx_free(m);
    region_free(x);
    region_free(y);
    region_free(out);
}

/* What the interpreter does not know must stop it. */
static void unknown_text(void **state)
{
    (void)state;
    static const struct { const char *body, *says; } cases[] = {
        { "frob.u32 %r1, %r2;", "does not know 'frob.u32'" },
        { "add.s32.sat %r1, %r2, %r3;", "does not know 'add.s32.sat'" },
        { "add.s32 %r1, %r2;", "does not know 'add.s32' (2 operands)" },
        { "add.s32 %r1, %r2, %rd1;", "8 bytes a lane, 4 are expected" },
        { "add.s32 %r1, %r2, %r9;", "unknown operand '%r9'" },
        { "ld.global.b128 %r1, [%rd1];", "does not know 'ld.global.b128'" },
        { "ld.global.odd.u32 %r1, [%rd1];", "does not know 'ld.global.odd.u32'" },
        { "bra $nowhere;", "no label $nowhere" },
        { "bar.sync 1;", "does not know 'bar.sync'" },
        { "call f, ();", "does not know 'call'" },
        { ".weird 3;", "does not know .weird" },
        { "mov.u32 %r1, %clock;", "unknown operand '%clock'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        struct ptx_module *m;
        struct ptx_fault fault = { "" };
        snprintf(text, sizeof text, ".version 9.0\n.target sm_75\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n"
                                    ".reg .b32 %%r<5>;\n.reg .b64 %%rd<3>;\n%s\nret;\n}\n", cases[i].body);
        assert_int_equal(ptx_load(&m, text, &fault), -1);
        assert_null(m);
        expect(fault.text, cases[i].says);
        expect(fault.text, "PTX line ");
    }
}

int main(int argc, char **argv)
{
    file = (const char *const *)argv + 1;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--bugs")) {
            argv[i] = NULL;
            bug = (const char *const *)argv + i + 1;
        }
    if (!bug || argc < 6) {
        fprintf(stderr, "selftest: FILE.ptx... --bugs FILE.ptx FILE.ptx FILE.ptx\n");
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_kernels),
        cmocka_unit_test(faults),
        cmocka_unit_test(seeded_bugs),
        cmocka_unit_test(unknown_text),
    };
    return cmocka_run_group_tests_name("cuda-selftest", tests, NULL, NULL);
}
