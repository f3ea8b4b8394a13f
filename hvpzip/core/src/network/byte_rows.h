// Rows of bytes, positions side by side: a byte is an activation plus an offset, so that unsigned x signed products serve signed inputs too.
//
// Integer arithmetic only: this file reaches the bit stream.

#pragma once

#include <cstddef>
#include <cstdint>

#include "network/convolution.h"

namespace hvpzip::network {

// STEP: channels that are multiplied at once. GROUP: outputs. Weights lie as [tap][inputs / STEP][output][STEP].
template <int STEP, int GROUP>
struct ByteRows {
    static int padded(int channels) { return (channels + STEP - 1) / STEP * STEP; }

    static size_t row_bytes(int positions, int channels, int side) {
        return (static_cast<size_t>(positions) + side - 1) * padded(channels) + 64;  // vectors read beyond the end
    }

    static uint8_t* first(void* row, int channels, int side) { return static_cast<uint8_t*>(row) + side / 2 * padded(channels); }

    static void load(const int8_t* inputs, int positions, int channels, void* row) {
        uint8_t* out = first(row, channels, 3);
        for (int x = 0; x < positions; ++x, inputs += channels, out += padded(channels)) {
            for (int c = 0; c < channels; ++c) out[c] = static_cast<uint8_t>(inputs[c] + 128);
        }
    }

    static size_t group_bytes(int inputs, int side) { return static_cast<size_t>(side) * side * padded(inputs) * GROUP; }

    static void pack(const int8_t* weight, int inputs, int side, int place, void* group) {
        const int taps = side * side;
        for (int i = 0; i < inputs; ++i) {
            for (int tap = 0; tap < taps; ++tap) {
                const size_t four = static_cast<size_t>(tap) * (padded(inputs) / STEP) + i / STEP;
                static_cast<int8_t*>(group)[(four * GROUP + place) * STEP + i % STEP] = weight[i * taps + tap];
            }
        }
    }
};

}  // namespace hvpzip::network
