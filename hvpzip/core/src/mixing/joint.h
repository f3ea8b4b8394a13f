// What a red is worth for the blues that may follow it. Where colours lie on a lattice, as what was luma and chroma once does, or where a picture has
// few of them, most reds have no likely blue with which a colour is reached, or was seen. Integers: this file reaches the bit stream.
#pragma once

#include "mixing/laws.h"

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

// The values from centre - 32 to centre + 31 of a row of a ColourSet, the first of them the lowest bit. centre: 0 .. 255.
inline std::uint64_t bits_around(const std::uint8_t* row, int centre) {
    std::uint64_t words[6] = {};
    for (int i = 0; i < 32; ++i) words[1 + i / 8] |= static_cast<std::uint64_t>(row[i]) << (8 * (i & 7));
    const int at = centre + 32, shift = at & 63;
    const std::uint64_t low = words[at >> 6] >> shift;
    return shift == 0 ? low : low | words[(at >> 6) + 1] << (64 - shift);
}

class JointKinds {
public:
    static constexpr int kLevels = 32, kWidths = 8, kKinds = 3 * kWidths * kLevels;

    // The factor of a kind to begin with, in 1/1024, where a matrix says which colours are reached.
    static std::int32_t start(int kind) { return 128 * (kind % kLevels) + 40; }

    // error64: how far blue is from what is expected of it, on average, in 1/64, 1 .. 4096.
    explicit JointKinds(int error64) {
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

static_assert(JointKinds::kKinds <= FactorLaw::kKinds, "");

}  // namespace hvpzip::mixing::HVPZIP_ISA
