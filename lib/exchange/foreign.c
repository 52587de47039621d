/* foreign.c -- the tensors of a foreign file: which format it is. */
#include "exchange/exchange.h"

#include <stdlib.h>

#include "exchange/private.h"

static int check_names(const struct rn_foreign *f, struct rn_err *err)
{
    char shown[256];
    struct rn_texts sorted = { 0 };
    int rc = rn_texts_copy(&sorted, &f->name, err);
    if (rc == 0)
        rn_texts_sort(&sorted);
    if (rc == 0 && sorted.count && !sorted.item[0].length)
        rc = rn_fail(err, RN_EXIT_DATA, "a tensor without a name");
    for (size_t i = 1; i < sorted.count && rc == 0; i++)
        if (rn_text_equal(sorted.item[i], sorted.item[i - 1]))
            rc = rn_fail(err, RN_EXIT_DATA, "two tensors are called '%s'", rn_text_show(sorted.item[i], shown));
    rn_texts_free(&sorted);
    return rc;
}

int rn_foreign_open(struct rn_foreign *foreign, struct rn_text bytes, const char *key, struct rn_err *err)
{
    int rc;
    *foreign = (struct rn_foreign){ 0 };
    if (bytes.length >= 4 && !memcmp(bytes.data, "PK\3\4", 4))
        rc = rn_torch_zip_read(foreign, bytes, key, err);
    else if (bytes.length >= 2 && bytes.data[0] == '\x80' && bytes.data[1] >= 2 && bytes.data[1] <= 5)
        rc = rn_torch_legacy_read(foreign, bytes, key, err);
    else if (bytes.length >= 9 && bytes.data[8] == '{')
        rc = key ? rn_fail(err, RN_EXIT_DATA, "--key goes with files of PyTorch: safetensors have no dictionaries")
                 : rn_safetensors_read(foreign, bytes, err);
    else if (bytes.length > 512 && !memcmp(bytes.data + 257, "ustar", 5))
        rc = rn_fail(err, RN_EXIT_DATA, "a tar archive, as the first versions of PyTorch wrote it: torch.load and torch.save "
                                        "make a zip archive of it");
    else
        rc = rn_fail(err, RN_EXIT_DATA, "neither a file of PyTorch nor safetensors");
    if (rc == 0)
        rc = !foreign->count ? rn_fail(err, RN_EXIT_DATA, "no tensors in it")
                             : rn_foreign_shorten(foreign, err) || check_names(foreign, err) ? -1 : 0;
    if (rc)
        rn_foreign_free(foreign);
    return rc;
}

void rn_foreign_free(struct rn_foreign *foreign)
{
    rn_texts_free(&foreign->name);
    rn_texts_free(&foreign->left_out);
    rn_texts_free(&foreign->others);
    rn_head_free(&foreign->about);
    free(foreign->view);
    *foreign = (struct rn_foreign){ 0 };
}

long rn_foreign_find(const struct rn_foreign *foreign, const char *name)
{
    return rn_texts_find(&foreign->name, rn_text(name));
}
