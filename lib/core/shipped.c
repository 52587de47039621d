/* shipped.c -- folders beside the program. */
#include "core/shipped.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"

static const struct rn_shipped models = { "network", "models", ".rn" };

/* *path: the folder of that name; empty: there is none. */
static int find_folder(struct rn_buffer *path, const char *name, struct rn_err *err)
{
    /* installed; in the build, which has a link to data/; tests there; in a build within the build, and tests there */
    static const char *const places[] = { "../share/recyclenet", "share", "../share", "../../data", "../../../data" };
    char self[4096], folder[sizeof self + 128];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    if (strrchr(self, '/'))
        *strrchr(self, '/') = '\0';
    path->length = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(folder, sizeof folder, "%s/%s/%s", self, places[i], name);
        if (access(folder, R_OK | X_OK) == 0)
            return rn_buffer_add(path, folder, strlen(folder) + 1, err);
    }
    return rn_buffer_add(path, "", 1, err);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* "basic, distort": what a folder has of that ending, cut where the room ends. */
static void list(char room[static 300], const char *folder, const char *ending)
{
    struct dirent **entry = NULL;
    size_t at = 0, tail = strlen(ending);
    int n = *folder ? scandir(folder, &entry, NULL, by_name) : 0;
    room[0] = '\0';
    for (int i = 0; i < n; i++) {
        size_t length = strlen(entry[i]->d_name);
        if (length > tail && !strcmp(entry[i]->d_name + length - tail, ending) && at + length < 299)
            at += (size_t)snprintf(room + at, 300 - at, "%s%.*s", at ? ", " : "", (int)(length - tail), entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
}

static int no_such(const struct rn_shipped *kind, const char *folder, const char *name, struct rn_err *err)
{
    char names[300], shown[256];
    list(names, folder, kind->ending);
    if (!names[0])
        return rn_fail(err, RN_EXIT_USAGE, "there is no %s %s: the folder of %s is not beside the program", kind->what,
                       rn_text_show(rn_text(name), shown), kind->folder);
    return rn_fail(err, RN_EXIT_USAGE, "there is no %s %s; there are %s, and any FILE%s", kind->what,
                   rn_text_show(rn_text(name), shown), names, kind->ending);
}

int rn_shipped_find(struct rn_buffer *path, const struct rn_shipped *kind, const char *name, struct rn_err *err)
{
    struct rn_buffer folder = { 0 };
    int rc = find_folder(&folder, kind->folder, err);
    if (rc == 0 && (!folder.data[0] || strchr(name, '/')))
        rc = no_such(kind, folder.data, name, err);
    path->length = 0;
    if (rc == 0)
        rc = rn_buffer_add(path, folder.data, folder.length - 1, err) || rn_buffer_add(path, "/", 1, err) ||
             rn_buffer_add(path, name, strlen(name), err) ||
             rn_buffer_add(path, kind->ending, strlen(kind->ending) + 1, err) ? -1 : 0;
    if (rc == 0 && access(path->data, F_OK))
        rc = no_such(kind, folder.data, name, err);
    rn_buffer_free(&folder);
    return rc;
}

int rn_shipped_model(struct rn_buffer *path, const char *name, struct rn_err *err)
{
    char shown[256];
    path->length = 0;
    if (!*name || strpbrk(name, "/.") || !strcmp(name, "-") || access(name, F_OK) == 0)
        return rn_buffer_add(path, name, strlen(name) + 1, err);
    if (rn_shipped_find(path, &models, name, err) == 0)
        return 0;
    if (err->exit == RN_EXIT_USAGE)
        err->exit = RN_EXIT_SYSTEM; /* as of any file that cannot be opened */
    return rn_fail_at(err, "%s: no such file", rn_text_show(rn_text(name), shown));
}

int rn_shipped_default(struct rn_buffer *name, struct rn_err *err)
{
    struct rn_buffer path = { 0 };
    name->length = 0;
    int rc = find_folder(&path, models.folder, err);
    if (rc == 0 && path.data[0]) {
        path.length--;
        rc = rn_buffer_add(&path, "/default", sizeof "/default", err) ? -1 : 0;
        if (rc == 0 && access(path.data, R_OK) == 0)
            rc = rn_file_read(name, path.data, 256, err);
    }
    while (rc == 0 && name->length && strchr(" \n", name->data[name->length - 1]))
        name->length--;
    if (rc == 0 && !name->length)
        rc = rn_fail(err, RN_EXIT_USAGE, "-m MODEL is needed: no network came with the program");
    if (rc == 0)
        rc = rn_buffer_add(name, "", 1, err);
    if (rc == 0 && access(name->data, F_OK) == 0) {
        rc = rn_shipped_find(&path, &models, name->data, err);
        name->length = 0;
        rc = rc || rn_buffer_add(name, path.data, path.length, err) ? -1 : 0;
    }
    rn_buffer_free(&path);
    return rc;
}
