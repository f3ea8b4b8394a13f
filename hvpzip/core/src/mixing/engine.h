// The mixing engine: one sample as a sequence of binary decisions, each coded with a probability that all experts make together.
// Integer arithmetic only: this file reaches the bit stream. docs/format.md has the specification.
//
// The engine knows nothing of where samples lie. A *geometry* (raster.h) visits the samples in an order that it defines, makes predictions and
// contexts from what is known, fills in a Site for each sample, calls Engine::code with it, and learns from the value that comes back. So a
// second geometry plugs in by
//   1. keeping one Engine for each set of samples that shares what is learnt (raster: each plane; a cascade: each unit and channel, say);
//   2. filling the same Site: expert means with a scale context each, hashes and references of exact-value contexts, weight-set selectors;
//   3. further experts that are distributions rather than means (a network's mixture, counts of colours) through Site::law: see Law.
// Encoder and decoder are this one piece of code: a Message's `code(bit, p)` takes the bit and gives it back (Decisions), or finds it (Reader,
// which ignores what it is given).
#pragma once

#include "mixing/histories.h"
#include "mixing/lanes.h"
#include "mixing/laws.h"
#include "mixing/message.h"
#include "mixing/mixer.h"
#include "mixing/numeric.h"

namespace hvpzip::mixing::HVPZIP_ISA {

constexpr int kMostExperts = 48;  // means; a multiple of 8
constexpr int kSigns = 6;
constexpr int kNodes = 64, kDepths = 6;
constexpr int kHalving = 12;  // from this depth on intervals are cut in the middle, so that a sample never takes more than 28 decisions
constexpr int kStaticSets = 7;

// What a geometry says of one sample. Samples and intervals are unsigned.
struct Site {
    int low, high;                          // it is in [low, high)
    std::int32_t mean[kMostExperts];        // in 1/64, the base expert first
    std::uint32_t scale[kMostExperts];      // index of a scale context
    int signs[kSigns];                      // values whose being above or below an interval's middle selects
    std::int32_t best;                      // the predictor that was best here, 0..47: selects with the base expert's logit
    std::uint32_t select[kStaticSets];      // context of each static weight set; those marked below are combined with the depth
    std::uint32_t correct[2];               // contexts of two corrections
    std::uint32_t second;                   // context of the second layer
    const std::uint16_t* law[kMostLaws];    // counts by value less the shape's lowest, see Law
    const std::uint8_t* reached;            // see kinds_by_counts
    std::int16_t kinds[kLawWindow];         // see Shape::own_kinds
};

// Sizes that a geometry fixes once.
struct Shape {
    int experts;
    int scales;                              // number of scale contexts
    int contexts;                            // exact-value contexts
    int log2_slots;
    int sets[kStaticSets];                   // contexts of each static weight set
    bool by_depth[kStaticSets];              // whether the depth is added to it
    int corrections[2];
    int seconds;
    int bits;                                // of a sample
    bool wide;                               // whether some may be above 255
    int laws;                                // experts after those with means
    bool factors;                            // whether the last of them is a FactorLaw, whose kinds come from the first two
    bool own_kinds;                          // but the geometry says its kinds, of the values in law_window(), and afterwards of what factors().lacks()
    int lowest;                              // of all samples; law[i][v - lowest] are counts
};

class Engine {
public:
    // starts: what weights and scales begin with, or null: as `learnt` gives them, weights in 2^-12 and scales by class. 16 bits are the lower byte first.
    explicit Engine(const Shape& shape, const std::uint8_t* starts = nullptr) : shape_(shape), t_(tables()) {
        experts_ = shape.experts;
        padded_experts_ = (experts_ + shape.laws + 7) / 8 * 8;
        padded_contexts_ = (shape.contexts + 7) / 8 * 8;
        inputs_ = (padded_experts_ + 2 * padded_contexts_ + kExtra + padded_experts_ + 15) / 16 * 16;
        if (inputs_ > kMostInputs) throw std::bad_alloc();
        histories_.reset(shape.contexts, shape.log2_slots, shape.wide);
        scales_.reset(shape.scales);
        const std::uint8_t* const shares = starts == nullptr ? nullptr : starts + 2 * inputs_;
        const std::uint8_t* const classes = starts == nullptr ? nullptr : shares + 2 * kSets;
        for (int i = 0; i < shape.scales; ++i) scales_[i].mean = starts == nullptr ? 8 * kUnit * 16 : ((16 + (classes[i] & 15)) << (classes[i] >> 4)) >> 4;
        Buffer<std::int32_t> start(inputs_);
        start[0] = static_cast<std::int32_t>(0.9 * 268435456.0);
        for (int i = 1; i < experts_; ++i) start[i] = static_cast<std::int32_t>(0.3 * 268435456.0) / (experts_ - 1);
        if (starts != nullptr)
            for (int i = 0; i < inputs_; ++i) start[i] = weight_of(starts + 2 * i);
        for (int k = 0; k < kStaticSets; ++k) first_[k].reset(shape.sets[k] * (shape.by_depth[k] ? kDepths : 1), inputs_, start.data());
        const int dynamic[kDynamicSets] = {kNodes * kDepths, 64 * kDepths, 16 * 48, 64, 64 * kDepths, 16 * kNodes, 256};
        for (int k = 0; k < kDynamicSets; ++k) first_[kStaticSets + k].reset(dynamic[k], inputs_, start.data());
        Buffer<std::int32_t> share(16);
        for (int k = 0; k < kSets; ++k) share[k] = starts == nullptr ? 268435456 / kSets : weight_of(shares + 2 * k);
        second_[0].reset(shape.seconds, 16, share.data());
        second_[1].reset(kNodes, 16, share.data());
        second_[2].reset(1, 16, share.data());
        corrections_[0].reset(shape.corrections[0], t_);
        corrections_[1].reset(shape.corrections[1] * kNodes, t_);
        corrections_[2].reset(256, t_);
        corrections_[3].reset(32 * 32, t_);
        factors_.reset();
        std::memset(x_, 0, sizeof x_);
        for (int i = 0; i < kMostExperts; ++i) site_.mean[i] = 0, site_.scale[i] = 0;
    }

