/* repr.c - the shortest decimal that reads back as the same double. */
#include "core/base.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIGITS = DBL_DECIMAL_DIG };

/* digit[0] . digit[1] digit[2] .. times 10^exponent */
typedef struct {
    char digit[MOST_DIGITS + 1];
    int count, exponent;
} decimal;

/* The nearest decimal with count digits. printf writes the locale's point, of any length, between
 * the digits: everything that is no digit is passed over. */
static decimal nearest(double magnitude, int count)
{
    char text[64];
    decimal d = {.count = 0};
    snprintf(text, sizeof text, "%.*e", count - 1, magnitude);
    const char *s = text;
    for (; *s != 'e'; s++)
        if (*s >= '0' && *s <= '9') d.digit[d.count++] = *s;
    d.exponent = (int)strtol(s + 1, NULL, 10);
    return d;
}

/* The decimal above with as many digits. */
static decimal above(decimal d)
{
    int i = d.count - 1;
    for (; i >= 0 && d.digit[i] == '9'; i--) d.digit[i] = '0';
    if (i >= 0) {
        d.digit[i]++;
        return d;
    }
    d.digit[0] = '1';
    d.exponent++;
    return d;
}

/* Read as an integer times a power of ten: without a point no locale matters. */
static bool reads_back(const decimal *d, double magnitude)
{
    char text[64];
    snprintf(text, sizeof text, "%.*se%d", d->count, d->digit, d->exponent - d->count + 1);
    return strtod(text, NULL) == magnitude;
}

/* Decimals of up to DBL_DIG digits survive the way through a normal double, so if fewer than
 * DBL_DIG digits are enough, then rounding to DBL_DIG gives the same ones and zeros. Below a power
 * of two doubles lie twice as dense as above it: there the nearest decimal may miss while the one
 * above, farther away, reads back. */
static decimal shortest(double magnitude)
{
    decimal d;
    for (int count = magnitude < DBL_MIN ? 1 : DBL_DIG; count < MOST_DIGITS; count++) {
        d = nearest(magnitude, count);
        if (reads_back(&d, magnitude)) return d;
        d = above(d);
        if (reads_back(&d, magnitude)) return d;
    }
    return nearest(magnitude, MOST_DIGITS);
}

static char *put(char *out, const char *digits, int count)
{
    memcpy(out, digits, (size_t)count);
    return out + count;
}

/* 1.5e-07: at least two digits of exponent, and no point behind a single digit */
static void write_scientific(char *out, const decimal *d)
{
    *out++ = d->digit[0];
    if (d->count > 1) {
        *out++ = '.';
        out = put(out, d->digit + 1, d->count - 1);
    }
    snprintf(out, 13, "e%c%02d", d->exponent < 0 ? '-' : '+', abs(d->exponent));
}

static void write_positional(char *out, const decimal *d)
{
    static const char zeros[] = "0000000000000000";
    const int whole = d->exponent + 1; /* digits before the point */
    if (whole <= 0) {
        out = put(out, "0.", 2);
        out = put(out, zeros, -whole);
        out = put(out, d->digit, d->count);
    } else if (whole >= d->count) {
        out = put(out, d->digit, d->count);
        out = put(out, zeros, whole - d->count);
        out = put(out, ".0", 2);
    } else {
        out = put(out, d->digit, whole);
        *out++ = '.';
        out = put(out, d->digit + whole, d->count - whole);
    }
    *out = '\0';
}

char *gr_repr(double value, char text[32])
{
    if (!text) return NULL;
    if (isnan(value)) return strcpy(text, "nan");
    char *out = text;
    if (signbit(value)) *out++ = '-';
    if (isinf(value)) {
        strcpy(out, "inf");
        return text;
    }
    decimal d = shortest(fabs(value));
    while (d.count > 1 && d.digit[d.count - 1] == '0') d.count--;
    if (d.exponent < -4 || d.exponent >= 16)
        write_scientific(out, &d);
    else
        write_positional(out, &d);
    return text;
}
