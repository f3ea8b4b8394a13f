// Bindings of PNG's filters. Arguments are those of core/reference/filters.py.

#include "arrays.h"
#include "filters/filters.h"

namespace hvpzip {

namespace {

void filter(In<uint8_t, 2> rows, In<uint8_t, 1> above, int64_t step, Out<uint8_t, 2> lines) {
    require(above.shape(0) == rows.shape(1), "above must be (n,)");
    require(lines.shape(0) == rows.shape(0) && lines.shape(1) == rows.shape(1) + 1, "lines must be (h, 1 + n)");
    require(step >= 1 && step <= 1 << 10, "step must be 1..1024");
    filter_rows(rows.data(), above.data(), static_cast<int64_t>(rows.shape(0)), static_cast<int64_t>(rows.shape(1)), step, lines.data());
}

}  // namespace

void bind_filters(nb::module_& module) {
    module.def("filter_rows", &filter, Unlocked(), ARRAY("rows"), ARRAY("above"), nb::arg("step"), ARRAY("lines"));
}

}  // namespace hvpzip
