/* format.c -- what kind of picture a file is, by its first bytes. */
#include <string.h>

#include "image/private.h"

static const struct {
    size_t at;
    const char *bytes;
    size_t length;
    enum rn_image_format format;
    const char *name; /* of OTHER */
} beginnings[] = {
#define AT(at, bytes, format, name) { at, bytes, sizeof bytes - 1, RN_IMAGE_##format, name }
    AT(0, "\xff\xd8\xff", JPEG, NULL),
    AT(0, "\x89PNG\r\n\x1a\n", PNG, NULL),
    AT(0, "GIF87a", GIF, NULL),
    AT(0, "GIF89a", GIF, NULL),
    AT(0, "II*\0", TIFF, NULL),
    AT(0, "MM\0*", TIFF, NULL),
    AT(0, "II+\0", TIFF, NULL),
    AT(0, "MM\0+", TIFF, NULL),
    AT(8, "WEBP", WEBP, NULL), /* after RIFF */
    AT(0, "BM", BMP, NULL),
    AT(0, "P7", OTHER, "a PAM picture"),
    AT(0, "PF", OTHER, "a PFM picture"),
    AT(0, "Pf", OTHER, "a PFM picture"),
    AT(0, "\xff\x0a", OTHER, "a JPEG XL picture"),
    AT(0, "\0\0\0\x0cJXL \r\n\x87\n", OTHER, "a JPEG XL picture"),
    AT(0, "\0\0\0\x0cjP  \r\n\x87\n", OTHER, "a JPEG 2000 picture"),
    AT(0, "\xff\x4f\xff\x51", OTHER, "a JPEG 2000 picture"),
    AT(0, "8BPS", OTHER, "a Photoshop file"),
    AT(0, "%PDF-", OTHER, "a PDF file"),
    AT(0, "\0\0\1\0", OTHER, "an icon file"),
    AT(0, "<svg", OTHER, "an SVG drawing"),
    AT(0, "v/1\1", OTHER, "an OpenEXR picture"),
    AT(0, "#?RADIANCE\n", OTHER, "a Radiance picture"),
    AT(0, "qoif", OTHER, "a QOI picture"),
    AT(0, "FUJIFILMCCD-RAW", OTHER, "a raw photo of Fujifilm"),
    AT(0, "IIRO", OTHER, "a raw photo of Olympus"),
    AT(0, "IIU\0", OTHER, "a raw photo of Panasonic"),
#undef AT
};

/* The brands of an ISO base media file (ISO/IEC 14496-12; HEIF's are in ISO/IEC 23008-12), the major one first. */
static enum rn_image_format heif_format(struct rn_text bytes, const char **name)
{
    static const char heic[] = "heic heix heim heis hevc hevx hevm hevs ", avif[] = "avif avis ", either[] = "mif1 msf1 mif2 miaf ";
    const uint8_t *at = (const uint8_t *)bytes.data;
    uint64_t length = rn_bytes_big(at, 4);
    size_t end = length < bytes.length ? (size_t)length : bytes.length;
    bool picture = false;
    for (size_t i = 8; i + 4 <= end; i += i == 8 ? 8 : 4) { /* between the major and the others: its version */
        char brand[6] = { 0 };
        memcpy(brand, at + i, 4);
        brand[4] = ' ';
        if (strlen(brand) < 5)
            continue;
        if (strstr(avif, brand))
            return RN_IMAGE_AVIF;
        if (strstr(heic, brand))
            return RN_IMAGE_HEIC;
        picture = picture || strstr(either, brand);
    }
    if (picture)
        return RN_IMAGE_HEIC;
    *name = !memcmp(at + 8, "crx ", 4) ? "a raw photo of Canon (CR3)" : "a video, or another file of the MP4 family";
    return RN_IMAGE_OTHER;
}

enum rn_image_format rn_image_format_of(struct rn_text bytes, const char **name)
{
    if (bytes.length >= 12 && !memcmp(bytes.data + 4, "ftyp", 4))
        return heif_format(bytes, name);
    if (bytes.length >= 3 && bytes.data[0] == 'P' && bytes.data[1] >= '1' && bytes.data[1] <= '6' &&
        memchr(" \t\r\n\v\f#", bytes.data[2], 7))
        return RN_IMAGE_PNM;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        size_t at = beginnings[i].at, length = beginnings[i].length;
        if (bytes.length < at + length || memcmp(bytes.data + at, beginnings[i].bytes, length))
            continue;
        if (at && memcmp(bytes.data, "RIFF", 4))
            continue;
        *name = beginnings[i].name;
        return beginnings[i].format;
    }
    return RN_IMAGE_NONE;
}
