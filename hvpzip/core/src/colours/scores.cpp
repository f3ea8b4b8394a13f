// Integer arithmetic only, and doubles that hold integers exactly: this file reaches the bit stream.
//
// Sums of 16 products below 2**26 stay within 2**30. In doubles everything is an integer below 2**53 until the division. A quotient below an
// integer is at least 2**-24 below it, and doubles up to 2**20 are finer than that: it is not rounded up to one.

#include "colours/scores.h"

#include "multiversion.h"

#if defined(HVPZIP_DISPATCH)
#include <immintrin.h>
#endif

namespace hvpzip {

namespace {

HVPZIP_INLINE double ratio_of(int32_t low, int32_t high, int32_t whole) {
    // Beyond the end of a short alphabet all frequencies are 0.
    return 16 * (low + 4096.0 * high + static_cast<double>(MIDDLE) * whole) / (whole ? whole : 1);
}

void plain_scores(const int16_t* low, const int16_t* high, const uint16_t* values, const int32_t* places, int32_t whole, double* ratio) {
    for (int a = 0; a < CO_WINDOW; ++a) {
        const uint16_t* weights = values + places[a];
        int32_t low_sum = 0, high_sum = 0;
        HVPZIP_KEEP_LOOP
        for (int j = 0; j < CG_SPAN; ++j) {
            const int16_t weight = static_cast<int16_t>(weights[j]);
            low_sum += low[j] * weight;
            high_sum += high[j] * weight;
        }
        ratio[a] = ratio_of(low_sum, high_sum, whole);
    }
}

#if defined(HVPZIP_DISPATCH)
// Sums of the lanes of four vectors.
__attribute__((target("avx2"))) inline __m128i sums(const __m256i* products) {
    const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(products[0], products[1]), _mm256_hadd_epi32(products[2], products[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

__attribute__((target("avx2"))) void wide_scores(const int16_t* low, const int16_t* high, const uint16_t* values, const int32_t* places,
                                                 int32_t whole, double* ratio) {
    const __m256i lows = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
    const __m256i highs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high));
    const __m256d middle = _mm256_set1_pd(static_cast<double>(MIDDLE) * whole), divisor = _mm256_set1_pd(whole ? whole : 1);
    for (int a = 0; a < CO_WINDOW; a += 4) {
        __m256i low_products[4], high_products[4];
        for (int b = 0; b < 4; ++b) {
            const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + places[a + b]));
            low_products[b] = _mm256_madd_epi16(lows, weights);
            high_products[b] = _mm256_madd_epi16(highs, weights);
        }
        const __m256d low_sums = _mm256_cvtepi32_pd(sums(low_products)), high_sums = _mm256_cvtepi32_pd(sums(high_products));
        const __m256d total = _mm256_add_pd(_mm256_add_pd(low_sums, _mm256_mul_pd(high_sums, _mm256_set1_pd(4096.0))), middle);
        _mm256_storeu_pd(ratio + a, _mm256_div_pd(_mm256_mul_pd(total, _mm256_set1_pd(16.0)), divisor));
    }
}
#endif

}  // namespace

ScoresKernel scores_kernel() {
#if defined(HVPZIP_DISPATCH)
    if (__builtin_cpu_supports("avx2")) return wide_scores;
#endif
    return plain_scores;
}

}  // namespace hvpzip
