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
        std::int32_t* const box = box_;
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
    const std::int32_t* box() const { return box_; }  // counts of a value and its neighbours
    std::int32_t all() const { return all_; }
    std::int32_t mass() const { return mass_; }  // counts near the mean

private:
    int first_ = 0;
    std::int32_t box_[kLawWindow] = {};
    std::int32_t rising_[kLawWindow + 1] = {};
    std::int32_t shift_ = 0, all_ = 0, mass_ = 0;
};

// What a value is like, as a number, for every value of the window: of a later plane, how often seen with the planes before, how often nearby, how
// often at this difference, and whether a matrix from luma and chroma reaches the colour at all.
// first: the window's first value. counts, box: of the triple; differences, near: of the difference. reached: a bit for each value, or null.
inline void kinds_by_counts(const std::uint16_t* counts, const std::int32_t* box, const std::uint16_t* differences, const std::int32_t* near, const std::uint8_t* reached,
                            int first, int lowest, std::int16_t* kinds) {
    for (int k = 0; k < kLawWindow; ++k) {
        const int v = first + k;
        const std::int32_t c = counts[v - lowest], d = differences[v - lowest], t = 32 * d;
        const int seen = (c > 0) + (c > 1) + (c > 2) + (c > 4) + (c > 8);
        const int around = box[k] == 0 ? 0 : smaller(floor_log2(static_cast<std::uint32_t>(box[k])) + 1, 9);
        const int level = near[k] < 64 ? 0 : 1 + (8 * t >= near[k]) + (4 * t >= near[k]) + (2 * t >= near[k]) + (t >= near[k]) + (t >= 2 * near[k]) + (t >= 4 * near[k]);
        const bool in = reached != nullptr && v >= 0 && v < 256 && (reached[v >> 3] >> (v & 7) & 1);
        kinds[k] = static_cast<std::int16_t>((seen * 10 + around) * 8 + level + (in ? 480 : 0));
    }
}

// The base expert's distribution times factors that are learnt for kinds of values.
class FactorLaw {
public:
    static constexpr int kKinds = 960;

    void reset() {
        for (int i = 0; i < kKinds; ++i) factor_[i] = 1024, count_[i] = 0, expected_[i] = 0;
    }
    // A factor to begin with, in 1/1024.
    void start(int kind, std::int32_t factor) { factor_[kind] = factor; }
    // Of the values of the window from first on.
    void build(const std::int16_t* kinds, int first, const std::int32_t* base_at) {
        first_ = first;
        std::int32_t total = base_at[0];
        for (int k = 0; k < kLawWindow; ++k) {
            kind_[k] = kinds[k];
            weighted_[k] = static_cast<std::int32_t>(static_cast<std::int64_t>(base_at[k + 1] - base_at[k]) * factor_[kind_[k]] >> 10);
            rising_[k] = total;
            total += weighted_[k];
        }
        rising_[kLawWindow] = total;
        shift_ = total - base_at[kLawWindow];
        all_ = 1048576 + shift_;
    }
    std::int32_t below(int v, std::int32_t at) const {
        if (v <= first_) return at;
        return v >= first_ + kLawWindow ? at + shift_ : rising_[v - first_];
    }
    std::int32_t all() const { return all_; }
    void learn(int value) {
        const std::int64_t inverse = (std::int64_t{1} << 40) / larger(all_, 1);
        for (int k = 0; k < kLawWindow; ++k) expected_[kind_[k]] += weighted_[k] * inverse >> 20;
        if (value >= first_ && value < first_ + kLawWindow) ++count_[kind_[value - first_]];
    }
    void end_row() {
        for (int i = 0; i < kKinds; ++i) {
            const std::int64_t changed = factor_[i] * ((count_[i] + kPrior) << 20) / (expected_[i] + (kPrior << 20));
            factor_[i] = static_cast<std::int32_t>(clamp<std::int64_t>(changed, 1, 32768));
            count_[i] = 0, expected_[i] = 0;
        }
    }

private:
    static constexpr std::int64_t kPrior = 8;
    int first_ = 0;
    std::int16_t kind_[kLawWindow] = {};
    std::int32_t weighted_[kLawWindow] = {};
    std::int32_t rising_[kLawWindow + 1] = {};
    std::int32_t shift_ = 0, all_ = 1048576;
    std::int32_t factor_[kKinds];
    std::int64_t count_[kKinds], expected_[kKinds];
};

// A set of colours below 256: bit B % 8 of byte (G * 256 + R) * 32 + B / 8.
class ColourSet {
public:
    void clear() { bits_.reset(std::size_t{1} << 21); }
    void add(int red, int green, int blue) {
        bits_[(static_cast<std::size_t>(green) * 256 + red) * 32 + (blue >> 3)] |= static_cast<std::uint8_t>(1 << (blue & 7));
    }
    // Those that a matrix from luma and chroma reaches: luma, red, green_blue, green_red, blue and three offsets, in 2^-16.
    void reach(const std::int64_t* matrix) {
        clear();
        std::int64_t red[513], blue[513];
        for (int y = 0; y < 256; ++y) {
            const std::int64_t luma = matrix[0] * y;
            for (int c = -256; c <= 256; ++c) red[c + 256] = (luma + matrix[1] * c + matrix[5]) >> 16, blue[c + 256] = (luma + matrix[4] * c + matrix[7]) >> 16;
            for (int r = -256; r <= 256; ++r) {
                if (red[r + 256] < 0 || red[r + 256] > 255) continue;
                for (int b = -256; b <= 256; ++b) {
                    const std::int64_t green = (luma - matrix[2] * b - matrix[3] * r + matrix[6]) >> 16, blue_here = blue[b + 256];
                    if (blue_here < 0 || blue_here > 255 || green < 0 || green > 255) continue;
                    add(static_cast<int>(red[r + 256]), static_cast<int>(green), static_cast<int>(blue_here));
                }
            }
        }
    }
    const std::uint8_t* row(int red, int green) const { return bits_.data() + (static_cast<std::size_t>(green) * 256 + red) * 32; }

private:
    Buffer<std::uint8_t> bits_;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
