// Raster geometry of the mixing engine: whole planes one after the other, each sample from the samples above and to the left of it and from the
// planes before. This file reaches the bit stream: integers, and least squares in strict IEEE arithmetic (regression.h).
//
// Borders. Every plane has kPad more columns on each side and kPad more rows above and below, which hold
//   left of row y        the first sample of the row above (row 0: the middle of the plane's range);
//   right of row y       its last sample, as soon as the row is known;
//   above row 0          the middle of the range at first; when the sample at (0, x) is known, it is put into all of these rows at x .. x + kPad;
//   below the last row   the last row, as soon as the plane is known.
// So no sample is ever predicted from itself or from a later one of its plane.
#pragma once

#include "mixing/engine.h"
#include "mixing/regression.h"

namespace hvpzip::mixing::HVPZIP_ISA {

constexpr int kPad = 8;

struct Plane {
    int height = 0, width = 0, stride = 0, low = 0, high = 0;  // samples lie in [low, high]
    Buffer<std::uint16_t> data;

    void reset(int h, int w, int lowest, int highest) {
        height = h, width = w, stride = w + 2 * kPad, low = lowest, high = highest;
        data.reset(static_cast<std::size_t>(stride) * (h + 2 * kPad));
        const std::uint16_t middle = static_cast<std::uint16_t>((low + high + 1) / 2);
        for (std::size_t i = 0; i < static_cast<std::size_t>(stride) * (kPad + 1); ++i) data[i] = middle;
    }
    std::uint16_t* at(int y, int x) { return data.data() + static_cast<std::ptrdiff_t>(y + kPad) * stride + x + kPad; }
    const std::uint16_t* at(int y, int x) const { return data.data() + static_cast<std::ptrdiff_t>(y + kPad) * stride + x + kPad; }

    void put(int y, int x, int value) {
        const std::uint16_t v = static_cast<std::uint16_t>(value);
        *at(y, x) = v;
        if (y == 0)
            for (int dy = 1; dy <= kPad; ++dy)
                for (int dx = 0; dx <= kPad; ++dx) at(-dy, x)[dx] = v;
        if (x == width - 1) {
            for (int dx = 1; dx <= kPad; ++dx) at(y, x)[dx] = v;
            if (y + 1 < height)
                for (int dx = 1; dx <= kPad; ++dx) at(y + 1, 0)[-dx] = *at(y, 0);
            else
                for (int dy = 1; dy <= kPad; ++dy) std::memcpy(at(y + dy, -kPad), at(y, -kPad), sizeof(std::uint16_t) * stride);
        }
    }
};

struct Offset {
    std::int8_t dy, dx;
};

// Of the plane itself, the nearest first; of an earlier plane, which is known all around.
constexpr Offset kOwn[] = {{-1, 0},  {0, -1},  {-1, -1}, {-1, 1},  {-2, 0},  {0, -2},  {-2, -1}, {-2, 1},  {-1, -2}, {-1, 2},
                                                      {-2, -2}, {-2, 2},  {-3, 0},  {0, -3},  {-3, -1}, {-3, 1},  {-1, -3}, {-1, 3},  {-3, -2}, {-3, 2},
                                                      {-2, -3}, {-2, 3},  {-4, 0},  {0, -4},  {-4, -1}, {-4, 1},  {-1, -4}, {-1, 4},  {-3, -3}, {-3, 3}};
constexpr Offset kOther[] = {{0, 0}, {0, -1}, {-1, 0}, {0, 1}, {1, 0}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};
constexpr int kOwns = 30, kOthers = 9, kLikeOwn = 6, kLikeOther = 3;

struct LocalSpec {
    int own, other, reach;
    double k0;
    int half_powers;  // the power of likeness, in halves
    double falloff;
    int vectors;      // of 8 floats, a row of features with the target
    int every;        // solved at every so many columns, from the first one on; between them the last solution of the row serves
};
struct RecursiveSpec {
    int own, other;
    double fade;
    int every;
};
struct Profile {
    int cheap;  // predictors besides the regressions
    int locals;
    LocalSpec local[4];
    int recursives;
    RecursiveSpec recursive[3];
};

// The quick one and the strong one; both again with what averages imply; and all four again, solved less often where they are strong.
constexpr int kCheap = 24, kImplied = 8;
constexpr Profile quick(int cheap) { return {cheap, 1, {{6, 3, 6, 5.0, 3, 0.03, 2, 1}}, 1, {{16, 5, 0.9995, 8}}}; }
constexpr Profile strong(int cheap, int every) {
    return {cheap, 3, {{8, 3, 8, 5.0, 3, 0.03, 2, 1}, {10, 7, 7, 6.0, 2, 0.05, 4, every}, {18, 9, 8, 4.0, 4, 0.03, 5, every}}, 2, {{24, 7, 0.9995, 4}, {24, 7, 0.996, 4}}};
}
constexpr Profile kProfiles[] = {
        quick(kCheap), strong(kCheap, 1), quick(kCheap + kImplied), strong(kCheap + kImplied, 1),
        quick(kCheap), strong(kCheap, 2), quick(kCheap + kImplied), strong(kCheap + kImplied, 2),
};

// All features of one place, in halves: less its own plane's W + N.
struct Features {
    std::int32_t own[kOwns];
    std::int32_t other[2][kOthers];
    std::int32_t base;  // W + N of the plane itself
};

// Weighted local least squares over the window of places already known.
class LocalBase {
public:
    virtual ~LocalBase() = default;
    virtual void start_row(int y) = 0;
    // likeness: of the window's places, kLikeLanes for each row above and for this one, from kMostReach columns to the left on.
    virtual std::int32_t predict(const Features& now, int y, int x, const std::int16_t* likeness, std::int32_t low, std::int32_t high) = 0;
    virtual void learn(int y, int x, int value) = 0;
};

constexpr int kLikeLanes = 32;  // likeness of a window's row: from 16 columns to the left on
constexpr int kMostReach = 8;

template <int kVectors>
class Local final : public LocalBase {
public:
    static constexpr int kWidth = kFloats * kVectors;

