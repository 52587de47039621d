/* progress.c -- a line that says how far the work is. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

double rn_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct rn_progress rn_progress_begin(const struct rn_args *args)
{
    bool wanted = args->progress == 1 || (args->progress == 0 && isatty(STDERR_FILENO));
    return (struct rn_progress){ .on = wanted && !args->quiet, .begun = rn_seconds() };
}

/* Characters that fit in a line; 0: no terminal. The last place is left free: to write there would begin a new line. */
static size_t room(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 0;
}

void rn_progress_show(struct rn_progress *progress, bool now, const char *format, ...)
{
    char text[256];
    double time = progress->on ? rn_seconds() : 0;
    if (!progress->on || (!now && time - progress->shown < 0.1))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t width = strlen(text), most = room();
    if (most && width > most)
        text[width = most] = '\0';
    if (most && progress->width > most) /* the window was made narrower */
        progress->width = most;
    fprintf(stderr, "\r%s%*s", text, (int)(progress->width > width ? progress->width - width : 0), "");
    progress->width = width;
    progress->shown = time;
}

void rn_progress_end(struct rn_progress *progress)
{
    if (progress->on && progress->width)
        fprintf(stderr, "\r%*s\r", (int)progress->width, "");
    progress->width = 0;
}

const char *rn_progress_time(double seconds, char room[static 32])
{
    long s = isfinite(seconds) && seconds > 0 && seconds < 1e9 ? lround(seconds) : 0;
    if (s >= 3600)
        snprintf(room, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(room, 32, "%ld:%02ld", s / 60, s % 60);
    return room;
}
