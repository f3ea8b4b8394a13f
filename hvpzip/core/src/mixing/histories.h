// Exact-value contexts: hashed slots that hold the last seven values seen there, relative to a reference of the geometry's choice.
// Integer arithmetic only: this file reaches the bit stream.
#pragma once

#include "mixing/numeric.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace hvpzip::mixing::HVPZIP_ISA {

constexpr int kMostContexts = 40;  // a multiple of 8
constexpr int kAges = 7;

// 64 * 0.85^age
constexpr std::uint8_t kAgeWeight[kAges] = {64, 54, 46, 39, 33, 28, 24};

// Value: uint8_t or uint16_t. A slot is kAges values, the last seen first, and their count.
template <typename Value>
class HistoriesOf {
public:
    struct Slot {
        Value value[kAges];
        Value count;
    };

    void reset(int contexts, int log2_slots) {
        contexts_ = contexts;
        log2_slots_ = log2_slots;
        slots_.reset(static_cast<std::size_t>(contexts) << log2_slots);
        for (int i = 0; i < kMostContexts; ++i) std::memset(&now_[i], 0, sizeof(Slot));
        std::memset(weights_, 0, sizeof weights_);
    }
    int contexts() const { return contexts_; }

    // Call in turn for each context before a sample: which slot, and what its values are relative to.
    void locate(int context, std::uint32_t hash, int reference) {
        const std::size_t place = (static_cast<std::size_t>(context) << log2_slots_) + (hash >> (32 - log2_slots_));
        slot_[context] = slots_.data() + place;
        reference_[context] = reference;
        ask(slot_[context]);
    }
    // After all were located: the values become absolute.
    void gather() {
#if defined(__AVX2__)
        if constexpr (sizeof(Value) == 1) {
            for (int c = 0; c < contexts_; ++c) {
                const __m128i slot = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(slot_[c]));
                _mm_storel_epi64(reinterpret_cast<__m128i*>(now_ + c), _mm_add_epi8(slot, _mm_set1_epi8(static_cast<char>(reference_[c]))));
                std::memcpy(weights_[c], kWeightsOfCount[slot_[c]->count], 8);
            }
            return;
        }
#endif
        for (int c = 0; c < contexts_; ++c) {
            const Slot& slot = *slot_[c];
            const Value reference = static_cast<Value>(reference_[c]);
            for (int a = 0; a < kAges; ++a) now_[c].value[a] = static_cast<Value>(slot.value[a] + reference);
            for (int a = 0; a < kAges; ++a) weights_[c][a] = a < slot.count ? kAgeWeight[a] : 0;
        }
    }

    // Weights of the values in [low, middle) and [middle, high), in 1/64, for each context.
    void count(int low, int middle, int high, std::int32_t* below, std::int32_t* above) const {
#if defined(__AVX2__)
        if constexpr (sizeof(Value) == 1) {
            const __m256i base = _mm256_set1_epi8(static_cast<char>(low)), centre = _mm256_set1_epi8(static_cast<char>(middle));
            const __m256i first = _mm256_set1_epi8(static_cast<char>(middle - low - 1)), second = _mm256_set1_epi8(static_cast<char>(high - middle - 1));
            const __m256i pick = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
            for (int c = 0; c < contexts_; c += 4) {
                const __m256i values = _mm256_load_si256(reinterpret_cast<const __m256i*>(now_ + c));
                const __m256i weight = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights_ + c));
                const __m256i a = _mm256_sub_epi8(values, base), b = _mm256_sub_epi8(values, centre);
                const __m256i in_first = _mm256_cmpeq_epi8(_mm256_min_epu8(a, first), a), in_second = _mm256_cmpeq_epi8(_mm256_min_epu8(b, second), b);
                const __m256i zero = _mm256_setzero_si256();
                const __m256i n0 = _mm256_sad_epu8(_mm256_and_si256(in_first, weight), zero), n1 = _mm256_sad_epu8(_mm256_and_si256(in_second, weight), zero);
                _mm_store_si128(reinterpret_cast<__m128i*>(below + c), _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(n0, pick)));
                _mm_store_si128(reinterpret_cast<__m128i*>(above + c), _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(n1, pick)));
            }
            return;
        }
#endif
        for (int c = 0; c < contexts_; ++c) {
            std::int32_t n0 = 0, n1 = 0;
            for (int a = 0; a < kAges; ++a) {
                const int value = now_[c].value[a];
                n0 += value >= low && value < middle ? weights_[c][a] : 0;
                n1 += value >= middle && value < high ? weights_[c][a] : 0;
            }
            below[c] = n0;
            above[c] = n1;
        }
    }

    void learn(int value) {
#if defined(__AVX2__)
        if constexpr (sizeof(Value) == 1) {  // bytes of a word: the newest value is the lowest, the count the highest
            for (int c = 0; c < contexts_; ++c) {
                std::uint64_t word;
                std::memcpy(&word, slot_[c], 8);
                const std::uint64_t count = smaller<std::uint64_t>((word >> 56) + 1, kAges);
                word = (word << 16 >> 8) | static_cast<std::uint8_t>(value - reference_[c]) | count << 56;
                std::memcpy(slot_[c], &word, 8);
            }
            return;
        }
#endif
        for (int c = 0; c < contexts_; ++c) {
            Slot& slot = *slot_[c];
            for (int a = kAges - 1; a > 0; --a) slot.value[a] = slot.value[a - 1];
            slot.value[0] = static_cast<Value>(value - reference_[c]);
            if (slot.count < kAges) ++slot.count;
        }
    }

private:
    // The weights of a slot by how many values it has; the eighth is its count's place.
    static constexpr std::uint8_t kWeightsOfCount[kAges + 1][8] = {{}, {64}, {64, 54}, {64, 54, 46}, {64, 54, 46, 39}, {64, 54, 46, 39, 33}, {64, 54, 46, 39, 33, 28}, {64, 54, 46, 39, 33, 28, 24}};
    int contexts_ = 0, log2_slots_ = 1;
    Buffer<Slot> slots_;
    alignas(64) Slot now_[kMostContexts];
    alignas(64) std::uint8_t weights_[kMostContexts][8];
    Slot* slot_[kMostContexts] = {};
    int reference_[kMostContexts] = {};
};

// Of bytes, or of wider samples: the engine is compiled once for both.
class Histories {
public:
    void reset(int contexts, int log2_slots, bool wide) {
        wide_ = wide;
        if (wide_) words_.reset(contexts, log2_slots);
        else bytes_.reset(contexts, log2_slots);
    }
    void locate(int context, std::uint32_t hash, int reference) {
        if (wide_) words_.locate(context, hash, reference);
        else bytes_.locate(context, hash, reference);
    }
    void gather() {
        if (wide_) words_.gather();
        else bytes_.gather();
    }
    void count(int low, int middle, int high, std::int32_t* below, std::int32_t* above) const {
        if (wide_) words_.count(low, middle, high, below, above);
        else bytes_.count(low, middle, high, below, above);
    }
    void learn(int value) {
        if (wide_) words_.learn(value);
        else bytes_.learn(value);
    }

private:
    bool wide_ = false;
    HistoriesOf<std::uint8_t> bytes_;
    HistoriesOf<std::uint16_t> words_;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
