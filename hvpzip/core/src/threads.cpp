#include "threads.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace hvpzip {

namespace {

// What one caller wants done. Lives as long as its call.
struct Job {
    void (*work)(void*, int64_t);
    void* context;
    int64_t parts, next, done;
    std::condition_variable finished;
};

// Threads that wait for jobs. One crew serves the process, and is never taken apart: its threads end with the process.
class Crew {
public:
    explicit Crew(long process_) : process(process_) {}

    const long process;  // whose threads they are

    void run(int64_t parts, void (*work)(void*, int64_t), void* context) {
        Job job = {work, context, parts, 1, 0, {}};
        std::unique_lock<std::mutex> lock(mutex_);
        wanted_ += parts - 1;
        hire();
        jobs_.push_back(&job);
        for (int64_t part = 1; part < parts; ++part) work_is_there_.notify_one();
        int64_t part = 0;
        for (;;) {
            lock.unlock();
            work(context, part);
            lock.lock();
            ++job.done;
            if (job.next == parts) break;
            part = take(job);
        }
        while (job.done < parts) job.finished.wait(lock);
        wanted_ -= parts - 1;
    }

private:
    // As many threads as callers have asked for together.
    void hire() {
        try {
            for (; hired_ < std::min(wanted_, MAX_THREADS); ++hired_) std::thread([this] { serve(); }).detach();
        } catch (...) {
            // The system has no more threads: those that there are do it.
        }
    }

    // The next part of a job, which is taken off the list with its last one.
    int64_t take(Job& job) {
        const int64_t part = job.next++;
        if (job.next == job.parts) jobs_.erase(std::find(jobs_.begin(), jobs_.end(), &job));
        return part;
    }

    void serve() {
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            while (jobs_.empty()) work_is_there_.wait(lock);
            Job& job = *jobs_.front();
            const int64_t part = take(job);
            lock.unlock();
            job.work(job.context, part);
            lock.lock();
            if (++job.done == job.parts) job.finished.notify_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable work_is_there_;
    std::deque<Job*> jobs_;  // whose parts are not all taken
    int64_t wanted_ = 0, hired_ = 0;
};

// The crew of this process: a child after a fork has none of its parent's threads, so that it needs one of its own. That of the parent is left
// as it is: somebody may have held its lock.
Crew& crew() {
#if defined(_WIN32)
    const long process = 0;
#else
    const long process = getpid();
#endif
    static std::atomic<Crew*> found{nullptr};
    Crew* known = found.load();
    while (!known || known->process != process) {
        Crew* made = new Crew(process);
        if (found.compare_exchange_strong(known, made)) return *made;
        delete made;
    }
    return *known;
}

}  // namespace

void share_out(int64_t parts, void (*work)(void*, int64_t), void* context) { crew().run(parts, work, context); }

}  // namespace hvpzip
