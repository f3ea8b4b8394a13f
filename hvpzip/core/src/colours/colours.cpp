// Integer arithmetic only, and doubles that hold integers exactly: this file reaches the bit stream.
//
// A symbol's context depends on its colour alone, and a unit asks for the same colours again and again. So a unit's rows first say which
// stretch of each line (Y, Co) they ask for, these are worked out once and laid side by side, and then the rows are reweighted.

#include "colours/colours.h"

#include <memory>
#include <numeric>
#include <vector>

#include "colours/scores.h"
#include "threads.h"

namespace hvpzip {

namespace {

constexpr int LOWEST = -255, HIGHEST = 255;   // Cg
constexpr int MARGIN = 64;                    // symbols beyond that a window may reach: the longest one
constexpr int LONGEST = 512 + 2 * MARGIN;     // stretch of a line
constexpr int64_t LEAST_ROWS = 2048, LEAST_LINES = 256, LEAST_SYMBOLS = 4096, LEAST_COLOURS = 256;  // worth a thread

// Colours of the line (Y, Co) within the RGB cube: Cg in low..high - 1, perhaps none. Blue and red fall with Cg >> 1, green rises with Cg + 1 >> 1.
struct Cube {
    int low, high;
    Cube(int y, int co) {
        const int rest = y - (co >> 1);
        low = std::max(2 * (rest - std::min(255, 255 - co)), -2 * y - 1);
        high = std::min(2 * (rest - std::max(0, -co)) + 1, 510 - 2 * y) + 1;
    }
};

HVPZIP_INLINE int32_t context_of(int32_t times, int32_t beside, int32_t mine, int32_t others) {
    const int32_t seen = (times > 0) + (times > 1) + (times > 2) + (times > 4) + (times > 8);
    int32_t around = beside > 0;
    for (int bit = 1; bit < AROUND - 1; ++bit) around += (beside >> bit) != 0;
    mine <<= 4;
    int32_t ratio = 1 + (mine >= others);
    for (int shift = 1; shift < 4; ++shift) ratio += (mine << shift) >= others;
    for (int shift = 1; shift < 3; ++shift) ratio += mine >= (others << shift);
    ratio = others >= ENOUGH_PAIRS ? ratio : 0;
    return (seen * AROUND + around) * PAIRS + ratio;
}

// Adds to each of the first n numbers the one that is ``apart`` further on. sums may be the numbers themselves.
template <typename T>
HVPZIP_INLINE void add_pairwise(const T* numbers, int apart, int n, T* sums) {
    for (int j = 0; j < n; ++j) sums[j] = static_cast<T>(numbers[j] + numbers[j + apart]);
}

// Contexts of the symbols first, ..., first + length - 1 of one line, length <= LONGEST; CONTEXTS outside the cube.
HVPZIP_WIDE void fill_contexts(const Counts& counts, int y, int co, int first, int length, uint16_t* out) {
    const Cube cube(y, co);
    int begin = std::max(first, cube.low), end = std::min(first + length, cube.high);
    if (begin >= end) begin = end = first;
    for (int j = 0; j < begin - first; ++j) out[j] = CONTEXTS;
    for (int j = end - first; j < length; ++j) out[j] = CONTEXTS;
    if (begin == end) return;
    const int64_t pair_line = ((static_cast<int64_t>(co) + 256) << 9) + 256, line = (static_cast<int64_t>(y) << 18) + pair_line;
    // Counts of the line from begin - REACH to end + REACH, 0 outside the cube, and sums of 2, 4, 8 and 16 of them.
    constexpr int ROOM = LONGEST + 2 * REACH + 16;
    uint16_t times[ROOM], more_times[ROOM];
    int32_t pairs[ROOM], more_pairs[ROOM];
    int32_t found[LONGEST];
    const int count = end - begin, all = count + 2 * REACH;
    const int known = std::max(begin - REACH, cube.low), unknown = std::min(end + REACH, cube.high);  // of Cg
    for (int j = 0; j < known - (begin - REACH); ++j) times[j] = 0, pairs[j] = 0;
    for (int j = unknown - (begin - REACH); j < all + 16; ++j) times[j] = 0, pairs[j] = 0;
    for (int cg = known; cg < unknown; ++cg) times[cg - (begin - REACH)] = counts.colours[line + cg];
    for (int cg = known; cg < unknown; ++cg) pairs[cg - (begin - REACH)] = counts.pairs[pair_line + cg];
    add_pairwise(times, 1, all + 14, more_times);
    add_pairwise(more_times, 2, all + 12, more_times);
    add_pairwise(more_times, 4, all + 8, more_times);
    add_pairwise(more_times, 8, all, more_times);
    add_pairwise(pairs, 1, all + 14, more_pairs);
    add_pairwise(more_pairs, 2, all + 12, more_pairs);
    add_pairwise(more_pairs, 4, all + 8, more_pairs);
    add_pairwise(more_pairs, 8, all, more_pairs);
    for (int j = 0; j < count; ++j) {
        const int32_t here = times[j + REACH], mine = pairs[j + REACH];
        found[j] = context_of(here, more_times[j] + times[j + 2 * REACH] - here, mine, more_pairs[j] + pairs[j + 2 * REACH] - mine);
    }
    if (counts.reachable) {
        int32_t reached[LONGEST + 16];
        const int64_t cell = line + begin;
        const int skipped = static_cast<int>(cell & 7);
        for (int byte = 0; 8 * byte < skipped + count; ++byte) {
            const int32_t bits = counts.reachable[(cell >> 3) + byte];
            HVPZIP_KEEP_LOOP
            for (int bit = 0; bit < 8; ++bit) reached[8 * byte + bit] = (bits >> bit) & 1;
        }
        for (int j = 0; j < count; ++j) found[j] += reached[skipped + j] * (SEEN * AROUND * PAIRS);
    }
    for (int j = 0; j < count; ++j) out[begin - first + j] = static_cast<uint16_t>(found[j]);
}

// The stretches of lines that a unit's rows ask for, side by side. Lines are kept from the darkest to the lightest Y of its rows, and from
// their least to their largest Co.
class Stretches {
public:
    // Forgets what was asked for. Rows are going to ask for lines of these Y, each for those from this Co on, so many of them.
    void begin(const int64_t* y, const int64_t* co, int64_t n, int64_t many) {
        darkest_ = n ? *std::min_element(y, y + n) : 0;
        least_ = n ? *std::min_element(co, co + n) : 0;
        across_ = n ? *std::max_element(co, co + n) + many - least_ : 0;
        const size_t lines = static_cast<size_t>(across_ * (n ? *std::max_element(y, y + n) - darkest_ + 1 : 0));
        low_.assign(lines, HIGHEST + MARGIN);
        high_.assign(lines, LOWEST - MARGIN);
        offset_.resize(lines);
    }

