/* isa.h -- which of the kernels that are compiled for several instruction sets run: the best that the processor has, or those that
 * the environment's RN_CPU names. The one place that asks the processor. */
#ifndef RN_CORE_ISA_H
#define RN_CORE_ISA_H

#include "core/err.h"

/* AVX512: F, BW, VL and DQ; AVX2: with FMA. Each has those behind it. */
enum rn_isa { RN_ISA_AVX512, RN_ISA_AVX2, RN_ISA_PORTABLE, RN_ISAS };
extern const char *const rn_isa_names[RN_ISAS]; /* as in RN_CPU: avx512, avx2, portable */

/* What RN_CPU says now. Exit 2: it is no such name; 4: this processor cannot run it. */
RN_MUST int rn_isa_choose(enum rn_isa *isa, struct rn_err *err);
/* The choice at the first call, for the process; portable where there is none. */
enum rn_isa rn_isa_chosen(void);

#endif
