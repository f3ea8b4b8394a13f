// A group on its way through the cascade geometry: its planes, and where decisions go to or come from. Compiled once for each instruction set
// (cascade_portable.cpp, cascade_avx2.cpp). This file reaches the bit stream.
#pragma once

#include <cmath>
#include <type_traits>

#include "mixing/cascade.h"
#include "mixing/cascade_plane.h"
#include "mixing/message.h"

namespace hvpzip::mixing::HVPZIP_ISA {

// A message that counts the bits of its decisions. The sum is told and nothing else: it may differ in its last digits between machines.
template <typename Message>
class Counted {
public:
    explicit Counted(Message& message) : message_(message) {}
    bool code(bool bit, std::uint32_t chance) {
        const bool found = message_.code(bit, chance);
        product_ *= (found ? chance : 65536 - chance) / 65536.0;
        if (product_ < 1e-200) bits_ -= std::log2(product_), product_ = 1.0;
        return found;
    }
    double bits() const { return bits_ - std::log2(product_); }

private:
    Message& message_;
    double bits_ = 0.0, product_ = 1.0;
};

template <typename Message>
class Session final : public Cascade {
public:
    template <typename... Arguments>
    Session(int height, int width, int planes, const std::int64_t* matrix, int profile, Arguments... arguments)
        : height_(height), width_(width), planes_(planes), message_(arguments...) {
        if (matrix != nullptr) reached_.reach(matrix);
        const ColourSet* const reached = matrix != nullptr ? &reached_ : nullptr;
        if (profile > 1 && planes == 3) seen_.clear();
        for (int p = 0; p < planes; ++p)
            plane_[p].take(new CascadePlane(height, width, p > 0 ? plane_[p - 1].get() : nullptr, p > 1 ? plane_[p - 2].get() : nullptr, reached, profile > 1 && planes == 3 ? &seen_ : nullptr));
        if (planes == 3) plane_[1]->comes_before(*plane_[2].get());
    }

    void coarse(const std::uint8_t* samples) override {
        for (int p = 0; p < planes_; ++p) {
            for (int y = 0; y < height_; y += 2)
                for (int x = 0; x < width_; x += 2) plane_[p]->put(y, x, *samples++);
            plane_[p]->learn_coarse();
        }
    }

    void unit(int unit, std::uint8_t* samples, const double* mean, const double* slope, const double* sigma, double* bits, Ticker& ticker) override {
        const std::size_t rows = (height_ - kUnitStart[unit].dy + 1) / 2, columns = (width_ - kUnitStart[unit].dx + 1) / 2;
        const Gaussians network = {mean, slope, sigma, rows * columns};
        for (int p = 0; p < planes_; ++p) {
            Counted<Message> counted(message_);
            plane_[p]->code(counted, static_cast<Unit>(unit), network, samples + p * rows * columns, kWrites, ticker);
            bits[p] = counted.bits();
        }
    }

    void finish(Output& output) override { end(message_, output); }

private:
    static constexpr bool kWrites = std::is_same<Message, Writer>::value;
    static void end(const Writer& writer, Output& output) { writer.finish(output); }
    static void end(const Reader& reader, Output&) { reader.finish(); }

    int height_, width_, planes_;
    ColourSet reached_, seen_;
    Owned<CascadePlane> plane_[3];
    Message message_;
};

inline Cascade* new_writer(int height, int width, int planes, const std::int64_t* matrix, int profile) {
    return new Session<Writer>(height, width, planes, matrix, profile);
}
inline Cascade* new_reader(int height, int width, int planes, const std::int64_t* matrix, int profile, const std::uint8_t* bytes, std::size_t size) {
    return new Session<Reader>(height, width, planes, matrix, profile, bytes, size);
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
