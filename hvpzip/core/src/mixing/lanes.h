// Loops of the engine over all experts, with AVX2 where it is compiled for it: the same integers either way. This file reaches the bit stream.
#pragma once

#include "mixing/numeric.h"

namespace hvpzip::mixing::HVPZIP_ISA {

#if defined(__AVX2__)
// Entries of a table at eight places, and those after them. Eight loads of pairs are quicker than two gathers.
inline void look_up_pairs(const std::int32_t* table, __m256i places, __m256i& here, __m256i& next) {
    alignas(32) std::int32_t at[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(at), places);
    const auto pair = [&](int i) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(table + at[i])); };
    const __m128i a = _mm_unpacklo_epi32(pair(0), pair(1)), b = _mm_unpacklo_epi32(pair(2), pair(3));
    const __m128i c = _mm_unpacklo_epi32(pair(4), pair(5)), d = _mm_unpacklo_epi32(pair(6), pair(7));
    const __m256i first = _mm256_inserti128_si256(_mm256_castsi128_si256(a), c, 1), second = _mm256_inserti128_si256(_mm256_castsi128_si256(b), d, 1);
    here = _mm256_unpacklo_epi64(first, second);
    next = _mm256_unpackhi_epi64(first, second);
}

// logistic_q20 of eight.
inline __m256i logistic_q20_lanes(const std::int32_t* table, __m256i z) {
    const __m256i place = _mm256_add_epi32(z, _mm256_set1_epi32(49152));
    const __m256i i = _mm256_srai_epi32(place, 6), fraction = _mm256_and_si256(place, _mm256_set1_epi32(63));
    __m256i here, next;
    look_up_pairs(table, i, here, next);
    return _mm256_add_epi32(here, _mm256_srai_epi32(_mm256_mullo_epi32(_mm256_sub_epi32(next, here), fraction), 6));
}
inline __m256i clamp_lanes(__m256i value, __m256i low, __m256i high) { return _mm256_min_epi32(_mm256_max_epi32(value, low), high); }
#endif

// out[i] = logistic_q20(z[i]) for n values, n a multiple of 8, 32-byte aligned.
inline void logistics(const std::int32_t* table, const std::int32_t* z, std::int32_t* out, int n) {
#if defined(__AVX2__)
    for (int i = 0; i < n; i += 8)
        _mm256_store_si256(reinterpret_cast<__m256i*>(out + i), logistic_q20_lanes(table, _mm256_load_si256(reinterpret_cast<const __m256i*>(z + i))));
#else
    for (int i = 0; i < n; ++i) out[i] = logistic_q20(table, z[i]);
#endif
}

// The CDF in 2^-20 of a logistic distribution at a distance from its mean; limit and inverse: of its class of scale (Tables).
inline std::int32_t logistic_cdf(const std::int32_t* table, std::int32_t distance, std::int32_t limit, std::int32_t inverse) {
    return logistic_q20(table, clamp((clamp(distance, -limit, limit) * inverse) >> 15, -49151, 49151));
}
#if defined(__AVX2__)
inline __m256i logistic_cdf_lanes(const std::int32_t* table, __m256i distance, __m256i limit, __m256i inverse) {
    const __m256i near = clamp_lanes(distance, _mm256_sub_epi32(_mm256_setzero_si256(), limit), limit);
    const __m256i z = _mm256_srai_epi32(_mm256_mullo_epi32(near, inverse), 15);
    return logistic_q20_lanes(table, clamp_lanes(z, _mm256_set1_epi32(-49151), _mm256_set1_epi32(49151)));
}
#endif

// Of n experts, n a multiple of 8, at one place; arrays are 32-byte aligned.
inline void logistic_cdfs(const std::int32_t* table, std::int32_t place, const std::int32_t* mean, const std::int32_t* limit, const std::int32_t* inverse, std::int32_t* out, int n) {
#if defined(__AVX2__)
    const __m256i at = _mm256_set1_epi32(place);
    for (int i = 0; i < n; i += 8) {
        const auto load = [i](const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + i)); };
        _mm256_store_si256(reinterpret_cast<__m256i*>(out + i), logistic_cdf_lanes(table, _mm256_sub_epi32(at, load(mean)), load(limit), load(inverse)));
    }
#else
    for (int i = 0; i < n; ++i) out[i] = logistic_cdf(table, place - mean[i], limit[i], inverse[i]);
#endif
}

#if defined(__AVX2__)
// log_q16_vector of eight.
inline __m256i log_q16_lanes(const std::int32_t* mantissa, __m256i x) {
    const __m256i bits = _mm256_castps_si256(_mm256_cvtepi32_ps(x));
    const __m256i exponent = _mm256_sub_epi32(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(127));
    const __m256i log = _mm256_i32gather_epi32(mantissa, _mm256_and_si256(_mm256_srli_epi32(bits, 13), _mm256_set1_epi32(1023)), 4);
    return _mm256_add_epi32(_mm256_mullo_epi32(exponent, _mm256_set1_epi32(45426)), log);
}
#endif

