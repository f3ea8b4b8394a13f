// The extension module hvpzip.core._core: every part with bindings, one line each.

#include <nanobind/nanobind.h>

#include "source_digest.h"

namespace nb = nanobind;

#define HVPZIP_PARTS(PART) \
    PART(ans)        \
    PART(cascade)    \
    PART(colours)    \
    PART(filters)    \
    PART(head_fit)   \
    PART(mixing)     \
    PART(network)    \
    PART(parameters)

namespace hvpzip {
#define HVPZIP_DECLARE(name) void bind_##name(nb::module_& module);
HVPZIP_PARTS(HVPZIP_DECLARE)
}  // namespace hvpzip

NB_MODULE(_core, module) {
    module.doc() = "Compiled kernels: the same integers as the reference, many times as fast.";
    module.attr("source_digest") = HVPZIP_SOURCE_DIGEST;
#define HVPZIP_BIND(name) hvpzip::bind_##name(module);
    HVPZIP_PARTS(HVPZIP_BIND)
}
