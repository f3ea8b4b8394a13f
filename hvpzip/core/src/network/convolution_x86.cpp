// The convolutions on rows of bytes in the vectors of x86-64 (convolution.h): VNNI multiplies fours of 8 bits, and nothing saturates. In AVX2 the
// same loops multiply pairs of 16 bits: slower than convolution_avx2.cpp, but they show on any processor that the loops and the packing are right.
//
// Integer arithmetic only: this file reaches the bit stream.

#include "network/convolution.h"

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))

#include <cpuid.h>

#include "network/byte_rows.h"
#include "network/finish_x86.h"

namespace hvpzip::network {

namespace {

#define HVPZIP_AVX_VNNI __attribute__((target("avx2,avxvnni")))
#define HVPZIP_AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512vl,avx512vnni")))

constexpr int STEP = 4;

using Rows16 = ByteRows<STEP, 16>;
using Rows32 = ByteRows<STEP, 32>;

HVPZIP_AVX2 void activate(const int16_t* carried, int positions, int channels, int side, void* row) {
    uint8_t* out = Rows16::first(row, channels, side);
    const int padded = Rows16::padded(channels);
    const int runs = padded == channels ? 1 : positions;  // without padding the row is one run of numbers
    const size_t length = padded == channels ? static_cast<size_t>(positions) * channels : static_cast<size_t>(channels);
    for (int run = 0; run < runs; ++run, carried += channels, out += padded) {
        size_t i = 0;
        for (; i + 16 <= length; i += 16) {
            const __m256i found = activated(carried + i);
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_packus_epi16(_mm256_castsi256_si128(found), _mm256_extracti128_si256(found, 1)));
        }
        for (; i < length; ++i) out[i] = static_cast<uint8_t>(activate_one(carried[i]));
    }
}

// A tile of positions, as many as the registers hold, for one group of outputs: sums into a buffer, then `finish`.
#define HVPZIP_CONVOLVE(TARGET, NAME, GROUP_SIZE, MOST)                                                                       \
    TARGET void NAME(const Convolution& conv, const void* const* rows, int positions, const Target& target) {                               \
        const int stride = conv.kernels->padded(conv.inputs);                                                                               \
        alignas(64) int32_t sums[MOST * GROUP_SIZE];                                                                                        \
        for (int g = 0; g < conv.groups; ++g) {                                                                                             \
            const unsigned char* weights = static_cast<const unsigned char*>(conv.weights) + g * conv.group_bytes;                          \
            const int32_t* bias = conv.bias + g * GROUP_SIZE;                                                                               \
            for (int x = 0; x < positions; x += MOST) {                                                                                     \
                const uint8_t* at[3] = {};                                                                                             \
                for (int dy = 0; dy < conv.side; ++dy) at[dy] = static_cast<const uint8_t*>(rows[dy]) + static_cast<size_t>(x) * stride; \
                const int count = std::min(MOST, positions - x);                                                                            \
                NAME##_tiles(count, at, conv.side, stride, weights, bias, sums);                                                            \
                for (int first = 0; first < GROUP_SIZE && g * GROUP_SIZE + first < conv.outputs; first += TILE_LANES) {                     \
                    finish(conv, sums + first, GROUP_SIZE, count, x, g * GROUP_SIZE + first, target);                 \
                }                                                                                                                           \
            }                                                                                                                               \
        }                                                                                                                                   \
    }

// ---- Fours of uint8 x int8 in two vectors of eight outputs, six positions.

// What VNNI does in one instruction: the even and the odd bytes as pairs of 16 bits, whose products are exact in 32.
HVPZIP_AVX2 HVPZIP_ALWAYS __m256i multiply_add(__m256i sums, __m256i a, __m256i w) {
    const __m256i even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
    const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(w, 8));
    return _mm256_add_epi32(sums, _mm256_add_epi32(even, odd));
}


template <int P>
HVPZIP_AVX512 HVPZIP_ALWAYS void avx512_vnni_tile(const uint8_t* const* at, int side, int stride, const unsigned char* weights, const int32_t* bias,
                                                  int32_t* sums) {
    __m512i low[P], high[P];
    for (int p = 0; p < P; ++p) low[p] = _mm512_loadu_si512(bias), high[p] = _mm512_loadu_si512(bias + 16);
    for (int dy = 0; dy < side; ++dy) {
        const uint8_t* a = at[dy];
        for (int i = 0; i < side * stride; i += 4, weights += 128) {
            const __m512i w0 = _mm512_load_si512(weights), w1 = _mm512_load_si512(weights + 64);
            for (int p = 0; p < P; ++p) {
                int32_t four;
                std::memcpy(&four, a + p * stride + i, sizeof four);
                const __m512i all = _mm512_set1_epi32(four);
                low[p] = _mm512_dpbusd_epi32(low[p], all, w0);
                high[p] = _mm512_dpbusd_epi32(high[p], all, w1);
            }
        }
    }
    for (int p = 0; p < P; ++p) {
        _mm512_store_si512(sums + 32 * p, low[p]);
        _mm512_store_si512(sums + 32 * p + 16, high[p]);
    }
}