    // The place of a line.
    int64_t line(int64_t y, int64_t co) const { return (y - darkest_) * across_ + co - least_; }

    int16_t* low() { return low_.data(); }
    int16_t* high() { return high_.data(); }

    // Once all rows have asked: makes room, and calls fill(y, co, first, length, out) for every line asked for.
    template <typename Fill>
    void fill(const Counts& counts, int64_t threads, Fill&& fill_line) {
        int32_t total = 0;  // at most 2**17 lines of 2**10
        lines_.clear();
        for (int64_t line = 0; line < static_cast<int64_t>(low_.size()); ++line) {
            if (low_[line] >= high_[line]) continue;
            lines_.push_back({static_cast<int32_t>(line), static_cast<int16_t>(line / across_ + darkest_), static_cast<int16_t>(line % across_ + least_)});
            offset_[line] = total - low_[line];
            total += high_[line] - low_[line];
        }
        // Rows are read CG_SPAN symbols at a time, never beyond their own stretch.
        if (static_cast<size_t>(total) > room_) {
            room_ = static_cast<size_t>(total);
            values_.reset(new uint16_t[room_]);
        }
        on_threads(threads, static_cast<int64_t>(lines_.size()), LEAST_LINES, [&](int64_t, int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                if (i + AHEAD < end) {
                    const Line& later = lines_[static_cast<size_t>(i + AHEAD)];
                    const int64_t cell = (static_cast<int64_t>(later.y) << 18) + ((static_cast<int64_t>(later.co) + 256) << 9) + 256;
                    counts.prefetch(cell + low_[later.place], high_[later.place] - low_[later.place]);
                }
                const Line& line = lines_[static_cast<size_t>(i)];
                const int first = low_[line.place];
                fill_line(line.y, line.co, first, high_[line.place] - first, values_.get() + offset_[line.place] + first);
            }
        });
    }

