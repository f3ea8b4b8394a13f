// Planes to a message and back, compiled once for each instruction set (portable.cpp, avx2.cpp). This file reaches the bit stream.
#pragma once

#include "mixing/in_step.h"
#include "mixing/message.h"
#include "mixing/raster.h"

namespace hvpzip::mixing::HVPZIP_ISA {

// Planes on their way, with a message for each, or the same for all.
class Planes final : public PlaneRows {
public:
    // known: samples to write, or null; found: where to put those that were read, or null.
    Planes(const Picture& picture, int bits, bool wide, int profile, Message* const* messages, const std::uint16_t* known, std::uint16_t* found)
            : picture_(picture), bits_(bits), wide_(wide), profile_(profile), messages_(messages), known_(known), found_(found) {
        if (picture.matrix != nullptr) reached_.reach(picture.matrix);
    }

    void code_row(int p, int y) override {
        if (y == 0) begin(p);
        const std::size_t width = picture_.width, place = (static_cast<std::size_t>(p) * picture_.height + y) * width;
        if (!is_flat(p)) rasters_[p]->code_row(*messages_[p], y, known_ == nullptr ? nullptr : known_ + place);
        if (found_ != nullptr) std::memcpy(found_ + place, planes_[p].at(y, 0), sizeof(std::uint16_t) * width);
        if (y == picture_.height - 1) rasters_[p]->release();
    }

private:
    // As late as can be: a plane gives back most of its memory at its end.
    void begin(int p) {
        planes_[p].reset(picture_.height, picture_.width, picture_.low[p], picture_.high[p]);
        if (is_flat(p)) {
            for (int y = 0; y < picture_.height; ++y)
                for (int x = 0; x < picture_.width; ++x) planes_[p].put(y, x, planes_[p].low);
        }
        rasters_[p].take(new Raster(planes_[p], p > 0 ? rasters_[p - 1].get() : nullptr, p > 1 ? rasters_[p - 2].get() : nullptr,
                                           p == 2 && picture_.matrix != nullptr ? &reached_ : nullptr, bits_, wide_, profile_ - 1));
    }
    bool is_flat(int p) const { return planes_[p].low == planes_[p].high; }

    const Picture& picture_;
    const int bits_;
    const bool wide_;  // whether some samples are above 255
    const int profile_;
    Message* const* messages_;
    const std::uint16_t* known_;
    std::uint16_t* found_;
    ColourSet reached_;
    Plane planes_[kMostPlanes];
    Owned<Raster> rasters_[kMostPlanes];
};

inline void code(const Picture& picture, int profile, int threads, Message* const* messages, Ticker& ticker, const std::uint16_t* known, std::uint16_t* found) {
    int span = 0, most = 0;
    for (int p = 0; p < picture.planes; ++p) {
        span = larger(span, picture.high[p] - picture.low[p]);
        most = larger<int>(most, picture.high[p]);
    }
    const int bits = span == 0 ? 1 : floor_log2(static_cast<std::uint32_t>(span)) + 1;
    Planes planes(picture, bits, most > 255, profile, messages, known, found);
    code_in_step(planes, picture.planes, picture.height, threads, ticker);
}

inline void encode(const Picture& picture, const std::uint16_t* samples, int profile, int threads, Ticker& ticker, Output& output) {
    Decisions decisions[kMostPlanes];
    Message* messages[kMostPlanes];
    for (int p = 0; p < kMostPlanes; ++p) messages[p] = &decisions[p];
    code(picture, profile, threads, messages, ticker, samples, nullptr);
    const int count = messages_of(picture.planes, profile);
    for (int m = 0; m < count; ++m) {
        Writer writer(output);
        for (int p = picture.planes - 1; p >= 0; --p)
            if (count == 1 || p == m) writer.push(decisions[p]);
        writer.finish();
    }
}

inline void decode(const Picture& picture, const Bytes* messages, int profile, int threads, Ticker& ticker, std::uint16_t* samples) {
    const int count = messages_of(picture.planes, profile);
    Owned<Reader> readers[kMostPlanes];
    Message* each[kMostPlanes];
    for (int m = 0; m < count; ++m) readers[m].take(new Reader(messages[m]));
    for (int p = 0; p < picture.planes; ++p) each[p] = readers[count == 1 ? 0 : p].get();
    code(picture, profile, count == 1 ? 1 : threads, each, ticker, nullptr, samples);
    for (int m = 0; m < count; ++m) readers[m]->finish();
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
