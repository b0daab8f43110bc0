/* main.c - runs a fuzz target without libFuzzer: on each file named, on each file of each folder named, or for some
 * seconds on random bytes.
 *   csv tests/fuzz/corpus/csv          program --random SECONDS SEED */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "tests/fuzz/fuzz.h"

enum { MOST_BYTES = 1 << 20, RANDOM_BYTES = 400 };
static uint8_t bytes[MOST_BYTES];
static char input[1200]; /* that runs */
static int files;

static void tell_input(int signal)
{
    (void)signal;
    fprintf(stderr, "the input is %s\n", input);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    demand(file, "%s cannot be opened", path);
    const size_t count = fread(bytes, 1, sizeof bytes, file);
    demand(count < sizeof bytes && !ferror(file), "%s cannot be read, or has %d bytes and more", path, (int)MOST_BYTES);
    fclose(file);
    snprintf(input, sizeof input, "%s", path);
    uint8_t *exact = malloc(count ? count : 1);
    demand(exact, "no memory");
    memcpy(exact, bytes, count);
    LLVMFuzzerTestOneInput(exact, count);
    free(exact);
    files++;
}

static void run_path(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) {
        run_file(path);
        return;
    }
    char name[1024];
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        run_file(name);
    }
    closedir(folder);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* --random 0 SEED runs one input alone. */
static void run_random(double seconds, uint64_t seed)
{
    const time_t end = time(NULL) + (time_t)seconds;
    long runs = 0;
    do {
        uint64_t state = (seed + (uint64_t)runs) * 0x9e3779b97f4a7c15u | 1;
        const size_t count = next_random(&state) % RANDOM_BYTES;
        for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)(next_random(&state) >> 24);
        snprintf(input, sizeof input, "--random 0 %llu", (unsigned long long)(seed + (uint64_t)runs));
        LLVMFuzzerTestOneInput(bytes, count);
        runs++;
    } while (time(NULL) < end);
    printf("%ld random inputs\n", runs);
}

int main(int count, char **argument)
{
    signal(SIGABRT, tell_input);
    if (count == 4 && !strcmp(argument[1], "--random")) {
        run_random(atof(argument[2]), strtoull(argument[3], NULL, 10));
        return 0;
    }
    for (int i = 1; i < count; i++) run_path(argument[i]);
    printf("%s: %d inputs\n", argument[0], files);
    return files ? 0 : 1;
}
