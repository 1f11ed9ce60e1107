/* What a VNFC's process leaves behind when it ends: its last results, what it had, what it had not taken yet.
 *
 * A host publishes its results a burst at a time, but writes each into the packet's record as soon as it has it. So
 * packets with a verdict go on; those that it took and gave none are lost, the first of them being the one in which
 * it ended; those that still waited in its ring were never its own, and fare as packets do that come while it is down.
 */
#include <stdio.h>
#include <stdlib.h>
#include "hop_stage.h"

enum { SHOWN_BYTES = 64 };

/* Tell the keeper in which packet it ended: time, length and link type, and its first bytes in hex. */
static void tell(struct forwarder *fw, struct stage *s, uint32_t ref)
{
	const struct frames *f = &fw->fabric.frames;
	uint32_t data = f->record[ref].data, len = f->record[ref].len;
	char text[40 + 2 * SHOWN_BYTES];
	int n = snprintf(text, sizeof text, "%llu %u %u ", (unsigned long long)f->priv[ref].time_ns, len,
			 f->record[ref].link);
	if (data > f->frame_size || len > f->frame_size - data)
		return;
	for (uint32_t i = 0; i < len && i < SHOWN_BYTES; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, "%02x", frame_start(f, ref)[data + i]);
	control_say(fw, MESSAGE_LOST, s->number, s->generation, text);
}

/* The packets that it has, in the order in which they were put: the last place of each in the ring counts, since
 * frames come round again. Returns how many. */
static uint32_t in_order(struct stage *s, uint32_t *refs, uint32_t *at)
{
	const struct frames *f = &s->fabric->frames;
	const struct hop *hop = s->self;
	uint32_t n = 0, slots = hop->to.mask + 1;
	uint8_t *seen = calloc(f->count, 1);
	for (uint32_t i = 1; i <= slots && seen != NULL; i++) {
		uint32_t position = hop->to.mine - i,
			 ref = cell_load(&hop->to.slots[position & hop->to.mask]);
		if (ref >= f->count || f->owner[ref] != OWNER_HOP + hop->tag || seen[ref])
			continue;
		seen[ref] = 1;
		refs[n] = ref;
		at[n++] = position;
	}
	free(seen);
	return n;
}

static void never_taken(struct stage *s, uint32_t ref, unsigned lost_reason)
{
	struct frames *f = &s->fabric->frames;
	struct hop *hop = s->self;
	if (s->fabric->wiring[s->fabric->epoch & 1]->hop[s->number].on_failure == FAILURE_BYPASS) {
		hop->has--;
		f->priv[ref].put_ns = 0;
		f->owner[ref] = OWNER_ARRIVING + f->priv[ref].port;
		hop_pass_by(s, &ref, 1);
	} else { /* one that hangs has let them wait */
		frame_drop(f, ref, PLACE_HOP + s->number,
			   lost_reason == REASON_hung ? lost_reason : REASON_down);
	}
}

void hop_salvage(struct forwarder *fw, struct stage *s, unsigned lost_reason)
{
	struct frames *f = &fw->fabric.frames;
	struct hop *hop = s->self;
	bool told = false;
	if (hop == NULL)
		return;
	while (s->ops->poll(s, SEG_HOST_BURST) > 0)
		;
	uint32_t slots = hop->to.mask + 1, taken = cell_load(&hop->header->to_vnfc_tail.position);
	uint32_t *refs = malloc(2 * slots * sizeof *refs);
	uint32_t n = refs != NULL ? in_order(s, refs, refs + slots) : 0;
	if (hop->to.mine - taken > slots) /* it lied: then it had everything */
		taken = hop->to.mine;
	while (n-- > 0) {
		uint32_t ref = refs[n], position = refs[slots + n];
		if ((int32_t)(position - taken) >= 0) {
			never_taken(s, ref, lost_reason);
			continue;
		}
		if (f->record[ref].verdict == VERDICT_NONE) {
			if (!told)
				tell(fw, s, ref);
			told = true;
			continue;
		}
		uint16_t target = hop_take_back(s, ref);
		if (target != STAGE_IDS)
			stage_hand(s->fabric, target, &ref, 1);
	}
	free(refs);
}
