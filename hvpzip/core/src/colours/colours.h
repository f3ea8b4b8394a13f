// Colours learnt: mirrors core/reference/colours.py which has the formulas.
//
// Integer arithmetic only, and doubles that hold integers exactly: this file reaches the bit stream.

#pragma once

#include <cstdint>

#include "ans/windows.h"

namespace hvpzip {

constexpr int REACH = 8, SEEN = 6, AROUND = 10, PAIRS = 8, ENOUGH_PAIRS = 32;
constexpr int64_t CONTEXTS = SEEN * AROUND * PAIRS * 2, KINDS = 40;
constexpr int CG_WINDOW = 64, CO_WINDOW = 32, CG_SPAN = 16;  // symbols of the windows of Cg and Co, and of Cg that each Co is weighed with

// What has been counted, by cell Y << 18 | Co + 256 << 9 | Cg + 256; reachable: a bit a cell, or null where there is no matrix.
struct Counts {
    const uint8_t* colours;    // (2**26,)
    const int32_t* pairs;      // (2**18,)
    const uint8_t* reachable;  // (2**23,)

    // Brings what is known of ``length`` cells into the cache; any numbers.
    void prefetch(int64_t cell, int64_t length) const {
        for (int64_t at = cell; at < cell + length + 64; at += 64) HVPZIP_PREFETCH(colours + (at & ((1 << 26) - 1)));
        if (reachable) HVPZIP_PREFETCH(reachable + ((cell & ((1 << 26) - 1)) >> 3));
    }
};

// Count n pixels; those outside the RGB cube are left out. most: of a pair.
void count_colours(const int32_t* y, const int32_t* co, const int32_t* cg, int64_t n, uint8_t* colours, int32_t* pairs, int32_t most);

// Contexts of n symbols Cg, -1 outside the cube. Y in 0..255, Co in -255..255, Cg in -256..255.
void find_contexts(const Counts& counts, const int64_t* y, const int64_t* co, const int64_t* cg, int64_t n, int64_t threads, int16_t* context);

// Windows of Cg, CG_WINDOW symbols each, and what the contexts' symbols are expected to come to (CONTEXTS,). factors: by context.
void reweight_cg(const Counts& counts, const Mixtures& mixtures, const GaussianTables& tables, const Alphabet& alphabet, const int64_t* y,
                   const int64_t* co, const uint16_t* factors, int64_t threads, const Windows& windows, int64_t* expected);

// Windows of Co, CO_WINDOW symbols each, the kinds of their symbols (N, CO_WINDOW), and what kinds are expected to come to (KINDS,).
// given: Cg, whose alphabet is given_alphabet, given the Co in the middle of the window. first_cg: the first of CG_SPAN symbols Cg there; slope:
// by how much it slope with Co, in 1/64. cg_factors: by context. factors: by kind.
void reweight_co(const Counts& counts, const Mixtures& mixtures, const Mixtures& given, const GaussianTables& tables,
                     const Alphabet& alphabet, const Alphabet& given_alphabet, const int64_t* y, const int64_t* first_cg, const int64_t* slope,
                     const uint16_t* cg_factors, const uint16_t* factors, int64_t threads, const Windows& windows,
                     uint8_t* kinds, int64_t* expected);

// Sum of log2(freq) in 1/256, rounded down each: mirrors colours.cost. 1 <= freq < 2**32.
int64_t sum_log2(const int64_t* freqs, int64_t n, int64_t threads);

// A conversion to RGB in units of 2**-16, see matrices.Matrix.
struct Matrix {
    int64_t luma, red, green_blue, green_red, blue, offset[3];
};

// Sets the bits of the colours that a matrix reaches (2**23,).
void fill_reachable(const Matrix& matrix, uint8_t* reachable);

// Whether a matrix reaches each of n colours (3, n).
void find_reached(const Matrix& matrix, const int64_t* rgb, int64_t n, int64_t threads, bool* reached);

}  // namespace hvpzip
