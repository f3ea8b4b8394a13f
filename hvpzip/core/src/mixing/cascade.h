// The finest level of a group by the mixing coder, seen from outside: see cascade_plane.h. Plain pointers and sizes, no Python.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mixing/mixing.h"

namespace hvpzip::mixing {

constexpr int kCascadeProfiles = 5;  // numbered from 1; the third is the second, but each plane has a message of its own; so is the fifth the fourth

// From the fourth profile on an engine begins with what others learnt: bytes of a plane's starts (Engine), and numbers that it learns.
constexpr int kFirstWithStarts = 4, kStartInputs = 160, kStartSets = 14, kStartScales = 3008;
constexpr std::size_t kStartBytes = 2 * kStartInputs + 2 * kStartSets + kStartScales, kLearnt = kStartInputs + kStartSets + 2 * kStartScales;

inline int cascade_messages(int planes, int profile) { return profile == 3 || profile == 5 ? planes : 1; }

// One group on its way, for a writer or a reader. Samples are 8 bits, planes in the order green, red, blue, or a single one.
class Cascade {
public:
    virtual ~Cascade() = default;
    // The samples of even rows and columns, plane by plane; once, before all units.
    virtual void coarse(const std::uint8_t* samples) = 0;
    // A unit (0 hh, 1 hl, 2 lh, in this order), plane by plane: read by a writer, filled in by a reader. mean, sigma: (planes, n), slope: (3, n), of
    // the network's Gaussians. bits: what each plane cost. The same on any number of threads. A reader throws Corrupt.
    virtual void unit(int unit, std::uint8_t* samples, const double* mean, const double* slope, const double* sigma, double* bits, int threads, Ticker& ticker) = 0;
    // What a plane has learnt so far: kLearnt numbers, of Engine::learnt.
    virtual void learnt(int plane, double* found) const = 0;
    // After all units: a writer's messages, or a reader's check that its own are at their end (it throws Corrupt).
    virtual void finish(Output& output) = 0;
};

// Makers of a writer, and of a reader of messages_of(planes, profile) messages that outlive it. matrix: of Picture (mixing.h), or null. starts: of three
// planes, kStartBytes each; null for profiles below kFirstWithStarts. The same coder compiled for every processor, and for AVX2 where the compiler can.
struct CascadeMaker {
    Cascade* (*writer)(int height, int width, int planes, const std::int64_t* matrix, int profile, const std::uint8_t* starts);
    Cascade* (*reader)(int height, int width, int planes, const std::int64_t* matrix, int profile, const std::uint8_t* starts, const Bytes* messages);
};
const CascadeMaker& portable_cascade();
const CascadeMaker* avx2_cascade();  // null where it was not compiled
const CascadeMaker& fastest_cascade();

}  // namespace hvpzip::mixing
