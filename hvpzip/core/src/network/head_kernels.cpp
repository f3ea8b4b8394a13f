// The loops of the search as every processor runs them, and the choice (head_kernels.h).

#include "network/head_kernels.h"

#include <cstring>

#include "multiversion.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi"  // everything that takes lanes is inlined
#endif

namespace hvpzip::network {

namespace {
namespace everywhere {
#include "network/head_loops.h"
}  // namespace everywhere
}  // namespace

const HeadKernels& head_kernels() {
    static const HeadKernels* const found = avx2_head_kernels() ? avx2_head_kernels() : &everywhere::KERNELS;
    return *found;
}

}  // namespace hvpzip::network
