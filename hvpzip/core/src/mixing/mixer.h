// Logistic mixing with selected weight sets, a second layer over the sets, and tables that correct the outcome. Integer arithmetic only: this
// file reaches the bit stream.
#pragma once

#include "mixing/numeric.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace hvpzip::mixing::HVPZIP_ISA {

// sum (w >> 16) x modulo 2^32, over n values, n a multiple of 16. Weights lie in an order that differs with the instruction set, but no sum does.
inline std::int32_t dot(const std::int32_t* w, const std::int16_t* x, int n) {
#if defined(__AVX2__)
    __m256i sum = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 16) {
        const __m256i a = _mm256_srai_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(w + i)), 16);
        const __m256i b = _mm256_srai_epi32(_mm256_load_si256(reinterpret_cast<const __m256i*>(w + i + 8)), 16);
        const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(x + i));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_packs_epi32(a, b), values));
    }
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return _mm_cvtsi128_si32(half);
#else
    std::uint32_t sum = 0;
    for (int i = 0; i < n; ++i) sum += static_cast<std::uint32_t>((w[i] >> 16) * x[i]);
    return static_cast<std::int32_t>(sum);
#endif
}

constexpr std::int32_t kWeightMost = 0x70000000;  // 7 in 1/2^28; one step is less than 2^27, so that no sum overflows

// w += x step, kept within +-7. step in 1/2^20, below 2^15 in magnitude.
inline void train(std::int32_t* w, const std::int16_t* x, int n, std::int32_t step) {
#if defined(__AVX2__)
    const __m256i s = _mm256_set1_epi16(static_cast<std::int16_t>(step));
    const __m256i most = _mm256_set1_epi32(kWeightMost), least = _mm256_set1_epi32(-kWeightMost);
    for (int i = 0; i < n; i += 16) {
        const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(x + i));
        const __m256i low = _mm256_mullo_epi16(values, s), high = _mm256_mulhi_epi16(values, s);
        __m256i* place = reinterpret_cast<__m256i*>(w + i);
        const __m256i a = _mm256_add_epi32(_mm256_load_si256(place), _mm256_unpacklo_epi16(low, high));
        const __m256i b = _mm256_add_epi32(_mm256_load_si256(place + 1), _mm256_unpackhi_epi16(low, high));
        _mm256_store_si256(place, _mm256_max_epi32(_mm256_min_epi32(a, most), least));
        _mm256_store_si256(place + 1, _mm256_max_epi32(_mm256_min_epi32(b, most), least));
    }
#else
    for (int i = 0; i < n; ++i) w[i] = clamp<std::int32_t>(w[i] + x[i] * step, -kWeightMost, kWeightMost);
#endif
}

// Where the weight of input i lies.
inline int weight_place(int i) {
#if defined(__AVX2__)
    static constexpr int kPlaces[16] = {0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15};
    return (i & ~15) + kPlaces[i & 15];
#else
    return i;
#endif
}

// One weight set of n inputs for each of a number of contexts.
class WeightSets {
public:
    void reset(int contexts, int inputs, const std::int32_t* start) {
        inputs_ = inputs;
        weights_.reset(static_cast<std::size_t>(contexts) * inputs);
        counts_.reset(contexts);
        for (int c = 0; c < contexts; ++c)
            for (int i = 0; i < inputs; ++i) weights_[static_cast<std::size_t>(c) * inputs + weight_place(i)] = start[i];
    }
    // The logit in 1/4096, within +-12.
    std::int32_t logit(int context, const std::int16_t* x) const {
        return clamp<std::int32_t>(dot(weights_.data() + static_cast<std::size_t>(context) * inputs_, x, inputs_) >> 8, -49151, 49151);
    }
    // error in 1/65536.
    void learn(int context, const std::int16_t* x, std::int32_t error, const std::int32_t* rates) {
        std::uint8_t& count = counts_[context];
        const std::int32_t step = (error * rates[count] + 2048) >> 12;
        if (count < 255) ++count;
        train(weights_.data() + static_cast<std::size_t>(context) * inputs_, x, inputs_, step);
    }
    void prefetch(int context) const {
        const std::int32_t* w = weights_.data() + static_cast<std::size_t>(context) * inputs_;
        for (int i = 0; i < inputs_; i += 16) ask(w + i);
    }

private:
    int inputs_ = 0;
    Buffer<std::int32_t> weights_;
    Buffer<std::uint8_t> counts_;
};

// Probabilities by context and 33 places of a logit, read between two places, both of which learn.
class Correction {
public:
    void reset(int contexts, const Tables& t) {
        cells_.reset(static_cast<std::size_t>(contexts) * 33);
        for (int c = 0; c < contexts; ++c)
            for (int i = 0; i < 33; ++i) cells_[static_cast<std::size_t>(c) * 33 + i] = t.logistic[(i - 16) * 48 + 768];
    }
    // logit in 1/4096 within +-12, the probability in 2^-20.
    std::int32_t read(int context, std::int32_t logit) {
        const std::int32_t place = logit + 49152;  // 3072 a cell
        const std::int32_t i = place / 3072;
        fraction_ = place - 3072 * i;
        cell_ = cells_.data() + static_cast<std::size_t>(context) * 33 + i;
        return static_cast<std::int32_t>((static_cast<std::int64_t>(cell_[0]) * (3072 - fraction_) + static_cast<std::int64_t>(cell_[1]) * fraction_) / 3072);
    }
    void learn(bool bit) {
        const std::int32_t target = bit ? 1048575 : 0;
        // rate 0.02, shared out by nearness
        cell_[0] += static_cast<std::int32_t>(static_cast<std::int64_t>(target - cell_[0]) * (3072 - fraction_) / 153600);
        cell_[1] += static_cast<std::int32_t>(static_cast<std::int64_t>(target - cell_[1]) * fraction_ / 153600);
    }

private:
    Buffer<std::int32_t> cells_;
    std::int32_t* cell_ = nullptr;
    std::int32_t fraction_ = 0;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
