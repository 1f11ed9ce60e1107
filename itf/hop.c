/* A hop: the stage that stands for one VNFC process.
 *
 * What comes back over the ring is believed only as far as owners[] confirms it. Every field of a shared
 * record is read once and checked before it is used, since the VNFC may write to it at any time.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "hop_stage.h"
#include "segment_head.h"

enum { SPARES_FIRST = 64, SPARES_BUSY = 512 }; /* must stay within segment.py's SPARES */
enum { PREFETCH = 4 };

static const struct hop_wiring *wired(const struct stage *s)
{
	return &s->fabric->wiring[s->fabric->epoch & 1]->hop[s->number];
}

/* Let the VNFC have frames to make packets in. */
static void refill(struct stage *s)
{
	struct hop *hop = s->self;
	uint32_t waiting = ring_waiting(&hop->spare), refs[SPARES_BUSY];
	if (waiting >= hop->spares_wanted / 2 + 1)
		return;
	uint32_t n =
		frames_take(&s->fabric->frames, refs, hop->spares_wanted - waiting, OWNER_SPARE + hop->tag);
	ring_put(&hop->spare, refs, n);
	ring_publish(&hop->spare);
	hop->spares_wanted = SPARES_BUSY; /* it uses them: have more ready from now on */
}

static int hop_open(struct stage *s, const int *fds, unsigned count, char *why, size_t why_size)
{
	struct frames *f = &s->fabric->frames;
	struct stat status;
	if (count != 2 || fstat(fds[0], &status) < 0 || (size_t)status.st_size < sizeof(struct hop_header)) {
		snprintf(why, why_size, "a hop needs its object and its eventfd");
		return -1;
	}
	struct hop_header *h = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	if (h == MAP_FAILED) {
		snprintf(why, why_size, "cannot map the hop object: %s", strerror(errno));
		return -1;
	}
	uint32_t slots = h->ring_slots;
	uint64_t size = (uint64_t)status.st_size, bytes = 4ull * slots;
	bool known = segment_is_known(&h->magic, why, why_size);
	if (!known || slots < 2 || (slots & (slots - 1)) || bytes > size || h->to_vnfc > size - bytes ||
	    h->from_vnfc > size - bytes || h->spare > size - bytes) {
		if (known)
			snprintf(why, why_size, "the sizes in the hop's header do not fit its object");
		munmap(h, status.st_size);
		return -1;
	}
	struct hop *hop = calloc(1, sizeof *hop);
	if (hop == NULL) {
		snprintf(why, why_size, "out of memory");
		munmap(h, status.st_size);
		return -1;
	}
	uint8_t *base = (uint8_t *)h;
	hop->header = h;
	hop->size = status.st_size;
	hop->bell = fds[1];
	close(fds[0]);
	ring_open(&hop->to, (uint32_t *)(base + h->to_vnfc), slots, &h->to_vnfc_head, &h->to_vnfc_tail);
	if (h->to_vnfc_head.filled - hop->to.mine <= slots) {
		/* a forwarder before us was about to publish it: those packets would stay with the hop for ever */
		hop->to.mine = h->to_vnfc_head.filled;
		ring_publish(&hop->to);
		bell_wake(&h->host_asleep);
	}
	ring_open(&hop->from, (uint32_t *)(base + h->from_vnfc), slots, &h->from_vnfc_tail,
		  &h->from_vnfc_head);
	ring_open(&hop->spare, (uint32_t *)(base + h->spare), slots, &h->spare_head, &h->spare_tail);
	for (uint32_t i = 0; i < f->count; i++) /* not zero only after a forwarder's restart */
		hop->has += f->owner[i] == OWNER_HOP + s->number;
	hop->tag = s->number;
	hop->spares_wanted = SPARES_FIRST;
	hop->moved_at = f->now;
	s->self = hop;
	s->in = &f->stats[PLACE_HOP + s->number];
	refill(s);
	hop->spares_wanted = SPARES_FIRST; /* until it uses some */
	return 0;
}

static void count_way(struct stage *s, uint16_t output, uint32_t len)
{
	struct way_stats *way =
		&s->fabric->frames.hops[s->number].way[output < SEG_OUTPUTS ? output : SEG_OUTPUTS];
	way->packets++;
	way->bytes += len;
}

