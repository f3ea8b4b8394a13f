// The mixing coder as the rest of the core sees it: planes to the bytes of a message and back. Plain pointers and sizes, no Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace hvpzip::mixing {

constexpr int kMostPlanes = 4;
constexpr int kProfiles = 8;  // numbered from 1; from the fifth on each plane has a message of its own

// The bytes are none that the encoder writes.
struct Corrupt : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Called after every row, with how many rows of all planes are done; what it throws ends the work.
struct Ticker {
    virtual ~Ticker() = default;
    virtual void tick(std::int64_t rows) = 0;
};
// Messages, one after the other.
struct Output {
    virtual ~Output() = default;
    virtual void begin() = 0;
    virtual void write(const std::uint8_t* bytes, std::size_t size) = 0;
};
struct Bytes {
    const std::uint8_t* data;
    std::size_t size;
};
inline int messages_of(int planes, int profile) { return profile > 4 ? planes : 1; }

// Planes in the order of coding: sample (y, x) of plane p at [(p * height + y) * width + x], within [low[p], high[p]], 0 <= low <= high < 65536.
struct Picture {
    int height, width, planes;
    const std::uint16_t* low;
    const std::uint16_t* high;
    // Planes 0 to 2 are green, red and blue below 256, likely to come from luma and chroma by this matrix: luma, red, green_blue, green_red, blue
    // and three offsets, in 2^-16, below 2^20 in magnitude. Null where they are not.
    const std::int64_t* matrix;
};

struct Coder {
    // The same bytes on any number of threads.
    void (*encode)(const Picture&, const std::uint16_t* samples, int profile, int threads, Ticker&, Output&);
    // Of messages_of(picture.planes, profile) messages. Throws Corrupt.
    void (*decode)(const Picture&, const Bytes* messages, int profile, int threads, Ticker&, std::uint16_t* samples);
};

// The same coder compiled for every processor, and for AVX2 where the compiler can: the same bytes.
const Coder& portable_coder();
const Coder* avx2_coder();  // null where it was not compiled
const Coder& fastest_coder();

}  // namespace hvpzip::mixing
