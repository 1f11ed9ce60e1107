/* Checksums: part of packet.h, never included by itself.
 *
 * Sums are kept in memory order, whatever the machine's: a ones' complement sum does not care (RFC 1071).
 */
#ifndef ITF_CHECKSUM_H
#define ITF_CHECKSUM_H

/* Add n bytes to a running sum. All parts of a sum but the last must have an even number of bytes. */
static inline uint32_t packet_sum(const void *bytes, size_t n, uint32_t sum)
{
	const uint8_t *at = (const uint8_t *)bytes;
	uint64_t total = sum, word;
	uint32_t half;
	uint16_t tail;
	for (; n >= 8; n -= 8, at += 8) {
		memcpy(&word, at, 8);
		total += (word & 0xffffffff) + (word >> 32);
	}
	if (n >= 4) {
		memcpy(&half, at, 4);
		total += half;
		n -= 4;
		at += 4;
	}
	for (; n > 0; n -= n > 1 ? 2 : 1, at += 2) {
		tail = 0;
		memcpy(&tail, at, n > 1 ? 2 : 1);
		total += tail;
	}
	total = (total & 0xffffffff) + (total >> 32);
	return (uint32_t)((total & 0xffffffff) + (total >> 32));
}

/* A running sum as 16 bits; the checksum that goes into a header is the complement of it. */
static inline uint16_t packet_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static inline uint32_t packet_add(uint32_t sum, uint32_t value)
{
	sum += value;
	return sum + (sum < value);
}

/* The address that the pseudo-header holds: behind a routing header with segments left, the last one
 * (RFC 8200 8.1). */
static inline const uint8_t *packet_ip6_final(const uint8_t *data, const struct frame_record *r)
{
	const uint8_t *final = data + r->l3 + 24;
	uint32_t at = r->l3 + (uint32_t)sizeof(struct ip6_header);
	uint8_t next = data[r->l3 + 6];
	while (at + 8 <= r->l4) {
		uint32_t words = next == PROTO_FRAGMENT ? 0 : data[at + 1];
		uint32_t size = next == PROTO_AH ? (words + 2) * 4 : (words + 1) * 8;
		if (at + size > r->l4)
			break;
		if (next == PROTO_ROUTING && data[at + 3] > 0 && size >= 24)
			/* segment routing (type 4) lists its segments from the last, the others from the
			 * first */
			final = data[at + 2] == 4 ? data + at + 8 : data + at + size - 16;
		next = data[at];
		at += size;
	}
	return final;
}

/* Is there a fragment header before the transport's (a first fragment)? */
static inline bool packet_ip6_fragmented(const uint8_t *data, const struct frame_record *r)
{
	uint32_t at = r->l3 + (uint32_t)sizeof(struct ip6_header);
	uint8_t next = data[r->l3 + 6];
	while (at + 8 <= r->l4 && next != PROTO_FRAGMENT) {
		uint32_t size = next == PROTO_AH ? (data[at + 1] + 2u) * 4 : (data[at + 1] + 1u) * 8;
		next = data[at];
		at += size;
	}
	return at + 8 <= r->l4;
}

/* Where the transport checksum is and what it covers. */
struct packet_cover {
	uint16_t at;	 /* offset of the checksum field from data, 0: there is none to speak of */
	uint32_t len;	 /* bytes from l4 on */
	uint32_t pseudo; /* running sum of the pseudo-header, 0 for ICMP */
};

static inline struct packet_cover packet_covered(const uint8_t *data, uint32_t len,
						 const struct frame_record *r)
{
	struct packet_cover none = { 0, 0, 0 }, c = { 0, 0, 0 };
	bool six = r->flags & FRAME_IPV6;
	uint32_t field = r->l4_proto == PROTO_TCP ? 16 : r->l4_proto == PROTO_UDP ? 6 : 2;
	uint32_t least = packet_l4_least(r->l4_proto);
	if (least == 0 || r->l3 == OFFSET_NONE || (r->flags & FRAME_FRAGMENT) ||
	    !packet_has(len, r->l4, least) ||
	    (six ? r->l4_proto == PROTO_ICMP : r->l4_proto == PROTO_ICMP6) ||
	    r->l4 < r->l3 + (six ? sizeof(struct ip6_header) : sizeof(struct ip4_header)))
		return none;
	uint32_t total =
		six ? sizeof(struct ip6_header) + load16(data + r->l3 + 4) : load16(data + r->l3 + 2);
	/* a part of a packet has no sum that could be checked or made: cut short, or a first fragment */
	if (total > len - r->l3 || r->l3 + total < r->l4 + least)
		return none;
	if (!six && (load16(data + r->l3 + 6) & IP4_MORE_FRAGMENTS))
		return none;
	if (six && packet_ip6_fragmented(data, r))
		return none;
	c.len = r->l3 + total - r->l4;
	if (r->l4_proto == PROTO_UDP) {
		uint32_t said = load16(data + r->l4 + 4);
		if (said < least || said > c.len)
			return none;
		c.len = said;
	}
	c.at = (uint16_t)(r->l4 + field);
	if (r->l4_proto != PROTO_ICMP) {
		c.pseudo = six ? packet_sum(data + r->l3 + 8, 16, 0) : packet_sum(data + r->l3 + 12, 8, 0);
		if (six)
			c.pseudo = packet_sum(packet_ip6_final(data, r), 16, c.pseudo);
		c.pseudo = packet_add(c.pseudo, net16((uint16_t)c.len));
		c.pseudo = packet_add(c.pseudo, net16(r->l4_proto));
	}
	return c;
}

