/* augment.h -- Albumentations 1.3's transforms and pipelines. This room joins two below it, stream and image.
 *
 * One file in transform/ is one transform; its name is its registration (lib/gen-table). What it draws and what it does are
 * apart: `draw` turns random numbers into parameters, `apply` is a function of picture, options and these parameters alone,
 * so that they can be shown, tested and applied again.
 *
 * Randomness is a function of (seed, epoch, id, copy, transform, draw), where the transform is its class and its place in
 * the pipeline (recipe.c): the same for any order, any number of threads, any shard, any name of the recipe's file. */
#ifndef RN_AUGMENT_AUGMENT_H
#define RN_AUGMENT_AUGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/opt.h"
#include "core/rng.h"
#include "core/tensor.h"
#include "core/text.h"

/* ---- a picture that is worked on ---- */

/* (height, width, 3) of RN_U8 or RN_F32, without padding. `pixels` is borrowed at first, later one of two rooms that are
 * used in turn and kept, so that a canvas that is used again allocates nothing. Zeroed: nothing; rn_canvas_free. */
struct rn_canvas {
    enum rn_type type;
    size_t height, width;
    const void *pixels;
    struct rn_room {
        void *block; /* 64-byte aligned */
        size_t size;
    } room[2], scratch;
    int turn; /* which room is free */
};
/* Puts a borrowed picture there; its sides are 1 to 2^20. */
void rn_canvas_set(struct rn_canvas *canvas, enum rn_type type, const void *pixels, size_t height, size_t width);
/* Room for the next picture; it becomes the current one with rn_canvas_turn. At least 8 bytes behind its end may be written. */
RN_MUST void *rn_canvas_next(struct rn_canvas *canvas, enum rn_type type, size_t height, size_t width, struct rn_err *err);
void rn_canvas_turn(struct rn_canvas *canvas, enum rn_type type, size_t height, size_t width);
/* Scratch memory of a transform, until the next call. */
RN_MUST void *rn_canvas_scratch(struct rn_canvas *canvas, size_t bytes, struct rn_err *err);
void rn_canvas_free(struct rn_canvas *canvas);

/* ---- one transform ---- */

enum { RN_DRAWS = 640 }; /* most numbers that one application draws */

/* A drawn parameter: `count` numbers; 0: all that are left. The list ends with name NULL. What comes from a file instead (replay.h)
 * is held to the rest, so that `apply` may rely on it. */
struct rn_drawn {
    const char *name;
    size_t count;
    double low, high; /* both 0: -2^53 and 2^53 */
    int step;         /* 1: whole numbers; 2: odd ones, and 0; 0: any */
};
#define RN_SEED { "seed", 1, 0, 0x1p53, 1 }

/* Rows of options as Albumentations names and reads them. A PAIR may be given as one number x. */
enum {
    RN_FROM_0 = 1 << 8,   /* x is 0,x (or x,0 below zero), not -x,x */
    RN_FROM_1 = 1 << 9,   /* 1,x */
    RN_FROM_3 = 1 << 10,  /* 3,x */
    RN_SAME = 1 << 11,    /* x,x; of REALS: one number is meant for all */
    RN_ABOUT_1 = 1 << 12, /* 1 - x, but no less than 0, and 1 + x */
    RN_ORDERED = 1 << 13, /* a PAIR that may not fall; others, from which a real number is drawn, are put in order */
    RN_FIRST = 1 << 14,   /* REALS that may be fewer: the others are 0 (OpenCV's scalar) */
    RN_FEWER = 1 << 15,   /* REALS that may be fewer: the others are -1 */
    RN_NULL = 1 << 16,    /* null: as if it were not there */
    RN_WHOLE = 1 << 17,   /* REALS or PAIR of whole numbers only */
    RN_DOWN_UP = 1 << 20, /* two REALS: {"downscale": x, "upscale": y}, or one number */
    RN_NULL_NUMBER = 1 << 19, /* null: the number -1 */
    /* four REALS: {"x": PAIR, "y": PAIR}, a PAIR for both, or one number; a direction that is not there is 1 (RN_FROM_0: 0) */
    RN_XY = 1 << 18,
};

enum { RN_PROVED = 7, RN_SINCE_1_4 = -1 }; /* 1.4.7; until: no 1.4 */

