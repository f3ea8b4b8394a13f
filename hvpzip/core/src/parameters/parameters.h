// From a head's integers to the mixtures of one colour: mirrors core/reference/parameters.py.
//
// Integer arithmetic only: this file reaches the bit stream.

#pragma once

#include <cstdint>

#include "ans/tables.h"

namespace hvpzip {

constexpr int64_t COUPLINGS = 3;  // Co on Y, Cg on Y, Cg on Co
constexpr int64_t MAX_COMPONENTS = 1024;

// What a step says of n positions. means: (3, n); log2_scales: (n,), of the colour; innovations: (n,), of the colour, or null where no latent
// is read; corrections: (n, channels), channels = (3 or 4 kinds) * 3 colours * components + COUPLINGS; coupling: (COUPLINGS,).
struct Prediction {
    const int32_t* means;
    const int32_t* log2_scales;
    const int32_t* innovations;
    const int16_t* corrections;
    const int64_t* coupling;
    int64_t n, components, channels;
};

// The mixtures of one colour, mean, scale and weight (components, n), given the values (colour, n) of those before it.
void fill_mixture(const Prediction& prediction, const GaussianTables& tables, int64_t colour, const int32_t* values, int64_t threads,
                  int64_t* mean, int16_t* scale, int32_t* weight);

}  // namespace hvpzip
