/* emulated.h - what tests may ask of the emulated GPU (tests/cuda/emulator.h), for suites that need it. */
#ifndef EMULATED_H
#define EMULATED_H
#include <check.h>
#include <stdbool.h>

#include "tests/cuda/emulator.h"

typedef struct {
    void (*count)(gr_emulator_counts *counts);
    int64_t (*launches)(const char *name);
    bool (*set)(const char *name, const char *value);
    void (*refuse)(const char *what, int64_t k, int error, bool again);
    int64_t (*failures)(void);
    const char *(*last_synchronisation)(void);
} emulator_functions;
extern emulator_functions emulator; /* found in the plug-in when a test begins */

/* The suite's test case, whose tests find the emulator; NULL where there is none: then the suite is left out. */
TCase *emulated_case(Suite *suite, const char *name);

#endif
