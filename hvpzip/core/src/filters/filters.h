// PNG's filters: mirrors core/reference/filters.py.
//
// Integer arithmetic only: this file reaches the bit stream.

#pragma once

#include <cstdint>

namespace hvpzip {

// Writes lines (height, 1 + size): every row's filter, and the row with it, by the filter that gives the smallest sum of differences. rows:
// (height, size); above: (size,), the row before the first one; step: bytes a pixel, at least 1.
void filter_rows(const uint8_t* rows, const uint8_t* above, int64_t height, int64_t size, int64_t step, uint8_t* lines);

}  // namespace hvpzip
