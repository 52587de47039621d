/* versions.c -- which libraries the program has found on this machine, asked of themselves: --version --verbose. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"
#include "tools/tool.h"

/* NULL in a tool that does not compute: only such a one loads OpenBLAS. */
extern const struct rn_device_class rn_device_cpu __attribute__((weak));

/* Each has its own way to say what it is. */
enum how { TEXT, TEXT_OF, PARTS, NUMBER, NAME };
static const struct {
    const char *name, *function;
    enum how how; /* text(); text(NULL); *parts(): three numbers; number(): 10203 is 1.2.3; the file's own name says it */
    const char *files[2]; /* loaded when it is needed; NULL: linked */
} rows[] = {
    { "C library", "gnu_get_libc_version", TEXT, { NULL } },
    { "jansson", "jansson_version_str", TEXT, { NULL } },
    { "libarchive", "archive_version_details", TEXT, { NULL } },
    { "libheif", "heif_get_version", TEXT, { "libheif.so.1" } },
    { "libjpeg", "jpeg_std_error", NAME, { NULL } },
    { "libpng", "png_get_libpng_ver", TEXT_OF, { NULL } },
    { "libseccomp", "seccomp_version", PARTS, { NULL } },
    { "libtiff", "TIFFGetVersion", TEXT, { "libtiff.so.6", "libtiff.so.5" } },
    { "libvips", "vips_version_string", TEXT, { "libvips.so.42", "libvips.so" } },
    { "msgpack-c", "msgpack_version", TEXT, { NULL } },
    { "OpenBLAS", "openblas_get_config", TEXT, { "libopenblas.so.0", "libopenblas.so" } },
    { "xxHash", "XXH_versionNumber", NUMBER, { NULL } },
    { "zlib", "zlibVersion", TEXT, { NULL } },
};

/* Whether this tool would load it; of the libraries that decode one is linked. */
static bool may_load(size_t row)
{
    return strcmp(rows[row].name, "OpenBLAS") ? dlsym(RTLD_DEFAULT, "jpeg_std_error") != NULL : &rn_device_cpu != NULL;
}

/* The symbol, where this program has it or may load it. */
static void *find(size_t row)
{
    void *symbol = NULL;
    if (!rows[row].files[0])
        return dlsym(RTLD_DEFAULT, rows[row].function);
    for (size_t i = 0; !symbol && i < 2 && rows[row].files[i]; i++) {
        void *library = dlopen(rows[row].files[i], RTLD_LAZY | RTLD_LOCAL);
        symbol = library ? dlsym(library, rows[row].function) : NULL;
    }
    return symbol;
}

static void ask(char room[static 128], size_t row, void *symbol, const char *path)
{
    const char *(*text)(void *);
    const unsigned *(*parts)(void);
    unsigned (*number)(void), n;
    const char *said = NULL;
    if (rows[row].how == TEXT || rows[row].how == TEXT_OF) {
        memcpy(&text, &symbol, sizeof text);
        said = text(NULL);
    } else if (rows[row].how == PARTS) {
        memcpy(&parts, &symbol, sizeof parts);
        const unsigned *three = parts();
        snprintf(room, 128, "%u.%u.%u", three[0], three[1], three[2]);
    } else if (rows[row].how == NUMBER) {
        memcpy(&number, &symbol, sizeof number);
        n = number();
        snprintf(room, 128, "%u.%u.%u", n / 10000, n / 100 % 100, n % 100);
    } else {
        said = strstr(path, ".so.");
        said = said ? said + 4 : "of unknown version";
    }
    if (said) /* one line of several */
        snprintf(room, 128, "%.*s", (int)strcspn(said, "\n"), said);
}

int rn_versions(struct rn_buffer *text, struct rn_err *err)
{
    char line[PATH_MAX + 256], version[128], path[PATH_MAX];
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        Dl_info where;
        void *symbol = find(row);
        if (rows[row].files[0] ? !may_load(row) : !symbol)
            continue; /* not this tool's */
        if (!symbol)
            snprintf(line, sizeof line, "%s: not here\n", rows[row].name);
        if (symbol) {
            bool known = dladdr(symbol, &where) && realpath(where.dli_fname, path);
            ask(version, row, symbol, known ? path : "");
            snprintf(line, sizeof line, "%s: %s (%s)\n", rows[row].name, version, known ? path : "linked");
        }
        if (rn_buffer_add(text, line, strlen(line), err))
            return -1;
    }
    return 0;
}
