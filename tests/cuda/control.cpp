/* control.cpp - settings, counts, and failures on request: what emulator.h offers to tests. */
#include "machine.h"
#include <ctype.h>
#include <stdlib.h>

namespace emulator {

settings setting;
gr_emulator_counts counts;

struct request {
    std::string what;
    int64_t countdown = 0;
    int error = 0;
    bool again = false;
};
static request &wanted = lasting<request>();
static std::string &last_synchronisation = lasting<std::string>();
static int64_t failures;
static bool environment_was_read;

void count_synchronisation(const char *call)
{
    counts.synchronisations++;
    last_synchronisation = call;
}

/* ---- failures ---- */

static int likely_error(const std::string &what)
{
    if (what.compare(0, 6, "cublas") == 0) {
        return 13; /* CUBLAS_STATUS_EXECUTION_FAILED */
    }
    bool memory = what.find("Malloc") != std::string::npos || what == "cudaHostAlloc";
    return memory             ? cudaErrorMemoryAllocation
           : what == "launch" ? cudaErrorLaunchOutOfResources
           : what == "kernel" ? cudaErrorIllegalAddress
                              : cudaErrorUnknown;
}

int requested_failure(const char *what)
{
    bool is_call = strncmp(what, "cuda", 4) == 0 || strcmp(what, "launch") == 0;
    bool meant = wanted.what == what || (wanted.what == "call" && is_call);
    if (!meant || wanted.countdown == 0) {
        return 0;
    }
    if (wanted.countdown > 1) {
        wanted.countdown--;
        return 0;
    }
    if (!wanted.again) {
        wanted.countdown = 0;
    }
    failures++;
    return wanted.error ? wanted.error : likely_error(what);
}

/* ---- settings ---- */

static bool is_number(const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return isdigit((unsigned char)*text) && *end == 0;
}
/* Sets *to to the place of value among the words, which end with NULL; a number gives the place behind them. */
static bool choose(const char *value, const char *const *words, bool number_too, int *to, uint64_t *number)
{
    for (*to = 0; words[*to]; ++*to) {
        if (strcmp(value, words[*to]) == 0) {
            return true;
        }
    }
    return number_too && is_number(value, number);
}

/* "what:k", "what:k:again" */
static bool set_failure(std::string text)
{
    static const std::string suffix = ":again";
    uint64_t k;
    bool again = text.size() > suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (again) {
        text.resize(text.size() - suffix.size());
    }
    size_t colon = text.find(':');
    if (colon == std::string::npos || !is_number(text.c_str() + colon + 1, &k) || k == 0) {
        return false;
    }
    gr_emulator_fail(text.substr(0, colon).c_str(), (int64_t)k, 0, again);
    return true;
}

static bool set_number(const std::string &name, const char *value)
{
    uint64_t n;
    if (!is_number(value, &n)) {
        return false;
    }
    if (name == "MEMORY") {
        setting.memory = n;
    } else if (name == "ARCH") {
        setting.arch = (int)n;
    } else if (name == "SMS" && n > 0) {
        setting.multiprocessors = (int)n;
    } else if (name == "DEVICES" && n >= 1 && n <= MAX_DEVICES && !environment_was_read) {
        setting.devices = (int)n;
    } else {
        return false;
    }
    return true;
}

/* A setting whose value is one of some words, or for `number_too` a number. take: the word's place, the number. */
struct word_setting {
    const char *name;
    const char *const *words;
    bool number_too;
    void (*take)(int place, uint64_t number);
};
static void take_protection(int place, uint64_t)
{
    setting.protect = place == 1;
    if (environment_was_read) { /* before that no memory is there */
        set_protection(setting.protect);
    }
}
static const char *const orders[] = {"fwd", "rev", nullptr}, *const streams[] = {"late", "early", nullptr},
                         *const drivers[] = {"ok", "absent", "old", "none", nullptr},
                         *const faults[] = {"error", "abort", nullptr}, *const off_on[] = {"0", "1", nullptr},
                         *const libraries[] = {"absent", "present", nullptr};
static const word_setting word_settings[] = {
    {"ORDER", orders, true, [](int i, uint64_t n) { setting.order = (thread_order)i, setting.seed = n; }},
    {"STREAMS", streams, true, [](int i, uint64_t n) { setting.streams = (stream_mode)i, setting.stream_seed = n; }},
    {"DRIVER", drivers, false, [](int i, uint64_t) { setting.driver = (driver_state)i; }},
    {"FAULT", faults, false, [](int i, uint64_t) { setting.abort_on_fault = i == 1; }},
    {"PROTECT", off_on, false, take_protection},
    {"STRUCTS", off_on, false, [](int i, uint64_t) { setting.check_structs = i == 1; }},
    {"QUIET", off_on, false, [](int i, uint64_t) { setting.quiet = i == 1; }},
    {"CUBLASLT", libraries, false, [](int i, uint64_t) { setting.cublaslt = i == 1; }}};

static bool set(const std::string &name, const char *value)
{
    for (const word_setting &s : word_settings) {
        int place;
        uint64_t number = 0;
        if (name != s.name) {
            continue;
        }
        if (!choose(value, s.words, s.number_too, &place, &number)) {
            return false;
        }
        s.take(place, number);
        return true;
    }
    return name == "FAIL" ? set_failure(value) : set_number(name, value);
}

static bool read_environment()
{
    for (const char *name : {"ORDER", "STREAMS", "DEVICES", "DRIVER", "MEMORY", "ARCH", "SMS", "PROTECT", "FAULT", "STRUCTS",
                             "CUBLASLT", "FAIL", "QUIET"}) {
        const char *value = getenv((std::string("GRADUS_EMULATOR_") + name).c_str());
        if (value && !set(name, value)) {
            fprintf(stderr, "cuda emulator: GRADUS_EMULATOR_%s=%s: no such value\n", name, value);
            abort();
        }
    }
    environment_was_read = true;
    return true;
}
static const bool settings_are_made = read_environment();

/* At the end of the process: how often each kernel was launched, appended to a file. */
static struct launch_report {
    ~launch_report()
    {
        const char *path = getenv("GRADUS_EMULATOR_LAUNCHES");
        FILE *file = path ? fopen(path, "a") : nullptr;
        if (!file) {
            return;
        }
        for (const kernel_record *k : all_kernels()) {
            fprintf(file, "%lld %s\n", (long long)k->launches, k->full_name.c_str());
        }
        fclose(file);
    }
} report_launches;

} // namespace emulator

