/* What is inside a tunnel: the packets that a packet carries, and their checksums.
 *
 * Looked into: IPv4, IPv6, MPLS and Ethernet in IP (IPIP, 6in4, 4in6, SRv6), GRE (RFC 2784, 2890), and in UDP VXLAN
 * (RFC 7348; GPE, draft-ietf-nvo3-vxlan-gpe), Geneve (RFC 8926), MPLS (RFC 7510), IP itself; MPLS labels (RFC 3032)
 * and NSH (RFC 8300) before any of it. What UDP carries is told by its shape, since operators choose the ports.
 *
 * Like packet.h it reads nothing outside [data, data + len).
 */
#ifndef ITF_INWARD_H
#define ITF_INWARD_H
#include "crc32c.h"
#include "nsh.h"
#include "packet.h"

enum { INWARD_DEEPEST = 8 /* packets in each other */, INWARD_LABELS = 16 };
enum { GRE_LEAST = 4, GRE_CHECKSUM = 0x8000, GRE_KEY = 0x2000, GRE_SEQUENCE = 0x1000 };
enum { UDP_SHIM = 8 /* of VXLAN and, without options, Geneve */, MPLS_UDP_PORT = 6635, SCTP_LEAST = 12 };

struct inward {
	struct frame_record r; /* as packet_parse fills it, offsets from the outermost packet's first byte */
	uint32_t end;	       /* where what this packet lies in ends */
};

static inline uint16_t inward_ip_type(uint8_t first)
{
	return first >> 4 == 4 ? ETHER_IP4 : first >> 4 == 6 ? ETHER_IP6 : 0;
}

/* Behind the bottom of a label stack: IP, or Ethernet behind a control word (RFC 4385). */
static inline bool inward_labels(const uint8_t *data, uint32_t end, uint32_t *at, uint16_t *type)
{
	for (int i = 0; i < INWARD_LABELS && end - *at > 4; i++) {
		bool bottom = data[*at + 2] & 1;
		*at += 4;
		if (!bottom)
			continue;
		*type = inward_ip_type(data[*at]);
		if (*type == 0 && data[*at] >> 4 == 0 && end - *at > 4) {
			*at += 4;
			*type = ETHER_BRIDGED;
		}
		return *type != 0;
	}
	return false;
}

/* The IP packet at or behind `at`, where something of `type` (ETHER_*) begins. False if there is none. */
static inline bool inward_parse(const uint8_t *data, uint32_t end, uint32_t at, uint16_t type,
				struct inward *in)
{
	struct inward found = { .r = { .l3 = OFFSET_NONE, .l4 = OFFSET_NONE, .link = LINK_OTHER },
				.end = end };
	for (int i = 0; i < INWARD_DEEPEST && at < end; i++) {
		if (type == ETHER_IP4 || type == ETHER_IP6) {
			if (type == ETHER_IP4)
				packet_parse_ip4(data, end, at, &found.r);
			else
				packet_parse_ip6(data, end, at, &found.r);
			if (found.r.l3 != OFFSET_NONE)
				*in = found;
			return found.r.l3 != OFFSET_NONE;
		}
		if (type == ETHER_MPLS || type == ETHER_MPLS_MULTICAST) {
			if (!inward_labels(data, end, &at, &type))
				return false;
		} else if (type == ETHER_NSH) {
			static const uint16_t next[] = { 0,	    ETHER_IP4, ETHER_IP6, ETHER_BRIDGED,
							 ETHER_NSH, ETHER_MPLS };
			if (end - at < NSH_BASE || nsh_size(data + at) < NSH_BASE ||
			    nsh_next(data + at) >= sizeof next / sizeof *next)
				return false;
			type = next[nsh_next(data + at)];
			at += nsh_size(data + at);
		} else if (type == ETHER_BRIDGED) {
			uint32_t header = packet_after_tags(data + at, end - at, &type);
			if (header == 0)
				return false;
			at += header;
		} else {
			return false;
		}
	}
	return false;
}

/* What UDP's payload at `at` is, and where it begins; 0 if it looks like no tunnel. */
static inline uint16_t inward_in_udp(const uint8_t *data, uint32_t end, uint16_t port, uint32_t *at)
{
	static const uint16_t gpe[] = { 0, ETHER_IP4, ETHER_IP6, ETHER_BRIDGED, ETHER_NSH };
	const uint8_t *p = data + *at;
	uint32_t size = end - *at;
	if (port == MPLS_UDP_PORT)
		return ETHER_MPLS;
	if (size > sizeof(struct ip4_header) && p[0] >> 4 == 4 && load16(p + 2) == size)
		return ETHER_IP4;
	if (size > sizeof(struct ip6_header) && p[0] >> 4 == 6 &&
	    load16(p + 4) == size - sizeof(struct ip6_header))
		return ETHER_IP6;
	if (size <= UDP_SHIM || p[7] != 0)
		return 0;
	*at += UDP_SHIM;
	if ((p[0] & 0x3c) == 0x0c && p[1] == 0 && p[2] == 0) /* GPE: version 0, I and P */
		return p[3] < sizeof gpe / sizeof *gpe ? gpe[p[3]] : 0;
	if ((p[0] == 0x08 && load16(p + 2) == 0) || p[0] == 0x88) /* I; with G a group policy */
		return ETHER_BRIDGED;
	if (p[0] >> 6 == 0) { /* Geneve: version 0, its options in words */
		uint32_t options = (p[0] & 0x3fu) * 4;
		uint16_t type = load16(p + 2);
		*at += options;
		return type == ETHER_BRIDGED || type == ETHER_IP4 || type == ETHER_IP6 || type == ETHER_NSH
			       ? type
			       : 0;
	}
	return 0;
}

