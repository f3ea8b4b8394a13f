// What bindings of the mixing coder share. Included by files with bindings only.
#pragma once

#include <vector>

#include "arrays.h"
#include "mixing/mixing.h"

namespace hvpzip {

// Looks for Ctrl-C now and then, from a thread without the interpreter's lock.
class Signals final : public mixing::Ticker {
public:
    explicit Signals(int width) : every_(width > 8192 ? 1 : 8192 / width) {}
    void tick() override {
        if (++rows_ % every_) return;
        nb::gil_scoped_acquire lock;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
    }

private:
    int every_, rows_ = 0;
};

class Bytes final : public mixing::Output {
public:
    void write(const std::uint8_t* bytes, std::size_t size) override { data.insert(data.end(), bytes, bytes + size); }
    std::vector<std::uint8_t> data;
};

}  // namespace hvpzip
