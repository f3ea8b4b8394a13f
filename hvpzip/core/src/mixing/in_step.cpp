#include "mixing/in_step.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace hvpzip::mixing {

namespace {

class InStep {
public:
    InStep(PlaneRows& work, int planes, int rows, Ticker& ticker) : work_(work), planes_(planes), rows_(rows), ticker_(ticker) {}

    void run(int threads) {
        std::vector<std::thread> others;
        try {
            while (static_cast<int>(others.size()) + 1 < threads) others.emplace_back([this] { take_rows(false); });
        } catch (...) {
            // The system has no more threads: those that there are do it.
        }
        take_rows(true);
        for (std::thread& other : others) other.join();
        if (fault_) std::rethrow_exception(fault_);
    }

private:
    static constexpr int kAtOnce = 4;  // rows that a thread takes of a plane, whose state is in its caches

    // Rows of a plane whose turn may have come.
    int allowed(int plane) const {
        const int before = plane > 0 ? known_[plane - 1] : rows_;
        return before == rows_ ? rows_ : before - 1;
    }

    void take_rows(bool ticks) {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            int plane = planes_;
            bool left = false;
            while (--plane >= 0) {
                left = left || known_[plane] < rows_;
                if (!taken_[plane] && known_[plane] < allowed(plane)) break;
            }
            if (fault_ || (plane < 0 && !left)) return;
            if (plane < 0) {
                if (!ticks) {
                    changed_.wait(lock);
                    continue;
                }
                changed_.wait_for(lock, std::chrono::milliseconds(50));
            }
            const int begin = plane < 0 ? 0 : known_[plane], end = plane < 0 ? 0 : std::min(begin + kAtOnce, allowed(plane));
            if (plane >= 0) taken_[plane] = true;
            lock.unlock();
            std::exception_ptr fault;
            try {
                for (int y = begin; y < end; ++y) {
                    work_.code_row(plane, y);
                    ++done_;
                    if (ticks) ticker_.tick(done_);
                }
                if (ticks && plane < 0) ticker_.tick(done_);
            } catch (...) {
                fault = std::current_exception();
            }
            lock.lock();
            if (fault && !fault_) fault_ = fault;
            if (plane >= 0) taken_[plane] = false, known_[plane] = end;
            changed_.notify_all();
        }
    }

    PlaneRows& work_;
    const int planes_, rows_;
    Ticker& ticker_;
    std::mutex mutex_;
    std::condition_variable changed_;
    int known_[kMostPlanes] = {};
    bool taken_[kMostPlanes] = {};
    std::atomic<std::int64_t> done_{0};
    std::exception_ptr fault_;
};

}  // namespace

void code_in_step(PlaneRows& work, int planes, int rows, int threads, Ticker& ticker) {
    threads = std::min(threads, planes);
    if (threads > 1) {
        InStep(work, planes, rows, ticker).run(threads);
        return;
    }
    for (int plane = 0; plane < planes; ++plane)
        for (int y = 0; y < rows; ++y) {
            work.code_row(plane, y);
            ticker.tick(static_cast<std::int64_t>(plane) * rows + y + 1);
        }
}

}  // namespace hvpzip::mixing
