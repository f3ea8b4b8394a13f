// Wider instructions where the processor has them: the one place that knows about compilers and processors.
//
// A function marked HVPZIP_WIDE is compiled several times, and the loader takes the version that the processor can run. Results are the same:
// integers, or IEEE arithmetic in the order that is written, never contracted (-ffp-contract=off). What it calls must be inlined into it, so
// mark that HVPZIP_INLINE. Elsewhere (other compilers, musl, macOS, arm64, whose vectors are in its base) there is one version.

#pragma once

#include <cstdlib>  // defines __GLIBC__, whose loader knows the functions that choose

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) && !defined(HVPZIP_ONE_VERSION)
#define HVPZIP_WIDE __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define HVPZIP_WIDE
#endif

// Where a function may be written twice, once with a processor's own instructions, and chosen by __builtin_cpu_supports.
#if defined(__GNUC__) && defined(__x86_64__) && !defined(HVPZIP_ONE_VERSION)
#define HVPZIP_DISPATCH
#endif

#if defined(_MSC_VER)
#define HVPZIP_INLINE static __forceinline
#define HVPZIP_RESTRICT __restrict
#else
#define HVPZIP_INLINE static inline __attribute__((always_inline))
#define HVPZIP_RESTRICT __restrict__
#endif

// Brings a place into the cache before it is read.
#if defined(__GNUC__)
#define HVPZIP_PREFETCH(place) __builtin_prefetch(place)
#else
#define HVPZIP_PREFETCH(place) static_cast<void>(place)
#endif

// In front of a loop of a few turns: GCC unrolls such loops completely before it looks whether they can be done in wide instructions.
#if defined(__GNUC__) && !defined(__clang__)
#define HVPZIP_PRAGMA(text) _Pragma(#text)
#define HVPZIP_UNROLL(times) HVPZIP_PRAGMA(GCC unroll times)
#define HVPZIP_KEEP_LOOP HVPZIP_UNROLL(1)
#else
#define HVPZIP_UNROLL(times)
#define HVPZIP_KEEP_LOOP
#endif