HVPZIP_AVX512 HVPZIP_ALWAYS void avx512_vnni_tiles(int count, const uint8_t* const* at, int side, int stride, const unsigned char* weights,
                                                   const int32_t* bias, int32_t* sums) {
    int done = 0;
    const auto offset = [&](int p, const uint8_t** moved) {
        for (int dy = 0; dy < side; ++dy) moved[dy] = at[dy] + p * stride;
    };
    const uint8_t* moved[3] = {};
    for (; count - done >= 12; done += 12) offset(done, moved), avx512_vnni_tile<12>(moved, side, stride, weights, bias, sums + 32 * done);
    for (; count - done >= 4; done += 4) offset(done, moved), avx512_vnni_tile<4>(moved, side, stride, weights, bias, sums + 32 * done);
    for (; count - done >= 1; done += 1) offset(done, moved), avx512_vnni_tile<1>(moved, side, stride, weights, bias, sums + 32 * done);
}

HVPZIP_CONVOLVE(HVPZIP_AVX512, avx512_vnni, 32, 12)

#define HVPZIP_TILES(TARGET, NAME, DOT) \
    template <int P> \
    TARGET HVPZIP_ALWAYS void NAME##_tile(const uint8_t* const* at, int side, int stride, const unsigned char* weights, const int32_t* bias, \
                                                     int32_t* sums) { \
        __m256i low[P], high[P]; \
        for (int p = 0; p < P; ++p) low[p] = load8(bias), high[p] = load8(bias + 8); \
        for (int dy = 0; dy < side; ++dy) { \
            const uint8_t* a = at[dy]; \
            for (int i = 0; i < side * stride; i += 4, weights += 64) { \
                const __m256i w0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights)); \
                const __m256i w1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(weights + 32)); \
                for (int p = 0; p < P; ++p) { \
                    int32_t four; \
                    std::memcpy(&four, a + p * stride + i, sizeof four); \
                    const __m256i all = _mm256_set1_epi32(four); \
                    low[p] = DOT(low[p], all, w0); \
                    high[p] = DOT(high[p], all, w1); \
                } \
            } \
        } \
        for (int p = 0; p < P; ++p) { \
            _mm256_store_si256(reinterpret_cast<__m256i*>(sums + 16 * p), low[p]); \
            _mm256_store_si256(reinterpret_cast<__m256i*>(sums + 16 * p + 8), high[p]); \
        } \
    } \
 \
    TARGET HVPZIP_ALWAYS void NAME##_tiles(int count, const uint8_t* const* at, int side, int stride, const unsigned char* weights, \
                                                      const int32_t* bias, int32_t* sums) { \
        switch (count) { \
            case 6: return NAME##_tile<6>(at, side, stride, weights, bias, sums); \
            case 5: return NAME##_tile<5>(at, side, stride, weights, bias, sums); \
            case 4: return NAME##_tile<4>(at, side, stride, weights, bias, sums); \
            case 3: return NAME##_tile<3>(at, side, stride, weights, bias, sums); \
            case 2: return NAME##_tile<2>(at, side, stride, weights, bias, sums); \
            default: return NAME##_tile<1>(at, side, stride, weights, bias, sums); \
        } \
    }

HVPZIP_TILES(HVPZIP_AVX2, avx2_bytes, multiply_add)
HVPZIP_CONVOLVE(HVPZIP_AVX2, avx2_bytes, 16, 6)

bool has_avx2() { return __builtin_cpu_supports("avx2"); }

const Kernels AVX2_BYTES = {"avx2-bytes", STEP, 16, 1, 128, has_avx2, Rows16::row_bytes, Rows16::load, activate, avx2_bytes, Rows16::group_bytes, Rows16::pack};

HVPZIP_TILES(HVPZIP_AVX_VNNI, avx_vnni, _mm256_dpbusd_avx_epi32)
HVPZIP_CONVOLVE(HVPZIP_AVX_VNNI, avx_vnni, 16, 6)

// Clang's __builtin_cpu_supports has no name for it, so the processor is asked (leaf 7.1, bit 4 of eax).
bool has_avx_vnni() {
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 4 & 1) != 0;
}

const Kernels AVX_VNNI = {"avx-vnni", STEP, 16, 1, 128, has_avx_vnni, Rows16::row_bytes, Rows16::load, activate, avx_vnni, Rows16::group_bytes, Rows16::pack};

bool has_avx512_vnni() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

const Kernels AVX512_VNNI = {"avx512-vnni", STEP, 32, 1, 128, has_avx512_vnni, Rows32::row_bytes, Rows32::load, activate, avx512_vnni, Rows32::group_bytes, Rows32::pack};

}  // namespace

const Kernels* const avx2_bytes_kernels = &AVX2_BYTES;
const Kernels* const avx_vnni_kernels = &AVX_VNNI;
const Kernels* const avx512_vnni_kernels = &AVX512_VNNI;

}  // namespace hvpzip::network

#else

namespace hvpzip::network {

const Kernels* const avx2_bytes_kernels = nullptr;
const Kernels* const avx_vnni_kernels = nullptr;
const Kernels* const avx512_vnni_kernels = nullptr;

}  // namespace hvpzip::network

#endif