static inline void packet_store_l4_sum(uint8_t *data, const struct frame_record *r,
				       const struct packet_cover *c)
{
	memset(data + c->at, 0, 2);
	uint16_t check = (uint16_t)~packet_fold(packet_sum(data + r->l4, c->len, c->pseudo));
	if (check == 0 && r->l4_proto == PROTO_UDP)
		check = 0xffff; /* zero would say that there is none */
	memcpy(data + c->at, &check, 2);
}

/* By far the most, told apart with a few loads: TCP or UDP behind an IPv4 header without options, whose checksum
 * is not the pseudo-header's folded sum (what lengths that are wrong would make of it does not matter either). */
static inline bool packet_surely_complete(const uint8_t *data, uint32_t len, const struct frame_record *r)
{
	bool tcp = r->l4_proto == PROTO_TCP;
	uint64_t addresses;
	uint16_t now;
	if ((r->flags & (FRAME_IPV6 | FRAME_FRAGMENT)) || r->l4 != r->l3 + sizeof(struct ip4_header) ||
	    (!tcp && r->l4_proto != PROTO_UDP) || len < r->l4 + packet_l4_least(r->l4_proto))
		return false;
	const uint8_t *ip = data + r->l3, *l4 = data + r->l4;
	uint32_t covered = tcp ? load16(ip + 2) - (uint32_t)sizeof(struct ip4_header) : load16(l4 + 4);
	memcpy(&addresses, ip + 12, 8);
	memcpy(&now, l4 + (tcp ? 16 : 6), 2);
	uint64_t sum =
		(addresses & 0xffffffff) + (addresses >> 32) + net16((uint16_t)covered) + net16(r->l4_proto);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return now != packet_fold((uint32_t)sum);
}

/* A packet that a local peer left to its device to complete (CHECKSUM_PARTIAL) has the folded sum of the
 * pseudo-header in its checksum field: put the complete checksum there. True if it did. A complete
 * checksum that equals it by chance is computed again to the same value. */
static inline bool packet_complete_checksum(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	if (r->l4_proto != PROTO_TCP && r->l4_proto != PROTO_UDP && r->l4_proto != PROTO_ICMP6)
		return false;
	if (packet_surely_complete(data, len, r))
		return false;
	struct packet_cover c = packet_covered(data, len, r);
	uint16_t now;
	if (c.at == 0)
		return false;
	memcpy(&now, data + c.at, 2);
	if (now != packet_fold(c.pseudo))
		return false;
	packet_store_l4_sum(data, r, &c);
	return true;
}

/* Compute the IPv4 header's checksum and the transport's (TCP, UDP, ICMP, ICMPv6) anew. A fragment's, or
 * one of a packet that is cut short, stays as it is: it covers bytes that are not here. */
static inline void packet_fix_checksums(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	struct ip4_header *ip = packet_ip4(data, len, r);
	if (ip) {
		uint32_t header = (ip->version_ihl & 15u) * 4;
		if (header >= sizeof(*ip) && packet_has(len, r->l3, header)) {
			ip->check = 0;
			ip->check = (uint16_t)~packet_fold(packet_sum(ip, header, 0));
		}
	}
	struct packet_cover c = packet_covered(data, len, r);
	if (c.at)
		packet_store_l4_sum(data, r, &c);
}

/* ---- incremental updates, RFC 1624: HC' = ~(~HC + ~m + m') -------------------------------------- */

/* check: as it lies in the header; from and to: n bytes (even) as they lay and will lie in the packet. */
static inline uint16_t packet_update_sum(uint16_t check, const void *from, const void *to, size_t n)
{
	uint32_t gone = packet_fold(packet_sum(from, n, 0));
	return (uint16_t)~packet_fold(packet_sum(to, n, (uint16_t)~check + (uint32_t)(uint16_t)~gone));
}

