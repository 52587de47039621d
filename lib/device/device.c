/* device.c -- finds a device by its name. */
#include "device/device.h"

#include <string.h>

#include "core/mem.h"
#include "core/text.h"

/* "cpu, reference", from the table. */
static int unknown(struct rn_text name, struct rn_err *err)
{
    struct rn_buffer list = { 0 };
    char room[256];
    int rc = 0;
    for (const struct rn_device_class *const *class = rn_device_table; *class && !rc; class++)
        rc = (list.length && rn_buffer_add(&list, ", ", 2, err)) ||
             rn_buffer_add(&list, (*class)->name, strlen((*class)->name), err);
    if (!rc)
        rn_fail(err, RN_EXIT_USAGE, "device %s: there is no such device; there are: %.*s", rn_text_show(name, room),
                (int)list.length, list.data ? list.data : "");
    rn_buffer_free(&list);
    return -1;
}

int rn_device_open(struct rn_device **dev, const char *spec, int threads, struct rn_err *err)
{
    *dev = NULL;
    const char *colon = strchr(spec, ':');
    struct rn_text name = { spec, colon ? (size_t)(colon - spec) : strlen(spec) };
    for (const struct rn_device_class *const *class = rn_device_table; *class; class++)
        if (rn_text_is(name, (*class)->name))
            return (*class)->open(dev, colon ? colon + 1 : NULL, threads, err);
    if (rn_text_is(name, "cuda"))
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: this build has no CUDA plug-in");
    return unknown(name, err);
}

void rn_device_close(struct rn_device *dev)
{
    if (dev)
        dev->class->close(dev);
}
