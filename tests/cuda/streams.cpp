/* streams.cpp - streams and events. Streams are lazy: what is given to one stays in its queue until somebody waits for it,
 * and then no more runs than the wait needs. So a program that forgot to wait reads what is not there yet.
 *
 * A place in a stream is a ticket: the number of items given to it by then. An item may depend on places in other streams;
 * those come from cudaStreamWaitEvent, and from CUDA's rule that work of the default stream waits for all blocking streams
 * of its device, and they for it. An item depends on earlier ones only, so there are no circles. */
#include "machine.h"
#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <thread>

using namespace emulator;

struct stream_place {
    std::shared_ptr<CUstream_st> stream;
    uint64_t ticket;
};
struct stream_item {
    std::unique_ptr<work> task; /* NULL: only waits */
    std::vector<stream_place> after;
};
struct CUstream_st : std::enable_shared_from_this<CUstream_st> {
    const int device;
    const bool blocking, is_default;
    CUstream_st(int d, bool b, bool i) : device(d), blocking(b), is_default(i) {}
    uint64_t issued = 0, done = 0;
    std::deque<stream_item> queue = {};
    int queries = 0; /* unanswered in a row */
};
struct CUevent_st {
    const int device;
    const bool timing;
    stream_place at = {nullptr, 0};         /* of the last record */
    std::shared_ptr<double> when = nullptr; /* seconds, written when the record runs */
    int queries = 0;
    CUevent_st(int d, bool t) : device(d), timing(t) {}
};

