// Integer arithmetic only: this file reaches the bit stream.

#include "ans/mixture.h"

#include "threads.h"

namespace hvpzip {

namespace {

constexpr int64_t LEAST_SYMBOLS = 4096;  // worth a thread

}  // namespace

HVPZIP_WIDE bool is_mixture(const Mixtures& mixtures) {
    constexpr int64_t BLOCK = 256;
    for (int64_t begin = 0; begin < mixtures.n; begin += BLOCK) {
        const int64_t many = std::min(BLOCK, mixtures.n - begin);
        int64_t total[BLOCK] = {};
        bool good = true;
        for (int64_t k = 0; k < mixtures.components; ++k) {
            const int64_t* mean = mixtures.mean + k * mixtures.n + begin;
            const int16_t* scale = mixtures.scale + k * mixtures.n + begin;
            const int32_t* weight = mixtures.weight + k * mixtures.n + begin;
            for (int64_t b = 0; b < many; ++b) good &= mean[b] > -POSITION_LIMIT && mean[b] < POSITION_LIMIT;
            for (int64_t b = 0; b < many; ++b) good &= scale[b] >= 0 && scale[b] < NUM_SCALES;
            for (int64_t b = 0; b < many; ++b) {
                good &= weight[b] >= 1;
                total[b] += weight[b];
            }
        }
        for (int64_t b = 0; b < many; ++b) good &= total[b] == int64_t{1} << WEIGHT_BITS;
        if (!good) return false;
    }
    return true;
}

bool is_mixture(const Mixtures& mixtures, int64_t i) {
    int64_t total = 0;
    bool good = true;
    for (int64_t k = 0; k < mixtures.components; ++k) {
        const int64_t at = k * mixtures.n + i;
        good &= mixtures.mean[at] > -POSITION_LIMIT && mixtures.mean[at] < POSITION_LIMIT && mixtures.scale[at] >= 0 &&
                mixtures.scale[at] < NUM_SCALES && mixtures.weight[at] >= 1;
        total += mixtures.weight[at];
    }
    return good && total == int64_t{1} << WEIGHT_BITS;
}

void fill_cumulative(const Mixtures& mixtures, const GaussianTables& tables, const Alphabets& alphabets, const int64_t* symbol, int64_t spacing,
                     int precision, int64_t* result) {
    for (int64_t i = 0; i < mixtures.n; ++i) {
        // Outside the alphabet the symbol itself does not matter, and is too large to be worked with, perhaps.
        const int64_t asked = std::clamp(symbol[i], alphabets.lo[i], alphabets.lo[i] + alphabets.size[i]);
        result[i] = cumulative(mixtures, tables, i, asked * spacing - (spacing >> 1), asked - alphabets.lo[i], alphabets.size[i], precision);
    }
}

void fill_intervals(const Mixtures& mixtures, const GaussianTables& tables, const Alphabets& alphabets, const int64_t* symbol, int64_t spacing,
                    int precision, int64_t threads, int64_t* start, int64_t* freq) {
    on_threads(threads, mixtures.n, LEAST_SYMBOLS, [&](int64_t, int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t edge = symbol[i] * spacing - (spacing >> 1), above = symbol[i] - alphabets.lo[i], size = alphabets.size[i];
            start[i] = cumulative(mixtures, tables, i, edge, above, size, precision);
            freq[i] = cumulative(mixtures, tables, i, edge + spacing, above + 1, size, precision) - start[i];
        }
    });
}

int64_t push_stage(uint64_t* head, uint32_t* words, const uint64_t* starts, const uint64_t* freqs, int precision, const Stage& stage) {
    int64_t position = stage.end - stage.begin;
    for (int64_t chunk = (stage.end - stage.begin - 1) / stage.lanes; chunk >= 0 && stage.end > stage.begin; --chunk) {
        const int64_t first = stage.begin + chunk * stage.lanes;
        // Lanes run downwards, so that the words of one chunk come out in the order of its lanes.
        for (int64_t lane = std::min(stage.lanes, stage.end - first) - 1; lane >= 0; --lane) {
            const uint64_t freq = freqs[first + lane];
            uint64_t state = head[lane];
            if (state >= freq << (63 - precision)) {
                words[--position] = static_cast<uint32_t>(state);
                state >>= 32;
            }
            const uint64_t quotient = state / freq;
            head[lane] = (quotient << precision) + (state - quotient * freq) + starts[first + lane];
        }
    }
    return position;
}

namespace {

// Brings the middles of the ramps of mixture i into the cache, around which its symbol is found.
HVPZIP_INLINE void prefetch_middles(const Mixtures& mixtures, const GaussianTables& tables, int64_t i) {
    for (int64_t k = 0; k < mixtures.components; ++k) {
        const int64_t at = k * mixtures.n + i;
        const Ramp ramp = tables.made(mixtures.scale[at]);
        if (ramp.values) HVPZIP_PREFETCH(ramp.phase_of(-32 - mixtures.mean[at]) + ramp.reach);
    }
}

// The mixture of one symbol on the lattice of spacing 1, with the ramps of its components found: the C(symbol) of ``cumulative``.
class Ramped {
public:
    static constexpr int64_t MOST = 8;  // components

