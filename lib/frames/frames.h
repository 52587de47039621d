/* frames.h -- JPEG files that follow each other without anything between them, as ffmpeg's image2pipe and MJPEG have them.
 *
 * The end of a frame is found by walking its markers (ITU-T T.81, annex B), not by searching for FF D9: a thumbnail in an
 * APP segment has one too. A frame is given out as soon as its last byte is here. */
#ifndef RN_FRAMES_FRAMES_H
#define RN_FRAMES_FRAMES_H

#include <stdint.h>

#include "core/err.h"
#include "core/text.h"

enum { RN_FRAME_MAX = 64 << 20 }; /* bytes of a frame; more is damage */

struct rn_frames;
/* Reads from fd, which stays the caller's. `name` (borrowed) is what messages call it. */
RN_MUST int rn_frames_open(struct rn_frames **frames, int fd, const char *name, struct rn_err *err);
/* The next frame, from its FF D8 to its FF D9: 1; 0 at the end of the file; -1. It lives until the next call.
 * Errors: exit 3 naming frame (from 1) and byte offset: what is no JPEG or no marker where one must be, a frame that is cut
 * or too long; exit 4: a read that failed. */
RN_MUST int rn_frames_next(struct rn_frames *frames, struct rn_text *jpeg, struct rn_err *err);
void rn_frames_close(struct rn_frames *frames); /* NULL is allowed */

#endif
