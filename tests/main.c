/* main.c - runs all suites; CK_RUN_SUITE=name runs one. */
#include "tests/suites.h"

#include <stdlib.h>

int main(void)
{
    SRunner *runner = srunner_create(NULL);
    Suite *(*const suites[])(void) = {scalar_suite,    generator_suite, gemm_suite,   parallel_suite, kernels_suite, print_suite,
                                      csv_suite, random_suite, tensor_suite, dtypes_suite, view_suite, reduce_suite, sums_suite, accuracy_suite, corners_suite, matmul_suite, autograd_suite,
                                      gradients_suite, properties_suite, show_suite, anomaly_suite, tricky_suite,
                                      nn_suite,        optim_suite,     tutorial_suite, errors_suite,  memory_suite,
                                      threads_suite};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) srunner_add_suite(runner, suites[i]());
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
