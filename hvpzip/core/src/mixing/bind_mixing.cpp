// Bindings of the mixing coder.

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <string>
#include <vector>

#include "arrays.h"
#include "mixing/mixing.h"
#include "mixing/python.h"

namespace hvpzip {

namespace {

constexpr std::int64_t kMostSide = 1 << 15;

mixing::Picture picture_of(std::int64_t planes, std::int64_t height, std::int64_t width, In<uint16_t, 1> low, In<uint16_t, 1> high,
                           In<int64_t, 1> matrix, int profile) {
    require(0 < planes && planes <= mixing::kMostPlanes && 0 < height && height <= kMostSide && 0 < width && width <= kMostSide, "1 to 4 planes are wanted, of sides up to 32768");
    require(static_cast<std::int64_t>(low.shape(0)) == planes && static_cast<std::int64_t>(high.shape(0)) == planes, "low and high must be (planes,)");
    for (std::int64_t p = 0; p < planes; ++p) require(low.data()[p] <= high.data()[p], "low must not be above high");
    require(0 < profile && profile <= mixing::kProfiles, "an unknown profile");
    require(matrix.shape(0) == 0 || (matrix.shape(0) == 8 && planes >= 3), "a matrix has 8 numbers and needs 3 planes");
    for (std::size_t i = 0; i < matrix.shape(0); ++i) {
        require(-(1 << 20) < matrix.data()[i] && matrix.data()[i] < 1 << 20, "a matrix has numbers below 2^20");
        for (int p = 0; p < 3; ++p) require(high.data()[p] < 256, "a matrix needs planes below 256");
    }
    return {static_cast<int>(height), static_cast<int>(width), static_cast<int>(planes), low.data(), high.data(), matrix.shape(0) ? matrix.data() : nullptr};
}

const mixing::Coder& coder_of(bool portable) { return portable ? mixing::portable_coder() : mixing::fastest_coder(); }

nb::bytes encode(In<uint16_t, 3> samples, In<uint16_t, 1> low, In<uint16_t, 1> high, In<int64_t, 1> matrix, int profile, int threads, bool portable, nb::object watch) {
    const std::int64_t planes = samples.shape(0), height = samples.shape(1), width = samples.shape(2);
    const mixing::Picture picture = picture_of(planes, height, width, low, high, matrix, profile);
    for (std::int64_t p = 0; p < planes; ++p)
        for (std::int64_t i = 0; i < height * width; ++i) {
            const std::uint16_t value = samples.data()[p * height * width + i];
            require(low.data()[p] <= value && value <= high.data()[p], "a sample is outside its plane's range");
        }
    Joined output;
    {
        nb::gil_scoped_release unlocked;
        Signals signals(width, planes * height, watch);
        coder_of(portable).encode(picture, samples.data(), profile, threads, signals, output);
    }
    return output.bytes();
}

// What is wrong with the data, nothing where they are sound.
std::string decode(In<uint8_t, 1> data, In<uint16_t, 1> low, In<uint16_t, 1> high, In<int64_t, 1> matrix, int profile, Out<uint16_t, 3> samples, int threads, bool portable, nb::object watch) {
    const mixing::Picture picture = picture_of(samples.shape(0), samples.shape(1), samples.shape(2), low, high, matrix, profile);
    nb::gil_scoped_release unlocked;
    Signals signals(picture.width, static_cast<std::int64_t>(picture.planes) * picture.height, watch);
    try {
        const std::vector<mixing::Bytes> messages = parted(data.data(), data.shape(0), mixing::messages_of(picture.planes, profile));
        coder_of(portable).decode(picture, messages.data(), profile, threads, signals, samples.data());
    } catch (const mixing::Corrupt& fault) {
        return fault.what();
    }
    return {};
}

}  // namespace

void bind_mixing(nb::module_& module) {
    module.def("mixing_encode", &encode, nb::arg("samples").noconvert(), nb::arg("low").noconvert(), nb::arg("high").noconvert(), nb::arg("matrix").noconvert(), nb::arg("profile"), nb::arg("threads") = 1, nb::arg("portable") = false, nb::arg("watch").none() = nb::none());
    module.def("mixing_decode", &decode, nb::arg("data").noconvert(), nb::arg("low").noconvert(), nb::arg("high").noconvert(), nb::arg("matrix").noconvert(), nb::arg("profile"), nb::arg("samples").noconvert(), nb::arg("threads") = 1, nb::arg("portable") = false, nb::arg("watch").none() = nb::none());
    module.attr("MIXING_PROFILES") = mixing::kProfiles;
}

}  // namespace hvpzip
