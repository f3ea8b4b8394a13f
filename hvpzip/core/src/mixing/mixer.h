// Logistic mixing with selected weight sets, a second layer over the sets, and tables that correct the outcome. Integer arithmetic only: this
// file reaches the bit stream.
#pragma once

#include "mixing/numeric.h"

namespace hvpzip::mixing::HVPZIP_ISA {

// Weights of n inputs in 1/2^28 lie in halves: the upper 16 bits of all of them, which mix, then the lower ones, which only learn.

// sum upper x modulo 2^32, over n values, n a multiple of 16.
inline std::int32_t dot(const std::int16_t* upper, const std::int16_t* x, int n) {
#if defined(__AVX2__)
    __m256i sum = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 16) {
        const auto load = [i](const std::int16_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i)); };
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load(upper), load(x)));
    }
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return _mm_cvtsi128_si32(half);
#else
    std::uint32_t sum = 0;
    for (int i = 0; i < n; ++i) sum += static_cast<std::uint32_t>(upper[i] * x[i]);
    return static_cast<std::int32_t>(sum);
#endif
}

// The same of several rows of weights, which share their loads of x and the sums across lanes.
template <int kRows>
inline void dots(const std::int16_t* const* upper, const std::int16_t* x, int n, std::int32_t* sums) {
#if defined(__AVX2__)
    const auto load = [](const std::int16_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); };
    __m256i sum[kRows];
    for (int k = 0; k < kRows; ++k) sum[k] = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 16) {
        const __m256i values = load(x + i);
        for (int k = 0; k < kRows; ++k) sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(load(upper[k] + i), values));
    }
    for (int k = 0; k < kRows; ++k) {
        __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum[k]), _mm256_extracti128_si256(sum[k], 1));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
        half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
        sums[k] = _mm_cvtsi128_si32(half);
    }
#else
    for (int k = 0; k < kRows; ++k) sums[k] = dot(upper[k], x, n);
#endif
}

constexpr std::int32_t kWeightMost = 0x70000000;  // 7 in 1/2^28; one step is less than 2^27, so that no sum overflows

#if defined(__AVX2__)
// Of 16 weights. Returns the upper halves.
inline __m256i train_lanes(std::int16_t* upper, std::int16_t* lower, const std::int16_t* x, __m256i step) {
    const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(x));
    __m256i* const u = reinterpret_cast<__m256i*>(upper);
    __m256i* const l = reinterpret_cast<__m256i*>(lower);
    const __m256i was = _mm256_load_si256(l), now = _mm256_add_epi16(was, _mm256_mullo_epi16(values, step));
    const __m256i carry = _mm256_cmpgt_epi16(was, now);  // -1
    const __m256i sum = _mm256_sub_epi16(_mm256_add_epi16(_mm256_load_si256(u), _mm256_mulhi_epi16(values, step)), carry);
    _mm256_store_si256(u, sum);
    _mm256_store_si256(l, now);
    return sum;
}
#endif

