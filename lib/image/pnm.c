/* pnm.c -- Netpbm's PBM, PGM and PPM, plain and raw; the first picture of a file, with Pillow's scaling. */
#include <math.h>
#include <string.h>

#include "image/private.h"

struct pnm {
    unsigned kind;          /* 1..6, as in P6 */
    size_t channels, bytes; /* of a pixel; of a raw sample: 0 is a bit */
    uint64_t width, height, most;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A number after white space and comments. */
static bool next_number(struct rn_bytes *b, uint64_t *value)
{
    bool comment = false;
    while (b->left && (comment || is_space(*b->at) || *b->at == '#')) {
        comment = *b->at == '#' || (comment && *b->at != '\n' && *b->at != '\r');
        (void)rn_bytes_take(b, 1);
    }
    size_t digits = 0;
    for (*value = 0; b->left && *b->at >= '0' && *b->at <= '9' && digits < 10; digits++) {
        *value = *value * 10 + (*b->at - '0');
        (void)rn_bytes_take(b, 1);
    }
    return digits && (!b->left || is_space(*b->at) || *b->at == '#');
}

static int read_head(struct pnm *pnm, struct rn_bytes *b, struct rn_err *err)
{
    pnm->kind = b->at[1] - (unsigned)'0';
    pnm->channels = pnm->kind % 3 ? 1 : 3;
    pnm->most = 1;
    (void)rn_bytes_take(b, 2);
    if (!next_number(b, &pnm->width) || !next_number(b, &pnm->height) || (pnm->kind % 3 != 1 && !next_number(b, &pnm->most)))
        return rn_fail(err, RN_EXIT_DATA, "damaged PNM: its head does not say width, height and greatest value");
    if (!pnm->most || pnm->most > 65535)
        return rn_fail(err, RN_EXIT_DATA, "damaged PNM: a greatest value of %llu, which is not in 1 to 65535",
                       (unsigned long long)pnm->most);
    pnm->bytes = pnm->kind == 4 ? 0 : pnm->most > 255 ? 2 : 1;
    if (pnm->kind > 3 && !rn_bytes_take(b, 1))
        return rn_fail(err, RN_EXIT_DATA, "damaged PNM: the file ends before the first pixel");
    return 0;
}

/* Python's round, half to even; wide grey is Pillow's mode I, of which convert("RGB") keeps 255 at most. */
static uint8_t scaled(const struct pnm *pnm, uint64_t value)
{
    if (pnm->kind % 3 == 1)
        return value ? 0 : 255;
    double most = pnm->channels == 1 && pnm->most > 255 ? 65535 : 255;
    double level = pnm->most == (uint64_t)most ? (double)value : nearbyint((double)value / (double)pnm->most * most);
    return (uint8_t)(level > 255 ? 255 : level);
}

/* Of PBM the digits need no space between them. */
static bool next_plain(struct rn_bytes *b, const struct pnm *pnm, uint64_t *value)
{
    if (pnm->kind != 1)
        return next_number(b, value) && *value <= pnm->most;
    for (bool comment = false; b->left && (comment || is_space(*b->at) || *b->at == '#'); (void)rn_bytes_take(b, 1))
        comment = *b->at == '#' || (comment && *b->at != '\n' && *b->at != '\r');
    if (!b->left || (*b->at != '0' && *b->at != '1'))
        return false;
    *value = *b->at - (uint64_t)'0';
    return rn_bytes_take(b, 1);
}

static bool read_plain(uint8_t *to, size_t samples, struct rn_bytes *b, const struct pnm *pnm)
{
    uint64_t value;
    for (size_t i = 0; i < samples; i++) {
        if (!next_plain(b, pnm, &value))
            return false;
        to[i] = scaled(pnm, value);
    }
    return true;
}

static bool read_raw(uint8_t *to, size_t samples, struct rn_bytes *b, const struct pnm *pnm)
{
    const uint8_t *at = b->at;
    if (!rn_bytes_take(b, pnm->bytes ? samples * pnm->bytes : (samples + 7) / 8))
        return false;
    for (size_t i = 0; i < samples; i++)
        to[i] = scaled(pnm, pnm->bytes ? rn_bytes_big(at + i * pnm->bytes, (int)pnm->bytes) : at[i / 8] >> (7 - i % 8) & 1u);
    return true;
}

/* Row by row, from the left third of each row's room. */
static int read_rows(struct rn_image *image, struct rn_bytes *b, const struct pnm *pnm, struct rn_err *err)
{
    for (size_t y = 0; y < image->height; y++) {
        uint8_t *row = image->pixels + y * image->width * 3;
        size_t samples = image->width * pnm->channels;
        if (!(pnm->kind < 4 ? read_plain(row, samples, b, pnm) : read_raw(row, samples, b, pnm)))
            return rn_fail(err, RN_EXIT_DATA, "damaged PNM: %s after %zu of %zu rows",
                           b->left && pnm->kind < 4 ? "no number from 0 to its greatest" : "the file ends", y, image->height);
        for (size_t x = image->width; pnm->channels == 1 && x-- > 0;)
            memset(row + 3 * x, row[x], 3);
    }
    return 0;
}

int rn_image_decode_pnm(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct rn_bytes b = { (const uint8_t *)bytes.data, bytes.length };
    struct pnm pnm = { 0 };
    if (read_head(&pnm, &b, err) || rn_image_allocate(image, (size_t)pnm.height, (size_t)pnm.width, how, err))
        return -1;
    return read_rows(image, &b, &pnm, err);
}
