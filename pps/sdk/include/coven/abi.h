/* What a built VNFC and its host agree on, and the inline code that runs for each packet. Authors include
 * vnfc.h; the hosts of other languages share the packet part through pps/host/host.h.
 *
 * VNFC_ABI_MAJOR changes when an old build would no longer work: the host refuses another major by name.
 * New members go to the end of struct vnfc_host and raise the minor.
 */
#ifndef COVEN_ABI_H
#define COVEN_ABI_H
#include <itf/packet.h>
#include <time.h>

enum { VNFC_ABI_MAGIC = 0x43464e56 /* "VNFC" */, VNFC_ABI_MAJOR = 1, VNFC_ABI_MINOR = 1 };

/* The platform's reason for more held packets than `hold_max`: `hold_full` in reasons.h. */
enum { VNFC_HOLD_FULL = 8 };

/* Kind in the low byte (with VERDICT_FLOW), output or reason id in the upper half. */
typedef uint32_t vnfc_verdict;

enum vnfc_place {		 /* where a packet is, as the host knows it */
		  VNFC_GONE = 0, /* given back, or never here */
		  VNFC_HERE = 1, /* handed to the VNFC, no verdict yet */
		  VNFC_HELD = 2,
		  VNFC_MADE = 3, /* vnfc_new or vnfc_clone, not emitted yet */
};

/* A packet as the VNFC sees it: the host's own copy of the shared record, which another process could
 * change at any time. There is one for every frame, so a pointer to it stays good while the packet is held.
 * The members from link to mark lie as they do in the record: they are copied together. */
struct vnfc_packet {
	uint8_t *data;	  /* first byte */
	uint32_t len;	  /* bytes */
	uint32_t frame;	  /* the host's */
	uint8_t link;	  /* enum link_type */
	uint8_t verdict;  /* the host's */
	uint8_t port;	  /* number of the port it came in by */
	uint8_t flags;	  /* FRAME_* */
	uint16_t arg;	  /* the host's */
	uint16_t l3, l4;  /* offsets from data, or OFFSET_NONE */
	uint8_t l4_proto; /* IP protocol number, 0 if no l4 */
	uint8_t graph;	  /* the host's */
	uint32_t mark;	  /* 0 at entry, never leaves the VNF */
	uint64_t time_ns; /* when it came in */
	uint8_t *context; /* the 16 bytes of NSH context */
	void *note;	  /* the author's, NULL at entry: for what is held */
	uint16_t nsh_len; /* bytes, 0 without NSH */
	uint8_t place;	  /* enum vnfc_place; the host's */
	uint8_t made;	  /* the host's: FRAME_ORIGINATED or FRAME_CLONED if the VNFC made it, else 0 */
};

enum { VNFC_TOGETHER = offsetof(struct frame_record, time_ns) - offsetof(struct frame_record, link) };

struct vnfc_request;
struct hop_metric_cell;

struct vnfc_host {
	uint32_t minor, size;
	uint64_t now_ns; /* read once a burst */
	uint64_t wall_minus_monotonic;
	struct vnfc_packet *packets; /* [frames] */
	struct frame_record *records;
	uint8_t *data, *nsh;
	uint32_t frames, frame_size, frame_shift;
	uint32_t done_n;
	uint32_t *done;	    /* frames to give back */
	uint64_t *progress; /* in the hop object */
	uint32_t held, hold_max;
	uint64_t random; /* state of the generator */
	void *state;	 /* VNFC_STATE */
	uint32_t state_kept;
	uint32_t reserved;

