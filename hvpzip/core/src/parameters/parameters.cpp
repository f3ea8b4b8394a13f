// From a head's integers to the mixtures of one colour: mirrors nn/parameters.py.
//
// Integer arithmetic only: this file reaches the bit stream.

#include <algorithm>
#include <cstdint>

#include "arrays.h"
#include "multiversion.h"

namespace hvpzip {

namespace {

constexpr int WEIGHT_BITS = 16;
constexpr int64_t NUM_SCALES = 320;
constexpr int64_t COUPLINGS = 3;  // Co on Y, Cg on Y, Cg on Co
constexpr int64_t MAX_COMPONENTS = 1024;

int64_t scale_index(int64_t log2_scale) { return std::clamp<int64_t>((log2_scale + 194) >> 2, 0, NUM_SCALES - 1); }

void fill_mixture(In<int32_t, 2> means, In<int32_t, 1> log2_scales, In<int32_t, 1> surprise, In<int16_t, 2> corrections,
                  In<int64_t, 1> coupling, In<int32_t, 2> values, int64_t colour, int64_t components, In<int64_t, 1> scale64,
                  In<int64_t, 1> exp2, Out<int64_t, 2> mean, Out<int16_t, 2> scale, Out<int32_t, 2> weight) {
    const int64_t n = static_cast<int64_t>(log2_scales.shape(0)), channels = static_cast<int64_t>(corrections.shape(1));
    const int64_t kinds = surprise.shape(0) ? 4 : 3;
    require(0 <= colour && colour < 3 && static_cast<int64_t>(values.shape(0)) == colour, "colour must be 0..2, with values of all before it");
    require(0 < components && components <= MAX_COMPONENTS, "components must be 1..1024");
    require(means.shape(0) == 3 && static_cast<int64_t>(means.shape(1)) == n, "means must be (3, n)");
    require(static_cast<int64_t>(corrections.shape(0)) == n && channels == kinds * 3 * components + COUPLINGS, "corrections have a wrong shape");
    require(!surprise.shape(0) || static_cast<int64_t>(surprise.shape(0)) == n, "surprise must be (n,) or empty");
    require(colour == 0 || static_cast<int64_t>(values.shape(1)) == n, "values must be (colour, n)");
    require(static_cast<int64_t>(coupling.shape(0)) == COUPLINGS, "coupling must be (3,)");
    require(static_cast<int64_t>(scale64.shape(0)) == NUM_SCALES && exp2.shape(0) > 0, "tables have a wrong size");
    const auto fits = [&](const auto& out) { return static_cast<int64_t>(out.shape(0)) == components && static_cast<int64_t>(out.shape(1)) == n; };
    require(fits(mean) && fits(scale) && fits(weight), "mean, scale and weight must be (components, n)");

    const int64_t first = colour * components, couples = std::max<int64_t>(colour - 1, 0), kind = 3 * components;
    const int64_t spread = (int64_t{1} << WEIGHT_BITS) - components, last = static_cast<int64_t>(exp2.shape(0)) - 1;
    for (int64_t i = 0; i < n; ++i) {
        const int16_t* correction = corrections.data() + i * channels;
        const int64_t log2_scale = std::clamp<int64_t>(log2_scales.data()[i], -192, 1081);
        int64_t centre = means.data()[colour * n + i];
        for (int64_t before = 0; before < colour; ++before) {
            const int64_t couple = correction[channels - COUPLINGS + couples + before] + coupling.data()[couples + before];
            const int64_t residual = 64 * static_cast<int64_t>(values.data()[before * n + i]) - means.data()[before * n + i];
            centre += (couple * residual + 32) >> 6;
        }
        const int64_t local = scale64.data()[scale_index(log2_scale)];
        const int16_t *shift = correction + first, *ratio = shift + kind, *logit = ratio + kind, *gain = logit + kind;
        int64_t largest = 0;
        for (int64_t k = 0; k < components; ++k) {
            int64_t at = centre + ((shift[k] * local + 32) >> 6);
            if (kinds == 4) at += (static_cast<int64_t>(gain[k]) * surprise.data()[i] + 32) >> 6;
            mean.data()[k * n + i] = at;
            scale.data()[k * n + i] = static_cast<int16_t>(scale_index(log2_scale + ratio[k]));
            if (logit[k] > logit[largest]) largest = k;
        }
        int64_t total = 0, left = int64_t{1} << WEIGHT_BITS;
        const auto power = [&](int64_t k) { return exp2.data()[std::min<int64_t>(logit[largest] - logit[k], last)]; };
        for (int64_t k = 0; k < components; ++k) total += power(k);
        for (int64_t k = 0; k < components; ++k) {
            const int64_t share = power(k) * spread / total + 1;
            weight.data()[k * n + i] = static_cast<int32_t>(share);
            left -= share;
        }
        weight.data()[largest * n + i] += static_cast<int32_t>(left);
    }
}

}  // namespace

void bind_parameters(nb::module_& module) {
    module.def("fill_mixture", &fill_mixture, Unlocked(), nb::arg("means").noconvert(), nb::arg("log2_scales").noconvert(),
               nb::arg("surprise").noconvert(), nb::arg("corrections").noconvert(), nb::arg("coupling").noconvert(),
               nb::arg("values").noconvert(), nb::arg("colour"), nb::arg("components"), nb::arg("scale64").noconvert(),
               nb::arg("exp2").noconvert(), nb::arg("mean").noconvert(), nb::arg("scale").noconvert(), nb::arg("weight").noconvert());
}

}  // namespace hvpzip