    Local(const LocalSpec& spec, int own, int other, int planes, int width, int bits)
            : own_(own), other_(other), planes_(planes), reach_(spec.reach), width_(width), every_(spec.every), scale_(static_cast<float>(1.0 / (1 << (bits > 8 ? bits - 8 : 0)))) {
        features_ = own + other * planes;
        rows_.reset(static_cast<std::size_t>(reach_ + 1) * width * kWidth);
        for (int dy = 0; dy <= reach_; ++dy)
            for (int dx = -reach_; dx <= reach_; ++dx)
                near_[dy][dx + reach_] = static_cast<float>(1.0 / (1.0 + spec.falloff * (dy * dy + dx * dx)));
        for (int s = 0; s < kLikes; ++s) {
            const double sum = s / 2.0 + spec.k0;
            const double power = spec.half_powers == 2 ? 1.0 / sum : spec.half_powers == 3 ? std::sqrt(spec.k0) / (sum * std::sqrt(sum)) : spec.k0 / (sum * sum);
            like_[s] = static_cast<float>(power);
        }
    }

    void start_row(int) override {}

    std::int32_t predict(const Features& now, int y, int x, const std::int16_t* likeness, std::int32_t low, std::int32_t high) override {
        float* f = row(y, x);
        int n = 0;
        for (int p = 0; p < planes_; ++p)
            for (int i = 0; i < kLikeOther; ++i) f[n++] = static_cast<float>(now.other[p][i]);
        for (int i = 0; i < smaller(own_, kLikeOwn); ++i) f[n++] = static_cast<float>(now.own[i]);
        for (int p = 0; p < planes_; ++p)
            for (int i = kLikeOther; i < other_; ++i) f[n++] = static_cast<float>(now.other[p][i]);
        for (int i = kLikeOwn; i < own_; ++i) f[n++] = static_cast<float>(now.own[i]);
        for (int i = 0; i < features_; ++i) f[i] = f[i] * (0.5f * scale_);
        for (int i = features_; i < kWidth; ++i) f[i] = 0.0f;
        base_ = now.base;
        if (x % every_ == 0) solved_ = solve_at(y, x, likeness);
        if (!solved_) return clamp(32 * now.base, low, high);
        float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        int j = 0;
        for (; j + 4 <= features_; j += 4)
            for (int lane = 0; lane < 4; ++lane) sums[lane] = sums[lane] + solution_[j + lane] * f[j + lane];
        for (; j < features_; ++j) sums[j & 3] = sums[j & 3] + solution_[j] * f[j];
        const float sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        return rounded(sum / scale_ + 0.5f * static_cast<float>(now.base), low, high);
    }

    void learn(int y, int x, int value) override { row(y, x)[features_] = static_cast<float>(2 * value - base_) * (0.5f * scale_); }

private:
    static constexpr int kLikes = 4096;
    float* row(int y, int x) { return rows_.data() + (static_cast<std::size_t>(y % (reach_ + 1)) * width_ + x) * kWidth; }

    // Whether there is enough to solve.
    bool solve_at(int y, int x, const std::int16_t* likeness) {
        equations_.clear();
        int count = 0;
        for (int dy = smaller(reach_, y); dy >= 0; --dy) {
            const int first = larger(x - reach_, 0), last = dy == 0 ? x - 1 : smaller(x + reach_, width_ - 1);
            const int n_row = last - first + 1;
            if (n_row <= 0) continue;
            const std::int16_t* like = likeness + dy * kLikeLanes;
            float weights[2 * kMostReach + 1];
            for (int k = 0; k < n_row; ++k) {
                const int dx = first + k - x;
                weights[k] = near_[dy][dx + reach_] * like_[smaller<int>(like[dx + kMostReach], kLikes - 1)];
            }
            equations_.add(row(y - dy, first), weights, n_row, features_);
            count += n_row;
        }
        if (count < 20) return false;
        float trace = 0.0f;
        for (int i = 0; i < features_; ++i) trace = trace + equations_.matrix[i][i];
        const float ridge = 0.002f * trace / static_cast<float>(features_) + 0.02f;
        for (int i = 0; i < features_; ++i) equations_.matrix[i][i] = equations_.matrix[i][i] + ridge;
        solve<float, Floats>(&equations_.matrix[0][0], kWidth, features_, solution_);
        return true;
    }