	struct vnfc_packet *(*make)(struct vnfc_host *h);
	struct vnfc_packet *(*clone)(struct vnfc_host *h, const struct vnfc_packet *p);
	bool (*emit)(struct vnfc_host *h, struct vnfc_packet *p, unsigned output, int port);
	bool (*release)(struct vnfc_host *h, struct vnfc_packet *p, vnfc_verdict verdict);
	void (*discard)(struct vnfc_host *h, struct vnfc_packet *p);
	void (*refused)(struct vnfc_host *h, uint32_t frame); /* its record makes no sense */
	void (*flow_asked)(struct vnfc_host *h);
	void (*log)(struct vnfc_host *h, const char *text);
	uint64_t (*timer_add)(struct vnfc_host *h, uint64_t delay, uint64_t period, void (*run)(void *),
			      void *arg);
	bool (*timer_cancel)(struct vnfc_host *h, uint64_t timer);
	int (*port_number)(struct vnfc_host *h, const char *name);
	int (*output_number)(struct vnfc_host *h, const char *name);
	const uint8_t *(*port_mac)(struct vnfc_host *h, unsigned port);
	unsigned (*port_mtu)(struct vnfc_host *h, unsigned port);

	/* index -1: the value itself, else an element of the list that it is */
	bool (*config_number)(struct vnfc_host *h, const char *key, int index, double *value);
	const char *(*config_text)(struct vnfc_host *h, const char *key, int index);
	int (*config_count)(struct vnfc_host *h, const char *key); /* -1: not a list */
	/* field NULL (generated code): the whole mistake, "FILE:LINE:COLUMN: FOUND | EXPECTED | REMEDY" */
	void (*refuse)(struct vnfc_host *h, const char *field, const char *expected);

	bool (*argument_number)(struct vnfc_request *r, const char *name, double *value);
	const char *(*argument_text)(struct vnfc_request *r, const char *name);
	void (*answer_json)(struct vnfc_request *r, const char *json);
	void (*answer_text)(struct vnfc_request *r, const char *text);
	void (*answer_error)(struct vnfc_request *r, const char *text);
	char *notes; /* char[frames][FRAME_NOTE], from minor 1 on */
};

/* ---- for each packet ---------------------------------------------------------------------------- */

/* Whether anybody would read what led to this packet's verdict. */
static inline bool vnfc__watched(const struct vnfc_packet *p)
{
	return __builtin_expect((p->flags & FRAME_WATCHED) != 0, 0);
}

/* What did, of which FRAME_NOTE - 1 bytes are kept; only of a packet that is watched. */
static inline void vnfc__note(struct vnfc_host *h, struct vnfc_packet *p, const char *text)
{
	char *to = h->notes + (size_t)p->frame * FRAME_NOTE;
	size_t n = strlen(text);
	n = n < FRAME_NOTE - 1 ? n : FRAME_NOTE - 1;
	memcpy(to, text, n);
	to[n] = 0;
	p->flags |= FRAME_NOTED;
}

/* Now, for a packet that is timed. */
static inline uint32_t vnfc__stamp(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)(((uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec) >> STAMP_SHIFT) | 1;
}

/* A frame becomes a packet. NULL if what its record says lies outside the frame (another VNFC wrote to it):
 * the caller then gives it to `refused`. */
static inline struct vnfc_packet *vnfc__open(struct vnfc_host *h, uint32_t frame)
{
	struct frame_record *r = &h->records[frame];
	struct vnfc_packet *p = &h->packets[frame];
	uint32_t data = __atomic_load_n(&r->data, __ATOMIC_RELAXED); /* once: it may change under our eyes */
	uint32_t len = __atomic_load_n(&r->len, __ATOMIC_RELAXED);
	if (__builtin_expect(data > h->frame_size || len > h->frame_size - data, 0))
		return NULL;
	p->data = h->data + ((uint64_t)frame << h->frame_shift) + data;
	p->len = len;
	p->frame = frame;
	memcpy(&p->link, &r->link, VNFC_TOGETHER);
	p->time_ns = r->time_ns;
	p->context = h->records[frame].context;
	p->note = NULL;
	p->nsh_len = r->nsh_len;
	p->place = VNFC_HERE;
	p->made = 0;
	if (__builtin_expect(r->taken != 0, 0))
		r->taken = vnfc__stamp();
	return p;
}

