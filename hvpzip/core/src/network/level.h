// The operations of a level network on whole grids: branches, heads, closed forms and what the network reads. nn/reference.py is their twin.
//
// Integer arithmetic only: this file reaches the bit stream.

#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "network/convolution.h"

namespace hvpzip::network {

struct Grid {
    int64_t rows, columns;
    int64_t positions() const { return rows * columns; }
};

using Blocks = std::vector<std::pair<const Convolution*, const Convolution*>>;  // spatial, mix

// Adds the embedding of inputs (positions, embed.inputs) to `carried` (positions, channels; null for none), then refines it: found (positions,
// channels).
void run_branch(const Convolution& embed, const Blocks& blocks, Grid grid, const int8_t* inputs, const int16_t* carried, int16_t* found, int threads);

// The corrections of the first `size` rows and columns: found (size.positions(), out.outputs).
void run_head(const Convolution& hidden, const Convolution& out, Grid grid, Grid size, const int16_t* carried, int16_t* found, int threads);

// A linear form over a window of 3x3 with repeated edges, for three outputs: (w * x + b) / 2^shift, rounded half to even. weight (3, channels, 3,
// 3); planes (channels, positions). Sums are proved to stay below 2^24.
template <typename Plane>
void run_linear(Grid grid, int64_t channels, const Plane* planes, const int32_t* weight, const int32_t* bias, int shift, int32_t* found, int threads);

// What the trunk reads of the coarser image (3, positions): inputs (positions, 15), energies (12, positions).
void coarse_inputs(Grid grid, const int32_t* values, int8_t* inputs, uint8_t* energies);

// What a branch reads of a unit and its prediction in 1/64, (3, positions) each: inputs (positions, 9), energies (9, positions).
void unit_inputs(Grid grid, const int32_t* values, const int32_t* prediction, int8_t* inputs, uint8_t* energies);

constexpr int COARSE_INPUTS = 15, COARSE_ENERGIES = 12, UNIT_INPUTS = 9;

}  // namespace hvpzip::network
