// Weighted local least squares over a window of a unit's places, those that are most alike counting most. Strict IEEE arithmetic
// (regression.h): this file reaches the bit stream.
#pragma once

#include "mixing/units.h"

namespace hvpzip::mixing::HVPZIP_ISA {

class Window {
public:
    static constexpr int kReach = 6;
    static constexpr int kVectors = 2, kWidth = kFloats * kVectors;
    static constexpr int kFeatures = kLocalFeatures + 1;
    static constexpr int kLeast = 20;  // places that it takes

    // likes: which of the first features are compared.
    void reset(int columns, const std::int8_t* likes, int count) {
        columns_ = columns, likes_ = likes, count_ = count;
        stride_ = columns + 2 * kPadding;
        rows_.reset(static_cast<std::size_t>(kReach + 1) * columns * kWidth);
        like_.reset(static_cast<std::size_t>(kMostLikes) * (kReach + 1) * stride_);
        for (int dy = 0; dy <= kReach; ++dy)
            for (int dx = -kReach; dx <= kReach; ++dx) near_[dy][dx + kReach] = static_cast<float>(1.0 / (1.0 + 0.03 * (dy * dy + dx * dx)));
        for (int s = 0; s < kSums; ++s) {
            const double sum = 0.25 * s + kSoft;
            power_[s] = static_cast<float>(std::sqrt(kSoft) / (sum * std::sqrt(sum)));
        }
    }

    // features: kLocalFeatures of them in quarters, then the network's mean, all less the base, in samples but for the quarters. Returns the
    // prediction less the base, or `otherwise` as long as too few places are known.
    float predict(int y, int x, const std::int16_t* quarters, float network, float otherwise) {
        float* f = row(y, x);
        for (int i = 0; i < kLocalFeatures; ++i) f[i] = 0.25f * static_cast<float>(quarters[i]);
        f[kLocalFeatures] = network;
        f[kFeatures] = 0.0f;
        std::int16_t here[kMostLikes];
        for (int i = 0; i < count_; ++i) like_row(i, y)[x] = here[i] = quarters[likes_[i]];

        equations_.clear();
        int places = 0;
        for (int dy = smaller(kReach, y); dy >= 0; --dy) {
            const int first = larger(x - kReach, 0), last = dy == 0 ? x - 1 : smaller(x + kReach, columns_ - 1);
            if (last < first) continue;
            alignas(32) std::int16_t sum[kLanes];
            distances<kLanes>(like_row(0, y - dy) + x - kReach, static_cast<std::ptrdiff_t>(kReach + 1) * stride_, here, count_, sum);
            float weights[kLanes];
            const int shift = first - x + kReach, n = last - first + 1;
            for (int k = 0; k < n; ++k) weights[k] = near_[dy][shift + k] * power_[smaller<int>(sum[shift + k], kSums - 1)];
            equations_.add(row(y - dy, first), weights, n, kFeatures);
            places += n;
        }
        if (places < kLeast) return otherwise;
        float trace = 0.0f;
        for (int i = 0; i < kFeatures; ++i) trace = trace + equations_.matrix[i][i];
        const float ridge = 0.002f * trace / static_cast<float>(kFeatures) + 0.02f;
        for (int i = 0; i < kFeatures; ++i) equations_.matrix[i][i] = equations_.matrix[i][i] + ridge;
        float solution[kWidth];
        solve<float, Floats>(&equations_.matrix[0][0], kWidth, kFeatures, solution);
        float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int i = 0; i < kFeatures; ++i) sums[i & 3] = sums[i & 3] + solution[i] * f[i];
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }

    // target: the value less the base.
    void learn(int y, int x, float target) { row(y, x)[kFeatures] = target; }

private:
    static constexpr int kLanes = 16, kPadding = 16, kSums = 4096;  // sums of at most kMostLikes * 2040 quarters fit 16 bits
    static constexpr double kSoft = 5.0;

    float* row(int y, int x) { return rows_.data() + (static_cast<std::size_t>(y % (kReach + 1)) * columns_ + x) * kWidth; }
    std::int16_t* like_row(int i, int y) { return like_.data() + (static_cast<std::size_t>(i) * (kReach + 1) + y % (kReach + 1)) * stride_ + kPadding; }

    int columns_ = 0, count_ = 0, stride_ = 0;
    const std::int8_t* likes_ = nullptr;
    Buffer<float> rows_;
    Buffer<std::int16_t> like_;
    float near_[kReach + 1][2 * kReach + 1];
    float power_[kSums];
    NormalEquations<kVectors> equations_;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
