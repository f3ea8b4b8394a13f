// Bindings of the colours' kernels. Arguments are those of core/reference/colours.py.

#include "ans/bind_ans.h"
#include "colours/colours.h"

namespace hvpzip {

namespace {

constexpr int64_t CELLS_OF_COLOURS = 1 << 26, CELLS_OF_PAIRS = 1 << 18, BYTES_OF_REACHABLE = 1 << 23;

Counts checked_counts(const In<uint8_t, 1>& colours, const In<int32_t, 1>& pairs, const In<uint8_t, 1>& reachable) {
    require_length(colours, CELLS_OF_COLOURS, "colours must be (2**26,)");
    require_length(pairs, CELLS_OF_PAIRS, "pairs must be (2**18,)");
    require(reachable.shape(0) == 0 || static_cast<int64_t>(reachable.shape(0)) == BYTES_OF_REACHABLE, "reachable must be (2**23,) or empty");
    return {colours.data(), pairs.data(), reachable.shape(0) ? reachable.data() : nullptr};
}

void require_within(const In<int64_t, 1>& values, int64_t n, int64_t low, int64_t high, const char* message) {
    require_length(values, n, message);
    bool good = true;
    for (int64_t i = 0; i < n; ++i) good &= values.data()[i] >= low && values.data()[i] <= high;
    require(good, message);
}

void require_factors(const In<uint16_t, 1>& factors, int64_t count, const char* message) {
    require_length(factors, count, message);
    for (int64_t i = 0; i < count; ++i) require(factors.data()[i] <= MAX_FACTOR, message);
}

void count(In<int32_t, 1> y, In<int32_t, 1> co, In<int32_t, 1> cg, int32_t most, Out<uint8_t, 1> colours, Out<int32_t, 1> pairs) {
    const int64_t n = static_cast<int64_t>(y.shape(0));
    require_length(co, n, "y, co and cg must have one length");
    require_length(cg, n, "y, co and cg must have one length");
    require_length(colours, CELLS_OF_COLOURS, "colours must be (2**26,)");
    require_length(pairs, CELLS_OF_PAIRS, "pairs must be (2**18,)");
    count_colours(y.data(), co.data(), cg.data(), n, colours.data(), pairs.data(), most);
}

void contexts(In<uint8_t, 1> colours, In<int32_t, 1> pairs, In<uint8_t, 1> reachable, In<int64_t, 1> y, In<int64_t, 1> co, In<int64_t, 1> cg,
              int64_t threads, Out<int16_t, 1> context) {
    const int64_t n = static_cast<int64_t>(y.shape(0));
    require_within(y, n, 0, 255, "y must be (N,), within 0..255");
    require_within(co, n, -255, 255, "co must be (N,), within -255..255");
    require_within(cg, n, -(1 << 20), 1 << 20, "cg must be (N,), within 2**20");
    require_length(context, n, "context must be (N,)");
    find_contexts(checked_counts(colours, pairs, reachable), y.data(), co.data(), cg.data(), n, threads, context.data());
}

void weigh_cg(In<uint8_t, 1> colours, In<int32_t, 1> pairs, In<uint8_t, 1> reachable, In<int64_t, 2> mean,
          In<int16_t, 2> scale, In<int32_t, 2> weight, int64_t lo, int64_t size, In<int64_t, 1> y, In<int64_t, 1> co, In<uint16_t, 1> factors,
          int64_t threads, In<int64_t, 1> first, Out<int32_t, 2> edges, Out<int64_t, 1> total, Out<int64_t, 1> excess,
          Out<int64_t, 1> expected) {
    const Mixtures mixtures = checked_mixtures(mean, scale, weight);
    const Alphabet alphabet = checked_alphabet(lo, size);
    const Windows windows = checked_windows(first, edges, total, excess, mixtures.n, alphabet);
    require(windows.length == CG_WINDOW, "a window must have 64 symbols");
    require_within(first, mixtures.n, -256, 255, "first must be (N,), within -256..255");
    require_within(y, mixtures.n, 0, 255, "y must be (N,), within 0..255");
    require_within(co, mixtures.n, -255, 255, "co must be (N,), within -255..255");
    require_factors(factors, CONTEXTS, "factors must be (960,), at most 2**15");
    require_length(expected, CONTEXTS, "expected must be (960,)");
    reweight_cg(checked_counts(colours, pairs, reachable), mixtures, checked_tables(), alphabet, y.data(), co.data(), factors.data(), threads, windows,
                  expected.data());
}

void weigh_co(In<uint8_t, 1> colours, In<int32_t, 1> pairs, In<uint8_t, 1> reachable, In<int64_t, 2> mean,
            In<int16_t, 2> scale, In<int32_t, 2> weight, int64_t lo, int64_t size, In<int64_t, 2> cg_mean, In<int16_t, 2> cg_scale,
            In<int32_t, 2> cg_weight, int64_t cg_lo, int64_t cg_size, In<int64_t, 1> y, In<int64_t, 1> first_cg, In<int64_t, 1> slope,
            In<uint16_t, 1> cg_factors, In<uint16_t, 1> factors, int64_t threads, In<int64_t, 1> first,
            Out<int32_t, 2> edges, Out<int64_t, 1> total, Out<int64_t, 1> excess, Out<uint8_t, 2> kinds, Out<int64_t, 1> expected) {
    const Mixtures mixtures = checked_mixtures(mean, scale, weight), given = checked_mixtures(cg_mean, cg_scale, cg_weight);
    const Alphabet alphabet = checked_alphabet(lo, size), given_alphabet = checked_alphabet(cg_lo, cg_size);
    const Windows windows = checked_windows(first, edges, total, excess, mixtures.n, alphabet);
    require(windows.length == CO_WINDOW, "a window must have 32 symbols");
    require(given.n == mixtures.n, "mixtures must be as many as those given");
    require_within(first, mixtures.n, -256, 256 - CO_WINDOW, "first must be (N,), within -256..224");
    require_within(y, mixtures.n, 0, 255, "y must be (N,), within 0..255");
    require_within(first_cg, mixtures.n, cg_lo, cg_lo + cg_size - 1, "first_cg must be (N,), within its alphabet");
    require_within(first_cg, mixtures.n, -(1 << 16), 1 << 16, "first_cg must be (N,), within 2**16");
    require_within(slope, mixtures.n, -(1 << 24), 1 << 24, "slope must be (N,), within 2**24");
    require_factors(cg_factors, CONTEXTS, "cg_factors must be (960,), at most 2**15");
    require_factors(factors, KINDS, "factors must be (40,), at most 2**15");
    require(static_cast<int64_t>(kinds.shape(0)) == mixtures.n && kinds.shape(1) == CO_WINDOW, "kinds must be (N, 32)");
    require_length(expected, KINDS, "expected must be (40,)");
    reweight_co(checked_counts(colours, pairs, reachable), mixtures, given, checked_tables(), alphabet, given_alphabet, y.data(), first_cg.data(),
                    slope.data(), cg_factors.data(), factors.data(), threads, windows, kinds.data(), expected.data());
}

int64_t log2_sum(In<int64_t, 1> freqs, int64_t threads) {
    const int64_t n = static_cast<int64_t>(freqs.shape(0));
    require_within(freqs, n, 1, (int64_t{1} << 32) - 1, "freqs must be (N,), within 1..2**32 - 1");
    return sum_log2(freqs.data(), n, threads);
}

Matrix checked_matrix(const In<int64_t, 1>& matrix) {
    require_length(matrix, 8, "a matrix has eight numbers");
    const int64_t* m = matrix.data();
    for (int i = 0; i < 8; ++i) require(m[i] >= 0 && m[i] < 1 << 20, "a matrix's numbers are below 2**20");
    require(m[1] > 0 && m[4] > 0, "a matrix's gains must be positive");
    return {m[0], m[1], m[2], m[3], m[4], {m[5], m[6], m[7]}};
}

void reachable_of(In<int64_t, 1> matrix, Out<uint8_t, 1> reachable) {
    require_length(reachable, BYTES_OF_REACHABLE, "reachable must be (2**23,)");
    fill_reachable(checked_matrix(matrix), reachable.data());
}

void reached_of(In<int64_t, 1> matrix, In<int64_t, 2> rgb, int64_t threads, Out<bool, 1> reached) {
    const int64_t n = static_cast<int64_t>(rgb.shape(1));
    require(rgb.shape(0) == 3, "rgb must be (3, N)");
    require_length(reached, n, "reached must be (N,)");
    for (int64_t i = 0; i < 3 * n; ++i) require(rgb.data()[i] >= 0 && rgb.data()[i] <= 255, "rgb must be within 0..255");
    find_reached(checked_matrix(matrix), rgb.data(), n, threads, reached.data());
}

}  // namespace

#define COUNTS ARRAY("colours"), ARRAY("pairs"), ARRAY("reachable")
#define MIXTURES ARRAY("mean"), ARRAY("scale"), ARRAY("weight"), nb::arg("lo"), nb::arg("size")
#define WINDOWS ARRAY("first"), ARRAY("edges"), ARRAY("total"), ARRAY("excess")

void bind_colours(nb::module_& module) {
    module.def("count_colours", &count, Unlocked(), ARRAY("y"), ARRAY("co"), ARRAY("cg"), nb::arg("most"), ARRAY("colours"), ARRAY("pairs"));
    module.def("find_contexts", &contexts, Unlocked(), COUNTS, ARRAY("y"), ARRAY("co"), ARRAY("cg"), nb::arg("threads"), ARRAY("context"));
    module.def("reweight_cg", &weigh_cg, Unlocked(), COUNTS, MIXTURES, ARRAY("y"), ARRAY("co"), ARRAY("factors"),
               nb::arg("threads"), WINDOWS, ARRAY("expected"));
    module.def("reweight_co", &weigh_co, Unlocked(), COUNTS, MIXTURES, ARRAY("cg_mean"), ARRAY("cg_scale"),
               ARRAY("cg_weight"), nb::arg("cg_lo"), nb::arg("cg_size"), ARRAY("y"), ARRAY("first_cg"), ARRAY("slope"),
               ARRAY("cg_factors"), ARRAY("factors"), nb::arg("threads"), WINDOWS, ARRAY("kinds"), ARRAY("expected"));
    module.def("sum_log2", &log2_sum, Unlocked(), ARRAY("freqs"), nb::arg("threads"));
    module.def("fill_reachable", &reachable_of, Unlocked(), ARRAY("matrix"), ARRAY("reachable"));
    module.def("find_reached", &reached_of, Unlocked(), ARRAY("matrix"), ARRAY("rgb"), nb::arg("threads"), ARRAY("reached"));
}

}  // namespace hvpzip
