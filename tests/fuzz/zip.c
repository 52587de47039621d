/* zip.c -- any bytes as an archive: every entry of one that is taken, and what PyTorch would have put in it. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct rn_text text = { (const char *)bytes, length }, entry;
    struct rn_err err = { 0 };
    struct rn_zip zip;
    if (rn_zip_open(&zip, text, &err))
        return 0;
    for (size_t i = 0; i < zip.count; i++) {
        if (rn_zip_find(&zip, zip.entry[i].name) != &zip.entry[i])
            abort();
        /* the pickle is read also where its checksum is wrong: the fuzzer does not compute it */
        if (rn_zip_get(&zip, &zip.entry[i], &entry, &err) && entry.length && entry.data[0] == '\x80') {
            struct rn_pickle pickle = { 0 };
            size_t at = 0;
            if (rn_pickle_load(&pickle, entry, &at, &err) == 0 && at > entry.length)
                abort();
            rn_pickle_free(&pickle);
        }
    }
    rn_zip_free(&zip);
    fuzz_foreign(text);
    return 0;
}
