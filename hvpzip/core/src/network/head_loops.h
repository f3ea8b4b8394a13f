// The loops of the search over lanes (head_fit.cpp): included inside a namespace, once for each instruction set. All give the same bits.

constexpr float MIN_LOG2_SCALE = -3.0f, MAX_LOG2_SCALE = 16.9f;
constexpr float FLOOR = 0x1p-24f;  // of a probability: no symbol costs more than 24 bits
constexpr float LN2 = 0.6931471824645996f, DENSITY = 0.3989422917366028f;  // 1 / sqrt(2 pi)
constexpr float ACT_TOP = 255.0f / 32.0f;

#include "network/lanes.h"

// rows x two lanes of C = bias + A B: sums in the order of k. a(m, k) = a[m * a_row + k * a_column].
template <int ROWS>
HVPZIP_INLINE void product_tile(const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t depth, const float* bias, float* c) {
    Lanes left[ROWS], right[ROWS];
    for (int m = 0; m < ROWS; ++m) left[m] = right[m] = all(bias ? bias[m] : 0.0f);
    for (int64_t k = 0; k < depth; ++k) {
        const Lanes b0 = load(b + k * STRIDE), b1 = load(b + k * STRIDE + LANES);
        for (int m = 0; m < ROWS; ++m) {
            const Lanes factor = all(a[m * a_row + k * a_column]);
            left[m] += b0 * factor;
            right[m] += b1 * factor;
        }
    }
    for (int m = 0; m < ROWS; ++m) store(c + m * STRIDE, left[m]), store(c + m * STRIDE + LANES, right[m]);
}

// C (rows, CHUNK) = bias + A (rows, depth) B (depth, CHUNK).
static void product(const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t rows, int64_t depth, const float* bias, float* c) {
    for (int64_t n = 0; n < CHUNK; n += 2 * LANES) {
        int64_t m = 0;
        for (; m + 6 <= rows; m += 6) product_tile<6>(a + m * a_row, a_row, a_column, b + n, depth, bias ? bias + m : nullptr, c + m * STRIDE + n);
        for (; m < rows; ++m) product_tile<1>(a + m * a_row, a_row, a_column, b + n, depth, bias ? bias + m : nullptr, c + m * STRIDE + n);
    }
}

HVPZIP_INLINE float sum_of(Lanes lanes) {
    float sum = lanes[0];
    for (int i = 1; i < LANES; ++i) sum += lanes[i];
    return sum;
}

template <int ROWS, int COLUMNS>
HVPZIP_INLINE void correlate_tile(const float* a, const float* b, int64_t columns, float* c) {
    Lanes sums[ROWS][COLUMNS];
    for (int m = 0; m < ROWS; ++m) {
        for (int n = 0; n < COLUMNS; ++n) sums[m][n] = all(0.0f);
    }
    for (int64_t k = 0; k < CHUNK; k += LANES) {
        Lanes right[COLUMNS];
        for (int n = 0; n < COLUMNS; ++n) right[n] = load(b + n * STRIDE + k);
        for (int m = 0; m < ROWS; ++m) {
            const Lanes left = load(a + m * STRIDE + k);
            for (int n = 0; n < COLUMNS; ++n) sums[m][n] += left * right[n];
        }
    }
    for (int m = 0; m < ROWS; ++m) {
        for (int n = 0; n < COLUMNS; ++n) c[m * columns + n] += sum_of(sums[m][n]);
    }
}

// C (rows, columns) += A (rows, CHUNK) B^T (CHUNK, columns), and sums (rows,) += the rows of A; as many partial sums as lanes, then those in order.
static void correlate(const float* a, const float* b, int64_t rows, int64_t columns, float* c, float* sums) {
    for (int64_t m = 0; m < rows;) {
        const int height = m + 3 <= rows ? 3 : 1;
        int64_t n = 0;
        for (; n + 4 <= columns; n += 4) {
            if (height == 3) {
                correlate_tile<3, 4>(a + m * STRIDE, b + n * STRIDE, columns, c + m * columns + n);
            } else {
                correlate_tile<1, 4>(a + m * STRIDE, b + n * STRIDE, columns, c + m * columns + n);
            }
        }
        for (; n < columns; ++n) {
            for (int row = 0; row < height; ++row) correlate_tile<1, 1>(a + (m + row) * STRIDE, b + n * STRIDE, columns, c + (m + row) * columns + n);
        }
        m += height;
    }
    for (int64_t m = 0; m < rows; ++m) {
        Lanes sum = all(0.0f);
        for (int64_t k = 0; k < CHUNK; k += LANES) sum += load(a + m * STRIDE + k);
        sums[m] += sum_of(sum);
    }
}

static void clamp_activations(float* values, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) store(values + i, larger(smaller(load(values + i), all(ACT_TOP)), all(0.0f)));
}

// The slope passes where the clamped activation is inside.
static void mask_slopes(const float* activations, float* slopes, int64_t count) {
    for (int64_t i = 0; i < count; i += LANES) {
        const Lanes a = load(activations + i), zero = all(0.0f);
        const Lanes inside = choose(a, all(ACT_TOP), load(slopes + i), zero);
        store(slopes + i, choose(zero, a, inside, zero));
    }
}