// weight += x step, kept within +-7. step in 1/2^20, below 2^15 in magnitude. Lower halves are stored plus 2^15, modulo 2^16, so that signed
// comparison finds carries. Returns how far from the bounds all weights are, at least.
inline std::int32_t train(std::int16_t* upper, const std::int16_t* x, int n, std::int32_t step) {
    std::int16_t* lower = upper + n;
    constexpr std::int16_t kUpperMost = kWeightMost >> 16;
    static_assert(kWeightMost % 65536 == 0, "");
    std::int32_t most = 0;
#if defined(__AVX2__)
    const __m256i s = _mm256_set1_epi16(static_cast<std::int16_t>(step));
    __m256i largest = _mm256_setzero_si256();
    for (int i = 0; i < n; i += 16) largest = _mm256_max_epi16(largest, _mm256_abs_epi16(train_lanes(upper + i, lower + i, x + i, s)));
    __m128i half = _mm_max_epi16(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
    half = _mm_xor_si128(half, _mm_set1_epi16(-1));  // the least of 65535 less each
    most = 65535 - _mm_extract_epi16(_mm_minpos_epu16(half), 0);
#else
    for (int i = 0; i < n; ++i) {
        const std::int32_t w = upper[i] * 65536 + (lower[i] + 32768) + x[i] * step;
        upper[i] = static_cast<std::int16_t>(w >> 16);
        lower[i] = static_cast<std::int16_t>((w & 65535) - 32768);
        most = larger<std::int32_t>(most, upper[i] < 0 ? -upper[i] : upper[i]);
    }
#endif
    if (most < kUpperMost) return kWeightMost - 65536 * (most + 1);
    for (int i = 0; i < n; ++i) {
        if (upper[i] >= kUpperMost) upper[i] = kUpperMost, lower[i] = -32768;
        if (upper[i] < -kUpperMost) upper[i] = -kUpperMost, lower[i] = -32768;
    }
    return 0;
}

// The same where no weight can reach the bounds.
inline void train_within(std::int16_t* upper, const std::int16_t* x, int n, std::int32_t step) {
#if defined(__AVX2__)
    const __m256i s = _mm256_set1_epi16(static_cast<std::int16_t>(step));
    for (int i = 0; i < n; i += 16) train_lanes(upper + i, upper + n + i, x + i, s);
#else
    train(upper, x, n, step);
#endif
}

// One weight set of n inputs for each of a number of contexts.
class WeightSets {
public:
    void reset(int contexts, int inputs, const std::int32_t* start) {
        inputs_ = inputs;
        weights_.reset(static_cast<std::size_t>(contexts) * 2 * inputs);
        states_.reset(contexts);
        for (int c = 0; c < contexts; ++c)
            for (int i = 0; i < inputs; ++i) {
                at(c)[i] = static_cast<std::int16_t>(start[i] >> 16);
                at(c)[inputs + i] = static_cast<std::int16_t>((start[i] & 65535) - 32768);
            }
    }
    // The logit in 1/4096, within +-12.
    std::int32_t logit(int context, const std::int16_t* x) const { return logit_of(dot(at(context), x, inputs_)); }
    const std::int16_t* upper(int context) const { return at(context); }
    static std::int32_t logit_of(std::int32_t sum) { return clamp<std::int32_t>(sum >> 8, -49151, 49151); }
    // error in 1/65536.
    void learn(int context, const std::int16_t* x, std::int32_t error, const std::int32_t* rates) {
        State& state = states_[context];
        const std::int32_t step = (error * rates[state.count] + 2048) >> 12, change = (step < 0 ? -step : step) * kInputMost;
        if (state.count < 255) ++state.count;
        if (change < state.room) {
            state.room -= change;
            train_within(at(context), x, inputs_, step);
        } else {
            state.room = train(at(context), x, inputs_, step);
        }
    }
    // Adds the share of the mean weights of the first n inputs, in 2^-12. Contexts count by how often they have learnt, from kKnown times on.
    void add_mean(double share, int n, double* sums) const {
        double known = 0.0;
        for (std::size_t c = 0; c < states_.size(); ++c) known += states_[c].count < kKnown ? 0 : states_[c].count;
        for (std::size_t c = 0; c < states_.size(); ++c)
            for (int i = 0; i < n && states_[c].count >= kKnown; ++i) sums[i] += share * (states_[c].count / known) * at(static_cast<int>(c))[i];
    }
    // Asks for what mixes, or for what learns.
    void ask_upper(int context) const {
        const std::int16_t* w = at(context);
        for (int i = 0; i < inputs_; i += 32) ask(w + i);
    }
    void ask_lower(int context) const {
        const std::int16_t* w = at(context) + inputs_;
        for (int i = 0; i < inputs_; i += 32) ask(w + i);
    }

private:
    static constexpr int kKnown = 20;
    static constexpr std::int32_t kInputMost = 4096;  // of an input; with the largest step less than 2^27
    struct State {
        std::int32_t room;   // how far from the bounds all weights are, at least
        std::int32_t count;  // how often they have learnt, up to 255
    };
    std::int16_t* at(int context) { return weights_.data() + static_cast<std::size_t>(context) * 2 * inputs_; }
    const std::int16_t* at(int context) const { return weights_.data() + static_cast<std::size_t>(context) * 2 * inputs_; }

    int inputs_ = 0;
    Buffer<std::int16_t> weights_;
    Buffer<State> states_;
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
        const std::int32_t place = logit + 49152;  // kStep a cell
        const std::int32_t i = place / kStep;
        fraction_ = place - kStep * i;
        cell_ = cells_.data() + static_cast<std::size_t>(context) * 33 + i;
        return static_cast<std::int32_t>((static_cast<std::int64_t>(cell_[0]) * (kStep - fraction_) + static_cast<std::int64_t>(cell_[1]) * fraction_) / kStep);
    }
    // Asks for what will be read at about that logit.
    void ask_about(int context, std::int32_t logit) const { ask(cells_.data() + static_cast<std::size_t>(context) * 33 + (logit + 49152) / kStep); }
    void learn(bool bit) {
        const std::int32_t target = bit ? 1048575 : 0;
        // rate 0.02, shared out by nearness
        cell_[0] += static_cast<std::int32_t>(static_cast<std::int64_t>(target - cell_[0]) * (kStep - fraction_) / (50 * kStep));
        cell_[1] += static_cast<std::int32_t>(static_cast<std::int64_t>(target - cell_[1]) * fraction_ / (50 * kStep));
    }

private:
    static constexpr std::int32_t kStep = 3072;
    Buffer<std::int32_t> cells_;
    std::int32_t* cell_ = nullptr;
    std::int32_t fraction_ = 0;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
