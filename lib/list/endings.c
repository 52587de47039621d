/* endings.c -- what a name's ending says; what is passed over. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/mem.h"
#include "list/private.h"

#define RAW "a camera's raw file is not read here: develop it to JPEG, TIFF or PNG first (darktable-cli, rawtherapee-cli, dcraw)"
#define CONVERT "this format is not read here: convert it to JPEG or PNG first (ImageMagick's convert, GIMP)"

static const struct rn_ending endings[] = {
    { ".jpg", NULL }, { ".jpeg", NULL }, { ".jpe", NULL }, { ".jfif", NULL }, { ".jif", NULL }, { ".mpo", NULL },
    { ".png", NULL }, { ".webp", NULL }, { ".tif", NULL }, { ".tiff", NULL }, { ".gif", NULL },
    { ".heic", NULL }, { ".heif", NULL }, { ".hif", NULL }, { ".avif", NULL },
    { ".bmp", NULL }, { ".ppm", NULL }, { ".pgm", NULL }, { ".pnm", NULL },
    { ".dng", RAW }, { ".cr2", RAW }, { ".cr3", RAW }, { ".crw", RAW }, { ".nef", RAW }, { ".nrw", RAW }, { ".arw", RAW },
    { ".srf", RAW }, { ".sr2", RAW }, { ".raf", RAW }, { ".orf", RAW }, { ".rw2", RAW }, { ".rwl", RAW }, { ".pef", RAW },
    { ".srw", RAW }, { ".x3f", RAW }, { ".3fr", RAW }, { ".fff", RAW }, { ".iiq", RAW }, { ".mrw", RAW }, { ".dcr", RAW },
    { ".kdc", RAW }, { ".erf", RAW }, { ".mef", RAW }, { ".mos", RAW }, { ".gpr", RAW }, { ".raw", RAW },
    { ".jxl", CONVERT }, { ".jp2", CONVERT }, { ".j2k", CONVERT }, { ".jpx", CONVERT }, { ".psd", CONVERT }, { ".tga", CONVERT },
    { ".exr", CONVERT }, { ".hdr", CONVERT }, { ".xcf", CONVERT },
};

const struct rn_ending *rn_ending_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (!strcasecmp(dot, endings[i].ending))
            return &endings[i];
    return NULL;
}

char *rn_ending_error(const struct rn_ending *ending, const char *path, struct rn_err *err)
{
    char room[256], name[8] = "", *text = NULL;
    for (size_t i = 0; i + 1 < sizeof name && ending->ending[i]; i++)
        name[i] = (char)toupper((unsigned char)ending->ending[i + 1]);
    if (asprintf(&text, "%s: %s: %s", rn_text_show(rn_text(path), room), name, ending->advice) < 0)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory"), NULL;
    return text;
}

bool rn_list_is_junk(const char *folder)
{
    static const char *const names[] = { "@eaDir", "@Recycle", "#recycle", "#snapshot", "$RECYCLE.BIN", "RECYCLER",
                                         "System Volume Information", "__MACOSX" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(folder, names[i]))
            return true;
    return false;
}

/* The last of the kinds takes in those that there is no room for. */
void rn_list_pass(struct rn_pictures *pictures, const char *what)
{
    size_t i = 0, most = sizeof pictures->passed / sizeof *pictures->passed;
    while (i < pictures->kinds && strcmp(pictures->passed[i].what, what))
        i++;
    if (i == pictures->kinds && i < most)
        snprintf(pictures->passed[pictures->kinds++].what, sizeof pictures->passed->what, "%.31s", i + 1 < most ? what : "others");
    pictures->passed[i < most ? i : most - 1].count++;
}

void rn_list_pass_file(struct rn_pictures *pictures, const char *name, bool regular)
{
    char ending[16];
    const char *dot = strrchr(name, '.');
    if (!regular) {
        rn_list_pass(pictures, "not regular files");
    } else if (!dot || !dot[1] || strlen(dot) >= sizeof ending) {
        rn_list_pass(pictures, "without an ending");
    } else {
        for (size_t i = 0; i <= strlen(dot); i++)
            ending[i] = (char)tolower((unsigned char)dot[i]);
        rn_list_pass(pictures, ending);
    }
}

void rn_list_pass_folder(struct rn_pictures *pictures, const char *name)
{
    char what[40];
    snprintf(what, sizeof what, "%s/", name ? name : "");
    rn_list_pass(pictures, name ? what : "links in a circle");
}

bool rn_list_is_picture(struct rn_pictures *pictures, const char *path)
{
    char folder[32];
    const char *name = path;
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        size_t length = (size_t)(slash - name);
        snprintf(folder, sizeof folder, "%.*s", length < sizeof folder ? (int)length : 0, name);
        if (rn_list_is_junk(folder)) {
            rn_list_pass_folder(pictures, folder);
            return false;
        }
    }
    if (*name != '.' && rn_ending_of(name))
        return true;
    if (*name == '.')
        rn_list_pass(pictures, "hidden");
    else
        rn_list_pass_file(pictures, name, true);
    return false;
}

static int by_count(const void *a, const void *b)
{
    const struct rn_passed *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->what, y->what);
}

int rn_list_passed(struct rn_pictures *pictures, struct rn_buffer *text, struct rn_err *err)
{
    enum { NAMED = 16 };
    size_t others = 0;
    char one[64];
    qsort(pictures->passed, pictures->kinds, sizeof *pictures->passed, by_count);
    for (size_t i = 0; i < pictures->kinds; i++) {
        const struct rn_passed *passed = &pictures->passed[i];
        snprintf(one, sizeof one, "%s%zu %s", i ? ", " : "", passed->count, passed->what);
        if (i < NAMED && rn_buffer_add(text, one, strlen(one), err))
            return -1;
        others += i < NAMED ? 0 : passed->count;
    }
    snprintf(one, sizeof one, ", %zu of other endings", others);
    return others ? rn_buffer_add(text, one, strlen(one), err) : 0;
}
