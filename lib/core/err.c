/* err.c -- error texts. */
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int rn_fail(struct rn_err *err, int exit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->exit = exit;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return -1;
}

int rn_fail_errno(struct rn_err *err, const char *format, ...)
{
    int number = errno;
    va_list args;
    va_start(args, format);
    err->exit = RN_EXIT_SYSTEM;
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t length = strlen(err->text);
    snprintf(err->text + length, sizeof err->text - length, ": %s", strerror(number));
    return -1;
}

int rn_fail_at(struct rn_err *err, const char *format, ...)
{
    char text[sizeof err->text];
    memcpy(text, err->text, sizeof text);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t length = strlen(err->text);
    snprintf(err->text + length, sizeof err->text - length, ": %s", text);
    return -1;
}

void rn_failures_add(struct rn_failures *failures, const char *text)
{
    if (failures->count++ == 0)
        snprintf(failures->first, sizeof failures->first, "%s", text);
}
