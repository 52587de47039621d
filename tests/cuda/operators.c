/* operators.c -- every row of tests/unit/device.c on the CUDA device, whose libraries are the doubles: each operator against
 * the reference. The kernels are those of the plug-in. Besides those rows: the combinations of options that a kernel has
 * code of its own for, and maps so large that a block goes over them more than once. */
#include "double-number.h"

int main_of_the_cpu(int argc, char **argv);
#define main main_of_the_cpu
#include "../unit/device.c"
#undef main

static struct rn_device *cuda, *reference;

static int open_devices(void **state)
{
    (void)state;
    cuda = device("cuda", 1);
    reference = device("reference", 2);
    return 0;
}

static int close_devices(void **state)
{
    (void)state;
    rn_device_close(cuda);
    rn_device_close(reference);
    return 0;
}

typedef void run_row(struct rn_device *dev, const struct row *r, struct rn_array *a);

static void compare_on(struct rn_device *dev, run_row *run_it, const struct row *r)
{
    struct rn_array a[ARRAYS], b[ARRAYS];
    run(reference, r, b);
    run_it(dev, r, a);
    compare(r, dev, a, reference, b);
    release(dev, a, r->name);
    release(reference, b, r->name);
}

static void compare_row(const struct row *r)
{
    compare_on(cuda, run, r);
}

static void rows_of_all_devices(void **state)
{
    (void)state;
    const char *only = getenv("RN_TEST_CASE");
    for (const struct row *r = rows; r < rows + LENGTH(rows); r++)
        if (!only || strstr(r->name, only))
            compare_row(r);
}

/* ---- maps in bfloat16 ---- */

/* Convolutions between maps that are bfloat16, from values that it holds exactly: the product is rounded, and once more with what
 * is added to it. */
static void convolutions_of_half(void **state)
{
    (void)state;
    const char *only = getenv("RN_TEST_CASE");
    half = ~0u;
    for (const struct row *r = rows; r < rows + LENGTH(rows); r++)
        if (r->forward == conv && (!only || strstr(r->name, only)))
            compare_row(r);
    static const unsigned mixed_with[] = { 0, 1u << RESIDUAL, 1u << Y | 1u << DY, 1u << Y | 1u << DY | 1u << RESIDUAL };
    for (unsigned flags = 0; flags < 48 && !only; flags++) {
        struct row after = { "epilogue in bfloat16", CONV, 3, 5, 7, 6, 35, WINDOW(1, 1, 1, 0), .bias = flags & 1,
                             .residual = flags & 2, .activation = (enum rn_activation)(flags / 16) };
        half = ~mixed_with[flags / 4 % 4];
        compare_row(&after);
        after.k = 36;
        compare_row(&after);
    }
    half = 0;
}

/* Operators on maps and no weights; norm_pool has a map of its own. */
static bool maps_alone(const struct row *r)
{
    return r->forward != conv && r->forward != fold && r->forward != loss && r->forward != norm_pool && !r->update;
}

static unsigned mixed = ~0u; /* a bit for each array: bfloat16 where that is asked for */

static void begin_storage(struct rn_device *dev, const struct row *r, struct rn_array *a, enum rn_storage storage)
{
    shapes_of(r, a);
    for (int i = 0; i < ARRAYS; i++)
        a[i].storage = is_map(r, i) && (mixed >> i & 1) ? storage : RN_FULL;
    allocate(dev, a);
    for (int i = 0; i < ARRAYS; i++) {
        if (!a[i].n)
            continue;
        float *x = values(r, i, a[i]);
        for (size_t j = 0; j < count(a[i]) && is_map(r, i); j++)
            x[j] = number_of_bf16(number_to_bf16(x[j]));
        check(dev->class->upload(dev, a[i], x, &err));
        free(x);
    }
}

/* A map may differ from the reference's by its rounding. */
static void compare_storage(const struct row *r, const struct rn_array *a, const struct rn_array *b)
{
    for (int i = 0; i < ARRAYS; i++) {
        if (!a[i].n)
            continue;
        float *x = download(cuda, a[i]), *y = download(reference, b[i]);
        double largest = 0, relative = is_map(r, i) ? 0x1p-8 : 1e-5;
        for (size_t j = 0; j < count(a[i]); j++)
            largest = fmax(largest, fabs((double)y[j]));
        for (size_t j = 0; j < count(a[i]); j++)
            if (!(fabs((double)x[j] - (double)y[j]) <= r->within + 4e-6 * largest + relative * fabs((double)y[j])))
                fail_msg("%s in bfloat16: array %d, element %zu: %.9g, not %.9g", r->name, i, j, (double)x[j], (double)y[j]);
        free(x);
        free(y);
    }
}

