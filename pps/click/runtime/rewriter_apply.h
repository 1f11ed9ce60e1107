/* A packet meets an IP rewriter: its flow is found or made, its header follows the flow. */
#ifndef CLICK_REWRITER_APPLY_H
#define CLICK_REWRITER_APPLY_H
#include "rewriter_spec.h"

enum {
	RW_DONE = 1, /* state of a TCP flow: << direction: saw FIN */
	RW_DONE_BOTH = 3,
	RW_DATA = 4, /* << direction: saw payload */
	RW_DATA_BOTH = 12,
	RW_STREAMING = 7, /* state of other flows: replies, and some packets */
	RW_PROTO_DCCP = 33,
};

/* How an element rewrites. */
enum rw_style { RW_ADDRESSES, RW_STYLE_TCP, RW_STYLE_UDP };

static inline void rw__check(void *check, unsigned direction, uint16_t delta)
{
	uint16_t v;
	if (!delta)
		return;
	memcpy(&v, check, 2);
	v = packet_update_sum16(v, 0, direction ? delta : (uint16_t)~delta);
	memcpy(check, &v, 2);
}

static inline void rw__follow_tcp(struct rw_flow *f, unsigned direction, const struct ip4_header *ip,
				  const struct tcp_header *tcp)
{
	bool payload = ((ip->version_ihl & 15u) + (tcp->offset_x2 >> 4)) * 4 < net16(ip->total_len);
	if (tcp->flags & TCP_RST)
		f->state |= RW_DONE_BOTH;
	else if (tcp->flags & TCP_FIN)
		f->state |= (uint8_t)(RW_DONE << direction);
	else if ((tcp->flags & TCP_SYN) || payload)
		f->state &= (uint8_t) ~(RW_DONE << direction);
	if (payload)
		f->state |= (uint8_t)(RW_DATA << direction);
}

static inline void rw__apply(struct vnfc_packet *p, struct rw_flow *f, unsigned direction,
			     enum rw_style style)
{
	struct ip4_header *ip = click_ip(p);
	uint32_t len = click_transport_len(p);
	uint8_t *l4 = click_transport(p);
	struct rw_id to = rw_reverse(f->id[!direction]);
	ip->src = to.src;
	ip->dst = to.dst;
	rw__check(&ip->check, direction, f->ip_delta);
	if (!click_ip_first_fragment(ip))
		return;
	if (style != RW_ADDRESSES && len >= 8) {
		memcpy(l4, &to.sport, 2);
		memcpy(l4 + 2, &to.dport, 2);
	}
	if (ip->proto == PROTO_TCP && len >= 18) {
		rw__check(l4 + 16, direction, f->l4_delta);
		if (style == RW_STYLE_TCP)
			rw__follow_tcp(f, direction, ip, (struct tcp_header *)l4);
	} else if (ip->proto == PROTO_UDP && len >= 8 && (l4[6] || l4[7])) { /* 0: no checksum */
		rw__check(l4 + 6, direction, f->l4_delta);
	}
	if (style == RW_STYLE_UDP) {
		f->state |= (uint8_t)direction;
		f->state = (uint8_t)(f->state < 6 ? f->state + 2 : f->state);
	}
}

static inline bool rw__takes(const struct vnfc_packet *p, const struct ip4_header *ip, bool tcp, bool udp)
{
	return ((tcp && ip->proto == PROTO_TCP) ||
		(udp && (ip->proto == PROTO_UDP || ip->proto == RW_PROTO_DCCP))) &&
	       click_ip_first_fragment(ip) && click_transport_len(p) >= 8;
}

struct rw_options {
	bool addresses, tcp, udp; /* all IP packets by address; these protocols by port */
	bool both;		  /* two maps */
	bool set_dst, anno;	  /* annotations */
	uint8_t anno_at;
};

/* The output that p goes to, or -1: it is to be dropped. */
static inline int rw_packet(struct rewriter *rw, struct vnfc_packet *p, unsigned input, struct rw_options o)
{
	struct ip4_header *ip = click_ip(p);
	struct rw_input *in = &rw->input[input];
	unsigned direction = 0;
	if (!ip)
		return -1;
	if (!o.addresses && !rw__takes(p, ip, o.tcp, o.udp && !(o.both && ip->proto == RW_PROTO_DCCP)))
		return in->kind == RW_PASS ? in->forward : -1;
	struct rw_id id = { .src = ip->src, .dst = ip->dst };
	if (!o.addresses) {
		memcpy(&id.sport, click_transport(p), 2);
		memcpy(&id.dport, click_transport(p) + 2, 2);
	}
	unsigned map = o.both && ip->proto != PROTO_TCP ? RW_UDP : RW_TCP;
	struct rw_flow *f = rw_find(&rw->map[map], &id, &direction);
	if (!f) {
		struct rw_id to = id;
		if (in->kind == RW_PASS)
			return in->forward;
		if (in->kind == RW_DROP)
			return -1;
		if (in->kind == RW_PATTERN && !rw_pattern_apply(&in->pattern, &rw->map[map], id, &to)) {
			in->failures++;
			return -1;
		}
		if (o.addresses && (to.sport || to.dport))
			return -1;
		f = rw_new(rw, map, o.addresses ? 0 : ip->proto, id, to, input);
		if (!f)
			return -1;
		if (o.anno)
			f->anno = click_anno8(p, o.anno_at);
	}
	rw__apply(p, f, direction,
		  o.addresses ? RW_ADDRESSES
		  : o.both    ? (map == RW_TCP ? RW_STYLE_TCP : RW_STYLE_UDP)
		  : o.udp     ? RW_STYLE_UDP
			      : RW_STYLE_TCP);
	if (o.set_dst)
		click_set_dst_ip(p, ip->dst);
	if (direction && o.anno)
		click_set_anno8(p, o.anno_at, f->anno);
	rw_renew(f);
	return f->output[direction];
}
#endif
