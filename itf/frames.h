/* The forwarder's view of the segment: frames, who owns them, and the figures.
 *
 * Every packet's life goes through these few functions, so conservation (law 1) is kept in one place:
 * a frame changes owner, and a drop is counted in the same breath as its frame is freed.
 */
#ifndef ITF_FRAMES_H
#define ITF_FRAMES_H
#include <stdbool.h>
#include <stdint.h>
#include "ring.h"
#include "segment.h"

enum reason {
#define REASON(id, name, where, why) REASON_##name = id,
#include "reasons.h"
#undef REASON
};

struct frames {
	uint8_t *pool; /* pool object */
	uint8_t *data; /* frame 0 */
	uint32_t count, frame_size, frame_shift;
	struct frame_record *record;
	uint8_t *nsh; /* FRAME_NSH_AREA bytes a frame */
	char *notes;  /* FRAME_NOTE bytes a frame */
	uint16_t *owner;
	struct frame_private *priv;
	struct frame_saved *saved;
	struct place_stats *stats; /* live figures, by place */
	struct hop_stats *hops;	   /* by hop */
	uint32_t *spare;	   /* stack of free frames */
	uint32_t spares;
	struct watching *watching; /* NULL: nobody asked */
	uint64_t numbered;	   /* packets that got a number since somebody watches */
	bool own_time;		   /* capture mode: the packets have their own */
	uint64_t now; /* ns, one read for each turn of the loop; in capture mode the capture's time */
};

static inline uint8_t *frame_start(const struct frames *f, uint32_t ref)
{
	return f->data + ((uint64_t)ref << f->frame_shift);
}

static inline uint8_t *frame_bytes(const struct frames *f, uint32_t ref)
{
	return frame_start(f, ref) + f->record[ref].data;
}

/* Take up to n free frames and give them to owner; returns how many there were. */
static inline uint32_t frames_take(struct frames *f, uint32_t *refs, uint32_t n, uint16_t owner)
{
	if (n > f->spares)
		n = f->spares;
	for (uint32_t i = 0; i < n; i++) {
		refs[i] = f->spare[--f->spares];
		f->owner[refs[i]] = owner;
	}
	return n;
}

/* Give a frame back to the pool: whatever packet it held must have been counted. */
static inline void frame_free(struct frames *f, uint32_t ref)
{
	f->owner[ref] = OWNER_FREE;
	f->spare[f->spares++] = ref;
}

static inline void times_add(struct times *t, uint64_t ns)
{
	unsigned top = ns >> TIMES_LEAST ? 63 - (unsigned)__builtin_clzll(ns) : 0;
	t->count++;
	t->sum_ns += ns;
	if (top == 0)
		t->cell[0]++;
	else if (top >= TIMES_MOST)
		t->cell[TIMES_CELLS - 1]++;
	else
		t->cell[1 + (top - TIMES_LEAST) * TIMES_PARTS + (ns >> (top - 3) & (TIMES_PARTS - 1))]++;
}

/* A burst of n packets, n > 0. */
static inline void sizes_add(struct sizes *s, unsigned n)
{
	unsigned top = 31 - (unsigned)__builtin_clz(n);
	s->sum += n;
	s->cell[top < SIZES_CELLS ? top : SIZES_CELLS - 1]++;
}

#define TRACED(f) __builtin_expect((f)->watching != NULL, 0)
#include "trace.h"

static inline void frame_drop(struct frames *f, uint32_t ref, unsigned place, unsigned reason)
{
	f->stats[place].dropped[reason]++;
	if (TRACED(f))
		trace_dropped(f, ref, place, reason);
	frame_free(f, ref);
}

/* A frame whose bytes never became a packet of ours: what its record says is another's. */
static inline void frame_refuse(struct frames *f, uint32_t ref, unsigned place, unsigned reason,
				const uint8_t *data, uint32_t len)
{
	f->stats[place].dropped[reason]++;
	if (TRACED(f))
		trace_refused(f, place, reason, f->now, data, len, LINK_ETHERNET);
	frame_free(f, ref);
}

static inline void frames_drop(struct frames *f, const uint32_t *refs, unsigned n, unsigned place,
			       unsigned reason)
{
	f->stats[place].dropped[reason] += n;
	for (unsigned i = 0; i < n; i++) {
		if (TRACED(f))
			trace_dropped(f, refs[i], place, reason);
		frame_free(f, refs[i]);
	}
}
#endif
