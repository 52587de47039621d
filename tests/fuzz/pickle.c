/* pickle.c -- any bytes as a pickle, its dictionaries of tensors, and as a file of PyTorch before 1.6, which has no checksums. */
#include "tests/fuzz/fuzz.h"

/* Whatever is chosen is a dictionary of the pickle with tensors in it; what is not has a message. */
static void choose(const struct rn_pickle *pickle)
{
    static const char *const keys[] = { NULL, "model", "model_ema", "a.b", ".", "" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct rn_err err = { 0 };
        struct rn_texts others = { 0 };
        const struct rn_pickle_value *dict;
        if (rn_choose_dict(pickle, keys[i], &dict, &others, &err)) {
            if (!err.exit || !err.text[0])
                abort();
        } else if (!dict || dict->kind != RN_P_DICT || !dict->items.count || dict < pickle->value ||
                   dict >= pickle->value + pickle->values) {
            abort();
        }
        rn_texts_free(&others);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct rn_text text = { (const char *)bytes, length };
    struct rn_err err = { 0 };
    struct rn_pickle pickle = { 0 };
    size_t at = 0;
    if (rn_pickle_load(&pickle, text, &at, &err) == 0)
        choose(&pickle);
    rn_pickle_free(&pickle);
    if (at > length)
        abort();
    if (length && bytes[0] == 0x80)
        fuzz_foreign(text);
    return 0;
}