/* From the same inputs; backward from the y that the GPU has. */
static void compare_half(const struct row *r)
{
    struct rn_array a[ARRAYS], b[ARRAYS];
    begin_storage(cuda, r, a, RN_BF16);
    begin_storage(reference, r, b, RN_FULL);
    if (r->forward) {
        check(r->forward(cuda, r, a));
        check(r->forward(reference, r, b));
        compare_storage(r, a, b);
        float *y = download(cuda, a[Y]);
        check(reference->class->upload(reference, b[Y], y, &err));
        free(y);
    }
    if (r->backward) {
        check(r->backward(cuda, r, a));
        check(r->backward(reference, r, b));
        compare_storage(r, a, b);
    }
    release(cuda, a, r->name);
    release(reference, b, r->name);
}

/* The row with a name that tells its options, and so has numbers of its own. */
static void compare_with(struct row r)
{
    char name[128];
    snprintf(name, sizeof name, "%s: bias %d residual %d activation %d combine %d gates %u add %u", r.name, r.bias, r.residual,
             r.activation, r.combine, r.gates, r.add);
    r.name = name;
    compare_row(&r);
    if (maps_alone(&r))
        compare_half(&r);
}

static void combinations(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 48; flags++) {
        struct row sum = { "sum", ADD, 2, flags < 24 ? 37 : 36, 5, 3, .residual = flags & 1,
                           .activation = (enum rn_activation)(flags % 24 / 8),
                           .add = (flags & 2 ? RN_ADD_DX : 0) | (flags & 4 ? RN_ADD_RESIDUAL : 0) };
        compare_with(sum);
    }
    for (unsigned flags = 0; flags < 24; flags++) {
        struct row after = { "epilogue", CONV, 3, 5, 7, 6, flags < 12 ? 35 : 36, WINDOW(1, 1, 1, 0), .bias = flags & 1,
                             .residual = flags & 2, .activation = (enum rn_activation)(flags % 12 / 4) };
        compare_with(after);
    }
    for (unsigned flags = 0; flags < 64; flags++) {
        struct row norms = { "norm", NORM, 3, flags & 32 ? 36 : 34, 5, flags & 32 ? 11 : 4, .residual = flags & 1,
                             .activation = flags & 2 ? RN_ACT_RELU : RN_ACT_NONE, .add = (flags & 4 ? RN_ADD_DX : 0) |
                             (flags & 8 ? RN_ADD_DW : 0) | (flags & 16 ? RN_ADD_RESIDUAL : 0) };
        compare_with(norms);
    }
    for (unsigned flags = 0; flags < 36; flags++) {
        struct row gates = { "gate", GATE, 2, flags < 18 ? 35 : 36, 4, 5, .combine = (enum rn_combine)(flags % 18 / 6),
                             .gates = 1 + flags % 3, .add = flags / 3 % 2 ? RN_ADD_DX : 0, .few = true };
        compare_with(gates);
    }
    for (unsigned flags = 0; flags < 16; flags++) {
        bool whole = flags & 1, wide = flags & 2;
        struct row pool = { "max pool", MAX_POOL, 2, flags & 8 ? 36 : wide ? 33 : 3, 9, 7,
                            .window = RN_WINDOW(whole ? 9 : 3, whole ? 7 : 2, wide ? 1 : 2, whole ? 0 : 1),
                            .add = flags & 4 ? RN_ADD_DX : 0, .few = true };
        compare_with(pool);
        struct row channels = { "channel pool", CHANNEL_POOL, 2, wide ? 70 : 3, 5, 7, .add = flags & 4 ? RN_ADD_DX : 0,
                                .few = whole };
        compare_with(channels);
        struct row mean = { "mean pool", GLOBAL_AVG_POOL, 2, wide ? 40 : 3, 9, 7, .add = flags & 4 ? RN_ADD_DX : 0 };
        compare_with(mean);
    }
}

static void storages(void **state)
{
    (void)state;
    for (const struct row *r = rows; r < rows + LENGTH(rows); r++)
        if (maps_alone(r))
            compare_half(r);
}

