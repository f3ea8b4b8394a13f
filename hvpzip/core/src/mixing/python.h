// What bindings of the mixing coder share. Included by files with bindings only.
#pragma once

#include <vector>

#include "arrays.h"
#include "mixing/mixing.h"

namespace hvpzip {

// Looks for Ctrl-C now and then, from a thread without the interpreter's lock, and tells watch, unless that is None, how many rows of how many are
// done. What it raises ends the work.
class Signals final : public mixing::Ticker {
public:
    Signals(std::int64_t width, std::int64_t rows, nb::handle watch) : every_(width < kSamples ? static_cast<int>(kSamples / width) : 1), rows_(rows), watch_(watch) {}
    void tick(std::int64_t done) override {
        if (++ticks_ % every_) return;
        nb::gil_scoped_acquire lock;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        if (!watch_.is_none()) watch_(done, rows_);
    }

private:
    static constexpr std::int64_t kSamples = 4096;  // a tenth of a second at the strongest
    int every_, ticks_ = 0;
    std::int64_t rows_;
    nb::handle watch_;  // lives as long as the call
};

// Several messages as one piece: the lengths of all but the last, 4 bytes each, the lowest first; then the messages.
class Joined final : public mixing::Output {
public:
    void begin() override { messages_.emplace_back(); }
    void write(const std::uint8_t* bytes, std::size_t size) override { messages_.back().insert(messages_.back().end(), bytes, bytes + size); }
    nb::bytes bytes() const {
        std::vector<std::uint8_t> all;
        for (std::size_t m = 0; m + 1 < messages_.size(); ++m)
            for (int b = 0; b < 4; ++b) all.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(messages_[m].size()) >> (8 * b)));
        for (const std::vector<std::uint8_t>& message : messages_) all.insert(all.end(), message.begin(), message.end());
        return nb::bytes(all.data(), all.size());
    }

private:
    std::vector<std::vector<std::uint8_t>> messages_;
};

// The inverse, of so many messages.
inline std::vector<mixing::Bytes> parted(const std::uint8_t* bytes, std::size_t size, int count) {
    std::vector<mixing::Bytes> found;
    const std::size_t lengths = 4 * static_cast<std::size_t>(count - 1);
    if (size < lengths) throw mixing::Corrupt("the lengths of the messages are missing");
    std::size_t offset = lengths;
    for (int m = 0; m < count; ++m) {
        std::size_t length = size - offset;
        if (m + 1 < count) {
            const std::uint8_t* b = bytes + 4 * m;
            const std::size_t told = b[0] | static_cast<std::size_t>(b[1]) << 8 | static_cast<std::size_t>(b[2]) << 16 | static_cast<std::size_t>(b[3]) << 24;
            if (told > length) throw mixing::Corrupt("a message goes beyond the end");
            length = told;
        }
        found.push_back({bytes + offset, length});
        offset += length;
    }
    return found;
}

}  // namespace hvpzip
