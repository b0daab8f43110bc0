/* emulated.c - finds the emulator in the plug-in. */
#include "tests/emulated.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/look.h"

emulator_functions emulator;

static bool found(void *plugin, const char *name, void *to)
{
    void *f = dlsym(plugin, name);
    memcpy(to, &f, sizeof f);
    return f != NULL;
}

static bool find_emulator(void)
{
    const char *path = getenv("GRADUS_CUDA_PLUGIN");
    void *plugin = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    return plugin && found(plugin, "gr_emulator_count", &emulator.count) && found(plugin, "gr_emulator_launches", &emulator.launches) &&
           found(plugin, "gr_emulator_set", &emulator.set) && found(plugin, "gr_emulator_fail", &emulator.refuse) &&
           found(plugin, "gr_emulator_failures", &emulator.failures) &&
           found(plugin, "gr_emulator_last_synchronisation", &emulator.last_synchronisation);
}

static void begin(void)
{
    ck_assert(find_emulator());
    catch_errors();
}

TCase *emulated_case(Suite *suite, const char *name)
{
    TCase *c = tcase_create(name);
    const char *path = getenv("GRADUS_CUDA_PLUGIN");
    suite_add_tcase(suite, c);
    if (!getenv("GRADUS_TEST_DEVICE") || !path || !strstr(path, "emulator")) {
        printf("left out without the emulator: suite %s; tests/device.sh\n", name);
        return NULL;
    }
    tcase_add_checked_fixture(c, begin, release_errors);
    return c;
}
