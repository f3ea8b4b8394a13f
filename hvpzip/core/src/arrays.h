// How numpy's arrays come in: contiguous, of one exact type, never converted or copied. Included by files with bindings only.

#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>

namespace hvpzip {

namespace nb = nanobind;

template <typename T, int D>
using In = nb::ndarray<const T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;
template <typename T, int D>
using Out = nb::ndarray<T, nb::ndim<D>, nb::c_contig, nb::device::cpu>;

// ValueError in Python. Sizes of arrays, and whatever a file decides, go through this before a kernel runs.
inline void require(bool condition, const char* message) {
    if (!condition) throw nb::value_error(message);
}

// A kernel runs without the interpreter's lock.
using Unlocked = nb::call_guard<nb::gil_scoped_release>;

}  // namespace hvpzip
