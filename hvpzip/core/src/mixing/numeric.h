// Fixed-point numbers and tables of the mixing coder. This file reaches the bit stream.
//
// Everything here is integer arithmetic, except that the tables are built by strict IEEE double arithmetic (add, multiply, divide and square
// root in the order written; -ffp-contract=off, no fast-math), which gives the same tables on every processor. docs/format.md has the formulas.
//
// HVPZIP_ISA is a namespace of its own for each set of compiler flags: the same source is compiled once for every processor and once for AVX2,
// and nothing in it may be shared between the two by the linker. So no containers of the standard library here, only Buffer.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef HVPZIP_ISA
#define HVPZIP_ISA portable
#endif

namespace hvpzip::mixing::HVPZIP_ISA {

// Zeroed memory of a fixed size, aligned to 64 bytes. Large ones ask for huge pages where there are any: what lies in them is read at places that
// are all over, and most of such a read was the search for its page.
template <typename T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(std::size_t size) { reset(size); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { release(); }

    void reset(std::size_t size) {
        release();
        bytes_ = size * sizeof(T) + 64;
#if defined(__linux__)
        if (bytes_ >= kHuge) {
            raw_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (raw_ == MAP_FAILED) {
                raw_ = nullptr;
                throw std::bad_alloc();
            }
            madvise(raw_, bytes_, MADV_HUGEPAGE);
        } else
#endif
            raw_ = std::calloc(bytes_, 1);
        if (raw_ == nullptr) throw std::bad_alloc();
        data_ = reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(raw_) + 63) & ~std::uintptr_t{63});
        size_ = size;
    }
    void fill(T value) {
        for (std::size_t i = 0; i < size_; ++i) data_[i] = value;
    }
    T& operator[](std::size_t i) { return data_[i]; }
    const T& operator[](std::size_t i) const { return data_[i]; }
    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }

private:
    static constexpr std::size_t kHuge = std::size_t{1} << 21;

    void release() {
#if defined(__linux__)
        if (raw_ != nullptr && bytes_ >= kHuge) munmap(raw_, bytes_);
        else
#endif
            std::free(raw_);
        raw_ = nullptr;
    }

    void* raw_ = nullptr;
    T* data_ = nullptr;
    std::size_t size_ = 0, bytes_ = 0;
};

// One object, deleted with its owner.
template <typename T>
class Owned {
public:
    Owned() = default;
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { delete object_; }
    void take(T* object) {
        delete object_;
        object_ = object;
    }
    T* get() const { return object_; }
    T* operator->() const { return object_; }

private:
    T* object_ = nullptr;
};

template <typename T>
inline T clamp(T value, T low, T high) {
    return value < low ? low : value > high ? high : value;
}
template <typename T>
inline T smaller(T a, T b) {
    return a < b ? a : b;
}
template <typename T>
inline T larger(T a, T b) {
    return a > b ? a : b;
}

inline int floor_log2(std::uint32_t x) {  // x > 0
#if defined(__GNUC__)
    return 31 - __builtin_clz(x);
#else
    int e = 0;
    while (x >>= 1) ++e;
    return e;
#endif
}

// 16 log2(x), the fraction linear between powers of two; x > 0. Rounded down.
inline int log2_sixteenths(std::uint32_t x) {
    const int e = floor_log2(x);
    return 16 * e + static_cast<int>(((static_cast<std::uint64_t>(x) << 4) >> e) & 15);
}

// The same for x < 2^24, in a form that compilers vectorise: a float holds x exactly.
inline std::int32_t log2_sixteenths_vector(std::int32_t x) {
    const float exact = static_cast<float>(x);
    std::int32_t bits;
    std::memcpy(&bits, &exact, 4);
    return (bits >> 19) - 127 * 16;
}

constexpr int kUnit = 64;         // predictions are in 1/64 of a sample
constexpr int kLogitOne = 256;    // logits (natural) are in 1/256
constexpr int kLogitMost = 2047;  // of an input of the mixer
constexpr int kScales = 448;      // classes of scale, 1/16 octave each

// Brings a place into the cache before it is wanted.
inline void ask(const void* place) {
#if defined(__GNUC__)
    __builtin_prefetch(place, 1);
#else
    (void)place;
#endif
}

