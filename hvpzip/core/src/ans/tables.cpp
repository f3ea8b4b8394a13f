// Integer arithmetic only: this file reaches the bit stream.

#include "ans/tables.h"

namespace hvpzip {

namespace {

// The values of one phase with its margins: distances phase - 64 * (reach + RAMP_MARGIN), and on by 64. None is far beyond EDGE_LIMIT.
HVPZIP_WIDE void fill_phase(const int64_t* phi, const int64_t* slope, int64_t reciprocal, int64_t reach, int64_t phase, uint32_t* values) {
    int64_t z = (phase - 64 * (reach + RAMP_MARGIN)) * reciprocal;
    for (int64_t q = 0; q < Ramp::stride(reach); ++q, z += 64 * reciprocal) {
        const int64_t place = std::min(std::max(z >> Z_SHIFT, -Z_OFFSET), Z_OFFSET) + Z_OFFSET, cell = place >> CELL_BITS;
        values[q] = static_cast<uint32_t>(phi[cell] + ((slope[cell] * (place & CELL_MASK)) >> CELL_BITS));
    }
}

std::unique_ptr<GaussianTables> given_tables;

}  // namespace

const GaussianTables* the_tables() { return given_tables.get(); }
void use_tables(std::unique_ptr<GaussianTables> tables) {
    if (!given_tables) given_tables = std::move(tables);  // they are always the same, and kernels may be at work
}

GaussianTables::GaussianTables(const int64_t* phi, const int64_t* slope, const int64_t* reciprocal, const int64_t* scale64,
                               const int64_t* exp2, int64_t num_exp2)
    : phi_(phi, phi + CELLS), slope_(slope, slope + CELLS), reciprocal_(reciprocal, reciprocal + NUM_SCALES),
      scale64_(scale64, scale64 + NUM_SCALES), exp2_(exp2, exp2 + num_exp2), reaches_(NUM_SCALES), ramps_(NUM_SCALES), owned_(NUM_SCALES) {
    // Cells below the first one are 0 throughout, and from the last one on all are 2**30, after rounding.
    int64_t first = 0, last = CELLS - 1;
    while (first < last && !phi_[first] && !slope_[first]) ++first;
    while (last > first && phi_[last - 1] == int64_t{1} << CDF_BITS) --last;
    const int64_t outmost = std::max(Z_OFFSET - (first << CELL_BITS), (last << CELL_BITS) - Z_OFFSET);
    for (int64_t scale = 0; scale < NUM_SCALES; ++scale) {
        // The least distance with a z of ``outmost`` or more is at most 64 * reach.
        const int64_t limit = std::min(((outmost + 1) << Z_SHIFT) / reciprocal_[scale] + 1, EDGE_LIMIT);
        reaches_[scale] = (limit >> 6) + 1;
    }
}

const uint32_t* GaussianTables::make_ramp(int64_t scale) const {
    const std::lock_guard<std::mutex> lock(making_);
    if (const uint32_t* made = ramps_[scale].load(std::memory_order_relaxed)) return made;
    const int64_t reach = reaches_[scale];
    const int64_t stride = Ramp::stride(reach);
    owned_[scale].reset(new uint32_t[static_cast<size_t>(64 * stride)]);
    for (int64_t phase = 0; phase < 64; ++phase)
        fill_phase(phi_.data(), slope_.data(), reciprocal_[scale], reach, phase, owned_[scale].get() + phase * stride);
    const uint32_t* values = owned_[scale].get() + RAMP_MARGIN;
    ramps_[scale].store(values, std::memory_order_release);
    return values;
}

}  // namespace hvpzip