    // What was filled in for the symbol Cg of a line is at values()[offsets()[line] + cg], and on from there.
    const uint16_t* values() const { return values_.get(); }
    const int32_t* offsets() const { return offset_.data(); }

private:
    struct Line {
        int32_t place;
        int16_t y, co;
    };

    int64_t darkest_ = 0, least_ = 0, across_ = 0;
    std::vector<int16_t> low_, high_;
    std::vector<int32_t> offset_;  // of Cg = 0
    std::vector<Line> lines_;
    std::unique_ptr<uint16_t[]> values_;
    size_t room_ = 0;
};

// Those of this thread, whose memory serves from call to call: some megabytes, which the system would have to clear each time.
Stretches& stretches_at_hand() {
    static thread_local Stretches found;
    return found;
}

// Adds up what the threads have found.
template <int64_t SIZE>
void add_up(const std::vector<std::vector<int64_t>>& parts, int64_t* expected) {
    std::fill(expected, expected + SIZE, int64_t{0});
    for (const std::vector<int64_t>& part : parts)
        for (int64_t i = 0; i < static_cast<int64_t>(part.size()); ++i)
            if (const int64_t place = i % (SIZE + 1); place < SIZE) expected[place] += part[static_cast<size_t>(i)];
}

// Where the CG_SPAN factors begin that each Co of row i is weighed with.
HVPZIP_INLINE void fill_places(const Stretches& stretches, const int64_t* y, const int64_t* first_cg, const int64_t* slope, const Windows& windows,
                               int64_t i, int32_t* places) {
    const int32_t* HVPZIP_RESTRICT offsets = stretches.offsets() + stretches.line(y[i], windows.first[i]);
    const int32_t centre = static_cast<int32_t>(first_cg[i]), move = static_cast<int32_t>(slope[i]);
    HVPZIP_KEEP_LOOP
    for (int a = 0; a < CO_WINDOW; ++a) {
        const int32_t cg = centre + ((move * (a - CO_WINDOW / 2) + 32) >> 6);
        places[a] = offsets[a] + std::min(std::max(cg, LOWEST - CG_SPAN), HIGHEST + 1);
    }
}

// Sums by context or kind; four of them in turn, so that a symbol need not wait for the one before it. The place SIZE is nobody's.
template <int64_t SIZE>
std::vector<int64_t> new_sums() {
    return std::vector<int64_t>(4 * (SIZE + 1), 0);
}

template <int64_t SIZE, int LENGTH, typename Place>
HVPZIP_INLINE void expect(const int32_t* edges, const Place* places, int64_t* sums) {
    int32_t freqs[LENGTH];
    HVPZIP_KEEP_LOOP
    for (int j = 0; j < LENGTH; ++j) freqs[j] = edges[j + 1] - edges[j];
    for (int j = 0; j < LENGTH; j += 4)
        for (int turn = 0; turn < 4; ++turn) sums[turn * (SIZE + 1) + places[j + turn]] += freqs[j + turn];
}

HVPZIP_WIDE void reweight_cg_rows(const Stretches& stretches, const Mixtures& mixtures, const GaussianTables& tables, const Alphabet& alphabet,
                                    const int64_t* y, const int64_t* co, const uint32_t* factors, const Windows& windows, int64_t begin,
                                    int64_t end, int64_t* sums) {
    const auto contexts_of = [&](int64_t i) { return stretches.values() + stretches.offsets()[stretches.line(y[i], co[i])] + windows.first[i]; };
    for (int64_t i = begin; i < end; ++i) {
        if (i + AHEAD < end) {
            prefetch_ramps(mixtures, tables, i + AHEAD, windows.first[i + AHEAD]);
            const uint16_t* later = contexts_of(i + AHEAD);
            HVPZIP_PREFETCH(later);
            HVPZIP_PREFETCH(later + CG_WINDOW / 2);
            HVPZIP_PREFETCH(later + CG_WINDOW - 1);
        }
        const uint16_t* context = contexts_of(i);
        uint32_t base[CG_WINDOW + 1], factor[CG_WINDOW];
        HVPZIP_KEEP_LOOP
        for (int j = 0; j < CG_WINDOW; ++j) factor[j] = factors[context[j]];
        fill_window<CG_WINDOW + 1>(mixtures, tables, i, windows.first[i], alphabet, base);
        fill_reweighted<CG_WINDOW + 1>(base, factor, windows, alphabet, i);
        expect<CONTEXTS, CG_WINDOW>(windows.edges + i * (CG_WINDOW + 1), context, sums);
    }
}

HVPZIP_WIDE void ask_co(Stretches& stretches, const int64_t* y, const int64_t* first_cg, const int64_t* slope, const int64_t* first, int64_t n) {
    int16_t *low = stretches.low(), *high = stretches.high();
    for (int64_t i = 0; i < n; ++i) {
        const int64_t line = stretches.line(y[i], first[i]);
        int16_t* HVPZIP_RESTRICT lows = low + line;
        int16_t* HVPZIP_RESTRICT highs = high + line;
        const int32_t centre = static_cast<int32_t>(first_cg[i]), move = static_cast<int32_t>(slope[i]);
        HVPZIP_KEEP_LOOP
        for (int a = 0; a < CO_WINDOW; ++a) {
            const int32_t cg = centre + ((move * (a - CO_WINDOW / 2) + 32) >> 6);
            const int16_t begin = static_cast<int16_t>(std::min(std::max(cg, LOWEST - CG_SPAN), HIGHEST + 1));  // what is beyond is 0 anyway
            lows[a] = std::min(lows[a], begin);
            highs[a] = std::max(highs[a], static_cast<int16_t>(begin + CG_SPAN));
        }
    }
}

HVPZIP_WIDE void reweight_co_rows(const Stretches& stretches, const Mixtures& mixtures, const Mixtures& given, const GaussianTables& tables,
                                  const Alphabet& alphabet, const Alphabet& given_alphabet, const int64_t* y, const int64_t* first_cg,
                                  const int64_t* slope, const uint32_t* factors, const Windows& windows, uint8_t* kinds, int64_t begin,
                                  int64_t end, int64_t* sums) {
    const ScoresKernel fill_ratios = scores_kernel();
    int32_t around[2][CO_WINDOW];  // places of this row and of the next one
    if (begin < end) fill_places(stretches, y, first_cg, slope, windows, begin, around[begin & 1]);
    for (int64_t i = begin; i < end; ++i) {
        const int32_t* places = around[i & 1];
        if (i + 1 < end) {
            int32_t* later = around[(i + 1) & 1];
            fill_places(stretches, y, first_cg, slope, windows, i + 1, later);
            for (int a = 0; a < CO_WINDOW; ++a) HVPZIP_PREFETCH(stretches.values() + later[a]);
        }
        if (i + AHEAD < end) {
            const int32_t* offsets = stretches.offsets() + stretches.line(y[i + AHEAD], windows.first[i + AHEAD]);
            HVPZIP_PREFETCH(offsets);
            HVPZIP_PREFETCH(offsets + CO_WINDOW / 2);
            HVPZIP_PREFETCH(offsets + CO_WINDOW - 1);
            prefetch_ramps(mixtures, tables, i + AHEAD, windows.first[i + AHEAD]);
            prefetch_ramps(given, tables, i + AHEAD, first_cg[i + AHEAD]);
        }
        uint32_t base[CO_WINDOW + 1], last[CG_SPAN + 1], factor[CO_WINDOW];
        fill_window<CG_SPAN + 1>(given, tables, i, first_cg[i], given_alphabet, last);
        int16_t low[CG_SPAN], high[CG_SPAN];  // of the frequencies: 12 bits each
        HVPZIP_KEEP_LOOP
        for (int j = 0; j < CG_SPAN; ++j) {
            const uint32_t freq = last[j + 1] - last[j];
            low[j] = static_cast<int16_t>(freq & 0xFFF);
            high[j] = static_cast<int16_t>(freq >> 12);
        }
        double ratio[CO_WINDOW];  // the mean factor of Co, UNIT being 2**14
        fill_ratios(low, high, stretches.values(), places, static_cast<int32_t>(last[CG_SPAN] - last[0]), ratio);
        // A kind is the bit length of the square of the ratio's whole part, at most 2**38: one more than the square's exponent as a double.
        int32_t found[CO_WINDOW];
        HVPZIP_KEEP_LOOP
        for (int a = 0; a < CO_WINDOW; ++a) {
            const double whole = static_cast<int32_t>(ratio[a]), square = whole * whole;
            uint64_t bits;
            std::memcpy(&bits, &square, sizeof bits);
            const int32_t exponent = static_cast<int32_t>(bits >> 52) - 1022;
            found[a] = exponent < 0 ? 0 : exponent;  // 0 has none
        }
        uint8_t* HVPZIP_RESTRICT kind = kinds + i * CO_WINDOW;
        for (int a = 0; a < CO_WINDOW; ++a) {
            kind[a] = static_cast<uint8_t>(found[a]);
            factor[a] = factors[found[a]];
        }
        fill_window<CO_WINDOW + 1>(mixtures, tables, i, windows.first[i], alphabet, base);
        fill_reweighted<CO_WINDOW + 1>(base, factor, windows, alphabet, i);
        expect<KINDS, CO_WINDOW>(windows.edges + i * (CO_WINDOW + 1), found, sums);
    }
}

}  // namespace

