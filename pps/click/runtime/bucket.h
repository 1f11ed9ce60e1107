/* Token buckets that fill once in a tick of 1 ms. */
#ifndef CLICK_BUCKET_H
#define CLICK_BUCKET_H
#include "click.h"

enum { CLICK_TICKS = 1000, CLICK_TICK_NS = VNFC_SECOND / CLICK_TICKS };

static inline uint64_t click_tick(void)
{
	return vnfc_now() / CLICK_TICK_NS;
}

/* Tokens are counted in fractions such that a full bucket holds UINT32_MAX: rates are as precise as that, no more. */
struct click_bucket {
	uint32_t scale;		   /* fractions of a token */
	uint32_t per_tick, tokens; /* in fractions */
	uint64_t tick;
	bool begun;
};

/* rate tokens a second, at most size at once. What is in the bucket stays. */
static inline void click_bucket_rate(struct click_bucket *b, uint32_t rate, uint32_t size)
{
	uint32_t least = rate ? (rate - 1) / CLICK_TICKS + 1 : 1; /* what comes in a tick */
	b->scale = UINT32_MAX / (size > least ? size : least);
	b->per_tick = (uint32_t)((uint64_t)rate * b->scale / CLICK_TICKS);
	if (rate && !b->per_tick)
		b->per_tick = 1;
}

static inline uint32_t click_bucket_rate_of(const struct click_bucket *b)
{
	return (uint32_t)(((uint64_t)b->per_tick * CLICK_TICKS + b->per_tick / 2) / b->scale);
}

static inline void click_bucket_refill(struct click_bucket *b)
{
	uint64_t tick = click_tick(), ticks = tick - b->tick;
	if (!b->begun) {
		b->tokens = b->per_tick ? UINT32_MAX : 0; /* full at first */
		b->begun = true;
	} else if (ticks && b->per_tick) {
		uint32_t room = UINT32_MAX - b->tokens;
		b->tokens =
			ticks > room / b->per_tick ? UINT32_MAX : b->tokens + (uint32_t)ticks * b->per_tick;
	}
	b->tick = tick;
}

static inline bool click_bucket_has(const struct click_bucket *b, uint32_t tokens)
{
	return b->tokens >= (uint64_t)tokens * b->scale;
}

static inline void click_bucket_take(struct click_bucket *b, uint32_t tokens)
{
	uint64_t n = (uint64_t)tokens * b->scale;
	b->tokens = n < b->tokens ? b->tokens - (uint32_t)n : 0;
}

/* When it will have them, ns: after whole ticks. */
static inline uint64_t click_bucket_when(const struct click_bucket *b, uint32_t tokens)
{
	uint64_t missing = (uint64_t)tokens * b->scale - b->tokens;
	if (!b->per_tick)
		return vnfc_now() + 3600ull * VNFC_SECOND;
	return vnfc_now() + (missing + b->per_tick - 1) / b->per_tick * CLICK_TICK_NS;
}
#endif
