/* sample.h -- a photo and what is known of it, as members of an archive that WebDataset's readers take: KEY.jpg (or png, ...: by
 * its content), KEY.cls (the index of its class), KEY.json ("rn": "sample", id, label, split: as they were, which no name of a file
 * could keep). KEY is the id without its ending, in which each byte that would mean something else in a key is %XX. */
#ifndef RN_TAR_SAMPLE_H
#define RN_TAR_SAMPLE_H

#include "tar/tar.h"

struct rn_tar_sample {
    struct rn_text id, class_name, split; /* class_name, split: nil where there is none */
    int64_t label;                        /* its class's index; below 0: none */
    struct rn_text data;                  /* the file's bytes */
};
/* The members of one sample, and how many bytes they take in the archive. Zeroed: empty; used again and again. */
struct rn_tar_members {
    struct rn_buffer key, last, json; /* last: the key of the sample before, which no other may have */
    char cls[32];
    const char *ending;
    uint64_t size;
};
RN_MUST int rn_tar_pack(struct rn_tar_members *members, const struct rn_tar_sample *sample, struct rn_err *err);
RN_MUST int rn_tar_put(struct rn_tar_writer *writer, struct rn_tar_members *members, const struct rn_tar_sample *sample,
                       struct rn_err *err);
void rn_tar_members_free(struct rn_tar_members *members);

/* What a KEY.json says. Zeroed: nothing; used again and again. */
struct rn_tar_about {
    bool ours; /* it is of rn_tar_put; the others hold only then */
    struct rn_buffer id, label, split;
    bool has_id, has_label, has_split;
};
/* Another program's JSON, or what is none, says nothing. */
RN_MUST int rn_tar_about(struct rn_tar_about *about, struct rn_text json, struct rn_err *err);
void rn_tar_about_free(struct rn_tar_about *about);

#endif
