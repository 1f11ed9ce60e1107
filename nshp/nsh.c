/* The NSH stage: what arrives by a port is looked through here, what leaves by one comes by here first.
 *
 * Figures of the place `nsh`: each packet with NSH counts once where it arrives, and once more where it leaves with
 * a header; answers that are made here are `originated`.
 */
#include <stdio.h>
#include <stdlib.h>
#include "nshp/nshp.h"

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
		memset(saved->nsh + NSH_BASE, 0, NSH_CONTEXT);
	} else if (untrusted) { /* the TLVs go */
		nsh_set_size(saved->nsh, NSH_BASE);
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
	out->ops->take(out, &ref, 1);
}

struct known { /* the path that was looked up last; SI 0 was refused before */
	uint32_t spi_si;
	const struct nsh_path *path;
	uint64_t packets, bytes; /* of it, not yet in its figures */
};

static void count_path(struct fabric *fabric, struct known *known)
{
	if (known->packets == 0)
		return;
	struct nsh_path_stats *stats = &fabric->header->nsh_path[known->path->counter % SEG_PATHS];
	cell_store64(&stats->packets, stats->packets + known->packets);
	cell_store64(&stats->bytes, stats->bytes + known->bytes);
	known->packets = known->bytes = 0;
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
	if (reason >= 0) {
		frame_drop(f, ref, PLACE_NSH, (unsigned)reason);
		return STAGE_NONE;
	}
	uint32_t spi_si = nsh_spi_si(header);
	bool oam = nsh_oam(header), untrusted = w->nsh_port[priv->port].flags & NSH_PORT_UNTRUSTED;
	const struct nsh_path *path = known->path;
	if (spi_si != known->spi_si) { /* mostly a burst has one path */
		count_path(fabric, known);
		path = known->path = w->paths > 0 ? path_find(w, spi_si) : NULL;
		known->spi_si = spi_si;
	}
	unsigned graph = w->graph_of[path ? path->chain : 0][priv->port];
	proxy_strip(fabric, ref, at, ip, end);
	set_context(r, priv, &f->saved[ref], header, path, untrusted);
	if (path == NULL) {
		if (w->next_hops > 0 && next_hop_find(w, spi_si) != NULL) {
			pass_on(fabric, ref);
			return STAGE_NONE;
		}
		if (!(w->nsh_flags & NSH_ANY_PATH)) {
			frame_drop(f, ref, PLACE_NSH, REASON_unknown_path);
			return STAGE_NONE;
		}
		if (!oam || graph >= w->graphs || w->graph_aware[graph])
			return STAGE_CLASSIFIER;
	} else {
		known->packets++;
		known->bytes += r->len;
	}
	priv->graph = (uint8_t)graph;
	uint16_t to = graph < w->graphs ? enter(w, graph, oam) : STAGE_NONE;
	if (to == STAGE_NONE)
		frame_drop(f, ref, PLACE_NSH, oam ? REASON_oam : REASON_unknown_path);
	return to;
}

static inline void prefetch(const struct frames *f, const uint32_t *refs, unsigned i, unsigned n)
{
	if (i + AHEAD < n) {
		__builtin_prefetch(f->saved[refs[i + AHEAD]].outer, 1);
		__builtin_prefetch(f->saved[refs[i + AHEAD]].nsh, 1);
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

/* By far the most where NSH is not used: untagged, and of another kind. */
static inline bool plain(const struct nsh_port *port, const uint8_t *data, const struct frame_record *r)
{
	if (port->flags & NSH_PORT_VXLAN_GPE || r->link != LINK_ETHERNET ||
	    r->len < sizeof(struct eth_header))
		return false;
	uint16_t type = load16(data + 12);
	return type != ETHER_NSH && !packet_is_tag(type);
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
	struct known known = { .path = NULL };
	uint64_t seen = 0;
	o.n = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct frame_record *r = &f->record[refs[i]];
		uint32_t ref = refs[i], end;
		uint8_t ip;
		int at = transport_find(port, frame_bytes(f, ref), r->len, r, &ip, &end);
		uint16_t to = STAGE_CLASSIFIER;
		if (at != 0) {
			prefetch(f, refs, i, n);
			seen++;
			if (at > 0)
				to = arrive(fabric, w, ref, (uint32_t)at, ip, end, &known);
			else
				frame_drop(f, ref, PLACE_NSH, (unsigned)-at);
			if (at < 0 || to == STAGE_NONE)
				continue;
			s->in->forwarded++;
		}
		if (o.n > 0 && to != o.to)
			go_on(fabric, &o);
		o.to = to;
		o.refs[o.n++] = ref;
	}
	go_on(fabric, &o);
	count_path(fabric, &known);
	s->in->received += seen;
	s->in->bursts += seen > 0;
}

/* Packets that leave by a port: those that came with a header, or that a rule gave one, get it now. */
static void nsh_leave(struct stage *port, const uint32_t *refs, unsigned n)
{
	struct fabric *fabric = port->fabric;
	struct frames *f = &fabric->frames;
	struct place_stats *stats = &f->stats[PLACE_NSH];
	uint32_t burst[SEG_BURST];
	unsigned burst_n = 0;
	struct stage *out = port;
	unsigned none = 0;
	while (none < n && f->priv[refs[none]].nsh_len == 0 && f->priv[refs[none]].encap == 0)
		none++;
	if (none == n) {
		port->ops->take(port, refs, n);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct frame_private *priv = &f->priv[refs[i]];
		struct stage *to = port;
		if (priv->nsh_len != 0 || priv->encap != 0) {
			prefetch(f, refs, i, n);
			stats->received++;
			int number = sff_leave(fabric, refs[i], port->number, false);
			if (number < 0)
				continue;
			stats->forwarded++;
			to = fabric->stage[STAGE_PORT + number];
		}
		if (burst_n > 0 && to != out) {
			out->touched = true;
			out->ops->take(out, burst, burst_n);
			burst_n = 0;
		}
		out = to;
		burst[burst_n++] = refs[i];
	}
	if (burst_n > 0) {
		out->touched = true;
		out->ops->take(out, burst, burst_n);
	}
}

static const struct keeping_ops keeping = {
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
	s->fabric->keeping = &keeping;
	return 0;
}

static void nsh_close(struct stage *s)
{
	s->fabric->keeping = NULL;
	free(s->self);
	s->self = NULL;
}

const struct stage_ops nsh_stage = { .kind = "nsh", .open = nsh_open, .take = nsh_take, .close = nsh_close };
