// The gradient search for changes of a head (head_fit.h). Positions are worked on in chunks that stay in the cache, channels as rows.

#include "network/head_fit.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "network/head_kernels.h"

namespace hvpzip::network {

namespace {

constexpr float FIRST_DECAY = 0.8f, SECOND_DECAY = 0.95f, EPSILON = 1e-8f;  // Adam

struct Buffers {
    explicit Buffers(const Pool& pool)
        : read(pool.inputs * STRIDE), hidden(pool.hidden * STRIDE), slope(pool.hidden * STRIDE), out(pool.outputs * STRIDE), slopes(pool.outputs * STRIDE), facts(FACTS * STRIDE) {}
    std::vector<float> read, hidden, slope, out, slopes, facts;  // (channels, STRIDE)
};

void gather(const Pool& pool, const int32_t* order, int64_t count, Buffers& buffers) {
    for (int64_t j = 0; j < CHUNK; ++j) {
        const int64_t at = order[std::min(j, count - 1)];
        const uint8_t* a = pool.activations + at * pool.inputs;
        for (int c = 0; c < pool.inputs; ++c) buffers.read[c * STRIDE + j] = static_cast<float>(a[c]) * 0.03125f;
        for (int c = 0; c < FACTS; ++c) buffers.facts[c * STRIDE + j] = pool.facts[at * FACTS + c];
    }
}

double forward(const HeadKernels& kernels, const Pool& pool, const Dense& hidden, const Dense& out, const int32_t* order, int64_t count, Buffers& buffers) {
    gather(pool, order, count, buffers);
    kernels.product(hidden.weight, pool.inputs, 1, buffers.read.data(), pool.hidden, pool.inputs, hidden.bias, buffers.hidden.data());
    kernels.clamp_activations(buffers.hidden.data(), static_cast<int64_t>(buffers.hidden.size()));
    kernels.product(out.weight, pool.hidden, 1, buffers.hidden.data(), pool.outputs, pool.hidden, out.bias, buffers.out.data());
    return kernels.chunk_bits(pool, buffers.facts.data(), buffers.out.data(), buffers.slopes.data(), count);
}

// The numbers of one layer, with what Adam remembers of them.
struct Changing {
    Changing(const Dense& shipped_layer, const Numbers& found, int outputs_, int inputs_)
        : shipped(shipped_layer), numbers(found), outputs(outputs_), inputs(inputs_), weight(shipped.weight, shipped.weight + outputs * inputs),
          bias(shipped.bias, shipped.bias + outputs), weight_slope(weight.size()), bias_slope(bias.size()),
          first(found.gain ? weight.size() + 2 * bias.size() : 0), second(first.size()) {}

    Dense now() const { return {weight.data(), bias.data()}; }

    void apply() {
        if (!numbers.gain) return;
        for (int64_t o = 0; o < outputs; ++o) {
            const float gain = 1.0f + numbers.gain[o];
            for (int64_t i = 0; i < inputs; ++i) weight[o * inputs + i] = shipped.weight[o * inputs + i] * gain + numbers.weight[o * inputs + i];
            bias[o] = shipped.bias[o] * gain + numbers.bias[o];
        }
    }

    void step(const Search& search, int64_t number) {
        if (!numbers.gain) return;
        const float pace = search.pace[number], share = 1.0f / static_cast<float>(search.batch);
        float first_left = 1.0f, second_left = 1.0f;  // decay^(number + 1), by multiplication
        for (int64_t i = 0; i <= number; ++i) first_left *= FIRST_DECAY, second_left *= SECOND_DECAY;
        const float first_part = 1.0f - first_left, second_root = std::sqrt(1.0f - second_left);
        size_t memory = 0;
        const auto move = [&](float& value, float slope, float rate, float units) {
            const float size = std::fabs(value) * units;
            if (value != 0.0f && size <= search.most) slope += value > 0.0f ? search.penalty * units : -(search.penalty * units);
            float &m = first[memory], &v = second[memory];
            ++memory;
            m = m * FIRST_DECAY + slope * (1.0f - FIRST_DECAY);
            v = v * SECOND_DECAY + slope * slope * (1.0f - SECOND_DECAY);
            value -= rate / first_part * (m / (std::sqrt(v) / second_root + EPSILON));
        };
        for (int64_t o = 0; o < outputs; ++o) {
            float gain_slope = bias_slope[o] * shipped.bias[o];
            for (int64_t i = 0; i < inputs; ++i) gain_slope += weight_slope[o * inputs + i] * shipped.weight[o * inputs + i];
            move(numbers.gain[o], gain_slope * share, search.rate * pace, search.gain_units);
            move(numbers.bias[o], bias_slope[o] * share, search.rate * pace, search.bias_units);
            for (int64_t i = 0; i < inputs; ++i) {
                move(numbers.weight[o * inputs + i], weight_slope[o * inputs + i] * share, search.weight_rate * pace, search.weight_units);
            }
        }
        std::fill(weight_slope.begin(), weight_slope.end(), 0.0f);
        std::fill(bias_slope.begin(), bias_slope.end(), 0.0f);
    }

    Dense shipped;
    Numbers numbers;
    int64_t outputs, inputs;
    std::vector<float> weight, bias, weight_slope, bias_slope, first, second;
};

}  // namespace

void fit_head(const Pool& pool, const Dense& hidden, const Dense& out, const Numbers& hidden_numbers, const Numbers& out_numbers, const Search& search) {
    const HeadKernels& kernels = head_kernels();
    Buffers buffers(pool);
    Changing inner(hidden, hidden_numbers, pool.hidden, pool.inputs), outer(out, out_numbers, pool.outputs, pool.hidden);
    for (int64_t step = 0; step < search.steps; ++step) {
        inner.apply();
        outer.apply();
        for (int64_t first = 0; first < search.batch; first += CHUNK) {
            const int64_t count = std::min<int64_t>(CHUNK, search.batch - first);
            forward(kernels, pool, inner.now(), outer.now(), search.order + step * search.batch + first, count, buffers);
            kernels.correlate(buffers.slopes.data(), buffers.hidden.data(), pool.outputs, pool.hidden, outer.weight_slope.data(), outer.bias_slope.data());
            if (inner.numbers.gain) {
                kernels.product(outer.weight.data(), 1, pool.hidden, buffers.slopes.data(), pool.hidden, pool.outputs, nullptr, buffers.slope.data());
                kernels.mask_slopes(buffers.hidden.data(), buffers.slope.data(), static_cast<int64_t>(buffers.hidden.size()));
                kernels.correlate(buffers.slope.data(), buffers.read.data(), pool.hidden, pool.inputs, inner.weight_slope.data(), inner.bias_slope.data());
            }
        }
        inner.step(search, step);
        outer.step(search, step);
    }
}

double head_bits(const Pool& pool, const Dense& hidden, const Dense& out, const int32_t* order, int64_t count, float* gradient) {
    const HeadKernels& kernels = head_kernels();
    Buffers buffers(pool);
    double bits = 0;
    for (int64_t first = 0; first < count; first += CHUNK) {
        const int64_t size = std::min<int64_t>(CHUNK, count - first);
        bits += forward(kernels, pool, hidden, out, order + first, size, buffers);
        if (gradient) {
            for (int o = 0; o < pool.outputs; ++o) std::copy_n(buffers.slopes.data() + o * STRIDE, size, gradient + o * count + first);
        }
    }
    return bits;
}

}  // namespace hvpzip::network
