/* mutate.h -- changes to an input that know what it is made of: pieces are left out, doubled, exchanged, or changed inside, and
 * what says how long they are, or sums them up, is made right again. A quarter of the changes are libFuzzer's own, on the bytes.
 *
 * A fuzzer that includes this defines what is static here and ends in a semicolon. */
#ifndef RN_TESTS_FUZZ_MUTATE_H
#define RN_TESTS_FUZZ_MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed);

enum { FUZZ_PIECES = 512, FUZZ_MOST = 1 << 16 };
struct fuzz_piece {
    size_t at, length; /* pieces may lie in pieces */
    size_t inside;     /* at + inside .. at + length - after: what may be changed at will */
    size_t after;
};
/* The pieces of an input. */
static size_t fuzz_split(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length);
/* A piece anew, from the one it was, with `n` bytes inside; at most n + 16 bytes. Its length. */
static size_t fuzz_wrap(uint8_t *to, const uint8_t *was, const struct fuzz_piece *piece, const uint8_t *inside, size_t n);
/* The whole is made right again, to at most `most` bytes. Its length. */
static size_t fuzz_mend(uint8_t *bytes, size_t length, size_t most);
/* Pieces that are worth a try: (length, bytes)...; NULL: none. */
static const char *fuzz_word(unsigned draw, size_t *length);

static unsigned fuzz_draw(unsigned *state, unsigned below)
{
    *state = *state * 1664525u + 1013904223u;
    return below ? (*state >> 8) % below : 0;
}

/* bytes[at .. at + length) becomes the n bytes of `new`. */
static inline size_t fuzz_put(uint8_t *bytes, size_t whole, size_t most, size_t at, size_t length, const uint8_t *new, size_t n)
{
    if (whole - length + n > most)
        return whole;
    memmove(bytes + at + n, bytes + at + length, whole - at - length);
    if (n)
        memcpy(bytes + at, new, n);
    return whole - length + n;
}

/* Of a short piece a byte becomes a small number, as types, counts and orientations are: a drawn byte is one of 256. */
static void fuzz_number(uint8_t *byte, unsigned *state)
{
    bool digit = *byte >= '0' && *byte <= '9';
    *byte = (uint8_t)(digit ? '0' + fuzz_draw(state, 10) : fuzz_draw(state, 17));
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t most, unsigned seed)
{
    static struct fuzz_piece pieces[FUZZ_PIECES];
    static uint8_t inside[FUZZ_MOST + 16], new[FUZZ_MOST + 64];
    unsigned state = seed;
    most = most < FUZZ_MOST ? most : FUZZ_MOST;
    size_t count = length <= most ? fuzz_split(pieces, FUZZ_PIECES, bytes, length) : 0, n;
    if (!count || fuzz_draw(&state, 4) == 0)
        return LLVMFuzzerMutate(bytes, length, most);
    const struct fuzz_piece one = pieces[fuzz_draw(&state, (unsigned)count)], other = pieces[fuzz_draw(&state, (unsigned)count)];
    const char *word;
    switch (fuzz_draw(&state, 6)) {
    case 0:
        length = fuzz_put(bytes, length, most, one.at, one.length, NULL, 0);
        break;
    case 1: /* twice, or where the other stands */
    case 2:
        memcpy(new, bytes + one.at, one.length);
        length = fuzz_put(bytes, length, most, other.at, state & 256 ? other.length : 0, new, one.length);
        break;
    case 3:
        word = fuzz_word(fuzz_draw(&state, 1 << 16), &n);
        if (word) {
            length = fuzz_put(bytes, length, most, one.at, one.length, (const uint8_t *)word, n);
            break;
        }
        __attribute__((fallthrough));
    default:
        n = one.length - one.inside - one.after;
        memcpy(inside, bytes + one.at + one.inside, n);
        if (n && n <= 8 && fuzz_draw(&state, 2))
            fuzz_number(inside + fuzz_draw(&state, (unsigned)n), &state);
        else
            n = LLVMFuzzerMutate(inside, n, most - length + n + (most == length));
        n = fuzz_wrap(new, bytes + one.at, &one, inside, n);
        length = fuzz_put(bytes, length, most, one.at, one.length, new, n);
    }
    return fuzz_draw(&state, 8) ? fuzz_mend(bytes, length, most) : length;
}

#endif
