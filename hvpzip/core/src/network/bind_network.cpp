// Bindings of the integer network (level.h). nn/compiled.py calls them; sizes are checked here.

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <vector>

#include "arrays.h"
#include "network/convolution.h"
#include "network/level.h"

namespace hvpzip {

namespace {

using network::Convolution;
using network::Format;
using network::Grid;

constexpr int MAX_CHANNELS = 1 << 12;

template <typename Array>
Grid grid_of(const Array& array, int first) {
    return {static_cast<int64_t>(array.shape(first)), static_cast<int64_t>(array.shape(first + 1))};
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> found;
    for (const network::Kernels* kernels : network::available_kernels()) found.emplace_back(kernels->name);
    return found;
}

const network::Kernels& kernels_named(const std::string& name) {
    for (const network::Kernels* kernels : network::available_kernels()) {
        if (name == kernels->name) return *kernels;
    }
    throw nb::value_error("this processor has no such instruction set");
}

// format: 0 activations, 1 carried features, 2 outputs.
void make_convolution(Convolution* at, const std::string& set, int format, bool signed_inputs, In<int8_t, 4> weight, In<int32_t, 1> bias,
                      In<int8_t, 1> exponent) {
    const size_t outputs = weight.shape(0), inputs = weight.shape(1), side = weight.shape(2);
    require(0 <= format && format <= 2, "format must be 0..2");
    require(0 < outputs && outputs <= MAX_CHANNELS && 0 < inputs && inputs <= MAX_CHANNELS, "channels must be 1..4096");
    require((side == 1 || side == 3) && weight.shape(3) == side, "windows must be 1x1 or 3x3");
    require(bias.shape(0) == outputs && exponent.shape(0) == outputs, "bias and exponent must have one number for each output");
    for (size_t o = 0; o < outputs; ++o) require(3 <= exponent.data()[o] && exponent.data()[o] <= 16, "exponents must be 3..16");
    new (at) Convolution(kernels_named(set), static_cast<Format>(format), signed_inputs, static_cast<int>(outputs), static_cast<int>(inputs),
                         static_cast<int>(side), weight.data(), bias.data(), exponent.data());
}

// carried may have no rows: none.
void branch(const Convolution& embed, const std::vector<const Convolution*>& layers, In<int8_t, 3> inputs, In<int16_t, 3> carried,
            Out<int16_t, 3> found, int threads) {
    const Grid grid = grid_of(inputs, 0);
    const size_t channels = found.shape(2);
    require(embed.format == Format::carried && embed.side == 3, "the embedding must be 3x3 and give carried features");
    require(static_cast<size_t>(embed.inputs) == inputs.shape(2) && static_cast<size_t>(embed.outputs) == channels, "inputs do not fit the embedding");
    require(found.shape(0) == inputs.shape(0) && found.shape(1) == inputs.shape(1), "found does not fit the grid");
    const bool none = carried.shape(0) == 0;
    require(none || (carried.shape(0) == inputs.shape(0) && carried.shape(1) == inputs.shape(1) && carried.shape(2) == channels),
            "carried does not fit the grid");
    require(grid.columns < 1 << 24, "rows are too long");
    require(layers.size() % 2 == 0, "a block has two layers");
    network::Blocks blocks;
    for (size_t i = 0; i < layers.size(); i += 2) {
        const Convolution &spatial = *layers[i], &mix = *layers[i + 1];
        const auto square = [&](const Convolution& layer, Format format, int side) {
            return layer.kernels == embed.kernels && layer.format == format && layer.side == side && layer.offset == 0 &&
                   layer.inputs == embed.outputs && layer.outputs == embed.outputs;
        };
        require(square(spatial, Format::activations, 3) && square(mix, Format::carried, 1), "a block does not fit the embedding");
        blocks.emplace_back(&spatial, &mix);
    }
    nb::gil_scoped_release unlocked;
    network::run_branch(embed, blocks, grid, inputs.data(), none ? nullptr : carried.data(), found.data(), threads);
}

// found: (rows, columns, outputs) of the first rows and columns of the grid.
void head(const Convolution& hidden, const Convolution& out, In<int16_t, 3> carried, Out<int16_t, 3> found, int threads) {
    const Grid grid = grid_of(carried, 0), size = grid_of(found, 0);
    require(hidden.kernels == out.kernels && hidden.side == 1 && out.side == 1 && hidden.offset == 0 && out.offset == 0, "heads must be 1x1");
    require(hidden.format == Format::activations && out.format == Format::outputs, "a head's layers have other formats");
    require(static_cast<size_t>(hidden.inputs) == carried.shape(2) && hidden.outputs == out.inputs, "carried does not fit the head");
    require(static_cast<size_t>(out.outputs) == found.shape(2) && size.rows <= grid.rows && size.columns <= grid.columns, "found does not fit the head");
    require(grid.columns < 1 << 24, "rows are too long");
    nb::gil_scoped_release unlocked;
    network::run_head(hidden, out, grid, size, carried.data(), found.data(), threads);
}

template <typename Plane>
void linear(In<Plane, 3> planes, In<int32_t, 4> weight, In<int32_t, 1> bias, int shift, Out<int32_t, 3> found, int threads) {
    const Grid grid = grid_of(planes, 1);
    require(weight.shape(0) == 3 && weight.shape(1) == planes.shape(0) && weight.shape(2) == 3 && weight.shape(3) == 3, "weight must be (3, channels, 3, 3)");
    require(bias.shape(0) == 3 && 0 <= shift && shift < 24, "bias must be (3,) and shift 0..23");
    require(found.shape(0) == 3 && found.shape(1) == planes.shape(1) && found.shape(2) == planes.shape(2), "found must be (3, rows, columns)");
    nb::gil_scoped_release unlocked;
    network::run_linear<Plane>(grid, static_cast<int64_t>(planes.shape(0)), planes.data(), weight.data(), bias.data(), shift, found.data(), threads);
}

template <typename A, typename B>
bool same_grid(const A& a, int first, const B& b, int second) {
    return a.shape(first) == b.shape(second) && a.shape(first + 1) == b.shape(second + 1);
}

void coarse_inputs(In<int32_t, 3> values, Out<int8_t, 3> inputs, Out<uint8_t, 3> energies) {
    require(values.shape(0) == 3 && inputs.shape(2) == network::COARSE_INPUTS && energies.shape(0) == network::COARSE_ENERGIES, "channels are 3, 15 and 12");
    require(same_grid(values, 1, inputs, 0) && same_grid(values, 1, energies, 1), "grids differ");
    nb::gil_scoped_release unlocked;
    network::coarse_inputs(grid_of(values, 1), values.data(), inputs.data(), energies.data());
}

void unit_inputs(In<int32_t, 3> values, In<int32_t, 3> prediction, Out<int8_t, 3> inputs, Out<uint8_t, 3> energies) {
    require(values.shape(0) == 3 && prediction.shape(0) == 3 && inputs.shape(2) == network::UNIT_INPUTS && energies.shape(0) == network::UNIT_INPUTS,
            "channels are 3, 3, 9 and 9");
    require(same_grid(values, 1, prediction, 1) && same_grid(values, 1, inputs, 0) && same_grid(values, 1, energies, 1), "grids differ");
    nb::gil_scoped_release unlocked;
    network::unit_inputs(grid_of(values, 1), values.data(), prediction.data(), inputs.data(), energies.data());
}

}  // namespace

void bind_network(nb::module_& module) {
    nb::set_leak_warnings(false);  // packed weights live as long as their models, which a process keeps to its end
    module.def("instruction_sets", &instruction_sets);
    nb::class_<Convolution>(module, "Convolution")
        .def("__init__", &make_convolution, nb::arg("instruction_set"), nb::arg("format"), nb::arg("signed_inputs"), nb::arg("weight").noconvert(),
             nb::arg("bias").noconvert(), nb::arg("exponent").noconvert());
    module.def("branch", &branch, nb::arg("embed"), nb::arg("blocks"), nb::arg("inputs").noconvert(), nb::arg("carried").noconvert(),
               nb::arg("found").noconvert(), nb::arg("threads"));
    module.def("head", &head, nb::arg("hidden"), nb::arg("out"), nb::arg("carried").noconvert(), nb::arg("found").noconvert(), nb::arg("threads"));
    module.def("linear_values", &linear<int32_t>, nb::arg("planes").noconvert(), nb::arg("weight").noconvert(), nb::arg("bias").noconvert(),
               nb::arg("shift"), nb::arg("found").noconvert(), nb::arg("threads"));
    module.def("linear_energies", &linear<uint8_t>, nb::arg("planes").noconvert(), nb::arg("weight").noconvert(), nb::arg("bias").noconvert(),
               nb::arg("shift"), nb::arg("found").noconvert(), nb::arg("threads"));
    module.def("coarse_inputs", &coarse_inputs, nb::arg("values").noconvert(), nb::arg("inputs").noconvert(), nb::arg("energies").noconvert());
    module.def("unit_inputs", &unit_inputs, nb::arg("values").noconvert(), nb::arg("prediction").noconvert(), nb::arg("inputs").noconvert(),
               nb::arg("energies").noconvert());
}

}  // namespace hvpzip
