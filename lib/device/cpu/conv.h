/* conv.h -- what the ways to compute a convolution share. Each is one file; conv2d.c has the list of them. */
#ifndef RN_DEVICE_CPU_CONV_H
#define RN_DEVICE_CPU_CONV_H

#include "device/cpu/cpu.h"
#include "device/cpu/panel.h"

struct rn_cpu_conv {
    struct rn_cpu *cpu;
    size_t n, c, h, w, k, p, q;
    struct rn_window window;
    const float *x, *weight, *bias, *residual, *dy;
    float *y, *dx, *dw, *dbias;
    enum rn_activation activation;
    bool add, eval;
    const float *prepacked; /* evaluation: what `prepack` made of the weights; NULL: w has to do */
};

enum rn_cpu_pass { RN_CPU_FORWARD, RN_CPU_DX, RN_CPU_DW };

/* A way to compute convolutions. What it takes follows from the layer's shape, never from the number of images. */
struct rn_cpu_path {
    const char *name;
    bool (*takes)(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass);
    RN_MUST int (*forward)(const struct rn_cpu_conv *conv, struct rn_err *err);
    RN_MUST int (*dx)(const struct rn_cpu_conv *conv, struct rn_err *err);
    RN_MUST int (*dw)(const struct rn_cpu_conv *conv, struct rn_err *err);
    /* For `prepacked`: floats, and how they are filled from `weight`. NULL: this way wants w itself. */
    size_t (*prepacked)(const struct rn_cpu_conv *conv);
    RN_MUST int (*prepack)(const struct rn_cpu_conv *conv, float *to, struct rn_err *err);
};

extern const struct rn_cpu_path rn_cpu_winograd, rn_cpu_narrow, rn_cpu_direct, rn_cpu_outer, rn_cpu_columns;

/* Every output sees every channel, of neighbouring pixels. */
static inline bool rn_cpu_dense(const struct rn_window *window)
{
    return window->groups == 1 && window->dilation == 1;
}

/* A 1x1 kernel that steps over nothing: x itself is the matrix of what each output sees. */
static inline bool rn_cpu_pointwise(const struct rn_cpu_conv *conv)
{
    const struct rn_window *win = &conv->window;
    return win->r == 1 && win->s == 1 && win->stride == 1 && conv->p == conv->h && conv->q == conv->w && !win->top && !win->left;
}

/* The row (or column) of x that a tap of the kernel, in pixels from its first, sees from `at` of the output; false: padding. */
static inline bool rn_cpu_seen(size_t at, size_t tap, size_t stride, size_t pad, size_t map, size_t *seen)
{
    *seen = at * stride + tap - pad; /* wraps round below zero */
    return *seen < map;
}

static inline const struct rn_cpu_panel *rn_cpu_panel_of(const struct rn_cpu_conv *conv)
{
    return rn_cpu_panels[conv->cpu->isa];
}

#endif
