/* check.h - CHECK for the emulator's own tests: says what failed and goes on; check_result() is the exit status. */
#ifndef GR_EMULATOR_CHECK_H
#define GR_EMULATOR_CHECK_H
#include <stdio.h>

static int checks_done, checks_failed;
static inline void check_that(bool ok, const char *text, const char *file, int line)
{
    checks_done++;
    if (!ok && ++checks_failed <= 20) {
        printf("%s:%d: not so: %s\n", file, line, text);
    }
}
#define CHECK(...) check_that((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
static inline int check_result(const char *name)
{
    printf("%s: %d checks, %d failed\n", name, checks_done, checks_failed);
    return checks_failed != 0 || checks_done == 0;
}

#endif
