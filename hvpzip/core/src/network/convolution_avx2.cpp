// The convolutions in AVX2 (convolution.h): pairs of 16 bits, and those of 3x3 by Winograd's F(4, 3) along the row.
//
// Integer arithmetic only: this file reaches the bit stream.
//
// Four outputs y of a row of d0..d5 and three weights g take 12 products, or 6 of what the transforms make of them:
//
//     v0 = 4 d0 - 5 d2 + d4              u0 =  6 g0                  y0 = m0 + m1 + m2 +   m3 +   m4
//     v1 = -4 d1 - 4 d2 + d3 + d4        u1 = -4 (g0 + g1 + g2)      y1 =      m1 - m2 + 2 m3 - 2 m4
//     v2 =  4 d1 - 4 d2 - d3 + d4        u2 = -4 (g0 - g1 + g2)      y2 =      m1 + m2 + 4 m3 + 4 m4
//     v3 = -2 d1 - d2 + 2 d3 + d4        u3 =  g0 + 2 g1 + 4 g2      y3 =      m1 - m2 + 8 m3 - 8 m4 + m5
//     v4 =  2 d1 - d2 - 2 d3 + d4        u4 =  g0 - 2 g1 + 4 g2
//     v5 =  4 d1 - 5 d3 + d5             u5 = 24 g2                  with mi = ui vi, summed over channels and the three rows
//
// The weights are 24 times the usual ones (Lavin and Gray, arXiv 1509.09308), so all are integers, and y is 24 times the convolution. |d| <= 255
// gives |v| <= 10 * 255 = 2550, and |g| <= 128 gives |u| <= 24 * 128 = 3072: both fit 16 bits, and a pair of products fits 32. Sums may wrap: the
// convolution is below 2^24 (nn/proof.py), so y is below 2^29, and arithmetic modulo 2^32 ends with it. Division by 24 is then a shift by three
// and a product with the inverse of 3 modulo 2^32.

#include "network/convolution.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include "network/finish_x86.h"

namespace hvpzip::network {

namespace {

constexpr int STEP = 16, GROUP = 16, BLOCK = 4, POINTS = 6;
constexpr int MOST = 6;          // places that the registers hold, for GROUP outputs each
constexpr int MOST_BLOCKS = 12;  // whose sums are kept before they are transformed back

int padded(int channels) { return (channels + STEP - 1) / STEP * STEP; }
int blocks_of(int positions) { return (positions + BLOCK - 1) / BLOCK; }
int pairs_of(int inputs) { return (inputs + 1) / 2; }

// A row of side 1 is (positions, padded) int16; one of side 3 is (blocks, POINTS, padded), and behind that (positions, padded) to work in.
size_t transformed(int positions, int channels) { return static_cast<size_t>(blocks_of(positions)) * POINTS * padded(channels); }

size_t row_bytes(int positions, int channels, int side) {
    return 2 * (static_cast<size_t>(positions) * padded(channels) + (side == 3 ? transformed(positions, channels) : 0)) + 64;
}

HVPZIP_AVX2 HVPZIP_ALWAYS __m256i load16(const int16_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); }
HVPZIP_AVX2 HVPZIP_ALWAYS void store16(int16_t* to, __m256i value) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value); }

// Zero beyond the end.
HVPZIP_AVX2 HVPZIP_ALWAYS __m256i position(const int16_t* from, int x, int positions, int stride) {
    return x < positions ? load16(from + static_cast<size_t>(x) * stride) : _mm256_setzero_si256();
}

// Positions (positions, padded) -> (blocks, POINTS, padded).
HVPZIP_AVX2 void transform(const int16_t* from, int positions, int channels, int16_t* to) {
    const int stride = padded(channels);
    for (int c = 0; c < stride; c += STEP) {
        const int16_t* in = from + c;
        int16_t* out = to + c;
        __m256i d0 = _mm256_setzero_si256(), d1 = load16(in);
        for (int x = 0; x < positions; x += BLOCK, out += POINTS * stride) {
            const __m256i d2 = position(in, x + 1, positions, stride), d3 = position(in, x + 2, positions, stride);
            const __m256i d4 = position(in, x + 3, positions, stride), d5 = position(in, x + 4, positions, stride);
            const __m256i four1 = _mm256_slli_epi16(d1, 2), four2 = _mm256_slli_epi16(d2, 2), four3 = _mm256_slli_epi16(d3, 2);
            const __m256i even = _mm256_sub_epi16(d4, four2), odd = _mm256_sub_epi16(d3, four1);  // d4 - 4 d2, d3 - 4 d1
            const __m256i near = _mm256_sub_epi16(d4, d2), twice = _mm256_slli_epi16(_mm256_sub_epi16(d3, d1), 1);
            store16(out, _mm256_add_epi16(_mm256_slli_epi16(d0, 2), _mm256_sub_epi16(even, d2)));
            store16(out + stride, _mm256_add_epi16(even, odd));
            store16(out + 2 * stride, _mm256_sub_epi16(even, odd));
            store16(out + 3 * stride, _mm256_add_epi16(near, twice));
            store16(out + 4 * stride, _mm256_sub_epi16(near, twice));
            store16(out + 5 * stride, _mm256_add_epi16(_mm256_sub_epi16(four1, four3), _mm256_sub_epi16(d5, d3)));
            d0 = d4, d1 = d5;
        }
    }
}

