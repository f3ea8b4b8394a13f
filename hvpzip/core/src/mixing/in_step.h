// Planes of a picture coded side by side, row by row: a row needs the rows of the plane before it up to the next one. Not compiled for instruction
// sets of its own: what threads take from the standard library must serve every processor.
#pragma once

#include "mixing/mixing.h"

namespace hvpzip::mixing {

struct PlaneRows {
    virtual ~PlaneRows() = default;
    // Codes a row. Rows of a plane come in order and never two at once; row y of plane p comes when rows 0 .. y + 1 of plane p - 1 are known.
    virtual void code_row(int plane, int y) = 0;
};

// All rows, on so many threads as there is work for; one thread takes plane after plane. The ticker is called by this thread alone. What a row or the
// ticker throws ends the work, and is thrown here.
void code_in_step(PlaneRows& work, int planes, int rows, int threads, Ticker& ticker);

}  // namespace hvpzip::mixing
