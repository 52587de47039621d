/* easels.c -- canvases for recipes: a thread takes one that is idle, or makes one. */
#include <stdlib.h>

#include "batch/private.h"

struct rn_easel {
    struct rn_canvas canvas;
    struct rn_easel *next;
};

static struct rn_easel *take(struct rn_easels *easels, struct rn_err *err)
{
    pthread_mutex_lock(&easels->lock);
    struct rn_easel *easel = easels->idle;
    if (easel)
        easels->idle = easel->next;
    pthread_mutex_unlock(&easels->lock);
    return easel ? easel : rn_calloc(1, sizeof *easel, err);
}

static void put_back(struct rn_easels *easels, struct rn_easel *easel)
{
    pthread_mutex_lock(&easels->lock);
    easel->next = easels->idle;
    easels->idle = easel;
    pthread_mutex_unlock(&easels->lock);
}

int rn_easels_run(struct rn_easels *easels, const struct rn_draw_of *of, const struct rn_image *x,
                  int (*then)(void *context, const struct rn_image *y, struct rn_err *err), void *context, struct rn_err *err)
{
    struct rn_easel *easel = take(easels, err);
    if (!easel)
        return -1;
    struct rn_canvas *canvas = &easel->canvas;
    rn_canvas_set(canvas, RN_U8, x->pixels, x->height, x->width);
    int rc = rn_recipe_run(of->recipe, canvas, of->seed, of->epoch, of->who, of->copy, NULL, err);
    if (rc == 0) {
        const struct rn_image y = { (uint8_t *)canvas->pixels, canvas->height, canvas->width };
        rc = then(context, &y, err);
    }
    put_back(easels, easel);
    return rc;
}

void rn_easels_free(struct rn_easels *easels)
{
    while (easels->idle) {
        struct rn_easel *easel = easels->idle;
        easels->idle = easel->next;
        rn_canvas_free(&easel->canvas);
        free(easel);
    }
}
