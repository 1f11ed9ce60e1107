/* What elements need to know of IPv4 headers: header pointers of click.h, parsing of itf/packet.h. */
#ifndef CLICK_IP_H
#define CLICK_IP_H
#include "click.h"

static inline uint32_t click_ip_header_len(const uint8_t *ip)
{
	return (ip[0] & 15u) * 4;
}

/* An IPv4 header begins here: the version is asked before anything else is believed. The only code that asks. */
static inline bool click_is_ip4(const uint8_t *ip, uint32_t len)
{
	return len >= sizeof(struct ip4_header) && ip[0] >> 4 == 4;
}

/* The IP header is here, the transport header behind it. */
static inline void click_set_ip(struct vnfc_packet *p, uint8_t *ip)
{
	click_set_network(p, ip, ip + click_ip_header_len(ip));
}

/* The IPv4 header that the network header pointer points to, with its first 20 bytes in the packet; or NULL: too
 * short, or another version. */
static inline struct ip4_header *click_ip(const struct vnfc_packet *p)
{
	uint8_t *ip = click_network(p);
	return click_is_ip4(ip, click_network_len(p)) ? (struct ip4_header *)ip : NULL;
}

static inline bool click_ip_first_fragment(const struct ip4_header *ip)
{
	return (net16(ip->fragment) & IP4_OFFSET) == 0;
}

/* The header is IPv4 as RFC 791 wants it, and complete in len bytes. */
static inline bool click_ip_plausible(const uint8_t *ip, uint32_t len)
{
	uint32_t header, total;
	if (!click_is_ip4(ip, len))
		return false;
	header = click_ip_header_len(ip);
	total = load16(ip + 2);
	return header >= sizeof(struct ip4_header) && header <= len && total <= len && total >= header;
}
#endif
