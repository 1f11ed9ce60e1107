/* The only code that parses headers, moves head and tail, and (checksum.h) computes checksums.
 *
 * Everything works on bytes and a struct frame_record, needs nothing but these headers, and compiles as
 * C11 and C++17. No function reads outside [data, data + len), whatever the packet or the record say.
 */
#ifndef ITF_PACKET_H
#define ITF_PACKET_H
#include <stdbool.h>
#include <stddef.h>
#include "headers.h"
#include "segment.h"

enum {
	PACKET_TAGS = 8,       /* VLAN tags looked through */
	PACKET_EXTENSIONS = 8, /* IPv6 extension headers looked through */
	/* of a record: what its bytes do not say */
	PACKET_KEPT_FLAGS = FRAME_ORIGINATED | FRAME_CLONED | FRAME_NOTED | FRAME_WATCHED,
};

/* The least that must be there of a transport header for l4 to point at it. */
static inline uint32_t packet_l4_least(uint8_t proto)
{
	switch (proto) {
	case PROTO_TCP:
		return sizeof(struct tcp_header);
	case PROTO_UDP:
		return sizeof(struct udp_header);
	case PROTO_ICMP:
	case PROTO_ICMP6:
		return sizeof(struct icmp_header);
	default:
		return 0;
	}
}

static inline void packet_set_l4(struct frame_record *r, uint32_t at, uint32_t end, uint8_t proto)
{
	if (at > end || end - at < packet_l4_least(proto))
		return;
	r->l4 = (uint16_t)at;
	r->l4_proto = proto;
}

/* The length that an IPv4 header states. 0: it was captured before its sender's network card cut it, so `most`. */
static inline uint32_t packet_ip4_len(const struct ip4_header *ip, uint32_t most)
{
	return ip->total_len != 0 ? net16(ip->total_len) : most;
}

static inline void packet_parse_ip4(const uint8_t *data, uint32_t len, uint32_t at, struct frame_record *r)
{
	if (at >= OFFSET_NONE || len - at < sizeof(struct ip4_header))
		return;
	const struct ip4_header *ip = (const struct ip4_header *)(data + at);
	uint32_t header = (ip->version_ihl & 15u) * 4;
	if (ip->version_ihl >> 4 != 4 || header < sizeof(*ip) || len - at < header)
		return;
	r->l3 = (uint16_t)at;
	uint32_t total = packet_ip4_len(ip, len - at);
	if (net16(ip->fragment) & IP4_OFFSET)
		r->flags |= FRAME_FRAGMENT;
	else
		packet_set_l4(r, at + header, total < len - at ? at + total : len, ip->proto);
}

static inline void packet_parse_ip6(const uint8_t *data, uint32_t len, uint32_t at, struct frame_record *r)
{
	if (at >= OFFSET_NONE || len - at < sizeof(struct ip6_header) || data[at] >> 4 != 6)
		return;
	const struct ip6_header *ip = (const struct ip6_header *)(data + at);
	r->l3 = (uint16_t)at;
	r->flags |= FRAME_IPV6;
	uint32_t next_at = at + (uint32_t)sizeof(*ip);
	uint32_t payload = net16(ip->payload_len);
	uint32_t end = payload > 0 && payload < len - next_at ? next_at + payload : len; /* 0: as in IPv4 */
	uint8_t next = ip->next;
	for (int i = 0; i <= PACKET_EXTENSIONS; i++) {
		switch (next) {
		case PROTO_FRAGMENT:
			if (end - next_at < 8)
				return;
			if (load16(data + next_at + 2) & 0xfff8) {
				r->flags |= FRAME_FRAGMENT;
				return;
			}
			next = data[next_at];
			next_at += 8;
			break;
		case PROTO_HOPOPTS:
		case PROTO_ROUTING:
		case PROTO_DSTOPTS:
		case PROTO_MOBILITY:
		case PROTO_HIP:
		case PROTO_SHIM6:
		case PROTO_AH: {
			if (end - next_at < 8)
				return;
			uint32_t size = next == PROTO_AH ? (data[next_at + 1] + 2u) * 4
							 : (data[next_at + 1] + 1u) * 8;
			if (end - next_at < size)
				return;
			next = data[next_at];
			next_at += size;
			break;
		}
		case PROTO_NONE:
			return;
		default:
			if (next_at < OFFSET_NONE)
				packet_set_l4(r, next_at, end, next);
			return;
		}
	}
}

