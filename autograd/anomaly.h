/* anomaly.h - which call made the first NaN or inf? */
#ifndef GR_ANOMALY_H
#define GR_ANOMALY_H
#include "core/base.h"

GR_BEGIN_C

/* While on, this thread's calls look at what they have computed, and fail (GR_ERROR_NONFINITE) where it is not finite:
 *
 *   forward   the call whose result has a NaN or an inf is named with its line. An inf that it was given is passed on,
 *             since masks are made of them; a NaN that it was given is reported as such.
 *   backward  the call is named whose rule made the first NaN or inf in the gradient of an input.
 *
 * As after any failed call nothing has changed. What is computed stays the same in every bit. Costs a reading of every
 * operand, result and gradient, and in changes in place a copy: for looking for a fault, not for every day. While an error
 * stands the setting stays as it is. */
GR_API void gr_set_detect_anomaly(bool on);
GR_API bool gr_is_anomaly_enabled(void);

GR_END_C
#endif
