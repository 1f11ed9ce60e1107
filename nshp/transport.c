/* What NSH travels in: Ethernet (RFC 8300 section 4, IEEE 802.1Q tags), VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe,
 * UDP 4790) over IPv4 and IPv6 (RFC 6935 and 6936: there, no checksum is allowed too). */
#include "nshp/nshp.h"

static bool ours(const struct nsh_port *port, const uint8_t *ip, bool six)
{
	if (port->flags & (six ? NSH_PORT_IP6 : NSH_PORT_IP4))
		return six ? memcmp(ip + 24, port->ip6, 16) == 0 : memcmp(ip + 16, port->ip4, 4) == 0;
	return true; /* without an address, the port takes every tunnel that comes by */
}

static bool checksums_right(const uint8_t *data, const struct frame_record *r, uint32_t udp_len)
{
	bool six = r->flags & FRAME_IPV6;
	const uint8_t *ip = data + r->l3, *udp = data + r->l4;
	if (!six && packet_fold(packet_sum(ip, (ip[0] & 15u) * 4, 0)) != 0xffff)
		return false;
	if (load16(udp + 6) == 0)
		return true;
	uint32_t sum = six ? packet_sum(ip + 8, 32, 0) : packet_sum(ip + 12, 8, 0);
	sum = packet_add(sum, net16((uint16_t)udp_len));
	sum = packet_add(sum, net16(PROTO_UDP));
	return packet_fold(packet_sum(udp, udp_len, sum)) == 0xffff;
}

static int find_in_vxlan_gpe(const struct nsh_port *port, const uint8_t *data, uint32_t len,
			     const struct frame_record *r, uint8_t *ip, uint32_t *end)
{
	bool six = r->flags & FRAME_IPV6;
	uint32_t header = six ? sizeof(struct ip6_header) : sizeof(struct ip4_header), l4 = r->l4;
	if (!packet_has(len, r->l3, header) || r->l3 > UINT8_MAX || !ours(port, data + r->l3, six))
		return 0;
	const uint8_t *at = data + r->l3;
	/* only what could be a tunnel's: UDP, and for a later fragment an address of ours */
	bool fragment =
		six ? at[6] == PROTO_FRAGMENT : (load16(at + 6) & (IP4_MORE_FRAGMENTS | IP4_OFFSET)) != 0;
	if (r->flags & FRAME_FRAGMENT) {
		bool udp = six ? packet_has(len, r->l3, header + 8) && at[header] == PROTO_UDP
			       : at[9] == PROTO_UDP;
		bool addressed = port->flags & (six ? NSH_PORT_IP6 : NSH_PORT_IP4);
		return udp && addressed ? -REASON_outer_fragment : 0;
	}
	if (r->l4_proto != PROTO_UDP || !packet_has(len, l4, sizeof(struct udp_header)) ||
	    load16(data + l4 + 2) != VXLAN_GPE_PORT)
		return 0;
	if (fragment)
		return -REASON_outer_fragment;
	uint32_t ip_end = packet_ip_end(data, len, r), udp_len = load16(data + l4 + 4);
	uint32_t gpe = l4 + sizeof(struct udp_header);
	if (udp_len < sizeof(struct udp_header) + VXLAN_GPE_SIZE || l4 > ip_end || udp_len > ip_end - l4)
		return -REASON_nsh_length;
	/* version 0, P set, and NSH in it: anything else is a tunnel of somebody else's */
	if ((data[gpe] & 0x34) != 0x04 || data[gpe + 3] != VXLAN_GPE_NSH)
		return 0;
	if (!checksums_right(data, r, udp_len))
		return -REASON_outer_checksum;
	if (gpe + VXLAN_GPE_SIZE > FRAME_OUTER)
		return -REASON_nsh_length;
	*ip = (uint8_t)r->l3;
	*end = l4 + udp_len; /* behind it is padding */
	return (int)(gpe + VXLAN_GPE_SIZE);
}