/* ---- emulator.h ---- */

using namespace emulator;

void gr_emulator_count(gr_emulator_counts *to)
{
    machine_lock lock;
    *to = counts;
}

void gr_emulator_count_again(void)
{
    machine_lock lock;
    gr_emulator_counts fresh = {};
    fresh.live_allocations = counts.live_allocations;
    fresh.live_bytes = counts.live_bytes;
    fresh.live_pinned = counts.live_pinned;
    fresh.live_streams = counts.live_streams;
    fresh.live_events = counts.live_events;
    fresh.live_descriptors = counts.live_descriptors;
    counts = fresh;
    last_synchronisation.clear();
    for (kernel_record *k : all_kernels()) {
        k->launches = 0;
    }
}

int64_t gr_emulator_launches(const char *name)
{
    machine_lock lock;
    int64_t launches = 0;
    for (const kernel_record *k : all_kernels()) {
        launches += k->name == name || k->full_name == name ? k->launches : 0;
    }
    return launches;
}

int gr_emulator_kernels(void (*visit)(void *data, const char *name, int64_t launches), void *data)
{
    machine_lock lock;
    int count = 0;
    for (const kernel_record *k : all_kernels()) {
        visit(data, k->full_name.c_str(), k->launches);
        count++;
    }
    return count;
}

const char *gr_emulator_last_synchronisation(void)
{
    return last_synchronisation.c_str();
}

bool gr_emulator_set(const char *name, const char *value)
{
    machine_lock lock;
    return set(name, value);
}

void gr_emulator_fail(const char *what, int64_t k, int error, bool again)
{
    machine_lock lock;
    wanted = {what ? what : "", what ? k : 0, error, again};
    failures = 0;
}
int64_t gr_emulator_failures(void)
{
    machine_lock lock;
    return failures;
}

void gr_emulator_recover(void)
{
    machine_lock lock;
    recover_devices();
}
