/* check.h - for the emulator's own tests: CHECK says what failed and goes on, check_result() is the exit status; a device
 * buffer with its copy on the host. */
#ifndef GR_EMULATOR_CHECK_H
#define GR_EMULATOR_CHECK_H
#include "cuda/compat.h"
#include <atomic>
#include <stdio.h>
#include <vector>

static std::atomic<int> checks_done, checks_failed;
static inline void check_that(bool ok, const char *text, const char *file, int line)
{
    checks_done.fetch_add(1, std::memory_order_relaxed); /* orders nothing: races of threads that check stay visible */
    if (!ok && ++checks_failed <= 20) {
        printf("%s:%d: not so: %s\n", file, line, text);
    }
}
#define CHECK(...) check_that((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
static inline int check_result(const char *name)
{
    printf("%s: %d checks, %d failed\n", name, (int)checks_done, (int)checks_failed);
    return checks_failed != 0 || checks_done == 0;
}

#define OK(call) CHECK((call) == cudaSuccess)

/* A device buffer with its copy on the host. */
template <class T>
struct buffer {
    T *device = nullptr;
    std::vector<T> host;
    explicit buffer(size_t n) : host(n)
    {
        OK(cudaMalloc(&device, n * sizeof(T)));
    }
    buffer(const buffer &) = delete;
    ~buffer()
    {
        OK(cudaFree(device));
    }
    void up()
    {
        OK(cudaMemcpy(device, host.data(), host.size() * sizeof(T), cudaMemcpyHostToDevice));
    }
    void down()
    {
        OK(cudaGetLastError());
        OK(cudaMemcpy(host.data(), device, host.size() * sizeof(T), cudaMemcpyDeviceToHost));
    }
};

#endif