struct rn_augment {
    const char *class_name;
    const struct rn_opt *options; /* NULL: none */
    size_t size;                  /* of the struct of options */
    const void *defaults;
    double p;                     /* chance, where a file does not say */
    int until;                    /* n: what 1.4.n and later mean by the name is not proved to be this
                                     (tests/python/versions.py); 0: up to RN_PROVED it is */
    /* "key=value key=*": keys that may be there, with the only value that there is, or any; or NULL */
    const char *neutral;
    const struct rn_drawn *drawn; /* NULL: draws nothing */
    bool bytes_only;              /* does not take pictures of floats */
    bool to_floats;               /* gives pictures of floats */
    bool last;                    /* nothing may follow it */
    /* Options that do not fit together: exit 2, naming the option. NULL: every table row is enough. */
    int (*check)(const void *options, struct rn_err *err);
    /* Fills value (RN_DRAWS numbers) for such a picture; how many it drew. */
    size_t (*draw)(double *value, const void *options, const struct rn_canvas *x, struct rn_rng *rng);
    /* The least height and width that it takes, whatever it draws. NULL: any. */
    void (*least)(size_t least[2], const void *options);
    /* Exit 3: the picture is too small; numbers that do not fit it, or each other. */
    int (*apply)(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err);
};
extern const struct rn_augment *const rn_augment_table[]; /* NULL at the end; made from the file names */
const struct rn_augment *rn_augment_find(const char *class_name); /* or NULL */

/* ---- recipes: pipelines of transforms ---- */

struct rn_recipe_node;
struct rn_recipe {
    struct rn_text name;  /* in ids: a shipped recipe's, or its file's without .json; owned, NUL-terminated */
    struct rn_recipe_node *root; /* owned */
    bool floats;          /* gives pictures of floats: a Normalize is in it */
    bool tensors;         /* a ToTensorV2 is at its end, which changes nothing here */
};
/* Reads Albumentations' own serialisation (A.save). The chance of each transform that is not a weight in OneOf or SomeOf
 * becomes p, unless p is negative. Errors: exit 4 for a file that cannot be read; exit 2 for an unknown transform or
 * parameter, which they name with a list of those that there are, and for a value that is not supported. */
RN_MUST int rn_recipe_load(struct rn_recipe *recipe, const char *path, double p, struct rn_err *err);
RN_MUST int rn_recipe_parse(struct rn_recipe *recipe, struct rn_text json, double p, struct rn_err *err);
void rn_recipe_free(struct rn_recipe *recipe);
/* The transform that may want the most of a photo, its height and width; NULL: it takes any. Behind a transform that may change the
 * size nothing is known. */
const struct rn_augment *rn_recipe_least(const struct rn_recipe *recipe, size_t least[2]);
/* Leaves out a Normalize at the end, and what follows it. Whether there was one. */
bool rn_recipe_until_normalize(struct rn_recipe *recipe);
/* The file of a shipped recipe, recipes/NAME.json (core/shipped.h). Exit 2: there is no such recipe. */
RN_MUST int rn_recipe_find(struct rn_buffer *path, const char *name, struct rn_err *err);
/* A shipped recipe, or a file (a name with a slash, or that ends in .json). probability: low, mid, high, a number, or NULL; for
 * shipped ones only. Exit 2: for neither. */
RN_MUST int rn_recipe_named(struct rn_recipe *recipe, const char *name, const char *probability, struct rn_err *err);

/* What was done: for each transform that ran, itself and what it drew. Zeroed: empty. */
struct rn_trace {
    struct rn_traced {
        const struct rn_augment *transform;
        size_t at;           /* its place among the recipe's transforms, in the order of the file, from 0 */
        size_t first, count; /* of `value` */
    } *step;
    double *value;
    size_t steps, steps_capacity, values, values_capacity;
};
void rn_trace_free(struct rn_trace *trace);

/* Runs the recipe on the canvas. `id` is rn_hash64 of the photo's id. trace may be NULL; it is emptied first. Exit 3, naming
 * the transform: a picture that is too small for it, or floats where it takes bytes. */
RN_MUST int rn_recipe_run(const struct rn_recipe *recipe, struct rn_canvas *canvas, uint64_t seed, uint32_t epoch, uint64_t id,
                          uint32_t copy, struct rn_trace *trace, struct rn_err *err);

#endif
