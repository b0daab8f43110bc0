/* main.c - runs all suites; CK_RUN_SUITE=name runs one. */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus.h"
#include "tests/look.h"

int main(void)
{
    const char *device = getenv("GRADUS_TEST_DEVICE");
    if (device && !strcmp(device, "cuda") && !gr_set_default_device(gr_cuda(0))) return EXIT_FAILURE;
    SRunner *runner = srunner_create(NULL);
#define ADD_SUITE(name) srunner_add_suite(runner, name##_suite());
    SUITES(ADD_SUITE)
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (tests_left_out) printf("%d tests were left out\n", tests_left_out);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