namespace {

constexpr int64_t FAR_AHEAD = 16;  // pixels ahead of the one that is counted or looked up whose counts are asked for

// The cell of any numbers, to be asked for: some cell for those outside the cube.
HVPZIP_INLINE uint32_t place_of(int64_t y, int64_t co, int64_t cg) {
    const uint32_t pair = (static_cast<uint32_t>(co) + 256) << 9 | ((static_cast<uint32_t>(cg) + 256) & 511);
    return ((static_cast<uint32_t>(y) << 18) + pair) & ((uint32_t{1} << 26) - 1);
}

}  // namespace

void count_colours(const int32_t* y, const int32_t* co, const int32_t* cg, int64_t n, uint8_t* colours, int32_t* pairs, int32_t most) {
    for (int64_t i = 0; i < n; ++i) {
        if (i + FAR_AHEAD < n) HVPZIP_PREFETCH(colours + place_of(y[i + FAR_AHEAD], co[i + FAR_AHEAD], cg[i + FAR_AHEAD]));
        // Damaged files may hold any numbers here: the sums wrap.
        const uint32_t luma = static_cast<uint32_t>(y[i]), middle = luma - static_cast<uint32_t>(cg[i] >> 1);
        const uint32_t green = static_cast<uint32_t>(cg[i]) + middle, blue = middle - static_cast<uint32_t>(co[i] >> 1);
        const uint32_t red = blue + static_cast<uint32_t>(co[i]);
        if (((red | green | blue) & ~uint32_t{255}) || (luma | static_cast<uint32_t>(co[i] + 256) >> 1 | static_cast<uint32_t>(cg[i] + 256) >> 1) > 255)
            continue;
        const uint32_t pair = (static_cast<uint32_t>(co[i] + 256) << 9) + static_cast<uint32_t>(cg[i] + 256), cell = (luma << 18) + pair;
        colours[cell] += colours[cell] < 255;
        pairs[pair] += pairs[pair] < most;
    }
}