/* Bytes of the GRE header at `at`; 0 if it is none that can be looked through (routing, version 1). */
static inline uint32_t inward_gre_size(const uint8_t *data, uint32_t end, uint32_t at)
{
	if (at > end || end - at < GRE_LEAST)
		return 0;
	uint16_t flags = load16(data + at);
	uint32_t size = GRE_LEAST + (flags & GRE_CHECKSUM ? 4 : 0) + (flags & GRE_KEY ? 4 : 0) +
			(flags & GRE_SEQUENCE ? 4 : 0);
	return (flags & ~(GRE_CHECKSUM | GRE_KEY | GRE_SEQUENCE)) != 0 || size > end - at ? 0 : size;
}

/* Go from an IP packet to the one that it carries. False, and nothing changed, if it carries none. */
static inline bool inward_next(const uint8_t *data, struct inward *in)
{
	uint32_t at = in->r.l4, end = packet_ip_end(data, in->end, &in->r), size;
	uint16_t type = 0;
	if (at == OFFSET_NONE || at >= end)
		return false;
	switch (in->r.l4_proto) {
	case PROTO_IP4:
		type = ETHER_IP4;
		break;
	case PROTO_IP6:
		type = ETHER_IP6;
		break;
	case PROTO_MPLS:
		type = ETHER_MPLS;
		break;
	case PROTO_ETHERNET:
		type = ETHER_BRIDGED;
		break;
	case PROTO_GRE:
		size = inward_gre_size(data, end, at);
		if (size == 0)
			return false;
		type = load16(data + at + 2);
		at += size;
		break;
	case PROTO_UDP:
		if (end - at <= sizeof(struct udp_header))
			return false;
		size = load16(data + at + 4);
		if (size > sizeof(struct udp_header) && size < end - at)
			end = at + size;
		at += (uint32_t)sizeof(struct udp_header);
		type = inward_in_udp(data, end, load16(data + at - 6), &at);
		break;
	}
	return type != 0 && inward_parse(data, end, at, type, in);
}

/* All packets in each other, the outermost first; r as packet_parse has filled it. Returns how many there are. */
static inline unsigned inward_walk(const uint8_t *data, uint32_t len, const struct frame_record *r,
				   struct inward level[INWARD_DEEPEST])
{
	unsigned n = 0;
	uint16_t type = 0;
	level[0] = (struct inward){ *r, len };
	if (r->l3 == OFFSET_NONE) { /* labels or NSH may come before IP */
		uint32_t at = r->link == LINK_ETHERNET ? packet_after_tags(data, len, &type) : 0;
		if (at == 0 || !inward_parse(data, len, at, type, &level[0]))
			return 0;
	}
	for (n = 1; n < INWARD_DEEPEST; n++) {
		level[n] = level[n - 1];
		if (!inward_next(data, &level[n]))
			break;
	}
	return n;
}

/* ---- checksums -------------------------------------------------------------------------------------- */

/* Where a GRE header's checksum is and how many bytes it covers, from r.l4 on; false if it has none. */
static inline bool inward_gre_covered(const uint8_t *data, const struct inward *in, uint32_t *n)
{
	uint32_t end = packet_ip_end(data, in->end, &in->r);
	if (in->r.l4_proto != PROTO_GRE || in->r.l4 == OFFSET_NONE ||
	    inward_gre_size(data, end, in->r.l4) == 0 || !(load16(data + in->r.l4) & GRE_CHECKSUM))
		return false;
	*n = end - in->r.l4;
	return true;
}

static inline void inward_store_gre_sum(uint8_t *gre, uint32_t n)
{
	memset(gre + 4, 0, 2);
	uint16_t check = (uint16_t)~packet_fold(packet_sum(gre, n, 0));
	memcpy(gre + 4, &check, 2);
}

/* Bytes of an SCTP packet that is all there; 0 if it is none, or a part of one. */
static inline uint32_t inward_sctp_size(const uint8_t *data, const struct inward *in)
{
	const struct frame_record *r = &in->r;
	bool six = r->flags & FRAME_IPV6;
	if (r->l4_proto != PROTO_SCTP || r->l4 == OFFSET_NONE || (r->flags & FRAME_FRAGMENT))
		return 0;
	uint32_t said =
		load16(data + r->l3 + (six ? 4 : 2)) + (six ? (uint32_t)sizeof(struct ip6_header) : 0);
	if (said > in->end - r->l3 || r->l3 + said < r->l4 + (uint32_t)SCTP_LEAST ||
	    (six ? packet_ip6_fragmented(data, r) : (load16(data + r->l3 + 6) & IP4_MORE_FRAGMENTS) != 0))
		return 0;
	return r->l3 + said - r->l4;
}

