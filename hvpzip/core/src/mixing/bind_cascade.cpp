// Bindings of the cascade geometry: sizes and order are checked here, so that whatever a file holds, no loop leaves its arrays.

#include <nanobind/stl/vector.h>

#include <memory>
#include <vector>

#include "arrays.h"
#include "mixing/cascade.h"
#include "mixing/python.h"

namespace hvpzip {

namespace {

class CascadeCoder {
public:
    CascadeCoder(std::int64_t height, std::int64_t width, std::int64_t planes, In<int64_t, 1> matrix, nb::object data, bool portable, int profile, nb::object starts)
        : height_(height), width_(width), planes_(planes), reads_(!data.is_none()) {
        require(0 < height && height <= kMostSide && 0 < width && width <= kMostSide, "sides must be 1..2^15");
        require(planes == 1 || planes == 3, "there are 1 or 3 planes");
        require(0 < profile && profile <= mixing::kCascadeProfiles, "an unknown profile");
        require(matrix.shape(0) == 0 || (matrix.shape(0) == 8 && planes == 3), "a matrix has 8 numbers and needs 3 planes");
        for (std::size_t i = 0; i < matrix.shape(0); ++i)
            require(-(1 << 20) < matrix.data()[i] && matrix.data()[i] < 1 << 20, "a matrix has numbers below 2^20");
        const std::int64_t* const numbers = matrix.shape(0) ? matrix.data() : nullptr;
        const int h = static_cast<int>(height), w = static_cast<int>(width), p = static_cast<int>(planes);
        const bool begins = profile >= mixing::kFirstWithStarts;
        require(starts.is_none() != begins, "from profile 4 on there are starts");
        const std::uint8_t* first = nullptr;
        if (begins) {
            const nb::bytes bytes = nb::cast<nb::bytes>(starts);
            require(bytes.size() == 3 * mixing::kStartBytes, "starts are of three planes");
            first = static_cast<const std::uint8_t*>(bytes.data());
        }
        const mixing::CascadeMaker& maker = portable ? mixing::portable_cascade() : mixing::fastest_cascade();
        if (reads_) {
            const nb::bytes bytes = nb::cast<nb::bytes>(data);
            const auto* begin = static_cast<const std::uint8_t*>(bytes.data());
            data_.assign(begin, begin + bytes.size());
            const std::vector<mixing::Bytes> messages = parted(data_.data(), data_.size(), mixing::cascade_messages(p, profile));
            cascade_.reset(maker.reader(h, w, p, numbers, profile, first, messages.data()));
        } else {
            cascade_.reset(maker.writer(h, w, p, numbers, profile, first));
        }
    }

    void coarse(In<uint8_t, 3> samples) {
        require(next_ == -1, "the coarse image comes first, and once");
        require(is(samples, (height_ + 1) / 2, (width_ + 1) / 2), "the coarse image has another shape");
        nb::gil_scoped_release unlocked;
        cascade_->coarse(samples.data());
        next_ = 0;
    }

    std::vector<double> unit(Out<uint8_t, 3> samples, In<double, 3> mean, In<double, 3> slope, In<double, 3> sigma, int threads, nb::object watch) {
        require(0 <= next_ && next_ < kUnits, "three units follow the coarse image");
        const std::int64_t rows = (height_ - kFirstRow[next_] + 1) / 2, columns = (width_ - kFirstColumn[next_] + 1) / 2;
        require(is(samples, rows, columns) && is(mean, rows, columns) && is(sigma, rows, columns), "a unit has another shape");
        require(slope.shape(0) == 3 && static_cast<std::int64_t>(slope.shape(1)) == rows && static_cast<std::int64_t>(slope.shape(2)) == columns,
                "slopes must be (3, rows, columns)");
        std::vector<double> bits(static_cast<std::size_t>(planes_));
        {
            nb::gil_scoped_release unlocked;
            Signals signals(columns > 0 ? columns : 1, planes_ * rows, watch);
            const int unit = next_;
            next_ = kUnits + 1;  // of no use any more if this one fails
            cascade_->unit(unit, samples.data(), mean.data(), slope.data(), sigma.data(), bits.data(), threads, signals);
            next_ = unit + 1;
        }
        return bits;
    }

    std::vector<std::vector<double>> learnt() const {
        std::vector<std::vector<double>> found(static_cast<std::size_t>(planes_), std::vector<double>(mixing::kLearnt));
        for (int p = 0; p < planes_; ++p) cascade_->learnt(p, found[p].data());
        return found;
    }

    nb::bytes finish() {
        require(next_ == kUnits, "the end comes after three units");
        next_ = kUnits + 1;
        Joined output;
        {
            nb::gil_scoped_release unlocked;
            cascade_->finish(output);
        }
        return reads_ ? nb::bytes("", 0) : output.bytes();
    }

private:
    static constexpr std::int64_t kMostSide = 1 << 15;
    static constexpr int kUnits = 3, kFirstRow[kUnits] = {1, 0, 1}, kFirstColumn[kUnits] = {1, 1, 0};

    template <typename Array>
    bool is(const Array& array, std::int64_t rows, std::int64_t columns) const {
        return static_cast<std::int64_t>(array.shape(0)) == planes_ && static_cast<std::int64_t>(array.shape(1)) == rows &&
               static_cast<std::int64_t>(array.shape(2)) == columns;
    }

    std::int64_t height_, width_, planes_;
    bool reads_;
    int next_ = -1;  // the unit that comes; -1 before the coarse image
    std::vector<std::uint8_t> data_;
    std::unique_ptr<mixing::Cascade> cascade_;
};

}  // namespace

void bind_cascade(nb::module_& module) {
    nb::exception<mixing::Corrupt>(module, "CorruptMessage", PyExc_ValueError);
    nb::class_<CascadeCoder>(module, "CascadeCoder", "The finest level of a group by the mixing coder: a writer, or the reader of some data.")
        .def(nb::init<std::int64_t, std::int64_t, std::int64_t, In<int64_t, 1>, nb::object, bool, int, nb::object>(), nb::arg("height"), nb::arg("width"), nb::arg("planes"), nb::arg("matrix").noconvert(),
             nb::arg("data").none() = nb::none(), nb::arg("portable") = false, nb::arg("profile") = 1, nb::arg("starts").none() = nb::none())
        .def("coarse", &CascadeCoder::coarse, nb::arg("samples").noconvert())
        .def("unit", &CascadeCoder::unit, nb::arg("samples").noconvert(), nb::arg("mean").noconvert(), nb::arg("slope").noconvert(),
             nb::arg("sigma").noconvert(), nb::arg("threads") = 1, nb::arg("watch").none() = nb::none())
        .def("learnt", &CascadeCoder::learnt)
        .def("finish", &CascadeCoder::finish);
}

}  // namespace hvpzip
