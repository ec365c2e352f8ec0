// Threads. A loop's iterations may run in any order on any thread: nothing that a loop body writes may depend on
// that, and no sum is ever formed across iterations. So the number of threads cannot reach a bit of any result.
#pragma once
#include <omp.h>

#include <cstdint>
#include <exception>

namespace r1 {

// Threads that the program uses; set once from --threads (default: all cores that it may run on).
inline int& thread_count() {
    static int count = omp_get_max_threads();
    return count;
}

// Calls body(i) for i in [0, n). Inside another parallel_for the loop runs on the calling thread alone: the outer
// loop (shards of a batch, sampling workers) is the one worth splitting. An exception of a body reaches the caller once
// the others have ended; of several that of the smallest i, with any number of threads.
template <class Body>
void parallel_for(int64_t n, const Body& body) {
    const int threads = int(n < thread_count() ? n : thread_count());
    if (threads <= 1 || omp_in_parallel()) {
        for (int64_t i = 0; i < n; ++i) body(i);
        return;
    }
    std::exception_ptr failure;
    int64_t failed_at = n;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t i = 0; i < n; ++i) {
        try {
            body(i);
        } catch (...) {
#pragma omp critical(parallel_for_failure)
            if (i < failed_at) {
                failed_at = i;
                failure = std::current_exception();
            }
        }
    }
    if (failure) std::rethrow_exception(failure);
}

}  // namespace r1