/* Each map float32 or bfloat16 by itself: what kernels have code for, if networks do not mix them. */
static void mixed_storages(void **state)
{
    (void)state;
    static const struct row cases[] = {
        { "mixed sum", ADD, 1, 5, 3, 2, .residual = true },
        { "mixed sum, relu", ADD, 1, 5, 3, 2, .residual = true, .activation = RN_ACT_RELU, .add = RN_ADD_DX | RN_ADD_RESIDUAL },
        { "mixed, one map", ADD, 1, 5, 3, 2, .activation = RN_ACT_RELU },
        { "mixed gates", GATE, 1, 5, 3, 2, .gates = 3 },
        { "mixed gates, product", GATE, 1, 5, 3, 2, .gates = 3, .combine = RN_COMBINE_MUL, .add = RN_ADD_DX },
        { "mixed gates, maximum", GATE, 1, 5, 3, 2, .gates = 3, .combine = RN_COMBINE_MAX },
        { "mixed gate of channels", GATE, 1, 5, 3, 2, .gates = 1 },
        { "mixed relu", .backward = activation_backward, .n = 1, .c = 5, .h = 3, .w = 3, .activation = RN_ACT_RELU },
        { "mixed sigmoid", .backward = activation_backward, .n = 1, .c = 5, .h = 3, .w = 1, .activation = RN_ACT_SIGMOID },
        { "mixed none", .backward = activation_backward, .n = 1, .c = 5, .h = 3, .w = 1 },
    };
    static const int all[] = { X, RESIDUAL, Y, DY, DX, DRESIDUAL, CHANNEL, SPATIAL, DCHANNEL, DSPATIAL };
    for (const struct row *r = cases; r < cases + LENGTH(cases); r++) {
        struct rn_array shapes[ARRAYS];
        unsigned maps[LENGTH(all)], count = 0;
        shapes_of(r, shapes);
        for (size_t i = 0; i < LENGTH(all); i++)
            if (shapes[all[i]].n)
                maps[count++] = (unsigned)all[i];
        for (unsigned which = 1; which < 1u << count; which++) {
            mixed = 0;
            for (unsigned i = 0; i < count; i++)
                mixed |= (which >> i & 1) << maps[i];
            compare_half(r);
        }
    }
    mixed = ~0u;
}

/* Everything that writes weights, in turn. */
static int change_weights(const struct row *r, struct rn_array *a, int change, size_t bytes)
{
    const struct rn_device_class *on = cuda->class;
    void *w = a[W].data, *g = a[DW].data;
    switch (change) {
    case 0:
        return on->sgd(cuda, &(struct rn_sgd){ w, g, g, bytes, 0.5, 0.5, 0.25 }, &err);
    case 1:
        return on->sgd(cuda, &(struct rn_sgd){ w, g, g, bytes, 0.5, 0.5, 0.25, true }, &err);
    case 2:
        return on->adamw(cuda, &(struct rn_adamw){ w, g, g, g, bytes, 0.125, 0.5, 0.5, 1e-3, 0.25, 0, 1 }, &err);
    case 3:
        return on->lerp(cuda, &(struct rn_lerp){ w, g, bytes, 0.25 }, &err);
    case 4:
        return on->lerp(cuda, &(struct rn_lerp){ w, g, bytes, 1 }, &err);
    case 5:
        return on->fill(cuda, a[W], 0.75, &err);
    default:
        upload_all(cuda, r, a);
        return 0;
    }
}

/* What a convolution reads instead of its weights follows them. */
static void bf16_copies_follow(void **state)
{
    (void)state;
    static const struct row r = { "twin", CONV, 2, 6, 5, 4, 7, WINDOW(3, 3, 1, 1) };
    struct rn_array a[ARRAYS];
    half = ~0u;
    run(cuda, &r, a);
    for (int change = 0; change < 7; change++) {
        size_t bytes = cuda->class->bytes(r.k, r.c, 3, 3, RN_FULL);
        check(change_weights(&r, a, change, bytes));
        struct rn_array fresh = a[W];
        float *w = download(cuda, a[W]), *y, *again;
        fresh.data = cuda->class->alloc(cuda, bytes, &err);
        assert_non_null(fresh.data);
        check(cuda->class->upload(cuda, fresh, w, &err));
        check(cuda->class->conv2d(cuda, &(struct rn_conv2d){ a[Y], a[X], a[W], .window = r.window }, &err));
        y = download(cuda, a[Y]);
        check(cuda->class->conv2d(cuda, &(struct rn_conv2d){ a[Y], a[X], fresh, .window = r.window }, &err));
        again = download(cuda, a[Y]);
        assert_memory_equal(y, again, count(a[Y]) * sizeof *y);
        cuda->class->free(cuda, fresh.data);
        free(w);
        free(y);
        free(again);
    }
    release(cuda, a, r.name);
    half = 0;
}

