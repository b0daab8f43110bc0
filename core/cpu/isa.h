/* isa.h - which of the builds of a kernel file this processor runs. */
#ifndef GR_ISA_H
#define GR_ISA_H

enum {
    GR_ISA_BASE,   /* what the compiler takes for granted */
    GR_ISA_AVX2,   /* and FMA */
    GR_ISA_AVX512, /* F, VL, DQ, BW */
    GR_ISAS
};

/* The best that the processor has, or less with GRADUS_ISA=base|avx2|avx512. Constant while the
 * program runs. */
int gr_cpu_isa(void);
#endif
