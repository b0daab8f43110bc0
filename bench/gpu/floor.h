/* floor.h - what the device does without Gradus: a copy within its memory, and cuBLASLt's bare call. Beside the table that
 * is measured there is nothing but this; a failure ends the program with CUDA's text. */
#ifndef GR_BENCH_GPU_FLOOR_H
#define GR_BENCH_GPU_FLOOR_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { FLOOR_FLOAT32, FLOOR_TF32, FLOOR_BFLOAT16 } floor_product;

/* "NVIDIA X, compute capability 9.0, driver for CUDA 13.0, CUDA runtime 13.0" */
const char *floor_device(void);

/* One at a time: memory is taken at begin and given back at end. */
void floor_copy_begin(size_t bytes);
void floor_copy(void *unused, int64_t count); /* so many copies of all bytes; waits for the last */
void floor_copy_end(void);

/* y = a b, [n, n] each, of random numbers */
void floor_product_begin(floor_product kind, int n);
void floor_product_run(void *unused, int64_t count); /* so many products; waits for the last */
void floor_product_end(void);

#ifdef __cplusplus
}
#endif
#endif
