/* about.c -- what a model's file says of it beside its tensors, key by key as text: arch and attention as they are, classes, mean
 * and std as JSON arrays, size, resize and, where there is one, temperature as numbers. ONNX models and
 * safetensors have the same. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "exchange/private.h"

/* ---- writing ---- */

static int classes_json(struct rn_buffer *json, const struct rn_texts *classes, struct rn_err *err)
{
    int rc = rn_buffer_add(json, "[", 1, err);
    for (size_t i = 0; i < classes->count && rc == 0; i++)
        rc = rn_buffer_add(json, ", ", i ? 2 : 0, err) || rn_text_escape(json, classes->item[i], RN_ESCAPE_JSON, err) ? -1 : 0;
    return rc || rn_buffer_add(json, "]", 1, err) ? -1 : 0;
}

static int put_triple(const double triple[3], const char *key, rn_about_put *put, void *context)
{
    char text[128], number[3][32];
    int n = snprintf(text, sizeof text, "[%s, %s, %s]", rn_text_number(triple[0], number[0]), rn_text_number(triple[1], number[1]),
                     rn_text_number(triple[2], number[2]));
    return put(context, key, (struct rn_text){ text, (size_t)n });
}

static int put_number(int64_t number, const char *key, rn_about_put *put, void *context)
{
    char text[32];
    return put(context, key, (struct rn_text){ text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number) });
}

int rn_about_write(const struct rn_head *head, rn_about_put *put, void *context, struct rn_err *err)
{
    char number[32];
    struct rn_buffer classes = { 0 };
    if (!head->arch.data || !head->attention.data || !head->has_input)
        return 0;
    int rc = classes_json(&classes, &head->classes, err) ||
             put(context, "classes", (struct rn_text){ classes.data, classes.length }) ||
             put_triple(head->input.mean, "mean", put, context) || put_triple(head->input.std, "std", put, context) ||
             put_number(head->input.size, "size", put, context) || put_number(head->input.resize, "resize", put, context) ||
             put(context, "arch", head->arch) || put(context, "attention", head->attention) ||
             (head->temperature > 0 && put(context, "temperature", rn_text(rn_text_number(head->temperature, number)))) ? -1 : 0;
    rn_buffer_free(&classes);
    return rc;
}

/* ---- reading: what is not as we write it is another program's, and passed over ---- */

static json_t *parse(const char *text)
{
    return text ? json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL) : NULL;
}

static bool read_triple(const char *text, double triple[3])
{
    json_t *array = parse(text);
    bool good = json_is_array(array) && json_array_size(array) == 3;
    for (size_t i = 0; good && i < 3; i++) {
        good = json_is_number(json_array_get(array, i));
        triple[i] = json_number_value(json_array_get(array, i));
        good = good && isfinite(triple[i]);
    }
    json_decref(array);
    return good;
}

static bool read_number(const char *text, int64_t *number)
{
    json_t *value = parse(text);
    *number = json_integer_value(value);
    bool good = json_is_integer(value) && *number > 0 && *number <= 65536;
    json_decref(value);
    return good;
}

static void read_temperature(struct rn_head *about, const char *text)
{
    json_t *value = parse(text);
    double temperature = json_number_value(value);
    if (temperature >= RN_TEMPERATURE_LEAST && temperature <= RN_TEMPERATURE_MOST)
        about->temperature = temperature;
    json_decref(value);
}

static int read_classes(struct rn_texts *classes, const char *text, struct rn_err *err)
{
    json_t *array = parse(text), *item;
    size_t i;
    bool good = json_is_array(array);
    int rc = 0;
    json_array_foreach(array, i, item)
        good = good && json_is_string(item) && json_string_length(item);
    for (i = 0; good && rc == 0 && i < json_array_size(array); i++)
        rc = rn_texts_add(classes, rn_text(json_string_value(json_array_get(array, i))), err);
    struct rn_texts sorted = { 0 };
    if (rc == 0 && (rc = rn_texts_copy(&sorted, classes, err)) == 0)
        rn_texts_sort(&sorted);
    for (i = 1; i < sorted.count; i++)
        good = good && !rn_text_equal(sorted.item[i], sorted.item[i - 1]);
    rn_texts_free(&sorted);
    if (!good)
        rn_texts_free(classes);
    json_decref(array);
    return rc;
}

static int copy(struct rn_text *to, const char *from, struct rn_err *err)
{
    char *text = rn_calloc(strlen(from) + 1, 1, err);
    if (!text)
        return -1;
    strcpy(text, from);
    *to = rn_text(text);
    return 0;
}

int rn_about_read(struct rn_head *about, const char *(*get)(void *context, const char *key), void *context, struct rn_err *err)
{
    const char *arch = get(context, "arch"), *attention = get(context, "attention");
    struct rn_input *input = &about->input;
    about->has_input = read_triple(get(context, "mean"), input->mean) && read_triple(get(context, "std"), input->std) &&
                       input->std[0] > 0 && input->std[1] > 0 && input->std[2] > 0 &&
                       read_number(get(context, "size"), &input->size);
    if (!read_number(get(context, "resize"), &input->resize))
        input->resize = llround((double)input->size * 256 / 224);
    if (read_classes(&about->classes, get(context, "classes"), err))
        return -1;
    read_temperature(about, get(context, "temperature"));
    if (!arch || !rn_arch_find(rn_text(arch)) || (attention && !rn_attention_find(rn_text(attention))))
        return 0;
    return copy(&about->arch, arch, err) || (attention && copy(&about->attention, attention, err)) ? -1 : 0;
}