void hop_pass_by(struct stage *s, const uint32_t *refs, unsigned n)
{
	s->in->forwarded += n;
	for (unsigned i = 0; i < n; i++)
		count_way(s, 0, s->fabric->frames.record[refs[i]].len);
	for (unsigned i = 0; i < n && TRACED(&s->fabric->frames); i++)
		trace_verdict(&s->fabric->frames, refs[i], PLACE_HOP + s->number, VERDICT_NONE, 0);
	for (unsigned i = 0; i < n; i++)
		stage_hand(s->fabric,
			   packet_wiring(s->fabric, refs[i])
				   ->next[s->fabric->frames.priv[refs[i]].graph][s->number][0],
			   &refs[i], 1);
}

static void hop_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct frames *f = &s->fabric->frames;
	struct hop *hop = s->self;
	const struct hop_wiring *w = wired(s);
	s->in->received += n;
	sizes_add(&s->in->bursts, n);
	if (hop == NULL || w->state != HOP_UP) {
		if (w->on_failure == FAILURE_BYPASS)
			hop_pass_by(s, refs, n);
		else
			frames_drop(f, refs, n, PLACE_HOP + s->number, REASON_down);
		return;
	}
	uint32_t waiting = ring_waiting(&hop->to);
	uint32_t queue = waiting < w->queue_max ? w->queue_max - waiting : 0;
	uint32_t quota = hop->has < w->quota ? w->quota - hop->has : 0;
	uint32_t room = ring_room(&hop->to, n);
	if (quota > room)
		quota = room;
	unsigned take = n;
	if (take > queue || take > quota) {
		take = queue < quota ? queue : quota;
		frames_drop(f, refs + take, n - take, PLACE_HOP + s->number,
			    queue < quota ? REASON_full : REASON_quota);
	}
	uint64_t bytes = 0;
	for (unsigned i = 0; i < take; i++) {
		struct frame_record *r = &f->record[refs[i]];
		f->owner[refs[i]] = OWNER_HOP + hop->tag;
		r->verdict = VERDICT_NONE;
		r->graph = f->priv[refs[i]].graph;
		r->taken = 0;
		if (s->fabric->capture)
			r->time_ns = f->priv[refs[i]].time_ns;
		bytes += r->len;
	}
	if (w->aware)
		taps_show(s->fabric, refs, take);
	s->in->bytes_in += bytes;
	hop->has += take;
	if (hop->highest[0] < waiting + take)
		hop->highest[0] = waiting + take;
	if (TRACED(f) && f->watching->shown)
		hop_time_watched(s, refs, take);
	if (s->fabric->sample > 0)
		hop_time(s, refs, take);
	ring_put(&hop->to, refs, take);
	hop->header->to_vnfc_head.filled = hop->to.mine;
}

/* Packets that it has and does not hold. */
static uint32_t works_on(const struct hop *hop)
{
	uint32_t kept = cell_load(&hop->header->held) - cell_load(&hop->header->lent);
	return hop->has > kept ? hop->has - kept : 0;
}

/* Would packets overtake others that a predecessor has yet to give back? */
static bool must_wait(struct stage *s, struct hop *hop)
{
	if (hop->before == NULL)
		return false;
	if (works_on(hop->before) > 0 && s->fabric->frames.now < hop->before_until)
		return true;
	hop->before = NULL;
	return false;
}

static void hop_flush(struct stage *s)
{
	struct hop *hop = s->self;
	if (hop == NULL || must_wait(s, hop))
		return;
	ring_publish(&hop->to);
	if (s->fabric->pressed && ring_waiting(&hop->to) < SEG_HOST_BURST) {
		s->touched = true; /* on a shared core, waking it now would make its burst a short one */
		return;
	}
	if (bell_wake(&hop->header->host_asleep)) {
		s->in->wakeups++;
		s->fabric->woke = true;
	}
}

