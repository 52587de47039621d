/* fuzz.h -- what the fuzzers share. */
#ifndef RN_TESTS_FUZZ_H
#define RN_TESTS_FUZZ_H

#include <stdlib.h>

#include "exchange/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A file of PyTorch or safetensors, and all of its tensors. */
static inline void fuzz_foreign(struct rn_text bytes)
{
    struct rn_err err = { 0 };
    struct rn_foreign foreign;
    struct rn_buffer room = { 0 };
    struct rn_tensor tensor;
    if (rn_foreign_open(&foreign, bytes, NULL, &err)) {
        if (!err.exit || !err.text[0])
            abort(); /* refused without a word */
        return;
    }
    for (size_t i = 0; i < foreign.count; i++)
        if (foreign.view[i].dims < 3 && rn_foreign_read(&foreign, i, &tensor, &room, &err) && foreign.view[i].element != RN_E_U64)
            abort(); /* only a number that is too large is found so late */
    rn_buffer_free(&room);
    rn_foreign_free(&foreign);
}

#endif
