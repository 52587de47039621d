/* panel.c -- the kernels of panel.inc for each vector length. */
#include "device/cpu/panel.h"

#include <string.h>

#define KERNELS "device/cpu/panel.inc"
#include "device/cpu/variants.h"

const struct rn_cpu_panel *const rn_cpu_panels[] = RN_CPU_VARIANT_TABLE(panel);
