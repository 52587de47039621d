/* images.c -- the kernels' fat binaries, as bytes. */
#include "device/cuda/cuda.h"

#define RN_CUDA_BYTES(name)                                                                                            \
    __asm__(".pushsection .rodata\n.balign 64\n.hidden rn_cuda_image_" #name "\n.globl rn_cuda_image_" #name           \
            "\nrn_cuda_image_" #name ":\n.incbin \"" RN_CUDA_FATBINS "/" #name ".fatbin\"\n.popsection\n");             \
    extern const unsigned char rn_cuda_image_##name[];
RN_CUDA_IMAGES(RN_CUDA_BYTES)

#define RN_CUDA_ADDRESS(name) rn_cuda_image_##name,
const unsigned char *const rn_cuda_images_table[RN_CUDA_IMAGE_COUNT] = { RN_CUDA_IMAGES(RN_CUDA_ADDRESS) };
