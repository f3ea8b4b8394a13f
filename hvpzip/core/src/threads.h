// Work shared out to threads: ranges of rows, whose results do not depend on how they are cut.

#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace hvpzip {

constexpr int64_t MAX_THREADS = 64;

// Calls work(part, begin, end) for ``parts`` ranges that make up 0..count - 1, side by side. ``work`` must not throw. No more parts than
// there are stretches of ``least``: a thread costs some twenty microseconds.
template <typename Work>
int64_t on_threads(int64_t threads, int64_t count, int64_t least, Work&& work) {
    const int64_t parts = std::max<int64_t>(1, std::min({threads, MAX_THREADS, count / least}));
    std::vector<std::thread> others;
    others.reserve(static_cast<size_t>(parts - 1));
    int64_t started = 1;
    try {
        for (; started < parts; ++started)
            others.emplace_back(work, started, count * started / parts, count * (started + 1) / parts);
    } catch (...) {
        // The system has no more threads: this one does the rest.
    }
    work(int64_t{0}, int64_t{0}, count / parts);
    for (int64_t part = started; part < parts; ++part) work(part, count * part / parts, count * (part + 1) / parts);
    for (std::thread& other : others) other.join();
    return parts;
}

}  // namespace hvpzip
