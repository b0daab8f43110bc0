/* suites.h - the test suites, in the order they run; each file test_*.c offers one. */
#ifndef SUITES_H
#define SUITES_H
#include <check.h>

#define SUITES(SUITE) \
    SUITE(scalar) \
    SUITE(generator) \
    SUITE(gemm) \
    SUITE(parallel) \
    SUITE(kernels) \
    SUITE(print) \
    SUITE(csv) \
    SUITE(csv_refused) \
    SUITE(random) \
    SUITE(tensor) \
    SUITE(convert) \
    SUITE(dtypes) \
    SUITE(bfloat16) \
    SUITE(view) \
    SUITE(view_rules) \
    SUITE(reduce) \
    SUITE(sums) \
    SUITE(accuracy) \
    SUITE(powers) \
    SUITE(across) \
    SUITE(corners) \
    SUITE(matmul) \
    SUITE(autograd) \
    SUITE(in_place) \
    SUITE(hooks) \
    SUITE(scopes) \
    SUITE(histories) \
    SUITE(given_up) \
    SUITE(gradients) \
    SUITE(properties) \
    SUITE(show) \
    SUITE(graph) \
    SUITE(anomaly) \
    SUITE(tricky) \
    SUITE(nn) \
    SUITE(optim) \
    SUITE(tutorial) \
    SUITE(errors) \
    SUITE(misuse) \
    SUITE(memory) \
    SUITE(faults) \
    SUITE(shortage) \
    SUITE(threads) \
    SUITE(device) \
    SUITE(emulated) \
    SUITE(emulated_failures)

#define DECLARE_SUITE(name) Suite *name##_suite(void);
SUITES(DECLARE_SUITE)
#undef DECLARE_SUITE

/* A suite of these tests, in one group without a fixture. */
static inline Suite *suite_of(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *group = tcase_create(name);
    for (size_t i = 0; i < count; i++) tcase_add_test(group, tests[i]);
    suite_add_tcase(suite, group);
    return suite;
}

#endif