int transport_find(const struct nsh_port *port, const uint8_t *data, uint32_t len,
		   const struct frame_record *r, uint8_t *ip, uint32_t *end)
{
	*ip = 0;
	*end = len;
	/* captures of bare IP bring tunnels without an Ethernet header: they are left as they are */
	if (r->link != LINK_ETHERNET || len < sizeof(struct eth_header) || !(port->flags & NSH_PORT_ON))
		return 0;
	uint16_t type = load16(data + 12);
	if (type == ETHER_NSH)
		return sizeof(struct eth_header);
	if (packet_is_tag(type)) {
		uint32_t at = packet_after_tags(data, len, &type);
		if (at != 0 && type == ETHER_NSH)
			return (int)at;
	}
	if (!(port->flags & NSH_PORT_VXLAN_GPE) || r->l3 == OFFSET_NONE)
		return 0;
	return find_in_vxlan_gpe(port, data, len, r, ip, end);
}

static void swap(uint8_t *one, uint8_t *other, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t byte = one[i];
		one[i] = other[i];
		other[i] = byte;
	}
}

void transport_again(const struct frame_private *priv, const struct frame_saved *saved, bool back,
		     struct outer *o)
{
	o->len = priv->outer_len;
	o->ip = priv->outer_ip;
	memcpy(o->bytes, saved->bytes, o->len);
	o->checksum = o->ip && load16(o->bytes + o->len - VXLAN_GPE_SIZE - 2) != 0;
	if (!back)
		return;
	swap(o->bytes, o->bytes + 6, 6); /* back to whoever sent it */
	if (o->ip && o->bytes[o->ip] >> 4 == 4)
		swap(o->bytes + o->ip + 12, o->bytes + o->ip + 16, 4);
	else if (o->ip)
		swap(o->bytes + o->ip + 8, o->bytes + o->ip + 24, 16);
}

/* Ethernet addresses of the packet itself: what it came in, or what it is in. */
static const uint8_t *own_addresses(const struct frame_private *priv, const struct frame_saved *saved,
				    const uint8_t *inner, uint32_t len, const struct frame_record *r)
{
	if (priv->nsh_len)
		return saved->bytes;
	return r->link == LINK_ETHERNET && len >= sizeof(struct eth_header) ? inner : NULL;
}

static void put_ethernet(struct outer *o, uint16_t vlan, uint16_t type)
{
	o->len = 12;
	if (vlan < VLAN_UNTAGGED) {
		store16(o->bytes + o->len, ETHER_VLAN);
		store16(o->bytes + o->len + 2, vlan);
		o->len += 4;
	}
	store16(o->bytes + o->len, type);
	o->len += 2;
}

/* Ports of the dynamic range that tell flows apart, for those who spread load on the way. */
static uint16_t entropy(const uint8_t *inner, uint32_t len, const struct frame_record *r)
{
	struct frame_record own = *r;
	return (uint16_t)(0xc000 | (packet_flow_hash(inner, len, &own) & 0x3fff));
}

static void put_vxlan_gpe(struct outer *o, const struct nsh_next_hop *hop, const struct nsh_port *from,
			  uint16_t sport)
{
	uint8_t *ip = o->bytes + o->len;
	o->ip = o->len;
	if (hop->ip6) {
		memset(ip, 0, sizeof(struct ip6_header));
		ip[0] = 0x60;
		ip[6] = PROTO_UDP;
		ip[7] = 64;
		memcpy(ip + 8, from->ip6, 16);
		memcpy(ip + 24, hop->address, 16);
		o->len += sizeof(struct ip6_header);
	} else {
		memset(ip, 0, sizeof(struct ip4_header));
		ip[0] = 0x45;
		store16(ip + 6, IP4_DONT_FRAGMENT);
		ip[8] = 64;
		ip[9] = PROTO_UDP;
		memcpy(ip + 12, from->ip4, 4);
		memcpy(ip + 16, hop->address, 4);
		o->len += sizeof(struct ip4_header);
	}
	uint8_t *udp = o->bytes + o->len;
	store16(udp, sport);
	store16(udp + 2, VXLAN_GPE_PORT);
	store32(udp + 4, 0);
	o->checksum = hop->ip6; /* IPv6 wants one where nothing else is agreed on */
	store32(udp + 8, (uint32_t)VXLAN_GPE_FLAGS << 24 | VXLAN_GPE_NSH);
	store32(udp + 12, hop->vni << 8);
	o->len += sizeof(struct udp_header) + VXLAN_GPE_SIZE;
}

