/* The stage interface: everything on a packet's way is one of these.
 *
 * A stage takes a burst and hands bursts on. The forwarder knows nothing else, so a new port backend,
 * header processor or way to run a component is one new file and its line in coven/stages.c.
 *
 * A turn of the forwarder's loop: poll every stage that brings packets in (ports, hops), which hand their
 * bursts on by stage_hand(); then flush every stage that was handed something. When a whole turn moved
 * nothing the forwarder arms every stage and sleeps until a descriptor is readable or a deadline comes.
 */
#ifndef ITF_STAGE_H
#define ITF_STAGE_H
#include <stddef.h>
#include "frames.h"

struct stage;
struct flow_entry;
struct fabric;

/* What sees packets beside the stages on their way (headers kept beside them, later the flow table): several at once,
 * each registers itself by fabric_tap() when it begins. A hook may be NULL. */
struct tap_ops {
	/* Stands before a port: takes a burst as the port's own `take` does, and hands on by port_take(). */
	void (*leave)(struct stage *port, const uint32_t *refs, unsigned n);
	/* A VNFC that wants to see headers is about to get these packets. */
	void (*show)(struct fabric *fabric, const uint32_t *refs, unsigned n);
	/* It gave one back. False: what it made of the headers cannot be, the packet was dropped. */
	bool (*read_back)(struct fabric *fabric, uint32_t ref);
	/* A VNFC made `ref` as a copy of `from`, which it has. */
	void (*clone)(struct fabric *fabric, uint32_t ref, uint32_t from);
};

enum { TAPS = 4 };

/* What the stages of one forwarder share. */
struct fabric {
	struct frames frames;
	const struct config_header *config;
	const struct wiring *wiring[2]; /* by the low bit of a packet's epoch */
	struct forwarder_header *header;
	struct stage *stage[STAGE_IDS]; /* NULL: not there */
	const struct tap_ops *tap[TAPS];
	unsigned taps;
	uint32_t epoch;
	struct times *chain;	/* by ingress port; NULL: nobody wants it */
	uint32_t sample;	/* one packet in so many is timed, 0: none is */
	uint32_t chain_due;	/* after so many packets that leave */
	bool capture;		/* time is the captures' */
	uint64_t capture_until; /* capture mode: a port hands on packets up to this time, no further */
	bool draining;
	bool woke;     /* a hop's process, in this turn */
	bool withheld; /* there may be packets that ports consume instead of sending them */
	bool pressed; /* a port had a whole burst: more is waiting, so a hop need not be woken for less than one */
};

struct stage_ops {
	/* What it is. Its drop reasons are rows of reasons.h, since VNFC hosts keep their names free, too. */
	const char *name;
	uint32_t port;	/* enum port_kind of a port's backend, else PORT_NONE */
	uint16_t id;	/* STAGE_* of a stage that there is one of, from the start; 0: a port or a hop */
	uint16_t place; /* PLACE_* of the figures of one with an id */
	/* Start with the descriptors that the keeper sent (the stage owns and closes them). 0, or -1 with a
	 * reason in why. A stage that is opened again after a forwarder's restart finds its memory in
	 * fabric->header->memory[]. */
	int (*open)(struct stage *s, const int *fds, unsigned count, char *why, size_t why_size);
	/* Bring in up to budget packets and hand them on; returns how many. Budget 0: only take back what the
	 * kernel has sent. NULL: the stage never brings anything. */
	unsigned (*poll)(struct stage *s, unsigned budget);
	/* Take n <= SEG_BURST packets over. The stage owns them from here on, and counts what it drops. */
	void (*take)(struct stage *s, const uint32_t *refs, unsigned n);
	/* The turn is over: ring doorbells, kick the kernel. */
	void (*flush)(struct stage *s);
	/* About to sleep. Returns the descriptor to wait on (-1 none); *ready is set if there is work now.
	 * `disarm` follows after the sleep. */
	int (*arm)(struct stage *s, bool *ready);
	void (*disarm)(struct stage *s);
	/* When the stage wants to be polled though no descriptor is readable, ns (UINT64_MAX: never). In
	 * capture mode: a port's next packet, a hop's next timer. */
	uint64_t (*deadline)(struct stage *s);
	/* Bring figures that the kernel keeps (drops) up to date; called once a second and before close. */
	void (*account)(struct stage *s);
	/* Apply a decision for a flow further down. 0, or -1: not possible here. NULL: never. */
	int (*offload)(struct stage *s, const struct flow_entry *flow);
	/* Let go of everything. Packets still owned are the caller's to count. */
	void (*close)(struct stage *s);
};

struct stage {
	const struct stage_ops *ops;
	struct fabric *fabric;
	uint16_t id;	 /* STAGE_* + number */
	uint16_t number; /* port or hop number */
	uint32_t generation;
	struct place_stats *in;	 /* a port's arriving side; a hop's or other stage's only figures */
	struct place_stats *out; /* a port's leaving side */
	bool touched;		 /* was handed something since the last flush */
	bool tapped;		 /* a port: taps stand before it */
	int watched;		 /* descriptor in the epoll set, -1 none */
	void *self;		 /* the stage's own memory */
};

