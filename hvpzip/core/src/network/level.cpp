// The operations of a level network on whole grids (level.h): rows stream through the layers of a block, so that all but the carried features stays in
// the cache.
//
// Integer arithmetic only: this file reaches the bit stream.

#include "network/level.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "multiversion.h"
#include "threads.h"

namespace hvpzip::network {

namespace {

// Grids of fewer positions than this for each thread are not worth one.
constexpr int64_t POSITIONS_A_THREAD = 2048;

// Bands of rows, one a thread, as on_threads cuts them.
int bands_of(Grid grid, int threads) {
    const int64_t most = std::min<int64_t>(grid.rows, grid.positions() / POSITIONS_A_THREAD);
    return static_cast<int>(std::clamp<int64_t>(most, 1, std::clamp<int64_t>(threads, 1, MAX_THREADS)));
}

// A row as an instruction set lays it (convolution.h); as it is made, one outside the grid.
class Row {
public:
    Row(const Kernels& kernels, int64_t columns, int channels, int side, int zero)
        : store_(kernels.row_bytes(static_cast<int>(columns), channels, side), static_cast<unsigned char>(zero)) {}
    void* data() { return store_.data(); }
    const void* data() const { return store_.data(); }

private:
    std::vector<unsigned char> store_;
};

// The three rows around one that moves down, made when they are first needed.
struct Ring {
    Ring(const Kernels& kernels, int64_t columns, int channels, int zero)
        : rows{Row(kernels, columns, channels, 3, zero), Row(kernels, columns, channels, 3, zero), Row(kernels, columns, channels, 3, zero)} {}
    Row& operator[](int64_t y) { return rows[static_cast<size_t>((y + 3) % 3)]; }
    std::array<Row, 3> rows;
};

void embed_rows(const Convolution& embed, Grid grid, const int8_t* inputs, const int16_t* carried, int16_t* found, Ring& ring, const Row& outside,
                int64_t first, int64_t end) {
    const auto load = [&](int64_t y) {
        embed.kernels->load(inputs + y * grid.columns * embed.inputs, static_cast<int>(grid.columns), embed.inputs, ring[y].data());
    };
    if (first > 0) load(first - 1);
    load(first);
    const int64_t length = grid.columns * embed.outputs;
    for (int64_t y = first; y < end; ++y) {
        if (y + 1 < grid.rows) load(y + 1);
        const void* rows[3] = {y ? ring[y - 1].data() : outside.data(), ring[y].data(), y + 1 < grid.rows ? ring[y + 1].data() : outside.data()};
        const Target target = {Format::carried, found + y * length, carried ? carried + y * length : nullptr};
        embed.kernels->convolve(embed, rows, static_cast<int>(grid.columns), target);
    }
}

// above, below: the features of the rows around the band as they were before any band began; null at the edge of the grid.
void block_rows(const Convolution& spatial, const Convolution& mix, Grid grid, int16_t* features, const int16_t* above, const int16_t* below, Ring& ring,
                Row& hidden, const Row& outside, int64_t first, int64_t end) {
    const int channels = spatial.inputs, columns = static_cast<int>(grid.columns);
    const int64_t length = grid.columns * channels;
    const auto activate = [&](const int16_t* from, int64_t y) { spatial.kernels->activate(from, columns, channels, 3, ring[y].data()); };
    if (above) activate(above, first - 1);
    activate(features + first * length, first);
    for (int64_t y = first; y < end; ++y) {
        const int16_t* next = y + 1 < end ? features + (y + 1) * length : below;
        if (next) activate(next, y + 1);
        const void* rows[3] = {y > first || above ? ring[y - 1].data() : outside.data(), ring[y].data(), next ? ring[y + 1].data() : outside.data()};
        spatial.kernels->convolve(spatial, rows, columns, {Format::activations, hidden.data(), nullptr});
        const void* one[1] = {hidden.data()};
        mix.kernels->convolve(mix, one, columns, {Format::carried, features + y * length, features + y * length});
    }
}

}  // namespace

void run_branch(const Convolution& embed, const Blocks& blocks, Grid grid, const int8_t* inputs, const int16_t* carried, int16_t* found, int threads) {
    if (!grid.positions()) return;
    const int bands = bands_of(grid, threads), channels = embed.outputs;
    const Kernels& kernels = *embed.kernels;
    const int64_t length = grid.columns * channels;
    const Row no_inputs(kernels, grid.columns, embed.inputs, 3, embed.offset), no_features(kernels, grid.columns, channels, 3, 0);
    std::vector<Ring> input_rings(bands, Ring(kernels, grid.columns, embed.inputs, embed.offset));
    std::vector<Ring> rings(blocks.empty() ? 0 : bands, Ring(kernels, grid.columns, channels, 0));
    std::vector<Row> hidden(rings.size(), Row(kernels, grid.columns, channels, 1, 0));
    std::vector<int16_t> around(bands > 1 ? 2 * bands * length : 0);  // the rows above and below each band
    on_threads(bands, grid.rows, 1, [&](int band, int64_t first, int64_t end) {
        embed_rows(embed, grid, inputs, carried, found, input_rings[band], no_inputs, first, end);
    });
    for (const auto& [spatial, mix] : blocks) {
        const auto keep = [&](int band, int64_t y, int side) -> const int16_t* {
            if (y < 0 || y >= grid.rows) return nullptr;
            int16_t* to = around.data() + (2 * band + side) * length;
            std::copy_n(found + y * length, length, to);
            return to;
        };
        std::vector<std::pair<const int16_t*, const int16_t*>> neighbours(bands);
        for (int band = 0; band < bands; ++band) {
            neighbours[band] = {keep(band, grid.rows * band / bands - 1, 0), keep(band, grid.rows * (band + 1) / bands, 1)};
        }
        const Convolution &wide = *spatial, &narrow = *mix;
        on_threads(bands, grid.rows, 1, [&](int band, int64_t first, int64_t end) {
            block_rows(wide, narrow, grid, found, neighbours[band].first, neighbours[band].second, rings[band], hidden[band], no_features, first, end);
        });
    }
}

void run_head(const Convolution& hidden, const Convolution& out, Grid grid, Grid size, const int16_t* carried, int16_t* found, int threads) {
    if (!size.positions()) return;
    const int bands = bands_of(size, threads), columns = static_cast<int>(size.columns);
    const Kernels& kernels = *hidden.kernels;
    std::vector<Row> read(bands, Row(kernels, size.columns, hidden.inputs, 1, 0)), made(bands, Row(kernels, size.columns, hidden.outputs, 1, 0));
    on_threads(bands, size.rows, 1, [&](int band, int64_t first, int64_t end) {
        const void *from[1] = {read[band].data()}, *middle[1] = {made[band].data()};
        for (int64_t y = first; y < end; ++y) {
            kernels.activate(carried + y * grid.columns * hidden.inputs, columns, hidden.inputs, 1, read[band].data());
            kernels.convolve(hidden, from, columns, {Format::activations, made[band].data(), nullptr});
            kernels.convolve(out, middle, columns, {Format::outputs, found + y * size.columns * out.outputs, nullptr});
        }
    });
}

namespace {

// sums[x] += the three products with the columns around x, of a row that has a margin of one.
HVPZIP_WIDE void add_products(const int32_t* HVPZIP_RESTRICT row, const int32_t* HVPZIP_RESTRICT weight, int64_t columns, int32_t* HVPZIP_RESTRICT sums) {
    const int32_t left = weight[0], here = weight[1], right = weight[2];
    for (int64_t x = 0; x < columns; ++x) sums[x] += left * row[x] + here * row[x + 1] + right * row[x + 2];
}

HVPZIP_WIDE void round_row(const int32_t* HVPZIP_RESTRICT sums, int64_t columns, int32_t shift, int32_t below_half, int32_t odd, int32_t* HVPZIP_RESTRICT found) {
    for (int64_t x = 0; x < columns; ++x) found[x] = rounded(sums[x], shift, below_half, odd);
}

}  // namespace

template <typename Plane>
void run_linear(Grid grid, int64_t channels, const Plane* planes, const int32_t* weight, const int32_t* bias, int shift, int32_t* found, int threads) {
    if (!grid.positions()) return;
    const int bands = bands_of(grid, threads);
    const int64_t columns = grid.columns, positions = grid.positions();
    std::vector<std::vector<int32_t>> rows(bands, std::vector<int32_t>(columns + 2)), sums(bands, std::vector<int32_t>(3 * columns));
    on_threads(bands, grid.rows, 1, [&](int band, int64_t first, int64_t end) {
        int32_t *row = rows[band].data(), *sum = sums[band].data();
        for (int64_t y = first; y < end; ++y) {
            for (int o = 0; o < 3; ++o) std::fill_n(sum + o * columns, columns, bias[o]);
            for (int64_t c = 0; c < channels; ++c) {
                for (int dy = 0; dy < 3; ++dy) {
                    const Plane* from = planes + c * positions + std::clamp<int64_t>(y + dy - 1, 0, grid.rows - 1) * columns;
                    std::copy_n(from, columns, row + 1);
                    row[0] = from[0], row[columns + 1] = from[columns - 1];
                    for (int o = 0; o < 3; ++o) add_products(row, weight + ((o * channels + c) * 3 + dy) * 3, columns, sum + o * columns);
                }
            }
            const int32_t below_half = shift ? (1 << (shift - 1)) - 1 : 0;
            for (int o = 0; o < 3; ++o) round_row(sum + o * columns, columns, shift, below_half, shift ? 1 : 0, found + o * positions + y * columns);
        }
    });
}

template void run_linear<int32_t>(Grid, int64_t, const int32_t*, const int32_t*, const int32_t*, int, int32_t*, int);
template void run_linear<uint8_t>(Grid, int64_t, const uint8_t*, const int32_t*, const int32_t*, int, int32_t*, int);

namespace {

constexpr int COMPAND_LIMIT = 1023, COMPAND_GAIN = 14, COMPAND_MAX = 127;

// sign(d) * round(14 log2(1 + |d|)) for d in -1023..1023, at most 127: the largest m with (1 + d)^28 >= 2^(2 m - 1). The thresholds of m are those d
// whose power of 28 first has 2 m bits, found once in exact arithmetic by the table of nn/features.py.
struct Companding {
    std::array<int8_t, 2 * COMPAND_LIMIT + 1> table;

