// How numpy's arrays come in: contiguous, of one exact type, never converted or copied. Included by files with bindings only.
//
// By Python's buffer protocol, and not as nanobind's ndarray, whose code is made anew for every argument of every function: that was half the time it
// takes to compile the bindings.

#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hvpzip {

namespace nb = nanobind;

// An argument that is an array of D dimensions. It lasts as long as the call.
template <typename T, int D>
class Array {
public:
    T* data() const { return data_; }
    std::size_t shape(int dimension) const { return shape_[dimension]; }
    std::size_t size() const {
        std::size_t count = 1;
        for (const std::size_t side : shape_) count *= side;
        return count;
    }

private:
    friend struct nb::detail::type_caster<Array>;
    T* data_ = nullptr;
    std::size_t shape_[D] = {};
};

template <typename T, int D>
using In = Array<const T, D>;
template <typename T, int D>
using Out = Array<T, D>;

// The memory of an array, held.
class Memory {
public:
    enum Kind { kSigned, kUnsigned, kFloat, kBool };

    Memory() = default;
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    ~Memory();

    // Whether the object has such memory, contiguous; its sides go into shape.
    bool take(PyObject* object, Kind kind, std::size_t item, bool writable, int dimensions, std::size_t* shape) noexcept;
    void* data() const { return view_.buf; }

private:
    Py_buffer view_ = {};
};

// ValueError in Python. Sizes of arrays, and whatever a file decides, go through this before a kernel runs.
inline void require(bool condition, const char* message) {
    if (!condition) throw nb::value_error(message);
}

#define ARRAY(name) nb::arg(name).noconvert()

// A kernel runs without the interpreter's lock.
using Unlocked = nb::call_guard<nb::gil_scoped_release>;

}  // namespace hvpzip

namespace nanobind::detail {

template <typename T, int D>
struct type_caster<hvpzip::Array<T, D>> {
    using Argument = hvpzip::Array<T, D>;
    NB_TYPE_CASTER(Argument, const_name("ndarray"))

    template <typename Flags>
    bool from_python(handle source, Flags, cleanup_list*) noexcept {
        using Memory = hvpzip::Memory;
        using Number = std::remove_const_t<T>;
        constexpr Memory::Kind kind = std::is_same_v<Number, bool>       ? Memory::kBool
                                      : std::is_floating_point_v<Number> ? Memory::kFloat
                                      : std::is_signed_v<Number>         ? Memory::kSigned
                                                                         : Memory::kUnsigned;
        if (!memory_.take(source.ptr(), kind, sizeof(T), !std::is_const_v<T>, D, value.shape_)) return false;
        value.data_ = static_cast<T*>(memory_.data());
        return true;
    }

private:
    hvpzip::Memory memory_;
};

}  // namespace nanobind::detail