/* A packet that the VNFC made: what graph it follows, or false if it has none. */
static bool adopt(struct stage *s, uint32_t ref, const struct frame_record *r)
{
	struct fabric *fabric = s->fabric;
	const struct wiring *w = fabric->wiring[fabric->epoch & 1];
	struct frame_private *priv = &fabric->frames.priv[ref];
	uint8_t port = r->port < SEG_PORTS ? r->port : 0, graph = r->graph;
	if (!(r->flags & FRAME_CLONED) || graph >= w->graphs || w->next[graph][s->number][0] == STAGE_NONE)
		graph = w->emit_graph[s->number][port];
	*priv = (struct frame_private){ .time_ns = fabric->frames.now,
					.epoch = (uint16_t)fabric->epoch,
					.graph = graph,
					.port = port,
					.link = r->link <= LINK_OTHER ? r->link : LINK_OTHER };
	uint32_t from = __atomic_load_n(&fabric->frames.record[ref].cloned_from, __ATOMIC_RELAXED) - 1;
	if ((r->flags & FRAME_CLONED) && from < fabric->frames.count &&
	    fabric->frames.owner[from] == OWNER_HOP + ((struct hop *)s->self)->tag) {
		priv->withheld = fabric->frames.priv[from].withheld;
		taps_clone(fabric, ref, from);
	}
	return graph < w->graphs;
}

/* Where a packet goes that the VNFC wants forwarded; STAGE_IDS if that cannot be. */
static uint16_t target_of(struct stage *s, uint32_t ref, uint16_t output)
{
	const struct wiring *w = packet_wiring(s->fabric, ref);
	const struct frame_private *priv = &s->fabric->frames.priv[ref];
	if (output == OUTPUT_BACK)
		return STAGE_PORT + priv->port;
	if (output >= SEG_OUTPUTS || output >= w->hop[s->number].outputs)
		return STAGE_IDS;
	return w->next[priv->graph][s->number][output];
}

/* A drop reason that a host may give: its own declared ones, and those that the host itself sets. */
static unsigned drop_reason(const struct hop *hop, uint16_t reason)
{
	if (reason == REASON_no_verdict || reason == REASON_exception || reason == REASON_hold_full ||
	    reason == REASON_bad_verdict)
		return reason;
	return reason >= REASON_DECLARED && reason < REASONS &&
			       reason - REASON_DECLARED < (int)hop->header->reasons
		       ? reason
		       : REASON_bad_verdict;
}

/* Capture mode: a packet goes on at the time when the VNFC let it go, by the VNFC's own clock: ours may be
 * ahead, by as much as was read in the meantime. */
static void stamp(struct stage *s, uint32_t ref, bool made)
{
	struct frames *f = &s->fabric->frames;
	uint64_t let_go = f->record[ref].time_ns, came = made ? 0 : f->priv[ref].time_ns;
	if (let_go > f->now)
		let_go = f->now;
	f->priv[ref].time_ns = let_go < came ? came : let_go;
}

uint16_t hop_take_back(struct stage *s, uint32_t ref)
{
	struct frames *f = &s->fabric->frames;
	struct hop *hop = s->self;
	struct place_stats *stats = s->in;
	uint32_t place = PLACE_HOP + s->number;
	bool made = false;
	if (ref >= f->count || f->owner[ref] != OWNER_HOP + hop->tag) {
		if (ref >= f->count || f->owner[ref] != OWNER_SPARE + hop->tag) {
			stats->bogus++;
			return STAGE_IDS;
		}
		made = true;
	} else {
		hop->has--;
		if (__builtin_expect(f->priv[ref].put_ns != 0, 0))
			hop_note_times(s, ref);
	}
	struct frame_record r;
	memcpy(&r, &f->record[ref], offsetof(struct frame_record, mark)); /* read once, then checked */
	if (made) {
		if (r.flags & FRAME_CLONED)
			stats->cloned++;
		else if (r.flags & FRAME_ORIGINATED)
			stats->originated++;
		else { /* written off at a stop while the VNFC had it */
			frame_free(f, ref);
			return STAGE_IDS;
		}
		bool has_way = adopt(s, ref, &r);
		if (TRACED(f))
			trace_number(f, ref, TRACE_MADE, place, r.flags & FRAME_CLONED);
		if (!has_way) {
			frame_drop(f, ref, place, REASON_bad_verdict);
			return STAGE_IDS;
		}
	}
	if (s->fabric->capture)
		stamp(s, ref, made);
	switch (r.verdict & ~VERDICT_FLOW) {
	case VERDICT_FORWARD: {
		uint16_t target = target_of(s, ref, r.arg);
		if (target == STAGE_IDS || r.len == 0 || r.data > f->frame_size ||
		    r.len > f->frame_size - r.data) {
			frame_drop(f, ref, place, REASON_bad_verdict);
			return STAGE_IDS;
		}
		if (TRACED(f))
			trace_verdict(f, ref, place, VERDICT_FORWARD, r.arg);
		f->owner[ref] = OWNER_ARRIVING + f->priv[ref].port;
		stats->forwarded++;
		stats->bytes_out += r.len;
		count_way(s, r.arg, r.len);
		return target;
	}
	case VERDICT_DROP:
		frame_drop(f, ref, place, drop_reason(hop, r.arg));
		return STAGE_IDS;
	case VERDICT_CONSUME:
		if (TRACED(f))
			trace_verdict(f, ref, place, VERDICT_CONSUME, 0);
		stats->consumed++;
		frame_free(f, ref);
		return STAGE_IDS;
	case VERDICT_NONE:
		frame_drop(f, ref, place, REASON_no_verdict);
		return STAGE_IDS;
	default:
		frame_drop(f, ref, place, REASON_bad_verdict);
		return STAGE_IDS;
	}
}

