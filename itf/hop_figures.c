/* What is published of a hop beside what it counts: times of some packets, and how full its rings are. */
#include "hop_stage.h"

void hop_time(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct frames *f = &s->fabric->frames;
	struct hop *hop = s->self;
	uint32_t i = sample_first(&hop->due, s->fabric->sample, n);
	if (i >= n)
		return;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	for (; i < n; i += s->fabric->sample) {
		f->priv[refs[i]].put_ns = now;
		f->record[refs[i]].given = 0;
		f->record[refs[i]].taken = 1;
	}
}

/* Those that somebody watches are timed for him; what was put when, he has been told. */
void hop_time_watched(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct frames *f = &s->fabric->frames;
	for (unsigned i = 0; i < n; i++)
		if (trace_wanted(f, refs[i], TRACE_JUDGED)) {
			f->record[refs[i]].given = 0;
			f->record[refs[i]].taken = 1;
		}
}

/* What its process says counts only as far as it can be so. */
void hop_note_times(struct stage *s, uint32_t ref)
{
	struct frames *f = &s->fabric->frames;
	uint64_t put = f->priv[ref].put_ns, whole = clock_ns(CLOCK_MONOTONIC) - put;
	uint32_t then = (uint32_t)(put >> STAMP_SHIFT);
	uint64_t taken = (uint64_t)(cell_load(&f->record[ref].taken) - then) << STAMP_SHIFT;
	uint64_t given = (uint64_t)(cell_load(&f->record[ref].given) - then) << STAMP_SHIFT;
	f->priv[ref].put_ns = 0;
	if (taken > given || given > whole + (2u << STAMP_SHIFT))
		return;
	times_add(&f->hops[s->number].ring, taken);
	times_add(&f->hops[s->number].vnfc, given - taken);
}

/* What is to be published of its rings. */
void hop_account(struct stage *s)
{
	struct hop *hop = s->self;
	struct hop_stats *stats = &s->fabric->frames.hops[s->number];
	uint64_t now = s->fabric->frames.now;
	if (hop == NULL) {
		stats->waiting = stats->returning = stats->highest = 0;
		stats->occupancy = 0;
		return;
	}
	if (now >= hop->stretch_ns) {
		hop->highest[1] = now - hop->stretch_ns < HIGHEST_S * 1000000000ull ? hop->highest[0] : 0;
		hop->highest[0] = 0;
		hop->stretch_ns = now + HIGHEST_S * 1000000000ull;
	}
	uint32_t waiting = ring_waiting(&hop->to),
		 most = s->fabric->wiring[s->fabric->epoch & 1]->hop[s->number].queue_max;
	uint32_t returning = cell_load(&hop->from.their_cell->position) - hop->from.mine;
	if (hop->highest[0] < waiting)
		hop->highest[0] = waiting;
	stats->waiting = waiting;
	stats->highest = hop->highest[0] > hop->highest[1] ? hop->highest[0] : hop->highest[1];
	stats->returning = returning <= hop->from.mask + 1 ? returning : 0;
	stats->occupancy = most > 0 ? (double)waiting / most : 0;
}
