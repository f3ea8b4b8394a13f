// Work shared out to threads: ranges of rows, whose results do not depend on how they are cut.

#pragma once

#include <algorithm>
#include <cstdint>

namespace hvpzip {

constexpr int64_t MAX_THREADS = 64;

// Calls work(context, part) for the parts 0..parts - 1, at least two, of which the caller takes the first one and whatever nobody else has
// taken. The threads beside it are kept and wait for the next work, as one begun anew for each call costs a tenth of a millisecond and more.
// Callers on several threads do not wait for each other.
void share_out(int64_t parts, void (*work)(void*, int64_t), void* context);

// Calls work(part, begin, end) for ``parts`` ranges that make up 0..count - 1, side by side, and returns how many these are: at most
// ``threads``. ``work`` must not throw. No more parts than there are stretches of ``least``: a thread costs some twenty microseconds.
template <typename Work>
int64_t on_threads(int64_t threads, int64_t count, int64_t least, Work&& work) {
    const int64_t parts = std::max<int64_t>(1, std::min({threads, MAX_THREADS, count / least}));
    if (parts == 1) {
        work(int64_t{0}, int64_t{0}, count);
        return 1;
    }
    auto part_of = [&](int64_t part) { work(part, count * part / parts, count * (part + 1) / parts); };
    share_out(parts, [](void* context, int64_t part) { (*static_cast<decltype(part_of)*>(context))(part); }, &part_of);
    return parts;
}

}  // namespace hvpzip
