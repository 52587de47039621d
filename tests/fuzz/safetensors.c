/* safetensors.c -- any bytes as safetensors. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    fuzz_foreign((struct rn_text){ (const char *)bytes, length });
    return 0;
}