/* What a packet that is not Ethernet is, once its NSH header is off. */
static uint16_t plain_type(const struct frame_private *priv, const struct frame_saved *saved,
			   const uint8_t *inner, uint32_t len)
{
	if (priv->link == LINK_OTHER)
		return nsh_next(saved->bytes + priv->outer_len) == NSH_NEXT_MPLS ? ETHER_MPLS : ETHER_NSH;
	return len > 0 && inner[0] >> 4 == 6 ? ETHER_IP6 : ETHER_IP4;
}

bool transport_to(const struct wiring *w, const struct nsh_next_hop *hop, unsigned port, const uint8_t *inner,
		  uint32_t len, const struct frame_record *r, const struct frame_private *priv,
		  const struct frame_saved *saved, struct outer *o)
{
	const struct port_wiring *p = &w->port[port];
	const struct nsh_port *from = &w->nsh_port[port];
	const uint8_t *addresses = own_addresses(priv, saved, inner, len, r);
	o->ip = 0;
	o->checksum = false;
	if (hop->transport == NSH_VXLAN_GPE) {
		if (!hop->has_mac || !(from->flags & (hop->ip6 ? NSH_PORT_IP6 : NSH_PORT_IP4)))
			return false;
	} else if (!hop->has_mac && addresses == NULL) {
		return false;
	}
	if (hop->has_mac) {
		memcpy(o->bytes, hop->mac, 6);
		if (p->has_mac)
			memcpy(o->bytes + 6, p->mac, 6);
		else if (addresses)
			memcpy(o->bytes + 6, addresses + 6, 6);
		else
			return false;
	} else {
		memcpy(o->bytes, addresses, 12);
		if (port == priv->port && priv->nsh_len)
			swap(o->bytes, o->bytes + 6, 6); /* back to whoever sent it, not to us again */
	}
	if (hop->transport == NSH_PLAIN) { /* what is not Ethernet gets a header of it again */
		put_ethernet(o, hop->vlan, plain_type(priv, saved, inner, len));
	} else if (hop->transport == NSH_ETHERNET) {
		put_ethernet(o, hop->vlan, ETHER_NSH);
	} else {
		put_ethernet(o, hop->vlan, hop->ip6 ? ETHER_IP6 : ETHER_IP4);
		put_vxlan_gpe(o, hop, from, entropy(inner, len, r));
	}
	return true;
}

void transport_finish(uint8_t *data, uint32_t len, const struct outer *o)
{
	if (o->ip == 0)
		return;
	uint8_t *ip = data + o->ip, *udp = data + o->len - VXLAN_GPE_SIZE - sizeof(struct udp_header);
	bool six = ip[0] >> 4 == 6;
	uint32_t udp_len = len - (uint32_t)(udp - data);
	if (six) {
		store16(ip + 4, (uint16_t)(len - o->ip - sizeof(struct ip6_header)));
	} else {
		uint32_t header = (ip[0] & 15u) * 4;
		store16(ip + 2, (uint16_t)(len - o->ip));
		store16(ip + 10, 0);
		uint16_t check = (uint16_t)~packet_fold(packet_sum(ip, header, 0));
		memcpy(ip + 10, &check, 2);
	}
	store16(udp + 4, (uint16_t)udp_len);
	store16(udp + 6, 0);
	if (!o->checksum)
		return;
	uint32_t sum = six ? packet_sum(ip + 8, 32, 0) : packet_sum(ip + 12, 8, 0);
	sum = packet_add(sum, net16((uint16_t)udp_len));
	sum = packet_add(sum, net16(PROTO_UDP));
	uint16_t check = (uint16_t)~packet_fold(packet_sum(udp, udp_len, sum));
	if (check == 0)
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}
