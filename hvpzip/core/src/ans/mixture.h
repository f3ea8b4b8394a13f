// Discretised mixtures: mirrors core/reference/coder.py, symbol by symbol.
//
// Integer arithmetic only: this file reaches the bit stream.

#pragma once

#include <cstdint>

#include "ans/tables.h"

namespace hvpzip {

// N mixtures of K Gaussians, see mixture.Mixture: arrays (K, N).
struct Mixtures {
    const int64_t* mean;
    const int16_t* scale;
    const int32_t* weight;
    int64_t components, n;
};

// Whether they are what every kernel below takes for granted: weights of at least 1 that sum to 2**16, scales in their table, means in range.
bool is_mixture(const Mixtures& mixtures);
bool is_mixture(const Mixtures& mixtures, int64_t i);  // the one of them

// C(symbol) of mixture i. edge: 64 * delta * symbol - 32 * delta; above: symbol - lo; size: of the alphabet.
HVPZIP_INLINE int64_t cumulative(const Mixtures& mixtures, const GaussianTables& tables, int64_t i, int64_t edge, int64_t above, int64_t size,
                                 int precision) {
    if (above <= 0) return 0;
    if (above >= size) return int64_t{1} << precision;
    int64_t mix = 0;
    for (int64_t k = 0; k < mixtures.components; ++k) {
        const int64_t at = k * mixtures.n + i;
        mix += mixtures.weight[at] * tables.cdf(edge - mixtures.mean[at], mixtures.scale[at]);
    }
    return (((mix >> (MIX_BITS - precision)) * ((int64_t{1} << precision) - size)) >> precision) + above;
}

// Rows ahead of the one that is worked on whose ramps are asked for: the tables of a photo's scales do not fit the nearest caches.
constexpr int64_t AHEAD = 4;

// Brings the ramps of mixture i into the cache, from the symbol ``first`` on.
HVPZIP_INLINE void prefetch_ramps(const Mixtures& mixtures, const GaussianTables& tables, int64_t i, int64_t first) {
    for (int64_t k = 0; k < mixtures.components; ++k) {
        const int64_t at = k * mixtures.n + i, scale = mixtures.scale[at], distance = 64 * first - 32 - mixtures.mean[at];
        const Ramp ramp = tables.made(scale);
        if (!ramp.values) continue;
        const uint32_t* from = ramp.phase_of(distance) + std::clamp<int64_t>((distance >> 6) + ramp.reach, -RAMP_MARGIN, 2 * ramp.reach);
        HVPZIP_PREFETCH(from);
        HVPZIP_PREFETCH(from + 16);
    }
}

// The alphabet of every symbol: lo and its size, (N,).
struct Alphabets {
    const int64_t* lo;
    const int64_t* size;
};

// Which symbols of an array are coded on how many lanes, see lanes.Stage: 0 <= begin <= end, lanes >= 1.
struct Stage {
    int64_t begin, end, lanes;
};

constexpr uint64_t LOWER_BOUND = uint64_t{1} << 31;

// C(symbol) of all symbols, any symbols: mirrors mixture.cumulative. spacing: 64 * delta.
void fill_cumulative(const Mixtures& mixtures, const GaussianTables& tables, const Alphabets& alphabets, const int64_t* symbol, int64_t spacing,
                     int precision, int64_t* result);

// (start, freq) of all symbols: mirrors mixture.intervals. spacing: 64 * delta.
void fill_intervals(const Mixtures& mixtures, const GaussianTables& tables, const Alphabets& alphabets, const int64_t* symbol, int64_t spacing,
                    int precision, int64_t threads, int64_t* start, int64_t* freq);

// Mirrors rans.push over the chunks of a stage, last chunk first. Fills words (end - begin,) from its end; returns where they begin.
int64_t push_stage(uint64_t* head, uint32_t* words, const uint64_t* starts, const uint64_t* freqs, int precision, const Stage& stage);

// Mirrors rans.pop and mixture._search over the chunks of a stage. Returns the words used, or num_words + 1 when they run out.
int64_t pop_stage(uint64_t* head, const uint32_t* words, int64_t num_words, const Mixtures& mixtures, const GaussianTables& tables,
                  const Alphabets& alphabets, int64_t spacing, int precision, const Stage& stage, int64_t* symbol, int64_t* freq);

// As ``pop_stage``, for symbols that all have the same frequencies. starts: (symbols + 1,), strictly rising from 0 to 2**precision.
int64_t pop_table_stage(uint64_t* head, const uint32_t* words, int64_t num_words, const int64_t* starts, int64_t symbols, int precision,
                        const Stage& stage, int64_t* symbol, int64_t* freq);

// A popped symbol's state goes on: false when there is no word left to refill it from.
HVPZIP_INLINE bool step_back(uint64_t& head, uint64_t start, uint64_t freq, int precision, const uint32_t* words, int64_t num_words,
                             int64_t& used) {
    const uint64_t cf = head & ((uint64_t{1} << precision) - 1);
    uint64_t state = freq * (head >> precision) + (cf - start);
    if (state < LOWER_BOUND) {
        if (used == num_words) return false;
        state = (state << 32) | words[used++];
    }
    head = state;
    return true;
}

}  // namespace hvpzip
