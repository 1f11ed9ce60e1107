/* ICMP messages about packets, as RFC 1812 wants them, and replies to echo requests. */
#ifndef CLICK_ICMP_H
#define CLICK_ICMP_H
#include "ip.h"

enum {
	CLICK_ICMP_UNREACH = 3,
	CLICK_ICMP_QUENCH = 4,
	CLICK_ICMP_REDIRECT = 5,
	CLICK_ICMP_TIME = 11,
	CLICK_ICMP_PARAMETER = 12,
	CLICK_NEED_FRAGMENT = 4, /* code of unreachable */
	CLICK_ROUTE_LOOSE = 131,
	CLICK_ROUTE_STRICT = 137, /* options of IPv4 */
};

struct click_icmp_error {
	uint32_t src; /* network order */
	uint32_t mtu, pmtu;
	uint8_t type, code;
};

static inline bool click_icmp_is_error(uint8_t type)
{
	return (type >= CLICK_ICMP_UNREACH && type <= CLICK_ICMP_REDIRECT) || type == CLICK_ICMP_TIME ||
	       type == CLICK_ICMP_PARAMETER;
}

/* A source route option of the header that can be reversed: its first byte, or NULL. */
static inline const uint8_t *click_source_route(const uint8_t *ip)
{
	uint32_t len = click_ip_header_len(ip);
	for (uint32_t at = sizeof(struct ip4_header); at < len;) {
		const uint8_t *o = ip + at;
		if (*o == 0)
			return NULL;
		if (*o == 1) {
			at++;
			continue;
		}
		if (len - at < 3 || o[1] < 2 || o[1] > len - at)
			return NULL;
		if ((*o == CLICK_ROUTE_LOOSE || *o == CLICK_ROUTE_STRICT) && o[2] >= 4 && o[2] % 4 == 0 &&
		    o[2] <= o[1] + 1)
			return o;
		at += o[1];
	}
	return NULL;
}

/* RFC 1812 4.3.2.7: no errors about errors, to many, about what came to many, or about later fragments.
 * `bad` knows the broadcast addresses of our networks. */
static inline bool click_icmp_answerable(const struct vnfc_packet *p, uint8_t type, bool (*bad)(uint32_t))
{
	const struct ip4_header *ip = click_ip(p);
	const uint8_t *mac = click_mac(p);
	if (!ip || click_network_len(p) < click_ip_header_len((const uint8_t *)ip) || (mac && mac[0] & 1))
		return false;
	if (ip->proto == PROTO_ICMP &&
	    (click_transport_len(p) < 4 || click_icmp_is_error(click_transport(p)[0])))
		return false;
	uint32_t to = net32(ip->dst), from = net32(ip->src);
	if (to >> 28 == 14 || to == UINT32_MAX || bad(ip->dst))
		return false;
	if (from >> 28 >= 14 || from >> 24 == 0 || from >> 24 == 127 || bad(ip->src))
		return false;
	if (!click_ip_first_fragment(ip))
		return false;
	return type != CLICK_ICMP_REDIRECT || !click_source_route((const uint8_t *)ip);
}

/* The bytes of an option that leads the message back: 3 more than the addresses of the way so far. */
static inline uint32_t click_reverse_route(uint8_t *to, const uint8_t *route)
{
	uint32_t len = route[2] - 1u;
	to[0] = route[0];
	to[1] = (uint8_t)len;
	to[2] = 4;
	for (uint32_t at = 3; at + 4 <= len; at += 4)
		memcpy(to + at, route + len - at - 1, 4);
	return len;
}

