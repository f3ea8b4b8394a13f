// Units of the cascade's finest level: where their samples lie, what is known around them, and what the network says of them.
// Integer arithmetic, and strict IEEE arithmetic for the network's means: this file reaches the bit stream.
//
// The coarse image holds the samples of even rows and columns. Three units follow, each plane by plane and row by row:
//   hh  odd rows, odd columns      known: the coarse image
//   hl  even rows, odd columns     known: the coarse image and hh
//   lh  odd rows, even columns     known: all others
// Along the axes A and B (diagonals for hh, row and column for hl and lh) a sample lies between known ones, on both sides. Neighbours have
// names by their part, not by their place, so that all three units share what is learnt.
#pragma once

#include "mixing/regression.h"

namespace hvpzip::mixing::HVPZIP_ISA {

enum Neighbour {
    kA1, kA2, kB1, kB2,          // the nearest known, before and behind along both axes
    kA3, kA4, kB3, kB4,          // the next ones
    kW, kN, kNW, kNE, kWW, kNN,  // of the unit itself, already coded
    kM0, kM1, kM2, kM3, kM4, kM5, kM6, kM7,  // more known ones around
    kE, kS,                      // of the unit itself: known in earlier planes only
    kNeighbours
};

struct Step {
    int dy, dx;
};

enum Unit { kHH, kHL, kLH, kUnits };

constexpr Step kUnitStart[kUnits] = {{1, 1}, {0, 1}, {1, 0}};
constexpr Step kSteps[kUnits][kNeighbours] = {
        {{-1, -1}, {1, 1}, {-1, 1}, {1, -1}, {-3, -3}, {3, 3}, {-3, 3}, {3, -3}, {0, -2}, {-2, 0}, {-2, -2}, {-2, 2},
          {0, -4}, {-4, 0}, {-1, -3}, {-1, 3}, {1, -3}, {1, 3}, {-3, -1}, {-3, 1}, {3, -1}, {3, 1}, {0, 2}, {2, 0}},
        {{0, -1}, {0, 1}, {-1, 0}, {1, 0}, {0, -3}, {0, 3}, {-3, 0}, {3, 0}, {0, -2}, {-2, 0}, {-2, -2}, {-2, 2},
          {0, -4}, {-4, 0}, {-1, -2}, {-1, 2}, {1, -2}, {1, 2}, {-2, -1}, {-2, 1}, {2, -1}, {2, 1}, {0, 2}, {2, 0}},
        {{0, -1}, {0, 1}, {-1, 0}, {1, 0}, {0, -3}, {0, 3}, {-3, 0}, {3, 0}, {0, -2}, {-2, 0}, {-2, -2}, {-2, 2},
          {0, -4}, {-4, 0}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}, {-2, -1}, {-2, 1}, {2, -1}, {2, 1}, {0, 2}, {2, 0}}};

constexpr int kMargin = 10;  // W's A3 is the furthest that is read: 5 away; an even number above it, so that every phase begins with the margin

// A plane of the level, with a margin all around.
class LevelPlane {
public:
    void reset(int height, int width) {
        height_ = height, width_ = width, stride_ = width + 2 * kMargin;
        data_.reset(static_cast<std::size_t>(height + 2 * kMargin) * stride_);
    }
    int height() const { return height_; }
    int width() const { return width_; }
    int stride() const { return stride_; }
    std::int16_t* at(int y, int x) { return data_.data() + static_cast<std::ptrdiff_t>(y + kMargin) * stride_ + x + kMargin; }
    const std::int16_t* at(int y, int x) const { return data_.data() + static_cast<std::ptrdiff_t>(y + kMargin) * stride_ + x + kMargin; }

    // A row of a phase of `from`, with what `extend` makes of it as the row after those before it.
    void show_row(const LevelPlane& from, int y0, int x0, int row) {
        const int last = x0 + (width_ - 1 - x0) / 2 * 2, first_row = row == y0 ? y0 - kMargin : row, last_row = row + 2 < height_ ? row : height_ + kMargin - 1;
        for (int x = x0 - kMargin; x < width_ + kMargin; x += 2) {
            const std::int16_t value = *from.at(row, clamp(x, x0, last));
            for (int y = first_row; y <= last_row; y += 2) *at(y, x) = value;
        }
    }
    // Repeats the outermost samples of a phase (every second row from y0, every second column from x0) in the margin. A phase that the level is too
    // small for repeats the coarse samples instead.
    void extend(int y0, int x0) {
        const bool empty = y0 >= height_ || x0 >= width_;
        const int first_y = empty ? 0 : y0, first_x = empty ? 0 : x0;
        const int last_y = first_y + (height_ - 1 - first_y) / 2 * 2, last_x = first_x + (width_ - 1 - first_x) / 2 * 2;
        for (int y = y0 - kMargin; y < height_ + kMargin; y += 2)
            for (int x = x0 - kMargin; x < width_ + kMargin; x += 2) {
                if (!empty && y >= y0 && y <= last_y && x >= x0 && x <= last_x) continue;
                const int from_y = clamp(y - y0 + first_y, first_y, last_y), from_x = clamp(x - x0 + first_x, first_x, last_x);
                *at(y, x) = *at(from_y, from_x);
            }
    }

private:
    int height_ = 0, width_ = 0, stride_ = 0;
    Buffer<std::int16_t> data_;
};

