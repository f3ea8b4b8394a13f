// Cascade geometry of the mixing engine: a coarse image that is known, and three units that complete it, each between known samples, with what a
// trained network says of them. This file reaches the bit stream: integers, and least squares in strict IEEE arithmetic.
//
// One engine a plane, for all three units. Positions of a unit are (y, x) in its own rows and columns.
#pragma once

#include <initializer_list>

#include "mixing/engine.h"
#include "mixing/joint.h"
#include "mixing/mixing.h"
#include "mixing/window.h"

namespace hvpzip::mixing::HVPZIP_ISA {

class CascadePlane {
public:
    // The two planes before it, the nearest first, or null; the colours that a matrix reaches, or null; of profile 2 those that were seen, which
    // blue adds to and red looks at; what the engine begins with, or null.
    CascadePlane(int height, int width, const CascadePlane* first, const CascadePlane* second, const ColourSet* reached, ColourSet* seen,
                 const std::uint8_t* starts);
    CascadePlane(const CascadePlane&) = delete;

    // Red is told of blue.
    void comes_before(const CascadePlane& blue) { blue_ = &blue; }
    // The coarse samples come first, in this plane and those before it; then they are learnt.
    void put(int y, int x, int value) { *samples_.at(y, x) = *shown_.at(y, x) = static_cast<std::int16_t>(value); }
    void learn_coarse();
    // A unit: begun, coded row by row, ended. A row's `samples` are read if the coder writes, else filled in. Other planes may read the rows before it
    // meanwhile; blues count as seen from the end on.
    void begin(Unit unit);
    void code_row(Message& message, int y, const Gaussians& network, std::uint8_t* samples, bool writes);
    void end();
    void learnt(double* found) const { engine_->learnt(found); }
    int rows() const { return rows_; }
    int columns() const { return columns_; }

private:
    static constexpr int kSquares = 3;                // local and recursive least squares, and the network
    static constexpr int kCheap = 21;                 // interpolations and the like
    static constexpr int kPredictors = kSquares + kCheap;
    static constexpr int kBlended = kSquares + 8;     // those that the blend is made of
    static constexpr int kBases = 5;                  // experts on the blend
    static constexpr int kLanes = 24, kEdge = 2;      // of remembered errors
    static constexpr int kContexts = 36;
    static constexpr int kLevels = 32;
    // Scale contexts, each kind's first.
    static constexpr int kByBase = 0, kBySpread = kByBase + kLevels * 6, kByValue = kBySpread + 64 * 4, kByNetwork = kByValue + 16 * 12,
                               kByBlend = kByNetwork + kLevels * 12, kOfNetwork = kByBlend + kLevels * 6, kOfPredictor = kOfNetwork + kLevels * kLevels,
                               kScaleContexts = kOfPredictor + kPredictors * kLevels;
    static_assert(kPredictors <= kLanes && kLanes % 8 == 0, "");
    static_assert(kBases + kPredictors + 3 == 32 && 2 * 32 + 2 * 40 + 16 == kStartInputs && kScaleContexts == kStartScales, "");

    struct Bias {
        std::int32_t sum, count;
    };

    void predict(const Gaussians& network, int y, int x);
    void interpolate();
    void blend(int y, int x);
    void select(int y, int x);
    void contexts();
    void joint(const Gaussians& network, std::size_t place);
    bool is_joint() const { return planes_ == 1 && seen_ != nullptr; }
    void learn(int y, int x, int value);
    int count_rows(int y, int x, int near, std::uint16_t** rows) const;

    static int level(std::int32_t error) { return clamp((log2_sixteenths(static_cast<std::uint32_t>(error) + 3) - 26) / 5, 0, kLevels - 1); }
    int at(int neighbour) const { return here_[0][step_[neighbour]]; }
    std::int32_t quarters(int plane, int neighbour) const { return 4 * here_[plane][neighbour == kHere ? 0 : step_[neighbour]] - sum_[plane]; }
    std::uint16_t* errors(int y, int x) { return errors_.data() + (static_cast<std::size_t>((y + 3) % 3) * (columns_ + 2 * kEdge) + x + kEdge) * kLanes; }

