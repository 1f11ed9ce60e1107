/* The NSH stage: what arrives by a port is looked through here, what leaves by one comes by here first.
 *
 * Figures of the place `nsh`: each packet with NSH counts once where it arrives, and once more where it leaves with
 * a header; answers that are made here are `originated`, and the questions they answer `consumed`.
 */
#include <stdio.h>
#include <stdlib.h>
#include "nshp/quick.h"

enum { AHEAD = 8 };

static const uint8_t reason_of[] = {
	[NSH_FAULT_VERSION] = REASON_nsh_version,
	[NSH_FAULT_MD_TYPE] = REASON_nsh_md_type,
	[NSH_FAULT_LENGTH] = REASON_nsh_length,
	[NSH_FAULT_TLV] = REASON_truncated_tlv,
};

/* Why a packet with this header cannot be worked on, -1 if it can. */
static int refused(const uint8_t *header, uint32_t len)
{
	enum nsh_fault fault = nsh_check(header, len);
	if (fault != NSH_GOOD)
		return reason_of[fault];
	if (nsh_next(header) < NSH_NEXT_IP4 || nsh_next(header) > NSH_NEXT_MPLS)
		return REASON_next_protocol;
	if (nsh_si(header) == 0)
		return REASON_si_zero;
	return nsh_size(header) == len ? (int)REASON_nsh_length : -1; /* nothing is in it */
}

static bool all_zero(const uint8_t *bytes)
{
	uint64_t halves[2];
	memcpy(halves, bytes, sizeof halves);
	return (halves[0] | halves[1]) == 0;
}

/* Give the VNFCs their context: the packet's own (its header still lies where it came), or its path's. */
static inline void set_context(struct frame_record *r, struct frame_private *priv, struct frame_saved *saved,
			       const uint8_t *header, const struct nsh_path *path, bool untrusted)
{
	if (nsh_md_type(header) == 1 && !untrusted) {
		memcpy(r->context, header + NSH_BASE, NSH_CONTEXT);
	} else if (nsh_md_type(header) == 1) {
		memset(saved_nsh(saved, priv) + NSH_BASE, 0, NSH_CONTEXT);
	} else if (untrusted) { /* the TLVs go */
		nsh_set_size(saved_nsh(saved, priv), NSH_BASE);
		priv->nsh_len = NSH_BASE;
	}
	if (path != NULL && path->has_context && all_zero(r->context))
		memcpy(r->context, path->context, NSH_CONTEXT);
	memcpy(priv->context, r->context, NSH_CONTEXT);
}

/* Where a packet of a graph goes, given its O bit; STAGE_NONE: nowhere. */
static uint16_t enter(const struct wiring *w, unsigned graph, bool oam)
{
	if (!oam || w->graph_aware[graph])
		return w->first[graph];
	return w->nsh_flags & NSH_OAM_BYPASS ? w->graph_exit[graph] : STAGE_NONE;
}

/* Is every VNFC that the classifier could hand a packet of this port to NSH-aware? */
static bool all_aware(const struct wiring *w, unsigned port)
{
	for (unsigned chain = 0; chain < SEG_RULES; chain++)
		if (w->graph_of[chain][port] < w->graphs && !w->graph_aware[w->graph_of[chain][port]])
			return false;
	return true;
}

static const struct tap_ops keeping;

/* Pass a packet on that is for somebody further down its path. */
static void pass_on(struct fabric *fabric, uint32_t ref)
{
	unsigned port = fabric->frames.priv[ref].port;
	int to = sff_leave(fabric, ref, port, true);
	if (to < 0)
		return;
	struct stage *out = fabric->stage[STAGE_PORT + to];
	fabric->frames.stats[PLACE_NSH].forwarded++;
	out->touched = true;
	port_take(out, &keeping, &ref, 1);
}

struct known { /* the place in a path that was looked up last */
	bool valid;
	uint32_t spi_si;
	const struct nsh_path *path;
	uint8_t graph;
	uint16_t quick;		 /* where its packets go if nothing is special about them, or STAGE_NONE */
	uint64_t packets, bytes; /* of the path, not yet in its figures */
};

