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

/* Why a transport header is not sound, as numbered in drop_details; SOUND if it is. */
enum click_why { CLICK_SOUND = -1, CLICK_OTHER_PROTOCOL = 0, CLICK_BAD_LENGTH = 1, CLICK_BAD_CHECKSUM = 2 };

static inline enum click_why click_check_tcp(const struct vnfc_packet *p)
{
	const struct ip4_header *ip = click_ip(p);
	if (!ip || ip->proto != PROTO_TCP)
		return CLICK_OTHER_PROTOCOL;
	uint32_t n = click_segment(p, ip, PROTO_TCP), header;
	const uint8_t *tcp = (const uint8_t *)ip + (n ? click_ip_header_len((const uint8_t *)ip) : 0);
	if (n < sizeof(struct tcp_header))
		return CLICK_BAD_LENGTH;
	header = (uint32_t)(tcp[12] >> 4) * 4;
	if (header < sizeof(struct tcp_header) || header > n)
		return CLICK_BAD_LENGTH;
	return click_sum_is_right(ip, tcp, n) ? CLICK_SOUND : CLICK_BAD_CHECKSUM;
}

/* Bytes from behind the IP header to the end of the packet; 0 if there are none. */
static inline uint32_t click_rest(const struct vnfc_packet *p, const struct ip4_header *ip)
{
	uint32_t header = click_ip_header_len((const uint8_t *)ip), there = click_network_len(p);
	return header >= sizeof(*ip) && header < there ? there - header : 0;
}

static inline enum click_why click_check_udp(const struct vnfc_packet *p)
{
	const struct ip4_header *ip = click_ip(p);
	if (!ip || ip->proto != PROTO_UDP)
		return CLICK_OTHER_PROTOCOL;
	uint32_t n = click_rest(p, ip), said;
	const uint8_t *udp = (const uint8_t *)ip + click_ip_header_len((const uint8_t *)ip);
	if (n < sizeof(struct udp_header))
		return CLICK_BAD_LENGTH;
	said = load16(udp + 4);
	if (said < sizeof(struct udp_header) || said > n)
		return CLICK_BAD_LENGTH;
	return load16(udp + 6) == 0 || click_sum_is_right(ip, udp, said) ? CLICK_SOUND : CLICK_BAD_CHECKSUM;
}

static inline enum click_why click_check_icmp(const struct vnfc_packet *p)
{
	const struct ip4_header *ip = click_ip(p);
	if (!ip || ip->proto != PROTO_ICMP)
		return CLICK_OTHER_PROTOCOL;
	uint32_t n = click_rest(p, ip), least = sizeof(struct icmp_header), most = UINT32_MAX;
	const uint8_t *icmp = (const uint8_t *)ip + click_ip_header_len((const uint8_t *)ip);
	if (n < least)
		return CLICK_BAD_LENGTH;
	switch (icmp[0]) {
	case 13: /* timestamps */
	case 14:
		least = most = 20;
		break;
	case 15: /* information requests */
	case 16:
		most = least;
		break;
	case 3: /* errors quote an IP header and 8 bytes; Click wants as much beyond 8 bytes of its own */
	case 4:
	case 5:
	case 11:
	case 12:
		least += sizeof(struct ip4_header) + 8;
		break;
	}
	if (n < least || n > most)
		return CLICK_BAD_LENGTH;
	return packet_fold(packet_sum(icmp, n, 0)) == 0xffff ? CLICK_SOUND : CLICK_BAD_CHECKSUM;
}

/* Why CheckIPHeader refused what is at ip, len bytes, if it checks checksums or not. */
static inline unsigned click_why_not_ip(const uint8_t *ip, uint32_t len, bool checksum)
{
	uint32_t header, total;
	if (len < sizeof(struct ip4_header))
		return 0;
	header = click_ip_header_len(ip);
	total = load16(ip + 2);
	if (ip[0] >> 4 != 4)
		return 1;
	if (header < sizeof(struct ip4_header))
		return 2;
	if (total > len || total < header)
		return 3;
	return checksum && packet_fold(packet_sum(ip, header, 0)) != 0xffff ? 4 : 5;
}
#endif