/* The packet goes back to the forwarder with its verdict. */
static inline void vnfc__give(struct vnfc_host *h, struct vnfc_packet *p, vnfc_verdict verdict)
{
	struct frame_record *r = &h->records[p->frame];
	r->data = (uint32_t)(p->data - (h->data + ((uint64_t)p->frame << h->frame_shift)));
	r->len = p->len;
	memcpy(&r->link, &p->link, VNFC_TOGETHER);
	r->verdict = (uint8_t)verdict; /* after the copy: a narrow store before it would stall it */
	r->arg = (uint16_t)(verdict >> 16);
	r->flags = (p->flags & (uint8_t) ~(FRAME_ORIGINATED | FRAME_CLONED)) | p->made;
	r->nsh_len = p->nsh_len;
	if (__builtin_expect(r->taken != 0, 0))
		r->given = vnfc__stamp();
	p->place = VNFC_GONE;
	h->done[h->done_n++] = p->frame;
}

/* The watchdog's sign of life. */
static inline void vnfc__progress(struct vnfc_host *h)
{
	__atomic_store_n(h->progress, *h->progress + 1, __ATOMIC_RELAXED);
}

/* What the VNFC said of a packet that it was handed. */
static inline void vnfc__close(struct vnfc_host *h, struct vnfc_packet *p, vnfc_verdict verdict)
{
	vnfc__progress(h);
	if (__builtin_expect((verdict & 0x7f) == VERDICT_HOLD, 0)) {
		if (h->held < h->hold_max) {
			h->held++;
			p->place = VNFC_HELD;
			return;
		}
		verdict = VERDICT_DROP | (vnfc_verdict)VNFC_HOLD_FULL << 16;
	}
	if (__builtin_expect(verdict & VERDICT_FLOW, 0))
		h->flow_asked(h);
	vnfc__give(h, p, verdict);
}

enum { VNFC_AHEAD = 6 }; /* packets: records are fetched twice as far ahead as the bytes they point to */

static inline void vnfc__prefetch(const struct vnfc_host *h, const uint32_t *frames, uint32_t i, uint32_t n)
{
	if (i + 2 * VNFC_AHEAD < n) {
		__builtin_prefetch(&h->records[frames[i + 2 * VNFC_AHEAD]], 1);
		__builtin_prefetch(&h->packets[frames[i + 2 * VNFC_AHEAD]], 1);
	}
	if (i + VNFC_AHEAD < n) {
		uint32_t frame = frames[i + VNFC_AHEAD];
		__builtin_prefetch(h->data + ((uint64_t)frame << h->frame_shift) +
				   (h->records[frame].data & (h->frame_size - 1)));
	}
}

/* ---- what a built VNFC exports: one `vnfc_component` -------------------------------------------- */

enum vnfc_kind {
	VNFC_IS_REASON = 1,
	VNFC_IS_COUNTER,
	VNFC_IS_GAUGE,
	VNFC_IS_HISTOGRAM,
	VNFC_IS_REQUEST,
	VNFC_IS_CHANGE /* a request that changes something */
};

struct vnfc_argument {
	const char *name;
	const char *type;     /* "int", "float", "str" or "bool" */
	const char *fallback; /* JSON; NULL: must be given */
};

struct vnfc_declared {
	uint32_t kind; /* enum vnfc_kind */
	uint32_t id;   /* reason: filled by the host */
	const char *name, *why, *unit;
	struct hop_metric_cell *cell; /* metric: filled by the host */
	void (*answer)(struct vnfc_request *request);
	const struct vnfc_argument *arguments;
	uint32_t arguments_n;
	uint32_t line; /* where it was written, in file */
	const char *file;
};

static inline bool vnfc_is_asked(const struct vnfc_declared *d)
{
	return d->kind == VNFC_IS_REQUEST || d->kind == VNFC_IS_CHANGE;
}

struct vnfc_state_layout {
	uint64_t size;
	const char *text; /* what the author wrote: with the size, it tells whether the layout changed */
};

struct vnfc_component {
	uint32_t magic, abi_major, abi_minor, size;
	struct vnfc_host **host; /* the host puts its own address there */
	struct vnfc_declared **declared_begin, **declared_end;
	const struct vnfc_state_layout *state; /* NULL: none */
	int (*init)(void);
	int (*configure)(void);
	void (*exit)(void);
	void (*burst)(struct vnfc_host *h, const uint32_t *frames, uint32_t n);
};
#endif
