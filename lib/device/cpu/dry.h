/* dry.h -- the CPU device without its arithmetic: what memory will a network take?
 *
 * Blocks and scratch memory are reserved as the device itself reserves them, by its own operators, whose loops are left out;
 * pages that nobody touches cost nothing. Values mean nothing, and a batch's pixels are not read. */
#ifndef RN_DEVICE_CPU_DRY_H
#define RN_DEVICE_CPU_DRY_H

#include "device/device.h"

/* To be closed with rn_device_close. threads: as rn_device_open. */
RN_MUST int rn_cpu_dry(struct rn_device **dev, int threads, struct rn_err *err);
/* Of a device that rn_cpu_dry made: the most bytes that its blocks had at any time, and those of scratch memory now;
 * and how many were forgotten. */
size_t rn_cpu_dry_blocks(const struct rn_device *dev);
size_t rn_cpu_dry_scratch(struct rn_device *dev);
size_t rn_cpu_dry_forgotten(const struct rn_device *dev);

#endif
