/* views.c -- the tensors of a foreign file, whatever its format: collected, checked, converted. */
#include <math.h>

#include "exchange/private.h"

/* One tensor, and all of them together, as they are read: a file of a few bytes can show one number as many. */
static const size_t tensor_limit = (size_t)1 << 30, total_limit = (size_t)1 << 32;

static const struct { size_t size; enum rn_type type; } elements[RN_ELEMENTS] = {
    [RN_E_BOOL] = { 1, RN_U8 }, [RN_E_U8] = { 1, RN_U8 },   [RN_E_I8] = { 1, RN_I64 },   [RN_E_I16] = { 2, RN_I64 },
    [RN_E_U16] = { 2, RN_I64 }, [RN_E_I32] = { 4, RN_I64 }, [RN_E_U32] = { 4, RN_I64 },  [RN_E_I64] = { 8, RN_I64 },
    [RN_E_U64] = { 8, RN_I64 }, [RN_E_F16] = { 2, RN_F32 }, [RN_E_BF16] = { 2, RN_F32 }, [RN_E_F32] = { 4, RN_F32 },
    [RN_E_F64] = { 8, RN_F32 }, [RN_E_F8_E4M3] = { 1, RN_F32 }, [RN_E_F8_E5M2] = { 1, RN_F32 },
    [RN_E_OTHER1] = { 1, RN_U8 }, [RN_E_OTHER2] = { 2, RN_U8 }, [RN_E_OTHER4] = { 4, RN_U8 }, [RN_E_OTHER8] = { 8, RN_U8 },
    [RN_E_OTHER16] = { 16, RN_U8 },
};

size_t rn_element_size(enum rn_element element)
{
    return elements[element].size;
}

bool rn_element_known(enum rn_element element)
{
    return element < RN_E_OTHER1;
}

/* Number of elements; false when one of them would lie outside the storage, or a size overflows. */
static bool inside(const struct rn_strided *view, size_t *count)
{
    size_t last = view->offset, step;
    bool empty = false;
    *count = 1;
    for (int i = 0; i < view->dims; i++) {
        empty = empty || view->shape[i] == 0;
        if (!rn_mul(*count, view->shape[i], count))
            return false;
    }
    for (int i = 0; i < view->dims && !empty; i++)
        if (!rn_mul(view->shape[i] - 1, view->stride[i], &step) || __builtin_add_overflow(last, step, &last))
            return false;
    return empty ? view->offset <= view->elements : last < view->elements;
}

int rn_foreign_add(struct rn_foreign *f, struct rn_text name, const struct rn_strided *view, struct rn_err *err)
{
    char shown[256];
    size_t count, bytes;
    if (!inside(view, &count))
        return rn_fail(err, RN_EXIT_DATA, "'%s': its shape, strides or offset reach out of its storage of %zu elements",
                       rn_text_show(name, shown), view->elements);
    if (!rn_mul(count, rn_type_size(elements[view->element].type), &bytes) || bytes > tensor_limit - 4096 ||
        (f->bytes += bytes) > total_limit)
        return rn_fail(err, RN_EXIT_DATA, "'%s': more data than a stream of weights takes", rn_text_show(name, shown));
    if (rn_grow(&f->view, &f->capacity, f->count + 1, sizeof *f->view, err) || rn_texts_add(&f->name, name, err))
        return -1;
    f->view[f->count++] = *view;
    return 0;
}

/* ---- converting ---- */

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: payloads of NaN are kept. */
static float float_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
}

/* OCP's 8-bit floating point, E4M3: four bits of exponent, no infinity, all ones are NaN. */
static float float_of_e4m3(uint8_t bits)
{
    int exponent = bits >> 3 & 15, fraction = bits & 7;
    float value = exponent == 15 && fraction == 7 ? NAN
                  : exponent                       ? ldexpf((float)(8 + fraction), exponent - 10)
                                                   : ldexpf((float)fraction, -9);
    return bits & 0x80 ? -value : value;
}

