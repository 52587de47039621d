/* tensors.c -- a weights segment in memory. */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/private.h"

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_names(const struct rn_tensors *tensors, struct rn_err *err)
{
    char shown[256];
    char **name = rn_calloc(tensors->count, sizeof *name, err);
    if (!name)
        return -1;
    for (size_t i = 0; i < tensors->count; i++)
        name[i] = tensors->item[i].name;
    qsort(name, tensors->count, sizeof *name, compare);
    int rc = 0;
    for (size_t i = 1; i < tensors->count && rc == 0; i++)
        if (!strcmp(name[i], name[i - 1]))
            rc = rn_fail(err, RN_EXIT_DATA, "two tensors are called '%s'", rn_text_show(rn_text(name[i]), shown));
    free(name);
    return rc;
}

/* Copies what is given. */
static int add(struct rn_tensors *tensors, struct rn_text name, enum rn_role role, const struct rn_tensor *tensor,
               struct rn_err *err)
{
    char shown[256];
    size_t count;
    if (memchr(name.data, '\0', name.length) || !name.length || !rn_tensor_count(tensor, &count))
        return rn_fail(err, RN_EXIT_DATA, "'%s' cannot be the name of a tensor", rn_text_show(name, shown));
    if (rn_grow(&tensors->item, &tensors->capacity, tensors->count + 1, sizeof *tensors->item, err))
        return -1;
    struct rn_named *item = &tensors->item[tensors->count++];
    size_t bytes = count * rn_type_size(tensor->type);
    void *data = rn_calloc(bytes, 1, err);
    *item = (struct rn_named){ rn_calloc(name.length + 1, 1, err), role, *tensor };
    item->tensor.data = data;
    if (!item->name || !data)
        return -1;
    memcpy(item->name, name.data, name.length);
    memcpy(data, tensor->data, bytes);
    return 0;
}

/* An average takes the place of what it is the average of, which came before it. */
static int replace(struct rn_tensors *tensors, const struct rn_record *record, struct rn_err *err)
{
    char name[1024], shown[256];
    snprintf(name, sizeof name, "%.*s", (int)(record->name.length < 1000 ? record->name.length : 1000), record->name.data);
    const struct rn_named *own = rn_tensors_find(tensors, name);
    size_t count, had;
    if (!own || own->tensor.type != record->tensor.type || !rn_tensor_count(&own->tensor, &had) ||
        !rn_tensor_count(&record->tensor, &count) || count != had)
        return rn_fail(err, RN_EXIT_DATA, "'%s': an average, of a tensor that does not come before it",
                       rn_text_show(record->name, shown));
    memcpy((void *)own->tensor.data, record->tensor.data, count * rn_type_size(record->tensor.type));
    return 0;
}

int rn_tensors_load(struct rn_tensors *tensors, struct rn_reader *reader, struct rn_err *err)
{
    struct rn_record record;
    int rc;
    while ((rc = rn_reader_record(reader, &record, err)) == 1)
        if ((record.role == RN_PARAMETER || record.role == RN_BUFFER) ? add(tensors, record.name, record.role, &record.tensor, err)
            : record.role == RN_EMA                                   ? replace(tensors, &record, err)
                                                                      : 0)
            return -1;
    return rc ? rc : check_names(tensors, err);
}

int rn_tensors_add_counters(struct rn_tensors *tensors, struct rn_err *err)
{
    static const char variance[] = ".running_var", counter[] = ".num_batches_tracked";
    const int64_t zero = 0;
    const struct rn_tensor none = { .type = RN_I64, .data = &zero };
    for (size_t i = 0, count = tensors->count; i < count; i++) {
        char name[1024];
        size_t length = strlen(tensors->item[i].name), stem = length - strlen(variance);
        if (length <= strlen(variance) || strcmp(tensors->item[i].name + stem, variance) || length > 900)
            continue;
        snprintf(name, sizeof name, "%.*s%s", (int)stem, tensors->item[i].name, counter);
        if (!rn_tensors_find(tensors, name) && add(tensors, rn_text(name), RN_BUFFER, &none, err))
            return -1;
    }
    return 0;
}

static int convert(struct rn_tensor *tensor, enum rn_type to, struct rn_err *err)
{
    size_t count;
    if (!rn_tensor_count(tensor, &count))
        return -1;
    char *data = rn_calloc(count, rn_type_size(to), err);
    for (size_t i = 0; i < count && data; i++) {
        float value = (float)rn_tensor_get(tensor, i);
        uint16_t half = rn_half(value);
        if (to == RN_F16 && (half & 0x7c00) == 0x7c00) {
            free(data);
            return rn_fail(err, RN_EXIT_DATA, "%g is more than half precision has (65504): leave out --half",
                           rn_nan_unsigned((double)value));
        }
        memcpy(data + i * rn_type_size(to), to == RN_F16 ? (void *)&half : (void *)&value, rn_type_size(to));
    }
    if (!data)
        return -1;
    free((void *)tensor->data);
    tensor->data = data;
    tensor->type = to;
    return 0;
}

int rn_tensors_convert(struct rn_tensors *tensors, enum rn_type to, struct rn_err *err)
{
    char shown[256];
    enum rn_type from = to == RN_F16 ? RN_F32 : RN_F16;
    for (size_t i = 0; i < tensors->count; i++) {
        struct rn_named *item = &tensors->item[i];
        bool wanted = item->tensor.type == from && (to == RN_F32 || (item->role == RN_PARAMETER && item->tensor.dims >= 2));
        if (wanted && convert(&item->tensor, to, err))
            return rn_fail_at(err, "'%s'", rn_text_show(rn_text(item->name), shown));
    }
    return 0;
}

int rn_tensors_finite(const struct rn_tensors *tensors, struct rn_err *err)
{
    char shown[256];
    for (size_t i = 0; i < tensors->count; i++)
        if (!rn_tensor_finite(&tensors->item[i].tensor))
            return rn_fail(err, RN_EXIT_DATA, "'%s' holds NaN or an infinity", rn_text_show(rn_text(tensors->item[i].name), shown));
    return 0;
}

const struct rn_named *rn_tensors_find(const struct rn_tensors *tensors, const char *name)
{
    for (size_t i = 0; i < tensors->count; i++)
        if (!strcmp(tensors->item[i].name, name))
            return &tensors->item[i];
    return NULL;
}

void rn_tensors_free(struct rn_tensors *tensors)
{
    for (size_t i = 0; i < tensors->count; i++) {
        free(tensors->item[i].name);
        free((void *)tensors->item[i].tensor.data);
    }
    free(tensors->item);
    *tensors = (struct rn_tensors){ 0 };
}
