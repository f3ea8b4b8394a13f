// A group on its way through the cascade geometry: its planes, and where decisions go to or come from. Compiled once for each instruction set
// (cascade_portable.cpp, cascade_avx2.cpp). This file reaches the bit stream.
#pragma once

#include <cmath>

#include "mixing/cascade.h"
#include "mixing/cascade_plane.h"
#include "mixing/in_step.h"
#include "mixing/message.h"

namespace hvpzip::mixing::HVPZIP_ISA {

// A message that counts the bits of its decisions. The sum is told and nothing else: it may differ in its last digits between machines.
class Counted final : public Message {
public:
    explicit Counted(Message& message) : message_(message) {}
    bool code(bool bit, std::uint32_t chance) override {
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

class Session final : public Cascade, PlaneRows {
public:
    // messages: to read, or null to write.
    Session(int height, int width, int planes, const std::int64_t* matrix, int profile, const std::uint8_t* starts, const Bytes* messages)
            : height_(height), width_(width), planes_(planes), messages_(cascade_messages(planes, profile)), writes_(messages == nullptr) {
        if (matrix != nullptr) reached_.reach(matrix);
        const ColourSet* const reached = matrix != nullptr ? &reached_ : nullptr;
        ColourSet* const seen = profile > 1 && planes == 3 ? &seen_ : nullptr;
        if (seen != nullptr) seen_.clear();
        for (int p = 0; p < planes; ++p)
            plane_[p].take(new CascadePlane(height, width, p > 0 ? plane_[p - 1].get() : nullptr, p > 1 ? plane_[p - 2].get() : nullptr, reached, seen,
                                            starts == nullptr ? nullptr : starts + p * kStartBytes));
        if (planes == 3) plane_[1]->comes_before(*plane_[2].get());
        if (!writes_)
            for (int m = 0; m < messages_; ++m) reader_[m].take(new Reader(messages[m]));
    }

    void coarse(const std::uint8_t* samples) override {
        for (int p = 0; p < planes_; ++p) {
            for (int y = 0; y < height_; y += 2)
                for (int x = 0; x < width_; x += 2) plane_[p]->put(y, x, *samples++);
            plane_[p]->learn_coarse();
        }
    }

    void unit(int unit, std::uint8_t* samples, const double* mean, const double* slope, const double* sigma, double* bits, int threads, Ticker& ticker) override {
        const std::size_t rows = (height_ - kUnitStart[unit].dy + 1) / 2, columns = (width_ - kUnitStart[unit].dx + 1) / 2;
        const Gaussians network = {mean, slope, sigma, rows * columns};
        network_ = &network, samples_ = samples;
        for (int p = 0; p < planes_; ++p) {
            if (writes_) decisions_[unit][p].take(new Decisions);
            Message* const message = writes_ ? static_cast<Message*>(decisions_[unit][p].get()) : reader_[messages_ == 1 ? 0 : p].get();
            counted_[p].take(new Counted(*message));
            plane_[p]->begin(static_cast<Unit>(unit));
        }
        // A writer keeps decisions plane by plane; a reader of a single message finds them one after the other.
        code_in_step(*this, planes_, plane_[0]->rows(), writes_ || messages_ > 1 ? threads : 1, ticker);
        for (int p = 0; p < planes_; ++p) {
            plane_[p]->end();
            bits[p] = counted_[p]->bits();
        }
    }

    void learnt(int plane, double* found) const override { plane_[plane]->learnt(found); }
    void finish(Output& output) override {
        for (int m = 0; m < messages_; ++m) end(output, m);
    }

private:
    void code_row(int p, int y) override {
        const std::size_t columns = plane_[p]->columns();
        plane_[p]->code_row(*counted_[p].get(), y, *network_, samples_ + p * network_->n + y * columns, writes_);
    }
    void end(Output& output, int m) {
        if (!writes_) {
            reader_[m]->finish();
            return;
        }
        Writer writer(output);
        for (int u = kUnits - 1; u >= 0; --u)
            for (int p = planes_ - 1; p >= 0; --p)
                if (messages_ == 1 || p == m) writer.push(*decisions_[u][p].get());
        writer.finish();
    }

    int height_, width_, planes_, messages_;
    bool writes_;
    ColourSet reached_, seen_;
    Owned<CascadePlane> plane_[3];
    Owned<Decisions> decisions_[kUnits][3];
    Owned<Reader> reader_[3];
    // The unit on its way
    Owned<Counted> counted_[3];
    const Gaussians* network_ = nullptr;
    std::uint8_t* samples_ = nullptr;
};

inline Cascade* new_writer(int height, int width, int planes, const std::int64_t* matrix, int profile, const std::uint8_t* starts) {
    return new Session(height, width, planes, matrix, profile, starts, nullptr);
}
inline Cascade* new_reader(int height, int width, int planes, const std::int64_t* matrix, int profile, const std::uint8_t* starts, const Bytes* messages) {
    return new Session(height, width, planes, matrix, profile, starts, messages);
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
