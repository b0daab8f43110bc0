/* fuzz.h - what the fuzz targets share: an entry point, for libFuzzer or tests/fuzz/main.c, and how a finding is told. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* A finding ends the process, so that libFuzzer keeps the input. */
#define demand(condition, ...) \
    do { \
        if (condition) break; \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
        fprintf(stderr, __VA_ARGS__); \
        fputc('\n', stderr); \
        abort(); \
    } while (0)

#endif
