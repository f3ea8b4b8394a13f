// From sums to results, and from features to activations, in AVX2: what the kernels of x86-64 share.
//
// Integer arithmetic only: this file reaches the bit stream.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "network/convolution.h"

namespace hvpzip::network {

namespace {

#define HVPZIP_AVX2 __attribute__((target("avx2")))
#define HVPZIP_ALWAYS inline __attribute__((always_inline))

constexpr int TILE_LANES = 16;  // outputs that `finish` takes

HVPZIP_AVX2 HVPZIP_ALWAYS __m256i round_shift(__m256i x, __m256i shift, __m256i below_half, __m256i odd) {
    const __m256i parity = _mm256_and_si256(_mm256_srav_epi32(x, shift), odd);
    return _mm256_srav_epi32(_mm256_add_epi32(_mm256_add_epi32(x, below_half), parity), shift);
}

HVPZIP_AVX2 HVPZIP_ALWAYS __m256i load8(const int32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }

HVPZIP_AVX2 HVPZIP_ALWAYS __m256i pack16(__m256i low, __m256i high) { return _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8); }

// sums: (positions, lanes) of which the 16 from `lane` on are outputs first..first + 15 of the position x and those that follow it.
HVPZIP_AVX2 HVPZIP_ALWAYS void finish(const Convolution& conv, const int32_t* sums, int lanes, int positions, int x, int first, const Target& target) {
    const int count = std::min(TILE_LANES, conv.outputs - first);
    const __m256i shift0 = load8(conv.shift + first), shift1 = load8(conv.shift + first + 8);
    const __m256i below0 = load8(conv.below_half + first), below1 = load8(conv.below_half + first + 8);
    const __m256i odd0 = load8(conv.odd + first), odd1 = load8(conv.odd + first + 8);
    const size_t next = target.format == Format::activations ? static_cast<size_t>(conv.kernels->padded(conv.outputs)) : static_cast<size_t>(conv.outputs);
    for (int p = 0; p < positions; ++p) {
        __m256i low = round_shift(load8(sums + p * lanes), shift0, below0, odd0);
        __m256i high = round_shift(load8(sums + p * lanes + 8), shift1, below1, odd1);
        const size_t at = (static_cast<size_t>(x) + p) * next + first;
        if (target.format == Format::carried) {
            if (target.add) {
                int16_t before[TILE_LANES];
                const int16_t* add = target.add + at;
                if (count < TILE_LANES) {
                    std::memset(before, 0, sizeof before);
                    std::memcpy(before, add, count * sizeof(int16_t));
                    add = before;
                }
                low = _mm256_add_epi32(low, _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(add))));
                high = _mm256_add_epi32(high, _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(add + 8))));
            }
            const __m256i least = _mm256_set1_epi32(-CARRY_MAX);  // packing sees to the other end
            low = _mm256_max_epi32(low, least), high = _mm256_max_epi32(high, least);
        } else if (target.format == Format::outputs) {
            const __m256i least = _mm256_set1_epi32(-OUT_MAX), most = _mm256_set1_epi32(OUT_MAX);
            low = _mm256_min_epi32(_mm256_max_epi32(low, least), most), high = _mm256_min_epi32(_mm256_max_epi32(high, least), most);
        } else {
            const __m256i most = _mm256_set1_epi32(ACT_MAX), least = _mm256_setzero_si256();
            low = _mm256_min_epi32(_mm256_max_epi32(low, least), most), high = _mm256_min_epi32(_mm256_max_epi32(high, least), most);
        }
        const __m256i packed = pack16(low, high);
        if (target.format == Format::activations && conv.kernels->channel_bytes == 1) {
            const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
            uint8_t* out = static_cast<uint8_t*>(target.out) + at;
            if (count == TILE_LANES) {
                _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
            } else {
                uint8_t found[TILE_LANES];
                _mm_storeu_si128(reinterpret_cast<__m128i*>(found), bytes);
                std::memcpy(out, found, count);
            }
        } else {
            int16_t* out = static_cast<int16_t*>(target.out) + at;
            if (count == TILE_LANES) {
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), packed);
            } else {
                int16_t found[TILE_LANES];
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(found), packed);
                std::memcpy(out, found, count * sizeof(int16_t));
            }
        }
    }
}

HVPZIP_AVX2 HVPZIP_ALWAYS __m256i activated(const int16_t* carried) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(carried));
    // (x + 3 + (x >> 3 & 1)) >> 3, where the sum may leave 16 bits only for values that are clamped anyway: a saturating sum will do
    const __m256i parity = _mm256_and_si256(_mm256_srai_epi16(x, 3), _mm256_set1_epi16(1));
    const __m256i found = _mm256_srai_epi16(_mm256_adds_epi16(x, _mm256_add_epi16(parity, _mm256_set1_epi16(3))), 3);
    return _mm256_min_epi16(_mm256_max_epi16(found, _mm256_setzero_si256()), _mm256_set1_epi16(ACT_MAX));
}

inline int activate_one(int value) { return std::clamp(rounded(value, 3, 3, 1), 0, ACT_MAX); }

}  // namespace

}  // namespace hvpzip::network
