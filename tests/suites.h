/* suites.h - the test suites; each file test_*.c offers one. */
#ifndef SUITES_H
#define SUITES_H
#include <check.h>

Suite *scalar_suite(void);
Suite *generator_suite(void);
Suite *gemm_suite(void);
Suite *parallel_suite(void);
Suite *kernels_suite(void);
Suite *print_suite(void);
Suite *csv_suite(void);
Suite *random_suite(void);
Suite *tensor_suite(void);
Suite *dtypes_suite(void);
Suite *view_suite(void);
Suite *reduce_suite(void);
Suite *sums_suite(void);
Suite *accuracy_suite(void);
Suite *corners_suite(void);
Suite *matmul_suite(void);
Suite *autograd_suite(void);
Suite *gradients_suite(void);
Suite *show_suite(void);
Suite *anomaly_suite(void);
Suite *properties_suite(void);
Suite *tricky_suite(void);
Suite *nn_suite(void);
Suite *optim_suite(void);
Suite *tutorial_suite(void);
Suite *errors_suite(void);
Suite *memory_suite(void);
Suite *threads_suite(void);

#endif