/* Folded weights may be kept as maps are. */
static void folded_weights_in_bfloat16(void **state)
{
    (void)state;
    enum { K = 5, C = 7, R = 3 };
    const struct rn_device_class *on = cuda->class;
    struct rn_array w = shape(K, C, R, R), half_w = w, vectors[7];
    float values[K * C * R * R], full[K * C * R * R], got[K * C * R * R], each[K];
    half_w.storage = RN_BF16;
    w.data = on->alloc(cuda, on->bytes(K, C, R, R, RN_FULL), &err);
    half_w.data = on->alloc(cuda, on->bytes(K, C, R, R, RN_BF16), &err);
    for (size_t i = 0; i < LENGTH(values); i++)
        values[i] = (float)((int)(i * 7919 % 1009) - 504) / 367;
    check(on->upload(cuda, w, values, &err));
    for (int v = 0; v < 7; v++) {
        vectors[v] = shape(1, K, 1, 1);
        vectors[v].data = on->alloc(cuda, on->bytes(1, K, 1, 1, RN_FULL), &err);
        for (int k = 0; k < K; k++)
            each[k] = (float)(1 + (v * 3 + k * 5) % 11) / 7;
        check(on->upload(cuda, vectors[v], each, &err));
    }
    const struct rn_norm norm = { .gamma = vectors[0], .beta = vectors[1], .running_mean = vectors[2], .running_var = vectors[3],
                                  .mean = vectors[4], .inv_std = vectors[5], .momentum = 0.1, .eps = 1e-5 };
    check(on->fold(cuda, &(struct rn_fold){ half_w, vectors[6], w, norm }, &err));
    check(on->download(cuda, got, half_w, &err));
    check(on->fold(cuda, &(struct rn_fold){ w, vectors[6], w, norm }, &err));
    check(on->download(cuda, full, w, &err));
    for (size_t i = 0; i < LENGTH(values); i++)
        if (got[i] != number_of_bf16(number_to_bf16(full[i])))
            fail_msg("weight %zu: %.9g, not %.9g rounded", i, (double)got[i], (double)full[i]);
    for (int v = 0; v < 7; v++)
        on->free(cuda, vectors[v].data);
    on->free(cuda, w.data);
    on->free(cuda, half_w.data);
}

/* More pixels of an image than blocks and their rows can have at once. */
static void large_maps(void **state)
{
    (void)state;
    static const struct row large[] = {
        { "max pool", MAX_POOL, 1, 2, 185, 183, WINDOW(3, 3, 2, 1) },
        { "max pool, few values", MAX_POOL, 1, 1, 93, 95, WINDOW(2, 2, 1, 0), .few = true, .add = RN_ADD_DX },
        { "max pool, four at once", MAX_POOL, 1, 4, 135, 133, WINDOW(3, 3, 1, 1), .few = true },
        { "gate channel", GATE, 1, 2, 93, 91, .gates = 1 },
        { "gate spatial", GATE, 1, 2, 93, 91, .gates = 2, .add = RN_ADD_DX },
        { "gate both", GATE, 1, 2, 93, 91, .gates = 3, .combine = RN_COMBINE_MAX },
        { "mean pool", GLOBAL_AVG_POOL, 1, 2, 93, 91 },
        { "max pool, a wide window", MAX_POOL, 2, 3, 11, 13, WINDOW(4, 6, 2, 2) },
        { "max pool, a window of one", MAX_POOL, 2, 3, 5, 5, WINDOW(1, 1, 2, 0), .add = RN_ADD_DX },
        { "norm", NORM, 1, 3, 130, 127, .activation = RN_ACT_RELU },
        { "norm of many parts", NORM, 1, 17, 81, 80 },
        { "bias", CONV, 1, 2, 130, 128, 3, WINDOW(1, 1, 1, 0), .bias = true, .add = ADD_ALL },
    };
    for (size_t i = 0; i < LENGTH(large); i++) {
        compare_row(&large[i]);
        if (maps_alone(&large[i]))
            compare_half(&large[i]);
    }
}

