/* Soundness of transport headers behind an IPv4 header that the network header pointer points to. */
#ifndef CLICK_CHECK_H
#define CLICK_CHECK_H
#include "ip.h"

/* The sum over n bytes of a segment and its pseudo-header is right. */
static inline bool click_sum_is_right(const struct ip4_header *ip, const uint8_t *segment, uint32_t n)
{
	uint16_t pseudo[2] = { net16(ip->proto), net16((uint16_t)n) };
	uint32_t sum = packet_sum(&ip->src, 8, 0);
	sum = packet_add(sum, packet_sum(pseudo, sizeof(pseudo), 0));
	return packet_fold(packet_sum(segment, n, sum)) == 0xffff;
}

/* Bytes behind the IP header, as the IP header says, if they are there and it is the protocol's; else 0. */
static inline uint32_t click_segment(const struct vnfc_packet *p, const struct ip4_header *ip, uint8_t proto)
{
	uint32_t header, total;
	if (!ip || ip->proto != proto)
		return 0;
	header = click_ip_header_len((const uint8_t *)ip);
	total = net16(ip->total_len);
	return header >= sizeof(*ip) && total > header && total <= click_network_len(p) ? total - header : 0;
}

static inline bool click_tcp_sound(const struct vnfc_packet *p)
{
	const struct ip4_header *ip = click_ip(p);
	uint32_t n = click_segment(p, ip, PROTO_TCP), header;
	const uint8_t *tcp = (const uint8_t *)ip + (n ? click_ip_header_len((const uint8_t *)ip) : 0);
	if (n < sizeof(struct tcp_header))
		return false;
	header = (uint32_t)(tcp[12] >> 4) * 4;
	return header >= sizeof(struct tcp_header) && header <= n && click_sum_is_right(ip, tcp, n);
}

static inline bool click_udp_sound(const struct vnfc_packet *p)
{
	const struct ip4_header *ip = click_ip(p);
	uint32_t n = click_segment(p, ip, PROTO_UDP), said;
	const uint8_t *udp = (const uint8_t *)ip + (n ? click_ip_header_len((const uint8_t *)ip) : 0);
	if (n < sizeof(struct udp_header))
		return false;
	said = load16(udp + 4);
	return said >= sizeof(struct udp_header) && said <= n &&
	       (load16(udp + 6) == 0 || click_sum_is_right(ip, udp, said));
}

static inline bool click_icmp_sound(const struct vnfc_packet *p)
{
	const struct ip4_header *ip = click_ip(p);
	uint32_t n = click_segment(p, ip, PROTO_ICMP), least;
	const uint8_t *icmp = (const uint8_t *)ip + (n ? click_ip_header_len((const uint8_t *)ip) : 0);
	if (n < sizeof(struct icmp_header))
		return false;
	switch (icmp[0]) {
	case 13: /* timestamps */
	case 14:
		least = 20;
		break;
	case 3: /* errors quote at least an IP header and 8 bytes */
	case 4:
	case 5:
	case 11:
	case 12:
		least = 8 + sizeof(struct ip4_header);
		break;
	default:
		least = sizeof(struct icmp_header);
	}
	return n >= least && packet_fold(packet_sum(icmp, n, 0)) == 0xffff;
}
#endif
