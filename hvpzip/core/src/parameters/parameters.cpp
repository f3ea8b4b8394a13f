// Integer arithmetic only, and doubles that hold integers exactly: this file reaches the bit stream.

#include "parameters/parameters.h"

#include <vector>

#include "threads.h"

namespace hvpzip {

namespace {

constexpr int64_t BLOCK = 64;  // positions worked on at once, side by side
constexpr int64_t LEAST_BLOCKS = 64;  // worth a thread

HVPZIP_INLINE int64_t scale_index(int64_t log2_scale) {
    const int64_t index = (log2_scale + 194) >> 2;
    return index < 0 ? 0 : index >= NUM_SCALES ? NUM_SCALES - 1 : index;
}

// Those of the positions first..end - 1. powers: room for components * BLOCK.
HVPZIP_WIDE void fill_positions(const Prediction& prediction, const GaussianTables& tables, int64_t colour, const int32_t* values, int64_t first,
                                int64_t end, int64_t* powers, int64_t* mean, int16_t* scale, int32_t* weight) {
    const int64_t n = prediction.n, components = prediction.components, channels = prediction.channels;
    const int64_t couples = std::max<int64_t>(colour - 1, 0), kind = 3 * components, spread = (int64_t{1} << WEIGHT_BITS) - components;
    for (int64_t begin = first; begin < end; begin += BLOCK) {
        const int64_t many = std::min(BLOCK, end - begin);
        int64_t centre[BLOCK], local[BLOCK], log2_scale[BLOCK], top[BLOCK], total[BLOCK], left[BLOCK], largest[BLOCK];
        for (int64_t b = 0; b < many; ++b) {
            const int64_t i = begin + b;
            const int16_t* couple_of = prediction.corrections + i * channels + channels - COUPLINGS + couples;
            log2_scale[b] = std::clamp<int64_t>(prediction.log2_scales[i], -192, 1081);
            local[b] = tables.scale64(scale_index(log2_scale[b]));
            centre[b] = prediction.means[colour * n + i];
            for (int64_t before = 0; before < colour; ++before) {
                const int64_t couple = couple_of[before] + prediction.coupling[couples + before];
                const int64_t residual = 64 * static_cast<int64_t>(values[before * n + i]) - prediction.means[before * n + i];
                centre[b] += (couple * residual + 32) >> 6;
            }
            largest[b] = total[b] = 0;
            left[b] = int64_t{1} << WEIGHT_BITS;
        }
        const int16_t* corrections = prediction.corrections + begin * channels + colour * components;
        for (int64_t k = 0; k < components; ++k) {
            const int16_t *shift = corrections + k, *ratio = shift + kind, *logit = ratio + kind, *gain = logit + kind;
            int64_t* HVPZIP_RESTRICT means = mean + k * n + begin;
            int16_t* HVPZIP_RESTRICT scales = scale + k * n + begin;
            for (int64_t b = 0; b < many; ++b) means[b] = centre[b] + ((shift[b * channels] * local[b] + 32) >> 6);
            for (int64_t b = 0; b < many; ++b) scales[b] = static_cast<int16_t>(scale_index(log2_scale[b] + ratio[b * channels]));
            if (prediction.innovations)
                for (int64_t b = 0; b < many; ++b)
                    means[b] += (static_cast<int64_t>(gain[b * channels]) * prediction.innovations[begin + b] + 32) >> 6;
            for (int64_t b = 0; b < many; ++b) {
                const bool larger = k == 0 || logit[b * channels] > top[b];
                top[b] = larger ? logit[b * channels] : top[b];
                largest[b] = larger ? k : largest[b];
            }
        }
        for (int64_t k = 0; k < components; ++k) {
            const int16_t* logit = corrections + 2 * kind + k;
            for (int64_t b = 0; b < many; ++b) {
                powers[k * BLOCK + b] = tables.exp2(top[b] - logit[b * channels]);
                total[b] += powers[k * BLOCK + b];
            }
        }
        for (int64_t k = 0; k < components; ++k) {
            const int64_t* power = powers + k * BLOCK;
            int32_t* HVPZIP_RESTRICT weights = weight + k * n + begin;
            // The dividend is at most 2**36 and the divisor below 2**31. The quotient is at least 2**-31 away from the integer above it, unless
            // it is one, and a double at 2**16 is finer than that: cutting it off gives the floor.
            for (int64_t b = 0; b < many; ++b) {
                const double share = static_cast<double>(power[b] * spread) / static_cast<double>(total[b]);
                weights[b] = static_cast<int32_t>(share) + 1;
                left[b] -= weights[b];
            }
        }
        for (int64_t b = 0; b < many; ++b) weight[largest[b] * n + begin + b] += static_cast<int32_t>(left[b]);
    }
}

}  // namespace

void fill_mixture(const Prediction& prediction, const GaussianTables& tables, int64_t colour, const int32_t* values, int64_t threads,
                  int64_t* mean, int16_t* scale, int32_t* weight) {
    const int64_t room = prediction.components * BLOCK;
    std::vector<int64_t> powers(static_cast<size_t>(room * std::clamp<int64_t>(threads, 1, MAX_THREADS)));
    on_threads(threads, (prediction.n + BLOCK - 1) / BLOCK, LEAST_BLOCKS, [&](int64_t part, int64_t begin, int64_t end) {
        fill_positions(prediction, tables, colour, values, BLOCK * begin, std::min(BLOCK * end, prediction.n), powers.data() + part * room, mean,
                       scale, weight);
    });
}

}  // namespace hvpzip