/* The message about p: a packet without link header, or NULL if no frame is to be had. */
static inline struct vnfc_packet *click_icmp_error(const struct vnfc_packet *p,
						   const struct click_icmp_error *e)
{
	static uint16_t id = 1;
	const uint8_t *ip = click_network(p), *route = click_source_route(ip);
	uint8_t pointer = click_anno8(p, CLICK_ICMP_PARAMPROB), options[44] = { 0 };
	uint32_t head = sizeof(struct ip4_header), quoted = click_network_len(p);
	bool at_pointer = e->type == CLICK_ICMP_PARAMETER && e->code == 0;
	if (route && !(at_pointer && route <= ip + pointer && ip + pointer < route + route[1]))
		head += (click_reverse_route(options, route) + 3) & ~3u;
	if (quoted > e->mtu - head - sizeof(struct icmp_header))
		quoted = e->mtu - head - sizeof(struct icmp_header);

	struct vnfc_packet *q = click_new(p);
	uint32_t len = head + (uint32_t)sizeof(struct icmp_header) + quoted;
	uint8_t *data = q ? vnfc_put(q, len) : NULL;
	if (!data) {
		if (q)
			vnfc_discard(q);
		return NULL;
	}
	struct ip4_header *to = (struct ip4_header *)data;
	*to = (struct ip4_header){ .version_ihl = (uint8_t)(0x40 | head / 4),
				   .total_len = net16((uint16_t)len),
				   .id = net16(id++),
				   .ttl = 200,
				   .proto = PROTO_ICMP,
				   .src = e->src,
				   .dst = ((const struct ip4_header *)ip)->src };
	memcpy(data + sizeof(*to), options, head - sizeof(*to));
	struct icmp_header *icmp = (struct icmp_header *)(data + head);
	*icmp = (struct icmp_header){ .type = e->type, .code = e->code };
	uint8_t *particulars = data + head + 4;
	if (at_pointer)
		particulars[0] = pointer;
	if (e->type == CLICK_ICMP_REDIRECT) {
		uint32_t gateway = click_dst_ip(p);
		memcpy(particulars, &gateway, 4);
	}
	if (e->type == CLICK_ICMP_UNREACH && e->code == CLICK_NEED_FRAGMENT)
		store16(particulars + 2, (uint16_t)e->pmtu);
	memcpy(data + head + sizeof(*icmp), ip, quoted);
	icmp->check = (uint16_t)~packet_fold(packet_sum(icmp, sizeof(*icmp) + quoted, 0));
	to->check = (uint16_t)~packet_fold(packet_sum(to, head, 0));
	click_set_mac(q, NULL);
	click_set_ip(q, data);
	click_set_dst_ip(q, to->dst);
	click_set_anno16(q, CLICK_VLAN_TCI, click_anno16(p, CLICK_VLAN_TCI)); /* back where it came from */
	return q;
}

/* An echo request becomes its reply; false: it is something else. */
static inline bool click_icmp_ping(struct vnfc_packet *p)
{
	struct ip4_header *ip = click_ip(p);
	uint32_t len = click_transport_len(p);
	if (!ip || ip->proto != PROTO_ICMP || len < sizeof(struct icmp_header) || click_transport(p)[0] != 8)
		return false;
	uint32_t src = ip->src;
	ip->src = ip->dst;
	ip->dst = src;
	ip->check = packet_update_sum16(ip->check, ip->fragment, 0);
	ip->fragment = 0;
	uint16_t before, after;
	memcpy(&before, &ip->ttl, 2);
	ip->ttl = 255;
	memcpy(&after, &ip->ttl, 2);
	ip->check = packet_update_sum16(ip->check, before, after);
	click_set_dst_ip(p, ip->dst);
	click_set_anno8(p, CLICK_PAINT, 0);

	struct icmp_header *icmp = (struct icmp_header *)click_transport(p);
	memcpy(&before, icmp, 2);
	icmp->type = icmp->code = 0;
	icmp->check = packet_update_sum16(icmp->check, before, 0);
	if (icmp->check == 0) /* the update cannot tell the two zeros apart */
		icmp->check = (uint16_t)~packet_fold(packet_sum(icmp, len, 0));
	return true;
}
#endif
