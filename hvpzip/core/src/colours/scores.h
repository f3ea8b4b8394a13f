// What a symbol of Co is worth: the mean factor of the symbols Cg beside it.
//
// Integer arithmetic only, and doubles that hold integers exactly: this file reaches the bit stream.

#pragma once

#include <cstdint>

#include "colours/colours.h"

namespace hvpzip {

constexpr int32_t MIDDLE = 1 << 14;  // factors of Cg are kept less this, in 16 bits with a sign

// Writes 16 * (sum over j of freq(j) * factor(a, j)) / whole for a = 0, ..., CO_WINDOW - 1, with factor(a, j) = values[places[a] + j] + MIDDLE
// and freq(j) = low[j] + 4096 * high[j]. whole: the sum of the frequencies, 2**24 at most.
using ScoresKernel = void (*)(const int16_t* low, const int16_t* high, const uint16_t* values, const int32_t* places, int32_t whole,
                              double* ratio);

// The one for this processor.
ScoresKernel scores_kernel();

}  // namespace hvpzip
