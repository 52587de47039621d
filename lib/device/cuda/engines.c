/* engines.c -- which of cuDNN's engines a convolution in training uses, where several would do: the fastest, as a trial has shown
 * once (conv2d.cu). The choice is kept, since other engines give other last digits: in a file of this user, named by the GPU and
 * the libraries, which later runs here read; and in checkpoints, whose choices count before the file's.
 *
 * A row is the convolution's key, a tab, and the engine's number among those that suit, in the order of cuDNN's list. The file only
 * grows, by whole rows; of equal keys the first counts. What is given to checkpoints begins with the GPU and the libraries: rows of
 * others are passed over. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "device/cuda/cuda.h"

enum { MOST_ENGINE = 99, FILE_MOST = 4 << 20, NAME_MOST = 200 };

void rn_cuda_engines_free(struct rn_cuda *cuda)
{
    free(cuda->choice);
    free(cuda->choices_text);
}

static bool find(const struct rn_cuda *cuda, const char *key, size_t *engine)
{
    for (size_t i = 0; i < cuda->choices; i++)
        if (!strcmp(cuda->choice[i].key, key)) {
            *engine = cuda->choice[i].engine;
            return true;
        }
    return false;
}

static int add(struct rn_cuda *cuda, const char *key, size_t engine, struct rn_err *err)
{
    struct rn_cuda_choice choice = { .engine = engine };
    snprintf(choice.key, sizeof choice.key, "%s", key);
    if (rn_grow(&cuda->choice, &cuda->choice_room, cuda->choices + 1, sizeof choice, err))
        return -1;
    cuda->choice[cuda->choices++] = choice;
    return 0;
}

/* A row that is none is passed over: of a file that was cut off, nothing else is lost. */
static int take_row(struct rn_cuda *cuda, const char *row, size_t length, struct rn_err *err)
{
    char key[RN_CUDA_KEY];
    unsigned engine;
    int end = 0;
    size_t known, tab = 0;
    while (tab < length && row[tab] != '\t')
        tab++;
    if (tab == 0 || tab >= RN_CUDA_KEY || length - tab > 4)
        return 0;
    snprintf(key, sizeof key, "%.*s", (int)tab, row);
    char number[8];
    snprintf(number, sizeof number, "%.*s", (int)(length - tab - 1), row + tab + 1);
    if (sscanf(number, "%2u%n", &engine, &end) != 1 || number[end] || engine > MOST_ENGINE || find(cuda, key, &known))
        return 0;
    return add(cuda, key, engine, err);
}

/* `said`: the first row says of which GPU and libraries the others are. */
static int take(struct rn_cuda *cuda, const char *text, size_t length, bool said, struct rn_err *err)
{
    for (size_t at = 0, n; at < length; at += n + 1) {
        const char *end = memchr(text + at, '\n', length - at);
        n = end ? (size_t)(end - text) - at : length - at;
        if (said && at == 0) {
            if (n != strlen(cuda->versions) || memcmp(text, cuda->versions, n) != 0)
                return 0;
        } else if (end && take_row(cuda, text + at, n, err)) {
            return -1;
        }
    }
    return 0;
}

/* ---- the file ---- */

/* $XDG_CACHE_HOME/recyclenet/engines-GPU-and-versions.tsv; false: there is no place for it. make: its folders are made. */
static bool path_of(const struct rn_cuda *cuda, char *path, size_t room, bool make)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool own = cache && *cache == '/';
    if (!own && (!home || *home != '/'))
        return false;
    size_t length = (size_t)snprintf(path, room, own ? "%s" : "%s/.cache", own ? cache : home);
    if (length + NAME_MOST + 64 > room)
        return false;
    if (make)
        (void)!mkdir(path, 0700);
    length += (size_t)snprintf(path + length, room - length, "/recyclenet");
    if (make)
        (void)!mkdir(path, 0777);
    length += (size_t)snprintf(path + length, room - length, "/engines");
    size_t most = length + NAME_MOST;
    for (const char *c = cuda->versions; *c && length < most; c++)
        if (isalnum((unsigned char)*c) || *c == '.')
            path[length++] = *c;
        else if (path[length - 1] != '-')
            path[length++] = '-';
    snprintf(path + length, room - length, ".tsv");
    return true;
}

/* A file that cannot be read is none. */
static int read_file(struct rn_cuda *cuda, struct rn_err *err)
{
    char path[4096];
    if (cuda->engines_read || cuda->first_engines || !path_of(cuda, path, sizeof path, false))
        return 0;
    cuda->engines_read = true;
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 && status.st_size <= FILE_MOST) {
        char *text = rn_calloc(1, (size_t)status.st_size, err);
        ssize_t n = text ? read(fd, text, (size_t)status.st_size) : 0;
        rc = text ? take(cuda, text, n > 0 ? (size_t)n : 0, false, err) : -1;
        free(text);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

/* One that cannot be written is done without: the checkpoint has the choice. */
static void append(const struct rn_cuda *cuda, const char *key, size_t engine)
{
    char path[4096], row[RN_CUDA_KEY + 16];
    if (!path_of(cuda, path, sizeof path, true))
        return;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    size_t length = (size_t)snprintf(row, sizeof row, "%s\t%zu\n", key, engine);
    if (fd >= 0) {
        (void)!write(fd, row, length);
        close(fd);
    }
}

/* ---- what others see ---- */

int rn_cuda_engine_known(struct rn_cuda *cuda, const char *key, bool *known, size_t *engine, struct rn_err *err)
{
    *known = true;
    if (find(cuda, key, engine))
        return 0;
    if (read_file(cuda, err))
        return -1;
    *known = find(cuda, key, engine);
    return 0;
}

int rn_cuda_engine_keep(struct rn_cuda *cuda, const char *key, size_t engine, bool tried, struct rn_err *err)
{
    if (add(cuda, key, engine, err))
        return -1;
    if (tried)
        append(cuda, key, engine);
    return 0;
}

const char *rn_cuda_choices(struct rn_device *dev)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    size_t room = strlen(cuda->versions) + 2, length = 0;
    if (!cuda->choices)
        return NULL;
    for (size_t i = 0; i < cuda->choices; i++)
        room += strlen(cuda->choice[i].key) + 8;
    char *text = realloc(cuda->choices_text, room);
    if (!text)
        return NULL;
    cuda->choices_text = text;
    length += (size_t)snprintf(text, room, "%s\n", cuda->versions);
    for (size_t i = 0; i < cuda->choices; i++)
        length += (size_t)snprintf(text + length, room - length, "%s\t%zu\n", cuda->choice[i].key, cuda->choice[i].engine);
    return text;
}

int rn_cuda_choose(struct rn_device *dev, const char *text, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    cuda->first_engines = cuda->first_engines || !text;
    return text ? take(cuda, text, strlen(text), true, err) : 0;
}
