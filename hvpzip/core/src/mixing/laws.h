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

constexpr int kLawGap = 64;              // more than the 49 values beyond the ends that a window and its neighbours reach

// Rows of counts, each of `values` counts, with kLawGap zeros before, between and after them. Of the tens of thousands of pairs of colours a picture
// has few: a row takes memory from when it is first asked for.
class Counts {
public:
    void reset(std::size_t rows, int values) {
        values_ = values;
        stride_ = values + kLawGap;
        rows_.reset(rows);
        for (Buffer<std::uint16_t>& block : block_) block.reset(0);
        blocks_ = 0, used_ = 0, size_ = 0;
    }
    std::uint16_t* row(std::size_t index) {
        if (rows_[index] == nullptr) rows_[index] = more();
        return rows_[index];
    }
    void add(std::uint16_t* row, int value) {
        if (++row[value] < kMost) return;
        for (int v = 0; v < values_; ++v) row[v] = static_cast<std::uint16_t>(row[v] >> 1);
    }

private:
    static constexpr int kMost = 4000;
    static constexpr std::size_t kFirst = 128;  // rows of the first block, each of the next ones has twice as many
    static constexpr int kBlocks = 10;          // more than 2^16 rows

    std::uint16_t* more() {
        if (used_ == size_) {
            size_ = blocks_ == 0 ? smaller(kFirst, rows_.size()) : 2 * size_;
            block_[blocks_++].reset(size_ * stride_ + kLawGap);
            used_ = 0;
        }
        return block_[blocks_ - 1].data() + used_++ * stride_ + kLawGap;
    }

    int values_ = 0, blocks_ = 0;
    std::size_t stride_ = 0, used_ = 0, size_ = 0;  // of the last block
    Buffer<std::uint16_t*> rows_;
    Buffer<std::uint16_t> block_[kBlocks];
};

constexpr int kLawLanes = 8;
static_assert(kLawWindow % kLawLanes == 0, "");

// sums[k] = first + values[0] + .. + values[k - 1] for n values, n a multiple of kLawLanes. Returns the sum of all.
inline std::int32_t sums_before(const std::int32_t* values, int n, std::int32_t first, std::int32_t* sums) {
#if defined(__AVX2__)
    __m256i before = _mm256_set1_epi32(first);
    for (int k = 0; k < n; k += kLawLanes) {
        const __m256i value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + k));
        __m256i sum = _mm256_add_epi32(value, _mm256_slli_si256(value, 4));
        sum = _mm256_add_epi32(sum, _mm256_slli_si256(sum, 8));  // of each half
        const __m256i half = _mm256_shuffle_epi32(_mm256_permute2x128_si256(sum, sum, 0x08), 0xff);
        sum = _mm256_add_epi32(_mm256_add_epi32(sum, half), before);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + k), _mm256_sub_epi32(sum, value));
        before = _mm256_permutevar8x32_epi32(sum, _mm256_set1_epi32(7));
    }
    return _mm256_cvtsi256_si32(before);
#else
    for (int k = 0; k < n; ++k) {
        sums[k] = first;
        first += values[k];
    }
    return first;
#endif
}

// Places of a window of kLawWindow values, from the first to before the last.
struct LawWindow {
    int from, to;
};

