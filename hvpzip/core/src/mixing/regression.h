// Least squares that learn while coding. This file reaches the bit stream: strict IEEE arithmetic (-ffp-contract=off, no fast-math) in an
// order that is the algorithm's. Vectors only run along the second index of a matrix, so every element is one sequence of operations whatever
// the width of the machine's registers.
#pragma once

#include "mixing/numeric.h"

namespace hvpzip::mixing::HVPZIP_ISA {

#if defined(__GNUC__)
typedef float Floats __attribute__((vector_size(32), may_alias));
typedef double Doubles __attribute__((vector_size(32), may_alias));
#else
template <typename Real, int kLanes>
struct Lanes {
    Real lane[kLanes];
    friend Lanes operator+(Lanes a, const Lanes& b) {
        for (int i = 0; i < kLanes; ++i) a.lane[i] = a.lane[i] + b.lane[i];
        return a;
    }
    friend Lanes operator-(Lanes a, const Lanes& b) {
        for (int i = 0; i < kLanes; ++i) a.lane[i] = a.lane[i] - b.lane[i];
        return a;
    }
    friend Lanes operator*(Lanes a, Real b) {
        for (int i = 0; i < kLanes; ++i) a.lane[i] = a.lane[i] * b;
        return a;
    }
};
using Floats = Lanes<float, 8>;
using Doubles = Lanes<double, 4>;
#endif

constexpr int kFloats = 8, kDoubles = 4;

// Weighted normal equations of at most 39 features: rows of features, the target last, as the right column of the matrix.
// A(i, j) = sum over samples, in their order, of f_i (w f_j).
template <int kVectors>
struct NormalEquations {
    static constexpr int kWidth = kFloats * kVectors;
    alignas(32) float matrix[kWidth][kWidth];

    // n <= kMostPlaces rows of kWidth floats, first one at rows, one after the other, with weights; adds to what is there.
    // features: rows of the matrix that are wanted.
    void add(const float* rows, const float* weights, int n, int features) {
        for (int k = 0; k < n; ++k)
            for (int j = 0; j < kVectors; ++j) store(scaled_[k] + kFloats * j, load(rows + static_cast<std::ptrdiff_t>(k) * kWidth + kFloats * j) * weights[k]);
        for (int top = 0; top < features; top += kRows) add_rows(rows, n, top);
    }
    static constexpr int kMostPlaces = 17;
    void clear() { std::memset(matrix, 0, sizeof matrix); }

private:
    static constexpr int kRows = kVectors > 3 ? 2 : 4;  // so that all sums stay in registers; any number gives the same

    template <int kFirst>
    void block(const float* rows, int n, int top) {
        constexpr int kCount = kVectors - kFirst;
        Floats sum[kRows][kCount];
        for (int r = 0; r < kRows; ++r)
            for (int j = 0; j < kCount; ++j) sum[r][j] = load(matrix[top + r] + kFloats * (kFirst + j));
        for (int k = 0; k < n; ++k) {
            const float* f = rows + static_cast<std::ptrdiff_t>(k) * kWidth;
            const float* scaled = scaled_[k] + kFloats * kFirst;
            for (int r = 0; r < kRows; ++r)
                for (int j = 0; j < kCount; ++j) sum[r][j] = sum[r][j] + load(scaled + kFloats * j) * f[top + r];
        }
        for (int r = 0; r < kRows; ++r)
            for (int j = 0; j < kCount; ++j) store(matrix[top + r] + kFloats * (kFirst + j), sum[r][j]);
    }
    void add_rows(const float* rows, int n, int top) {
        switch (top / kFloats) {
            case 0: block<0>(rows, n, top); break;
            case 1: if constexpr (kVectors > 1) block<1>(rows, n, top); break;
            case 2: if constexpr (kVectors > 2) block<2>(rows, n, top); break;
            case 3: if constexpr (kVectors > 3) block<3>(rows, n, top); break;
            case 4: if constexpr (kVectors > 4) block<4>(rows, n, top); break;
            default: break;
        }
    }
    alignas(32) float scaled_[kMostPlaces][kWidth];