    void end_row() {
        if (shape_.factors) factors_.end_row();
    }
    Site& site() { return site_; }
    FactorLaw& factors() { return factors_; }
    Histories& histories() { return histories_; }
    // The mean error of a scale context in 1/1024.
    std::int32_t scale(std::uint32_t context) const { return scales_[context].mean; }
    // To which values from mean[0] / 64 - kLawWindow / 2 on the base expert gives anything, as the site stands.
    LawWindow law_window() const {
        const std::int32_t first = (site_.mean[0] >> 6) - kLawWindow / 2, limit = t_.limit[level_of(0)];
        // Where the lower end of a value is at the distance d of the mean, the next one's at d + kUnit.
        const std::int32_t distance = first * kUnit - kUnit / 2 - site_.mean[0];
        LawWindow window = {clamp((-limit - distance) / kUnit, 0, kLawWindow / 2), clamp((limit - distance + kUnit - 1) / kUnit, kLawWindow / 2 + 1, kLawWindow)};
        if (site_.low >= first) window.from = smaller(window.from, site_.low - first);  // the ends have all that lies beyond
        if (site_.high - first <= kLawWindow) window.to = larger(window.to, site_.high - first);
        return window;
    }
    // What was learnt, for starts: the mean weights of all sets, those of the second layer's, and each scale with how often it was learnt from.
    // found: inputs, kSets and twice the shape's scales; that is how many.
    std::size_t learnt(double* found) const {
        for (int i = 0; i < inputs_ + kSets; ++i) found[i] = 0.0;
        for (const WeightSets& set : first_) set.add_mean(1.0 / kSets, inputs_, found);
        for (const WeightSets& set : second_) set.add_mean(1.0 / 3, kSets, found + inputs_);
        double* scale = found + inputs_ + kSets;
        for (int i = 0; i < shape_.scales; ++i) *scale++ = scales_[i].mean, *scale++ = scales_[i].count;
        return static_cast<std::size_t>(scale - found);
    }
    // What the last sample cost, in 1/65536 of a natural unit.
    std::int32_t cost() const { return cost_; }

