/* isa.c - which of the builds of a kernel file this processor runs. */
#include "core/cpu/isa.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static int detected(void)
{
#ifndef GR_ONLY_BASE
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return GR_ISA_BASE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl"))
        return GR_ISA_AVX2;
    if (!__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw"))
        return GR_ISA_AVX2;
    return GR_ISA_AVX512;
#else
    return GR_ISA_BASE;
#endif
}

static int allowed(void)
{
    static const char *const names[GR_ISAS] = {"base", "avx2", "avx512"};
    const char *text = getenv("GRADUS_ISA");
    for (int isa = 0; text && isa < GR_ISAS; isa++)
        if (!strcmp(text, names[isa])) return isa;
    return GR_ISA_AVX512;
}

int gr_cpu_isa(void)
{
    static atomic_int known; /* isa + 1; threads that find it out at once find the same */
    int isa = atomic_load_explicit(&known, memory_order_relaxed) - 1;
    if (isa < 0) {
        isa = detected();
        if (allowed() < isa) isa = allowed();
        atomic_store_explicit(&known, isa + 1, memory_order_relaxed);
    }
    return isa;
}
