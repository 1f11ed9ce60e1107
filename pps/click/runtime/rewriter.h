/* What IP rewriters remember: flows, both directions of each in a map, and when they expire, in two heaps (flows
 * that are guaranteed their place, and those that are not). Addresses and ports are in network order. */
#ifndef CLICK_REWRITER_H
#define CLICK_REWRITER_H
#include "addresses.h"
#include "ip.h"

enum { RW_BUCKETS = 4096, RW_TCP = 0, RW_UDP = 1 /* maps; all but IPRewriter have only the first */ };

struct rw_id { /* 12 bytes without padding: compared and hashed as bytes */
	uint32_t src, dst;
	uint16_t sport, dport;
};

enum rw_kind { RW_DROP, RW_PASS, RW_KEEP, RW_PATTERN };

struct rw_pattern {
	struct rw_id id;    /* zero: stays as it is */
	uint32_t top, next; /* variations beyond the first; the next one in sequence */
	bool ports;	    /* written with ports: the source port varies, otherwise the source address */
	bool sequential, same_first;
};

struct rw_input {
	enum rw_kind kind;
	int32_t forward, reply; /* outputs */
	struct rw_pattern pattern;
	uint32_t count, failures;
};

struct rewriter;

struct rw_flow {
	struct rw_id id[2];	 /* of packets forward, and of replies as they arrive */
	struct rw_flow *same[2]; /* in the same bucket: NULL ends it; see rw__entry */
	uint8_t same_entry[2];
	struct rw_flow *older, *newer;
	struct rewriter *owner;
	uint64_t expiry; /* ns */
	uint32_t place;	 /* in its heap */
	int32_t output[2];
	uint16_t ip_delta, l4_delta; /* what changes in checksums */
	uint8_t proto, state, anno, map, input;
	bool guaranteed;
};

struct rw_map {
	struct {
		struct rw_flow *flow;
		uint8_t entry;
	} bucket[RW_BUCKETS];
};

struct rw_heap {
	struct rw_flow **flow;
	uint32_t n, room;
};

/* Shared by rewriters that name each other as CAPACITY. */
struct rw_flows {
	struct rw_heap heap[2]; /* best effort, guaranteed */
	int32_t capacity;
};

struct rewriter {
	struct rw_map map[2];
	struct rw_flows own, *flows;
	struct rw_flow *oldest, *newest;
	struct rw_input *input;
	uint32_t inputs;
	int32_t outputs;
	uint64_t reap_ns;
	uint64_t (*timeout)(const struct rw_flow *f); /* of a flow without guarantee */
	uint64_t guarantee[2];			      /* by map; 0: none */
	struct click_timer timer;
};

/* ---- maps -------------------------------------------------------------------------------------------------- */

static inline uint32_t rw__hash(const struct rw_id *id)
{
	uint64_t h = ((uint64_t)id->src << 32 | id->dst) * 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 29 ^ ((uint32_t)id->sport << 16 | id->dport)) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h >> 40) & (RW_BUCKETS - 1);
}

/* The flow with a direction of that id, *direction says which. */
static inline struct rw_flow *rw_find(const struct rw_map *map, const struct rw_id *id, unsigned *direction)
{
	uint32_t b = rw__hash(id);
	unsigned entry = map->bucket[b].entry;
	for (struct rw_flow *f = map->bucket[b].flow; f;) {
		if (memcmp(&f->id[entry], id, sizeof(*id)) == 0) {
			*direction = entry;
			return f;
		}
		unsigned next = f->same_entry[entry];
		f = f->same[entry];
		entry = next;
	}
	return NULL;
}

static inline void rw__put(struct rw_map *map, struct rw_flow *f, unsigned entry)
{
	uint32_t b = rw__hash(&f->id[entry]);
	f->same[entry] = map->bucket[b].flow;
	f->same_entry[entry] = map->bucket[b].entry;
	map->bucket[b].flow = f;
	map->bucket[b].entry = (uint8_t)entry;
}