void find_contexts(const Counts& counts, const int64_t* y, const int64_t* co, const int64_t* cg, int64_t n, int64_t threads, int16_t* context) {
    on_threads(threads, n, LEAST_SYMBOLS, [&](int64_t, int64_t begin, int64_t stop) {
        for (int64_t i = begin; i < stop; ++i) {
            if (i + FAR_AHEAD < stop) {
                const uint32_t later = place_of(y[i + FAR_AHEAD], co[i + FAR_AHEAD], cg[i + FAR_AHEAD]);
                HVPZIP_PREFETCH(counts.colours + later);
                HVPZIP_PREFETCH(counts.pairs + (later & ((1 << 18) - 1)));
                if (counts.reachable) HVPZIP_PREFETCH(counts.reachable + (later >> 3));
            }
            const Cube cube(static_cast<int>(y[i]), static_cast<int>(co[i]));
            const int at = static_cast<int>(cg[i]);
            if (at < cube.low || at >= cube.high) {
                context[i] = -1;
                continue;
            }
            const int64_t pair_line = ((co[i] + 256) << 9) + 256, line = (y[i] << 18) + pair_line;
            int32_t times = 0, pairs = 0;
            for (int near = std::max(at - REACH, cube.low); near < std::min(at + REACH + 1, cube.high); ++near) {
                times += counts.colours[line + near];
                pairs += counts.pairs[pair_line + near];
            }
            const int32_t here = counts.colours[line + at], mine = counts.pairs[pair_line + at];
            int32_t found = context_of(here, times - here, mine, pairs - mine);
            if (counts.reachable) found += ((counts.reachable[(line + at) >> 3] >> ((line + at) & 7)) & 1) * (SEEN * AROUND * PAIRS);
            context[i] = static_cast<int16_t>(found);
        }
    });
}