static inline uint16_t packet_update_sum16(uint16_t check, uint16_t from, uint16_t to)
{
	return (uint16_t)~packet_fold((uint16_t)~check + (uint32_t)(uint16_t)~from + to);
}

/* Follow a change of n bytes in the transport's checksum, if it has one that covers them. */
static inline void packet_update_l4(uint8_t *data, uint32_t len, const struct frame_record *r,
				    const void *from, const void *to, size_t n, bool pseudo)
{
	uint32_t field = r->l4_proto == PROTO_TCP ? 16 : r->l4_proto == PROTO_UDP ? 6 : 2;
	uint32_t least = packet_l4_least(r->l4_proto);
	uint16_t check;
	if (least == 0 || !packet_has(len, r->l4, least) || (pseudo && r->l4_proto == PROTO_ICMP))
		return;
	memcpy(&check, data + r->l4 + field, 2);
	if (r->l4_proto == PROTO_UDP && check == 0)
		return; /* none is none */
	check = packet_update_sum(check, from, to, n);
	if (r->l4_proto == PROTO_UDP && check == 0)
		check = 0xffff;
	memcpy(data + r->l4 + field, &check, 2);
}

/* Write n bytes (even) at an even distance from the start of the IP header, in an address of it. */
static inline void packet_set_address(uint8_t *data, uint32_t len, const struct frame_record *r, uint32_t at,
				      const void *value, uint32_t n)
{
	struct ip4_header *ip = packet_ip4(data, len, r);
	packet_update_l4(data, len, r, data + at, value, n, true);
	if (ip)
		ip->check = packet_update_sum(ip->check, data + at, value, n);
	memcpy(data + at, value, n);
}

/* Setters that keep every checksum. Addresses are in network order, ports in host order; false if the
 * packet has no such header. */
static inline bool packet_set_ip4_src(uint8_t *data, uint32_t len, const struct frame_record *r,
				      uint32_t address)
{
	if (!packet_ip4(data, len, r))
		return false;
	packet_set_address(data, len, r, r->l3 + 12u, &address, 4);
	return true;
}

static inline bool packet_set_ip4_dst(uint8_t *data, uint32_t len, const struct frame_record *r,
				      uint32_t address)
{
	if (!packet_ip4(data, len, r))
		return false;
	packet_set_address(data, len, r, r->l3 + 16u, &address, 4);
	return true;
}

static inline bool packet_set_ip6_src(uint8_t *data, uint32_t len, const struct frame_record *r,
				      const uint8_t address[16])
{
	if (!packet_ip6(data, len, r))
		return false;
	packet_set_address(data, len, r, r->l3 + 8u, address, 16);
	return true;
}

static inline bool packet_set_ip6_dst(uint8_t *data, uint32_t len, const struct frame_record *r,
				      const uint8_t address[16])
{
	struct frame_record own = *r;
	if (!packet_ip6(data, len, r))
		return false;
	/* behind a routing header it is not this address that the transport's checksum covers */
	if (own.l4 <= len && packet_ip6_final(data, r) != data + r->l3 + 24)
		own.l4 = OFFSET_NONE;
	packet_set_address(data, len, &own, r->l3 + 24u, address, 16);
	return true;
}

static inline bool packet_set_port(uint8_t *data, uint32_t len, const struct frame_record *r, uint32_t at,
				   uint16_t port)
{
	if ((r->l4_proto != PROTO_TCP && r->l4_proto != PROTO_UDP) ||
	    !packet_has(len, r->l4, packet_l4_least(r->l4_proto)))
		return false;
	port = net16(port);
	packet_update_l4(data, len, r, data + r->l4 + at, &port, 2, false);
	memcpy(data + r->l4 + at, &port, 2);
	return true;
}

static inline bool packet_set_sport(uint8_t *data, uint32_t len, const struct frame_record *r, uint16_t port)
{
	return packet_set_port(data, len, r, 0, port);
}

static inline bool packet_set_dport(uint8_t *data, uint32_t len, const struct frame_record *r, uint16_t port)
{
	return packet_set_port(data, len, r, 2, port);
}

/* TTL or hop limit. */
static inline bool packet_set_ttl(uint8_t *data, uint32_t len, const struct frame_record *r, uint8_t ttl)
{
	struct ip4_header *ip = packet_ip4(data, len, r);
	struct ip6_header *six = packet_ip6(data, len, r);
	if (ip) {
		uint8_t word[2] = { ttl, ip->proto };
		ip->check = packet_update_sum(ip->check, &ip->ttl, word, 2);
		ip->ttl = ttl;
	} else if (six) {
		six->hop_limit = ttl;
	}
	return ip || six;
}
#endif
