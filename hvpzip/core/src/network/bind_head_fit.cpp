// Bindings of the search for changes of a head (head_fit.h). codec/adaptation/search.py calls them; sizes are checked here.

#include <algorithm>

#include "arrays.h"
#include "network/head_fit.h"

namespace hvpzip {

namespace {

using network::Dense;
using network::Numbers;
using network::Pool;

Pool pool_of(In<uint8_t, 2> activations, In<float, 2> facts, In<float, 1> coupling, In<float, 1> half_bin, int components, int colours, bool reads_latent,
             In<float, 2> hidden_weight, In<float, 1> hidden_bias, In<float, 2> out_weight, In<float, 1> out_bias) {
    const size_t hidden = hidden_weight.shape(0), outputs = out_weight.shape(0);
    require(0 < components && components <= 1024 && (colours == 1 || colours == 3), "components must be 1..1024, colours 1 or 3");
    require(outputs == static_cast<size_t>((reads_latent ? 12 : 9) * components + 3), "the head has another number of outputs");
    require(hidden && activations.shape(1) && activations.shape(1) == hidden_weight.shape(1) && out_weight.shape(1) == hidden, "layers do not fit");
    require(hidden <= 1 << 12 && activations.shape(1) <= 1 << 12, "channels must be 1..4096");
    require(hidden_bias.shape(0) == hidden && out_bias.shape(0) == outputs, "biases do not fit");
    require(facts.shape(0) == activations.shape(0) && facts.shape(1) == network::FACTS, "facts must be (n, 12)");
    require(coupling.shape(0) == 3 && half_bin.shape(0) == 3, "coupling and half_bin must be (3,)");
    return {static_cast<int64_t>(activations.shape(0)), static_cast<int>(activations.shape(1)), static_cast<int>(hidden), static_cast<int>(outputs),
            components, colours, reads_latent, activations.data(), facts.data(), coupling.data(), half_bin.data()};
}

template <typename Array>
void check_order(const Array& order, int64_t positions) {
    require(std::all_of(order.data(), order.data() + order.size(), [&](int32_t at) { return 0 <= at && at < positions; }), "a position is out of range");
}

Numbers numbers_of(Out<float, 1> gain, Out<float, 1> bias, Out<float, 2> weight, const In<float, 2>& of) {
    if (gain.shape(0) == 0) return {nullptr, nullptr, nullptr};
    require(gain.shape(0) == of.shape(0) && bias.shape(0) == of.shape(0) && weight.shape(0) == of.shape(0) && weight.shape(1) == of.shape(1),
            "numbers do not fit their layer");
    return {gain.data(), bias.data(), weight.data()};
}

// settings: rate, weight rate, penalty, units of gain, bias and weight, most units.
void fit_head(In<uint8_t, 2> activations, In<float, 2> facts, In<float, 1> coupling, In<float, 1> half_bin, int components, int colours, bool reads_latent,
              In<float, 2> hidden_weight, In<float, 1> hidden_bias, In<float, 2> out_weight, In<float, 1> out_bias, Out<float, 1> hidden_gain,
              Out<float, 1> hidden_shift, Out<float, 2> hidden_change, Out<float, 1> out_gain, Out<float, 1> out_shift, Out<float, 2> out_change,
              In<int32_t, 2> order, In<float, 1> pace, In<float, 1> settings) {
    const Pool pool = pool_of(activations, facts, coupling, half_bin, components, colours, reads_latent, hidden_weight, hidden_bias, out_weight, out_bias);
    require(pace.shape(0) == order.shape(0) && settings.shape(0) == 7 && order.shape(1) > 0, "pace must be (steps,), settings (7,)");
    check_order(order, pool.positions);
    const Numbers hidden = numbers_of(hidden_gain, hidden_shift, hidden_change, hidden_weight), out = numbers_of(out_gain, out_shift, out_change, out_weight);
    const float* s = settings.data();
    const network::Search search = {static_cast<int64_t>(order.shape(0)), static_cast<int64_t>(order.shape(1)), order.data(), pace.data(), s[0], s[1], s[2],
                                    s[3], s[4], s[5], s[6]};
    nb::gil_scoped_release unlocked;
    network::fit_head(pool, {hidden_weight.data(), hidden_bias.data()}, {out_weight.data(), out_bias.data()}, hidden, out, search);
}

// gradient: (outputs, count), or (0, 0) for none.
double head_bits(In<uint8_t, 2> activations, In<float, 2> facts, In<float, 1> coupling, In<float, 1> half_bin, int components, int colours,
                 bool reads_latent, In<float, 2> hidden_weight, In<float, 1> hidden_bias, In<float, 2> out_weight, In<float, 1> out_bias,
                 In<int32_t, 1> order, Out<float, 2> gradient) {
    const Pool pool = pool_of(activations, facts, coupling, half_bin, components, colours, reads_latent, hidden_weight, hidden_bias, out_weight, out_bias);
    check_order(order, pool.positions);
    const bool none = gradient.shape(0) == 0;
    require(none || (gradient.shape(0) == out_bias.shape(0) && gradient.shape(1) == order.shape(0)), "gradient must be (outputs, count)");
    nb::gil_scoped_release unlocked;
    return network::head_bits(pool, {hidden_weight.data(), hidden_bias.data()}, {out_weight.data(), out_bias.data()}, order.data(),
                              static_cast<int64_t>(order.shape(0)), none ? nullptr : gradient.data());
}

}  // namespace

void bind_head_fit(nb::module_& module) {
    module.def("fit_head", &fit_head, nb::arg("activations").noconvert(), nb::arg("facts").noconvert(), nb::arg("coupling").noconvert(),
               nb::arg("half_bin").noconvert(), nb::arg("components"), nb::arg("colours"), nb::arg("reads_latent"), nb::arg("hidden_weight").noconvert(),
               nb::arg("hidden_bias").noconvert(), nb::arg("out_weight").noconvert(), nb::arg("out_bias").noconvert(), nb::arg("hidden_gain").noconvert(),
               nb::arg("hidden_shift").noconvert(), nb::arg("hidden_change").noconvert(), nb::arg("out_gain").noconvert(),
               nb::arg("out_shift").noconvert(), nb::arg("out_change").noconvert(), nb::arg("order").noconvert(), nb::arg("pace").noconvert(),
               nb::arg("settings").noconvert());
    module.def("head_bits", &head_bits, nb::arg("activations").noconvert(), nb::arg("facts").noconvert(), nb::arg("coupling").noconvert(),
               nb::arg("half_bin").noconvert(), nb::arg("components"), nb::arg("colours"), nb::arg("reads_latent"), nb::arg("hidden_weight").noconvert(),
               nb::arg("hidden_bias").noconvert(), nb::arg("out_weight").noconvert(), nb::arg("out_bias").noconvert(), nb::arg("order").noconvert(),
               nb::arg("gradient").noconvert());
}

}  // namespace hvpzip