void reweight_cg(const Counts& counts, const Mixtures& mixtures, const GaussianTables& tables, const Alphabet& alphabet, const int64_t* y,
                   const int64_t* co, const uint16_t* factors, int64_t threads, const Windows& windows, int64_t* expected) {
    Stretches& stretches = stretches_at_hand();
    stretches.begin(y, co, mixtures.n, 1);
    for (int64_t i = 0; i < mixtures.n; ++i) {
        const int64_t line = stretches.line(y[i], co[i]);
        const int16_t first = static_cast<int16_t>(windows.first[i]);
        stretches.low()[line] = std::min(stretches.low()[line], first);
        stretches.high()[line] = std::max(stretches.high()[line], static_cast<int16_t>(first + CG_WINDOW));
    }
    stretches.fill(counts, threads, [&](int luma, int co_of_line, int first, int length, uint16_t* out) { fill_contexts(counts, luma, co_of_line, first, length, out); });
    uint32_t padded[CONTEXTS + 1] = {};  // 0 outside the cube
    std::copy(factors, factors + CONTEXTS, padded);
    std::vector<std::vector<int64_t>> sums(MAX_THREADS);
    on_threads(threads, mixtures.n, LEAST_ROWS, [&](int64_t part, int64_t begin, int64_t end) {
        sums[part] = new_sums<CONTEXTS>();
        reweight_cg_rows(stretches, mixtures, tables, alphabet, y, co, padded, windows, begin, end, sums[part].data());
    });
    add_up<CONTEXTS>(sums, expected);
}

void reweight_co(const Counts& counts, const Mixtures& mixtures, const Mixtures& given, const GaussianTables& tables,
                     const Alphabet& alphabet, const Alphabet& given_alphabet, const int64_t* y, const int64_t* first_cg, const int64_t* slope,
                     const uint16_t* cg_factors, const uint16_t* factors, int64_t threads, const Windows& windows,
                     uint8_t* kinds, int64_t* expected) {
    Stretches& stretches = stretches_at_hand();
    stretches.begin(y, windows.first, mixtures.n, CO_WINDOW);
    ask_co(stretches, y, first_cg, slope, windows.first, mixtures.n);
    uint16_t of_context[CONTEXTS + 1];
    for (int64_t context = 0; context < CONTEXTS; ++context) of_context[context] = static_cast<uint16_t>(cg_factors[context] - MIDDLE);
    of_context[CONTEXTS] = static_cast<uint16_t>(-MIDDLE);
    stretches.fill(counts, threads, [&](int luma, int co_of_line, int first, int length, uint16_t* out) {
        fill_contexts(counts, luma, co_of_line, first, length, out);
        for (int j = 0; j < length; ++j) out[j] = of_context[out[j]];
    });
    uint32_t wide_factors[KINDS];
    std::copy(factors, factors + KINDS, wide_factors);
    std::vector<std::vector<int64_t>> sums(MAX_THREADS);
    on_threads(threads, mixtures.n, LEAST_ROWS, [&](int64_t part, int64_t begin, int64_t end) {
        sums[part] = new_sums<KINDS>();
        reweight_co_rows(stretches, mixtures, given, tables, alphabet, given_alphabet, y, first_cg, slope, wide_factors, windows, kinds,
                             begin, end, sums[part].data());
    });
    add_up<KINDS>(sums, expected);
}