static inline bool packet_is_tag(uint16_t type)
{
	return type == ETHER_VLAN || type == ETHER_QINQ || type == ETHER_QINQ_OLD;
}

/* Offset of what follows the Ethernet header and its tags, *type says what it is; 0 if cut short. */
static inline uint32_t packet_after_tags(const uint8_t *data, uint32_t len, uint16_t *type)
{
	uint32_t at = sizeof(struct eth_header);
	if (len < at)
		return 0;
	*type = load16(data + 12);
	for (int i = 0; i < PACKET_TAGS && packet_is_tag(*type); i++) {
		if (len - at < sizeof(struct vlan_header))
			return 0;
		*type = load16(data + at + 2);
		at += (uint32_t)sizeof(struct vlan_header);
	}
	return at;
}

static inline bool packet_parse_slowly(const uint8_t *data, uint32_t len, struct frame_record *r)
{
	uint32_t at = 0;
	uint16_t type = 0;
	r->l3 = r->l4 = OFFSET_NONE;
	r->l4_proto = 0;
	r->flags &= PACKET_KEPT_FLAGS;
	if (r->link == LINK_ETHERNET) {
		if (len >= sizeof(struct eth_header) && packet_is_tag(load16(data + 12)))
			r->flags |= FRAME_VLAN;
		at = packet_after_tags(data, len, &type);
		if (at == 0)
			return false;
	} else if (r->link == LINK_IP && len > 0) {
		type = data[0] >> 4 == 4 ? ETHER_IP4 : data[0] >> 4 == 6 ? ETHER_IP6 : 0;
	}
	if (type == ETHER_IP4)
		packet_parse_ip4(data, len, at, r);
	else if (type == ETHER_IP6)
		packet_parse_ip6(data, len, at, r);
	return r->l3 != OFFSET_NONE;
}

/* Fill l3, l4, l4_proto and the flags IPV6, FRAGMENT, VLAN of r out of the packet; r->link says how it
 * begins. A header that is cut short is not there (OFFSET_NONE); where l4 points at TCP, UDP, ICMP or
 * ICMPv6, that header's fixed part lies inside the IP packet. Returns whether there is an IP header. */
static inline bool packet_parse(const uint8_t *data, uint32_t len, struct frame_record *r)
{
	/* by far the most: untagged IPv4 without options, not a fragment, TCP or UDP, all there */
	if (r->link == LINK_ETHERNET && len >= 54 && load16(data + 12) == ETHER_IP4 && data[14] == 0x45 &&
	    !(load16(data + 20) & IP4_OFFSET) && (data[23] == PROTO_TCP || data[23] == PROTO_UDP) &&
	    load16(data + 16) >= 40) {
		r->l3 = 14;
		r->l4 = 34;
		r->l4_proto = data[23];
		r->flags &= PACKET_KEPT_FLAGS;
		return true;
	}
	return packet_parse_slowly(data, len, r);
}

/* ---- accessors: NULL if the header is absent or cut short --------------------------------------- */

static inline bool packet_has(uint32_t len, uint32_t at, uint32_t size)
{
	return at != OFFSET_NONE && at <= len && len - at >= size;
}

static inline struct eth_header *packet_eth(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	return r->link == LINK_ETHERNET && len >= sizeof(struct eth_header) ? (struct eth_header *)data
									    : NULL;
}

/* The outermost tag. */
static inline struct vlan_header *packet_vlan(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	uint32_t least = sizeof(struct eth_header) + sizeof(struct vlan_header);
	if (r->link != LINK_ETHERNET || len < least || !packet_is_tag(load16(data + 12)))
		return NULL;
	return (struct vlan_header *)(data + sizeof(struct eth_header));
}

