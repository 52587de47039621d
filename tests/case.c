/* case.c -- linked into every unit test: CASE=PATTERN in the environment runs only the cases whose names match it (* and ?). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static __attribute__((constructor)) void choose(void)
{
    const char *pattern = getenv("CASE");
    if (pattern && *pattern)
        cmocka_set_test_filter(pattern);
}
