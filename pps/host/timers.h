/* Timers of one VNFC host: a binary heap by (time, order of setting), so equal times run in the order in
 * which they were set. Times are in ns of the hop's clock.
 */
#ifndef PPS_TIMERS_H
#define PPS_TIMERS_H
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum { TIMERS_MAX = 1 << 20 };
static const uint64_t TIMER_LEAST_NS = 1000; /* a shorter delay could keep the loop from anything else */

struct timer {
	uint64_t when, period; /* period 0: once */
	uint64_t order;
	void (*run)(void *arg);
	void *arg;
	uint32_t heap_at;    /* position in the heap */
	uint32_t generation; /* tells a timer from the next one in its slot; odd while it is set */
};

struct timers {
	struct timer *slot;
	uint32_t *heap; /* slots, earliest first */
	uint32_t *free; /* stack of unused slots */
	uint32_t size, n, frees;
	uint32_t once; /* of n, those without a period */
	uint64_t order;
};

static inline bool timer_before(const struct timers *t, uint32_t a, uint32_t b)
{
	const struct timer *x = &t->slot[a], *y = &t->slot[b];
	return x->when != y->when ? x->when < y->when : x->order < y->order;
}

static inline void timers_place(struct timers *t, uint32_t at, uint32_t slot)
{
	t->heap[at] = slot;
	t->slot[slot].heap_at = at;
}

/* Put slot where it belongs, beginning at `at`. */
static inline void timers_sift(struct timers *t, uint32_t at, uint32_t slot)
{
	while (at > 0 && timer_before(t, slot, t->heap[(at - 1) / 2])) {
		timers_place(t, at, t->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child + 1 < t->n && timer_before(t, t->heap[child + 1], t->heap[child]))
			child++;
		if (child >= t->n || !timer_before(t, t->heap[child], slot))
			break;
		timers_place(t, at, t->heap[child]);
		at = child;
	}
	timers_place(t, at, slot);
}

static inline bool timers_grow(struct timers *t)
{
	uint32_t size = t->size ? 2 * t->size : 16;
	if (size > TIMERS_MAX)
		return false;
	struct timer *slot = (struct timer *)realloc(t->slot, size * sizeof(*slot));
	if (slot)
		t->slot = slot;
	uint32_t *heap = (uint32_t *)realloc(t->heap, size * sizeof(*heap));
	if (heap)
		t->heap = heap;
	uint32_t *free_slots = (uint32_t *)realloc(t->free, size * sizeof(*free_slots));
	if (free_slots)
		t->free = free_slots;
	if (!slot || !heap || !free_slots)
		return false;
	for (uint32_t i = size; i > t->size; i--) {
		t->slot[i - 1].generation = 0;
		t->free[t->frees++] = i - 1;
	}
	t->size = size;
	return true;
}

/* Returns the timer's id, or 0 if there is no memory for more. */
static inline uint64_t timers_add(struct timers *t, uint64_t when, uint64_t period, void (*run)(void *),
				  void *arg)
{
	if (t->frees == 0 && !timers_grow(t))
		return 0;
	uint32_t at = t->free[--t->frees];
	struct timer *timer = &t->slot[at];
	timer->when = when;
	timer->period = period;
	timer->order = t->order++;
	timer->run = run;
	timer->arg = arg;
	timer->generation++;
	t->once += period == 0;
	t->n++;
	timers_sift(t, t->n - 1, at);
	return (uint64_t)timer->generation << 32 | at;
}

static inline void timers_remove(struct timers *t, uint32_t slot)
{
	uint32_t at = t->slot[slot].heap_at, last = t->heap[--t->n];
	t->slot[slot].generation++;
	t->once -= t->slot[slot].period == 0;
	t->free[t->frees++] = slot;
	if (last != slot)
		timers_sift(t, at, last);
}

/* False if it is not set any more. */
static inline bool timers_cancel(struct timers *t, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	if (slot >= t->size || t->slot[slot].generation != id >> 32 || !(t->slot[slot].generation & 1))
		return false;
	timers_remove(t, slot);
	return true;
}

static inline uint64_t timers_next(const struct timers *t)
{
	return t->n ? t->slot[t->heap[0]].when : UINT64_MAX;
}

/* Take the earliest timer to run it. A periodic one is set again first, so that it may cancel itself; periods
 * that have passed by `now` are left out. */
static inline struct timer timers_take(struct timers *t, uint64_t now)
{
	uint32_t slot = t->heap[0];
	struct timer *timer = &t->slot[slot], due = *timer;
	if (timer->period == 0) {
		timers_remove(t, slot);
	} else {
		timer->when += timer->period;
		if (timer->when <= now)
			timer->when += (now - timer->when) / timer->period * timer->period + timer->period;
		timer->order = t->order++;
		timers_sift(t, 0, slot);
	}
	return due;
}

/* Time begins: what was set before it did, in time counted from 0, moves along. */
static inline void timers_shift(struct timers *t, uint64_t by)
{
	for (uint32_t i = 0; i < t->n; i++)
		t->slot[t->heap[i]].when += by;
}

static inline void timers_free(struct timers *t)
{
	free(t->slot);
	free(t->heap);
	free(t->free);
}
#endif
