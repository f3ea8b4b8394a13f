// The loops of the search for changes of a head, in the processor's widest lanes. Arrays have channels as rows, STRIDE from one to the next, of
// which CHUNK are positions.

#pragma once

#include <cstdint>

#include "network/head_fit.h"

namespace hvpzip::network {

constexpr int CHUNK = 256;          // positions; a multiple of the lanes
constexpr int STRIDE = CHUNK + 16;  // from a channel to the next, so that channels do not fall on each other in the cache

struct HeadKernels {
    // C (rows, CHUNK) = bias + A (rows, depth) B (depth, CHUNK); a(m, k) = a[m * a_row + k * a_column]; bias may be null.
    void (*product)(const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t rows, int64_t depth, const float* bias, float* c);
    // C (rows, columns) += A (rows, CHUNK) B^T (CHUNK, columns), and sums (rows,) += the rows of A.
    void (*correlate)(const float* a, const float* b, int64_t rows, int64_t columns, float* c, float* sums);
    void (*clamp_activations)(float* values, int64_t count);
    // The slope passes where the clamped activation is inside.
    void (*mask_slopes)(const float* activations, float* slopes, int64_t count);
    // Bits of the first `count` positions of a chunk, and their derivatives by the outputs; those of the others become zero.
    double (*chunk_bits)(const Pool& pool, const float* facts, const float* out, float* slopes, int64_t count);
};

const HeadKernels& head_kernels();

// Null where the compiler or the processor has no AVX2.
const HeadKernels* avx2_head_kernels();

}  // namespace hvpzip::network
