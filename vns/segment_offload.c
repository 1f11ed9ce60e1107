/* See segment_offload.h. RFC 9293 (TCP), 768 (UDP), 791 and 8200 (IP), 3168 (CWR), 2784 (GRE). */
#include "vns/segment_offload.h"
#include <linux/virtio_net.h>
#include "itf/inward.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum { TCP_CWR = 128, SCTP_CHECKSUM = 8 /* its place; no other has one there */ };

_Static_assert((int)SUPER_DEEPEST >= (int)INWARD_DEEPEST, "every level has a place");

/* Everything that is repeated in front of the payload, from the outermost packet to the one that is cut. */
static bool take_levels(struct super_frame *s, const struct inward *level, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct frame_record *r = &level[i].r;
		s->level[i] = (struct super_level){ .r = *r, .has_sum = true };
		if (r->l4_proto == PROTO_UDP)
			s->level[i].has_sum = load16(s->bytes + r->l4 + 6) != 0;
		else if (r->l4_proto == PROTO_GRE && (load16(s->bytes + r->l4) & GRE_SEQUENCE))
			return false;
	}
	s->levels = n;
	return n > 0;
}

bool super_frame_open(struct super_frame *s, const uint8_t *bytes, uint32_t len, uint8_t gso_type,
		      uint16_t gso_size, uint32_t start)
{
	uint8_t kind = gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN, proto = PROTO_TCP;
	struct inward level[INWARD_DEEPEST];
	struct frame_record r = { .link = LINK_ETHERNET };
	*s = (struct super_frame){ .bytes = bytes, .len = len, .size = gso_size };
	if (kind == VIRTIO_NET_HDR_GSO_UDP_L4)
		proto = PROTO_UDP;
	else if (kind != VIRTIO_NET_HDR_GSO_TCPV4 && kind != VIRTIO_NET_HDR_GSO_TCPV6)
		return false;
	if (gso_size == 0)
		return false;
	packet_parse(bytes, len, &r);
	unsigned n = inward_walk(bytes, len, &r, level);
	while (n > 0 && (level[n - 1].r.l4_proto != proto || level[n - 1].r.l4 == OFFSET_NONE ||
			 (start != 0 && level[n - 1].r.l4 != start)))
		n--;
	if (!take_levels(s, level, n))
		return false;
	const struct frame_record *cut = &level[n - 1].r;
	const uint8_t *l4 = bytes + cut->l4;
	uint32_t header = proto == PROTO_TCP ? (uint32_t)(l4[12] >> 4) * 4 : sizeof(struct udp_header);
	uint32_t end = packet_ip_end(bytes, level[n - 1].end, cut);
	if (header < packet_l4_least(proto) || end < cut->l4 + header)
		return false;
	s->level[n - 1].has_sum = s->level[n - 1].has_sum || start != 0;
	s->headers = cut->l4 + header;
	s->payload = end - s->headers;
	s->segments = s->payload == 0 ? 1 : (s->payload + gso_size - 1) / gso_size;
	return true;
}

static uint32_t payload_of(const struct super_frame *s)
{
	uint32_t left = s->payload - s->next * s->size;
	return left < s->size ? left : s->size;
}

uint32_t super_frame_next_len(const struct super_frame *s)
{
	return s->next < s->segments ? s->headers + payload_of(s) : 0;
}

static void fix_ip(const struct super_frame *s, const struct frame_record *r, uint8_t *to, uint32_t len)
{
	uint8_t *ip = to + r->l3;
	if (r->flags & FRAME_IPV6) {
		store16(ip + 4, (uint16_t)(len - r->l3 - sizeof(struct ip6_header)));
		return;
	}
	store16(ip + 2, (uint16_t)(len - r->l3));
	store16(ip + 4, (uint16_t)(load16(ip + 4) + s->next));
}

static void fix_tcp(const struct super_frame *s, uint8_t *to)
{
	struct tcp_header *tcp = (struct tcp_header *)(to + s->level[s->levels - 1].r.l4);
	tcp->seq = net32(net32(tcp->seq) + s->next * s->size);
	if (s->next + 1 < s->segments)
		tcp->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (s->next > 0)
		tcp->flags &= (uint8_t)~TCP_CWR; /* said once */
}

void super_frame_make(struct super_frame *s, uint8_t *to)
{
	uint32_t part = payload_of(s), len = s->headers + part;
	memcpy(to, s->bytes, s->headers);
	memcpy(to + s->headers, s->bytes + s->headers + s->next * s->size, part);
	if (s->level[s->levels - 1].r.l4_proto == PROTO_TCP)
		fix_tcp(s, to);
	for (unsigned n = s->levels; n > 0; n--) { /* outer checksums cover inner ones */
		const struct super_level *l = &s->level[n - 1];
		const struct inward in = { .r = l->r, .end = len };
		fix_ip(s, &l->r, to, len);
		if (l->r.l4_proto == PROTO_UDP)
			store16(to + l->r.l4 + 4, (uint16_t)(len - l->r.l4));
		inward_fix(to, &in);
		if (!l->has_sum)
			store16(to + l->r.l4 + 6, 0);
	}
	s->next++;
}

bool checksum_complete_at(uint8_t *bytes, uint32_t len, uint32_t start, uint32_t offset)
{
	if (start >= len || offset > len - start || len - start - offset < 2 || offset == SCTP_CHECKSUM)
		return false;
	/* the field holds the pseudo-header's sum, so it is a part of what is summed up */
	uint16_t check = (uint16_t)~packet_fold(packet_sum(bytes + start, len - start, 0));
	if (check == 0)
		check = 0xffff; /* the same number, and for UDP not "none" */
	memcpy(bytes + start + offset, &check, 2);
	return true;
}
