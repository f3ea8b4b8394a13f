// The gradient search for changes of a head (codec/adaptation/search.py is the twin): two pointwise layers, the bits of discretised mixtures, Adam.
//
// The encoder's part: nothing here reaches the bit stream but the numbers that are found. Strict IEEE arithmetic in a fixed order, so that every
// processor finds the same.

#pragma once

#include <cstdint>

namespace hvpzip::network {

constexpr int FACTS = 12;  // of a position: mean, log2 of the scale, value, innovation, of three colours

// One step at many positions.
struct Pool {
    int64_t positions;
    int inputs, hidden, outputs;  // channels
    int components, colours;      // colours: 1 or 3 that are coded
    bool reads_latent;
    const uint8_t* activations;  // (positions, inputs), 1/32
    const float* facts;          // (positions, FACTS)
    const float* coupling;       // (3,)
    const float* half_bin;       // (3,)
};

// Weights (outputs, inputs) and biases of a layer, or changes of them: gain and bias (outputs,), weight (outputs, inputs).
struct Dense {
    const float *weight, *bias;
};
struct Numbers {
    float *gain, *bias, *weight;  // all null: the layer stays as it is
};

struct Search {
    int64_t steps, batch;
    const int32_t* order;  // (steps, batch): positions of each step
    const float* pace;     // (steps,): factor of the learning rates
    float rate, weight_rate;
    float penalty;                            // of the loss for each unit of a number, up to `most` units
    float gain_units, bias_units, weight_units, most;
};

// Adam from the numbers that are there, in place.
void fit_head(const Pool& pool, const Dense& hidden, const Dense& out, const Numbers& hidden_numbers, const Numbers& out_numbers, const Search& search);

// Bits of `count` positions together, and where `gradient` is not null its (outputs, count) derivatives by the head's outputs.
double head_bits(const Pool& pool, const Dense& hidden, const Dense& out, const int32_t* order, int64_t count, float* gradient);

}  // namespace hvpzip::network