    int own_, other_, planes_, reach_, width_, features_ = 0;
    int every_;
    float scale_;
    bool solved_ = false;
    float solution_[kWidth] = {};
    std::int32_t base_ = 0;
    Buffer<float> rows_;
    float near_[kMostReach + 1][2 * kMostReach + 1];
    float like_[kLikes];
    NormalEquations<kVectors> equations_;
};

// One plane: its engine and all that it learns from.
class Raster {
public:
    // plane: to code. before: the two planes before it, nearest first, or null. errors: theirs (errors()[...]) likewise.
    Raster(Plane& plane, const Raster* first, const Raster* second, const ColourSet* reached, int bits, bool wide, int profile)
            : plane_(plane), first_(first), second_(second), reached_(reached), planes_((first != nullptr) + (second != nullptr)), bits_(bits), deep_(bits > 8 ? bits - 8 : 0) {
        const Profile& spec = kProfiles[profile];
        locals_ = spec.locals;
        recursives_ = spec.recursives;
        for (int i = 0; i < locals_; ++i) reach_ = larger(reach_, spec.local[i].reach);
        const int width = plane.width;
        for (int i = 0; i < locals_; ++i) {
            const LocalSpec& s = spec.local[i];
            const int own = planes_ == 0 ? s.own + 6 : s.own;
            const int vectors = (own + s.other * planes_ + 1 + 7) / 8;
            if (vectors == 2) local_[i].take(new Local<2>(s, own, s.other, planes_, width, bits));
            else if (vectors == 3) local_[i].take(new Local<3>(s, own, s.other, planes_, width, bits));
            else if (vectors == 4) local_[i].take(new Local<4>(s, own, s.other, planes_, width, bits));
            else local_[i].take(new Local<5>(s, own, s.other, planes_, width, bits));
        }
        for (int i = 0; i < recursives_; ++i) {
            const RecursiveSpec& s = spec.recursive[i];
            recursive_own_[i] = planes_ == 0 ? smaller(s.own + 6, kOwns) : s.own;
            recursive_other_[i] = s.other;
            recursive_[i].reset(recursive_own_[i] + s.other * planes_, s.fade, s.every);
        }
        squares_ = locals_ + recursives_;
        blended_ = squares_ + 6;
        cheap_ = spec.cheap;
        predictors_ = squares_ + cheap_;
        lanes_ = (predictors_ + 7) / 8 * 8;
        error_stride_ = width + 2 * kEdge;
        errors_.reset(static_cast<std::size_t>(3) * error_stride_ * lanes_);
        like_stride_ = width + 64;
        like_.reset(static_cast<std::size_t>(kLikeFeatures) * (kMostReach + 1) * like_stride_);
        blend_stride_ = width + 2 * kPad;
        blend_errors_.reset(static_cast<std::size_t>(blend_stride_) * (plane.height + 2 * kPad));
        costs_.reset(static_cast<std::size_t>(2) * (width + 2));
        bests_.reset(static_cast<std::size_t>(2) * (width + 2));
        bias_.reset(16 * 8);
        repeats_.reset(std::size_t{1} << kRepeatBits);
        Shape shape;
        std::memset(&shape, 0, sizeof shape);
        shape.experts = 4 + predictors_ + 1 + 3;
        scale_m_ = kLevels * predictors_;
        scale_b0_ = scale_m_ + kLevels * 6;
        scale_b1_ = scale_b0_ + kLevels * 6;
        scale_b2_ = scale_b1_ + 192;
        scale_w_ = scale_b2_ + 16 * 12;
        scale_p_ = scale_w_ + kLevels * 6;
        scale_l_ = scale_p_ + kLevels * 4;
        scale_r_ = scale_l_ + kLevels * 4;
        shape.scales = scale_r_ + 32;
        shape.contexts = kContexts;
        shape.log2_slots = 10;
        while (shape.log2_slots < 17 && (static_cast<std::int64_t>(plane.width) * plane.height >> shape.log2_slots) > 1) ++shape.log2_slots;
        const int sets[kStaticSets] = {64, 64, 512, 16, 48 * 48, 256, 4};
        const bool by_depth[kStaticSets] = {true, true, false, true, false, false, true};
        for (int k = 0; k < kStaticSets; ++k) shape.sets[k] = sets[k], shape.by_depth[k] = by_depth[k];
        shape.corrections[0] = 512;
        shape.corrections[1] = 8;
        shape.seconds = 64;
        shape.bits = bits;
        shape.wide = wide;
        shape.lowest = plane.low;
        span_ = plane.high - plane.low + 1;
        if (!wide) {
            shape.laws = 2;
            if (planes_ == 0) {
                counts_[0].reset(1, span_), counts_[1].reset(span_, span_);
            } else if (planes_ == 1) {
                counts_[0].reset(first->span_, span_), counts_[1].reset(1, 512);
            } else {
                counts_[0].reset(static_cast<std::size_t>(first->span_) * second->span_, span_), counts_[1].reset(512, 512);
            }
        }
        laws_ = shape.laws;
        shape.factors = laws_ > 0 && planes_ == 2;
        shape.laws += shape.factors;
        engine_.take(new Engine(shape));
    }
    Raster(const Raster&) = delete;

    // Codes row y. known: its samples, or null for a Reader; either way the plane is filled in sample by sample.
    void code_row(Message& message, int y, const std::uint16_t* known) {
        clear_error_row(y);
        for (int x = 0; x < plane_.width; ++x) {
            predict(y, x);
            learn(y, x, engine_->code(message, known == nullptr ? 0 : known[x]));
        }
        engine_->end_row();
    }
    // Frees what only coding takes; the planes after this one read the samples and errors.
    void release() {
        engine_.take(nullptr);
        for (Owned<LocalBase>& local : local_) local.take(nullptr);
        for (Counts& counts : counts_) counts.reset(0, 0);
        errors_.reset(0);
        like_.reset(0);
    }
    const Plane& plane() const { return plane_; }
    // |value - best mean| in 1/64 at a place of this plane.
    const std::int32_t* blend_error(int y, int x) const { return blend_errors_.data() + static_cast<std::ptrdiff_t>(y + kPad) * blend_stride_ + x + kPad; }

private:
    static constexpr int kLevels = 64, kEdge = 2, kContexts = 30;
    static constexpr int kLikeFeatures = kLikeOwn + 2 * kLikeOther;
    static constexpr int kMostPredictors = kMostExperts;

