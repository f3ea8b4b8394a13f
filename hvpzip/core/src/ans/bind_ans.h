// Mixtures and alphabets as they come in from Python, checked. Included by files with bindings only.

#pragma once

#include "ans/windows.h"
#include "arrays.h"

namespace hvpzip {

// mean, scale, weight: (K, N), int64, int16 and int32. ValueError for others; whether they are mixtures is still to be seen.
inline Mixtures shaped_mixtures(const In<int64_t, 2>& mean, const In<int16_t, 2>& scale, const In<int32_t, 2>& weight) {
    require(mean.shape(0) == scale.shape(0) && mean.shape(1) == scale.shape(1) && mean.shape(0) == weight.shape(0) &&
                mean.shape(1) == weight.shape(1),
            "mean, scale and weight must have one shape");
    return {mean.data(), scale.data(), weight.data(), static_cast<int64_t>(mean.shape(0)), static_cast<int64_t>(mean.shape(1))};
}

constexpr const char* NO_MIXTURE = "not a mixture: a mean, a scale or a weight is out of range";

// The same. ValueError unless ``is_mixture``.
inline Mixtures checked_mixtures(const In<int64_t, 2>& mean, const In<int16_t, 2>& scale, const In<int32_t, 2>& weight) {
    const Mixtures mixtures = shaped_mixtures(mean, scale, weight);
    require(is_mixture(mixtures), NO_MIXTURE);
    return mixtures;
}

inline const GaussianTables& checked_tables() {
    require(the_tables() != nullptr, "use_tables must be called first");
    return *the_tables();
}

template <typename Array>
void require_length(const Array& array, int64_t length, const char* message) {
    require(static_cast<int64_t>(array.shape(0)) == length, message);
}

// One alphabet of windows: 1..2**20 symbols, whose edges are in range.
inline Alphabet checked_alphabet(int64_t lo, int64_t size) {
    constexpr int64_t LIMIT = POSITION_LIMIT >> 8;
    require(size >= 1 && size <= int64_t{1} << (PRECISION - 4) && lo > -LIMIT && lo < LIMIT, "an alphabet must have 1..2**20 symbols within 2**32");
    return {lo, size};
}

// first, total, excess: (N,). edges: (N, length + 1). Every window begins at lo or above.
inline Windows checked_windows(const In<int64_t, 1>& first, const Out<int32_t, 2>& edges, const Out<int64_t, 1>& total,
                               const Out<int64_t, 1>& excess, int64_t n, const Alphabet& alphabet) {
    require_length(first, n, "first must be (N,)");
    require_length(total, n, "total must be (N,)");
    require_length(excess, n, "excess must be (N,)");
    require_length(edges, n, "edges must be (N, length + 1)");
    require(edges.shape(1) >= 2, "a window must have a symbol");
    for (int64_t i = 0; i < n; ++i)
        require(first.data()[i] >= alphabet.lo && first.data()[i] < alphabet.lo + alphabet.size, "a window begins outside its alphabet");
    return {first.data(), edges.data(), total.data(), excess.data(), static_cast<int64_t>(edges.shape(1)) - 1};
}

}  // namespace hvpzip
