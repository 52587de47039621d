/* err.h -- how a function of lib says what went wrong.
 *
 * Every function that can fail returns 0 (or a count) on success and -1 on failure, and then it has filled
 * the struct rn_err that it was given. lib never prints and never exits: tools/main.c prints the text as one
 * line and exits with the code. */
#ifndef RN_CORE_ERR_H
#define RN_CORE_ERR_H

#include <stdint.h>

#define RN_MUST __attribute__((warn_unused_result))

enum rn_exit {
    RN_EXIT_OK = 0,
    RN_EXIT_NO = 1,       /* done, but the answer is no, or records failed */
    RN_EXIT_USAGE = 2,    /* wrong options or operands */
    RN_EXIT_DATA = 3,     /* bad data: damaged, or not what it must be */
    RN_EXIT_SYSTEM = 4,   /* the system or a device: a missing file, a full disk, no memory */
    RN_EXIT_DIVERGED = 5, /* training met a loss that is not finite */
};

/* Zeroed: no error. `text` is one message without the tool's name: "where: what". */
struct rn_err {
    int exit; /* an enum rn_exit other than OK once filled */
    char text[1024];
};

/* Fills err and returns -1, so that `return rn_fail(...)` reads well. */
int rn_fail(struct rn_err *err, int exit, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with RN_EXIT_SYSTEM, and ": " and the text of errno appended; errno is read first. */
int rn_fail_errno(struct rn_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "where: " before the text that is there. Returns -1. */
int rn_fail_at(struct rn_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What failed and was passed over, as an error record says: how many, and the text of the first. */
struct rn_failures {
    uint64_t count;
    char first[1024];
};
void rn_failures_add(struct rn_failures *failures, const char *text);

#endif