    std::int32_t* blend_error(int y, int x) { return blend_errors_.data() + static_cast<std::ptrdiff_t>(y + kPad) * blend_stride_ + x + kPad; }
    std::int32_t* error(int y, int x) { return errors_.data() + (static_cast<std::size_t>((y + 3) % 3) * error_stride_ + x + kEdge) * lanes_; }
    std::int16_t* like_row(int feature, int y) { return like_.data() + (static_cast<std::size_t>(feature) * (kMostReach + 1) + y % (kMostReach + 1)) * like_stride_ + 16; }

    // 3.25 levels an octave of an error in 1/64, from 0.047 on.
    int level(std::int64_t error) const {
        return levels_of(log2_sixteenths(static_cast<std::uint32_t>(error + 3)));
    }
    static std::int32_t levels_of(std::int32_t sixteenths) { return clamp((sixteenths - 26) * 13 >> 6, 0, kLevels - 1); }

    // The four bits on top of a sample less its plane's lowest.
    int top(int value) const { return value >> (bits_ > 4 ? bits_ - 4 : 0); }

    void clear_error_row(int y) {
        std::memset(error(y, -kEdge), 0, sizeof(std::int32_t) * error_stride_ * lanes_);
    }

    void predict(int y, int x);
    void learn(int y, int x, int value);
    void find_laws(int y, int x, int W);
    void contexts_of_neighbours(int y, int x);
    void contexts_of_mean(int y, int x, int mr, int kq, int ksp, int kg);
    template <typename... Values>
    void put(int context, int reference, Values... values);

