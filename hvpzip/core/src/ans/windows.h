// Windows of neighbouring symbols, reweighted: mirrors core/reference/windows.py, and ans/reweighted.py has the formulas. Precision is 24 bits and delta 1 throughout.
//
// Integer arithmetic only, and divisions in double that are checked to be exact: this file reaches the bit stream.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "ans/mixture.h"

namespace hvpzip {

constexpr int PRECISION = 24, UNIT_BITS = 10;
constexpr int64_t UNIT = 1 << UNIT_BITS, MAX_FACTOR = 1 << 15;

// One alphabet for all symbols: lo, lo + 1, ..., lo + size - 1; 1 <= size <= 2**20.
struct Alphabet {
    int64_t lo, size;
};

// The windows of N symbols of an array, see reweighted.Reweighted: first, total, excess (N,); edges (N, length + 1).
struct Windows {
    const int64_t* first;
    int32_t* edges;
    int64_t* total;
    int64_t* excess;
    int64_t length;
};

// Eight numbers side by side; in wide instructions where the compiler has such types.
#if defined(__GNUC__)
typedef uint32_t Eight __attribute__((vector_size(32)));
#else
struct Eight {
    uint32_t at[8];
    template <typename Make>
    static Eight of(Make&& make) {
        Eight found;
        for (int i = 0; i < 8; ++i) found.at[i] = make(i);
        return found;
    }
    Eight operator+(const Eight& b) const { return of([&](int i) { return at[i] + b.at[i]; }); }
    Eight operator*(uint32_t b) const { return of([&](int i) { return at[i] * b; }); }
    Eight operator&(uint32_t b) const { return of([&](int i) { return at[i] & b; }); }
    Eight operator>>(int b) const { return of([&](int i) { return at[i] >> b; }); }
};
#endif

// C(first), C(first + 1), ... of mixture i, first >= lo: ``cumulative`` of all of them at once.
template <int EDGES>
HVPZIP_INLINE void fill_window(const Mixtures& mixtures, const GaussianTables& tables, int64_t i, int64_t first, const Alphabet& alphabet,
                               uint32_t* HVPZIP_RESTRICT edges) {
    constexpr int BLOCKS = (EDGES + 7) / 8, MOST = 8;  // eight edges at a time, the last ones perhaps beyond the window; components
    if (mixtures.components > MOST) {
        for (int j = 0; j < EDGES; ++j)
            edges[j] = static_cast<uint32_t>(cumulative(mixtures, tables, i, 64 * (first + j) - 32, first + j - alphabet.lo, alphabet.size, PRECISION));
        return;
    }
    const uint32_t* values[MOST];
    int32_t place[MOST], last[MOST];  // of the first edge among the values; from where on all are 2**30
    uint32_t share[MOST], wide[MOST][8 * BLOCKS];
    const int components = static_cast<int>(mixtures.components);
    for (int k = 0; k < components; ++k) {
        const int64_t at = k * mixtures.n + i, distance = 64 * first - 32 - mixtures.mean[at];
        const Ramp ramp = tables.ramp(mixtures.scale[at]);
        share[k] = static_cast<uint32_t>(mixtures.weight[at]);
        if (ramp.values) {
            values[k] = ramp.phase_of(distance);
            last[k] = static_cast<int32_t>(2 * ramp.reach);
            // What is further away than the window is long makes no difference.
            place[k] = static_cast<int32_t>(std::clamp<int64_t>((distance >> 6) + ramp.reach, -RAMP_MARGIN - 8 * BLOCKS, last[k]));
        } else {
            for (int j = 0; j < 8 * BLOCKS; ++j) wide[k][j] = static_cast<uint32_t>(tables.cdf(distance + 64 * j, mixtures.scale[at]));
            values[k] = wide[k];
            last[k] = 8 * BLOCKS;
            place[k] = 0;
        }
    }
    // Sums of weight * CDF, 46 bits, in two parts: the upper 15 bits of the CDF and the lower 15. Weights sum to 2**16, so none overflows.
    uint32_t mixes[8 * BLOCKS];
    for (int block = 0; block < BLOCKS; ++block) {
        Eight upper{}, lower{};
        for (int k = 0; k < components; ++k) {
            Eight value;
            std::memcpy(&value, values[k] + std::min(std::max(place[k] + 8 * block, -static_cast<int32_t>(RAMP_MARGIN)), last[k]), sizeof value);
            upper = upper + (value >> 15) * share[k];
            lower = lower + (value & 0x7FFF) * share[k];
        }
        const Eight mix = (upper + (lower >> 15)) >> 7;
        std::memcpy(mixes + 8 * block, &mix, sizeof mix);
    }
    const uint32_t spread = static_cast<uint32_t>((int64_t{1} << PRECISION) - alphabet.size);
    const int32_t above = static_cast<int32_t>(first - alphabet.lo), size = static_cast<int32_t>(alphabet.size);
    HVPZIP_KEEP_LOOP
    for (int j = 0; j < EDGES; ++j) {
        const uint32_t mix = mixes[j], one = mix >> PRECISION;  // 1 where mix is all of 2**24
        // mix * spread >> 24, as the upper half of a product of 32 bits.
        const uint32_t product = static_cast<uint32_t>((static_cast<uint64_t>((mix - one) << (32 - PRECISION)) * spread) >> 32);
        const uint32_t inside = product + one + static_cast<uint32_t>(above + j);
        edges[j] = above + j >= size ? 1u << PRECISION : above + j <= 0 ? 0 : inside;
    }
}

// Row i of the windows' edges, totals and excesses: mirrors reweighted.reweight. base: C at the window's edges; factor: of its symbols.
template <int EDGES>
HVPZIP_INLINE void fill_reweighted(const uint32_t* HVPZIP_RESTRICT base, const uint32_t* HVPZIP_RESTRICT factor, const Windows& windows,
                                   const Alphabet& alphabet, int64_t i) {
    uint64_t mass[EDGES];
    HVPZIP_KEEP_LOOP
    for (int j = 1; j < EDGES; ++j) mass[j] = static_cast<uint64_t>(base[j] - base[j - 1]) * factor[j - 1];  // 24 bits times 16
    mass[0] = static_cast<uint64_t>(base[0]) << UNIT_BITS;
    uint64_t sum = mass[0];
    HVPZIP_UNROLL(8)
    for (int j = 1; j < EDGES; ++j) mass[j] = sum += mass[j];
    const int64_t extra = static_cast<int64_t>(mass[EDGES - 1]) - (static_cast<int64_t>(base[EDGES - 1]) << UNIT_BITS);
    const int64_t whole = std::max<int64_t>(extra + (UNIT << PRECISION), 1), share = (int64_t{1} << PRECISION) - alphabet.size;
    windows.excess[i] = extra;
    windows.total[i] = whole;
    // mass * share / whole is at most 2**24, and the product below misses it by less than 2**-26: where it is further than that from an
    // integer, cutting it off gives the floor. Elsewhere (about never) integers decide. Masses are below 2**40, so doubles hold them.
    const double rate = static_cast<double>(share) / static_cast<double>(whole);
    const int32_t above = static_cast<int32_t>(windows.first[i] - alphabet.lo), size = static_cast<int32_t>(alphabet.size);
    int32_t* HVPZIP_RESTRICT edges = windows.edges + i * EDGES;
    constexpr double NEAR = 1.0 / (1 << 24);
    int64_t doubtful = 0;
    HVPZIP_KEEP_LOOP
    for (int j = 0; j < EDGES; ++j) {
        const uint64_t bits = mass[j] | (uint64_t{0x433} << 52);  // 2**52 + mass
        double exact;
        std::memcpy(&exact, &bits, sizeof exact);
        const double quotient = (exact - 4503599627370496.0) * rate;
        const int32_t whole_part = static_cast<int32_t>(quotient);
        const double rest = quotient - whole_part;
        doubtful |= std::abs(rest - 0.5) > 0.5 - NEAR ? -1 : 0;
        edges[j] = above + j < size ? whole_part + above + j : 1 << PRECISION;
    }
    if (doubtful)
        for (int j = 0; j < EDGES; ++j)
            if (above + j < size) edges[j] = static_cast<int32_t>(static_cast<int64_t>(mass[j]) * share / whole) + above + j;
}

// First symbols of windows, ``half`` below the mean and in low..high: mirrors reweighted.window_starts.
void fill_starts(const Mixtures& mixtures, int64_t half, int64_t low, int64_t high, int64_t* start);

// C(first + j) of every mixture, int64 (N, length + 1): mirrors reweighted.window_edges.
void fill_edges(const Mixtures& mixtures, const GaussianTables& tables, const Alphabet& alphabet, const int64_t* first, int64_t length,
                int64_t* edges);

// As ``pop_stage`` for reweighted mixtures: mirrors Reweighted._search. Returns -1 where a mixture that had to be looked at is none.
int64_t pop_reweighted_stage(uint64_t* head, const uint32_t* words, int64_t num_words, const Mixtures& mixtures, const GaussianTables& tables,
                             const Alphabet& alphabet, const Windows& windows, const Stage& stage, int64_t* symbol, int64_t* freq);

}  // namespace hvpzip
