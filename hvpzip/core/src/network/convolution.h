// Convolutions of the integer network, a row at a time: int8 weights, activations of 8 bits, sums of 32 bits, results rounded half to even.
//
// Integer arithmetic only: this file reaches the bit stream. Every sum is an integer below 2^24 (nn/proof.py), so all instruction sets give the
// same integers in any order of summation.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hvpzip::network {

// Number formats, as in nn/formats.py.
constexpr int ACT_BITS = 5, ACT_MAX = 255;
constexpr int CARRY_BITS = 8, CARRY_MAX = 32767;
constexpr int OUT_BITS = 6, OUT_MAX = 2047;

enum class Format { activations, carried, outputs };

struct Convolution;

// Where a row of results goes: activations into a row of bytes, the others as int16 (positions, outputs).
struct Target {
    Format format;
    void* out;
    const int16_t* add;  // carried features to add, or null; may be `out` itself
};

// An instruction set: how activations lie in a row, and how rows are made and multiplied. What a row holds is its own affair: bytes or 16 bits,
// positions side by side or transformed. A row that a 3x3 convolution reads has a margin of zeros at either end.
struct Kernels {
    const char* name;
    int step;           // channels of a position are padded to a multiple of it
    int group;          // outputs at once
    int channel_bytes;  // of an activation in a row of side 1
    int input_offset;   // that signed inputs get, where rows hold unsigned bytes; activations have none
    bool (*available)();
    // Bytes of a row that a convolution of this side reads. Filled with `input_offset` (0 for activations), it is a row outside the grid.
    size_t (*row_bytes)(int positions, int channels, int side);
    // Inputs (positions, channels) -> a row of side 3.
    void (*load)(const int8_t* inputs, int positions, int channels, void* row);
    // Features (positions, channels) -> a row of activations.
    void (*activate)(const int16_t* carried, int positions, int channels, int side, void* row);
    // One row of results from `side` rows.
    void (*convolve)(const Convolution& convolution, const void* const* rows, int positions, const Target& target);
    // Weights of a group of outputs: their bytes, and those (inputs, side, side) of one output to its place in the group.
    size_t (*group_bytes)(int inputs, int side);
    void (*pack)(const int8_t* weight, int inputs, int side, int place, void* group);

    int padded(int channels) const { return (channels + step - 1) / step * step; }
};

// Those that this processor has, the fastest first; the last one runs everywhere.
const std::vector<const Kernels*>& available_kernels();

// Weights of one convolution with zero padding, packed for one instruction set and one format of its results.
struct Convolution {
    // weight (outputs, inputs, side, side), bias and exponent (outputs,), as in nn/layers.py.
    Convolution(const Kernels& kernels, Format format, bool signed_inputs, int outputs, int inputs, int side, const int8_t* weight,
                const int32_t* bias, const int8_t* exponent);

    const Kernels* kernels;
    Format format;
    int outputs, inputs, side;
    int offset;  // that its rows have
    int groups;  // of kernels->group outputs
    size_t group_bytes;
    // Aligned to 64 bytes: weights by group, and for every output bias and rounding.
    const void* weights;
    const int32_t *bias, *shift, *below_half, *odd;

    Convolution(const Convolution&) = delete;
    Convolution& operator=(const Convolution&) = delete;

private:
    std::vector<unsigned char> store_;
};

// x / 2^shift rounded half to even; below_half = 2^(shift - 1) - 1 and odd = 1, both 0 for shift 0.
inline int32_t rounded(int32_t x, int32_t shift, int32_t below_half, int32_t odd) { return (x + below_half + ((x >> shift) & odd)) >> shift; }

// Those of x86-64, or null where the compiler has none.
extern const Kernels* const avx2_kernels;
extern const Kernels* const avx2_bytes_kernels;
extern const Kernels* const avx_vnni_kernels;
extern const Kernels* const avx512_vnni_kernels;

}  // namespace hvpzip::network
