/* Token buckets that fill once in a tick of 1 ms. */
#ifndef CLICK_BUCKET_H
#define CLICK_BUCKET_H
#include "click.h"

enum { CLICK_TICKS = 1000, CLICK_TICK_NS = VNFC_SECOND / CLICK_TICKS };

static inline uint64_t click_tick(void)
{
	return vnfc_now() / CLICK_TICK_NS;
}

struct click_bucket {
	uint32_t rate;	 /* tokens a second */
	uint64_t size;	 /* in thousandths of a token: what comes in a tick is a whole number of them */
	uint64_t tokens; /* likewise */
	uint64_t tick;
	bool begun;
};

static inline void click_bucket_begin(struct click_bucket *b, uint32_t rate, uint32_t size)
{
	*b = (struct click_bucket){ .rate = rate, .size = (uint64_t)size * CLICK_TICKS };
}

static inline void click_bucket_refill(struct click_bucket *b)
{
	uint64_t tick = click_tick(), ticks = tick - b->tick;
	if (!b->begun) {
		b->tokens = b->rate ? b->size : 0; /* full at first */
		b->begun = true;
	} else if (ticks && b->rate) {
		uint64_t room = b->size - b->tokens;
		b->tokens = ticks > room / b->rate ? b->size : b->tokens + ticks * b->rate;
	}
	b->tick = tick;
}

/* The size stays; what is in the bucket does, too. */
static inline void click_bucket_rate(struct click_bucket *b, uint32_t rate)
{
	click_bucket_refill(b);
	b->rate = rate;
}

static inline bool click_bucket_has(const struct click_bucket *b, uint32_t tokens)
{
	return b->tokens >= (uint64_t)tokens * CLICK_TICKS;
}

static inline void click_bucket_take(struct click_bucket *b, uint32_t tokens)
{
	uint64_t n = (uint64_t)tokens * CLICK_TICKS;
	b->tokens -= n < b->tokens ? n : b->tokens;
}

/* When it will have them: the begin of a tick, ns. */
static inline uint64_t click_bucket_when(const struct click_bucket *b, uint32_t tokens)
{
	uint64_t missing = (uint64_t)tokens * CLICK_TICKS - b->tokens;
	if (!b->rate)
		return vnfc_now() + 3600ull * VNFC_SECOND;
	return (b->tick + (missing + b->rate - 1) / b->rate) * CLICK_TICK_NS;
}
#endif
