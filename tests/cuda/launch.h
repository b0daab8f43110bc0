/* launch.h - how a kernel's call becomes work of a stream, and how host code reaches libraries that are opened at run time.
 * GR_LAUNCH(kernel, grid, block, bytes of dynamic shared memory, stream, arguments...) and GR_SHARED(T, name) are what
 * cuda/compat.h spells with <<< >>> and extern __shared__ for nvcc. The kernel is a name, not a variable. */
#ifndef GR_EMULATOR_LAUNCH_H
#define GR_EMULATOR_LAUNCH_H
#include "kernel.h"
#include "runtime.h"
#include <tuple>
#include <vector>

namespace emulator {

/* A word of a kernel's arguments that may be an address: the whole argument, or eight bytes of a struct. */
struct argument_word {
    const void *value;
    int argument; /* from 0 */
    bool is_pointer;
};

/* Every kernel that GR_LAUNCH names is listed before main, launched or not. */
struct kernel_record;
kernel_record *list_kernel(const void *address, const char *signature);
template <auto KERNEL>
struct listed {
    /* Ends with "[with auto KERNEL = name<arguments>]". */
    static const char *signature()
    {
        return __PRETTY_FUNCTION__;
    }
    static kernel_record *const record;
};
template <auto KERNEL>
kernel_record *const listed<KERNEL>::record = list_kernel((const void *)KERNEL, signature());

/* A kernel's call, kept until its stream runs it. */
struct launch {
    kernel_record *kernel;
    dim3 grid, block;
    size_t shared;
    std::vector<argument_word> words;
    void (*run_thread)(launch *); /* one thread of it; says who it is by `running` */
    virtual ~launch() = default;
};
void enqueue(launch *call, cudaStream_t stream); /* takes call; errors are for cudaGetLastError, as CUDA's */

template <class T>
void note_words(launch *call, int argument, const T &value)
{
    if constexpr (std::is_pointer_v<T>) {
        if constexpr (!std::is_function_v<std::remove_pointer_t<T>>) {
            call->words.push_back({(const void *)value, argument, true});
        }
    } else if constexpr (std::is_class_v<T>) {
        static_assert(std::is_trivially_copyable_v<T>, "kernels take arguments that can be copied byte by byte");
        for (size_t i = 0; alignof(T) >= 8 && i + sizeof(void *) <= sizeof(T); i += sizeof(void *)) {
            const void *word;
            memcpy(&word, (const char *)&value + i, sizeof word);
            call->words.push_back({word, argument, false});
        }
    }
}

template <class... P>
struct typed_launch : launch {
    void (*function)(P...);
    std::tuple<P...> arguments;

    template <class... A>
    explicit typed_launch(void (*f)(P...), A &&...a) : function(f), arguments(static_cast<A &&>(a)...)
    {
        run_thread = [](launch *self) {
            auto *call = static_cast<typed_launch *>(self);
            std::apply(call->function, call->arguments);
        };
    }
};

template <class... P, class... A>
void launch_kernel(kernel_record *record, void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, cudaStream_t stream,
                   A &&...arguments)
{
    static_assert(sizeof...(P) == sizeof...(A), "a kernel needs as many arguments as it has parameters");
    auto *call = new typed_launch<P...>(kernel, static_cast<A &&>(arguments)...);
    call->kernel = record;
    call->grid = grid;
    call->block = block;
    call->shared = shared;
    std::apply([&](const P &...p) { int i = 0; (note_words(call, i++, p), ..., (void)i); }, call->arguments);
    enqueue(call, stream);
}

/* ---- attributes of kernels ---- */

cudaError_t set_attribute(const void *kernel, cudaFuncAttribute attribute, int value);
cudaError_t blocks_per_multiprocessor(int *blocks, int block_size, size_t shared);

/* ---- libraries opened at run time: the stand-ins are found as the real ones would be ---- */

void *open_library(const char *name); /* NULL where absent */
void *find_symbol(void *library, const char *name);

} // namespace emulator

template <class F>
static inline cudaError_t cudaFuncSetAttribute(F *kernel, cudaFuncAttribute attribute, int value)
{
    return emulator::set_attribute((const void *)kernel, attribute, value);
}
template <class F>
static inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, F *kernel, int block_size,
                                                                        size_t shared)
{
    (void)kernel;
    return emulator::blocks_per_multiprocessor(blocks, block_size, shared);
}

#define GR_LAUNCH(kernel, grid, block, shared_bytes, ...)                                          \
    emulator::launch_kernel(emulator::listed<(kernel)>::record, kernel, grid, block, shared_bytes, __VA_ARGS__)
#define GR_SHARED(T, name) T *const name = reinterpret_cast<T *>(emulator::running.shared)
#define GR_DLOPEN(name) emulator::open_library(name)
#define GR_DLSYM(library, name) emulator::find_symbol(library, name)

#endif
