/* Publishing: the live figures, completed by what the owners say is in flight, become readable in one piece. */
#include <string.h>
#include "forwarder.h"

/* Where a packet with this owner is in flight, or PLACES if the frame holds none. */
static unsigned place_of(uint16_t owner)
{
	unsigned number = owner & 0xff;
	switch (owner & 0xff00) {
	case OWNER_ARRIVING:
		return number < SEG_PORTS ? PLACE_ARRIVING + number : PLACES;
	case OWNER_LEAVING:
		return number < SEG_PORTS ? PLACE_LEAVING + number : PLACES;
	case OWNER_HOP:
		return number < SEG_HOPS + HOP_PREVIOUS ? PLACE_HOP + number % SEG_HOPS : PLACES;
	default:
		return PLACES;
	}
}

/* Count what is in flight from the owner records, by place; returns the sum. */
unsigned account_in_flight(struct forwarder *fw)
{
	struct frames *f = &fw->fabric.frames;
	unsigned count[PLACES + 1] = { 0 }, sum = 0;
	for (uint32_t i = 0; i < f->count; i += 4) { /* most are free: look at four at once */
		uint64_t four;
		memcpy(&four, &f->owner[i], sizeof four);
		if (four == 0)
			continue;
		for (unsigned j = 0; j < 4; j++)
			count[place_of(f->owner[i + j])]++;
	}
	for (unsigned p = 0; p < PLACES; p++) {
		f->stats[p].in_flight = count[p];
		sum += count[p];
	}
	return sum;
}

static bool place_used(const struct forwarder *fw, unsigned place)
{
	if (place < PLACE_HOP)
		return fw->ports[place % SEG_PORTS].in != NULL;
	if (place < PLACE_CLASSIFIER)
		return fw->hops[place - PLACE_HOP].in != NULL;
	return true;
}

/* A packet at a hop follows the wiring in force from now on. False: it has no way there, as at a hop that goes. */
static bool move_over(struct forwarder *fw, uint32_t ref)
{
	struct frame_private *priv = &fw->fabric.frames.priv[ref];
	const struct wiring *w = fw->fabric.wiring[fw->fabric.epoch & 1];
	unsigned hop = fw->fabric.frames.owner[ref] & (SEG_HOPS - 1);
	uint8_t graph = priv->graph < SEG_GRAPHS ? w->graph_was[priv->graph] : UINT8_MAX;
	if (graph >= w->graphs || w->next[graph][hop][0] == STAGE_NONE)
		graph = w->emit_graph[hop][priv->port]; /* as if the VNFC had made it */
	if (graph >= w->graphs)
		return false;
	priv->graph = fw->fabric.frames.record[ref].graph = graph;
	priv->epoch = (uint16_t)fw->fabric.epoch;
	return true;
}

/* Packets follow the wiring they came in under. One that a VNFC holds for long would keep a slot from being
 * written again, so after a while what is left is moved over. */
static void account_epochs(struct forwarder *fw)
{
	struct frames *f = &fw->fabric.frames;
	struct forwarder_header *h = fw->fabric.header;
	bool late = f->now - fw->switched_at > 100000000, old = false;
	if (h->oldest_epoch == fw->fabric.epoch)
		return;
	for (uint32_t i = 0; i < f->count; i++) {
		if ((f->owner[i] & 0xff00) != OWNER_HOP || f->priv[i].epoch == (uint16_t)fw->fabric.epoch)
			continue;
		if (!late || !move_over(fw, i))
			old = true;
	}
	if (!old)
		cell_store(&h->oldest_epoch, fw->fabric.epoch);
}

/* Packets whose fate is not known: law 1 over the whole VNF, 0 unless there is a fault. */
static int64_t unaccounted(const struct place_stats *stats)
{
	uint64_t came = 0, went = 0;
	for (unsigned p = 0; p < PLACES; p++) {
		const struct place_stats *s = &stats[p];
		came += s->originated + s->cloned + (p < PLACE_LEAVING ? s->received : 0);
		went += s->consumed + s->in_flight + (p >= PLACE_LEAVING && p < PLACE_HOP ? s->forwarded : 0);
		for (unsigned r = 0; r < REASONS; r++)
			went += s->dropped[r];
	}
	return (int64_t)(came - went);
}

static void publish_times(struct times *to, const struct times *from)
{
	if (to->count != from->count)
		memcpy(to, from, sizeof *to);
}