static void count_path(struct fabric *fabric, struct known *known)
{
	if (known->packets == 0 || known->path == NULL)
		return;
	struct nsh_path_stats *stats = &fabric->header->nsh_path[known->path->counter % SEG_PATHS];
	cell_store64(&stats->packets, stats->packets + known->packets);
	cell_store64(&stats->bytes, stats->bytes + known->bytes);
	known->packets = known->bytes = 0;
}

/* Mostly a burst has one path. */
static inline void know(struct fabric *fabric, const struct wiring *w, unsigned port, uint32_t spi_si,
			struct known *known)
{
	if (known->valid && spi_si == known->spi_si)
		return;
	count_path(fabric, known);
	const struct nsh_path *path = w->paths > 0 ? path_find(w, spi_si) : NULL;
	unsigned graph = w->graph_of[path ? path->chain : 0][port];
	bool untrusted = w->nsh_port[port].flags & NSH_PORT_UNTRUSTED;
	*known = (struct known){
		.valid = true, .spi_si = spi_si, .path = path, .graph = (uint8_t)graph, .quick = STAGE_NONE
	};
	if (untrusted)
		return;
	if (path != NULL && !path->has_context && graph < w->graphs)
		known->quick = w->first[graph];
	else if (path == NULL && w->next_hops == 0 && w->nsh_flags & NSH_ANY_PATH)
		known->quick = STAGE_CLASSIFIER;
}

/* At SI 0 there is no service function any more; a forwarder may be where the path ends (section 2.3). */
static bool ends_here(const struct wiring *w, uint32_t spi_si)
{
	const struct nsh_next_hop *hop = w->next_hops > 0 ? next_hop_find(w, spi_si) : NULL;
	return hop != NULL && hop->transport == NSH_PLAIN;
}

/* A packet that is for no chain of ours by its path: where it goes, or STAGE_NONE if that is done already. */
static uint16_t arrive_pathless(struct fabric *fabric, const struct wiring *w, uint32_t ref, uint32_t spi_si,
				bool oam)
{
	struct frame_private *priv = &fabric->frames.priv[ref];
	bool drop_oam = oam && !(w->nsh_flags & NSH_OAM_BYPASS);
	if (w->next_hops > 0 && next_hop_find(w, spi_si) != NULL) {
		if (!drop_oam)
			pass_on(fabric, ref);
		else
			frame_drop(&fabric->frames, ref, PLACE_NSH, REASON_oam);
		return STAGE_NONE;
	}
	unsigned graph = w->graph_of[0][priv->port];
	if (!(w->nsh_flags & NSH_ANY_PATH)) {
		frame_drop(&fabric->frames, ref, PLACE_NSH, REASON_unknown_path);
		return STAGE_NONE;
	}
	if (!oam || all_aware(w, priv->port))
		return STAGE_CLASSIFIER;
	if (drop_oam || graph >= w->graphs) {
		frame_drop(&fabric->frames, ref, PLACE_NSH, REASON_oam);
		return STAGE_NONE;
	}
	priv->graph = (uint8_t)graph;
	return w->graph_exit[graph];
}

