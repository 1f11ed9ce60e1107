/* Who has a port's address? ARP (RFC 826, 5227) and neighbour solicitations (RFC 4861) for `ports.P.address` are
 * answered on that port, in the tags that they came in, so that the peers of a tunnel need no static entries.
 *
 * The question ends here (`consumed`) and the answer is made in its frame (`originated`). Whatever is no question,
 * or not for an address of this port, goes on as any other packet. A capture's ports have no MAC address, so
 * nothing is answered there.
 */
#include "nshp/nshp.h"

enum {
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ARP_ETHERNET = 1,
	ND_SOLICIT = 135,
	ND_ADVERTISE = 136,
	ND_SIZE = 24,	    /* ICMPv6 header and target */
	ND_LINK_OPTION = 8, /* target link-layer address, RFC 4861 4.6.1 */
	ND_SOLICITED = 0x40,
	ND_OVERRIDE = 0x20,
	ND_HOPS = 255, /* nobody has forwarded it */
};

static const uint8_t unspecified[16];

static bool to_us(const struct port_wiring *p, const uint8_t *data)
{
	return p->has_mac && !(data[6] & 1) && (data[0] & 1 || memcmp(data, p->mac, 6) == 0);
}

static bool arp_asks(const struct nsh_port *own, const uint8_t *data, const struct frame_record *r)
{
	const struct arp_header *arp = packet_arp((uint8_t *)data, r->len, r);
	/* who says that the address is his own does not ask */
	return arp != NULL && net16(arp->hardware) == ARP_ETHERNET && net16(arp->operation) == ARP_REQUEST &&
	       memcmp(&arp->target_ip, own->ip4, 4) == 0 && memcmp(&arp->sender_ip, own->ip4, 4) != 0;
}

static bool options_good(const uint8_t *at, const uint8_t *end)
{
	for (; end - at >= 8; at += at[1] * 8u)
		if (at[1] == 0 || at[1] * 8 > end - at)
			return false;
	return at == end;
}

/* RFC 4861 7.1.1: what makes a solicitation valid. */
static bool nd_asks(const struct nsh_port *own, const uint8_t *data, const struct frame_record *r)
{
	const uint8_t *ip = data + r->l3, *icmp = data + r->l4;
	if (!(r->flags & FRAME_IPV6) || r->l4_proto != PROTO_ICMP6 ||
	    r->l4 != r->l3 + sizeof(struct ip6_header))
		return false;
	uint32_t end = packet_ip_end(data, r->len, r), size = load16(ip + 4);
	if (size < ND_SIZE || end - r->l4 != size || icmp[0] != ND_SOLICIT || icmp[1] != 0 ||
	    ip[7] != ND_HOPS || memcmp(icmp + 8, own->ip6, 16) != 0 ||
	    !options_good(icmp + ND_SIZE, data + end))
		return false;
	struct packet_cover c = packet_covered(data, r->len, r);
	if (packet_fold(packet_sum(icmp, c.len, c.pseudo)) != 0xffff || memcmp(ip + 8, own->ip6, 16) == 0)
		return false;
	/* who looks whether the address is free asks all that could have it, and has no address to say */
	return memcmp(ip + 8, unspecified, 16) != 0 || (ip[24] == 0xff && size == ND_SIZE);
}

bool neighbour_asks(const struct wiring *w, unsigned port, const uint8_t *data, const struct frame_record *r)
{
	const struct nsh_port *own = &w->nsh_port[port];
	if (!(own->flags & (NSH_PORT_IP4 | NSH_PORT_IP6)) || r->link != LINK_ETHERNET || r->len < 14 ||
	    !to_us(&w->port[port], data))
		return false;
	return (own->flags & NSH_PORT_IP4 && arp_asks(own, data, r)) ||
	       (own->flags & NSH_PORT_IP6 && nd_asks(own, data, r));
}

static uint32_t put_arp_reply(uint8_t *data, uint32_t at, const uint8_t *mac)
{
	struct arp_header *arp = (struct arp_header *)(data + at);
	uint32_t own = arp->target_ip;
	arp->operation = net16(ARP_REPLY);
	memcpy(arp->target_mac, arp->sender_mac, 6);
	arp->target_ip = arp->sender_ip;
	memcpy(arp->sender_mac, mac, 6);
	arp->sender_ip = own;
	return at + (uint32_t)sizeof *arp;
}

/* RFC 4861 7.2.4. */
static uint32_t put_advertisement(uint8_t *data, uint32_t at, const uint8_t *mac)
{
	static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 },
			     all_nodes_mac[6] = { 0x33, 0x33, [5] = 1 };
	uint8_t *ip = data + at, *icmp = ip + sizeof(struct ip6_header), *option = icmp + ND_SIZE;
	bool known = memcmp(ip + 8, unspecified, 16) != 0;
	memcpy(ip + 24, known ? ip + 8 : all_nodes, 16);
	memcpy(ip + 8, icmp + 8, 16);
	if (!known)
		memcpy(data, all_nodes_mac, 6);
	store16(ip + 4, ND_SIZE + ND_LINK_OPTION);
	icmp[0] = ND_ADVERTISE;
	store32(icmp + 4, (uint32_t)(ND_OVERRIDE | (known ? ND_SOLICITED : 0)) << 24);
	option[0] = 2;
	option[1] = 1;
	memcpy(option + 2, mac, 6);
	return at + (uint32_t)sizeof(struct ip6_header) + ND_SIZE + ND_LINK_OPTION;
}

void neighbour_answer(struct fabric *fabric, uint32_t ref)
{
	struct frames *f = &fabric->frames;
	const struct wiring *w = packet_wiring(fabric, ref);
	struct place_stats *stats = &f->stats[PLACE_NSH];
	struct frame_private before = f->priv[ref];
	struct frame_record *r = &f->record[ref];
	uint8_t *data = frame_bytes(f, ref);
	const uint8_t *mac = w->port[before.port].mac;
	uint16_t type = 0;
	uint32_t at = packet_after_tags(data, r->len, &type);
	stats->received++;
	stats->consumed++;
	if (TRACED(f))
		trace_verdict(f, ref, PLACE_NSH, VERDICT_CONSUME, 0);
	memcpy(data, data + 6, 6);
	memcpy(data + 6, mac, 6);
	uint32_t len = type == ETHER_ARP ? put_arp_reply(data, at, mac) : put_advertisement(data, at, mac);
	*r = (struct frame_record){ .data = r->data,
				    .len = len,
				    .link = LINK_ETHERNET,
				    .port = before.port,
				    .time_ns = before.time_ns };
	f->priv[ref] = (struct frame_private){ .time_ns = before.time_ns,
					       .epoch = before.epoch,
					       .port = before.port,
					       .link = LINK_ETHERNET,
					       .withheld = before.withheld };
	packet_parse(data, len, r);
	packet_fix_checksums(data, len, r);
	stats->originated++;
	stats->forwarded++;
	if (TRACED(f))
		trace_number(f, ref, TRACE_MADE, PLACE_NSH, 0);
	stage_hand(fabric, (uint16_t)(STAGE_PORT + before.port), &ref, 1);
}