    Companding() {
        for (int d = 0; d <= COMPAND_LIMIT; ++d) {
            const int m = std::min(COMPAND_MAX, bits_of_power(1 + d) / 2);
            table[COMPAND_LIMIT + d] = static_cast<int8_t>(m);
            table[COMPAND_LIMIT - d] = static_cast<int8_t>(-m);
        }
    }

    int8_t operator()(int32_t difference) const { return table[std::clamp(difference, -COMPAND_LIMIT, COMPAND_LIMIT) + COMPAND_LIMIT]; }

private:
    // Bits of base^28, exactly: base < 2^11, so 28 factors need 308 bits.
    static int bits_of_power(uint32_t base) {
        std::array<uint32_t, 10> number = {1};
        for (int factor = 0; factor < 2 * COMPAND_GAIN; ++factor) {
            uint64_t carry = 0;
            for (uint32_t& word : number) {
                carry += static_cast<uint64_t>(word) * base;
                word = static_cast<uint32_t>(carry);
                carry >>= 32;
            }
        }
        int bits = 0;
        for (size_t i = 0; i < number.size(); ++i) {
            for (int bit = 0; bit < 32; ++bit) {
                if (number[i] >> bit & 1) bits = static_cast<int>(32 * i) + bit + 1;
            }
        }
        return bits;
    }
};

const Companding& companding() {
    static const Companding found;
    return found;
}

int32_t floor_half(int32_t value) { return value >> 1; }

}  // namespace

void coarse_inputs(Grid grid, const int32_t* values, int8_t* inputs, uint8_t* energies) {
    const Companding& compand = companding();
    const int64_t columns = grid.columns, positions = grid.positions();
    for (int64_t y = 0; y < grid.rows; ++y) {
        const int64_t down = y + 1 < grid.rows ? columns : 0;
        for (int64_t x = 0; x < columns; ++x) {
            const int64_t at = y * columns + x, across = x + 1 < columns ? 1 : 0;
            int8_t* out = inputs + at * COARSE_INPUTS;
            for (int c = 0; c < 3; ++c) {
                const int32_t* v = values + c * positions + at;
                const int32_t here = v[0], right = v[across], below = v[down], diagonal = v[down + across];
                out[c] = compand(right - here);
                out[3 + c] = compand(below - here);
                out[6 + c] = compand(diagonal - here);
                out[9 + c] = compand(below - right);
                out[12 + c] = static_cast<int8_t>(std::clamp(c ? floor_half(here) : here - 128, -128, 127));
            }
            for (int e = 0; e < COARSE_ENERGIES; ++e) energies[e * positions + at] = static_cast<uint8_t>(std::abs(out[e]));
        }
    }
}

void unit_inputs(Grid grid, const int32_t* values, const int32_t* prediction, int8_t* inputs, uint8_t* energies) {
    const Companding& compand = companding();
    const int64_t columns = grid.columns, positions = grid.positions();
    for (int64_t y = 0; y < grid.rows; ++y) {
        const int64_t down = y + 1 < grid.rows ? columns : 0;
        for (int64_t x = 0; x < columns; ++x) {
            const int64_t at = y * columns + x, across = x + 1 < columns ? 1 : 0;
            int8_t* out = inputs + at * UNIT_INPUTS;
            for (int c = 0; c < 3; ++c) {
                const int32_t* v = values + c * positions + at;
                out[c] = compand(v[0] - rounded(prediction[c * positions + at], 6, 31, 1));
                out[3 + c] = compand(v[across] - v[0]);
                out[6 + c] = compand(v[down] - v[0]);
            }
            for (int e = 0; e < UNIT_INPUTS; ++e) energies[e * positions + at] = static_cast<uint8_t>(std::abs(out[e]));
        }
    }
}

}  // namespace hvpzip::network