/* A packet with an NSH header: where it goes, or STAGE_NONE if that is done already. */
static uint16_t arrive(struct fabric *fabric, const struct wiring *w, uint32_t ref, uint32_t at, uint8_t ip,
		       uint32_t end, struct known *known)
{
	struct frames *f = &fabric->frames;
	struct frame_record *r = &f->record[ref];
	struct frame_private *priv = &f->priv[ref];
	const uint8_t *header = frame_bytes(f, ref) + at;
	int reason = refused(header, end - at);
	if (reason == REASON_si_zero && ends_here(w, nsh_spi_si(header)))
		reason = -1;
	if (reason >= 0) {
		frame_drop(f, ref, PLACE_NSH, (unsigned)reason);
		return STAGE_NONE;
	}
	uint32_t spi_si = nsh_spi_si(header);
	bool oam = nsh_oam(header), untrusted = w->nsh_port[priv->port].flags & NSH_PORT_UNTRUSTED;
	know(fabric, w, priv->port, spi_si, known);
	const struct nsh_path *path = nsh_si(header) > 0 ? known->path : NULL;
	unsigned graph = known->graph;
	proxy_strip(fabric, ref, at, ip, end);
	set_context(r, priv, &f->saved[ref], header, path, untrusted);
	if (path == NULL)
		return arrive_pathless(fabric, w, ref, spi_si, oam);
	known->packets++;
	known->bytes += r->len;
	priv->graph = (uint8_t)graph;
	uint16_t to = graph < w->graphs ? enter(w, graph, oam) : STAGE_NONE;
	if (to == STAGE_NONE)
		frame_drop(f, ref, PLACE_NSH, oam ? REASON_oam : REASON_unknown_path);
	return to;
}

/* The same for the most frequent kind of packet. STAGE_NONE: it is not one, and nothing was done. */
static inline uint16_t arrive_quickly(struct fabric *fabric, const struct wiring *w, uint32_t ref,
				      struct known *known)
{
	struct frames *f = &fabric->frames;
	struct frame_private *priv = &f->priv[ref];
	uint8_t *data = frame_bytes(f, ref);
	if (!quick_header(data, &f->record[ref]))
		return STAGE_NONE;
	know(fabric, w, priv->port, nsh_spi_si(data + QUICK_OUTER), known);
	if (known->quick == STAGE_NONE)
		return STAGE_NONE;
	quick_strip(f, ref, data, fabric->capture);
	priv->graph = known->graph;
	known->packets++;
	known->bytes += f->record[ref].len;
	return known->quick;
}

static inline void prefetch(const struct frames *f, const uint32_t *refs, unsigned i, unsigned n)
{
	if (i + AHEAD < n) {
		__builtin_prefetch(f->saved[refs[i + AHEAD]].bytes, 1);
		__builtin_prefetch(frame_start(f, refs[i + AHEAD]) + FRAME_HEADROOM + 64); /* inner headers */
	}
}

struct onward { /* packets that go on together */
	uint32_t refs[SEG_BURST];
	unsigned n;
	uint16_t to;
};

static void go_on(struct fabric *fabric, struct onward *o)
{
	if (o->n > 0)
		stage_hand(fabric, o->to, o->refs, o->n);
	o->n = 0;
}

/* By far the most where NSH is not used: untagged, of another kind, and no question for this port. */
static inline bool plain(const struct nsh_port *port, const uint8_t *data, const struct frame_record *r)
{
	if (port->flags & NSH_PORT_VXLAN_GPE || r->link != LINK_ETHERNET ||
	    r->len < sizeof(struct eth_header))
		return false;
	uint16_t type = load16(data + 12);
	return type != ETHER_NSH && !packet_is_tag(type) && !neighbour_like(port, type, r);
}

/* How many of these begin a burst that nobody here has to look at. */
static unsigned plain_ones(const struct frames *f, const struct nsh_port *port, const uint32_t *refs,
			   unsigned n)
{
	unsigned i = 0;
	while (i < n && plain(port, frame_bytes(f, refs[i]), &f->record[refs[i]]))
		i++;
	return i;
}