/* More classes than a warp has threads, equal logits among them. */
static void many_classes(void **state)
{
    (void)state;
    enum { N = 11, C = 70 };
    float x[N * C], weights[C], shares[N * C], said[N * C], got[N * C], want[N * C];
    int64_t labels[N];
    for (int i = 0; i < N * C; i++)
        x[i] = (float)(i * 7919 % 41 - 20) / 8;
    for (int i = 0; i < N * C; i++) {
        shares[i] = i % C == i / C ? 0.25f : i % C == C - 1 ? 0.75f : 0;
        said[i] = (float)(i % C) / (float)(C * (C - 1) / 2);
    }
    for (int i = 0; i < C; i++)
        weights[i] = (float)(1 + i % 5) / 4;
    for (int i = 0; i < N; i++)
        labels[i] = i * 13 % C;
    for (int way = 0; way < 16; way++) {
        struct rn_loss_options options = { way & 1 ? weights : NULL, way & 2 ? 0.25 : 0, way & 4 ? shares : NULL,
                                           way & 8 ? said : NULL, 2, 0.625 };
        struct rn_loss loss[2];
        struct rn_device *devs[] = { cuda, reference };
        for (int d = 0; d < 2; d++) {
            const struct rn_device_class *on = devs[d]->class;
            struct rn_array logits = shape(N, C, 1, 1), dlogits = logits;
            logits.data = on->alloc(devs[d], on->bytes(N, C, 1, 1, RN_FULL), &err);
            dlogits.data = on->alloc(devs[d], on->bytes(N, C, 1, 1, RN_FULL), &err);
            check(on->upload(devs[d], logits, x, &err));
            check(on->softmax_loss(devs[d], &(struct rn_softmax_loss){ dlogits, logits, &loss[d], labels, &options }, &err));
            check(on->download(devs[d], d ? want : got, dlogits, &err));
            on->free(devs[d], logits.data);
            on->free(devs[d], dlogits.data);
        }
        assert_int_equal(loss[0].correct, loss[1].correct);
        assert_true(fabs(loss[0].loss - loss[1].loss) <= 1e-6 * fabs(loss[1].loss));
        for (int i = 0; i < N * C; i++)
            if (!(fabs((double)got[i] - (double)want[i]) <= 1e-8 + 1e-5 * fabs((double)want[i])))
                fail_msg("way %d, element %d: %.9g, not %.9g", way, i, (double)got[i], (double)want[i]);
    }
}

/* More images than a grid has rows: said before anything is started. */
static void too_many_images(void **state)
{
    (void)state;
    enum { N = 65536 };
    const double mean[3] = { 0 }, std[3] = { 1, 1, 1 };
    uint8_t *pixels = calloc(N, 3);
    float *values = calloc(N, 3 * sizeof *values);
    struct rn_array y = shape(N, 3, 1, 1);
    y.data = cuda->class->alloc(cuda, cuda->class->bytes(N, 3, 1, 1, RN_FULL), &err);
    assert_true(pixels && values && y.data);
    cuda->class->cut(cuda, y.data);
    for (int way = 0; way < 2; way++) {
        err = (struct rn_err){ 0 };
        assert_int_equal(way ? cuda->class->upload(cuda, y, values, &err)
                         : cuda->class->upload_images(cuda, y, pixels, mean, std, &err), -1);
        if (err.exit != RN_EXIT_DATA || !strstr(err.text, "65536 images: 65535 at the most (rn-batch -b)"))
            fail_msg("exit %d: %s", err.exit, err.text);
    }
    y.n--;
    check(cuda->class->upload_images(cuda, y, pixels, mean, std, &err));
    cuda->class->free(cuda, y.data);
    free(pixels);
    free(values);
}

/* Pixels in the device's own memory of the host are not copied there; they may change when they have been
 * waited for, not before. */