static inline struct arp_header *packet_arp(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	uint16_t type = 0;
	uint32_t at = r->link == LINK_ETHERNET ? packet_after_tags(data, len, &type) : 0;
	if (at == 0 || type != ETHER_ARP || len - at < sizeof(struct arp_header))
		return NULL;
	struct arp_header *arp = (struct arp_header *)(data + at);
	return net16(arp->protocol) == ETHER_IP4 && arp->hardware_len == 6 && arp->protocol_len == 4 ? arp
												     : NULL;
}

static inline struct ip4_header *packet_ip4(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	if ((r->flags & FRAME_IPV6) || !packet_has(len, r->l3, sizeof(struct ip4_header)))
		return NULL;
	return (struct ip4_header *)(data + r->l3);
}

static inline struct ip6_header *packet_ip6(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	if (!(r->flags & FRAME_IPV6) || !packet_has(len, r->l3, sizeof(struct ip6_header)))
		return NULL;
	return (struct ip6_header *)(data + r->l3);
}

static inline struct tcp_header *packet_tcp(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	if (r->l4_proto != PROTO_TCP || !packet_has(len, r->l4, sizeof(struct tcp_header)))
		return NULL;
	return (struct tcp_header *)(data + r->l4);
}

static inline struct udp_header *packet_udp(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	if (r->l4_proto != PROTO_UDP || !packet_has(len, r->l4, sizeof(struct udp_header)))
		return NULL;
	return (struct udp_header *)(data + r->l4);
}

static inline struct icmp_header *packet_icmp(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	uint8_t own = r->flags & FRAME_IPV6 ? PROTO_ICMP6 : PROTO_ICMP;
	if (r->l4_proto != own || !packet_has(len, r->l4, sizeof(struct icmp_header)))
		return NULL;
	return (struct icmp_header *)(data + r->l4);
}

/* Where the IP packet ends: what the IP header says, never beyond len (Ethernet pads short packets). */
static inline uint32_t packet_ip_end(const uint8_t *data, uint32_t len, const struct frame_record *r)
{
	uint32_t total = 0;
	if (r->flags & FRAME_IPV6) {
		if (!packet_has(len, r->l3, sizeof(struct ip6_header)))
			return len;
		total = load16(data + r->l3 + 4);
		total = total > 0 ? (uint32_t)sizeof(struct ip6_header) + total : len - r->l3;
	} else {
		if (!packet_has(len, r->l3, sizeof(struct ip4_header)))
			return len;
		total = packet_ip4_len((const struct ip4_header *)(data + r->l3), len - r->l3);
	}
	return total < len - r->l3 ? r->l3 + total : len;
}

/* What follows the TCP, UDP or ICMP header (of any other protocol: all that follows IP), *size bytes of it;
 * NULL if there is no transport header. An empty payload is not NULL. */
static inline uint8_t *packet_payload(uint8_t *data, uint32_t len, const struct frame_record *r,
				      uint32_t *size)
{
	uint32_t end = packet_ip_end(data, len, r), at = r->l4;
	*size = 0;
	if (!packet_has(end, at, packet_l4_least(r->l4_proto)))
		return NULL;
	at += r->l4_proto == PROTO_TCP ? (uint32_t)(data[at + 12] >> 4) * 4 : packet_l4_least(r->l4_proto);
	if (at > end || (r->l4_proto == PROTO_TCP && at < r->l4 + sizeof(struct tcp_header)))
		return NULL;
	if (r->l4_proto ==
	    PROTO_UDP) { /* RFC 768: its own length says where it ends; 0 in a jumbogram (RFC 2675) */
		uint32_t udp = load16(data + r->l4 + 4);
		if (udp >= sizeof(struct udp_header) && udp < end - r->l4)
			end = r->l4 + udp;
	}
	*size = end - at;
	return data + at;
}

/* ---- VLAN tags in the data ---------------------------------------------------------------------- */

/* Insert a tag; there must be 4 bytes of room before data. Returns the new first byte: len grew by 4,
 * and so did l3 and l4. */
static inline uint8_t *packet_push_vlan(uint8_t *data, uint16_t tpid, uint16_t tci)
{
	uint8_t *start = data - sizeof(struct vlan_header);
	memmove(start, data, 12);
	store16(start + 12, tpid);
	store16(start + 14, tci);
	return start;
}