/* Take a direction of f out, if it is in. */
static inline void rw__take(struct rw_map *map, struct rw_flow *f, unsigned entry)
{
	uint32_t b = rw__hash(&f->id[entry]);
	struct rw_flow **flow = &map->bucket[b].flow;
	uint8_t *which = &map->bucket[b].entry;
	while (*flow && (*flow != f || *which != entry)) {
		struct rw_flow *at = *flow;
		unsigned side = *which;
		flow = &at->same[side];
		which = &at->same_entry[side];
	}
	if (!*flow)
		return;
	*which = f->same_entry[entry];
	*flow = f->same[entry];
}

/* ---- heaps: the flow that expires first on top ------------------------------------------------------------- */

static inline void rw__settle(struct rw_heap *h, uint32_t at, struct rw_flow *f)
{
	for (; at > 0 && h->flow[(at - 1) / 2]->expiry > f->expiry; at = (at - 1) / 2) {
		h->flow[at] = h->flow[(at - 1) / 2];
		h->flow[at]->place = at;
	}
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child + 1 < h->n && h->flow[child + 1]->expiry < h->flow[child]->expiry)
			child++;
		if (child >= h->n || h->flow[child]->expiry >= f->expiry)
			break;
		h->flow[at] = h->flow[child];
		h->flow[at]->place = at;
		at = child;
	}
	h->flow[at] = f;
	f->place = at;
}

static inline bool rw__push(struct rw_heap *h, struct rw_flow *f)
{
	if (h->n == h->room) {
		uint32_t room = h->room ? h->room * 2 : 256;
		struct rw_flow **more = (struct rw_flow **)realloc(h->flow, room * sizeof(*more));
		if (!more)
			return false;
		h->flow = more;
		h->room = room;
	}
	rw__settle(h, h->n++, f);
	return true;
}

static inline void rw__pop(struct rw_heap *h, struct rw_flow *f)
{
	struct rw_flow *last = h->flow[--h->n];
	if (last != f)
		rw__settle(h, f->place, last);
}

/* ---- flows ------------------------------------------------------------------------------------------------- */

static inline struct rw_id rw_reverse(struct rw_id id)
{
	return (struct rw_id){ id.dst, id.src, id.dport, id.sport };
}

static inline void rw_forget(struct rw_flow *f)
{
	struct rewriter *rw = f->owner;
	rw__pop(&rw->flows->heap[f->guaranteed], f);
	rw->input[f->input].count--;
	rw__take(&rw->map[f->map], f, 0);
	rw__take(&rw->map[f->map], f, 1);
	*(f->older ? &f->older->newer : &rw->oldest) = f->newer;
	*(f->newer ? &f->newer->older : &rw->newest) = f->older;
	free(f);
}

static inline uint64_t rw__best_effort(const struct rw_flow *f)
{
	return f->expiry + f->owner->timeout(f) - f->owner->guarantee[f->map];
}

/* Flows whose guarantee has ended take their place among the others. */
static inline void rw__shift(struct rw_flows *flows, uint64_t now)
{
	struct rw_heap *sure = &flows->heap[1];
	while (sure->n && sure->flow[0]->expiry < now) {
		struct rw_flow *f = sure->flow[0];
		uint64_t expiry = rw__best_effort(f);
		rw__pop(sure, f);
		f->expiry = expiry;
		f->guaranteed = false;
		if (!rw__push(&flows->heap[0], f)) {
			f->guaranteed = true; /* its room in the old heap is still there */
			rw__push(sure, f);
			return;
		}
	}
}

/* Forget what has expired, and what is more than `most`. */
static inline void rw_shrink(struct rw_flows *flows, int32_t most)
{
	uint64_t now = vnfc_now();
	rw__shift(flows, now);
	while (flows->heap[0].n && flows->heap[0].flow[0]->expiry < now)
		rw_forget(flows->heap[0].flow[0]);
	while ((int64_t)flows->heap[0].n + flows->heap[1].n > (most > 0 ? most : 0))
		rw_forget(flows->heap[flows->heap[0].n == 0].flow[0]);
}

