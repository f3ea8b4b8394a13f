// The loops of the search in AVX2 (head_kernels.h).

#include "network/head_kernels.h"

#include <cstring>

#include "multiversion.h"

#if defined(__x86_64__) && defined(__GNUC__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#pragma GCC diagnostic ignored "-Wpsabi"  // everything that takes lanes is inlined
#endif

namespace hvpzip::network {
namespace {
namespace avx2 {
#include "network/head_loops.h"
}  // namespace avx2
}  // namespace
}  // namespace hvpzip::network

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace hvpzip::network {
const HeadKernels* avx2_head_kernels() { return __builtin_cpu_supports("avx2") ? &avx2::KERNELS : nullptr; }
}  // namespace hvpzip::network

#else

namespace hvpzip::network {
const HeadKernels* avx2_head_kernels() { return nullptr; }
}  // namespace hvpzip::network

#endif
