/* Changes of IPv4 packets that keep checksums as Click keeps them. */
#ifndef CLICK_IPCHANGE_H
#define CLICK_IPCHANGE_H
#include <arpa/inet.h>
#include "ip.h"

/* A byte of the IP header gets another value; the header's checksum follows. */
static inline void click_change8(struct ip4_header *ip, uint8_t *field, uint8_t value)
{
	uint8_t *pair = (uint8_t *)ip + (((uint8_t *)field - (uint8_t *)ip) & ~1u), old[2], now[2];
	uint16_t check;
	memcpy(old, pair, 2);
	*field = value;
	memcpy(now, pair, 2);
	memcpy(&check, (uint8_t *)ip + 10, 2);
	check = vnfc_csum_update(check, old, now, 2);
	memcpy((uint8_t *)ip + 10, &check, 2);
}

/* Where the checksum over addresses and payload is, or NULL: no TCP or UDP, not the first fragment, cut short, or
 * UDP without one. */
static inline uint8_t *click_transport_checksum(const struct vnfc_packet *p, const struct ip4_header *ip)
{
	uint8_t *transport = click_transport(p);
	uint32_t len = click_transport_len(p);
	if (!click_ip_first_fragment(ip))
		return NULL;
	if (ip->proto == PROTO_TCP)
		return len >= sizeof(struct tcp_header) ? transport + 16 : NULL;
	if (ip->proto != PROTO_UDP || len < sizeof(struct udp_header) || load16(transport + 6) == 0)
		return NULL;
	return transport + 6;
}

/* An address of the IP header gets another value; checksums follow. */
static inline void click_change_address(struct vnfc_packet *p, void *field, uint32_t address)
{
	struct ip4_header *ip = click_ip(p);
	uint8_t *checks[2] = { (uint8_t *)ip + 10, click_transport_checksum(p, ip) }, old[4];
	memcpy(old, field, 4);
	memcpy(field, &address, 4);
	for (unsigned i = 0; i < 2; i++) {
		uint16_t check;
		if (!checks[i])
			continue;
		memcpy(&check, checks[i], 2);
		check = vnfc_csum_update(check, old, &address, 4);
		memcpy(checks[i], &check, 2);
	}
}

/* The checksum over n bytes of a segment (its own field is zero) and the pseudo-header. */
static inline uint16_t click_segment_checksum(const struct ip4_header *ip, const uint8_t *segment, uint32_t n)
{
	uint16_t pseudo[2] = { net16(ip->proto), net16((uint16_t)n) };
	uint32_t sum = packet_sum(&ip->src, 8, 0);
	sum = packet_add(sum, packet_sum(pseudo, sizeof(pseudo), 0));
	return vnfc_csum_finish(packet_sum(segment, n, sum));
}

static inline bool click_set_tcp_checksum(struct vnfc_packet *p, bool fix_offset)
{
	struct ip4_header *ip = click_ip(p);
	uint8_t *tcp = click_transport(p);
	uint32_t header = ip ? click_ip_header_len((const uint8_t *)ip) : 0,
		 total = ip ? net16(ip->total_len) : 0, n;
	uint16_t sum;
	if (!ip || !tcp || total < header)
		return false;
	n = total - header;
	if (n < sizeof(struct tcp_header) || n > click_transport_len(p))
		return false;
	if (fix_offset) {
		uint32_t offset = (uint32_t)(tcp[12] >> 4) * 4;
		if (offset < sizeof(struct tcp_header))
			tcp[12] = (uint8_t)((tcp[12] & 15) | 5 << 4);
		else if (offset > n && !(net16(ip->fragment) & (IP4_OFFSET | IP4_MORE_FRAGMENTS)))
			tcp[12] = (uint8_t)((tcp[12] & 15) | (n / 4) << 4);
	}
	memset(tcp + 16, 0, 2);
	sum = click_segment_checksum(ip, tcp, n);
	memcpy(tcp + 16, &sum, 2);
	return true;
}

static inline bool click_set_udp_checksum(struct vnfc_packet *p)
{
	struct ip4_header *ip = click_ip(p);
	uint8_t *udp = click_transport(p);
	uint32_t len = click_transport_len(p), n;
	uint16_t sum;
	if (!ip || (net16(ip->fragment) & (IP4_OFFSET | IP4_MORE_FRAGMENTS)) ||
	    len < sizeof(struct udp_header))
		return false;
	n = load16(udp + 4);
	if (n > len)
		return false;
	memset(udp + 6, 0, 2);
	sum = click_segment_checksum(ip, udp, n);
	memcpy(udp + 6, &sum, 2);
	return true;
}

static inline void click_swap(uint8_t *a, uint8_t *b, unsigned n)
{
	for (; n > 0; n--, a++, b++) {
		uint8_t held = *a;
		*a = *b;
		*b = held;
	}
}

/* Checksums stay right: a sum does not care for order. */
static inline void click_mirror(struct vnfc_packet *p)
{
	struct ip4_header *ip = click_ip(p);
	uint8_t *transport = click_transport(p);
	if (!ip)
		return;
	click_swap((uint8_t *)&ip->src, (uint8_t *)&ip->dst, 4);
	if ((ip->proto != PROTO_TCP && ip->proto != PROTO_UDP) || !click_ip_first_fragment(ip) ||
	    click_transport_len(p) < 8)
		return;
	click_swap(transport, transport + 2, 2);
	if (ip->proto == PROTO_TCP && click_transport_len(p) >= 12)
		click_swap(transport + 4, transport + 8, 4);
}

static inline void click_say_ip(struct click_text *out, uint32_t address)
{
	const uint8_t *a = (const uint8_t *)&address;
	click_say(out, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
}

static inline bool click_ip_of(const char *text, uint32_t *address)
{
	struct in_addr in;
	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*address = in.s_addr;
	return true;
}
#endif