// Bits of the positions of the lanes, and their derivatives by the outputs into `slopes`; both arrays have rows of STRIDE.
HVPZIP_INLINE Lanes mixture_bits(const Pool& pool, const float* facts, const float* out, float* slopes) {
    const int K = pool.components, kinds = pool.reads_latent ? 4 : 3, couples = 3 * kinds * K;
    const auto row = [](const float* array, int channel) { return load(array + channel * STRIDE); };
    Lanes total = all(0.0f);
    for (int c = 0; c < pool.colours; ++c) {
        const Lanes value = row(facts, 6 + c);
        Lanes centre = row(facts, c);
        const int first = c == 2 ? 1 : 0;  // coupling: Co on Y, Cg on Y, Cg on Co
        for (int j = 0; j < c; ++j) {
            centre = centre + (row(out, couples + first + j) + pool.coupling[first + j]) * (row(facts, 6 + j) - row(facts, j));
        }
        const Lanes base = larger(smaller(row(facts, 3 + c), all(MAX_LOG2_SCALE)), all(MIN_LOG2_SCALE)), local = exp2_of(base);
        const Lanes innovation = row(facts, 9 + c);
        Lanes top = row(out, (6 + c) * K);
        for (int k = 1; k < K; ++k) top = larger(top, row(out, (6 + c) * K + k));
        Lanes powers = all(0.0f), mass = all(0.0f);
        // First pass: the components' weights and masses; they wait in `slopes`.
        for (int k = 0; k < K; ++k) {
            const Lanes power = exp2_of(row(out, (6 + c) * K + k) - top);
            Lanes at = centre + row(out, c * K + k) * local;
            if (pool.reads_latent) at = at + row(out, (9 + c) * K + k) * innovation;
            const Lanes ratio = base + row(out, (3 + c) * K + k);
            const Lanes clamped = larger(smaller(ratio, all(MAX_LOG2_SCALE)), all(MIN_LOG2_SCALE));
            const Lanes inverse = exp2_of(-clamped), offset = value - at, distance = larger(offset, -offset);
            const Lanes u = (pool.half_bin[c] - distance) * inverse, w = (-pool.half_bin[c] - distance) * inverse;
            const Normal upper = normal_of(u), lower = normal_of(w);
            const Lanes part = upper.cumulative - lower.cumulative, rise = (upper.density - lower.density) * inverse * DENSITY;
            store(slopes + (c * K + k) * STRIDE, power * choose(offset, all(0.0f), -rise, rise));
            // A clamped scale does not move.
            const Lanes grow = (lower.density * w - upper.density * u) * (DENSITY * LN2);
            store(slopes + ((3 + c) * K + k) * STRIDE, power * choose(ratio, all(MIN_LOG2_SCALE), all(0.0f), choose(all(MAX_LOG2_SCALE), ratio, all(0.0f), grow)));
            store(slopes + ((6 + c) * K + k) * STRIDE, part);
            powers += power;
            mass += power * part;
        }
        const Lanes mean = mass / powers, probability = mean + FLOOR;
        total = total - log2_of(probability);
        const Lanes factor = -1.0f / (probability * powers);  // of d probability; powers are not yet divided by their sum
        Lanes centre_slope = all(0.0f);
        for (int k = 0; k < K; ++k) {
            float *shift = slopes + (c * K + k) * STRIDE, *ratio = slopes + ((3 + c) * K + k) * STRIDE, *logit = slopes + ((6 + c) * K + k) * STRIDE;
            const Lanes moved = load(shift) * (factor * (1.0f / LN2));
            centre_slope += moved;
            store(shift, moved * local);
            if (pool.reads_latent) store(slopes + ((9 + c) * K + k) * STRIDE, moved * innovation);
            store(ratio, load(ratio) * (factor * (1.0f / LN2)));
            const Lanes power = exp2_of(row(out, (6 + c) * K + k) - top);
            store(logit, power * (load(logit) - mean) * factor);
        }
        for (int j = 0; j < c; ++j) store(slopes + (couples + first + j) * STRIDE, centre_slope * (row(facts, 6 + j) - row(facts, j)));
    }
    return total;
}

// Bits of a chunk of which `count` positions count: slopes of the others become zero.
static double chunk_bits(const Pool& pool, const float* facts, const float* out, float* slopes, int64_t count) {
    double bits = 0;
    for (int64_t n = 0; n < CHUNK; n += LANES) {
        const Lanes found = mixture_bits(pool, facts + n, out + n, slopes + n);
        for (int i = 0; i < LANES && n + i < count; ++i) bits += found[i];
    }
    if (count < CHUNK) {
        for (int o = 0; o < pool.outputs; ++o)
            for (int64_t j = count; j < CHUNK; ++j) slopes[o * STRIDE + j] = 0.0f;
    }
    return bits;
}

static const HeadKernels KERNELS = {product, correlate, clamp_activations, mask_slopes, chunk_bits};