void load(const int8_t* inputs, int positions, int channels, void* row) {
    int16_t *out = static_cast<int16_t*>(row), *plain = out + transformed(positions, channels);
    const int stride = padded(channels);
    for (int x = 0; x < positions; ++x, inputs += channels) {
        for (int c = 0; c < channels; ++c) plain[static_cast<size_t>(x) * stride + c] = inputs[c];
    }
    transform(plain, positions, channels, out);
}

HVPZIP_AVX2 void activate(const int16_t* carried, int positions, int channels, int side, void* row) {
    int16_t *out = static_cast<int16_t*>(row), *plain = side == 3 ? out + transformed(positions, channels) : out;
    const int stride = padded(channels), whole = channels / STEP * STEP;
    for (int x = 0; x < positions; ++x, carried += channels) {
        int16_t* to = plain + static_cast<size_t>(x) * stride;
        for (int c = 0; c < whole; c += STEP) store16(to + c, activated(carried + c));
        for (int c = whole; c < channels; ++c) to[c] = static_cast<int16_t>(activate_one(carried[c]));
    }
    if (side == 3) transform(plain, positions, channels, out);
}

// Weights of a group: [point][row][pair][output][2], one point where the side is 1.
int points_of(int side) { return side == 3 ? POINTS : 1; }

size_t group_bytes(int inputs, int side) { return sizeof(int16_t) * points_of(side) * side * pairs_of(inputs) * GROUP * 2; }

void pack(const int8_t* weight, int inputs, int side, int place, void* group) {
    for (int i = 0; i < inputs; ++i) {
        for (int dy = 0; dy < side; ++dy, weight += side) {
            int values[POINTS] = {weight[0]};
            if (side == 3) {
                const int g0 = weight[0], g1 = weight[1], g2 = weight[2];
                const int all[POINTS] = {6 * g0, -4 * (g0 + g1 + g2), -4 * (g0 - g1 + g2), g0 + 2 * g1 + 4 * g2, g0 - 2 * g1 + 4 * g2, 24 * g2};
                std::copy(all, all + POINTS, values);
            }
            for (int point = 0; point < points_of(side); ++point) {
                const size_t pair = static_cast<size_t>(point * side + dy) * pairs_of(inputs) + i / 2;
                static_cast<int16_t*>(group)[(pair * GROUP + place) * 2 + i % 2] = static_cast<int16_t>(values[point]);
            }
        }
    }
}

// Sums of products for GROUP outputs at P places, `stride` apart, over `rows` rows: sums (P, GROUP), from `start` on.
template <int P>
HVPZIP_AVX2 HVPZIP_ALWAYS void tile(const int16_t* const* at, int rows, size_t stride, int pairs, const int16_t* weights, const int32_t* start, int32_t* sums) {
    __m256i low[P], high[P];
    for (int p = 0; p < P; ++p) low[p] = load8(start), high[p] = load8(start + 8);
    for (int dy = 0; dy < rows; ++dy) {
        const int16_t* a = at[dy];
        for (int i = 0; i < pairs; ++i, a += 2, weights += 2 * GROUP) {
            const __m256i w0 = load16(weights), w1 = load16(weights + GROUP);
            for (int p = 0; p < P; ++p) {
                int32_t two;
                std::memcpy(&two, a + p * stride, sizeof two);
                const __m256i both = _mm256_set1_epi32(two);
                low[p] = _mm256_add_epi32(low[p], _mm256_madd_epi16(both, w0));
                high[p] = _mm256_add_epi32(high[p], _mm256_madd_epi16(both, w1));
            }
        }
    }
    for (int p = 0; p < P; ++p) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + GROUP * p), low[p]);
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + GROUP * p + 8), high[p]);
    }
}

HVPZIP_AVX2 void tiles(int count, const int16_t* const* at, int rows, size_t stride, int pairs, const int16_t* weights, const int32_t* start, int32_t* sums) {
    switch (count) {
        case 6: return tile<6>(at, rows, stride, pairs, weights, start, sums);
        case 5: return tile<5>(at, rows, stride, pairs, weights, start, sums);
        case 4: return tile<4>(at, rows, stride, pairs, weights, start, sums);
        case 3: return tile<3>(at, rows, stride, pairs, weights, start, sums);
        case 2: return tile<2>(at, rows, stride, pairs, weights, start, sums);
        default: return tile<1>(at, rows, stride, pairs, weights, start, sums);
    }
}