    static const Floats& load(const float* p) { return *reinterpret_cast<const Floats*>(p); }
    static void store(float* p, const Floats& v) { *reinterpret_cast<Floats*>(p) = v; }
};

// Solves the upper triangle's equations in place: elimination without exchange of rows, pivots of at least 1e-6, then backwards.
// Real: float or double, Vector: lanes of it. Columns from features to width - 1 are the right side (the first of them) and padding.
template <typename Real, typename Vector>
inline void solve(Real* matrix, int width, int features, Real* solution) {
    constexpr int kLanes = sizeof(Vector) / sizeof(Real);
    Real inverse[64];
    for (int k = 0; k < features; ++k) {
        const Real* pivot_row = matrix + k * width;
        const Real pivot = pivot_row[k] > Real(1e-6) ? pivot_row[k] : Real(1e-6);
        inverse[k] = Real(1) / pivot;
        for (int i = k + 1; i < features; ++i) {
            Real* row = matrix + i * width;
            const Real factor = pivot_row[i] * inverse[k];
            for (int j = i / kLanes * kLanes; j < width; j += kLanes) {
                Vector& place = *reinterpret_cast<Vector*>(row + j);
                place = place - *reinterpret_cast<const Vector*>(pivot_row + j) * factor;
            }
        }
    }
    for (int k = features - 1; k >= 0; --k) {
        Real sum = matrix[k * width + features];
        for (int j = k + 1; j < features; ++j) sum = sum - matrix[k * width + j] * solution[j];
        solution[k] = sum * inverse[k];
    }
}

// How far the features of kLanes places beside each other are from n features given: sums of magnitudes, modulo 2^16. Feature i of the first place is
// rows[i * stride]; sums is 32-byte aligned.
template <int kLanes>
inline void distances(const std::int16_t* rows, std::ptrdiff_t stride, const std::int16_t* here, int n, std::int16_t* sums) {
#if defined(__AVX2__)
    constexpr int kVectors = kLanes / 16;
    __m256i sum[kVectors];
    for (int v = 0; v < kVectors; ++v) sum[v] = _mm256_setzero_si256();
    for (int i = 0; i < n; ++i, rows += stride) {
        const __m256i centre = _mm256_set1_epi16(here[i]);
        for (int v = 0; v < kVectors; ++v) {
            const __m256i other = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows + 16 * v));
            sum[v] = _mm256_add_epi16(sum[v], _mm256_abs_epi16(_mm256_sub_epi16(other, centre)));
        }
    }
    for (int v = 0; v < kVectors; ++v) _mm256_store_si256(reinterpret_cast<__m256i*>(sums + 16 * v), sum[v]);
#else
    for (int k = 0; k < kLanes; ++k) sums[k] = 0;
    for (int i = 0; i < n; ++i, rows += stride)
        for (int k = 0; k < kLanes; ++k) {
            const std::int16_t d = static_cast<std::int16_t>(rows[k] - here[i]);
            sums[k] = static_cast<std::int16_t>(sums[k] + (d < 0 ? -d : d));
        }
#endif
}

// Rounds a prediction in samples to 1/64, within [low, high] (in 1/64); what is no number becomes low.
template <typename Real>
inline std::int32_t rounded(Real value, std::int32_t low, std::int32_t high) {
    const Real scaled = value * Real(kUnit) + Real(0.5);
    if (!(scaled > Real(low))) return low;
    if (scaled >= Real(high)) return high;
    const std::int32_t whole = static_cast<std::int32_t>(scaled);
    return whole - (Real(whole) > scaled ? 1 : 0);
}

// Recursive least squares. The matrix holds sums of (w f_i) f_j / fade^t: instead of fading it, weights grow, and now and then everything is
// divided by 2^40, when elements below 2^-200 become zero (so there are no denormal numbers).
class Recursive {
public:
    void reset(int features, double fade, int every) {
        features_ = features;
        width_ = (features + 1 + kDoubles - 1) / kDoubles * kDoubles;
        growth_ = 1.0 / fade;
        every_ = every;
        gain_ = 1.0;
        matrix_.reset(static_cast<std::size_t>(width_) * width_);
        work_.reset(static_cast<std::size_t>(width_) * width_);
        weights_.reset(width_);
    }
    int width() const { return width_; }
    int every() const { return every_; }

    // f: width() doubles, zero from features() on.
    double predict(const double* f) const {
        double sums[4] = {0.0, 0.0, 0.0, 0.0};
        for (int j = 0; j < width_; j += 4)
            for (int lane = 0; lane < 4; ++lane) sums[lane] = sums[lane] + weights_[j + lane] * f[j + lane];
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }

    // f: as above, but with the target at [features()].
    void learn(const double* f, double weight) {
        gain_ = gain_ * growth_;
        const double scale = weight * gain_;
        double* row = matrix_.data();
        for (int i = 0; i < features_; ++i, row += width_) {
            const double factor = scale * f[i];
            for (int j = i / kDoubles * kDoubles; j < width_; j += kDoubles) {
                Doubles& place = *reinterpret_cast<Doubles*>(row + j);
                place = place + *reinterpret_cast<const Doubles*>(f + j) * factor;
            }
        }
        if (gain_ > 1099511627776.0) shrink();
    }

    void solve_now() {
        std::memcpy(work_.data(), matrix_.data(), sizeof(double) * matrix_.size());
        for (int i = 0; i < features_; ++i) work_[static_cast<std::size_t>(i) * width_ + i] = work_[static_cast<std::size_t>(i) * width_ + i] + 0.05 * gain_;
        solve<double, Doubles>(work_.data(), width_, features_, weights_.data());
    }

private:
    void shrink() {
        constexpr double kFactor = 1.0 / 1099511627776.0, kLeast = 1.0 / 1.6069380442589903e60;  // 2^-40, 2^-200
        gain_ = gain_ * kFactor;
        for (std::size_t i = 0; i < matrix_.size(); ++i) {
            const double value = matrix_[i] * kFactor;
            matrix_[i] = value > kLeast || value < -kLeast ? value : 0.0;
        }
    }

    int features_ = 0, width_ = 0, every_ = 1;
    double growth_ = 1.0, gain_ = 1.0;
    Buffer<double> matrix_, work_, weights_;
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
