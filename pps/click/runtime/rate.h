/* Averages that decay, and calls of handlers from the packets' way. */
#ifndef CLICK_RATE_H
#define CLICK_RATE_H
#include "click.h"

/* An exponentially weighted average of a rate: counts of periods of 1/4 s go in with weight 1/16. */
struct click_ewma {
	uint64_t period; /* number of the period that is being counted */
	uint64_t counted;
	double average; /* per period */
};

enum { CLICK_EWMA_PERIOD = VNFC_SECOND / 4, CLICK_EWMA_FORGET = 1024 /* periods: nothing is left by then */ };

static inline void click_ewma_turn(struct click_ewma *e, uint64_t now)
{
	uint64_t period = now / CLICK_EWMA_PERIOD;
	if (period == e->period)
		return;
	if (e->period && period - e->period < CLICK_EWMA_FORGET) {
		e->average += ((double)e->counted - e->average) / 16;
		for (uint64_t i = e->period + 1; i < period; i++)
			e->average -= e->average / 16;
	} else if (e->period) {
		e->average = 0;
	}
	e->counted = 0;
	e->period = period;
}

static inline void click_ewma_add(struct click_ewma *e, uint64_t n)
{
	click_ewma_turn(e, vnfc_now());
	e->counted += n;
}

static inline double click_ewma_per_second(struct click_ewma *e)
{
	click_ewma_turn(e, vnfc_now());
	return e->average * (VNFC_SECOND / CLICK_EWMA_PERIOD);
}

/* Write a handler of any element; what it refuses is a line in the log. */
static inline void click_call(const char *name, const char *value)
{
	const struct click_handler *handler = click_find(name);
	if (!handler || click_write(handler, value, &click_out) < 0)
		vnfc_log("%s: %s", name, handler ? click_out.text : "there is no such handler");
}
#endif