// The base expert's distribution reweighted, as a rising function of the value in 2^-20 or so.
class Law {
public:
    // base(v): 2^20 times the base CDF below v. counts[v] for v from first - kLawReach to first + kLawWindow + kLawReach - 1 must exist.
    // smooth: how much evidence it takes, in 1/528 of a count. base_at[k]: base(first + k), k = 0 .. kLawWindow.
    // window: of the values to which the base expert gives anything; the middle is among them.
    void build(const std::uint16_t* counts, int first, std::int32_t smooth, const std::int32_t* base_at, LawWindow window) {
        first_ = first;
        counts_ = counts;
        std::int32_t* const box = box_;
        const std::uint16_t* c = counts + first;
        // Whole lanes: beyond the window the base expert gives nothing.
        const int from = window.from / kLawLanes * kLawLanes, to = (window.to + kLawLanes - 1) / kLawLanes * kLawLanes;
        std::int32_t change[kLawWindow];
        for (int k = from; k < to; ++k) change[k] = c[k + kLawReach + 1] - c[k - kLawReach];
        sums_before(change + from, to - from, box_at(first + from), box + from);
        mass_ = box[kLawWindow / 2];
        for (int k = from; k < to; ++k) {
            const float share = static_cast<float>(528 * c[k] + box[k] + smooth) / static_cast<float>(17 * box[k] + smooth);
            change[k] = static_cast<std::int32_t>(static_cast<float>(base_at[k + 1] - base_at[k]) * share);
        }
        for (int k = 0; k < from; ++k) rising_[k] = base_at[0];
        const std::int32_t total = sums_before(change + from, to - from, base_at[0], rising_ + from);
        for (int k = to; k <= kLawWindow; ++k) rising_[k] = total;
        shift_ = total - base_at[kLawWindow];
        all_ = 1048576 + shift_;
    }
    // at: the base CDF below v.
    std::int32_t below(int v, std::int32_t at) const {
        if (v <= first_) return at;
        return v >= first_ + kLawWindow ? at + shift_ : rising_[v - first_];
    }
    const std::int32_t* box() const { return box_; }  // counts of a value and its neighbours, within the window that was wanted
    std::int32_t box_at(int v) const {
        std::int32_t sum = 0;
        for (int k = -kLawReach; k <= kLawReach; ++k) sum += counts_[v + k];
        return sum;
    }
    std::int32_t all() const { return all_; }
    std::int32_t mass() const { return mass_; }  // counts near the mean

private:
    int first_ = 0;
    const std::uint16_t* counts_ = nullptr;
    std::int32_t box_[kLawWindow] = {};
    std::int32_t rising_[kLawWindow + 1] = {};
    std::int32_t shift_ = 0, all_ = 0, mass_ = 0;
};

// What a value v is like, as a number: of a later plane, how often seen with the planes before, how often nearby, how often at this difference, and
// whether a matrix from luma and chroma reaches the colour at all.
// count, box: of the triple; difference, near: of the difference. reached: a bit for each value, or null.
inline std::int16_t kind_by_counts(int v, std::int32_t count, std::int32_t box, std::int32_t difference, std::int32_t near, const std::uint8_t* reached) {
    const std::int32_t t = 32 * difference;
    const int seen = (count > 0) + (count > 1) + (count > 2) + (count > 4) + (count > 8);
    const int around = box == 0 ? 0 : smaller(floor_log2(static_cast<std::uint32_t>(box)) + 1, 9);
    const int level = near < 64 ? 0 : 1 + (8 * t >= near) + (4 * t >= near) + (2 * t >= near) + (t >= near) + (t >= 2 * near) + (t >= 4 * near);
    const bool in = reached != nullptr && v >= 0 && v < 256 && (reached[v >> 3] >> (v & 7) & 1);
    return static_cast<std::int16_t>((seen * 10 + around) * 8 + level + (in ? 480 : 0));
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
    // Of the values from first on: kinds of those in the window, outside of which the base expert gives nothing.
    void build(const std::int16_t* kinds, int first, const std::int32_t* base_at, LawWindow window) {
        first_ = first;
        window_ = window;
        std::int32_t total = base_at[0];
        for (int k = 0; k < window.from; ++k) rising_[k] = total;
        for (int k = window.from; k < window.to; ++k) {
            kind_[k] = kinds[k];
            weighted_[k] = static_cast<std::int32_t>(static_cast<std::int64_t>(base_at[k + 1] - base_at[k]) * factor_[kind_[k]] >> 10);
            rising_[k] = total;
            total += weighted_[k];
        }
        for (int k = window.to; k <= kLawWindow; ++k) rising_[k] = total;
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
        for (int k = window_.from; k < window_.to; ++k) expected_[kind_[k]] += weighted_[k] * inverse >> 20;
        if (value >= first_ + window_.from && value < first_ + window_.to) ++count_[kind_[value - first_]];
    }
    // Whether the value, just learnt, is one whose kind counts but was not told: then `count` it.
    bool lacks(int value) const {
        return value >= first_ && value < first_ + kLawWindow && (value < first_ + window_.from || value >= first_ + window_.to);
    }
    void count(int kind) { ++count_[kind]; }
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
    LawWindow window_ = {0, 0};
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
    static constexpr int kRow = 32;  // bytes of a red and a green
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
    const std::uint8_t* row(int red, int green) const { return bits_.data() + (static_cast<std::size_t>(green) * 256 + red) * kRow; }

private:
    Buffer<std::uint8_t> bits_;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
