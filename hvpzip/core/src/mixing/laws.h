// Laws: distributions over all values, learnt as counts, that reweight the base expert. Colours that were seen together make such counts; what
// matters is how often a value was seen *compared with its neighbours*, so that gaps and lattices show and slow changes do not.
// Integers, and one strict IEEE float product and quotient for each value: this file reaches the bit stream.
#pragma once

#include "mixing/numeric.h"

namespace hvpzip::mixing::HVPZIP_ISA {

constexpr int kMostLaws = 4;
constexpr int kLawWindow = 64;           // values around the base expert's mean that are reweighted
constexpr int kLawReach = 16;            // a value is compared with so many neighbours on each side
constexpr int kLawPad = kLawWindow + 2 * kLawReach;

// Rows of counts, each of `values` counts with kLawPad zeros on each side.
class Counts {
public:
    void reset(std::size_t rows, int values) {
        values_ = values;
        stride_ = values + 2 * kLawPad;
        data_.reset(rows * stride_);
    }
    std::uint16_t* row(std::size_t index) { return data_.data() + index * stride_ + kLawPad; }
    static void prefetch(const std::uint16_t* place) {
#if defined(__GNUC__)
        __builtin_prefetch(place, 1);
#endif
    }
    void add(std::uint16_t* row, int value) {
        if (++row[value] < kMost) return;
        for (int v = 0; v < values_; ++v) row[v] = static_cast<std::uint16_t>(row[v] >> 1);
    }

private:
    static constexpr int kMost = 4000;
    int values_ = 0;
    std::size_t stride_ = 0;
    Buffer<std::uint16_t> data_;
};

// The base expert's distribution reweighted, as a rising function of the value in 2^-20 or so.
class Law {
public:
    // base(v): 2^20 times the base CDF below v. counts[v] for v from first - kLawReach to first + kLawWindow + kLawReach - 1 must exist.
    // smooth: how much evidence it takes, in 1/528 of a count. base_at[k]: base(first + k), k = 0 .. kLawWindow.
    void build(const std::uint16_t* counts, int first, std::int32_t smooth, const std::int32_t* base_at) {
        first_ = first;
        std::int32_t box[kLawWindow];
        std::int32_t sum = 0;
        const std::uint16_t* c = counts + first;
        for (int k = -kLawReach; k <= kLawReach; ++k) sum += c[k];
        for (int k = 0; k < kLawWindow; ++k) {
            box[k] = sum;
            sum += c[k + kLawReach + 1] - c[k - kLawReach];
        }
        mass_ = box[kLawWindow / 2];
        std::int32_t weighted[kLawWindow];
        for (int k = 0; k < kLawWindow; ++k) {
            const float share = static_cast<float>(528 * c[k] + box[k] + smooth) / static_cast<float>(17 * box[k] + smooth);
            weighted[k] = static_cast<std::int32_t>(static_cast<float>(base_at[k + 1] - base_at[k]) * share);
        }
        std::int32_t total = base_at[0];
        for (int k = 0; k < kLawWindow; ++k) {
            rising_[k] = total;
            total += weighted[k];
        }
        rising_[kLawWindow] = total;
        shift_ = total - base_at[kLawWindow];
        all_ = 1048576 + shift_;
    }
    // at: the base CDF below v.
    std::int32_t below(int v, std::int32_t at) const {
        if (v <= first_) return at;
        return v >= first_ + kLawWindow ? at + shift_ : rising_[v - first_];
    }
    std::int32_t all() const { return all_; }
    std::int32_t mass() const { return mass_; }  // counts near the mean

private:
    int first_ = 0;
    std::int32_t rising_[kLawWindow + 1] = {};
    std::int32_t shift_ = 0, all_ = 0, mass_ = 0;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