    // Whether the mixture could be taken: all scales are tabulated, and components few.
    bool take(const Mixtures& mixtures, const GaussianTables& tables, int64_t i) {
        if (mixtures.components > MOST) return false;
        count_ = static_cast<int>(mixtures.components);
        int64_t centre = 0;
        for (int k = 0; k < count_; ++k) {
            const int64_t at = k * mixtures.n + i, distance = -32 - mixtures.mean[at];  // of symbol 0
            const Ramp ramp = tables.ramp(mixtures.scale[at]);
            if (!ramp.values) return false;
            values_[k] = ramp.phase_of(distance);
            first_[k] = (distance >> 6) + ramp.reach;
            last_[k] = 2 * ramp.reach;
            weight_[k] = mixtures.weight[at];
            centre += mixtures.mean[at] * mixtures.weight[at];
        }
        centre_ = ((centre >> WEIGHT_BITS) + 32) >> 6;
        return true;
    }

    // The symbol at the mixture's mean.
    int64_t centre() const { return centre_; }

    int64_t operator()(int64_t symbol, int64_t above, int64_t size, int precision) const {
        if (above <= 0) return 0;
        if (above >= size) return int64_t{1} << precision;
        int64_t mix = 0;
        for (int k = 0; k < count_; ++k) {
            const int64_t place = first_[k] + symbol;
            mix += place < 0 ? 0 : weight_[k] * values_[k][std::min(place, last_[k])];
        }
        return (((mix >> (MIX_BITS - precision)) * ((int64_t{1} << precision) - size)) >> precision) + above;
    }

private:
    int count_;
    int64_t centre_;
    const uint32_t* values_[MOST];
    int64_t first_[MOST], last_[MOST], weight_[MOST];
};

}  // namespace

int64_t pop_stage(uint64_t* head, const uint32_t* words, int64_t num_words, const Mixtures& mixtures, const GaussianTables& tables,
                  const Alphabets& alphabets, int64_t spacing, int precision, const Stage& stage, int64_t* symbol, int64_t* freq) {
    const uint64_t mask = (uint64_t{1} << precision) - 1;
    int64_t used = 0;
    Ramped ramped;
    for (int64_t begin = stage.begin; begin < stage.end; begin += stage.lanes) {
        const int64_t many = std::min(stage.lanes, stage.end - begin);
        for (int64_t lane = 0; lane < many; ++lane) {
            const int64_t i = begin + lane, cf = static_cast<int64_t>(head[lane] & mask), lo = alphabets.lo[i], size = alphabets.size[i];
            if (spacing == 64 && i + AHEAD < stage.end) prefetch_middles(mixtures, tables, i + AHEAD);
            int64_t low = lo, high = lo + size, start = 0, stop = int64_t{1} << precision;
            // Whether the symbol is ``middle`` or above.
            const auto look = [&](int64_t middle, auto&& at) {
                const int64_t c = at(middle);
                const bool right = c <= cf;
                low = right ? middle : low;
                start = right ? c : start;
                high = right ? high : middle;
                stop = right ? stop : c;
                return right;
            };
            const auto search = [&](auto&& at) {
                while (high - low > 1) look((low + high) >> 1, at);
            };
            if (spacing == 64 && ramped.take(mixtures, tables, i)) {
                const auto at = [&](int64_t middle) { return ramped(middle, middle - lo, size, precision); };
                // Outwards from the mean in growing steps, as most symbols are near it.
                const int64_t centre = std::clamp(ramped.centre(), low, high);
                if (look(centre, at))
                    for (int64_t step = 1; high - low > step && look(low + step, at);) step *= 2;
                else
                    for (int64_t step = 1; high - low > step && !look(high - step, at);) step *= 2;
                search(at);
            } else {
                search([&](int64_t middle) {
                    return cumulative(mixtures, tables, i, middle * spacing - (spacing >> 1), middle - lo, size, precision);
                });
            }
            symbol[i] = low;
            freq[i] = stop - start;
            if (!step_back(head[lane], start, stop - start, precision, words, num_words, used)) return num_words + 1;
        }
    }
    return used;
}

int64_t pop_table_stage(uint64_t* head, const uint32_t* words, int64_t num_words, const int64_t* starts, int64_t symbols, int precision,
                        const Stage& stage, int64_t* symbol, int64_t* freq) {
    const uint64_t mask = (uint64_t{1} << precision) - 1;
    int64_t used = 0;
    for (int64_t begin = stage.begin; begin < stage.end; begin += stage.lanes) {
        const int64_t many = std::min(stage.lanes, stage.end - begin);
        for (int64_t lane = 0; lane < many; ++lane) {
            const int64_t i = begin + lane, cf = static_cast<int64_t>(head[lane] & mask);
            const int64_t found = std::upper_bound(starts, starts + symbols, cf) - starts - 1;
            symbol[i] = found;
            freq[i] = starts[found + 1] - starts[found];
            if (!step_back(head[lane], starts[found], freq[i], precision, words, num_words, used)) return num_words + 1;
        }
    }
    return used;
}

}  // namespace hvpzip
