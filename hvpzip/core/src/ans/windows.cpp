// Integer arithmetic only: this file reaches the bit stream.

#include "ans/windows.h"

namespace hvpzip {

// The kernels that use what is found look whether these are mixtures; here whatever they are is added up, and wraps.
HVPZIP_WIDE void fill_starts(const Mixtures& mixtures, int64_t half, int64_t low, int64_t high, int64_t* start) {
    for (int64_t i = 0; i < mixtures.n; ++i) start[i] = 0;
    for (int64_t k = 0; k < mixtures.components; ++k) {
        const int64_t* mean = mixtures.mean + k * mixtures.n;
        const int32_t* weight = mixtures.weight + k * mixtures.n;
        for (int64_t i = 0; i < mixtures.n; ++i) 
            start[i] = static_cast<int64_t>(static_cast<uint64_t>(start[i]) + static_cast<uint64_t>(mean[i]) * static_cast<uint64_t>(weight[i]));
    }
    for (int64_t i = 0; i < mixtures.n; ++i) {
        const int64_t first = (((start[i] >> WEIGHT_BITS) + 32) >> 6) - half;  // of 48 bits: no overflow
        start[i] = first < low ? low : first > high ? high : first;
    }
}

void fill_edges(const Mixtures& mixtures, const GaussianTables& tables, const Alphabet& alphabet, const int64_t* first, int64_t length,
                int64_t* edges) {
    for (int64_t i = 0; i < mixtures.n; ++i)
        for (int64_t j = 0; j <= length; ++j)
            *edges++ = cumulative(mixtures, tables, i, 64 * (first[i] + j) - 32, first[i] + j - alphabet.lo, alphabet.size, PRECISION);
}

int64_t pop_reweighted_stage(uint64_t* head, const uint32_t* words, int64_t num_words, const Mixtures& mixtures, const GaussianTables& tables,
                             const Alphabet& alphabet, const Windows& windows, const Stage& stage, int64_t* symbol, int64_t* freq) {
    const uint64_t mask = (uint64_t{1} << PRECISION) - 1;
    const int64_t window = windows.length;
    int64_t used = 0;
    for (int64_t begin = stage.begin; begin < stage.end; begin += stage.lanes) {
        const int64_t many = std::min(stage.lanes, stage.end - begin);
        for (int64_t lane = 0; lane < many; ++lane) {
            const int64_t i = begin + lane, cf = static_cast<int64_t>(head[lane] & mask), first = windows.first[i];
            const int32_t* edges = windows.edges + i * (window + 1);
            int64_t start = 0, stop = int64_t{1} << PRECISION, low, high;
            if (edges[0] <= cf && cf < edges[window]) {
                low = 0;
                high = window;
                while (high - low > 1) {
                    const int64_t middle = (low + high) >> 1;
                    const bool right = edges[middle] <= cf;
                    low = right ? middle : low;
                    high = right ? high : middle;
                }
                start = edges[low];
                stop = edges[high];
                low += first;
            } else {
                if (!is_mixture(mixtures, i)) return -1;
                low = alphabet.lo;
                high = alphabet.lo + alphabet.size;
                while (high - low > 1) {
                    const int64_t middle = (low + high) >> 1, place = middle - first, above = middle - alphabet.lo;
                    int64_t c;
                    if (place >= 0 && place <= window) {
                        c = edges[place];
                    } else {
                        int64_t mass = cumulative(mixtures, tables, i, 64 * middle - 32, above, alphabet.size, PRECISION) << UNIT_BITS;
                        if (place > window) mass += windows.excess[i];
                        c = mass * ((int64_t{1} << PRECISION) - alphabet.size) / windows.total[i] + above;
                    }
                    if (c <= cf) {
                        low = middle;
                        start = c;
                    } else {
                        high = middle;
                        stop = c;
                    }
                }
            }
            symbol[i] = low;
            freq[i] = stop - start;
            if (!step_back(head[lane], start, stop - start, PRECISION, words, num_words, used)) return num_words + 1;
        }
    }
    return used;
}

}  // namespace hvpzip