/* Take the outermost tag off (there must be one: packet_vlan). Returns the new first byte: len shrank by
 * 4, and so did l3 and l4. */
static inline uint8_t *packet_pop_vlan(uint8_t *data)
{
	memmove(data + sizeof(struct vlan_header), data, 12);
	return data + sizeof(struct vlan_header);
}

/* The data's first byte moved: by > 0 bytes were added before it, by < 0 were taken away. */
static inline void packet_moved(struct frame_record *r, int32_t by)
{
	int32_t none = OFFSET_NONE, l3 = r->l3 + by, l4 = r->l4 + by;
	if (r->l3 != OFFSET_NONE)
		r->l3 = (uint16_t)(l3 < 0 || l3 > none ? none : l3);
	if (r->l4 != OFFSET_NONE)
		r->l4 = (uint16_t)(l4 < 0 || l4 > none ? none : l4);
}

/* ---- flows -------------------------------------------------------------------------------------- */

/* One key for both directions: the end that compares lower comes first. 40 bytes without padding, so it
 * may be hashed and compared as bytes. Ports are in host order; an ICMP echo has its id as both ports,
 * what has no ports has zeros. IPv4 addresses lie in the first four bytes. */
struct flow_key {
	uint8_t low[16], high[16];
	uint16_t low_port, high_port;
	uint8_t proto;
	uint8_t version; /* 4 or 6 */
	uint16_t reserved;
};

/* Fills the key. Returns 0 if the packet runs from low to high, 1 for the other direction, -1 if it is
 * not an IP packet (the key is all zeros then). */
static inline int packet_flow(const uint8_t *data, uint32_t len, const struct frame_record *r,
			      struct flow_key *key)
{
	uint8_t src[16] = { 0 }, dst[16] = { 0 };
	uint16_t sport = 0, dport = 0;
	memset(key, 0, sizeof(*key));
	if (r->flags & FRAME_IPV6) {
		if (!packet_has(len, r->l3, sizeof(struct ip6_header)))
			return -1;
		memcpy(src, data + r->l3 + 8, 16);
		memcpy(dst, data + r->l3 + 24, 16);
		key->version = 6;
		key->proto = r->l4_proto;
	} else {
		if (!packet_has(len, r->l3, sizeof(struct ip4_header)))
			return -1;
		memcpy(src, data + r->l3 + 12, 4);
		memcpy(dst, data + r->l3 + 16, 4);
		key->version = 4;
		key->proto = data[r->l3 + 9];
	}
	if ((r->l4_proto == PROTO_TCP || r->l4_proto == PROTO_UDP) && packet_has(len, r->l4, 4)) {
		sport = load16(data + r->l4);
		dport = load16(data + r->l4 + 2);
	} else if (packet_l4_least(r->l4_proto) && packet_has(len, r->l4, 8)) {
		uint8_t type = data[r->l4];
		if (type == 0 || type == 8 || type == 128 || type == 129) /* echo and its reply */
			sport = dport = load16(data + r->l4 + 4);
	}
	int order = memcmp(src, dst, sizeof(src));
	int direction = order > 0 || (order == 0 && sport > dport);
	memcpy(key->low, direction ? dst : src, 16);
	memcpy(key->high, direction ? src : dst, 16);
	key->low_port = direction ? dport : sport;
	key->high_port = direction ? sport : dport;
	return direction;
}

static inline uint32_t flow_key_hash(const struct flow_key *key)
{
	uint64_t word, h = 0x9e3779b97f4a7c15u;
	for (size_t i = 0; i < sizeof(*key); i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)key + i, sizeof(word));
		h = (h ^ word) * 0xd6e8feb86659fd93u; /* odd multiplier: the step is a bijection */
		h ^= h >> 32;
	}
	return (uint32_t)(h ^ h >> 29);
}

/* Equal for both directions of a flow; 0 for what is not IP. */
static inline uint32_t packet_flow_hash(const uint8_t *data, uint32_t len, const struct frame_record *r)
{
	struct flow_key key;
	return packet_flow(data, len, r, &key) < 0 ? 0 : flow_key_hash(&key);
}

#include "checksum.h"
#endif
