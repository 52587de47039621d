/* decoders.c -- processes that decode, so that a photo which makes a library crash costs that photo and nothing else.
 *
 * A keeper, forked while there is one thread, forks a decoder for each place, and another one when one dies. A place has a socket,
 * over which go a question and an answer, and memory that is shared: for the file's bytes, and for the pixels. The keeper holds the
 * decoders' ends of the sockets, too, and answers for those that died. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/private.h"

enum { STEP = 1 << 20, KEPT = 64 << 20 }; /* of shared memory: it grows by that; so much is kept from photo to photo */
enum { NOT_WANTED = 99 };                 /* a decoder's exit code when there are no more questions */

struct question {
    uint64_t number;
    size_t length; /* of the file */
};
struct answer {
    enum { DONE, FAILED, DIED, HELLO } kind;
    int status;      /* DIED: as of wait; HELLO: errno of the lock, 0: it holds */
    uint64_t number; /* the question's */
    size_t height, width; /* DONE */
    struct rn_err err;    /* FAILED */
};

/* Memory that both sides have: a file that only grows; where files have a limit, -1 and all that there can be. */
struct share {
    int fd;
    uint8_t *map;
    size_t mapped;
};
struct rn_place {
    int ours, theirs; /* ends of the socket */
    struct share file, pixels;
    uint64_t number;
    pid_t decoder; /* in the keeper */
    bool taken;
};
struct rn_decoders {
    struct rn_place *place;
    int count;
    struct rn_decode how;
    pid_t keeper;
    pthread_mutex_t lock;
    pthread_cond_t free;
};

/* At least `length` bytes of it are there, and mapped; 0, or -1 and errno. */
static int share(struct share *share, size_t length)
{
    struct stat status;
    if (length <= share->mapped)
        return 0;
    if (share->fd < 0)
        return errno = ENOMEM, -1;
    length = (length + STEP - 1) / STEP * STEP;
    if (fstat(share->fd, &status) || ((size_t)status.st_size < length && ftruncate(share->fd, (off_t)length)))
        return -1;
    void *map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, share->fd, 0);
    if (map == MAP_FAILED)
        return -1;
    if (share->map)
        munmap(share->map, share->mapped);
    share->map = map;
    share->mapped = length;
    return 0;
}

/* One message: its length, 0 at the end, -1. */
static ssize_t get(int socket, void *message, size_t length)
{
    ssize_t n;
    while ((n = read(socket, message, length)) < 0 && errno == EINTR) {
    }
    return n;
}