    Plane& plane_;
    const Raster *first_, *second_;
    const ColourSet* reached_;
    int planes_, bits_, deep_;
    int reach_ = 0, locals_ = 0, recursives_ = 0, squares_ = 0, blended_ = 0, cheap_ = 0, predictors_ = 0, lanes_ = 0;
    Owned<LocalBase> local_[4];
    Recursive recursive_[3];
    int recursive_own_[3] = {}, recursive_other_[3] = {};
    alignas(32) double recursive_row_[3][56] = {};
    double recursive_weight_ = 0.0;
    Features features_;
    int error_stride_ = 0, like_stride_ = 0, blend_stride_ = 0;
    Buffer<std::int32_t> errors_;
    Buffer<std::int16_t> like_;
    Buffer<std::int32_t> blend_errors_;
    Buffer<std::int32_t> costs_, bests_;
    struct Bias {
        std::int32_t sum, count;
    };
    Buffer<Bias> bias_;
    Bias* bias_now_ = nullptr;
    std::int32_t blend_ = 0, best_mean_ = 0;
    alignas(64) std::int32_t mean_[kMostPredictors] = {}, local_error_[kMostPredictors] = {};
    int best_ = 0;
    static constexpr int kRepeatBits = 16;
    Buffer<std::int32_t> repeats_;
    std::int32_t* repeat_slot_ = nullptr;
    int repeat_ = -1, repeated_ = -1, run_ = 0;
    std::uint32_t scale_m_ = 0, scale_b0_ = 0, scale_b1_ = 0, scale_b2_ = 0, scale_w_ = 0, scale_p_ = 0, scale_l_ = 0, scale_r_ = 0;
    Owned<Engine> engine_;
    Counts counts_[kMostLaws];
    std::uint16_t* row_[kMostLaws] = {};
    int shift_[kMostLaws] = {}, laws_ = 0, span_ = 0;
};

inline std::uint32_t mixed(std::uint32_t hash, int value) {
    hash = (hash ^ static_cast<std::uint32_t>(value)) * 0x9E3779B1u;
    return hash ^ (hash >> 15);
}

// The rows of counts for a place, of which those near W are asked for.
inline void Raster::find_laws(int y, int x, int W) {
    if (planes_ == 0) {
        row_[0] = counts_[0].row(0), row_[1] = counts_[1].row(W - plane_.low);
        shift_[0] = shift_[1] = 0;
    } else {
        const int c = *first_->plane_.at(y, x), c2 = planes_ > 1 ? *second_->plane_.at(y, x) : 0;
        const std::size_t key = planes_ == 1 ? c - first_->plane_.low : static_cast<std::size_t>(c - first_->plane_.low) * second_->span_ + (c2 - second_->plane_.low);
        row_[0] = counts_[0].row(key);
        shift_[0] = 0;
        // by value less the first plane: index 256 + v - c
        row_[1] = counts_[1].row(planes_ == 1 ? 0 : 256 + c2 - c);
        shift_[1] = 256 + plane_.low - c;
    }
    const int near = W - plane_.low - kLawPad / 2;
    for (int i = 0; i < laws_; ++i)
        for (int k = 0; k < kLawPad; k += 32) ask(row_[i] + shift_[i] + near + k);
}

inline int median(int a, int b, int c) { return larger(smaller(a, b), smaller(larger(a, b), c)); }

inline void Raster::predict(int y, int x) {
    const std::uint16_t* s = plane_.at(y, x);
    const std::ptrdiff_t up = plane_.stride;
    const int low64 = plane_.low * kUnit, high64 = plane_.high * kUnit;
    const int W = s[-1], N = s[-up], NW = s[-up - 1], NE = s[-up + 1], WW = s[-2], NN = s[-2 * up], NNE = s[-2 * up + 1], NEE = s[-up + 2];
    const int NWW = s[-up - 2], NNW = s[-2 * up - 1], NNWW = s[-2 * up - 2], NNEE = s[-2 * up + 2], WWW = s[-3], NNN = s[-3 * up];
    const std::uint16_t* p1 = first_ != nullptr ? first_->plane_.at(y, x) : nullptr;

    // What comes from far away is asked for first.
    contexts_of_neighbours(y, x);
    {
        std::uint32_t hash = static_cast<std::uint32_t>(W);
        for (const int v : {N, NW, NE, static_cast<int>(p1 != nullptr ? p1[0] : WW), static_cast<int>(p1 != nullptr ? p1[1] : NN)}) hash = mixed(hash, v);
        repeat_slot_ = &repeats_[(hash * 0x85EBCA6Bu) >> (32 - kRepeatBits)];
        ask(repeat_slot_);
    }
    if (laws_ > 0) find_laws(y, x, W);

    // Features and how alike the places of the window are.
    const std::uint16_t* sources[3] = {s, nullptr, nullptr};
    if (first_ != nullptr) sources[1] = p1;
    if (second_ != nullptr) sources[2] = second_->plane_.at(y, x);
    features_.base = W + N;
    for (int i = 0; i < kOwns; ++i) features_.own[i] = 2 * s[kOwn[i].dy * up + kOwn[i].dx] - features_.base;
    for (int p = 0; p < planes_; ++p) {
        const std::uint16_t* o = sources[p + 1];
        const int base = o[-1] + o[-up];
        for (int i = 0; i < kOthers; ++i) features_.other[p][i] = 2 * o[kOther[i].dy * up + kOther[i].dx] - base;
    }
    alignas(64) std::int16_t likeness[(kMostReach + 1) * kLikeLanes];
    {
        std::int16_t like[kLikeFeatures];
        int n = 0;
        for (int p = 0; p < planes_; ++p)
            for (int i = 0; i < kLikeOther; ++i) like[n++] = static_cast<std::int16_t>(features_.other[p][i] >> deep_);
        for (int i = 0; i < kLikeOwn; ++i) like[n++] = static_cast<std::int16_t>(features_.own[i] >> deep_);
        for (int i = 0; i < n; ++i) like_row(i, y)[x] = like[i];
        const int reach = smaller(y, reach_);
        const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(kMostReach + 1) * like_stride_;
        for (int dy = 0; dy <= reach; ++dy) {
            const std::int16_t* rows = like_row(0, y - dy) + x - kMostReach;
            // 16 columns are all for a reach up to 7.
            if (reach_ < kMostReach) distances<16>(rows, stride, like, n, likeness + dy * kLikeLanes);
            else distances<kLikeLanes>(rows, stride, like, n, likeness + dy * kLikeLanes);
        }
    }
    for (int i = 0; i < locals_; ++i) mean_[i] = local_[i]->predict(features_, y, x, likeness, low64, high64);
    {
        std::int32_t spread = 0;
        for (int i = 0; i < 4; ++i) spread += features_.own[i] < 0 ? -features_.own[i] : features_.own[i];
        const double shrink = 1.0 / (1 << deep_);
        const double en = spread / 8.0 * shrink;
        recursive_weight_ = 1.0 / (en * en + 1.0);
        for (int r = 0; r < recursives_; ++r) {
            double* f = recursive_row_[r];
            int n = 0;
            for (int p = 0; p < planes_; ++p)
                for (int i = 0; i < recursive_other_[r]; ++i) f[n++] = features_.other[p][i] * (0.5 * shrink);
            for (int i = 0; i < recursive_own_[r]; ++i) f[n++] = features_.own[i] * (0.5 * shrink);
            f[n] = 0.0;
            if ((x + y) % recursive_[r].every() == 0) recursive_[r].solve_now();
            mean_[locals_ + r] = rounded(recursive_[r].predict(f) / shrink + 0.5 * features_.base, low64, high64);
        }
    }

    // Cheap predictors, in samples or halves or quarters, the blended six first.
    {
        std::int32_t* q = mean_ + squares_;
        if (first_ == nullptr) {
            q[0] = 64 * (W + N - NW), q[1] = 64 * (N + NE - NNE), q[2] = 64 * (W + NE - N), q[3] = 64 * (2 * N - NN), q[4] = 64 * (2 * W - WW), q[5] = 32 * (W + NEE);
            q[16] = 32 * (N + W), q[17] = 32 * (N + NE), q[18] = 64 * NW, q[19] = 16 * (W + N + NW + NE), q[20] = 64 * W + 32 * (NE - NW), q[21] = 64 * N + 32 * (W - NW);
            q[22] = 64 * NN, q[23] = 64 * WW;
        } else {
            const int c = p1[0], dW = c - p1[-1], dN = c - p1[-up], dNW = c - p1[-up - 1], dNE = c - p1[-up + 1], dNN = c - p1[-2 * up], dWW = c - p1[-2];
            q[0] = 32 * (W + dW + N + dN), q[1] = 64 * (N + dN), q[2] = 64 * (W + dW), q[3] = 64 * (W + N - NW + dW + dN - dNW), q[4] = 64 * (NE + dNE), q[5] = 64 * (W + N - NW);
            q[16] = 64 * c, q[17] = 64 * median(W + dW, N + dN, W + N - NW + dW + dN - dNW), q[18] = 64 * (NW + dNW), q[19] = 64 * (2 * N - NN + 2 * dN - dNN);
            q[20] = 64 * (2 * W - WW + 2 * dW - dWW), q[21] = 64 * (W + NE - N + dW + dNE - dN), q[22] = 16 * (W + dW + N + dN + NW + dNW + NE + dNE);
            q[23] = 32 * (W + N + (dW + dN) / 2);
        }
        q[6] = 64 * W, q[7] = 64 * N, q[8] = 64 * NE, q[9] = 64 * (3 * W - 3 * WW + WWW), q[10] = 64 * (3 * N - 3 * NN + NNN), q[11] = 64 * median(W, N, W + N - NW);
        q[12] = 64 * (2 * NW - NNWW), q[13] = 64 * (2 * NE - NNEE), q[14] = 64 * (W + NW - NWW), q[15] = 64 * (N + NW - NNW);
        // What follows if a sample above, or beside one above, is a rounded average of its two or four neighbours, of which this is the last
        // one to come; and the average of neighbours of which the last one follows so.
        if (cheap_ > kCheap) {
            const int east = 4 * NE - NNE - N - NEE;
            q[24] = 64 * (2 * N - NN), q[25] = 64 * (2 * W - WW), q[26] = 64 * (4 * N - NN - NW - NE), q[27] = 64 * (4 * NW - NNWW - NN - WW);
            q[28] = 32 * (W + 2 * NE - NNE), q[29] = 21 * (W + N + east), q[30] = 32 * (4 * N - NNW - NNE), q[31] = 64 * east;
        }
        for (int i = 0; i < cheap_; ++i) q[i] = clamp(q[i], low64, high64);
    }

    // How wrong each was nearby, in 1/64, eight times over.
    {
        const std::int32_t *eW = error(y, x - 1), *eN = error(y - 1, x), *eNW = error(y - 1, x - 1), *eNE = error(y - 1, x + 1), *eWW = error(y, x - 2), *eNN = error(y - 2, x);
        for (int i = 0; i < lanes_; ++i) local_error_[i] = 2 * (eW[i] + eN[i]) + eNW[i] + eNE[i] + eWW[i] + eNN[i];
    }
    // The same of the four nearest samples of the same phase of a 2x2 grid.
    int phase_best = 0;
    std::int32_t phase_error;
    {
        const std::int32_t *eWW = error(y, x - 2), *eNN = error(y - 2, x), *eNW = error(y - 2, x - 2), *eNE = error(y - 2, x + 2);
        std::int32_t q[kMostPredictors];
        for (int i = 0; i < lanes_; ++i) q[i] = eWW[i] + eNN[i] + eNW[i] + eNE[i];
        phase_best = first_least(q, predictors_);
        phase_error = q[phase_best];
    }
    std::int64_t weighted = 0, weights = 0;
    for (int i = 0; i < blended_; ++i) {
        const std::uint32_t t = smaller((local_error_[i] >> deep_) + 64, 32768);
        const std::int64_t w = (std::uint32_t{1} << 28) / (t * t >> 8);
        weighted += w * mean_[i];
        weights += w;
    }
    blend_ = static_cast<std::int32_t>((weighted + weights / 2) / weights);
    best_ = first_least(local_error_, predictors_);

    // What contexts are made of.
    const std::int32_t* be = blend_error(y, x);
    const std::ptrdiff_t bs = blend_stride_;
    const std::int64_t past = 2 * (static_cast<std::int64_t>(be[-1]) + be[-bs]) + be[-bs - 1] + be[-bs + 1] + be[-2] + be[-2 * bs];
    const std::int64_t en = (past + 19) * 31 >> 8;
    std::int64_t ecr = 0;
    if (first_ != nullptr) {
        const std::int32_t* fe = first_->blend_error(y, x);
        ecr = (2 * static_cast<std::int64_t>(fe[0]) + fe[-1] + fe[1] + fe[-bs] + fe[bs]) / 6;
    }
    std::int32_t sp = 0;
    for (int i = 0; i < squares_; ++i) sp = larger(sp, mean_[i] > blend_ ? mean_[i] - blend_ : blend_ - mean_[i]);
    const int grad = (W > NW ? W - NW : NW - W) + (N > NW ? N - NW : NW - N) + (N > NE ? N - NE : NE - N);
    const int kq = level(en), klq = smaller(kq / 2, 15);
    const int ksp = clamp(((log2_sixteenths(static_cast<std::uint32_t>((sp >> deep_) + 6)) - 96) * 3 >> 5) + 4, 0, 7);
    const int kg = smaller(floor_log2(static_cast<std::uint32_t>((grad >> deep_) + 1)), 7);
    const int k3 = first_ == nullptr ? smaller(kg, 5)
                                                                      : clamp(((log2_sixteenths(static_cast<std::uint32_t>(ecr + 19)) - log2_sixteenths(static_cast<std::uint32_t>(en + 19))) * 3 >> 5) + 3, 0, 5);
    const int ke = clamp((log2_sixteenths(static_cast<std::uint32_t>((ecr >> deep_) + 6)) - 96 + 24) >> 4, 0, 2);
    const int place = static_cast<int>((static_cast<std::int64_t>(blend_ - low64) * 8) / (high64 - low64 + kUnit));

    bias_now_ = &bias_[static_cast<std::size_t>(klq * 8 + (N * kUnit > blend_) + 2 * (W * kUnit > blend_) + 4 * (NE * kUnit > blend_))];
    best_mean_ = clamp(blend_ + bias_now_->sum / (bias_now_->count + 4), low64, high64);
    const int mr = (best_mean_ + kUnit / 2) >> 6;

    Site& site = engine_->site();
    site.low = plane_.low, site.high = plane_.high + 1;
    site.mean[0] = best_mean_;
    site.scale[0] = scale_b0_ + level(((7 * en + 3 * (sp + grad * kUnit / 10)) / 10)) * 6 + k3;
    site.mean[1] = best_mean_;
    site.scale[1] = scale_b1_ + (ksp * 8 + kg) * 3 + ke;
    site.mean[2] = best_mean_;
    site.scale[2] = scale_b2_ + klq * 12 + place;
    site.mean[3] = blend_;
    site.scale[3] = scale_m_ + kq * 6 + k3;
    for (int i = 0; i < predictors_; ++i) site.mean[4 + i] = mean_[i];
    for (int i = 0; i < predictors_; ++i) site.scale[4 + i] = i * kLevels + levels_of(log2_sixteenths_vector((local_error_[i] >> 3) + 3));
    std::int64_t window = 0;
    for (int dy = 0; dy <= 3; ++dy) {
        static constexpr std::int32_t kNear[4][7] = {{7, 16, 64, 0, 0, 0, 0}, {6, 12, 32, 64, 32, 12, 6}, {4, 8, 12, 16, 12, 8, 4}, {3, 4, 6, 7, 6, 4, 3}};  // 64 / distance squared
        for (int i = 0; i < (dy == 0 ? 3 : 7); ++i) window += static_cast<std::int64_t>(be[-dy * bs + i - 3]) * kNear[dy][i];
    }
    site.mean[4 + predictors_] = mean_[0];
    site.scale[4 + predictors_] = scale_w_ + level(window >> 9) * 6 + k3;

    const std::uint32_t phase = (y & 1) * 2 + (x & 1);
    site.mean[5 + predictors_] = mean_[phase_best];
    site.scale[5 + predictors_] = scale_p_ + phase * kLevels + level(phase_error >> 2);
    site.mean[6 + predictors_] = mean_[best_];
    site.scale[6 + predictors_] = scale_l_ + phase * kLevels + level(local_error_[best_] >> 3);
    // What followed the last place with these neighbours.
    {
        const bool goes_on = run_ > 0 && x > 0 && repeat_ % plane_.width != plane_.width - 1;
        repeat_ = goes_on ? repeat_ + 1 : *repeat_slot_ - 1;
        if (!goes_on) run_ = 0;
        const int expected = repeat_ >= 0 ? *plane_.at(repeat_ / plane_.width, repeat_ % plane_.width) : 0;
        repeated_ = repeat_ >= 0 ? expected : -1;
        site.mean[7 + predictors_] = repeat_ >= 0 ? expected * kUnit : best_mean_;
        site.scale[7 + predictors_] = scale_r_ + (repeat_ < 0 ? 31 : smaller(run_ < 16 ? run_ : 16 + floor_log2(static_cast<std::uint32_t>(run_ - 15)), 30));
    }
    site.signs[0] = W, site.signs[1] = N, site.signs[2] = NW, site.signs[3] = NE;
    site.signs[4] = first_ != nullptr ? W + p1[0] - p1[-1] : WW;
    site.signs[5] = first_ != nullptr ? N + p1[0] - p1[-up] : NN;
    site.best = best_;
    const std::int32_t* cost = costs_.data() + 1;
    const int cw = plane_.width + 2, now = (y & 1) * cw, before = ((y + 1) & 1) * cw;
    const std::int64_t spent = static_cast<std::int64_t>(2) * cost[now + x - 1] + 2 * static_cast<std::int64_t>(cost[before + x]) + cost[before + x - 1] + cost[before + x + 1];
    site.select[0] = kq;
    site.select[1] = ksp * 8 + kg;
    site.select[2] = level(ecr) * 8 + k3;
    site.select[3] = clamp((log2_sixteenths(static_cast<std::uint32_t>((spent >> 8) + 1)) - 96) >> 2, 0, 15);
    site.select[4] = bests_[now + x] * 48 + bests_[before + x + 1];
    if (first_ != nullptr) {
        const int c1 = p1[0], c2 = second_ != nullptr ? sources[2][0] : W;
        site.select[5] = top(c1 - first_->plane_.low) * 16 + (second_ != nullptr ? top(c2 - second_->plane_.low) : top(c2 - plane_.low));
    } else {
        site.select[5] = top(W - plane_.low) * 16 + top(N - plane_.low);
    }
    site.select[6] = phase;
    site.correct[0] = kq * 8 + ksp;
    site.correct[1] = kg;
    site.second = kq;
    if (laws_ > 0) {
        for (int i = 0; i < laws_; ++i) site.law[i] = row_[i] + shift_[i];
        // Green, red, blue: see Coder.
        site.reached = reached_ == nullptr ? nullptr : reached_->row(p1[0], sources[2][0]);
    }
    contexts_of_mean(y, x, mr, kq, ksp, kg);
}

template <typename... Values>
void Raster::put(int context, int reference, Values... values) {
    std::uint32_t hash = static_cast<std::uint32_t>(context + 1) * 0x85EBCA6Bu;
    ((hash = mixed(hash, values)), ...);
    engine_->histories().locate(context, hash * 0xC2B2AE35u, reference);
}

// Those that depend on neighbours alone come first, so that they are there when the regressions are done.
inline void Raster::contexts_of_neighbours(int y, int x) {
    const std::uint16_t* s = plane_.at(y, x);
    const std::ptrdiff_t up = plane_.stride;
    const int W = s[-1], N = s[-up], NW = s[-up - 1], NE = s[-up + 1], WW = s[-2], NN = s[-2 * up];
    put(0, 0, W, N);
    put(1, 0, W, N, NE, NW);
    put(3, 0, N, NN, NE);
    put(4, 0, W);
    put(5, 0, N);
    put(7, 0, W, N, NE, NW, WW, NN);
    put(8, 0, W >> 3, N >> 3, NE >> 3, NW >> 3, WW >> 3, NN >> 3, static_cast<int>(s[-up + 2]) >> 3);
    put(13, N, W - N, N - NW, N - NE);
    put(14, N, W - NW, NE - N);
    put(15, W, N - NW, W - NW);
    if (first_ == nullptr) {
        put(16, 0, W, WW);
        put(17, 0, N, NE);
        put(21, 0, W + N - NW);
        put(22, 0, W, NE);
        put(23, 0, NW, NE);
        put(24, 0, NN, static_cast<int>(s[-3 * up]));
        put(27, W, W - WW, N - NW);
        put(28, N, N - NN, W - NW);
    } else {
        const std::uint16_t* p = first_->plane_.at(y, x);
        const std::uint16_t* g = second_ != nullptr ? second_->plane_.at(y, x) : p;
        const int c = p[0], c2 = g[0], cW = p[-1], cN = p[-up], dW = c - cW, dN = c - cN;
        put(16, 0, c, c2);
        put(17, 0, c, W);
        put(18, 0, c, c2, W);
        put(19, 0, c, c2, N);
        put(21, W, W, dW);
        put(22, N, N, dN);
        put(24, c, c - c2);
        put(26, c, W - cW, N - cN);
        put(27, c, dW, dN, c - p[1], c - p[up]);
        put(28, c, c - c2, W - cW, cW - g[-1]);
    }
}

inline void Raster::contexts_of_mean(int y, int x, int mr, int kq, int ksp, int kg) {
    const std::uint16_t* s = plane_.at(y, x);
    const std::ptrdiff_t up = plane_.stride;
    const int W = s[-1], N = s[-up], NW = s[-up - 1], NE = s[-up + 1], WW = s[-2], NN = s[-2 * up];
    put(2, 0, mr, kq / 4);
    put(6, 0, mr, NE);
    put(9, mr, kq, ksp, kg);
    put(10, mr, (W - mr) >> 1, (N - mr) >> 1, (NE - mr) >> 1, (NW - mr) >> 1);
    put(11, mr, (W - mr) / 3, (N - mr) / 3, (NE - mr) / 3, (NW - mr) / 3, (NN - mr) / 4, (WW - mr) / 4);
    put(12, mr, W - mr, N - mr);
    if (first_ == nullptr) {
        const int ls = (mean_[0] + kUnit / 2) >> 6, ls2 = mean_[0] >> 5;
        put(18, 0, mr, W);
        put(19, 0, mr, N);
        put(20, 0, ls2);
        put(25, ls, W - ls, N - ls, NE - ls);
        put(26, ls, kq, ls2 & 1, (W > ls) + 2 * (N > ls) + 4 * (NE > ls));
        put(29, mr, mr - N, mr - W, NE - N);
    } else {
        const std::uint16_t* p = first_->plane_.at(y, x);
        const int c = p[0], c2 = second_ != nullptr ? *second_->plane_.at(y, x) : c;
        put(20, 0, c, c2, mr);
        put(23, 0, c, mr);
        put(25, c, c - c2, mr - c);
        put(29, mr, (p[1] - c) / 2, (p[up] - c) / 2, kq / 4);
    }
    static_assert(kContexts == 30, "");
}

inline void Raster::learn(int y, int x, int value) {
    plane_.put(y, x, value);
    std::int32_t* e = error(y, x);
    const std::int32_t v64 = value * kUnit;
    for (int i = 0; i < predictors_; ++i) e[i] = v64 > mean_[i] ? v64 - mean_[i] : mean_[i] - v64;
    *blend_error(y, x) = v64 > best_mean_ ? v64 - best_mean_ : best_mean_ - v64;
    bias_now_->sum += v64 - blend_;
    if (++bias_now_->count > 200) bias_now_->sum /= 2, bias_now_->count /= 2;
    for (int i = 0; i < locals_; ++i) local_[i]->learn(y, x, value);
    const double target = (2 * value - features_.base) * (0.5 / (1 << deep_));
    for (int r = 0; r < recursives_; ++r) {
        double* f = recursive_row_[r];
        const int n = recursive_own_[r] + recursive_other_[r] * planes_;
        f[n] = target;
        recursive_[r].learn(f, recursive_weight_);
        f[n] = 0.0;
    }
    for (int i = 0; i < laws_; ++i) counts_[i].add(row_[i], value - plane_.low + shift_[i]);
    run_ = value == repeated_ ? smaller(run_ + 1, 1 << 20) : 0;
    *repeat_slot_ = y * plane_.width + x + 1;
    const int cw = plane_.width + 2;
    costs_[static_cast<std::size_t>((y & 1) * cw + x + 1)] = engine_->cost();
    bests_[static_cast<std::size_t>((y & 1) * cw + x + 1)] = best_;
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