    // Codes one sample: `value` where it is written, anything where it is read. Returns the value.
    int code(Message& message, int value) {
        begin();
        int low = site_.low, high = site_.high, node = 1, depth = 0;
        cost_ = 0;
        int middle = high - low > 1 ? split(low, high, depth) : low;
        ask_weights(low, middle, high, node, depth);
        if (shape_.laws > 0) begin_laws();
        histories_.gather();
        while (high - low > 1) {
            logistic_cdfs(t_.logistic, middle * kUnit - kUnit / 2, site_.mean, limit_, inverse_, at_middle_, padded_experts_);
            for (int i = 0; i < shape_.laws; ++i) at_middle_[experts_ + i] = laws_[i].below(middle, at_middle_[0]);
            if (shape_.factors) at_middle_[experts_ + shape_.laws - 1] = factors_.below(middle, at_middle_[0]);
            const std::int32_t p = predict(low, middle, high, node, depth);
            const std::uint32_t chance = static_cast<std::uint32_t>(clamp<std::int32_t>((p + 8) >> 4, 1, 65535));  // of bit 1, in 1/65536
            const bool bit = message.code(value >= middle, chance);
            cost_ += 726817 - log_q16(t_, bit ? chance : 65536 - chance);
            if (bit) {
                low = middle;
                for (int i = 0; i < padded_experts_; ++i) at_low_[i] = at_middle_[i];
            } else {
                high = middle;
                for (int i = 0; i < padded_experts_; ++i) at_high_[i] = at_middle_[i];
            }
            node = smaller(2 * node + (bit ? 1 : 0), kNodes - 1);
            ++depth;
            if (high - low > 1) {
                middle = split(low, high, depth);
                ask_weights(low, middle, high, node, depth);  // while the last decision is learnt, the next one's weights come
            }
            learn_decision(bit);
        }
        learn_value(low);
        return low;
    }

private:
    static constexpr int kRowsAtOnce = 7;
    static constexpr int kDynamicSets = 7, kSets = kStaticSets + kDynamicSets;
    static constexpr int kExtra = 16, kMostInputs = 224;
    struct Scale {
        std::int32_t mean;   // mean error in 1/1024
        std::int32_t count;
    };

    static std::int32_t weight_of(const std::uint8_t* bytes) { return static_cast<std::int16_t>(bytes[0] | bytes[1] << 8) * 65536; }
    int level_of(int expert) const { return smaller(log2_sixteenths(static_cast<std::uint32_t>(4 * scales_[site_.scale[expert]].mean + 1)), kScales - 1); }

    void begin() {
        for (int i = 0; i < experts_; ++i) {
            const int level = level_of(i);
            inverse_[i] = t_.inverse[level];
            limit_[i] = t_.limit[level];
            if (i == 0) sigma_ = t_.sigma[level];
        }
        for (int i = 0; i < padded_experts_; ++i) at_low_[i] = 0, at_high_[i] = 1048576;
    }

    void begin_laws() {
        const int first = (site_.mean[0] >> 6) - kLawWindow / 2;
        const LawWindow window = law_window();
        std::int32_t base_at[kLawWindow + 8];
        logistic_cdf_steps(t_.logistic, first * kUnit - kUnit / 2 - site_.mean[0], kUnit, limit_[0], inverse_[0], base_at, kLawWindow + 8);
        for (int k = 0; k <= site_.low - first && k <= kLawWindow; ++k) base_at[k] = 0;
        for (int k = larger(site_.high - first, 0); k <= kLawWindow; ++k) base_at[k] = 1048576;
        std::int32_t known = 0;
        for (int i = 0; i < shape_.laws; ++i) {
            if (shape_.factors && i == shape_.laws - 1) {
                if (!shape_.own_kinds)
                    for (int k = window.from; k < window.to; ++k) site_.kinds[k] = kind_by_counts(first + k, laws_[0].box()[k], laws_[1].box()[k]);
                factors_.build(site_.kinds, first, base_at, window);
                at_high_[experts_ + i] = factors_.all();
                continue;
            }
            laws_[i].build(site_.law[i] - shape_.lowest, first, 32, base_at, window);
            at_high_[experts_ + i] = laws_[i].all();
            if (i < 2) known = known * 16 + smaller(floor_log2(static_cast<std::uint32_t>(laws_[i].mass() + 1)), 15);
        }
        known_ = known;
    }

    std::int16_t kind_by_counts(int v, std::int32_t box, std::int32_t near) const {
        return HVPZIP_ISA::kind_by_counts(v, site_.law[0][v - shape_.lowest], box, site_.law[1][v - shape_.lowest], near, site_.reached);
    }

    // The first value of the upper part: where the base expert's conditional median is.
    int split(int low, int high, int depth) const {
        if (depth >= kHalving) return (low + high) >> 1;
        const std::int32_t t = clamp((at_low_[0] + at_high_[0]) >> 1, 1, 1048575);
        const std::int64_t logit = log_q16(t_, t) - log_q16(t_, 1048576 - t);
        const std::int64_t median = site_.mean[0] + ((logit * sigma_) >> 22);
        return static_cast<int>(clamp<std::int64_t>((median + kUnit) >> 6, low + 1, high - 1));
    }