static float real(enum rn_element element, const char *at)
{
    uint64_t bits;
    double wide;
    switch (element) {
    case RN_E_F8_E4M3:
        return float_of_e4m3((uint8_t)*at);
    case RN_E_F8_E5M2: /* the upper half of a binary16 */
        return float_of_half((uint16_t)((uint8_t)*at << 8));
    case RN_E_F16:
        return float_of_half(rn_le16(at));
    case RN_E_BF16:
        return float_of_bits((uint32_t)rn_le16(at) << 16);
    case RN_E_F32:
        return float_of_bits(rn_le32(at));
    default: /* F64 */
        bits = rn_le64(at);
        memcpy(&wide, &bits, sizeof wide);
        return (float)wide;
    }
}

static int64_t whole(enum rn_element element, const char *at)
{
    switch (element) {
    case RN_E_I8:
        return (signed char)*at;
    case RN_E_I16:
        return (int16_t)rn_le16(at);
    case RN_E_U16:
        return rn_le16(at);
    case RN_E_I32:
        return (int32_t)rn_le32(at);
    case RN_E_U32:
        return rn_le32(at);
    default: /* I64, U64 */
        return (int64_t)rn_le64(at);
    }
}

/* A run of elements, `step` bytes apart, as numbers of the type. */
static void convert(void *to, enum rn_type type, const char *from, enum rn_element element, size_t step, size_t count)
{
    if (element == RN_E_F32 && step == sizeof(float)) {
        memcpy(to, from, count * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const char *at = from + i * step;
        if (type == RN_F32)
            ((float *)to)[i] = real(element, at);
        else if (type == RN_I64)
            ((int64_t *)to)[i] = whole(element, at);
        else
            ((char *)to)[i] = *at;
    }
}

/* Walks all indices but the last, which is one run. */
static void gather(char *to, enum rn_type type, const struct rn_strided *view, size_t count)
{
    size_t index[RN_DIMS] = { 0 }, size = rn_element_size(view->element), at = view->offset;
    int last = view->dims - 1;
    size_t run = view->dims ? view->shape[last] : 1, step = view->dims ? view->stride[last] * size : size;
    for (size_t done = 0; done < count; done += run) {
        convert(to + done * rn_type_size(type), type, view->storage + at * size, view->element, step, run);
        for (int i = last - 1; i >= 0; i--) {
            at += view->stride[i];
            if (++index[i] < view->shape[i])
                break;
            at -= view->stride[i] * view->shape[i];
            index[i] = 0;
        }
    }
}

/* The sign, of zeros and NaN too. */
static void negate(float *value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        value[i] = -value[i];
}

/* What an int64 holds of unsigned numbers. */
static int check_unsigned(const struct rn_tensor *tensor, size_t count, struct rn_err *err)
{
    const int64_t *value = tensor->data;
    for (size_t i = 0; i < count; i++)
        if (value[i] < 0)
            return rn_fail(err, RN_EXIT_DATA, "a uint64 above 9223372036854775807, which a stream of weights does not hold");
    return 0;
}

int rn_foreign_read(const struct rn_foreign *foreign, size_t i, struct rn_tensor *tensor, struct rn_buffer *room,
                    struct rn_err *err)
{
    const struct rn_strided *view = &foreign->view[i];
    size_t count;
    *tensor = (struct rn_tensor){ .type = elements[view->element].type, .dims = view->dims };
    memcpy(tensor->shape, view->shape, sizeof view->shape);
    if (!rn_tensor_count(tensor, &count))
        return rn_fail(err, RN_EXIT_DATA, "a tensor whose shape overflows");
    if (rn_grow(&room->data, &room->capacity, count * rn_type_size(tensor->type) + 1, 1, err))
        return -1;
    gather(room->data, tensor->type, view, count);
    tensor->data = room->data;
    if (view->negative && tensor->type == RN_F32)
        negate((float *)(void *)room->data, count);
    char shown[256];
    if (view->element == RN_E_U64 && check_unsigned(tensor, count, err))
        return rn_fail_at(err, "'%s'", rn_text_show(foreign->name.item[i], shown));
    return 0;
}
