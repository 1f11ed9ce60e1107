/* Averages of rates, and calls of handlers from the packets' way. */
#ifndef CLICK_RATE_H
#define CLICK_RATE_H
#include "bucket.h"

/* An exponentially weighted average of what comes in a tick, in fixed point: each tick goes in with weight 1/16.
 * `scale` is the number of fractional bits. */
struct click_ewma {
	uint64_t tick;
	int64_t counted; /* in that tick */
	int64_t average;
};

enum { CLICK_EWMA_WEIGHT = 4, CLICK_EWMA_FORGET = 100 /* empty ticks: the average is 0 then */ };

static inline void click_ewma_step(struct click_ewma *e, int64_t scaled)
{
	int64_t half = 1 << (CLICK_EWMA_WEIGHT - 1);
	e->average += (scaled + half - e->average) >> CLICK_EWMA_WEIGHT;
}

static inline void click_ewma_add(struct click_ewma *e, int64_t n, unsigned scale)
{
	uint64_t tick = click_tick();
	if (tick != e->tick) {
		uint64_t empty = tick - e->tick - 1;
		click_ewma_step(e, (int64_t)((uint64_t)e->counted << scale));
		if (empty >= CLICK_EWMA_FORGET)
			e->average = 0;
		else
			while (empty-- > 0)
				click_ewma_step(e, 0);
		e->counted = 0;
		e->tick = tick;
	}
	e->counted += n;
}

/* The average a second, as a fixed-point number with `bits` fractional bits (of which it has `scale`): with as few
 * decimals as tell it from the next one. */
static inline void click_say_rate(struct click_text *out, struct click_ewma *e, unsigned scale, unsigned bits)
{
	char text[64];
	click_ewma_add(e, 0, scale);
	double one = (double)(1u << bits), fixed = (double)(e->average * CLICK_TICKS);
	for (int decimals = 0; decimals < 10; decimals++) {
		snprintf(text, sizeof(text), "%.*f", decimals, fixed / one);
		if (round(strtod(text, NULL) * one) == fixed)
			break;
	}
	click_say(out, "%s", text);
}

/* Write a handler of any element; what it refuses is a line in the log. */
static inline void click_call(const char *name, const char *value)
{
	const struct click_handler *handler = click_find(name);
	if (!handler || click_write(handler, value, &click_out) < 0)
		vnfc_log("%s: %s", name, handler ? click_out.text : "there is no such handler");
}
#endif