struct Tables {
    // 2^20 / (1 + exp(-z)) for z = (i - 768) / 64; in between linear.
    std::int32_t logistic[1538];
    // 65536 ln(1 + i / 1024)
    std::int32_t log_mantissa[1024];
    // A scale class: 2^33 / sigma and 12 sigma / 64, sigma in 1/4096.
    std::int32_t inverse[kScales];
    std::int32_t limit[kScales];
    std::int32_t sigma[kScales];
    // 65536 max(1/(n+2), 0.01)
    std::int32_t mean_rate[128];
    // 65536 times the learning rates of the mixer's first and second layer after n steps.
    std::int32_t first_rate[256];
    std::int32_t second_rate[256];

    Tables() {
        double step = 1.0, term = 1.0;  // exp(1/64), by its series
        for (int k = 1; k <= 12; ++k) {
            term = term / (64.0 * k);
            step = step + term;
        }
        double power = 1.0;
        for (int i = 0; i <= 769; ++i) {
            const std::int32_t upper = static_cast<std::int32_t>(1048576.0 * power / (1.0 + power) + 0.5);
            logistic[768 + i] = upper;
            if (i <= 768) logistic[768 - i] = 1048576 - upper;
            power = power * step;
        }
        for (int i = 0; i < 1024; ++i) {  // 2 artanh(x / (2 + x))
            const double u = (i / 1024.0) / (2.0 + i / 1024.0), square = u * u;
            double power_of_u = u, sum = 0.0;
            for (int k = 1; k <= 33; k += 2) {
                sum = sum + power_of_u / k;
                power_of_u = power_of_u * square;
            }
            log_mantissa[i] = static_cast<std::int32_t>(65536.0 * (2.0 * sum) + 0.5);
        }
        for (int i = 0; i < kScales; ++i) {
            // The mean error of class i in 1/4096, then sigma = 0.45 max(mean, 0.05) + 0.03.
            const std::int64_t base = static_cast<std::int64_t>(16 + i % 16) << (i / 16);
            const std::int64_t mean = (base + base / 32) >> 4;
            const std::int64_t sigma4096 = larger<std::int64_t>(mean, 205) * 115 / 256 + 123;
            sigma[i] = static_cast<std::int32_t>(sigma4096);
            inverse[i] = static_cast<std::int32_t>((std::int64_t{1} << 33) / sigma4096);
            limit[i] = static_cast<std::int32_t>(sigma4096 * 12 / 64);
        }
        for (int n = 0; n < 128; ++n) mean_rate[n] = larger(65536 / (n + 2), 655);
        for (int n = 0; n < 256; ++n) {
            const double root = std::sqrt(1.0 + n);
            first_rate[n] = larger(80, static_cast<std::int32_t>(1311.0 / root + 0.5));
            second_rate[n] = larger(33, static_cast<std::int32_t>(328.0 / root + 0.5));
        }
    }
};

inline const Tables& tables() {
    static const Tables found;
    return found;
}

// 65536 ln(x) for 0 < x < 2^24.
inline std::int32_t log_q16(const Tables& t, std::uint32_t x) {
    const int e = floor_log2(x);
    return e * 45426 + t.log_mantissa[((static_cast<std::uint64_t>(x) << 10) >> e) & 1023];
}

// The same, in a form that compilers vectorise: a float holds x < 2^24 exactly.
inline std::int32_t log_q16_vector(const std::int32_t* mantissa, std::int32_t x) {
    const float exact = static_cast<float>(x);
    std::int32_t bits;
    std::memcpy(&bits, &exact, 4);
    return ((bits >> 23) - 127) * 45426 + mantissa[(bits >> 13) & 1023];
}

// 2^20 / (1 + exp(-z)), z in 1/4096 and within [-12, 12].
inline std::int32_t logistic_q20(const std::int32_t* table, std::int32_t z) {
    const std::int32_t place = z + 49152;
    const std::int32_t i = place >> 6, fraction = place & 63;
    return table[i] + (((table[i + 1] - table[i]) * fraction) >> 6);
}

}  // namespace hvpzip::mixing::HVPZIP_ISA