namespace emulator {

typedef std::shared_ptr<CUstream_st> stream_ref;
/* Streams that exist, and destroyed ones with work left. */
static std::vector<stream_ref> &streams = lasting<std::vector<stream_ref>>();
static std::map<cudaStream_t, stream_ref> &handles = lasting<std::map<cudaStream_t, stream_ref>>();
typedef std::map<std::pair<std::thread::id, int>, stream_ref> thread_streams;
static thread_streams &per_thread = lasting<thread_streams>();
typedef std::array<stream_ref, MAX_DEVICES> device_streams;
static device_streams &defaults = lasting<device_streams>();
typedef std::map<cudaEvent_t, std::shared_ptr<CUevent_st>> event_map;
static event_map &events = lasting<event_map>();
static bool in_host_function;

/* A program that polls goes on in the end: real work would have been done by then. */
enum { QUERIES = 100 };

static stream_ref make_stream(int device, bool blocking, bool is_default)
{
    auto s = std::make_shared<CUstream_st>(device, blocking, is_default);
    streams.push_back(s);
    return s;
}
static stream_ref default_stream(int device)
{
    if (!defaults[device]) {
        defaults[device] = make_stream(device, false, true);
    }
    return defaults[device];
}
static stream_ref stream_at(cudaStream_t handle)
{
    if (!handle || handle == cudaStreamLegacy) {
        return default_stream(current_device());
    }
    if (handle == cudaStreamPerThread) {
        stream_ref &mine = per_thread[{std::this_thread::get_id(), current_device()}];
        if (!mine) {
            mine = make_stream(current_device(), true, false);
        }
        return mine;
    }
    auto found = handles.find(handle);
    return found == handles.end() ? nullptr : found->second;
}
CUstream_st *stream_of(cudaStream_t handle)
{
    return stream_at(handle).get();
}
int device_of(CUstream_st *stream)
{
    return stream->device;
}

/* ---- running ---- */

void drop_work(int device)
{
    for (stream_ref &s : streams) {
        if (s->device == device) {
            s->queue.clear();
            s->done = s->issued;
        }
    }
}

static void run_first(const stream_ref &s)
{
    stream_item item = std::move(s->queue.front());
    s->queue.pop_front();
    s->done++;
    s->queries = 0;
    if (item.task && !lost(s->device)) {
        item.task->run(s->device);
    }
    if (lost(s->device)) {
        drop_work(s->device);
    }
}

static void run_until(const stream_ref &stream, uint64_t ticket)
{
    if (stream->done >= ticket) {
        return;
    }
    memory_access access;
    std::vector<stream_place> todo = {{stream, ticket}};
    while (!todo.empty()) {
        stream_place want = todo.back();
        if (want.stream->done >= want.ticket) {
            todo.pop_back();
            continue;
        }
        const stream_item &item = want.stream->queue.front();
        auto first = std::find_if(item.after.begin(), item.after.end(),
                                  [](const stream_place &p) { return p.stream->done < p.ticket; });
        if (first != item.after.end()) {
            stream_place other = *first;
            todo.push_back(other);
        } else {
            run_first(want.stream);
        }
    }
}

/* With a seed: some stream runs ahead a little. */
static void drift()
{
    static uint64_t state, seed;
    if (setting.streams != stream_mode::seeded) {
        return;
    }
    if (seed != setting.stream_seed) {
        state = seed = setting.stream_seed;
    }
    state = state * 6364136223846793005u + 1442695040888963407u;
    stream_ref s = streams[(state >> 33) % streams.size()];
    uint64_t items = (state >> 20) % 4;
    if (s->done < s->issued) {
        run_until(s, std::min(s->issued, s->done + items));
    }
}

static void sweep()
{
    auto ended = [](const stream_ref &s) { return s.use_count() == 1 && s->done == s->issued; };
    streams.erase(std::remove_if(streams.begin(), streams.end(), ended), streams.end());
}

void finish_stream(CUstream_st *stream)
{
    run_until(stream->shared_from_this(), stream->issued);
    drift();
}
void finish_device(int device)
{
    drift();
    for (const stream_ref &s : std::vector<stream_ref>(streams)) {
        if (s->device == device) {
            run_until(s, s->issued);
        }
    }
    sweep();
}

/* ---- queueing ---- */

static void give(const stream_ref &s, std::unique_ptr<work> task, std::vector<stream_place> after)
{
    for (const stream_ref &other : streams) {
        bool ordered = other->device == s->device && other != s &&
                       ((s->is_default && other->blocking) || (s->blocking && other->is_default));
        if (ordered && other->done < other->issued) {
            after.push_back({other, other->issued});
        }
    }
    s->queue.push_back({std::move(task), std::move(after)});
    s->issued++;
    s->queries = 0;
    if (setting.streams == stream_mode::early) {
        run_until(s, s->issued);
    }
    drift();
}
void enqueue_work(cudaStream_t stream, std::unique_ptr<work> item)
{
    give(stream_at(stream), std::move(item), {});
}

struct record_work : work {
    std::shared_ptr<double> when;
    explicit record_work(std::shared_ptr<double> w) : when(std::move(w)) {}
    void run(int) override
    {
        *when = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
};

struct host_work : work {
    cudaHostFn_t function;
    void *data;
    host_work(cudaHostFn_t f, void *d) : function(f), data(d) {}
    void run(int) override
    {
        in_host_function = true;
        function(data);
        in_host_function = false;
    }
};
bool inside_host_function()
{
    return in_host_function;
}

static CUevent_st *event_at(cudaEvent_t handle)
{
    auto found = events.find(handle);
    return found == events.end() ? nullptr : found->second.get();
}
static bool is_done(const stream_place &p)
{
    return !p.stream || p.stream->done >= p.ticket;
}
/* Counts unanswered questions; the last one allowed lets the work run. */
static cudaError_t answer(const stream_place &p, int *queries)
{
    if (!is_done(p) && ++*queries > QUERIES) {
        run_until(p.stream, p.ticket);
    }
    return is_done(p) ? lost(p.stream ? p.stream->device : 0) : cudaErrorNotReady;
}

static cudaError_t make_event(cudaEvent_t *event, unsigned flags)
{
    if (!event) {
        return cudaErrorInvalidValue;
    }
    auto made = std::make_shared<CUevent_st>(current_device(), !(flags & cudaEventDisableTiming));
    *event = made.get();
    events[*event] = made;
    counts.live_events++;
    return cudaSuccess;
}
static cudaError_t make_handle(cudaStream_t *stream, unsigned flags)
{
    if (!stream || flags > cudaStreamNonBlocking) {
        return cudaErrorInvalidValue;
    }
    stream_ref made = make_stream(current_device(), flags != cudaStreamNonBlocking, false);
    *stream = made.get();
    handles[*stream] = made;
    counts.live_streams++;
    return cudaSuccess;
}

} // namespace emulator

/* ---- the calls ---- */

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    return runtime_call("cudaStreamCreateWithFlags", [&] { return make_handle(stream, flags); });
}
cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return runtime_call("cudaStreamCreate", [&] { return make_handle(stream, cudaStreamDefault); });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    return runtime_call("cudaStreamDestroy", [&] {
        if (handles.erase(stream) == 0) {
            return refuse(cudaErrorInvalidResourceHandle, "cudaStreamDestroy: no such stream");
        }
        counts.live_streams--;
        sweep();
        return cudaSuccess;
    });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    return runtime_call("cudaStreamSynchronize", [&] {
        stream_ref s = stream_at(stream);
        if (!s) {
            return refuse(cudaErrorInvalidResourceHandle, "cudaStreamSynchronize: no such stream");
        }
        count_synchronisation("cudaStreamSynchronize");
        finish_stream(s.get());
        return lost(s->device);
    });
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    return runtime_call("cudaStreamQuery", [&] {
        stream_ref s = stream_at(stream);
        return s ? answer({s, s->issued}, &s->queries) : cudaErrorInvalidResourceHandle;
    });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
    return runtime_call("cudaStreamWaitEvent", [&] {
        stream_ref s = stream_at(stream);
        CUevent_st *e = event_at(event);
        if (!s || !e) {
            return refuse(cudaErrorInvalidResourceHandle, "cudaStreamWaitEvent: no such %s", s ? "event" : "stream");
        }
        if (!is_done(e->at)) {
            give(s, nullptr, {e->at});
        }
        return cudaSuccess;
    });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data)
{
    return runtime_call("cudaLaunchHostFunc", [&] {
        stream_ref s = stream_at(stream);
        if (!s || !function) {
            return s ? cudaErrorInvalidValue : cudaErrorInvalidResourceHandle;
        }
        give(s, std::make_unique<host_work>(function, data), {});
        return cudaSuccess;
    });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    return runtime_call("cudaEventCreateWithFlags", [&] { return make_event(event, flags); });
}
cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return runtime_call("cudaEventCreate", [&] { return make_event(event, cudaEventDefault); });
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    return runtime_call("cudaEventDestroy", [&] {
        if (events.erase(event) == 0) {
            return refuse(cudaErrorInvalidResourceHandle, "cudaEventDestroy: no such event");
        }
        counts.live_events--;
        return cudaSuccess;
    });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    return runtime_call("cudaEventRecord", [&] {
        stream_ref s = stream_at(stream);
        CUevent_st *e = event_at(event);
        if (!s || !e || s->device != e->device) {
            return refuse(cudaErrorInvalidResourceHandle, "cudaEventRecord: %s",
                          !s ? "no such stream" : !e ? "no such event" : "stream and event are of different devices");
        }
        auto when = std::make_shared<double>(0);
        e->at = {s, s->issued + 1};
        e->when = when;
        e->queries = 0;
        give(s, std::make_unique<record_work>(when), {});
        return cudaSuccess;
    });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    return runtime_call("cudaEventSynchronize", [&] {
        CUevent_st *e = event_at(event);
        if (!e) {
            return refuse(cudaErrorInvalidResourceHandle, "cudaEventSynchronize: no such event");
        }
        count_synchronisation("cudaEventSynchronize");
        if (!is_done(e->at)) {
            run_until(e->at.stream, e->at.ticket);
        }
        return lost(e->device);
    });
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    return runtime_call("cudaEventQuery", [&] {
        CUevent_st *e = event_at(event);
        return e ? answer(e->at, &e->queries) : cudaErrorInvalidResourceHandle;
    });
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    return runtime_call("cudaEventElapsedTime", [&] {
        CUevent_st *a = event_at(start), *b = event_at(end);
        if (!a || !b || !a->timing || !b->timing || !a->when || !b->when) {
            return cudaErrorInvalidResourceHandle;
        }
        if (!is_done(a->at) || !is_done(b->at)) {
            return cudaErrorNotReady;
        }
        *milliseconds = (float)((*b->when - *a->when) * 1e3);
        return cudaSuccess;
    });
}
}