static unsigned hop_poll(struct stage *s, unsigned budget)
{
	struct frames *f = &s->fabric->frames;
	struct hop *hop = s->self;
	uint32_t refs[SEG_HOST_BURST], burst[SEG_BURST];
	unsigned burst_n = 0;
	uint16_t target = STAGE_IDS;
	if (hop == NULL)
		return 0;
	unsigned n = ring_take(&hop->from, refs, budget < SEG_HOST_BURST ? budget : SEG_HOST_BURST);
	if (n == 0)
		return 0;
	bool aware = wired(s)->aware;
	for (unsigned i = 0; i < n; i++) {
		if (i + PREFETCH < n && refs[i + PREFETCH] < f->count) {
			__builtin_prefetch(&f->record[refs[i + PREFETCH]]);
			__builtin_prefetch(&f->priv[refs[i + PREFETCH]]);
		}
		uint16_t to = hop_take_back(s, refs[i]);
		if (to == STAGE_IDS || (aware && !taps_read_back(s->fabric, refs[i])))
			continue;
		if (burst_n == SEG_BURST || (burst_n > 0 && to != target)) {
			stage_hand(s->fabric, target, burst, burst_n);
			burst_n = 0;
		}
		target = to;
		burst[burst_n++] = refs[i];
	}
	ring_publish(&hop->from);
	if (burst_n > 0)
		stage_hand(s->fabric, target, burst, burst_n);
	refill(s);
	return n;
}

static int hop_arm(struct stage *s, bool *ready)
{
	struct hop *hop = s->self;
	if (hop == NULL)
		return -1;
	bell_arm(&hop->header->forwarder_asleep);
	if (!ring_empty(&hop->from))
		*ready = true;
	return hop->bell;
}

static void hop_disarm(struct stage *s)
{
	struct hop *hop = s->self;
	if (hop != NULL)
		bell_disarm(&hop->header->forwarder_asleep);
}

static uint64_t hop_deadline(struct stage *s)
{
	struct hop *hop = s->self;
	return hop == NULL ? UINT64_MAX : cell_load64(&hop->header->deadline);
}

static void hop_close(struct stage *s)
{
	struct hop *hop = s->self;
	if (hop == NULL)
		return;
	close(hop->bell); /* leaves the epoll sets only with the keeper's copy: control.c removes it first */
	munmap(hop->header, hop->size);
	free(hop);
	s->self = NULL;
}

