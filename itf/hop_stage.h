/* A hop's own memory, for hop.c and for what takes up the rest of a process that ended (salvage.c). */
#ifndef ITF_HOP_STAGE_H
#define ITF_HOP_STAGE_H
#include "forwarder.h"

struct hop {
	struct hop_header *header;
	size_t size;
	int bell; /* eventfd: in the forwarder's epoll set, never read */
	struct ring_end to, from, spare;
	uint32_t has;	    /* packets of ours that it has */
	uint16_t tag;	    /* what OWNER_HOP and OWNER_SPARE are added to for its frames: see swap.c */
	struct hop *before; /* its predecessor, while that has packets which came before ours */
	uint64_t before_until;
	uint32_t spares_wanted;
	uint32_t seen_tail; /* of its end of `to`, to tell whether it moves */
	uint64_t moved_at;
	uint32_t due;	     /* packets until the next one is timed */
	uint32_t highest[2]; /* the most that waited: in this stretch of HIGHEST_S, in the one before */
	uint64_t stretch_ns; /* when this one ends */
};

/* Take a frame back and say where its packet goes: a stage id, or STAGE_IDS if it ends here (and is counted). */
uint16_t hop_take_back(struct stage *s, uint32_t ref);

/* hop_figures.c: ask the host when it takes one in `sample` of these packets, and when it is done with it; one of those is
 * back. */
void hop_time(struct stage *s, const uint32_t *refs, unsigned n);
void hop_note_times(struct stage *s, uint32_t ref);
void hop_time_watched(struct stage *s, const uint32_t *refs, unsigned n);

/* on_failure: bypass. Packets that it does not have go on as if it had forwarded them. */
void hop_pass_by(struct stage *s, const uint32_t *refs, unsigned n);
#endif
