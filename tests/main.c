/* main.c - runs all suites; CK_RUN_SUITE=name runs one. GRADUS_TEST_DEVICE=cuda: on CUDA tensors. */
#include "tests/suites.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus.h"

static void use_cuda(void)
{
    if (!gr_set_default_device(gr_cuda(0))) exit(EXIT_FAILURE);
}

/* A device does not survive a fork: each test's process opens it for itself. */
static bool choose_device(SRunner *runner, const char *name)
{
    if (!name || !strcmp(name, "cpu")) return true;
    if (strcmp(name, "cuda") != 0) return false;
    if (srunner_fork_status(runner) == CK_FORK) return pthread_atfork(NULL, NULL, use_cuda) == 0;
    use_cuda();
    return true;
}

/* Check itself would run nothing, and be content. */
static bool is_suite(const char *name)
{
#define NAME(name) #name,
    static const char *const names[] = {SUITES(NAME)};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

int main(void)
{
    const char *suite = getenv("CK_RUN_SUITE");
    if (suite && !is_suite(suite)) {
        fprintf(stderr, "CK_RUN_SUITE is %s; must be one of those in tests/suites.h\n", suite);
        return EXIT_FAILURE;
    }
    setenv("CK_DEFAULT_TIMEOUT", "1800", 0); /* seconds: for a test that hangs; slow machines and tools meet no limit */
    SRunner *runner = srunner_create(NULL);
#define ADD_SUITE(name) srunner_add_suite(runner, name##_suite());
    SUITES(ADD_SUITE)
    if (!choose_device(runner, getenv("GRADUS_TEST_DEVICE"))) return EXIT_FAILURE;
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
