/* regions.h -- the memory of pretended GPUs. Each allocation ends at a page that nobody may touch, is filled with 0xff (NaN in
 * every float type), and is out of the host's reach except between regions_open and regions_close. Alignment 256, as
 * cudaMalloc's. One list for the process, in one thread. */
#ifndef TESTS_CUDA_REGIONS_H
#define TESTS_CUDA_REGIONS_H

#include "ptx.h"

void *region_alloc(int gpu, size_t bytes); /* NULL: no memory */
int region_free(void *memory);             /* 0; -1: not the start of an allocation; -2: what lies behind it was written to */

/* For struct ptx_memory, whose contract it follows. `of`: a pointer to the GPU's number, or NULL for any. */
struct ptx_region *region_find(void *of, uintptr_t address);
int region_gpu(const void *memory); /* -1: host memory */
bool region_holds(const void *memory, size_t bytes);

void regions_open(void); /* may be nested */
void regions_close(void);

size_t regions_bytes(int gpu); /* allocated now */
int regions_count(void);

#endif
