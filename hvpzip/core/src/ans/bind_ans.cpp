// Bindings of the coder's kernels. Arguments are those of core/reference/ans.py.

#include "ans/bind_ans.h"

namespace hvpzip {

namespace {

Stage checked_stage(int64_t begin, int64_t end, int64_t lanes, int64_t symbols, int64_t heads) {
    require(0 <= begin && begin <= end && end <= symbols && 1 <= lanes && lanes <= heads, "a stage must lie within the symbols, and its lanes within the heads");
    return {begin, end, lanes};
}

void require_precision(int precision, int least, int most) { require(least <= precision && precision <= most, "precision is out of range"); }

Alphabets checked_alphabets(const In<int64_t, 1>& lo, const In<int64_t, 1>& size, int64_t n, int64_t spacing, int precision) {
    require_length(lo, n, "lo must be (N,)");
    require_length(size, n, "size must be (N,)");
    require(spacing >= 64 && spacing < POSITION_LIMIT, "spacing is out of range");
    const int64_t limit = POSITION_LIMIT / spacing;
    for (int64_t i = 0; i < n; ++i) {
        const int64_t first = lo.data()[i], many = size.data()[i];
        require(many >= 1 && many <= int64_t{1} << (precision - 4) && first >= -limit && first <= limit - many, "an alphabet is out of range");
    }
    return {lo.data(), size.data()};
}

bool is_mixture_array(In<int64_t, 2> mean, In<int16_t, 2> scale, In<int32_t, 2> weight) {
    return is_mixture(shaped_mixtures(mean, scale, weight));
}

void cumulatives(In<int64_t, 2> mean, In<int16_t, 2> scale, In<int32_t, 2> weight, In<int64_t, 1> lo, In<int64_t, 1> size,
                 In<int64_t, 1> symbol, int64_t spacing, int precision, Out<int64_t, 1> result) {
    const Mixtures mixtures = checked_mixtures(mean, scale, weight);
    require_precision(precision, 5, 30);
    const Alphabets alphabets = checked_alphabets(lo, size, mixtures.n, spacing, precision);
    require_length(symbol, mixtures.n, "symbol must be (N,)");
    require_length(result, mixtures.n, "result must be (N,)");
    fill_cumulative(mixtures, checked_tables(), alphabets, symbol.data(), spacing, precision, result.data());
}

void intervals(In<int64_t, 2> mean, In<int16_t, 2> scale, In<int32_t, 2> weight, In<int64_t, 1> lo,
               In<int64_t, 1> size, In<int64_t, 1> symbol, int64_t spacing, int precision, int64_t threads, Out<int64_t, 1> start,
               Out<int64_t, 1> freq) {
    const Mixtures mixtures = checked_mixtures(mean, scale, weight);
    require_precision(precision, 5, 30);
    const Alphabets alphabets = checked_alphabets(lo, size, mixtures.n, spacing, precision);
    require_length(symbol, mixtures.n, "symbol must be (N,)");
    require_length(start, mixtures.n, "start must be (N,)");
    require_length(freq, mixtures.n, "freq must be (N,)");
    for (int64_t i = 0; i < mixtures.n; ++i) {
        const int64_t value = symbol.data()[i], first = alphabets.lo[i];
        require(value >= first && value < first + alphabets.size[i], "a symbol is outside its alphabet");
    }
    fill_intervals(mixtures, checked_tables(), alphabets, symbol.data(), spacing, precision, threads, start.data(), freq.data());
}

int64_t push(Out<uint64_t, 1> head, Out<uint32_t, 1> words, In<uint64_t, 1> starts, In<uint64_t, 1> freqs, int precision, int64_t begin,
             int64_t end, int64_t lanes) {
    const int64_t n = static_cast<int64_t>(starts.shape(0));
    require_length(freqs, n, "starts and freqs must have one length");
    require_precision(precision, 0, 31);
    const Stage stage = checked_stage(begin, end, lanes, n, static_cast<int64_t>(head.shape(0)));
    require_length(words, end - begin, "words must be (end - begin,)");
    const uint64_t total = uint64_t{1} << precision;
    for (int64_t i = begin; i < end; ++i)
        require(freqs.data()[i] >= 1 && freqs.data()[i] <= total && starts.data()[i] <= total - freqs.data()[i], "an interval is empty or too long");
    return push_stage(head.data(), words.data(), starts.data(), freqs.data(), precision, stage);
}

int64_t pop(Out<uint64_t, 1> head, In<uint32_t, 1> words, In<int64_t, 2> mean, In<int16_t, 2> scale,
            In<int32_t, 2> weight, In<int64_t, 1> lo, In<int64_t, 1> size, int64_t spacing, int precision, int64_t begin, int64_t end,
            int64_t lanes, Out<int64_t, 1> symbol, Out<int64_t, 1> freq) {
    const Mixtures mixtures = checked_mixtures(mean, scale, weight);
    require_precision(precision, 5, 30);
    const Alphabets alphabets = checked_alphabets(lo, size, mixtures.n, spacing, precision);
    require_length(symbol, mixtures.n, "symbol must be (N,)");
    require_length(freq, mixtures.n, "freq must be (N,)");
    const Stage stage = checked_stage(begin, end, lanes, mixtures.n, static_cast<int64_t>(head.shape(0)));
    return pop_stage(head.data(), words.data(), static_cast<int64_t>(words.shape(0)), mixtures, checked_tables(), alphabets, spacing, precision, stage,
                     symbol.data(), freq.data());
}

int64_t pop_table(Out<uint64_t, 1> head, In<uint32_t, 1> words, In<int64_t, 1> starts, int precision, int64_t begin, int64_t end, int64_t lanes,
                  Out<int64_t, 1> symbol, Out<int64_t, 1> freq) {
    require_precision(precision, 0, 31);
    const int64_t symbols = static_cast<int64_t>(starts.shape(0)) - 1;
    require(symbols >= 1 && starts.data()[0] == 0 && starts.data()[symbols] == int64_t{1} << precision, "starts must rise from 0 to 2**precision");
    for (int64_t i = 0; i < symbols; ++i) require(starts.data()[i] < starts.data()[i + 1], "starts must rise from 0 to 2**precision");
    const int64_t n = static_cast<int64_t>(symbol.shape(0));
    require_length(freq, n, "freq must be (N,)");
    const Stage stage = checked_stage(begin, end, lanes, n, static_cast<int64_t>(head.shape(0)));
    return pop_table_stage(head.data(), words.data(), static_cast<int64_t>(words.shape(0)), starts.data(), symbols, precision, stage, symbol.data(),
                           freq.data());
}

void starts_of_windows(In<int64_t, 2> mean, In<int16_t, 2> scale, In<int32_t, 2> weight, int64_t half, int64_t low, int64_t high,
                       Out<int64_t, 1> start) {
    const Mixtures mixtures = shaped_mixtures(mean, scale, weight);
    require_length(start, mixtures.n, "start must be (N,)");
    require(low <= high, "low must not be above high");
    fill_starts(mixtures, half, low, high, start.data());
}

void edges_of_windows(In<int64_t, 2> mean, In<int16_t, 2> scale, In<int32_t, 2> weight, int64_t lo, int64_t size,
                      In<int64_t, 1> first, Out<int64_t, 2> edges) {
    const Mixtures mixtures = checked_mixtures(mean, scale, weight);
    const Alphabet alphabet = checked_alphabet(lo, size);
    require_length(first, mixtures.n, "first must be (N,)");
    require_length(edges, mixtures.n, "edges must be (N, length + 1)");
    for (int64_t i = 0; i < mixtures.n; ++i)
        require(first.data()[i] > -(POSITION_LIMIT >> 7) && first.data()[i] < POSITION_LIMIT >> 7, "a window is out of range");
    require(edges.shape(1) >= 1 && edges.shape(1) < 1 << 20, "edges must be (N, length + 1)");
    fill_edges(mixtures, checked_tables(), alphabet, first.data(), static_cast<int64_t>(edges.shape(1)) - 1, edges.data());
}

int64_t pop_reweighted(Out<uint64_t, 1> head, In<uint32_t, 1> words, In<int64_t, 2> mean, In<int16_t, 2> scale,
                       In<int32_t, 2> weight, int64_t lo, int64_t size, In<int64_t, 1> first, Out<int32_t, 2> edges, Out<int64_t, 1> total,
                       Out<int64_t, 1> excess, int64_t begin, int64_t end, int64_t lanes, Out<int64_t, 1> symbol, Out<int64_t, 1> freq) {
    const Mixtures mixtures = shaped_mixtures(mean, scale, weight);
    const Alphabet alphabet = checked_alphabet(lo, size);
    const Windows windows = checked_windows(first, edges, total, excess, mixtures.n, alphabet);
    for (int64_t i = 0; i < mixtures.n; ++i) require(windows.total[i] >= 1, "a total must be at least 1");
    require_length(symbol, mixtures.n, "symbol must be (N,)");
    require_length(freq, mixtures.n, "freq must be (N,)");
    const Stage stage = checked_stage(begin, end, lanes, mixtures.n, static_cast<int64_t>(head.shape(0)));
    const int64_t used = pop_reweighted_stage(head.data(), words.data(), static_cast<int64_t>(words.shape(0)), mixtures, checked_tables(), alphabet,
                                              windows, stage, symbol.data(), freq.data());
    require(used >= 0, NO_MIXTURE);
    return used;
}

}  // namespace

void bind_ans(nb::module_& module) {
    module.def("use_tables",
               [](In<int64_t, 1> phi, In<int64_t, 1> slope, In<int64_t, 1> reciprocal, In<int64_t, 1> scale64, In<int64_t, 1> exp2) {
                   require_length(phi, CELLS, "phi must be (2049,)");
                   require_length(slope, CELLS, "slope must be (2049,)");
                   require_length(reciprocal, NUM_SCALES, "reciprocal must be (320,)");
                   require_length(scale64, NUM_SCALES, "scale64 must be (320,)");
                   require(exp2.shape(0) >= 1, "exp2 must not be empty");
                   for (int64_t i = 0; i < NUM_SCALES; ++i) require(reciprocal.data()[i] >= 1, "a reciprocal must be positive");
                   use_tables(std::make_unique<GaussianTables>(phi.data(), slope.data(), reciprocal.data(), scale64.data(), exp2.data(),
                                                               static_cast<int64_t>(exp2.shape(0))));
               },
               ARRAY("phi"), ARRAY("slope"), ARRAY("reciprocal"), ARRAY("scale64"), ARRAY("exp2"));
    module.def("is_mixture", &is_mixture_array, Unlocked(), ARRAY("mean"), ARRAY("scale"), ARRAY("weight"));
    module.def("fill_cumulative", &cumulatives, Unlocked(), ARRAY("mean"), ARRAY("scale"), ARRAY("weight"), ARRAY("lo"), ARRAY("size"),
               ARRAY("symbol"), nb::arg("spacing"), nb::arg("precision"), ARRAY("result"));
    module.def("fill_intervals", &intervals, Unlocked(), ARRAY("mean"), ARRAY("scale"), ARRAY("weight"), ARRAY("lo"),
               ARRAY("size"), ARRAY("symbol"), nb::arg("spacing"), nb::arg("precision"), nb::arg("threads"), ARRAY("start"), ARRAY("freq"));
    module.def("push_stage", &push, Unlocked(), ARRAY("head"), ARRAY("words"), ARRAY("starts"), ARRAY("freqs"), nb::arg("precision"),
               nb::arg("begin"), nb::arg("end"), nb::arg("lanes"));
    module.def("pop_stage", &pop, Unlocked(), ARRAY("head"), ARRAY("words"), ARRAY("mean"), ARRAY("scale"), ARRAY("weight"),
               ARRAY("lo"), ARRAY("size"), nb::arg("spacing"), nb::arg("precision"), nb::arg("begin"), nb::arg("end"), nb::arg("lanes"),
               ARRAY("symbol"), ARRAY("freq"));
    module.def("pop_table_stage", &pop_table, Unlocked(), ARRAY("head"), ARRAY("words"), ARRAY("starts"), nb::arg("precision"), nb::arg("begin"),
               nb::arg("end"), nb::arg("lanes"), ARRAY("symbol"), ARRAY("freq"));
    module.def("fill_starts", &starts_of_windows, Unlocked(), ARRAY("mean"), ARRAY("scale"), ARRAY("weight"), nb::arg("half"), nb::arg("low"),
               nb::arg("high"), ARRAY("start"));
    module.def("fill_edges", &edges_of_windows, Unlocked(), ARRAY("mean"), ARRAY("scale"), ARRAY("weight"), nb::arg("lo"),
               nb::arg("size"), ARRAY("first"), ARRAY("edges"));
    module.def("pop_reweighted_stage", &pop_reweighted, Unlocked(), ARRAY("head"), ARRAY("words"), ARRAY("mean"),
               ARRAY("scale"), ARRAY("weight"), nb::arg("lo"), nb::arg("size"), ARRAY("first"), ARRAY("edges"), ARRAY("total"), ARRAY("excess"),
               nb::arg("begin"), nb::arg("end"), nb::arg("lanes"), ARRAY("symbol"), ARRAY("freq"));
}

}  // namespace hvpzip
