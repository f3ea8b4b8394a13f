// What a red is worth for the blues that may follow it. Where colours lie on a lattice, as what was luma and chroma once does, or where a picture has
// few of them, most reds have no likely blue with which a colour is reached, or was seen. Integers: this file reaches the bit stream.
#pragma once

#include "mixing/laws.h"
#include "mixing/units.h"

namespace hvpzip::mixing::HVPZIP_ISA {

inline int count_bits(std::uint64_t bits) {
#if defined(__GNUC__)
    return __builtin_popcountll(bits);
#else
    int count = 0;
    for (; bits; bits &= bits - 1) ++count;
    return count;
#endif
}

// Eight bytes, the first of them the lowest.
inline std::uint64_t word_of(const std::uint8_t* bytes) {
    std::uint64_t word = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    std::memcpy(&word, bytes, 8);
#else
    for (int i = 0; i < 8; ++i) word |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
#endif
    return word;
}

// The values from centre - 32 to centre + 31 of a row of a ColourSet, the first of them the lowest bit. centre: 0 .. 255.
inline std::uint64_t bits_around(const std::uint8_t* row, int centre) {
    const int word = (centre + 32) >> 6, shift = (centre + 32) & 63;  // of the five that begin 64 values before the row
    const std::uint64_t low = word > 0 ? word_of(row + 8 * (word - 1)) : 0, high = word < 4 ? word_of(row + 8 * word) : 0;
    return low >> shift | (high << 1) << (63 - shift);
}

class JointKinds {
public:
    static constexpr int kLevels = 32, kWidths = 8, kKinds = 3 * kWidths * kLevels;

    // The factor of a kind to begin with, in 1/1024, where a matrix says which colours are reached.
    static std::int32_t start(int kind) { return 128 * (kind % kLevels) + 40; }

    // error64: how far blue is from what is expected of it, on average, in 1/64, 1 .. 4096.
    explicit JointKinds(int error64 = 1) {
        static constexpr int kShares[kBoxes] = {58, 125, 240};
        for (int j = 0; j < kBoxes; ++j) {
            const int half = smaller((error64 * kShares[j] + 2048) >> 12, 31);
            mask_[j] = (~std::uint64_t{0} >> (63 - 2 * half)) << (32 - half);
            weight_[j] = 340 / (2 * half + 1);
        }
        width_ = smaller(floor_log2(static_cast<std::uint32_t>(error64 / 8 + 1)), kWidths - 1);
    }
    // Where no red is: as if no blue were reached or seen.
    std::int16_t nothing() const { return static_cast<std::int16_t>(width_ * kLevels); }
    // reached, seen: rows of a red with the green that is known, reached may be null. blue: what is expected then.
    std::int16_t of(const std::uint8_t* reached, const std::uint8_t* seen, int blue) const {
        int share = 0;
        if (reached != nullptr) {
            const std::uint64_t bits = bits_around(reached, blue);
            for (int j = 0; j < kBoxes; ++j) share += weight_[j] * count_bits(bits & mask_[j]);
        }
        const int level = share == 0 ? 0 : smaller(1 + share / 33, kLevels - 1);
        const int before = smaller(count_bits(bits_around(seen, blue) & mask_[1]), 2);
        return static_cast<std::int16_t>((before * kWidths + width_) * kLevels + level);
    }

private:
    static constexpr int kBoxes = 3;
    std::uint64_t mask_[kBoxes];
    int weight_[kBoxes], width_;
};

// The kinds of all reds at a place.
class RedKinds {
public:
    // above: how much blue is above red around the place, four times over. reached: may be null.
    void look(const Gaussians& network, std::size_t place, int green, std::int32_t above, const ColourSet* reached, const ColourSet& seen) {
        const std::size_t n = network.n;
        given_green_ = network.mean[2 * n + place] + network.slope[n + place] * (green - network.mean[place]);
        slope_ = network.slope[2 * n + place];
        red_ = network.mean[n + place];
        above_ = above;
        reached_ = reached == nullptr ? nullptr : reached->row(0, green);
        seen_ = seen.row(0, green);
        kinds_ = JointKinds(network.error64(2, place));
    }
    std::int16_t kind(int red) const {
        if (red < 0 || red > 255) return kinds_.nothing();
        const std::int32_t blue = rounded<double>(given_green_ + slope_ * (red - red_), 0, 255 * kUnit);  // Gaussians::mean64
        const std::int32_t expected = clamp((blue + 64 * red + 16 * above_ + 64) >> 7, 0, 255);
        return kinds_.of(reached_ == nullptr ? nullptr : reached_ + ColourSet::kRow * red, seen_ + ColourSet::kRow * red, expected);
    }

private:
    double given_green_ = 0.0, slope_ = 0.0, red_ = 0.0;
    std::int32_t above_ = 0;
    const std::uint8_t *reached_ = nullptr, *seen_ = nullptr;
    JointKinds kinds_;
};

static_assert(JointKinds::kKinds <= FactorLaw::kKinds, "");

}  // namespace hvpzip::mixing::HVPZIP_ISA
