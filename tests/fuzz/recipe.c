/* recipe.c -- any text as a recipe of rn-augment. */
#include "augment/augment.h"
#include "tests/fuzz/mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* Values of JSON: what stands between the marks, and arrays and objects as far as they are closed. */
static size_t fuzz_split(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t open[64], depth = 0, count = 0;
    for (size_t at = 0; at < length && count < most;) {
        size_t begin = at;
        if (strchr("[{", bytes[at]) && bytes[at]) {
            if (depth == 64)
                break;
            open[depth++] = at++;
        } else if (strchr("]}", bytes[at]) && bytes[at]) {
            at++;
            if (depth--)
                pieces[count++] = (struct fuzz_piece){ open[depth], at - open[depth], 1, 1 };
            else
                break;
        } else if (bytes[at] == '"') {
            for (at++; at < length && bytes[at] != '"'; at++)
                at += bytes[at] == '\\';
            at = at < length ? at + 1 : length;
            pieces[count++] = (struct fuzz_piece){ begin, at - begin, 1, at - begin > 1 };
        } else if (strchr(" \n\t,:", bytes[at])) {
            at++;
        } else {
            while (at < length && !strchr(" \n\t,:]}", bytes[at]))
                at++;
            pieces[count++] = (struct fuzz_piece){ begin, at - begin, 0, 0 };
        }
    }
    return count;
}

static size_t fuzz_wrap(uint8_t *to, const uint8_t *was, const struct fuzz_piece *piece, const uint8_t *inside, size_t n)
{
    memcpy(to, was, piece->inside);
    memcpy(to + piece->inside, inside, n);
    memcpy(to + piece->inside + n, was + piece->length - piece->after, piece->after);
    return piece->inside + n + piece->after;
}

static size_t fuzz_mend(uint8_t *bytes, size_t length, size_t most)
{
    (void)bytes, (void)most;
    return length;
}

static const char *fuzz_word(unsigned draw, size_t *length)
{
    static const char *const words[] = {
        "null", "true", "false", "0", "-1", "1", "2", "3", "0.5", "1e308", "-1e308", "1e-320", "2147483648",
        "-9223372036854775808", "[]", "{}", "\"\"", "[0,0]", "[-1,1]", "[3,7]", "[1e9,1e9]", "\"Compose\"", "\"OneOf\"",
        "\"SomeOf\"", "\"ReplayCompose\"", "\"RandomCrop\"", "\"Resize\"", "\"CLAHE\"", "\"ElasticTransform\"",
        "\"GridDistortion\"", "\"Normalize\"", "\"ImageCompression\"", "\"CoarseDropout\"", "\"transforms\"",
        "\"__class_fullname__\"", "\"p\"", "\"limit\"",
    };
    const char *word = words[draw % (sizeof words / sizeof *words)];
    *length = strlen(word);
    return word;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct rn_recipe recipe = { 0 };
    struct rn_err err = { 0 };
    if (rn_recipe_parse(&recipe, (struct rn_text){ (const char *)bytes, length }, -1, &err)) {
        if (!err.exit || !err.text[0])
            abort(); /* refused without a word */
        return 0;
    }
    rn_recipe_free(&recipe);
    return 0;
}
