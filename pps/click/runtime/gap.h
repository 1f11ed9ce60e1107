/* A rate as even gaps: by each moment of a second, so many may have passed in it. */
#ifndef CLICK_GAP_H
#define CLICK_GAP_H
#include "click.h"

struct click_gap {
	uint32_t rate; /* a second */
	bool begun;
	uint64_t second;
	int64_t count; /* that passed in this second; what was too much in the one before is counted in */
};

static inline int64_t click_gap_due(const struct click_gap *gap, uint64_t into_second)
{
	return (int64_t)(into_second / 1000 * gap->rate / 1000000);
}

static inline bool click_gap_open(struct click_gap *gap)
{
	uint64_t now = vnfc_wall(), second = now / VNFC_SECOND, into = now % VNFC_SECOND;
	int64_t due = click_gap_due(gap, into);
	if (!gap->rate)
		return false;
	if (!gap->begun) {
		uint64_t gap_ns = VNFC_SECOND / gap->rate;
		gap->begun = true;
		gap->second = second;
		/* in the second half of a gap the packet of its end is near enough */
		gap->count = due + (into - (uint64_t)due * gap_ns > gap_ns / 2);
	} else if (second > gap->second) {
		gap->second = second;
		if (gap->count > 0)
			gap->count -= gap->rate;
	}
	return due >= gap->count;
}

/* When it opens again, as vnfc_now() counts. */
static inline uint64_t click_gap_when(const struct click_gap *gap)
{
	uint64_t whole = gap->count < 0 ? 0 : (uint64_t)gap->count;
	uint64_t into = (whole % gap->rate * 1000000 + gap->rate - 1) / gap->rate * 1000;
	uint64_t wall = (gap->second + whole / gap->rate) * VNFC_SECOND + into;
	uint64_t now = vnfc_wall();
	return vnfc_now() + (wall > now ? wall - now : 1000);
}

static inline void click_gap_rate(struct click_gap *gap, uint32_t rate)
{
	gap->rate = rate;
	if (gap->begun && rate)
		gap->count = click_gap_due(gap, vnfc_wall() % VNFC_SECOND);
}
#endif