static void publish_hop(struct hop_stats *to, const struct hop_stats *from)
{
	memcpy(to, from, offsetof(struct hop_stats, ring));
	publish_times(&to->ring, &from->ring);
	publish_times(&to->vnfc, &from->vnfc);
}

void account_publish(struct forwarder *fw)
{
	struct forwarder_header *h = fw->fabric.header;
	struct statistics *to = fw->published, *live = &h->live;
	account_in_flight(fw);
	for (unsigned n = 0; n < SEG_HOPS; n++)
		if (fw->hops[n].in != NULL)
			hop_account(&fw->hops[n]);
	uint32_t sequence = to->sequence | 1; /* odd already if a forwarder died in here */
	__atomic_store_n(&to->sequence, sequence, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	to->time_ns = fw->fabric.frames.now;
	to->unaccounted = unaccounted(live->place);
	for (unsigned p = 0; p < PLACES; p++)
		if (place_used(fw, p))
			memcpy(&to->place[p], &live->place[p], sizeof live->place[p]);
	for (unsigned n = 0; n < SEG_HOPS; n++)
		if (fw->hops[n].in != NULL)
			publish_hop(&to->hop[n], &live->hop[n]);
	for (unsigned n = 0; n < SEG_PORTS; n++)
		publish_times(&to->chain[n], &live->chain[n]);
	cell_store(&to->sequence, sequence + 1);
	account_epochs(fw);
	if (__builtin_expect(fw->fabric.withheld, 0))
		inject_look(fw);
	fw->dirty = h->oldest_epoch != fw->fabric.epoch;
	fw->publish_at = fw->fabric.frames.now + 10000000;
}

/* After a forwarder died in the middle of a turn: what it had in its hands is gone, and some figures may have
 * been stored without their frame's new owner, or the other way round. Write the difference off, once. */
void account_write_off(struct forwarder *fw)
{
	struct frames *f = &fw->fabric.frames;
	struct place_stats *stats = f->stats;
	int64_t difference = 0;
	for (uint32_t i = 0; i < f->count; i++)
		if ((f->owner[i] & 0xff00) == OWNER_ARRIVING)
			f->owner[i] = OWNER_FREE;
	account_in_flight(fw);
	for (unsigned p = 0; p < PLACES; p++) {
		struct place_stats *s = &stats[p];
		bool arriving = p < PLACE_LEAVING, leaving = p >= PLACE_LEAVING && p < PLACE_HOP;
		uint64_t drops = 0;
		for (unsigned r = 0; r < REASONS; r++)
			drops += s->dropped[r];
		difference +=
			(int64_t)(s->originated + s->cloned) - (int64_t)(s->consumed + drops + s->in_flight);
		if (arriving)
			difference += (int64_t)s->received;
		if (leaving)
			difference -= (int64_t)s->forwarded;
		/* each place's own equation: what it took in and has neither kept nor ended, it handed on */
		uint64_t in = s->received + s->originated + s->cloned,
			 out = s->consumed + drops + s->in_flight;
		if (leaving)
			s->received = s->forwarded + out;
		else
			s->forwarded = in > out ? in - out : 0;
	}
	struct place_stats *first = &stats[PLACE_ARRIVING];
	if (difference < 0) {
		first->received += (uint64_t)-difference;
		first->forwarded += (uint64_t)-difference;
	}
	/* lost between two places: of those that handed something on, ports first, since more is in their hands */
	for (unsigned p = 0; p < PLACES && difference > 0; p++) {
		struct place_stats *s = &stats[p];
		if (p >= PLACE_LEAVING && p < PLACE_HOP)
			continue;
		uint64_t lost = s->forwarded < (uint64_t)difference ? s->forwarded : (uint64_t)difference;
		s->dropped[REASON_forwarder_lost] += lost;
		s->forwarded -= lost;
		difference -= (int64_t)lost;
	}
	fw->fabric.header->estimated = 1;
}

/* Build the stack of free frames from the owners; `again`: another forwarder worked on this segment before. */
void account_start(struct forwarder *fw, bool again)
{
	struct frames *f = &fw->fabric.frames;
	if (again)
		account_write_off(fw);
	f->spares = 0;
	for (uint32_t i = f->count; i-- > 0;)
		if (f->owner[i] == OWNER_FREE)
			f->spare[f->spares++] = i;
}
