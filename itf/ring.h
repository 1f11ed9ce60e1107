/* Rings of frame references between the forwarder and one VNFC host, and the doorbells beside them.
 *
 * Single producer, single consumer. Each end keeps its own position in a struct ring_end in private
 * memory and only publishes it, so a wild neighbour can make an end see too few or too many entries, but
 * never make it read or write outside the slots.
 */
#ifndef ITF_RING_H
#define ITF_RING_H
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "segment.h"

struct ring_end {
	uint32_t *slots;
	uint32_t mask;
	uint32_t mine;	 /* my position */
	uint32_t theirs; /* the other's, as last seen */
	struct ring_cell *my_cell;
	const struct ring_cell *their_cell;
};

static inline uint32_t cell_load(const uint32_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}

static inline void cell_store(uint32_t *cell, uint32_t value)
{
	__atomic_store_n(cell, value, __ATOMIC_RELEASE);
}

static inline uint64_t cell_load64(const uint64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}

static inline void cell_store64(uint64_t *cell, uint64_t value)
{
	__atomic_store_n(cell, value, __ATOMIC_RELEASE);
}

/* slots: a power of two. Both ends start from what the cells say, so either may be restarted. */
static inline void ring_open(struct ring_end *r, uint32_t *slots, uint32_t count, struct ring_cell *my_cell,
			     const struct ring_cell *their_cell)
{
	*r = (struct ring_end){ slots,	 count - 1, my_cell->position, cell_load(&their_cell->position),
				my_cell, their_cell };
}

/* Producer: room for how many. A position that cannot be (further than the ring is long) reads as full. */
static inline uint32_t ring_room(struct ring_end *r, uint32_t want)
{
	uint32_t used = r->mine - r->theirs;
	if (used > r->mask + 1 || r->mask + 1 - used < want) {
		r->theirs = cell_load(&r->their_cell->position);
		used = r->mine - r->theirs;
		if (used > r->mask + 1)
			return 0;
	}
	return r->mask + 1 - used;
}

/* Producer: put n references (the caller has made sure of room); seen by the other end after publish. */
static inline void ring_put(struct ring_end *r, const uint32_t *refs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		__atomic_store_n(&r->slots[(r->mine + i) & r->mask], refs[i], __ATOMIC_RELAXED);
	r->mine += n;
}

static inline void ring_publish(struct ring_end *r)
{
	cell_store(&r->my_cell->position, r->mine);
}

/* Producer's view: entries the consumer has not taken yet. */
static inline uint32_t ring_waiting(struct ring_end *r)
{
	r->theirs = cell_load(&r->their_cell->position);
	uint32_t used = r->mine - r->theirs;
	return used > r->mask + 1 ? r->mask + 1 : used;
}

/* Consumer: take up to max references; seen as free by the producer after publish. */
static inline uint32_t ring_take(struct ring_end *r, uint32_t *refs, uint32_t max)
{
	uint32_t there = r->theirs - r->mine;
	if (there < max || there > r->mask + 1) {
		r->theirs = cell_load(&r->their_cell->position);
		there = r->theirs - r->mine;
		if (there > r->mask + 1)
			there = 0; /* nonsense from the other side: nothing is there */
	}
	uint32_t n = there < max ? there : max;
	for (uint32_t i = 0; i < n; i++)
		refs[i] = __atomic_load_n(&r->slots[(r->mine + i) & r->mask], __ATOMIC_RELAXED);
	r->mine += n;
	return n;
}

static inline bool ring_empty(struct ring_end *r)
{
	if (r->theirs != r->mine)
		return false;
	r->theirs = cell_load(&r->their_cell->position);
	return r->theirs == r->mine;
}

/* ---- doorbells: only a sleeper is woken --------------------------------------------------------- */

/* Returns whether there was one. */
static inline bool bell_wake(uint32_t *asleep)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(asleep, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(asleep, 0, __ATOMIC_RELAXED);
	syscall(SYS_futex, asleep, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	return true;
}

/* The sleeper: bell_arm, then look for work once more, then bell_sleep or bell_disarm. */
static inline void bell_arm(uint32_t *asleep)
{
	__atomic_store_n(asleep, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void bell_disarm(uint32_t *asleep)
{
	__atomic_store_n(asleep, 0, __ATOMIC_RELAXED);
}

/* Sleep until woken; timeout_ns 0 means for ever. */
static inline void bell_sleep(uint32_t *asleep, uint64_t timeout_ns)
{
	struct timespec limit = { (time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000) };
	syscall(SYS_futex, asleep, FUTEX_WAIT, 1, timeout_ns ? &limit : NULL, NULL, 0);
	bell_disarm(asleep);
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#endif
