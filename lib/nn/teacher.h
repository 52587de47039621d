/* teacher.h -- what other networks say of the photos that one is trained on. */
#ifndef RN_NN_TEACHER_H
#define RN_NN_TEACHER_H

#include "stream/stream.h"

struct rn_teacher;

/* Reads the predictions in a file. Those of train batches (their heads say the epoch) are of each epoch's draws of the photos, and
 * are taught in that epoch only; others in all. Classes are the student's (copied), and the teacher's must be the same, in any
 * order. Where a photo (of an epoch) has several, from an ensemble, they count as their mean: then all photos have as many. About
 * 100 bytes a photo (and epoch), and 8 a class. Errors: exit 3. */
RN_MUST int rn_teacher_open(struct rn_teacher **teacher, const char *path, const struct rn_texts *classes, struct rn_err *err);
void rn_teacher_close(struct rn_teacher *teacher); /* NULL is allowed */
size_t rn_teacher_photos(const struct rn_teacher *teacher); /* each epoch's are others */
/* The seed by which rn-batch drew what the teacher saw; false: it looked at no draws, or does not know. */
bool rn_teacher_seed(const struct rn_teacher *teacher, uint64_t *seed);
/* What a teacher of so many photos and classes has in memory, about. */
size_t rn_teacher_bytes(size_t photos, size_t classes);
/* Which predictions these are, whatever the file's order and history: the sum, modulo 2^64, of the XXH3-64 (seed 0) of each photo's
 * id (behind it, where they differ by epoch: a byte 0 and the epoch in digits), a byte 0, and its probabilities in the order of the
 * student's classes, each as a space and C's %a. */
RN_MUST int rn_teacher_print(const struct rn_teacher *teacher, uint64_t *print, struct rn_err *err);
/* probs (count, classes): of each photo, in this epoch, softmax(logits / temperature), which is the root of its probabilities, made
 * to sum to 1. Errors: exit 3, a photo of which there is none. */
RN_MUST int rn_teacher_say(struct rn_teacher *teacher, int64_t epoch, const struct rn_text *ids, size_t count, double temperature,
                           float *probs, struct rn_err *err);

#endif
