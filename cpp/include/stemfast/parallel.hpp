// The one place that knows about threads. OpenMP where the compiler has it, std::thread otherwise;
// the same work in the same chunks either way, and never a result that depends on which.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "stemfast/error.hpp"

#if defined(STEMFAST_HAS_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace stemfast {

// Cores the process may use, which under a batch system is often fewer than the machine has.
inline int available_threads() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  const unsigned n = std::thread::hardware_concurrency();
  return n == 0 ? 1 : static_cast<int>(n);
}

inline int resolve_threads(int n_threads) {
  require(n_threads >= 0,
          "n_threads must be 0 (all available cores) or positive, got " + std::to_string(n_threads));
  return n_threads == 0 ? available_threads() : n_threads;
}

// As resolve_threads, but 0 takes no more threads than the work is worth: one for each 2^15 pixels, a
// quarter of a millisecond of the chain. Threads cost some 10 us to wake, and milliseconds where
// others use the cores.
inline int resolve_threads(int n_threads, std::int64_t pixels) {
  const int most = resolve_threads(n_threads);
  if (n_threads != 0) return most;
  return static_cast<int>(std::clamp<std::int64_t>(pixels >> 15, 1, most));
}

// Asked now and then by the calling thread; true stops the work.
using StopRequest = std::function<bool()>;

namespace detail {

// libgomp's thread pool does not survive fork(): a child that enters a parallel region hangs. Such a
// child (a data loader's worker, say) runs on std::thread instead.
inline std::atomic<bool>& in_forked_child() {
  static std::atomic<bool> forked{false};
  return forked;
}

inline void watch_for_fork() {
#if defined(__unix__) || defined(__APPLE__)
  static const int registered = pthread_atfork(nullptr, nullptr, [] { in_forked_child() = true; });
  (void)registered;
#endif
}

// Runs member(0) on the calling thread and member(1) … member(n − 1) on others. `member` must not
// throw.
template <class Member>
void run_team(int n, const Member& member) {
  if (n <= 1) {
    member(0);
    return;
  }
#if defined(STEMFAST_HAS_OPENMP)
  watch_for_fork();
  if (!in_forked_child()) {
#pragma omp parallel num_threads(n)
    member(omp_get_thread_num());
    return;
  }
#endif
  std::vector<std::jthread> others;
  others.reserve(static_cast<std::size_t>(n - 1));
  for (int i = 1; i < n; ++i) others.emplace_back([&member, i] { member(i); });
  member(0);
}

}  // namespace detail

// Calls work(thread, begin, end) on chunks of [0, n) until all are done. `thread` is below
// n_threads and never runs two chunks at once, so it can index scratch space. The first exception of
// any thread stops the others and is rethrown to the caller; a stop request becomes Interrupted.
template <class Work>
void parallel_for(std::int64_t n, std::int64_t chunk, int n_threads, const StopRequest& stop,
                  const Work& work) {
  if (n <= 0) return;
  using Clock = std::chrono::steady_clock;
  constexpr auto poll_interval = std::chrono::milliseconds(50);
  const std::int64_t n_chunks = (n + chunk - 1) / chunk;
  const int team = static_cast<int>(std::min<std::int64_t>(n_threads, n_chunks));

  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  std::mutex failure_mutex;

  const auto member = [&](int thread) noexcept {
    auto last_poll = Clock::now();
    try {
      while (!failed.load(std::memory_order_relaxed)) {
        const std::int64_t c = next.fetch_add(1, std::memory_order_relaxed);
        if (c >= n_chunks) return;
        work(thread, c * chunk, std::min(n, (c + 1) * chunk));
        if (thread == 0 && stop && Clock::now() - last_poll > poll_interval) {
          if (stop()) throw Interrupted();
          last_poll = Clock::now();
        }
      }
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      if (!failure) failure = std::current_exception();
      failed = true;
    }
  };
  detail::run_team(team, member);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace stemfast