static void pixels_are_waited_for(void **state)
{
    (void)state;
    enum { N = 2, SIDE = 5, PIXELS = N * SIDE * SIDE * 3, TIMES = 5 };
    const double mean[3] = { 0 }, std[3] = { 1, 1, 1 };
    struct rn_array y[TIMES];
    uint8_t *pixels = cuda->class->host_alloc(cuda, PIXELS + 1, &err);
    assert_non_null(pixels);
    for (int t = 0; t < TIMES; t++) {
        y[t] = shape(N, 3, SIDE, SIDE);
        y[t].data = cuda->class->alloc(cuda, cuda->class->bytes(N, 3, SIDE, SIDE, RN_FULL), &err);
        assert_non_null(y[t].data);
        cuda->class->cut(cuda, y[t].data);
        memset(pixels, 51 * t, PIXELS + 1);
        check(cuda->class->upload_images(cuda, y[t], pixels + 1, mean, std, &err));
        if (t % 2) /* what is read back meanwhile is another matter; it ends all that was begun, so not each time */
            check(cuda->class->square_sum(cuda, &(struct rn_square_sum){ &(double){ 0 }, y[0].data, 256 }, &err));
        check(cuda->class->host_wait(cuda, &err));
    }
    for (int t = 0; t < TIMES; t++) {
        float *x = download(cuda, y[t]);
        for (size_t i = 0; i < PIXELS; i++)
            if (!(fabs((double)x[i] - 0.2 * t) < 1e-6))
                fail_msg("image %d, element %zu: %.9g, not %.9g", t, i, (double)x[i], 0.2 * t);
        free(x);
        cuda->class->free(cuda, y[t].data);
    }
    cuda->class->host_free(cuda, pixels);
}

/* The row on several GPUs, of which each has its part of the maps. */
static void run_on_several(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    shapes_of(r, a);
    allocate(dev, a);
    for (int i = 0; i < ARRAYS; i++)
        if (a[i].data && is_map(r, i))
            dev->class->cut(dev, a[i].data);
    upload_all(dev, r, a);
    check(r->forward(dev, r, a));
    check(r->backward(dev, r, a));
    static const int sums[] = { DW, DBIAS };
    for (size_t i = 0; i < LENGTH(sums); i++)
        check(dev->class->all_reduce(dev, a[sums[i]].data, dev->class->bytes(1, r->c, 1, 1, RN_FULL), &err));
}

/* Batch norms of several GPUs are those of the whole batch, also where the last has one image, or none. */
static void norms_of_several_gpus(void **state)
{
    (void)state;
    static const struct row cases[] = {
        { "norm of three GPUs", NORM, 5, 9, 3, 4, .activation = RN_ACT_RELU },
        { "norm of three GPUs, one without work", NORM, 4, 12, 5, 3, .residual = true, .activation = RN_ACT_RELU },
        { "norm of three GPUs, one value each", NORM, 3, 5, 1, 1 },
    };
    struct rn_device *three;
    setenv("RN_DOUBLE_GPUS", "3", 1);
    if (rn_device_open(&three, "cuda:0,2,1", 1, &err)) {
        print_message("# %s\n", err.text);
        skip();
    }
    for (const struct row *r = cases; r < cases + LENGTH(cases); r++)
        compare_on(three, run_on_several, r);
    rn_device_close(three);
}

/* NaN goes its own way through the pools' comparisons: whatever comes out, nothing else may go wrong. */
static void backward_of_nan(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * LENGTH(rows); i++) {
        const struct row *r = &rows[i / 2];
        struct rn_array a[ARRAYS];
        if (!r->backward || !r->forward || (i % 2 && !maps_alone(r)))
            continue;
        begin_storage(cuda, r, a, i % 2 ? RN_BF16 : RN_FULL);
        check(cuda->class->fill(cuda, a[X], NAN, &err));
        check(r->forward(cuda, r, a));
        check(r->backward(cuda, r, a));
        if (a[DW].n && !r->no_dw) {
            float *dw = download(cuda, a[DW]);
            size_t middle = (a[DW].h / 2) * a[DW].w + a[DW].w / 2;
            if (!isnan(dw[middle]))
                fail_msg("%s: the gradient of the weights is %g", r->name, (double)dw[middle]);
            free(dw);
        }
        release(cuda, a, r->name);
    }
}