int64_t sum_log2(const int64_t* freqs, int64_t n, int64_t threads) {
    int64_t sums[MAX_THREADS] = {};
    const int64_t parts = on_threads(threads, n, LEAST_SYMBOLS, [&](int64_t part, int64_t begin, int64_t end) {
        int64_t total = 0;
        for (int64_t i = begin; i < end; ++i) {
            const uint64_t freq = static_cast<uint64_t>(freqs[i]);
            int whole = 0;
            while (freq >> (whole + 1)) ++whole;
            uint64_t mantissa = (freq << 31) >> whole;
            int64_t fraction = 0;
            for (int bit = 7; bit >= 0; --bit) {
                mantissa = (mantissa * mantissa) >> 31;
                const uint64_t over = mantissa >> 32;
                fraction += static_cast<int64_t>(over) << bit;
                mantissa >>= over;
            }
            total += whole * 256 + fraction;
        }
        sums[part] = total;
    });
    return std::accumulate(sums, sums + parts, int64_t{0});
}

void fill_reachable(const Matrix& matrix, uint8_t* reachable) {
    for (int64_t y = 0; y < 256; ++y) {
        const int64_t light = matrix.luma * y;
        // Blue rises with Cb: where it is in 0..255 is one stretch.
        int64_t begin = -256;
        while (begin <= 256 && (light + matrix.blue * begin + matrix.offset[2]) >> 16 < 0) ++begin;
        int64_t end = begin;
        while (end <= 256 && (light + matrix.blue * end + matrix.offset[2]) >> 16 < 256) ++end;
        for (int64_t cr = -256; cr <= 256; ++cr) {
            const int64_t r = (light + matrix.red * cr + matrix.offset[0]) >> 16;
            if (r & ~int64_t{255}) continue;
            for (int64_t cb = begin; cb < end; ++cb) {
                const int64_t b = (light + matrix.blue * cb + matrix.offset[2]) >> 16;
                const int64_t g = (light - matrix.green_blue * cb - matrix.green_red * cr + matrix.offset[1]) >> 16;
                if (g & ~int64_t{255}) continue;
                const int64_t middle = b + ((r - b) >> 1);
                const int64_t cell = ((middle + ((g - middle) >> 1)) << 18) + ((r - b + 256) << 9) + g - middle + 256;
                reachable[cell >> 3] = static_cast<uint8_t>(reachable[cell >> 3] | 1 << (cell & 7));
            }
        }
    }
}

void find_reached(const Matrix& matrix, const int64_t* rgb, int64_t n, int64_t threads, bool* reached) {
    const auto least = [](int64_t above, int64_t by) { return -(above >= 0 ? above / by : -((by - 1 - above) / by)); };  // -floor(above / by)
    on_threads(threads, n, LEAST_COLOURS, [&](int64_t, int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t r = rgb[i], g = rgb[n + i], b = rgb[2 * n + i];
            bool found = false;
            for (int64_t y = 0; y < 256 && !found; ++y) {
                const int64_t light = matrix.luma * y;
                const int64_t cr = least(light + matrix.offset[0] - (r << 16), matrix.red);
                if ((light + matrix.red * cr + matrix.offset[0]) >> 16 != r) continue;
                const int64_t cb = least(light + matrix.offset[2] - (b << 16), matrix.blue);
                found = (light + matrix.blue * cb + matrix.offset[2]) >> 16 == b &&
                        (light - matrix.green_blue * cb - matrix.green_red * cr + matrix.offset[1]) >> 16 == g;
            }
            reached[i] = found;
        }
    });
}

}  // namespace hvpzip
