// The Gaussian CDF at lattice points: mirrors core/tables.py and the first lines of mixture.py.
//
// Integer arithmetic only: this file reaches the bit stream.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "multiversion.h"

namespace hvpzip {

constexpr int CDF_BITS = 30, EXP2_BITS = 20, STEP_BITS = 7, RECIPROCAL_BITS = 39, WEIGHT_BITS = 16, Z_BITS = 20;
constexpr int Z_SHIFT = RECIPROCAL_BITS - Z_BITS, CELL_BITS = Z_BITS - STEP_BITS, MIX_BITS = WEIGHT_BITS + CDF_BITS;
constexpr int64_t NUM_SCALES = 320, CELLS = 2049, EDGE_LIMIT = int64_t{1} << 26, Z_OFFSET = int64_t{8} << Z_BITS, CELL_MASK = (1 << CELL_BITS) - 1;
constexpr int64_t POSITION_LIMIT = int64_t{1} << 40;  // of means and of edges

// The CDF of one scale by the distance from the mean to an edge, in 1/64: 0 below -64 * reach, 2**30 from 64 * reach on, and in between
// phase_of(distance)[q] for the distance 64 * (q - reach) + distance % 64. The values of one phase lie side by side, as the edges of neighbouring
// symbols ask for them, from q = -RAMP_MARGIN to 2 * reach + RAMP_MARGIN - 1. Where the scale is too wide to be tabulated, values is null.
constexpr int64_t RAMP_MARGIN = 8;  // values of 0 before, and of 2**30 after the ramp, so that eight at once may be read anywhere

struct Ramp {
    const uint32_t* values;
    int64_t reach;  // in units

    const uint32_t* phase_of(int64_t distance) const { return values + (distance & 63) * stride(reach); }
    static int64_t stride(int64_t reach) { return 2 * (reach + RAMP_MARGIN); }
};

class GaussianTables {
public:
    // phi, slope: (CELLS,); reciprocal, scale64: (NUM_SCALES,); exp2: any number of them, the last one 0: see core/tables.py.
    GaussianTables(const int64_t* phi, const int64_t* slope, const int64_t* reciprocal, const int64_t* scale64, const int64_t* exp2,
                   int64_t num_exp2);

    // CDF of an edge ``distance`` above the mean, both in 1/64, in 2**-30. Any distance; scale 0..NUM_SCALES - 1.
    int64_t cdf(int64_t distance, int64_t scale) const {
        const int64_t t = std::clamp(distance, -EDGE_LIMIT, EDGE_LIMIT);
        const int64_t z = std::clamp((t * reciprocal_[scale]) >> Z_SHIFT, -Z_OFFSET, Z_OFFSET) + Z_OFFSET;
        const int64_t cell = z >> CELL_BITS;
        return phi_[cell] + ((slope_[cell] * (z & CELL_MASK)) >> CELL_BITS);
    }

    // 64 * scale.
    int64_t scale64(int64_t scale) const { return scale64_[scale]; }

    // 2**(-distance / 64) in 2**-20, 0 from some distance on. distance: at least 0.
    int64_t exp2(int64_t distance) const { return exp2_[std::min(distance, static_cast<int64_t>(exp2_.size()) - 1)]; }

    // The ramp of a scale; made when it is first asked for, by whichever thread asks.
    Ramp ramp(int64_t scale) const {
        const int64_t reach = reaches_[scale];
        if (reach > WIDEST) return {nullptr, reach};
        const uint32_t* values = ramps_[scale].load(std::memory_order_acquire);
        return {values ? values : make_ramp(scale), reach};
    }

    // The scale's ramp if it has been made; values is null if not.
    Ramp made(int64_t scale) const { return {ramps_[scale].load(std::memory_order_acquire), reaches_[scale]}; }

private:
    static constexpr int64_t WIDEST = 256;  // units of reach: scales up to some 40, all of which would take three megabytes

    const uint32_t* make_ramp(int64_t scale) const;

    std::vector<int64_t> phi_, slope_, reciprocal_, scale64_, exp2_, reaches_;
    mutable std::vector<std::atomic<const uint32_t*>> ramps_;
    mutable std::vector<std::unique_ptr<uint32_t[]>> owned_;
    mutable std::mutex making_;
};

// The tables that the kernels work with, once they have been given.
const GaussianTables* the_tables();
void use_tables(std::unique_ptr<GaussianTables> tables);

}  // namespace hvpzip