/* Does this hop have a full burst waiting, and is it working on it? Then its ports had better wait. */
bool hop_congested(struct stage *s)
{
	struct hop *hop = s->self;
	if (hop == NULL)
		return false;
	uint32_t waiting = ring_waiting(&hop->to);
	if (hop->to.theirs != hop->seen_tail) {
		hop->seen_tail = hop->to.theirs;
		hop->moved_at = s->fabric->frames.now;
	}
	/* capture mode: few at a time, so that a VNFC that makes packets never runs out of frames for them */
	if (waiting < (s->fabric->capture ? SEG_BURST : SEG_HOST_BURST)) {
		if (waiting == 0)
			hop->moved_at = s->fabric->frames.now;
		return false;
	}
	return s->fabric->capture || s->fabric->frames.now - hop->moved_at < STALL_NS;
}

/* Capture mode: has the host done all there is to do up to its clock? */
bool hop_quiet(struct stage *s)
{
	struct hop *hop = s->self;
	if (hop == NULL)
		return true;
	return __atomic_load_n(&hop->header->host_asleep, __ATOMIC_SEQ_CST) && ring_waiting(&hop->to) == 0 &&
	       ring_empty(&hop->from) && cell_load64(&hop->header->clock_seen) >= hop->header->clock;
}

/* Capture mode: has the VNFC still to do something once, at a time that it set? */
bool hop_owes(struct stage *s)
{
	struct hop *hop = s->self;
	return hop != NULL && cell_load(&hop->header->once) > 0;
}

/* Capture mode: move the hop's clock and let it run what is due. */
uint64_t hop_advance(struct stage *s, uint64_t clock, bool leap)
{
	struct hop *hop = s->self;
	if (hop == NULL || clock <= hop->header->clock)
		return 0;
	if (leap)
		cell_store64(&hop->header->leap, clock);
	cell_store64(&hop->header->clock, clock);
	bell_wake(&hop->header->host_asleep);
	return clock;
}

/* Count whatever the VNFC (its frames have this tag) had as dropped for this reason. A process that is alive may yet
 * write to its frames, so those stay with it until it gives them back; a dead one's return to the pool. */
void hop_forget(struct stage *s, unsigned tag, unsigned reason, bool alive)
{
	struct frames *f = &s->fabric->frames;
	struct hop *hop = s->self;
	for (uint32_t i = 0; i < f->count; i++) {
		if (f->owner[i] == OWNER_HOP + tag) {
			f->stats[PLACE_HOP + s->number].dropped[reason]++;
			if (TRACED(f))
				trace_dropped(f, i, PLACE_HOP + s->number, reason);
			f->record[i].flags &= ~(FRAME_ORIGINATED | FRAME_CLONED);
			if (alive)
				f->owner[i] = (uint16_t)(OWNER_SPARE + tag);
			else
				frame_free(f, i);
		} else if (f->owner[i] == OWNER_SPARE + tag && !alive) {
			frame_free(f, i);
		}
	}
	if (hop != NULL && tag == s->number)
		hop->has = 0;
}

/* Its frames are now those of a predecessor: what it has it finishes, nothing more comes to it. */
void hop_retire(struct stage *s)
{
	struct frames *f = &s->fabric->frames;
	struct hop *hop = s->self;
	hop->tag = (uint16_t)(s->number + HOP_PREVIOUS);
	for (uint32_t i = 0; i < f->count; i++)
		if (f->owner[i] == OWNER_HOP + s->number || f->owner[i] == OWNER_SPARE + s->number)
			f->owner[i] += HOP_PREVIOUS;
}

/* Packets wait for those that came before them and are with the predecessor, but for those that it holds. */
void hop_follow(struct stage *s, struct stage *before)
{
	struct hop *hop = s->self;
	hop->before = before != NULL ? before->self : NULL;
	hop->before_until = s->fabric->frames.now + STALL_NS;
	if (before == NULL)
		hop_flush(s);
}

/* Packets that it has. */
uint32_t hop_has(struct stage *s)
{
	struct hop *hop = s->self;
	return hop != NULL ? hop->has : 0;
}

uint32_t hop_works_on(struct stage *s)
{
	struct hop *hop = s->self;
	return hop != NULL ? works_on(hop) : 0;
}

const struct stage_ops hop_stage = {
	.name = "hop",
	.open = hop_open,
	.poll = hop_poll,
	.take = hop_take,
	.flush = hop_flush,
	.arm = hop_arm,
	.disarm = hop_disarm,
	.deadline = hop_deadline,
	.close = hop_close,
};
