/* device.c -- finds a device by its name: among those that are built in, or as a plug-in beside the program. */
#include "device/device.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"

static int add_name(struct rn_buffer *list, const char *name, struct rn_err *err)
{
    return (list->length && rn_buffer_add(list, ", ", 2, err)) || rn_buffer_add(list, name, strlen(name), err) ? -1 : 0;
}

static int unknown(const char *name, struct rn_err *err)
{
    struct rn_buffer list = { 0 };
    char room[256];
    int rc = 0;
    for (const struct rn_device_class *const *class = rn_device_table; *class && !rc; class++)
        rc = add_name(&list, (*class)->name, err);
    for (const char *const *plugin = rn_device_plugins; *plugin && !rc; plugin++)
        rc = add_name(&list, *plugin, err);
    if (!rc)
        rn_fail(err, RN_EXIT_USAGE, "device %s: there is no such device; there are: %.*s", rn_text_show(rn_text(name), room),
                (int)list.length, list.data ? list.data : "");
    rn_buffer_free(&list);
    return -1;
}

static bool is_ours(const char *name)
{
    const char *const *plugin = rn_device_plugins;
    while (*plugin && strcmp(*plugin, name) != 0)
        plugin++;
    return *plugin != NULL;
}

/* The plug-in's file: in the build beside the program, or above a test; installed in ../lib. false: there is none. */
static bool find_plugin(char *path, size_t size, const char *name)
{
    static const char *const places[] = { "", "../", "../lib/recyclenet/" };
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    if (!strrchr(self, '/'))
        return false;
    strrchr(self, '/')[1] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (snprintf(path, size, "%s%srn-%s.so", self, places[i], name) < (int)size && access(path, R_OK) == 0)
            return true;
    return false;
}

/* A plug-in stays loaded: what it loads in turn may not be unloaded safely. */
static int load(const struct rn_device_class **class, const char *name, struct rn_err *err)
{
    char path[4200], symbol[80];
    if (!find_plugin(path, sizeof path, name) && !is_ours(name))
        return unknown(name, err);
    if (!find_plugin(path, sizeof path, name))
        return rn_fail(err, RN_EXIT_SYSTEM, "device %s: this build has no plug-in rn-%s.so", name, name);
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!plugin)
        return rn_fail(err, RN_EXIT_SYSTEM, "device %s: the plug-in does not load: %s", name, dlerror());
    snprintf(symbol, sizeof symbol, "rn_device_%s_size", name);
    const size_t *size = dlsym(plugin, symbol);
    *strrchr(symbol, '_') = '\0';
    *class = dlsym(plugin, symbol);
    if (!*class || !size || *size != sizeof **class)
        return rn_fail(err, RN_EXIT_SYSTEM, "device %s: %s is another version's: build or install program and plug-in together",
                       name, path);
    return 0;
}

int rn_device_open(struct rn_device **dev, const char *spec, int threads, struct rn_err *err)
{
    *dev = NULL;
    const char *colon = strchr(spec, ':');
    struct rn_text name = { spec, colon ? (size_t)(colon - spec) : strlen(spec) };
    const struct rn_device_class *const *built_in = rn_device_table, *class;
    while (*built_in && !rn_text_is(name, (*built_in)->name))
        built_in++;
    if (!(class = *built_in)) {
        char word[33]; /* of a file, and of a symbol in it */
        snprintf(word, sizeof word, "%.*s", (int)name.length, spec);
        if (strspn(spec, "abcdefghijklmnopqrstuvwxyz0123456789_") != name.length || strlen(word) != name.length || !name.length)
            return unknown(spec, err);
        if (load(&class, word, err))
            return -1;
    }
    return class->open(dev, colon ? colon + 1 : NULL, threads, err);
}

int rn_device_open_dry(struct rn_device **dev, const char *spec, int threads, struct rn_err *err)
{
    if (rn_device_open(dev, spec, threads, err))
        return -1;
    int rc = (*dev)->class->dry ? (*dev)->class->dry(*dev, err)
                                : rn_fail(err, RN_EXIT_USAGE, "device %s: what memory a network takes is not known before it runs",
                                          spec);
    if (rc) {
        rn_device_close(*dev);
        *dev = NULL;
    }
    return rc;
}

const char *rn_precision_name(size_t i)
{
    static const char *const names[] = { [RN_PRECISION_FP32] = "fp32", [RN_PRECISION_TF32] = "tf32", [RN_PRECISION_BF16] = "bf16" };
    return i < sizeof names / sizeof *names ? names[i] : NULL;
}

int rn_device_precision(struct rn_device *dev, const char *name, struct rn_err *err)
{
    size_t i = 0;
    char shown[256];
    while (rn_precision_name(i) && strcmp(name, rn_precision_name(i)) != 0)
        i++;
    if (!rn_precision_name(i))
        return rn_fail(err, RN_EXIT_USAGE, "precision '%s' is none of fp32, tf32 and bf16", rn_text_show(rn_text(name), shown));
    if (dev->class->precision)
        return dev->class->precision(dev, (enum rn_precision)i, err);
    if (i == RN_PRECISION_FP32)
        return 0;
    return rn_fail(err, RN_EXIT_USAGE, "device %s: it computes in fp32 only; --precision=%s is for GPUs", dev->class->name, name);
}

int rn_device_norms(struct rn_device *dev, enum rn_norms norms, struct rn_err *err)
{
    const struct rn_device_class *on = dev->class;
    if (on->norms)
        return on->norms(dev, norms, err);
    if (norms == RN_NORMS_WHOLE || (norms == RN_NORMS_PART && !on->share))
        return 0;
    return rn_fail(err, RN_EXIT_USAGE, "device %s: batch norms have the whole batch's statistics: leave --bn out", on->name);
}

void rn_device_close(struct rn_device *dev)
{
    if (dev)
        dev->class->close(dev);
}
