// Planes to a message and back, compiled once for each instruction set (portable.cpp, avx2.cpp). This file reaches the bit stream.
#pragma once

#include "mixing/message.h"
#include "mixing/raster.h"

namespace hvpzip::mixing::HVPZIP_ISA {

template <typename Value, typename Message>
void code_planes(const Picture& picture, int bits, int profile, Message& message, Ticker& ticker, const std::uint16_t* known, std::uint16_t* found) {
    Plane planes[kMostPlanes];
    Owned<Raster<Value>> rasters[kMostPlanes];
    ColourSet reached;
    if (picture.matrix != nullptr) reached.reach(picture.matrix);
    const std::size_t area = static_cast<std::size_t>(picture.height) * picture.width;
    for (int p = 0; p < picture.planes; ++p) {
        planes[p].reset(picture.height, picture.width, picture.low[p], picture.high[p]);
        if (planes[p].low == planes[p].high) {
            for (int y = 0; y < picture.height; ++y)
                for (int x = 0; x < picture.width; ++x) planes[p].put(y, x, planes[p].low);
        }
        rasters[p].take(new Raster<Value>(planes[p], p > 0 ? rasters[p - 1].get() : nullptr, p > 1 ? rasters[p - 2].get() : nullptr,
                                          p == 2 && picture.matrix != nullptr ? &reached : nullptr, bits, profile - 1));
        for (int y = 0; y < picture.height && planes[p].low != planes[p].high; ++y) {
            const std::size_t place = p * area + static_cast<std::size_t>(y) * picture.width;
            rasters[p]->code_row(message, y, known == nullptr ? nullptr : known + place);
            ticker.tick();
        }
        rasters[p]->release();
        for (int y = 0; found != nullptr && y < picture.height; ++y)
            std::memcpy(found + p * area + static_cast<std::size_t>(y) * picture.width, planes[p].at(y, 0), sizeof(std::uint16_t) * picture.width);
    }
}

template <typename Message>
void code(const Picture& picture, int profile, Message& message, Ticker& ticker, const std::uint16_t* known, std::uint16_t* found) {
    int span = 0, most = 0;
    for (int p = 0; p < picture.planes; ++p) {
        span = larger(span, picture.high[p] - picture.low[p]);
        most = larger<int>(most, picture.high[p]);
    }
    const int bits = span == 0 ? 1 : floor_log2(static_cast<std::uint32_t>(span)) + 1;
    if (most < 256)
        code_planes<std::uint8_t>(picture, bits, profile, message, ticker, known, found);
    else
        code_planes<std::uint16_t>(picture, bits, profile, message, ticker, known, found);
}

inline void encode(const Picture& picture, const std::uint16_t* samples, int profile, Ticker& ticker, Output& output) {
    Writer writer;
    code(picture, profile, writer, ticker, samples, nullptr);
    writer.finish(output);
}

inline void decode(const Picture& picture, const std::uint8_t* bytes, std::size_t size, int profile, Ticker& ticker, std::uint16_t* samples) {
    Reader reader(bytes, size);
    code(picture, profile, reader, ticker, nullptr, samples);
    reader.finish();
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
