// Bindings of the mixtures' parameters. Arguments are those of core/reference/parameters.py.

#include "ans/bind_ans.h"
#include "parameters/parameters.h"

namespace hvpzip {

namespace {

void mixture(In<int32_t, 2> means, In<int32_t, 1> log2_scales, In<int32_t, 1> innovations, In<int16_t, 2> corrections, In<int64_t, 1> coupling,
             In<int32_t, 2> values, int64_t colour, int64_t components, int64_t threads, Out<int64_t, 2> mean, Out<int16_t, 2> scale, Out<int32_t, 2> weight) {
    const int64_t n = static_cast<int64_t>(log2_scales.shape(0)), channels = static_cast<int64_t>(corrections.shape(1));
    const bool innovates = innovations.shape(0) != 0;
    require(0 <= colour && colour < 3, "colour must be 0..2");
    require(1 <= components && components <= MAX_COMPONENTS, "components must be 1..1024");
    const auto require_shape = [](const auto& array, int64_t rows, int64_t columns, const char* message) {
        require(static_cast<int64_t>(array.shape(0)) == rows && static_cast<int64_t>(array.shape(1)) == columns, message);
    };
    require_shape(means, 3, n, "means must be (3, n)");
    if (n) require_shape(corrections, n, (innovates ? 4 : 3) * 3 * components + COUPLINGS, "corrections must be (n, channels of a head)");
    if (innovates) require_length(innovations, n, "innovations must be (n,) or empty");
    require_length(values, colour, "values must be (colour, n)");
    if (colour) require_shape(values, colour, n, "values must be (colour, n)");
    require_length(coupling, COUPLINGS, "coupling must be (3,)");
    for (int64_t i = 0; i < COUPLINGS; ++i) require(coupling.data()[i] > -(1 << 24) && coupling.data()[i] < 1 << 24, "a coupling is out of range");
    require_shape(mean, components, n, "mean must be (components, n)");
    require_shape(scale, components, n, "scale must be (components, n)");
    require_shape(weight, components, n, "weight must be (components, n)");
    const Prediction prediction{means.data(), log2_scales.data(), innovates ? innovations.data() : nullptr, corrections.data(), coupling.data(),
                                n,            components,         channels};
    fill_mixture(prediction, checked_tables(), colour, values.data(), threads, mean.data(), scale.data(), weight.data());
}

}  // namespace

void bind_parameters(nb::module_& module) {
    module.def("fill_mixture", &mixture, Unlocked(), ARRAY("means"), ARRAY("log2_scales"), ARRAY("innovations"), ARRAY("corrections"),
               ARRAY("coupling"), ARRAY("values"), nb::arg("colour"), nb::arg("components"), nb::arg("threads"), ARRAY("mean"), ARRAY("scale"),
               ARRAY("weight"));
}

}  // namespace hvpzip