/* Where a way leads that no stage is at the end of: a port that is not open, or nowhere. */
static inline void stage_missing(struct fabric *fabric, uint16_t id, const uint32_t *refs, unsigned n)
{
	const struct wiring *w = fabric->wiring[fabric->epoch & 1];
	bool port = w != NULL && id < STAGE_HOP && id - STAGE_PORT < w->ports;
	unsigned place = port ? PLACE_LEAVING + (unsigned)(id - STAGE_PORT) : (unsigned)PLACE_CLASSIFIER;
	unsigned reason = port ? REASON_closed : id == STAGE_DROP ? REASON_rule : REASON_no_route;
	frames_drop(&fabric->frames, refs, n, place, reason);
	fabric->frames.stats[place].received += n;
}

/* Register a tap. False: there are TAPS already. */
static inline bool fabric_tap(struct fabric *fabric, const struct tap_ops *tap)
{
	if (fabric->taps == TAPS)
		return false;
	fabric->tap[fabric->taps++] = tap;
	return true;
}

static inline void fabric_untap(struct fabric *fabric, const struct tap_ops *tap)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < fabric->taps; i++)
		if (fabric->tap[i] != tap)
			fabric->tap[kept++] = fabric->tap[i];
	fabric->taps = kept;
}

static inline void taps_show(struct fabric *fabric, const uint32_t *refs, unsigned n)
{
	for (unsigned i = 0; i < fabric->taps; i++)
		if (fabric->tap[i]->show != NULL)
			fabric->tap[i]->show(fabric, refs, n);
}

/* False: one of them has dropped it. */
static inline bool taps_read_back(struct fabric *fabric, uint32_t ref)
{
	for (unsigned i = 0; i < fabric->taps; i++)
		if (fabric->tap[i]->read_back != NULL && !fabric->tap[i]->read_back(fabric, ref))
			return false;
	return true;
}

static inline void taps_clone(struct fabric *fabric, uint32_t ref, uint32_t from)
{
	for (unsigned i = 0; i < fabric->taps; i++)
		if (fabric->tap[i]->clone != NULL)
			fabric->tap[i]->clone(fabric, ref, from);
}

/* Injected packets end here, the others leave. */
__attribute__((cold, noinline, unused)) static void port_withhold(struct stage *port, const uint32_t *refs,
								  unsigned n)
{
	struct frames *f = &port->fabric->frames;
	struct place_stats *stats = &f->stats[PLACE_LEAVING + port->number];
	uint32_t kept[SEG_BURST];
	unsigned kept_n = 0;
	for (unsigned i = 0; i < n; i++) {
		if (!f->priv[refs[i]].withheld) {
			kept[kept_n++] = refs[i];
			continue;
		}
		stats->received++;
		stats->consumed++;
		frame_free(f, refs[i]);
	}
	if (kept_n > 0)
		port->ops->take(port, kept, kept_n);
}

/* Hand packets to a port through the taps that come after `past` (NULL: through all of them). */
static inline void port_take(struct stage *port, const struct tap_ops *past, const uint32_t *refs, unsigned n)
{
	const struct fabric *fabric = port->fabric;
	for (unsigned i = 0; i < fabric->taps; i++) {
		if (past == NULL && fabric->tap[i]->leave != NULL) {
			fabric->tap[i]->leave(port, refs, n);
			return;
		}
		if (fabric->tap[i] == past)
			past = NULL;
	}
	if (TRACED(&port->fabric->frames))
		trace_leaving(&port->fabric->frames, port->number, refs, n);
	if (__builtin_expect(port->fabric->withheld, 0))
		port_withhold(port, refs, n);
	else
		port->ops->take(port, refs, n);
}

/* Of n packets that come by, the index of the next that is to be timed, after *due more of them; n or above: none.
 * `*due` is what is left for the next call. */
static inline uint32_t sample_first(uint32_t *due, uint32_t sample, uint32_t n)
{
	uint32_t first = *due;
	*due = first >= n ? first - n : sample - 1 - (n - 1 - first) % sample;
	return first;
}

/* How long the packets were on their way. */
static inline void chain_time(struct fabric *fabric, const uint32_t *refs, unsigned n)
{
	uint32_t i = sample_first(&fabric->chain_due, fabric->sample, n);
	if (__builtin_expect(i >= n, 1))
		return;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	for (; i < n; i += fabric->sample) {
		const struct frame_private *priv = &fabric->frames.priv[refs[i]];
		if (priv->time_ns <= now)
			times_add(&fabric->chain[priv->port % SEG_PORTS], now - priv->time_ns);
	}
}

static inline void stage_hand(struct fabric *fabric, uint16_t id, const uint32_t *refs, unsigned n)
{
	struct stage *s = id < STAGE_IDS ? fabric->stage[id] : NULL;
	if (TRACED(&fabric->frames) && id >= STAGE_HOP)
		trace_hand(&fabric->frames, id, s != NULL && id < STAGE_SINGLE, refs, n);
	if (s == NULL) {
		stage_missing(fabric, id, refs, n);
		return;
	}
	s->touched = true;
	if (id < STAGE_HOP && fabric->chain != NULL)
		chain_time(fabric, refs, n);
	if (__builtin_expect(s->tapped || (TRACED(&fabric->frames) && id < STAGE_HOP), 0))
		port_take(s, NULL, refs, n);
	else
		s->ops->take(s, refs, n);
}

/* The wiring that a packet follows from its arrival to its end, whatever is switched meanwhile. */
static inline const struct wiring *packet_wiring(const struct fabric *fabric, uint32_t ref)
{
	return fabric->wiring[fabric->frames.priv[ref].epoch & 1];
}

extern const struct stage_ops hop_stage, classifier_stage;
#endif