// What the network says of a unit of n samples: Gaussians of green, of red given green, and of blue given green and red. All in samples.
struct Gaussians {
    const double *mean, *slope, *sigma;  // (planes, n), (3, n): red on green, blue on green, blue on red; (planes, n)
    std::size_t n;

    // The mean of a plane at place i in 1/64, within 0..255. known: the values of the planes before it there.
    std::int32_t mean64(int plane, std::size_t i, const int* known) const {
        double m = mean[plane * n + i];
        if (plane == 1) m = m + slope[i] * (known[0] - mean[i]);
        if (plane == 2) m = (m + slope[n + i] * (known[0] - mean[i])) + slope[2 * n + i] * (known[1] - mean[n + i]);
        return rounded<double>(m, 0, 255 * kUnit);
    }
    // Its mean error, about: 0.8 sigma in 1/64, 1..4096.
    std::int32_t error64(int plane, std::size_t i) const { return rounded<double>(sigma[plane * n + i] * 0.8, 1, 64 * kUnit); }
};

// What predicts a sample by least squares: neighbours of its own plane and of those before it. Each counts less its own plane's mean of A1, A2,
// B1 and B2; so one of these four says nothing.
struct Feature {
    std::int8_t plane;      // 0: the plane itself, 1: the one before it, 2: the one before that
    std::int8_t neighbour;  // or kHere
};
constexpr std::int8_t kHere = -1;

constexpr int kLocalFeatures = 14;  // and the network's mean
constexpr Feature kLocal[2][3][kLocalFeatures] = {
        {// hh and hl
          {{0, kA1}, {0, kA2}, {0, kB1}, {0, kW}, {0, kN}, {0, kNW}, {0, kNE}, {0, kM0}, {0, kM1}, {0, kM2}, {0, kM3}, {0, kM4}, {0, kM5}, {0, kM6}},
          {{0, kA1}, {0, kA2}, {0, kB1}, {0, kW}, {0, kN}, {0, kNW}, {0, kNE}, {1, kHere}, {1, kA1}, {1, kA2}, {1, kB1}, {1, kE}, {1, kS}, {1, kW}},
          {{0, kA1}, {0, kA2}, {0, kB1}, {0, kW}, {0, kN}, {0, kNE}, {1, kHere}, {1, kA1}, {1, kA2}, {1, kB1}, {2, kHere}, {2, kA1}, {2, kA2}, {2, kB1}}},
        {// lh, where the nearest diagonal ones are known too
          {{0, kA1}, {0, kA2}, {0, kB1}, {0, kW}, {0, kN}, {0, kNW}, {0, kNE}, {0, kM0}, {0, kM1}, {0, kM2}, {0, kM3}, {0, kM5}, {0, kM6}, {0, kWW}},
          {{0, kA1}, {0, kA2}, {0, kB1}, {0, kW}, {0, kN}, {0, kM0}, {0, kM1}, {1, kHere}, {1, kA1}, {1, kA2}, {1, kB1}, {1, kE}, {1, kS}, {1, kW}},
          {{0, kA1}, {0, kA2}, {0, kB1}, {0, kW}, {0, kN}, {0, kNE}, {1, kHere}, {1, kA1}, {1, kA2}, {1, kB1}, {2, kHere}, {2, kA1}, {2, kA2}, {2, kB1}}}};
// Those by whose likeness places of the window are weighted, by plane.
constexpr int kMostLikes = 10;
constexpr int kLikes[3] = {7, 10, 9};
constexpr std::int8_t kLikeFeatures[3][kMostLikes] = {
        {0, 1, 2, 3, 4, 5, 6}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {0, 1, 2, 3, 4, 5, 6, 10, 11}};

constexpr int kRecursiveOwn = 19, kRecursiveOther = 8, kRecursiveMost = 34;
constexpr Feature kRecursive[3 * kRecursiveOther + kRecursiveOwn - kRecursiveOther] = {
        {0, kA1}, {0, kA2}, {0, kB1}, {0, kW},  {0, kN},  {0, kNW}, {0, kNE}, {0, kM0},   {0, kM1}, {0, kM2}, {0, kM3}, {0, kM4},
        {0, kM5}, {0, kM6}, {0, kM7}, {0, kA3}, {0, kA4}, {0, kB3}, {0, kB4}, {1, kHere}, {1, kA1}, {1, kA2}, {1, kB1}, {1, kW},
        {1, kN},  {1, kE},  {1, kS},  {2, kHere}, {2, kA1}, {2, kA2}, {2, kB1}, {2, kW}, {2, kN}, {2, kE}, {2, kS}};

}  // namespace hvpzip::mixing::HVPZIP_ISA