/* The flow was used: it lives on. */
static inline void rw_renew(struct rw_flow *f)
{
	struct rewriter *rw = f->owner;
	uint64_t guarantee = rw->guarantee[f->map], now = vnfc_now();
	struct rw_heap *from = &rw->flows->heap[f->guaranteed];
	f->expiry = now + (guarantee ? guarantee : rw->timeout(f));
	if (f->guaranteed == (guarantee != 0)) {
		rw__settle(from, f->place, f);
		return;
	}
	uint32_t before = f->place, after;
	if (!rw__push(&rw->flows->heap[guarantee != 0], f))
		return;
	after = f->place;
	f->place = before; /* where the old heap has it */
	rw__pop(from, f);
	f->place = after;
	f->guaranteed = guarantee != 0;
}

/* What a checksum becomes when `from` in it becomes `to`. */
static inline void rw__delta(uint16_t *check, const void *from, const void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 2) {
		uint16_t a, b;
		memcpy(&a, (const uint8_t *)from + i, 2);
		memcpy(&b, (const uint8_t *)to + i, 2);
		*check = packet_update_sum16(*check, a, b);
	}
}

/* A new flow from `id` to `to`; NULL: there is no place for it. */
static inline struct rw_flow *rw_new(struct rewriter *rw, unsigned map, uint8_t proto, struct rw_id id,
				     struct rw_id to, unsigned input)
{
	struct rw_input *in = &rw->input[input];
	unsigned direction;
	struct rw_flow *f = (struct rw_flow *)calloc(1, sizeof(*f)), *old;
	if (!f)
		return NULL;
	f->owner = rw;
	f->id[0] = id;
	f->id[1] = rw_reverse(to);
	f->output[0] = in->forward;
	f->output[1] = in->reply;
	f->proto = proto;
	f->map = (uint8_t)map;
	f->input = (uint8_t)input;
	f->guaranteed = rw->guarantee[map] != 0;
	f->expiry = vnfc_now() + (f->guaranteed ? rw->guarantee[map] : rw->timeout(f));
	rw__delta(&f->ip_delta, &id.src, &to.src, 8);
	f->l4_delta = f->ip_delta;
	rw__delta(&f->l4_delta, &id.sport, &to.sport, 4);
	if (!rw__push(&rw->flows->heap[f->guaranteed], f)) {
		free(f);
		return NULL;
	}
	if ((old = rw_find(&rw->map[map], &f->id[1], &direction)))
		rw_forget(old); /* its replies are ours now */
	if (memcmp(&f->id[0], &f->id[1], sizeof(f->id[0])) != 0)
		rw__put(&rw->map[map], f, 0); /* otherwise its packets are replies from now on */
	rw__put(&rw->map[map], f, 1);
	f->older = rw->newest;
	*(f->older ? &f->older->newer : &rw->oldest) = f;
	rw->newest = f;
	in->count++;
	if ((int64_t)rw->flows->heap[0].n + rw->flows->heap[1].n <= rw->flows->capacity)
		return f;
	/* one too many: the next to expire of those without guarantee goes, or else the new one */
	rw__shift(rw->flows, vnfc_now());
	struct rw_flow *dead = rw->flows->heap[0].n ? rw->flows->heap[0].flow[0] : f;
	bool ours = dead == f;
	rw_forget(dead);
	in->failures += ours;
	return ours ? NULL : f;
}

static inline void rw__reap(void *arg)
{
	struct rewriter *rw = (struct rewriter *)arg;
	rw_shrink(rw->flows, rw->flows->capacity);
	click_timer_at(&rw->timer, vnfc_now() + rw->reap_ns, rw__reap, rw);
}

static inline void rw_start(struct rewriter *rw)
{
	if (rw->reap_ns)
		click_timer_at(&rw->timer, vnfc_now() + rw->reap_ns, rw__reap, rw);
}
#endif