/* In evaluation an image gives the same bits alone, in a batch and at any place of it. */
static void eval_sees_no_batch(void **state)
{
    (void)state;
    static const struct row cases[] = {
        { "1x1", CONV, 11, 33, 5, 4, 20, WINDOW(1, 1, 1, 0), .eval = true },
        { "3x3", CONV, 11, 5, 6, 5, 9, WINDOW(3, 3, 1, 1), .eval = true, .bias = true },
        { "linear", CONV, 11, 40, 1, 1, 6, WINDOW(1, 1, 1, 0), .eval = true, .bias = true },
    };
    for (size_t c = 0; c < 2 * LENGTH(cases); c++) {
        const struct row *r = &cases[c / 2];
        struct rn_array a[ARRAYS], b[ARRAYS];
        struct row alone = *r;
        alone.n = 1;
        half = c % 2 ? ~0u : 0;
        shapes_of(r, a);
        allocate(cuda, a);
        upload_all(cuda, r, a);
        check(conv(cuda, r, a));
        float *x = values(r, X, a[X]), *y = download(cuda, a[Y]);
        for (size_t i = 0; i < r->n; i++) {
            shapes_of(&alone, b);
            allocate(cuda, b);
            upload_all(cuda, &alone, b);
            check(cuda->class->upload(cuda, b[X], x + i * count(b[X]), &err));
            check(conv(cuda, &alone, b));
            float *one = download(cuda, b[Y]);
            if (memcmp(one, y + i * count(b[Y]), count(b[Y]) * sizeof *one) != 0)
                fail_msg("%s: image %zu alone differs", r->name, i);
            free(one);
            release(cuda, b, r->name);
        }
        free(x);
        free(y);
        release(cuda, a, r->name);
    }
    half = 0;
}

/* The same work twice gives the same bits. */
static void the_same_twice(void **state)
{
    (void)state;
    for (const struct row *r = rows; r < rows + LENGTH(rows); r += 3) {
        struct rn_array a[ARRAYS], b[ARRAYS];
        run(cuda, r, a);
        run(cuda, r, b);
        for (int i = 0; i < ARRAYS; i++) {
            if (!a[i].n)
                continue;
            float *x = download(cuda, a[i]), *y = download(cuda, b[i]);
            if (memcmp(x, y, count(a[i]) * sizeof *x) != 0)
                fail_msg("%s: array %d differs", r->name, i);
            free(x);
            free(y);
        }
        release(cuda, a, r->name);
        release(cuda, b, r->name);
    }
}

/* --few: what is enough for a build that is slow. --ours: of these, what our kernels do. --rows: those of tests/unit/device.c,
 * RN_TEST_CASE of them. */
int main(int argc, char **argv)
{
    devices[0] = "cuda";
    const struct CMUnitTest only_rows[] = { cmocka_unit_test(rows_of_all_devices), cmocka_unit_test(convolutions_of_half),
                                            cmocka_unit_test(pixels_are_waited_for) };
    const struct CMUnitTest few[] = {
        cmocka_unit_test(rows_of_all_devices),
        cmocka_unit_test(convolutions_of_half),
        cmocka_unit_test(combinations),
        cmocka_unit_test(storages),
        cmocka_unit_test(mixed_storages),
        cmocka_unit_test(bf16_copies_follow),
        cmocka_unit_test(many_classes),
    };
    const struct CMUnitTest ours[] = { cmocka_unit_test(rows_of_all_devices), cmocka_unit_test(storages) };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_all_devices),
        cmocka_unit_test(convolutions_of_half),
        cmocka_unit_test(combinations),
        cmocka_unit_test(storages),
        cmocka_unit_test(mixed_storages),
        cmocka_unit_test(bf16_copies_follow),
        cmocka_unit_test(folded_weights_in_bfloat16),
        cmocka_unit_test(large_maps),
        cmocka_unit_test(too_many_images),
        cmocka_unit_test(pixels_are_waited_for),
        cmocka_unit_test(norms_of_several_gpus),
        cmocka_unit_test(many_classes),
        cmocka_unit_test(backward_of_nan),
        cmocka_unit_test(eval_sees_no_batch),
        cmocka_unit_test(the_same_twice),
        cmocka_unit_test(sgd_is_pytorchs),
        cmocka_unit_test(images_are_normalised),
        cmocka_unit_test(not_a_number_is_not_lost),
    };
    if (argc > 1 && !strcmp(argv[1], "--rows"))
        return cmocka_run_group_tests_name("cuda-operators, rows", only_rows, open_devices, close_devices);
    if (argc > 1 && !strcmp(argv[1], "--ours"))
        return cmocka_run_group_tests_name("cuda-operators, ours", ours, open_devices, close_devices);
    if (argc > 1 && !strcmp(argv[1], "--few"))
        return cmocka_run_group_tests_name("cuda-operators, few", few, open_devices, close_devices);
    return cmocka_run_group_tests_name("cuda-operators", tests, open_devices, close_devices);
}