static int put(int socket, const void *message, size_t length)
{
    ssize_t n;
    while ((n = send(socket, message, length, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
    }
    return n == (ssize_t)length ? 0 : -1;
}

/* ---- the decoder ---- */

static uint8_t *place_pixels(struct rn_place *place, size_t bytes, struct rn_err *err)
{
    if (share(&place->pixels, bytes))
        rn_fail_errno(err, "out of memory: %zu bytes", bytes);
    else
        return place->pixels.map;
    return NULL;
}

static void answer_one(struct rn_place *place, const struct rn_decode *how, const struct question *question, struct answer *answer)
{
    struct rn_image image;
    answer->kind = FAILED;
    answer->number = question->number;
    if (share(&place->file, question->length)) {
        rn_fail_errno(&answer->err, "out of memory: %zu bytes", question->length);
        return;
    }
    if (rn_image_decode_here(&image, (struct rn_text){ (char *)place->file.map, question->length }, how, &answer->err))
        return;
    size_t bytes = image.height * image.width * 3;
    uint8_t *pixels = image.place ? image.pixels : place_pixels(place, bytes, &answer->err);
    if (pixels && pixels != image.pixels)
        memcpy(pixels, image.pixels, bytes); /* it was turned */
    answer->height = image.height;
    answer->width = image.width;
    answer->kind = pixels ? DONE : FAILED;
    rn_image_free(&image);
}

static _Noreturn void decode_all(struct rn_place *place, const struct rn_decode *given, bool hello)
{
    struct rn_decode how = *given;
    struct question question;
    struct answer answer = { .kind = HELLO, .status = rn_image_lock(given) };
    ssize_t n;
    how.place = place;
    how.pixels = place_pixels;
    if (hello && put(place->theirs, &answer, sizeof answer))
        _exit(NOT_WANTED);
    while ((n = get(place->theirs, &question, sizeof question)) == sizeof question) {
        memset(&answer, 0, sizeof answer);
        answer_one(place, &how, &question, &answer);
        if (put(place->theirs, &answer, sizeof answer))
            break;
    }
    _exit(NOT_WANTED);
}

/* ---- the keeper ---- */

static bool is_needed(const struct rn_decoders *decoders, int fd)
{
    for (int i = 0; i < decoders->count; i++) {
        const struct rn_place *place = &decoders->place[i];
        if (fd == place->theirs || fd == place->file.fd || fd == place->pixels.fd)
            return true;
    }
    return false;
}

/* Nothing but what the decoders need stays open: who waits for the end of our output must not wait for us. Libraries' last words go
 * nowhere (the answer says what happened), those of sanitizers stay. */
static void close_others(const struct rn_decoders *decoders)
{
    struct rlimit limit;
    int null = open("/dev/null", O_RDWR), last = STDERR_FILENO;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    dup2(null, STDERR_FILENO);
#endif
    for (int i = 0; i < decoders->count; i++) /* a place's sockets were made last */
        last = decoders->place[i].theirs > last ? decoders->place[i].theirs : last;
    for (int fd = STDERR_FILENO + 1; fd <= last; fd++)
        if (!is_needed(decoders, fd))
            close(fd);
    if (syscall(SYS_close_range, (unsigned)last + 1, ~0u, 0) == 0 || getrlimit(RLIMIT_NOFILE, &limit))
        return;
    for (int fd = last + 1; fd < (int)(limit.rlim_cur < 65536 ? limit.rlim_cur : 65536); fd++)
        close(fd);
}

/* Ctrl-C and the like are for who started us, whose end is ours. */
static void follow(pid_t parent)
{
    static const int not_ours[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
    for (size_t i = 0; i < sizeof not_ours / sizeof *not_ours; i++)
        signal(not_ours[i], SIG_IGN);
    prctl(PR_SET_NAME, "rn-decoder");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
}

static int begin_decoder(struct rn_decoders *decoders, int i, bool hello)
{
    struct rn_place *place = &decoders->place[i];
    pid_t keeper = getpid();
    place->decoder = fork();
    if (place->decoder)
        return place->decoder < 0 ? -1 : 0;
    follow(keeper);
    for (int k = 0; k < decoders->count; k++) {
        struct rn_place *other = &decoders->place[k];
        if (k == i)
            continue;
        close(other->theirs);
        close(other->file.fd);
        close(other->pixels.fd);
    }
    decode_all(place, &decoders->how, hello);
}

/* Without a decoder nobody may wait for one. */
static void give_up(struct rn_place *place)
{
    close(place->theirs);
    place->theirs = -1;
    place->decoder = 0;
}

static _Noreturn void keep(struct rn_decoders *decoders)
{
    pid_t pid;
    int status;
    for (int i = 0; i < decoders->count; i++)
        if (begin_decoder(decoders, i, i == 0))
            give_up(&decoders->place[i]);
    while ((pid = wait(&status)) > 0 || errno == EINTR)
        for (int i = 0; pid > 0 && i < decoders->count; i++) {
            struct rn_place *place = &decoders->place[i];
            if (place->decoder != pid)
                continue;
            const struct answer died = { .kind = DIED, .status = status };
            bool ended = WIFEXITED(status) && WEXITSTATUS(status) == NOT_WANTED;
            if (ended || begin_decoder(decoders, i, false))
                give_up(place);
            else if (put(place->theirs, &died, sizeof died))
                _exit(0);
        }
    _exit(0);
}

/* ---- who wants pictures ---- */

static int make_share(struct share *new, size_t most)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        void *map = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (map != MAP_FAILED)
            *new = (struct share){ -1, map, most };
        return map == MAP_FAILED ? -1 : 0;
    }
    new->fd = memfd_create("rn-photo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* never shorter, so that what was seen to be there can be read */
    return new->fd < 0 || fcntl(new->fd, F_ADD_SEALS, F_SEAL_SHRINK) ? -1 : share(new, STEP);
}

static void close_share(struct share *share)
{
    if (share->fd >= 0)
        close(share->fd);
    if (share->map)
        munmap(share->map, share->mapped);
}

static int make_place(struct rn_place *place, size_t pixels)
{
    int ends[2];
    if (make_share(&place->file, RN_IMAGE_FILE_MAX) || make_share(&place->pixels, pixels) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        return -1;
    place->ours = ends[0];
    place->theirs = ends[1];
    return 0;
}

static void close_all(struct rn_place *place)
{
    if (place->ours >= 0)
        close(place->ours);
    if (place->theirs >= 0)
        close(place->theirs);
    close_share(&place->file);
    close_share(&place->pixels);
}

void rn_decoders_end(struct rn_decoders *decoders)
{
    if (!decoders)
        return;
    for (int i = 0; decoders->place && i < decoders->count; i++)
        close_all(&decoders->place[i]);
    while (decoders->keeper > 0 && waitpid(decoders->keeper, NULL, 0) < 0 && errno == EINTR) {
    }
    pthread_mutex_destroy(&decoders->lock);
    pthread_cond_destroy(&decoders->free);
    free(decoders->place);
    free(decoders);
}

static int begin_keeper(struct rn_decoders *decoders)
{
    size_t bytes;
    pid_t us = getpid();
    if (!rn_mul(decoders->how.max_pixels, 3, &bytes))
        bytes = SIZE_MAX;
    for (int i = 0; i < decoders->count; i++)
        if (make_place(&decoders->place[i], bytes))
            return -1;
    decoders->keeper = fork();
    if (decoders->keeper < 0)
        return -1;
    if (decoders->keeper == 0) {
        follow(us);
        close_others(decoders);
        keep(decoders);
    }
    for (int i = 0; i < decoders->count; i++) {
        close(decoders->place[i].theirs);
        decoders->place[i].theirs = -1;
    }
    return 0;
}

/* 1, or 0 and `why`: what the system does not give; -1. */
static int begin(struct rn_decoders *decoders, char why[static 128], struct rn_err *err)
{
    struct answer hello;
    *why = '\0';
    decoders->place = rn_calloc((size_t)decoders->count, sizeof *decoders->place, err);
    if (!decoders->place)
        return -1;
    for (int i = 0; i < decoders->count; i++)
        decoders->place[i] = (struct rn_place){ -1, -1, { .fd = -1 }, { .fd = -1 }, 0, 0, false };
    if (begin_keeper(decoders))
        return snprintf(why, 128, "%s", strerror(errno)), 0;
    if (get(decoders->place[0].ours, &hello, sizeof hello) != sizeof hello || hello.kind != HELLO)
        return rn_fail(err, RN_EXIT_SYSTEM,
                       "the decoder does not start: out of memory, or a fault in a library (--no-sandbox is without)");
    if (hello.status)
        snprintf(why, 128, "seccomp: %s", strerror(hello.status));
    return 1;
}

int rn_decoders_start(struct rn_decoders **result, int count, const struct rn_decode *how, char why[static 128], struct rn_err *err)
{
    struct rn_decoders *decoders = rn_calloc(1, sizeof *decoders, err);
    *result = NULL;
    if (!decoders)
        return -1;
    pthread_mutex_init(&decoders->lock, NULL);
    pthread_cond_init(&decoders->free, NULL);
    decoders->how = (struct rn_decode){ .max_pixels = how->max_pixels, .exif = how->exif };
    decoders->count = count;
    int rc = begin(decoders, why, err);
    if (rc == 1)
        return *result = decoders, 0;
    rn_decoders_end(decoders);
    return rc;
}

static struct rn_place *take(struct rn_decoders *decoders)
{
    struct rn_place *place = NULL;
    pthread_mutex_lock(&decoders->lock);
    while (!place) {
        for (int i = 0; !place && i < decoders->count; i++)
            place = decoders->place[i].taken ? NULL : &decoders->place[i];
        if (!place)
            pthread_cond_wait(&decoders->free, &decoders->lock);
    }
    place->taken = true;
    pthread_mutex_unlock(&decoders->lock);
    return place;
}

static void let_go(struct rn_decoders *decoders, struct rn_place *place)
{
    pthread_mutex_lock(&decoders->lock);
    place->taken = false;
    pthread_cond_signal(&decoders->free);
    pthread_mutex_unlock(&decoders->lock);
}

static int ask(struct rn_place *place, struct rn_text bytes, struct answer *answer, struct rn_err *err)
{
    const struct question question = { ++place->number, bytes.length };
    if (share(&place->file, bytes.length))
        return rn_fail_errno(err, "out of memory: %zu bytes", bytes.length);
    memcpy(place->file.map, bytes.data, bytes.length);
    if (put(place->ours, &question, sizeof question))
        return rn_fail_errno(err, "the decoder has ended");
    do {
        ssize_t n = get(place->ours, answer, sizeof *answer);
        if (n != sizeof *answer)
            return n < 0 ? rn_fail_errno(err, "the decoder has ended") : rn_fail(err, RN_EXIT_SYSTEM, "the decoder has ended");
    } while (answer->kind != DIED && answer->number != place->number); /* of a question that was asked again */
    return 0;
}

static int tell(const struct answer *answer, struct rn_err *err)
{
    if (!WIFSIGNALED(answer->status))
        return rn_fail(err, RN_EXIT_DATA, "the decoder ended while it worked on it: a fault in an image library");
    int signal = WTERMSIG(answer->status);
    const char *why = signal == SIGKILL ? "somebody's, or the system was out of memory"
                    : signal == SIGABRT || signal == SIGTRAP ? "a library gave up, perhaps for want of memory (--max-pixels)"
                                                             : "a fault in an image library";
    return rn_fail(err, RN_EXIT_DATA, "the decoder was ended by signal %d (%s): %s", signal, strsignal(signal), why);
}

/* Of a large photo's memory the system gets back what a usual one does not need. */
static void shrink(struct share *share, size_t used)
{
    if (used > KEPT)
        madvise(share->map + KEPT, share->mapped - KEPT, MADV_REMOVE);
}

/* Nothing that the decoder says is taken on trust, and it may not change what was taken. */
static int take_pixels(struct rn_image *image, struct rn_place *place, const struct answer *answer, const struct rn_decode *how,
                       struct rn_err *err)
{
    if (rn_image_allocate(image, answer->height, answer->width, how, err))
        return -1;
    size_t bytes = image->height * image->width * 3;
    if (share(&place->pixels, bytes))
        return rn_fail_errno(err, "out of memory: %zu bytes", bytes);
    memcpy(image->pixels, place->pixels.map, bytes);
    shrink(&place->pixels, bytes);
    return 0;
}

static int decode_at(struct rn_place *place, struct rn_image *image, struct rn_text bytes, const struct rn_decode *how,
                     struct rn_err *err)
{
    struct answer answer;
    if (ask(place, bytes, &answer, err))
        return -1;
    /* who was killed may have been idle, and was not this photo's fault in any case */
    if (answer.kind == DIED && WIFSIGNALED(answer.status) && WTERMSIG(answer.status) == SIGKILL && ask(place, bytes, &answer, err))
        return -1;
    shrink(&place->file, bytes.length);
    if (answer.kind == DIED)
        return tell(&answer, err);
    if (answer.kind == DONE)
        return take_pixels(image, place, &answer, how, err);
    answer.err.text[sizeof answer.err.text - 1] = '\0';
    return rn_fail(err, answer.err.exit == RN_EXIT_SYSTEM ? RN_EXIT_SYSTEM : RN_EXIT_DATA, "%s", answer.err.text);
}

int rn_decoders_decode(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct rn_place *place = take(how->apart);
    *image = (struct rn_image){ 0 };
    int rc = decode_at(place, image, bytes, how, err);
    let_go(how->apart, place);
    if (rc)
        rn_image_free(image);
    return rc;
}