    // The weight sets of a decision, but for the two that depend on what predicts it. Returns where the middle lies, in 64ths.
    int choose(int low, int middle, int high, int node, int depth, int* chosen) const {
        const int dd = smaller(depth, kDepths - 1);
        int signs = 0;
        for (int i = 0; i < kSigns; ++i) signs = 2 * signs + (site_.signs[i] >= middle ? 1 : 0);
        for (int k = 0; k < kStaticSets; ++k) chosen[k] = shape_.by_depth[k] ? static_cast<int>(site_.select[k]) * kDepths + dd : static_cast<int>(site_.select[k]);
        const int place = static_cast<int>((static_cast<std::int64_t>(middle - site_.low) << 6) / (site_.high - site_.low));
        int* dynamic = chosen + kStaticSets;
        dynamic[0] = node * kDepths + dd;
        dynamic[1] = signs * kDepths + dd;
        dynamic[4] = place * kDepths + dd;
        dynamic[5] = smaller(floor_log2(static_cast<std::uint32_t>(high - low)), 15) * kNodes + node;
        dynamic[6] = known_;
        return place;
    }
    void ask_weights(int low, int middle, int high, int node, int depth) const {
        int chosen[kSets];
        choose(low, middle, high, node, depth, chosen);
        for (int k = 0; k < kSets; ++k)
            if (k != kStaticSets + 2 && k != kStaticSets + 3) first_[k].ask_upper(chosen[k]);
    }

    std::int32_t predict(int low, int middle, int high, int node, int depth) {
        const std::int32_t* mantissa = t_.log_mantissa;
        conditional_logits(mantissa, at_low_, at_middle_, at_high_, logit_, padded_experts_);
        const std::int32_t base = logit_[0];
        const int place = choose(low, middle, high, node, depth, chosen_);
        int* dynamic = chosen_ + kStaticSets;
        dynamic[2] = clamp((base + 1024) >> 7, 0, 15) * 48 + site_.best;
        first_[kStaticSets + 2].ask_upper(dynamic[2]);
        const auto coarse = [&](int i) { return clamp((logit_[i] - base + 1024) >> 6, 0, 31); };
        const int corrected_by[4] = {static_cast<int>(site_.correct[0]), static_cast<int>(site_.correct[1]) * kNodes + node, place * 4 + smaller(depth, 3),
                                     shape_.laws > 0 ? coarse(experts_) * 32 + coarse(experts_ + shape_.laws - 1) : 0};
        for (int k = 0; k < 4; ++k) corrections_[k].ask_about(corrected_by[k], base * 16);
        for (int i = 1; i < padded_experts_; ++i) x_[i] = static_cast<std::int16_t>(clamp(logit_[i] - base, -kLogitMost, kLogitMost));
        for (int i = experts_ + shape_.laws; i < padded_experts_; ++i) x_[i] = 0;
        x_[0] = static_cast<std::int16_t>(base);
        const std::int32_t p_base = logistic_q20(t_.logistic, base * 16);

        // Exact-value contexts.
        histories_.count(low, middle, high, below_, above_);
        const std::int32_t one = (p_base >> 10) + 20, zero = 1024 - (p_base >> 10) + 20;
        std::int16_t* xc = x_ + padded_experts_;
        std::int16_t* xd = xc + padded_contexts_;
        std::int32_t only_below = 0, only_above = 0;
        for (int c = 0; c < padded_contexts_; ++c) {
            const std::int32_t z = ((log_q16_vector(mantissa, (above_[c] << 4) + one) - log_q16_vector(mantissa, (below_[c] << 4) + zero)) >> 8) - base;
            const std::int32_t seen = above_[c] + below_[c] > 0 ? -1 : 0;
            const std::int32_t sure = (above_[c] > 0) != (below_[c] > 0) ? -1 : 0;
            const std::int32_t bounded = clamp(z, -kLogitMost, kLogitMost) & seen;
            xc[c] = static_cast<std::int16_t>(bounded);
            xd[c] = static_cast<std::int16_t>(bounded & sure);
            only_below += (below_[c] > 0 && above_[c] == 0) ? 1 : 0;
            only_above += (above_[c] > 0 && below_[c] == 0) ? 1 : 0;
        }
        std::int16_t* xe = xd + padded_contexts_;
        xe[0] = 77;                                                              // 0.3
        xe[1] = static_cast<std::int16_t>((p_base - 524288) >> 10);              // 2 (p - 0.5)

        std::int16_t* xl = xe + kExtra;
        probabilities_less(t_.logistic, logit_, p_base, xl, padded_experts_);
        for (int i = experts_ + shape_.laws; i < padded_experts_; ++i) xl[i] = 0;
        dynamic[3] = smaller((only_below + 1) / 2, 7) * 8 + smaller((only_above + 1) / 2, 7);
        static_assert(kSets % kRowsAtOnce == 0, "");
        for (int k = 0; k < kSets; k += kRowsAtOnce) {
            const std::int16_t* upper[kRowsAtOnce];
            for (int i = 0; i < kRowsAtOnce; ++i) upper[i] = first_[k + i].upper(chosen_[k + i]);
            dots<kRowsAtOnce>(upper, x_, inputs_, logits_ + k);
            for (int i = 0; i < kRowsAtOnce; ++i) first_[k + i].ask_lower(chosen_[k + i]);
        }
        for (int k = 0; k < kSets; ++k) {
            logits_[k] = WeightSets::logit_of(logits_[k]);
            y_[k] = static_cast<std::int16_t>(logits_[k] >> 4);
        }
        seconds_[0] = static_cast<int>(site_.second);
        seconds_[1] = node;
        seconds_[2] = 0;
        std::int32_t sum = 0;
        for (int k = 0; k < 3; ++k) sum += logits_[kSets + k] = second_[k].logit(seconds_[k], y_);
        const std::int32_t outcome = sum / 3;
        const std::int32_t mixed = logistic_q20(t_.logistic, outcome);
        std::int32_t corrected = 0;
        for (int k = 0; k < 4; ++k) corrected += corrections_[k].read(corrected_by[k], outcome);
        return (mixed * 4 + corrected) / 8;
    }