/* Does this packet's own transport have a checksum over what it carries, and is it right as it is? */
static inline bool inward_vouches(const uint8_t *data, const struct inward *in)
{
	uint32_t n;
	if (inward_gre_covered(data, in, &n))
		return packet_fold(packet_sum(data + in->r.l4, n, 0)) == 0xffff;
	struct packet_cover c = packet_covered(data, in->end, &in->r);
	if (in->r.l4_proto != PROTO_UDP || c.at == 0 || load16(data + c.at) == 0)
		return false;
	return packet_fold(packet_sum(data + in->r.l4, c.len, c.pseudo)) == 0xffff;
}

/* Is its transport's checksum one that a local peer left to its device? TCP's, UDP's and ICMPv6's is then the
 * pseudo-header's sum, SCTP's and GRE's zero. */
static inline bool inward_partial(const uint8_t *data, const struct inward *in)
{
	uint32_t n;
	uint16_t now;
	switch (in->r.l4_proto) {
	case PROTO_SCTP:
		return inward_sctp_size(data, in) != 0 && load32(data + in->r.l4 + 8) == 0;
	case PROTO_GRE:
		return inward_gre_covered(data, in, &n) && load16(data + in->r.l4 + 4) == 0;
	case PROTO_TCP:
	case PROTO_UDP:
	case PROTO_ICMP6:
		break;
	default:
		return false;
	}
	struct packet_cover c = packet_covered(data, in->end, &in->r);
	if (c.at == 0)
		return false;
	memcpy(&now, data + c.at, 2);
	return now == packet_fold(c.pseudo);
}

/* Compute its transport's checksum anew, whatever it is, and IPv4's. */
static inline void inward_fix(uint8_t *data, const struct inward *in)
{
	uint32_t n;
	packet_fix_checksums(data, in->end, &in->r);
	if (inward_gre_covered(data, in, &n))
		inward_store_gre_sum(data + in->r.l4, n);
	else if ((n = inward_sctp_size(data, in)) != 0)
		crc32c_store_sctp(data + in->r.l4, n);
}

/* Complete a checksum that was left to a device, wherever in the packet it is. An outer checksum over it that is
 * right as it is says that the packet is as its sender meant it: the kernel makes outer ones for the completed
 * inner one. Returns how many were completed. */
static inline unsigned inward_complete(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	struct inward level[INWARD_DEEPEST];
	unsigned done = 0;
	for (unsigned n = inward_walk(data, len, r, level); n > 0; n--) {
		bool meant = !inward_partial(data, &level[n - 1]);
		for (unsigned i = 0; i + 1 < n && !meant; i++)
			meant = inward_vouches(data, &level[i]);
		if (meant)
			continue;
		uint32_t size;
		const struct inward *in = &level[n - 1];
		if (in->r.l4_proto == PROTO_SCTP) {
			crc32c_store_sctp(data + in->r.l4, inward_sctp_size(data, in));
		} else if (inward_gre_covered(data, in, &size)) {
			inward_store_gre_sum(data + in->r.l4, size);
		} else {
			struct packet_cover c = packet_covered(data, in->end, &in->r);
			packet_store_l4_sum(data, &in->r, &c);
		}
		done++;
	}
	return done;
}

/* UDP's payload at p, of `size` bytes: could it be a tunnel's? What inward_in_udp() looks at, in a few loads. */
static inline bool inward_worth_udp(const uint8_t *p, uint32_t size, uint16_t port)
{
	switch (p[0] >> 4) {
	case 4:
		return load16(p + 2) == size;
	case 6:
		return load16(p + 4) + sizeof(struct ip6_header) == size;
	}
	return (p[7] == 0 &&
		((p[0] & 0x08) || p[2] == 0x65 || p[2] == 0x08 || p[2] == 0x86 || p[2] == 0x89)) ||
	       port == MPLS_UDP_PORT;
}

/* Could there be more in this packet than its own TCP, UDP or ICMP header? Asked for every packet. */
static inline bool inward_worth(const uint8_t *data, uint32_t len, const struct frame_record *r)
{
	switch (r->l4_proto) {
	case PROTO_TCP:
	case PROTO_ICMP:
	case PROTO_ICMP6:
		return false;
	case PROTO_UDP:
		return len > r->l4 + sizeof(struct udp_header) + UDP_SHIM &&
		       inward_worth_udp(data + r->l4 + sizeof(struct udp_header),
					load16(data + r->l4 + 4) - (uint32_t)sizeof(struct udp_header),
					load16(data + r->l4 + 2));
	default:
		return true;
	}
}
#endif
