/* pickle.c -- any bytes as a pickle, and as a file of PyTorch before 1.6, which has no checksums. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct rn_text text = { (const char *)bytes, length };
    struct rn_err err = { 0 };
    struct rn_pickle pickle = { 0 };
    size_t at = 0;
    if (rn_pickle_load(&pickle, text, &at, &err) == 0 && rn_pickle_root(&pickle)->kind == RN_P_DICT)
        rn_pickle_get(&pickle, rn_pickle_root(&pickle), "state_dict");
    rn_pickle_free(&pickle);
    if (at > length)
        abort();
    if (length && bytes[0] == 0x80)
        fuzz_foreign(text);
    return 0;
}
