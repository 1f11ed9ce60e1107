/* What the two live backends have in common: how a packet's records begin, and what may leave. */
#ifndef VNS_LIVE_H
#define VNS_LIVE_H
#include "itf/inward.h"
#include "itf/stage.h"

enum { LIVE_TAGS = 2 /* VLAN tags that may come on top of the MTU */, LIVE_RUNT = 14 };

static const uint64_t LIVE_PATIENCE_NS = 1000000, LIVE_PATIENCE_MOST_NS = 64000000;

static inline const struct port_wiring *live_wired(const struct stage *s)
{
	return &s->fabric->wiring[s->fabric->epoch & 1]->port[s->number];
}

/* The longest packet that still leaves FRAME_TAILROOM bytes behind it. */
static inline uint32_t live_longest(const struct frames *f)
{
	return f->frame_size - FRAME_HEADROOM - FRAME_TAILROOM;
}

/* Not in the way of the many that carry no other packet. */
static __attribute__((noinline)) void live_complete_inward(uint8_t *bytes, uint32_t len,
							   const struct frame_record *r)
{
	inward_complete(bytes, len, r);
}

/* Fill both records of a packet that has just arrived in its frame, and complete its checksum, or that of the
 * packet inside a tunnel. */
static inline void live_arrive(struct stage *s, uint32_t ref, uint32_t data, uint32_t len)
{
	struct fabric *fabric = s->fabric;
	struct frames *f = &fabric->frames;
	struct frame_record *r = &f->record[ref];
	uint8_t *bytes = frame_start(f, ref) + data;
	*r = (struct frame_record){ .data = data,
				    .len = len,
				    .link = LINK_ETHERNET,
				    .verdict = VERDICT_NONE,
				    .port = (uint8_t)s->number,
				    .time_ns = f->now };
	f->priv[ref] = (struct frame_private){ .time_ns = f->now,
					       .epoch = (uint16_t)fabric->epoch,
					       .port = (uint8_t)s->number,
					       .link = LINK_ETHERNET };
	packet_parse(bytes, len, r);
	if (inward_worth(bytes, len, r))
		live_complete_inward(bytes, len, r);
	else
		packet_complete_checksum(bytes, len, r);
}

/* Count n packets as received and handed on, and hand them on. */
static inline void live_hand(struct stage *s, const uint32_t *refs, unsigned n)
{
	if (n == 0)
		return;
	s->in->forwarded += n;
	sizes_add(&s->in->bursts, n);
	stage_hand(s->fabric, (uint16_t)live_wired(s)->enter, refs, n);
}

struct live_leaving { /* a packet that may leave: its record, read once */
	uint32_t ref, data, len;
};

/* Why this packet cannot leave by a port of this MTU; -1 if it can. Tags come on top of the MTU. */
static inline int live_refuses(const struct frames *f, uint32_t ref, uint32_t mtu, struct live_leaving *l)
{
	const struct frame_record *r = &f->record[ref];
	*l = (struct live_leaving){ ref, r->data, r->len };
	if (l->data > f->frame_size || l->len > f->frame_size - l->data)
		return REASON_oversize;
	if (l->len < LIVE_RUNT)
		return REASON_truncated;
	if (r->link != LINK_ETHERNET)
		return REASON_link_type;
	uint32_t limit = mtu + sizeof(struct eth_header);
	const uint8_t *bytes = frame_start(f, ref) + l->data;
	for (uint32_t at = 12, i = 0; l->len > limit && i < LIVE_TAGS && packet_is_tag(load16(bytes + at));
	     i++) {
		limit += sizeof(struct vlan_header);
		at += sizeof(struct vlan_header);
	}
	return l->len > limit ? (int)REASON_oversize : -1;
}

/* Take n packets over: what can leave goes to `out`, owned by the port's leaving side; the rest is dropped. */
static inline unsigned live_sort(struct stage *s, const uint32_t *refs, unsigned n, struct live_leaving *out)
{
	struct frames *f = &s->fabric->frames;
	uint32_t mtu = live_wired(s)->mtu;
	unsigned kept = 0;
	s->out->received += n;
	sizes_add(&s->out->bursts, n);
	for (unsigned i = 0; i < n; i++) {
		int reason = live_refuses(f, refs[i], mtu, &out[kept]);
		if (reason < 0)
			kept++;
		else
			frame_drop(f, refs[i], PLACE_LEAVING + s->number, (unsigned)reason);
	}
	return kept;
}

/* How long to wait before looking again for what the kernel has still to confirm. */
struct live_patience {
	uint64_t next_ns;
};

static inline void live_moved(struct live_patience *p)
{
	p->next_ns = LIVE_PATIENCE_NS;
}

static inline void live_waited(struct live_patience *p)
{
	p->next_ns = p->next_ns * 2 < LIVE_PATIENCE_MOST_NS ? p->next_ns * 2 : LIVE_PATIENCE_MOST_NS;
}
#endif