    void learn_decision(bool bit) {
        const std::int32_t target = bit ? 65536 : 0;
        alignas(32) std::int32_t thought[kLogits];
        logistics(t_.logistic, logits_, thought, kLogits);
        for (int k = 0; k < kSets; ++k) first_[k].learn(chosen_[k], x_, target - (thought[k] >> 4), t_.first_rate);
        for (int k = 0; k < 3; ++k) second_[k].learn(seconds_[k], y_, target - (thought[kSets + k] >> 4), t_.second_rate);
        for (Correction& correction : corrections_) correction.learn(bit);
    }

    void learn_value(int value) {
        for (int i = 0; i < experts_; ++i) {
            Scale& scale = scales_[site_.scale[i]];
            const std::int64_t error = value * kUnit - site_.mean[i];
            scale.mean += static_cast<std::int32_t>((((error < 0 ? -error : error) << 4) - scale.mean) * t_.mean_rate[scale.count] >> 16);
            if (scale.count < 127) ++scale.count;
        }
        histories_.learn(value);
        if (shape_.factors) {
            factors_.learn(value);
            if (!shape_.own_kinds && factors_.lacks(value)) factors_.count(kind_by_counts(value, laws_[0].box_at(value), laws_[1].box_at(value)));
        }
    }

    const Shape shape_;
    const Tables& t_;
    int experts_ = 0, padded_experts_ = 0, padded_contexts_ = 0, inputs_ = 0;
    std::int32_t sigma_ = 0, cost_ = 0;
    Site site_;
    Histories histories_;
    Buffer<Scale> scales_;
    Law laws_[kMostLaws];
    FactorLaw factors_;
    std::int32_t known_ = 0;
    WeightSets first_[kSets], second_[3];
    Correction corrections_[4];
    alignas(64) std::int32_t inverse_[kMostExperts] = {}, limit_[kMostExperts] = {};
    alignas(64) std::int32_t at_low_[kMostExperts] = {}, at_middle_[kMostExperts] = {}, at_high_[kMostExperts] = {}, logit_[kMostExperts] = {};
    alignas(64) std::int32_t below_[kMostContexts] = {}, above_[kMostContexts] = {};
    alignas(64) std::int16_t x_[kMostInputs];
    alignas(64) std::int16_t y_[16] = {};
    static constexpr int kLogits = (kSets + 3 + 7) / 8 * 8;
    alignas(32) std::int32_t logits_[kLogits] = {};  // of the first layer, then of the second
    int chosen_[kSets] = {}, seconds_[3] = {};
};

}  // namespace hvpzip::mixing::HVPZIP_ISA