HVPZIP_AVX2 HVPZIP_ALWAYS void store_sums(int32_t* to, __m256i y, __m256i bias) {
    const __m256i found = _mm256_mullo_epi32(_mm256_srai_epi32(y, 3), _mm256_set1_epi32(static_cast<int>(0xAAAAAAABu)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_add_epi32(found, bias));
}

// m (POINTS, MOST_BLOCKS, GROUP) -> sums (blocks * BLOCK, GROUP).
HVPZIP_AVX2 void transform_back(const int32_t* m, int blocks, const int32_t* bias, int32_t* sums) {
    constexpr int NEXT = MOST_BLOCKS * GROUP;
    for (int half = 0; half < GROUP; half += 8) {
        const __m256i b = load8(bias + half);
        for (int block = 0; block < blocks; ++block) {
            const int32_t* from = m + block * GROUP + half;
            int32_t* to = sums + block * BLOCK * GROUP + half;
            const __m256i m1 = load8(from + NEXT), m2 = load8(from + 2 * NEXT), m3 = load8(from + 3 * NEXT), m4 = load8(from + 4 * NEXT);
            const __m256i sum = _mm256_add_epi32(m1, m2), difference = _mm256_sub_epi32(m1, m2);
            const __m256i wide_sum = _mm256_add_epi32(m3, m4), wide_difference = _mm256_sub_epi32(m3, m4);
            store_sums(to, _mm256_add_epi32(load8(from), _mm256_add_epi32(sum, wide_sum)), b);
            store_sums(to + GROUP, _mm256_add_epi32(difference, _mm256_slli_epi32(wide_difference, 1)), b);
            store_sums(to + 2 * GROUP, _mm256_add_epi32(sum, _mm256_slli_epi32(wide_sum, 2)), b);
            store_sums(to + 3 * GROUP, _mm256_add_epi32(load8(from + 5 * NEXT), _mm256_add_epi32(difference, _mm256_slli_epi32(wide_difference, 3))), b);
        }
    }
}

const int16_t* weights_of(const Convolution& conv, int g) {
    return reinterpret_cast<const int16_t*>(static_cast<const unsigned char*>(conv.weights) + g * conv.group_bytes);
}

HVPZIP_AVX2 void convolve_pointwise(const Convolution& conv, const int16_t* row, int positions, const Target& target) {
    const size_t stride = static_cast<size_t>(padded(conv.inputs));
    const int pairs = pairs_of(conv.inputs);
    alignas(32) int32_t sums[MOST * GROUP];
    for (int g = 0; g < conv.groups; ++g) {
        const int16_t* weights = weights_of(conv, g);
        for (int x = 0; x < positions; x += MOST) {
            const int count = std::min(MOST, positions - x);
            const int16_t* at[1] = {row + x * stride};
            tiles(count, at, 1, stride, pairs, weights, conv.bias + g * GROUP, sums);
            finish(conv, sums, GROUP, count, x, g * GROUP, target);
        }
    }
}

HVPZIP_AVX2 void convolve(const Convolution& conv, const void* const* rows, int positions, const Target& target) {
    if (conv.side == 1) return convolve_pointwise(conv, static_cast<const int16_t*>(rows[0]), positions, target);
    const size_t place = static_cast<size_t>(padded(conv.inputs)), stride = POINTS * place;
    const int pairs = pairs_of(conv.inputs), blocks = blocks_of(positions);
    const int32_t zeros[GROUP] = {};
    alignas(32) int32_t m[POINTS * MOST_BLOCKS * GROUP], sums[MOST_BLOCKS * BLOCK * GROUP];
    for (int first = 0; first < blocks; first += MOST_BLOCKS) {
        const int many = std::min(MOST_BLOCKS, blocks - first);
        for (int g = 0; g < conv.groups; ++g) {
            const int16_t* weights = weights_of(conv, g);
            for (int point = 0; point < POINTS; ++point) {
                const int16_t* of_point = weights + static_cast<size_t>(point) * 3 * pairs * GROUP * 2;
                for (int block = 0; block < many; block += MOST) {
                    const int16_t* at[3];
                    for (int dy = 0; dy < 3; ++dy) at[dy] = static_cast<const int16_t*>(rows[dy]) + (first + block) * stride + point * place;
                    tiles(std::min(MOST, many - block), at, 3, stride, pairs, of_point, zeros, m + (point * MOST_BLOCKS + block) * GROUP);
                }
            }
            transform_back(m, many, conv.bias + g * GROUP, sums);
            finish(conv, sums, GROUP, std::min(many * BLOCK, positions - first * BLOCK), first * BLOCK, g * GROUP, target);
        }
    }
}

bool has_avx2() { return __builtin_cpu_supports("avx2"); }

const Kernels AVX2 = {"avx2", STEP, GROUP, 2, 0, has_avx2, row_bytes, load, activate, convolve, group_bytes, pack};

}  // namespace

const Kernels* const avx2_kernels = &AVX2;

}  // namespace hvpzip::network

#else

namespace hvpzip::network {

const Kernels* const avx2_kernels = nullptr;

}  // namespace hvpzip::network

#endif