// The logits in 1/256 of n experts for the upper part, from their CDFs at low, middle and high; n a multiple of 8.
inline void conditional_logits(const std::int32_t* mantissa, const std::int32_t* low, const std::int32_t* middle, const std::int32_t* high, std::int32_t* out, int n) {
#if defined(__AVX2__)
    for (int i = 0; i < n; i += 8) {
        const auto load = [i](const std::int32_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i)); };
        const auto part = [mantissa](__m256i a, __m256i b) {
            return log_q16_lanes(mantissa, _mm256_min_epi32(_mm256_add_epi32(_mm256_sub_epi32(a, b), _mm256_set1_epi32(10)), _mm256_set1_epi32(16777215)));
        };
        const __m256i logit = _mm256_srai_epi32(_mm256_sub_epi32(part(load(high), load(middle)), part(load(middle), load(low))), 8);
        _mm256_store_si256(reinterpret_cast<__m256i*>(out + i), clamp_lanes(logit, _mm256_set1_epi32(-kLogitMost), _mm256_set1_epi32(kLogitMost)));
    }
#else
    for (int i = 0; i < n; ++i) {
        const std::int32_t over = log_q16_vector(mantissa, smaller(high[i] - middle[i] + 10, 16777215)), under = log_q16_vector(mantissa, smaller(middle[i] - low[i] + 10, 16777215));
        out[i] = clamp((over - under) >> 8, -kLogitMost, kLogitMost);
    }
#endif
}

// out[i] = (logistic_q20(logit[i]) - p) / 1024 for n logits in 1/256, n a multiple of 8.
inline void probabilities_less(const std::int32_t* table, const std::int32_t* logit, std::int32_t p, std::int16_t* out, int n) {
#if defined(__AVX2__)
    for (int i = 0; i < n; i += 8) {
        const __m256i z = _mm256_slli_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(logit + i)), 4);
        const __m256i less = _mm256_srai_epi32(_mm256_sub_epi32(logistic_q20_lanes(table, z), _mm256_set1_epi32(p)), 10);
        _mm_store_si128(reinterpret_cast<__m128i*>(out + i), _mm_packs_epi32(_mm256_castsi256_si128(less), _mm256_extracti128_si256(less, 1)));
    }
#else
    for (int i = 0; i < n; ++i) out[i] = static_cast<std::int16_t>((logistic_q20(table, logit[i] * 16) - p) >> 10);
#endif
}

// Of one expert at n places that are `step` apart from `distance` to its mean on; n a multiple of 8.
inline void logistic_cdf_steps(const std::int32_t* table, std::int32_t distance, std::int32_t step, std::int32_t limit, std::int32_t inverse, std::int32_t* out, int n) {
#if defined(__AVX2__)
    __m256i at = _mm256_add_epi32(_mm256_set1_epi32(distance), _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(step)));
    for (int i = 0; i < n; i += 8) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), logistic_cdf_lanes(table, at, _mm256_set1_epi32(limit), _mm256_set1_epi32(inverse)));
        at = _mm256_add_epi32(at, _mm256_set1_epi32(8 * step));
    }
#else
    for (int i = 0; i < n; ++i) out[i] = logistic_cdf(table, distance + i * step, limit, inverse);
#endif
}

// The first of the least of n values, n > 0.
inline int first_least(const std::int32_t* values, int n) {
    int i = 0, best = 0;
#if defined(__AVX2__)
    if (n >= 8) {
        const auto load = [values](int at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + at)); };
        __m256i least = load(0);
        for (i = 8; i + 8 <= n; i += 8) least = _mm256_min_epi32(least, load(i));
        if (i < n) least = _mm256_min_epi32(least, load(n - 8));
        __m128i half = _mm_min_epi32(_mm256_castsi256_si128(least), _mm256_extracti128_si256(least, 1));
        half = _mm_min_epi32(half, _mm_shuffle_epi32(half, 0x4e));
        half = _mm_min_epi32(half, _mm_shuffle_epi32(half, 0xb1));
        const std::int32_t value = _mm_cvtsi128_si32(half);
        const __m256i all = _mm256_set1_epi32(value);
        for (i = 0; i + 8 <= n; i += 8) {
            const int equal = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(load(i), all)));
            if (equal != 0) return i + __builtin_ctz(static_cast<unsigned>(equal));
        }
        while (values[i] != value) ++i;
        return i;
    }
#endif
    for (i = 1; i < n; ++i)
        if (values[i] < values[best]) best = i;
    return best;
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
