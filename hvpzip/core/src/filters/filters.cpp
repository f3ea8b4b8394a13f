// Integer arithmetic only: this file reaches the bit stream.

#include "filters/filters.h"

#include <algorithm>
#include <vector>

#include "multiversion.h"

namespace hvpzip {

namespace {

constexpr int FILTERS = 5;
constexpr int64_t BLOCK = 256;  // bytes whose sizes, 128 at most, are summed in 16 bits

// The byte x filtered, given those to the left, above, and above to the left.
template <int FILTER>
HVPZIP_INLINE uint8_t filtered(int16_t x, int16_t left, int16_t up, int16_t corner) {
    if (FILTER == 0) return static_cast<uint8_t>(x);
    if (FILTER == 1) return static_cast<uint8_t>(x - left);
    if (FILTER == 2) return static_cast<uint8_t>(x - up);
    if (FILTER == 3) return static_cast<uint8_t>(x - static_cast<int16_t>((left + up) >> 1));
    const int16_t a = static_cast<int16_t>(up - corner), b = static_cast<int16_t>(left - corner), c = static_cast<int16_t>(a + b);
    const int16_t from_left = static_cast<int16_t>(a < 0 ? -a : a), from_up = static_cast<int16_t>(b < 0 ? -b : b);
    const int16_t from_corner = static_cast<int16_t>(c < 0 ? -c : c);
    const int16_t other = from_up <= from_corner ? up : corner;
    return static_cast<uint8_t>(x - (from_left <= std::min(from_up, from_corner) ? left : other));
}

// ``row`` and ``up`` have ``step`` zeros in front of them.
template <int FILTER>
HVPZIP_INLINE int64_t cost(const uint8_t* row, const uint8_t* up, int64_t size, int64_t step) {
    int64_t total = 0;
    for (int64_t begin = 0; begin < size; begin += BLOCK) {
        const int64_t end = std::min(begin + BLOCK, size);
        uint16_t sum = 0;
        for (int64_t j = begin; j < end; ++j) {
            const int8_t found = static_cast<int8_t>(filtered<FILTER>(row[j], row[j - step], up[j], up[j - step]));
            sum = static_cast<uint16_t>(sum + static_cast<uint16_t>(found < 0 ? -found : found));
        }
        total += sum;
    }
    return total;
}

template <int FILTER>
HVPZIP_INLINE void write(const uint8_t* row, const uint8_t* up, int64_t size, int64_t step, uint8_t* HVPZIP_RESTRICT line) {
    for (int64_t j = 0; j < size; ++j) line[j] = filtered<FILTER>(row[j], row[j - step], up[j], up[j - step]);
}

HVPZIP_WIDE void filter_row(const uint8_t* row, const uint8_t* up, int64_t size, int64_t step, uint8_t* line) {
    const int64_t costs[FILTERS] = {cost<0>(row, up, size, step), cost<1>(row, up, size, step), cost<2>(row, up, size, step),
                                    cost<3>(row, up, size, step), cost<4>(row, up, size, step)};
    const int64_t best = std::min_element(costs, costs + FILTERS) - costs;  // the first of equals
    *line++ = static_cast<uint8_t>(best);
    if (best == 0) write<0>(row, up, size, step, line);
    if (best == 1) write<1>(row, up, size, step, line);
    if (best == 2) write<2>(row, up, size, step, line);
    if (best == 3) write<3>(row, up, size, step, line);
    if (best == 4) write<4>(row, up, size, step, line);
}

}  // namespace

void filter_rows(const uint8_t* rows, const uint8_t* above, int64_t height, int64_t size, int64_t step, uint8_t* lines) {
    std::vector<uint8_t> row(static_cast<size_t>(step + size)), up(static_cast<size_t>(step + size));
    std::copy(above, above + size, up.begin() + step);
    for (int64_t y = 0; y < height; ++y) {
        std::copy(rows + y * size, rows + (y + 1) * size, row.begin() + step);
        filter_row(row.data() + step, up.data() + step, size, step, lines + y * (1 + size));
        row.swap(up);
    }
}

}  // namespace hvpzip
