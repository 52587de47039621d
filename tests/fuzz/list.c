/* list.c -- any text as a published list of a split. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"
#include "split/split.h"
#include "tests/fuzz/mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static size_t fuzz_split(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length && count < most;) {
        const uint8_t *end = memchr(bytes + at, '\n', length - at);
        size_t n = end ? (size_t)(end - bytes) + 1 - at : length - at;
        pieces[count++] = (struct fuzz_piece){ at, n, 0, end != NULL };
        at += n;
    }
    return count;
}

static size_t fuzz_wrap(uint8_t *to, const uint8_t *was, const struct fuzz_piece *piece, const uint8_t *inside, size_t n)
{
    memcpy(to, inside, n);
    memcpy(to + n, was + piece->length - piece->after, piece->after);
    return n + piece->after;
}

static size_t fuzz_mend(uint8_t *bytes, size_t length, size_t most)
{
    (void)bytes, (void)most;
    return length;
}

static const char *fuzz_word(unsigned draw, size_t *length)
{
    static const char *const words[] = {
        "paper70.jpg 2\n", "glass1.jpg 0\n", "x 7\n", "x -1\n", " 1\n", "\n", "a b 1\n", "\xff 1\n", "x\t1\r\n",
        "../x.jpg 1\n", "x 99999999999999999999\n",
    };
    const char *word = words[draw % (sizeof words / sizeof *words)];
    *length = strlen(word);
    return word;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static int fd = -1;
    char path[64];
    struct rn_lists lists = { 0 };
    struct rn_err err = { 0 };
    if (fd < 0)
        fd = memfd_create("list", 0);
    if (fd < 0 || ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) || rn_file_write(fd, bytes, length, &err))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = rn_lists_read(&lists, rn_text("train"), path, &err) || rn_lists_read(&lists, rn_text("val"), path, &err) ||
             rn_lists_ready(&lists, &err) ? -1 : 0;
    if (rc && (!err.exit || !err.text[0]))
        abort(); /* refused without a word */
    rn_lists_free(&lists);
    return 0;
}