    const CascadePlane *first_, *second_;
    const CascadePlane* blue_ = nullptr;
    const ColourSet* reached_;
    ColourSet* seen_;
    int planes_, height_, width_;
    LevelPlane samples_, misses_;              // misses: |value - best mean| in 1/64; margins as this plane reads them within a unit
    LevelPlane shown_, shown_misses_;          // the same as other planes read them: margins as at the end of the unit, row by row
    Owned<Engine> engine_;
    Window window_;
    Recursive recursive_;
    mutable Counts counts_[2];
    Buffer<Bias> bias_;
    Buffer<std::uint16_t> errors_;
    Buffer<std::uint8_t> bests_;
    Buffer<std::int32_t> costs_;

    // The unit
    Unit unit_ = kHH;
    int rows_ = 0, columns_ = 0, y0_ = 0, x0_ = 0, recursive_features_ = 0;
    std::ptrdiff_t step_[kNeighbours] = {};
    // The sample
    const std::int16_t* here_[3] = {};   // in this plane, and in those before it
    std::int32_t sum_[3] = {};           // A1 + A2 + B1 + B2 of each
    std::int32_t network_ = 0, network_error_ = 0, blend_ = 0, best_mean_ = 0, expected_ = 0, other_error_ = 0, spread_ = 0, gradient_ = 0;
    int kq_ = 0, kn_ = 0, ks_ = 0, kg_ = 0, k3_ = 0;
    Bias* bias_now_ = nullptr;
    std::uint16_t* count_row_[2] = {};
    int count_shift_ = 0;
    RedKinds reds_;
    alignas(32) double recursive_row_[40] = {};
    alignas(64) std::int32_t mean_[kLanes] = {}, local_error_[kLanes] = {};
};

// Rows of counts for the sample at (y, x) of the level: rows[i][value + shift of i] is the count of a value, and only the second has a shift.
inline int CascadePlane::count_rows(int y, int x, int near, std::uint16_t** rows) const {
    if (planes_ == 0) {
        rows[0] = counts_[0].row(0), rows[1] = counts_[1].row(near);
        return 0;
    }
    const int before = *first_->shown_.at(y, x);
    if (planes_ == 1) {
        rows[0] = counts_[0].row(before), rows[1] = counts_[1].row(0);
    } else {
        const int green = *second_->shown_.at(y, x);
        rows[0] = counts_[0].row(static_cast<std::size_t>(before) * 256 + green), rows[1] = counts_[1].row(256 + green - before);
    }
    return 256 - before;
}

inline CascadePlane::CascadePlane(int height, int width, const CascadePlane* first, const CascadePlane* second, const ColourSet* reached, ColourSet* seen,
                                  const std::uint8_t* starts)
        : first_(first), second_(second), reached_(reached), seen_(seen), planes_((first != nullptr) + (second != nullptr)), height_(height), width_(width) {
    samples_.reset(height, width);
    misses_.reset(height, width);
    shown_.reset(height, width);
    shown_misses_.reset(height, width);
    static constexpr std::size_t kRows[3][2] = {{1, 256}, {256, 1}, {65536, 512}};
    for (int i = 0; i < 2; ++i) counts_[i].reset(kRows[planes_][i], planes_ > 0 && i == 1 ? 512 : 256);
    bias_.reset(16 * 16);
    Shape shape;
    std::memset(&shape, 0, sizeof shape);
    shape.experts = kBases + kPredictors;
    shape.scales = kScaleContexts;
    shape.contexts = kContexts;
    shape.log2_slots = starts == nullptr && static_cast<std::int64_t>(height) * width > 1 << 18 ? 17 : 16;
    const int sets[kStaticSets] = {kLevels, 64, kLanes * kLanes, kLevels * 6 * kUnits, 64 * kUnits, 64 * kUnits, kLevels * 8};
    const bool by_depth[kStaticSets] = {true, true, false, false, false, false, true};
    for (int k = 0; k < kStaticSets; ++k) shape.sets[k] = sets[k], shape.by_depth[k] = by_depth[k];
    shape.corrections[0] = kLevels * 8;
    shape.corrections[1] = 8;
    shape.seconds = kLevels;
    shape.bits = 8;
    shape.own_kinds = is_joint();
    shape.factors = planes_ == 2 || shape.own_kinds;
    shape.laws = 2 + shape.factors;
    engine_.take(new Engine(shape, starts));
    if (is_joint() && reached != nullptr)
        for (int kind = 0; kind < JointKinds::kKinds; ++kind) engine_->factors().start(kind, JointKinds::start(kind));
}

inline void CascadePlane::learn_coarse() {
    samples_.extend(0, 0);
    shown_.extend(0, 0);
    for (int y = 0; y < height_; y += 2)
        for (int x = 0; x < width_; x += 2) {
            const int value = *samples_.at(y, x);
            std::uint16_t* rows[2];
            const int shift = count_rows(y, x, value, rows);
            counts_[0].add(rows[0], value);
            counts_[1].add(rows[1], value + shift);
            if (planes_ == 2 && seen_ != nullptr) seen_->add(*first_->shown_.at(y, x), *second_->shown_.at(y, x), value);
        }
}

inline void CascadePlane::begin(Unit unit) {
    unit_ = unit;
    y0_ = kUnitStart[unit].dy, x0_ = kUnitStart[unit].dx;
    rows_ = larger(0, (height_ - y0_ + 1) / 2), columns_ = larger(0, (width_ - x0_ + 1) / 2);
    for (int i = 0; i < kNeighbours; ++i) step_[i] = static_cast<std::ptrdiff_t>(kSteps[unit][i].dy) * samples_.stride() + kSteps[unit][i].dx;
    if (columns_ == 0) rows_ = 0;
    if (rows_ == 0) return;
    window_.reset(columns_, kLikeFeatures[planes_], kLikes[planes_]);
    recursive_features_ = smaller(kRecursiveOwn + planes_ * kRecursiveOther, kRecursiveMost) + 1;
    recursive_.reset(recursive_features_, 0.9995, 8);
    for (double& feature : recursive_row_) feature = 0.0;
    errors_.reset(static_cast<std::size_t>(3) * (columns_ + 2 * kEdge) * kLanes);
    bests_.reset(static_cast<std::size_t>(2) * (columns_ + 2 * kEdge));
    costs_.reset(static_cast<std::size_t>(2) * (columns_ + 2 * kEdge));
    // Above the unit: the mean of the known neighbours of its first row.
    for (int x = -kEdge; x < columns_ + kEdge; ++x) {
        const std::int16_t* s = samples_.at(y0_, x0_ + 2 * clamp(x, 0, columns_ - 1));
        const int mean = (s[step_[kA1]] + s[step_[kA2]] + s[step_[kB1]] + s[step_[kB2]] + 2) >> 2;
        for (int dy = 1; dy <= 2; ++dy) {
            *samples_.at(y0_ - 2 * dy, x0_ + 2 * x) = static_cast<std::int16_t>(mean);
            *misses_.at(y0_ - 2 * dy, x0_ + 2 * x) = 2 * kUnit;
        }
    }
}

inline void CascadePlane::code_row(Message& message, int y, const Gaussians& network, std::uint8_t* samples, bool writes) {
    const int row = y0_ + 2 * y;
    // Left of a row: what is above.
    for (int x = 1; x <= kEdge; ++x) {
        *samples_.at(row, x0_ - 2 * x) = *samples_.at(row - 2, x0_);
        *misses_.at(row, x0_ - 2 * x) = *misses_.at(row - 2, x0_);
    }
    for (int x = 0; x < columns_; ++x, ++samples) {
        predict(network, y, x);
        const int value = engine_->code(message, writes ? *samples : 0);
        if (is_joint() && engine_->factors().lacks(value)) engine_->factors().count(reds_.kind(value));
        *samples = static_cast<std::uint8_t>(value);
        learn(y, x, value);
    }
    // Right of it, and left of it for the next row: what is nearest.
    const int last = x0_ + 2 * (columns_ - 1);
    for (int x = 1; x <= kEdge; ++x) {
        *samples_.at(row, last + 2 * x) = *samples_.at(row, last);
        *misses_.at(row, last + 2 * x) = *misses_.at(row, last);
        std::memcpy(errors(y, -x), errors(y, 0), sizeof(std::uint16_t) * kLanes);
        std::memcpy(errors(y, columns_ - 1 + x), errors(y, columns_ - 1), sizeof(std::uint16_t) * kLanes);
    }
    engine_->end_row();
    shown_.show_row(samples_, y0_, x0_, row);
    shown_misses_.show_row(misses_, y0_, x0_, row);
}

inline void CascadePlane::end() {
    for (LevelPlane* plane : {&samples_, &misses_}) plane->extend(y0_, x0_);
    if (rows_ == 0) shown_.extend(y0_, x0_), shown_misses_.extend(y0_, x0_);
    if (planes_ < 2 || seen_ == nullptr) return;
    for (int y = y0_; y < height_; y += 2)
        for (int x = x0_; x < width_; x += 2) seen_->add(*first_->shown_.at(y, x), *second_->shown_.at(y, x), *samples_.at(y, x));
}

inline void CascadePlane::predict(const Gaussians& network, int y, int x) {
    const CascadePlane* const planes[3] = {this, first_, second_};
    for (int p = 0; p <= planes_; ++p) {
        here_[p] = (p == 0 ? samples_ : planes[p]->shown_).at(y0_ + 2 * y, x0_ + 2 * x);
        sum_[p] = here_[p][step_[kA1]] + here_[p][step_[kA2]] + here_[p][step_[kB1]] + here_[p][step_[kB2]];
    }
    const std::size_t place = static_cast<std::size_t>(y) * columns_ + x;
    const int known[2] = {planes_ > 0 ? here_[planes_][0] : 0, planes_ > 1 ? here_[1][0] : 0};
    network_ = network.mean64(planes_, place, known);
    network_error_ = network.error64(planes_, place);
    const float less_base = static_cast<float>(network_ - 16 * sum_[0]) * (1.0f / kUnit), base = 0.25f * static_cast<float>(sum_[0]);

    std::int16_t local[kLocalFeatures];
    for (int i = 0; i < kLocalFeatures; ++i) {
        const Feature& feature = kLocal[unit_ == kLH][planes_][i];
        local[i] = static_cast<std::int16_t>(quarters(feature.plane, feature.neighbour));
    }
    mean_[0] = rounded<float>(window_.predict(y, x, local, less_base, less_base) + base, 0, 255 * kUnit);

    for (int i = 0; i + 1 < recursive_features_; ++i) recursive_row_[i] = 0.25 * quarters(kRecursive[i].plane, kRecursive[i].neighbour);
    recursive_row_[recursive_features_ - 1] = static_cast<double>(less_base);
    recursive_row_[recursive_features_] = 0.0;
    if (place > 0 && place % recursive_.every() == 0) recursive_.solve_now();
    mean_[1] = place < 64 ? network_ : rounded<double>(recursive_.predict(recursive_row_) + static_cast<double>(base), 0, 255 * kUnit);
    mean_[2] = network_;
    interpolate();
    blend(y, x);
    select(y, x);
    if (is_joint()) joint(network, place);
    contexts();
}

// The cheap predictors, the blended eight first.
inline void CascadePlane::interpolate() {
    struct Between {
        std::int32_t a, b, both, cubic_a, cubic_b, cubic, towards;
    };
    // Of the plane less a times another, in 1/64.
    const auto between = [this](const std::int16_t* less) {
        const auto get = [&](int n) { return here_[0][step_[n]] - (less != nullptr ? less[step_[n]] : 0); };
        const int a1 = get(kA1), a2 = get(kA2), b1 = get(kB1), b2 = get(kB2);
        Between f;
        f.a = 32 * (a1 + a2), f.b = 32 * (b1 + b2), f.both = 16 * (a1 + a2 + b1 + b2);
        f.cubic_a = 4 * (9 * (a1 + a2) - get(kA3) - get(kA4)), f.cubic_b = 4 * (9 * (b1 + b2) - get(kB3) - get(kB4));
        f.cubic = (f.cubic_a + f.cubic_b) >> 1;
        const int change_a = (a1 > a2 ? a1 - a2 : a2 - a1) + 1, change_b = (b1 > b2 ? b1 - b2 : b2 - b1) + 1;
        f.towards = (f.cubic_a * change_b + f.cubic_b * change_a) / (change_a + change_b);
        return f;
    };
    const Between own = between(nullptr);
    const int a1 = at(kA1), a2 = at(kA2), b1 = at(kB1), b2 = at(kB2);
    std::int32_t* q = mean_ + kSquares;
    int n = 0;
    if (planes_ == 0) {
        for (const std::int32_t value : {own.a, own.b, own.cubic_a, own.cubic_b, own.cubic, own.towards}) q[n++] = value;
        // How far W and N were from their own neighbours' mean.
        std::int32_t around = 0;
        for (const int side : {kW, kN}) {
            const std::int16_t* s = here_[0] + step_[side];
            around += 4 * s[0] - s[step_[kA1]] - s[step_[kA2]] - s[step_[kB1]] - s[step_[kB2]];
        }
        q[n++] = own.both + 8 * around;
        const int low = smaller(smaller(a1, a2), smaller(b1, b2)), high = larger(larger(a1, a2), larger(b1, b2));
        q[n++] = 32 * (a1 + a2 + b1 + b2 - low - high);
        q[n++] = own.both;
        for (const int value : {a1, a2, b1, b2, at(kW), at(kN)}) q[n++] = 64 * value;
        q[n++] = 32 * (at(kW) + at(kN));
        q[n++] = 64 * (at(kW) + at(kN) - at(kNW));
        q[n++] = 64 * at(kNE);
        q[n++] = 64 * at(kM0);
    } else {
        const Between d = between(here_[1]);
        const std::int32_t other = 64 * here_[1][0];
        for (const std::int32_t value : {d.a, d.b, d.cubic_a, d.cubic_b, d.cubic, d.towards}) q[n++] = other + value;
        q[n++] = (other + d.cubic + own.cubic) >> 1;
        q[n++] = (other + d.towards + own.towards) >> 1;
        q[n++] = other + d.both;
        q[n++] = own.towards;
        q[n++] = own.cubic;
        const auto moved = [&](int neighbour) { return other + 64 * (at(neighbour) - here_[1][step_[neighbour]]); };
        for (const int neighbour : {kA1, kA2, kB1, kB2, kW, kN}) q[n++] = moved(neighbour);
        q[n++] = (moved(kW) + moved(kN)) >> 1;
        if (planes_ == 2) {
            const Between g = between(here_[2]);
            q[n++] = 64 * here_[2][0] + g.towards;
        }
    }
    while (n < kCheap - 2) q[n++] = own.both;
    q[n++] = 64 * ((a1 + a2) >> 1);  // as bilinear interpolation leaves them
    q[n++] = 64 * ((b1 + b2) >> 1);
    for (int i = 0; i < kCheap; ++i) q[i] = clamp(q[i], 0, 255 * kUnit);
}

// The mean of the best predictors, and what contexts are made of.
inline void CascadePlane::blend(int y, int x) {
    const std::uint16_t *eW = errors(y, x - 1), *eN = errors(y - 1, x), *eNW = errors(y - 1, x - 1), *eNE = errors(y - 1, x + 1), *eWW = errors(y, x - 2),
                              *eNN = errors(y - 2, x);
    for (int i = 0; i < kLanes; ++i) local_error_[i] = 2 * (eW[i] + eN[i]) + eNW[i] + eNE[i] + eWW[i] + eNN[i];
    double weighted = 0.0, weights = 0.0;
    for (int i = 0; i < kBlended; ++i) {
        const double error = static_cast<double>(local_error_[i] + kUnit), weight = 1.0 / (error * error);
        weighted = weighted + weight * static_cast<double>(mean_[i]);
        weights = weights + weight;
    }
    blend_ = clamp(static_cast<std::int32_t>(weighted / weights + 0.5), 0, 255 * kUnit);

    const std::int16_t* miss = misses_.at(y0_ + 2 * y, x0_ + 2 * x);
    const int inside = (2 * (miss[step_[kW]] + miss[step_[kN]]) + miss[step_[kNW]] + miss[step_[kNE]] + miss[step_[kWW]] + miss[step_[kNN]]) >> 3;
    if (unit_ == kHH) {
        expected_ = (5 * inside + 3 * network_error_) >> 3;
    } else {  // hh was coded on both sides
        const int beside = unit_ == kHL ? miss[step_[kB1]] + miss[step_[kB2]] : miss[step_[kA1]] + miss[step_[kA2]];
        expected_ = (3 * inside + beside + 3 * network_error_) >> 3;
    }
    const int a = at(kA1) - at(kA2), b = at(kB1) - at(kB2);
    gradient_ = (a < 0 ? -a : a) + (b < 0 ? -b : b);
    spread_ = 0;
    for (int i = 0; i < kSquares; ++i) spread_ = larger(spread_, mean_[i] > blend_ ? mean_[i] - blend_ : blend_ - mean_[i]);
    kq_ = level(expected_), kn_ = level(network_error_);
    ks_ = clamp((log2_sixteenths(static_cast<std::uint32_t>(spread_ + 6)) - 96) * 3 / 32 + 4, 0, 7);
    kg_ = smaller(floor_log2(static_cast<std::uint32_t>(gradient_ + 1)), 7);
    if (planes_ == 0) {
        other_error_ = 0;
        k3_ = smaller(kg_, 5);
    } else {
        const std::int16_t* before = first_->shown_misses_.at(y0_ + 2 * y, x0_ + 2 * x);
        other_error_ = (2 * before[0] + before[step_[kW]] + before[step_[kE]] + before[step_[kN]] + before[step_[kS]]) / 6;
        k3_ = clamp((3 * (log2_sixteenths(static_cast<std::uint32_t>(other_error_ + 20)) - log2_sixteenths(static_cast<std::uint32_t>(expected_ + 20))) + 96) / 32, 0, 5);
    }
    bias_now_ = &bias_[static_cast<std::size_t>(smaller(kq_ / 2, 15) * 16 + (at(kA1) * kUnit > blend_) + 2 * (at(kA2) * kUnit > blend_) +
                                                      4 * (at(kB1) * kUnit > blend_) + 8 * (network_ > blend_))];
    best_mean_ = clamp(blend_ + bias_now_->sum / (bias_now_->count + 4), 0, 255 * kUnit);
}

// Experts and weight sets.
inline void CascadePlane::select(int y, int x) {
    Site& site = engine_->site();
    site.low = 0, site.high = 256;
    for (int i = 0; i < kBases; ++i) site.mean[i] = i < kBases - 1 ? best_mean_ : blend_;
    site.scale[0] = kByBase + level((45 * expected_ + 19 * (spread_ + 4 * gradient_)) >> 6) * 6 + k3_;
    const int beside = planes_ > 0 ? clamp((log2_sixteenths(static_cast<std::uint32_t>(other_error_ + 6)) - 72) / 16, 0, 3) : kn_ / 8;
    site.scale[1] = kBySpread + (ks_ * 8 + kg_) * 4 + beside;
    site.scale[2] = kByValue + smaller(kq_ / 2, 15) * 12 + (best_mean_ >> 11);
    site.scale[3] = kByNetwork + kn_ * 12 + smaller(kq_ / 3, 11);
    site.scale[4] = kByBlend + kq_ * 6 + k3_;
    int best = 0;
    for (int i = 0; i < kPredictors; ++i) {
        site.mean[kBases + i] = mean_[i];
        site.scale[kBases + i] = kOfPredictor + i * kLevels + level(local_error_[i] >> 3);
        if (local_error_[i] < local_error_[best]) best = i;
    }
    site.scale[kBases + 2] = kOfNetwork + kn_ * kLevels + kq_;
    site.signs[0] = at(kA1), site.signs[1] = at(kA2), site.signs[2] = at(kB1), site.signs[3] = at(kB2), site.signs[4] = at(kW), site.signs[5] = at(kN);
    site.best = best;
    const int line = columns_ + 2 * kEdge, now = (y & 1) * line + kEdge + x, above = ((y + 1) & 1) * line + kEdge + x;
    const auto spent = [this](int place) { return clamp(log2_sixteenths(static_cast<std::uint32_t>(costs_[place] >> 12) + 1) / 16 - 1, 0, 7); };
    site.select[0] = kq_;
    site.select[1] = ks_ * 8 + kg_;
    site.select[2] = bests_[now - 1] * kLanes + bests_[above];
    site.select[3] = (level(other_error_) * 6 + k3_) * kUnits + unit_;
    site.select[4] = (spent(now - 1) * 8 + spent(above)) * kUnits + unit_;
    const int high = planes_ == 0 ? at(kA1) : here_[1][0], low = planes_ == 0 ? at(kB1) : here_[planes_][0];
    site.select[5] = ((high >> 5) * 8 + (low >> 5)) * kUnits + unit_;
    const int apart = network_ > best_mean_ ? network_ - best_mean_ : best_mean_ - network_;
    site.select[6] = kn_ * 8 + clamp((log2_sixteenths(static_cast<std::uint32_t>(apart + 6)) - 96) * 3 / 32 + 4, 0, 7);
    site.correct[0] = kq_ * 8 + ks_;
    site.correct[1] = kg_;
    site.second = kq_;
    count_shift_ = count_rows(y0_ + 2 * y, x0_ + 2 * x, at(kA1), count_row_);
    site.law[0] = count_row_[0], site.law[1] = count_row_[1] + count_shift_;
    site.reached = reached_ == nullptr || planes_ < 2 ? nullptr : reached_->row(here_[1][0], here_[2][0]);
}

inline void CascadePlane::contexts() {
    Histories& histories = engine_->histories();
    int n = 0;
    const auto mix = [](std::uint32_t a, int v) {
        a = (a ^ static_cast<std::uint32_t>(v)) * 0x9E3779B1u;
        return a ^ (a >> 15);
    };
    const auto put = [&](int reference, auto... values) {
        std::uint32_t hash = static_cast<std::uint32_t>(n + 1) * 0x85EBCA6Bu;
        ((hash = mix(hash, values)), ...);
        histories.locate(n++, hash * 0xC2B2AE35u, reference);
    };
    const int a1 = at(kA1), a2 = at(kA2), b1 = at(kB1), b2 = at(kB2), w = at(kW), nn = at(kN), ne = at(kNE), m = (best_mean_ + kUnit / 2) >> 6;
    const std::int16_t* s = here_[0];
    // What lies between the neighbours of W and N, were they averages.
    const auto off_average = [&](int side, int before, int behind) {
        const std::int16_t* t = s + step_[side];
        return t[0] - ((t[step_[before]] + t[step_[behind]]) >> 1);
    };
    put(0, a1, a2);
    put(0, b1, b2);
    put(0, a1, a2, b1, b2);
    put(0, w, nn);
    put(0, m, kq_ / 4);
    put(0, m, a1);
    put(0, m, b1);
    put(0, a1 >> 3, a2 >> 3, b1 >> 3, b2 >> 3, w >> 3, nn >> 3, ne >> 3);
    put(m, kq_, ks_, kg_);
    put(m, (a1 - m) >> 1, (a2 - m) >> 1, (b1 - m) >> 1, (b2 - m) >> 1);
    put(m, (a1 - m) / 3, (a2 - m) / 3, (b1 - m) / 3, (b2 - m) / 3, (w - m) / 4, (nn - m) / 4);
    put(m, a1 - m, a2 - m);
    put(m, b1 - m, b2 - m);
    put(a1, a1 - a2, b1 - a1, b2 - a1);
    put((a1 + a2) >> 1, static_cast<int>(unit_), kg_ / 2);
    put((b1 + b2) >> 1, static_cast<int>(unit_), kg_ / 2);
    put(a1, a1 - b1, w - a1);
    put(b1, b1 - b2, nn - b1);
    put((a1 + a2) >> 1, off_average(kW, kA1, kA2), off_average(kN, kA1, kA2));
    put((b1 + b2) >> 1, off_average(kW, kB1, kB2), off_average(kN, kB1, kB2));
    if (planes_ == 0) {
        const int l0 = (mean_[0] + kUnit / 2) >> 6, l1 = (mean_[1] + kUnit / 2) >> 6, l2 = (network_ + kUnit / 2) >> 6;
        put(0, m, w);
        put(0, m, nn);
        put(0, l0, l1);
        put(0, l0, l2);
        put(0, a1, b1);
        put(0, a2, b2);
        put(m, l2 - m, kn_);
        put(0, a1, w);
        put(0, b1, nn);
        put(0, m, a2);
        put(0, a1, b2, m);
        put(m, at(kM0) - m, at(kM1) - m);
        put(m, at(kM2) - m, at(kM3) - m);
        put(m, l0 - m, l1 - m, l2 - m);
        put(0, mean_[0] >> 5);
        put(l1, (mean_[1] >> 4) & 3, kq_);
    } else {
        const std::int16_t *p = here_[1], *g = here_[planes_];
        const int c = p[0], c2 = g[0];
        const auto d = [&](int k) { return at(k) - p[step_[k]]; };
        put(0, c, c2);
        put(0, c, a1);
        put(0, c, c2, a1);
        put(0, c, c2, b1);
        put(0, c, c2, m);
        put(0, c, m);
        put(c, c - c2);
        put(c, c - c2, m - c);
        put(c, d(kA1), d(kA2));
        put(c, d(kB1), d(kB2));
        put(c, d(kA1) >> 1, d(kA2) >> 1, d(kB1) >> 1, d(kB2) >> 1);
        put(c, d(kW), d(kN));
        put(c, c - c2, d(kA1), a1 - g[step_[kA1]]);
        put((a1 + a2) >> 1, c - ((p[step_[kA1]] + p[step_[kA2]]) >> 1), c - ((p[step_[kB1]] + p[step_[kB2]]) >> 1));
        put(m, (p[step_[kE]] - c) / 2, (p[step_[kS]] - c) / 2, kq_ / 4);
        put((b1 + b2) >> 1, c - ((p[step_[kB1]] + p[step_[kB2]]) >> 1), kg_ / 2);
    }
}

// What reds there are for which a likely blue is reached, or was seen.
inline void CascadePlane::joint(const Gaussians& network, std::size_t place) {
    const int green = here_[1][0], first = (best_mean_ >> 6) - kLawWindow / 2;
    // How much blue is above red around here, four times over.
    const std::int16_t* blue = blue_->shown_.at(y0_, x0_) + (here_[0] - samples_.at(y0_, x0_));
    std::int32_t above = 0;
    for (const int side : {kA1, kA2, kB1, kB2}) above += blue[step_[side]] - here_[0][step_[side]];
    reds_.look(network, place, green, above, reached_, *seen_);
    const LawWindow window = engine_->law_window();
    for (int k = window.from; k < window.to; ++k) engine_->site().kinds[k] = reds_.kind(first + k);
}

inline void CascadePlane::learn(int y, int x, int value) {
    *samples_.at(y0_ + 2 * y, x0_ + 2 * x) = static_cast<std::int16_t>(value);
    const std::int32_t v64 = value * kUnit, miss = v64 - best_mean_;
    *misses_.at(y0_ + 2 * y, x0_ + 2 * x) = static_cast<std::int16_t>(miss < 0 ? -miss : miss);
    std::uint16_t* e = errors(y, x);
    int best = 0;
    for (int i = 0; i < kLanes; ++i) {
        const std::int32_t error = v64 > mean_[i] ? v64 - mean_[i] : mean_[i] - v64;
        e[i] = static_cast<std::uint16_t>(smaller(error, 4095));
        if (e[i] < e[best]) best = i;
    }
    const int place = (y & 1) * (columns_ + 2 * kEdge) + kEdge + x;
    bests_[place] = static_cast<std::uint8_t>(best);
    costs_[place] = engine_->cost();
    bias_now_->sum += v64 - blend_;
    if (++bias_now_->count > 200) bias_now_->sum /= 2, bias_now_->count /= 2;
    const float base = 0.25f * static_cast<float>(sum_[0]);
    window_.learn(y, x, static_cast<float>(value) - base);
    const double error = static_cast<double>(expected_) * (1.0 / kUnit);
    recursive_row_[recursive_features_] = static_cast<double>(value) - static_cast<double>(base);
    recursive_.learn(recursive_row_, 1.0 / (error * error + 1.0));
    recursive_row_[recursive_features_] = 0.0;
    counts_[0].add(count_row_[0], value);
    counts_[1].add(count_row_[1], value + count_shift_);
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
