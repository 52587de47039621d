/* variants.h -- compiles one source of kernels for each vector length, all into the including file.
 *
 * Usage: #define KERNELS "device/cpu/x.inc", then include this. x.inc is read once for each variant, with
 *     NAME(f)             f with the variant's suffix; names of functions and tables are made with it
 *     LANES, vec          floats in a vector, and its type; + - * work on it
 *     vec_load, vec_store, vec_all (one value in all lanes), vec_fma(a, b, c) = a b + c, vec_relu (NaN stays)
 * and one const table that it defines, NAME(KERNELS_TABLE), is then found by rn_cpu.isa in KERNELS_TABLE[].
 * Multiplications and additions are fused where vec_fma says so and nowhere else (-ffp-contract=off), so that a number does
 * not depend on which of the unrolled loops computes it. */
#ifndef RN_DEVICE_CPU_VARIANTS_H
#define RN_DEVICE_CPU_VARIANTS_H

#ifdef __x86_64__
#include <immintrin.h>
#endif

typedef float rn_vec4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int rn_int4 __attribute__((vector_size(16), aligned(4), may_alias));

#ifdef __clang__
#define RN_UNROLL _Pragma("unroll")
#else
#define RN_UNROLL _Pragma("GCC unroll 16")
#endif
#define RN_INLINE static inline __attribute__((always_inline))
#define RN_JOIN_(a, b) a##_##b
#define RN_JOIN(a, b) RN_JOIN_(a, b)
#define NAME(name) RN_JOIN(name, VARIANT)

#endif

#ifdef __x86_64__

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")
#endif
#define VARIANT avx512
#define LANES 16
#define vec __m512
#define vec_load(p) _mm512_loadu_ps(p)
#define vec_store(p, v) _mm512_storeu_ps(p, v)
#define vec_all(x) _mm512_set1_ps(x)
#define vec_fma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vec_relu(v) _mm512_max_ps(_mm512_setzero_ps(), v)
#include KERNELS
#undef VARIANT
#undef LANES
#undef vec
#undef vec_load
#undef vec_store
#undef vec_all
#undef vec_fma
#undef vec_relu
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define VARIANT avx2
#define LANES 8
#define vec __m256
#define vec_load(p) _mm256_loadu_ps(p)
#define vec_store(p, v) _mm256_storeu_ps(p, v)
#define vec_all(x) _mm256_set1_ps(x)
#define vec_fma(a, b, c) _mm256_fmadd_ps(a, b, c)
#define vec_relu(v) _mm256_max_ps(_mm256_setzero_ps(), v)
#include KERNELS
#undef VARIANT
#undef LANES
#undef vec
#undef vec_load
#undef vec_store
#undef vec_all
#undef vec_fma
#undef vec_relu
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif /* x86 */

#define VARIANT portable
#define LANES 4
#define vec rn_vec4
#define vec_load(p) (*(const rn_vec4 *)(p))
#define vec_store(p, v) (*(rn_vec4 *)(p) = (v))
#define vec_all(x) ((rn_vec4){ x, x, x, x })
#define vec_fma(a, b, c) ((a) * (b) + (c))
#define vec_relu(v) ((rn_vec4)((rn_int4)(v) & ~((v) < 0.f)))
#include KERNELS
#undef VARIANT
#undef LANES
#undef vec
#undef vec_load
#undef vec_store
#undef vec_all
#undef vec_fma
#undef vec_relu

#ifdef __x86_64__
#define RN_CPU_VARIANT_TABLE(name) { &name##_avx512, &name##_avx2, &name##_portable }
#else
#define RN_CPU_VARIANT_TABLE(name) { 0, 0, &name##_portable }
#endif