static void nsh_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct fabric *fabric = s->fabric;
	struct frames *f = &fabric->frames;
	if (n == 0)
		return;
	/* a burst comes from one port and follows one wiring */
	const struct wiring *w = packet_wiring(fabric, refs[0]);
	const struct nsh_port *port = &w->nsh_port[f->priv[refs[0]].port];
	if (plain_ones(f, port, refs, n) == n) {
		stage_hand(fabric, STAGE_CLASSIFIER, refs, n);
		return;
	}
	struct onward o;
	struct known known = { .valid = false };
	unsigned number = f->priv[refs[0]].port;
	uint64_t seen = 0, forwarded = 0;
	o.n = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t ref = refs[i], end;
		uint8_t ip;
		prefetch(f, refs, i, n);
		uint16_t to = port->flags & NSH_PORT_ON ? arrive_quickly(fabric, w, ref, &known) : STAGE_NONE;
		if (to != STAGE_NONE) {
			seen++;
			forwarded++;
		} else {
			const struct frame_record *r = &f->record[ref];
			int at = transport_find(port, frame_bytes(f, ref), r->len, r, &ip, &end);
			if (at > 0)
				to = arrive(fabric, w, ref, (uint32_t)at, ip, end, &known);
			else if (at < 0)
				frame_drop(f, ref, PLACE_NSH, (unsigned)-at);
			else if (neighbour_asks(w, number, frame_bytes(f, ref), r))
				neighbour_answer(fabric, ref);
			else
				to = STAGE_CLASSIFIER;
			seen += at != 0;
			forwarded += at > 0 && to != STAGE_NONE;
			if (to == STAGE_NONE)
				continue;
		}
		if (o.n > 0 && to != o.to)
			go_on(fabric, &o);
		o.to = to;
		o.refs[o.n++] = ref;
	}
	go_on(fabric, &o);
	count_path(fabric, &known);
	s->in->received += seen;
	s->in->forwarded += forwarded;
	if (seen > 0)
		sizes_add(&s->in->bursts, seen);
}

/* Packets that leave by a port: those that came with a header, or that a rule gave one, get it now. */
static void nsh_leave(struct stage *port, const uint32_t *refs, unsigned n)
{
	struct fabric *fabric = port->fabric;
	struct frames *f = &fabric->frames;
	struct place_stats *stats = &f->stats[PLACE_NSH];
	uint32_t burst[SEG_BURST];
	unsigned burst_n = 0, none = 0;
	uint64_t received = 0, forwarded = 0;
	struct stage *out = port;
	while (none < n && f->priv[refs[none]].nsh_len == 0 && f->priv[refs[none]].encap == 0)
		none++;
	if (none == n) {
		port_take(port, &keeping, refs, n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct frame_private *priv = &f->priv[refs[i]];
		struct stage *to = port;
		if (priv->nsh_len != 0 || priv->encap != 0) {
			prefetch(f, refs, i, n);
			received++;
			const struct wiring *w = packet_wiring(fabric, refs[i]);
			if (!quick_restore(w, f, refs[i], port->number)) {
				int number = sff_leave(fabric, refs[i], port->number, false);
				if (number < 0)
					continue;
				to = fabric->stage[STAGE_PORT + number];
			}
			forwarded++;
		}
		if (burst_n > 0 && to != out) {
			out->touched = true;
			port_take(out, &keeping, burst, burst_n);
			burst_n = 0;
		}
		out = to;
		burst[burst_n++] = refs[i];
	}
	if (burst_n > 0) {
		out->touched = true;
		port_take(out, &keeping, burst, burst_n);
	}
	stats->received += received;
	stats->forwarded += forwarded;
}

static const struct tap_ops keeping = {
	.leave = nsh_leave,
	.show = proxy_show,
	.read_back = proxy_read_back,
	.clone = proxy_clone,
};

static int nsh_open(struct stage *s, const int *fds, unsigned count, char *why, size_t why_size)
{
	(void)fds, (void)count;
	s->self = calloc(1, sizeof(struct nsh_stage));
	if (s->self == NULL) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	if (!fabric_tap(s->fabric, &keeping)) {
		snprintf(why, why_size, "too many taps");
		return -1;
	}
	return 0;
}

static void nsh_close(struct stage *s)
{
	fabric_untap(s->fabric, &keeping);
	free(s->self);
	s->self = NULL;
}

const struct stage_ops nsh_stage = {
	.name = "nsh",
	.id = STAGE_NSH,
	.place = PLACE_NSH,
	.open = nsh_open,
	.take = nsh_take,
	.close = nsh_close,
};
