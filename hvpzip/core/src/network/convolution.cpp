// Packing of weights, choice of instruction set, and the kernels that run everywhere (convolution.h).
//
// Integer arithmetic only: this file reaches the bit stream.

#include "network/convolution.h"

#include <algorithm>
#include <cstring>

#include "network/byte_rows.h"

namespace hvpzip::network {

namespace {

constexpr int STEP = 4, GROUP = 16;

bool everywhere() { return true; }

using Rows = ByteRows<STEP, GROUP>;

void activate(const int16_t* carried, int positions, int channels, int side, void* row) {
    const int padded = Rows::padded(channels);
    uint8_t* out = Rows::first(row, channels, side);
    for (int x = 0; x < positions; ++x, carried += channels, out += padded) {
        for (int c = 0; c < channels; ++c) out[c] = static_cast<uint8_t>(std::clamp(rounded(carried[c], 3, 3, 1), 0, ACT_MAX));
    }
}

void convolve(const Convolution& conv, const void* const* rows, int positions, const Target& target) {
    const int padded = conv.kernels->padded(conv.inputs), length = conv.side * padded, next = conv.kernels->padded(conv.outputs);
    for (int g = 0; g < conv.groups; ++g) {
        const int first = g * GROUP, count = std::min(GROUP, conv.outputs - first);
        const int32_t *bias = conv.bias + first, *shift = conv.shift + first, *below = conv.below_half + first, *odd = conv.odd + first;
        for (int x = 0; x < positions; ++x) {
            int32_t sums[GROUP];
            std::copy(bias, bias + GROUP, sums);
            const int8_t* weight = static_cast<const int8_t*>(conv.weights) + g * conv.group_bytes;
            for (int dy = 0; dy < conv.side; ++dy) {
                const uint8_t* a = static_cast<const uint8_t*>(rows[dy]) + x * padded;
                for (int i = 0; i < length; i += STEP, a += STEP, weight += GROUP * STEP) {
                    for (int o = 0; o < GROUP; ++o) {
                        const int8_t* w = weight + o * STEP;
                        sums[o] += a[0] * w[0] + a[1] * w[1] + a[2] * w[2] + a[3] * w[3];
                    }
                }
            }
            for (int o = 0; o < count; ++o) {
                const int32_t value = rounded(sums[o], shift[o], below[o], odd[o]);
                const size_t at = static_cast<size_t>(x) * conv.outputs + first + o;
                if (target.format == Format::activations) {
                    static_cast<uint8_t*>(target.out)[static_cast<size_t>(x) * next + first + o] = static_cast<uint8_t>(std::clamp(value, 0, ACT_MAX));
                } else if (target.format == Format::carried) {
                    const int32_t sum = value + (target.add ? target.add[at] : 0);
                    static_cast<int16_t*>(target.out)[at] = static_cast<int16_t>(std::clamp(sum, -CARRY_MAX, CARRY_MAX));
                } else {
                    static_cast<int16_t*>(target.out)[at] = static_cast<int16_t>(std::clamp(value, -OUT_MAX, OUT_MAX));
                }
            }
        }
    }
}

const Kernels PORTABLE = {"portable", STEP, GROUP, 1, 128, everywhere, Rows::row_bytes, Rows::load, activate, convolve, Rows::group_bytes, Rows::pack};

}  // namespace

const std::vector<const Kernels*>& available_kernels() {
    static const std::vector<const Kernels*> found = [] {
        std::vector<const Kernels*> all;
        for (const Kernels* kernels : {avx512_vnni_kernels, avx_vnni_kernels, avx2_kernels, avx2_bytes_kernels, &PORTABLE}) {
            if (kernels && kernels->available()) all.push_back(kernels);
        }
        return all;
    }();
    return found;
}

Convolution::Convolution(const Kernels& chosen, Format wanted, bool signed_inputs, int out_channels, int in_channels, int window,
                         const int8_t* weight, const int32_t* given_bias, const int8_t* exponent)
    : kernels(&chosen), format(wanted), outputs(out_channels), inputs(in_channels), side(window), offset(signed_inputs ? chosen.input_offset : 0) {
    const int bits = wanted == Format::activations ? ACT_BITS : wanted == Format::carried ? CARRY_BITS : OUT_BITS;
    const int group = chosen.group;
    groups = (outputs + group - 1) / group;
    group_bytes = (chosen.group_bytes(inputs, side) + 63) / 64 * 64;
    const size_t lanes = static_cast<size_t>(groups) * group, length = static_cast<size_t>(inputs) * side * side;
    store_.assign(64 + groups * group_bytes + 4 * lanes * sizeof(int32_t) + 64, 0);
    unsigned char* base = store_.data() + (64 - reinterpret_cast<uintptr_t>(store_.data()) % 64) % 64;
    int32_t* numbers = reinterpret_cast<int32_t*>(base + groups * group_bytes);
    int32_t *biases = numbers, *shifts = biases + lanes, *belows = shifts + lanes, *odds = belows + lanes;
    for (int o = 0; o < outputs; ++o) {
        const int8_t* of_output = weight + o * length;
        chosen.pack(of_output, inputs, side, o % group, base + o / group * group_bytes);
        int32_t sum = 0;
        for (size_t i = 0; i < length; ++i) sum += of_output[i];
        const int32_t shift = exponent[o] + ACT_BITS - bits;  // proved to be 0..16
        biases[o] = given_bias[o] - offset * sum;
        shifts[o] = shift;
        belows[o] = shift ? (1 << (shift - 1)) - 1 : 0;
        odds[o] = shift ? 1 : 0;
    }
    weights = base;
    bias = biases, shift = shifts, below_half = belows, odd = odds;
}

}  // namespace hvpzip::network
