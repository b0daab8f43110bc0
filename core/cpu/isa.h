/* isa.h - which of the builds of a kernel file this processor runs. */
#ifndef GR_ISA_H
#define GR_ISA_H

enum { GR_ISA_BASE, GR_ISA_AVX2, GR_ISA_AVX512, GR_ISAS }; /* what the compiler takes for granted; AVX2 + FMA; AVX-512 */

/* The best that the processor has, or less with GRADUS_ISA=base|avx2|avx512. Constant while the program runs. */
int gr_cpu_isa(void);
#endif
