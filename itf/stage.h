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

/* What a stage offers that keeps headers of packets beside them while VNFCs have them (NSH). */
struct keeping_ops {
	/* Stands before a port that such packets may leave by: takes a burst as the port's own `take` does. */
	void (*leave)(struct stage *port, const uint32_t *refs, unsigned n);
	/* A VNFC that wants to see the headers is about to get these packets. */
	void (*show)(struct fabric *fabric, const uint32_t *refs, unsigned n);
	/* It gave one back. False: what it made of the headers cannot be, the packet was dropped. */
	bool (*read_back)(struct fabric *fabric, uint32_t ref);
	/* A VNFC made `ref` as a copy of `from`, which it has. */
	void (*clone)(struct fabric *fabric, uint32_t ref, uint32_t from);
};

/* What the stages of one forwarder share. */
struct fabric {
	struct frames frames;
	const struct config_header *config;
	const struct wiring *wiring[2]; /* by the low bit of a packet's epoch */
	struct forwarder_header *header;
	struct stage *stage[STAGE_IDS];	   /* NULL: not there */
	const struct keeping_ops *keeping; /* NULL: nobody keeps headers */
	uint32_t epoch;
	bool capture;		/* time is the captures' */
	uint64_t capture_until; /* capture mode: a port hands on packets up to this time, no further */
	bool draining;
	bool woke; /* a hop's process, in this turn */
	bool pressed; /* a port had a whole burst: more is waiting, so a hop need not be woken for less than one */
};

struct stage_ops {
	const char *kind;
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
	/* a port: what is handed to it goes here instead, NULL mostly */
	void (*before)(struct stage *s, const uint32_t *refs, unsigned n);
	int watched; /* descriptor in the epoll set, -1 none */
	void *self;  /* the stage's own memory */
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

static inline void stage_hand(struct fabric *fabric, uint16_t id, const uint32_t *refs, unsigned n)
{
	struct stage *s = id < STAGE_IDS ? fabric->stage[id] : NULL;
	if (TRACED(&fabric->frames))
		trace_hand(&fabric->frames, id, refs, n);
	if (s == NULL) {
		stage_missing(fabric, id, refs, n);
		return;
	}
	s->touched = true;
	if (__builtin_expect(s->before != NULL, 0))
		s->before(s, refs, n);
	else
		s->ops->take(s, refs, n);
}

/* The wiring that a packet follows from its arrival to its end, whatever is switched meanwhile. */
static inline const struct wiring *packet_wiring(const struct fabric *fabric, uint32_t ref)
{
	return fabric->wiring[fabric->frames.priv[ref].epoch & 1];
}

extern const struct stage_ops af_xdp_stage, af_packet_stage, pcap_stage, hop_stage, classifier_stage;
#endif
