/* parallel.h - one loop shared among threads; where it is cut depends on its length only, never on
 * their number. */
#ifndef GR_PARALLEL_H
#define GR_PARALLEL_H
#include <stdint.h>

enum { GR_PARALLEL_MAX = 256 }; /* threads */

typedef void gr_parallel_task(void *context, int64_t begin, int64_t end);

/* Calls task for [0, grain), [grain, 2 grain), ... up to count, in any order, and returns when all
 * are done; what the tasks wrote is then seen by the caller, who takes part. Runs in the calling
 * thread alone when one piece or one thread is all there is, inside a task, and while another
 * thread uses the pool: it never waits for the pool. A piece of less than about 10 us costs more
 * than it gains. After fork inside a task the child may only exec or _exit. */
void gr_parallel_pieces(int64_t count, int64_t grain, gr_parallel_task *task, void *context);
static inline void gr_parallel(int64_t count, int64_t grain, gr_parallel_task *task, void *context)
{
    if (count > grain)
        gr_parallel_pieces(count, grain, task, context);
    else if (count > 0)
        task(context, 0, count);
}

/* Threads that share a loop, the caller among them: 1 to 256, other numbers are clipped; 0 means
 * one for each CPU this process may use. At first GRADUS_NUM_THREADS, else that same number. Takes
 * effect at the next loop. */
void gr_parallel_threads(int n);
int gr_parallel_threads_now(void);

/* Joins the workers, unless a loop is running; the next loop starts new ones. */
void gr_parallel_shutdown(void);

/* For tests. gr_parallel_ran_on: how many threads executed a piece of the last loop that used the
 * pool. gr_parallel_test_grain: when positive, small loops go to the pool too: it replaces the
 * length from which a caller cuts its loop at all (gr_parallel_from). It never changes a grain on
 * which the order of a sum depends. */
int gr_parallel_ran_on(void);
extern int64_t gr_parallel_test_grain;
static inline int64_t gr_parallel_from(int64_t usual)
{
    return gr_parallel_test_grain > 0 ? gr_parallel_test_grain : usual;
}
#endif
