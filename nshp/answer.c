/* ICMP: "fragmentation needed" (RFC 792, 1191) and "packet too big" (RFC 4443) to the sender of a packet that came
 * plain, from the address of the port that it came in by. What came inside NSH is not answered: its sender is
 * somewhere at the other end of a path that does not lead back from here. */
#include "nshp/nshp.h"

enum { ANSWERS_A_SECOND = 100, QUOTE4 = 576, QUOTE6 = 1280, PMTU_LEAST4 = 68 };

static const uint64_t SECOND_NS = 1000000000;

static bool limited(struct fabric *fabric)
{
	struct nsh_stage *own = fabric->stage[STAGE_NSH]->self;
	uint64_t now = fabric->frames.now;
	if (now - own->answers_since >= SECOND_NS) {
		own->answers_since = now;
		own->answers = 0;
	}
	return own->answers++ >= ANSWERS_A_SECOND;
}

/* Must this packet's sender not be told? (RFC 1122 3.2.2, RFC 4443 2.4 (e), Ethernet multicasts) */
static bool unanswerable(const uint8_t *data, uint32_t len, const struct frame_record *r)
{
	const uint8_t *ip = data + r->l3;
	if (r->link != LINK_ETHERNET || r->l3 < sizeof(struct eth_header) || (data[0] & 1) || (data[6] & 1))
		return true;
	if (r->flags & FRAME_IPV6) {
		if (!packet_has(len, r->l3, sizeof(struct ip6_header)) || ip[8] == 0xff || ip[24] == 0xff)
			return true;
		static const uint8_t unspecified[16];
		if (memcmp(ip + 8, unspecified, 16) == 0)
			return true;
		return r->l4_proto == PROTO_ICMP6 && packet_has(len, r->l4, 1) && data[r->l4] < 128;
	}
	if (!packet_has(len, r->l3, sizeof(struct ip4_header)) || !(load16(ip + 6) & IP4_DONT_FRAGMENT) ||
	    (r->flags & FRAME_FRAGMENT))
		return true;
	if (ip[12] == 0 || ip[12] == 127 || ip[12] >= 224 || ip[16] >= 224)
		return true;
	if (r->l4_proto != PROTO_ICMP || !packet_has(len, r->l4, 1))
		return false;
	uint8_t type = data[r->l4];
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static uint32_t put_answer4(uint8_t *ip, const uint8_t *their, uint32_t quoted, const struct nsh_port *own,
			    uint32_t mtu)
{
	uint8_t *icmp = ip + sizeof(struct ip4_header);
	uint32_t len = sizeof(struct ip4_header) + sizeof(struct icmp_header) + quoted;
	memset(ip, 0, sizeof(struct ip4_header) + sizeof(struct icmp_header));
	ip[0] = 0x45;
	store16(ip + 2, (uint16_t)len);
	ip[8] = 64;
	ip[9] = PROTO_ICMP;
	memcpy(ip + 12, own->ip4, 4);
	memcpy(ip + 16, their + 12, 4);
	icmp[0] = 3;
	icmp[1] = 4;
	store16(icmp + 6, (uint16_t)(mtu > UINT16_MAX ? UINT16_MAX : mtu));
	return len;
}

static uint32_t put_answer6(uint8_t *ip, const uint8_t *their, uint32_t quoted, const struct nsh_port *own,
			    uint32_t mtu)
{
	uint8_t *icmp = ip + sizeof(struct ip6_header);
	memset(ip, 0, sizeof(struct ip6_header) + sizeof(struct icmp_header));
	ip[0] = 0x60;
	store16(ip + 4, (uint16_t)(sizeof(struct icmp_header) + quoted));
	ip[6] = PROTO_ICMP6;
	ip[7] = 64;
	memcpy(ip + 8, own->ip6, 16);
	memcpy(ip + 24, their + 8, 16);
	icmp[0] = 2;
	store32(icmp + 4, mtu);
	return sizeof(struct ip6_header) + sizeof(struct icmp_header) + quoted;
}

bool answer_too_long(struct fabric *fabric, uint32_t ref, uint32_t over)
{
	struct frames *f = &fabric->frames;
	const struct frame_private *priv = &f->priv[ref];
	const struct wiring *w = packet_wiring(fabric, ref);
	const struct nsh_port *own = &w->nsh_port[priv->port];
	struct frame_record r = f->record[ref];
	const uint8_t *data = frame_start(f, ref) + r.data;
	if (priv->nsh_len || r.data > f->frame_size || r.len > f->frame_size - r.data)
		return false;
	packet_parse(data, r.len, &r); /* what VNFCs left of it, whatever they say */
	bool six = r.flags & FRAME_IPV6;
	if (r.l3 == OFFSET_NONE || !(own->flags & (six ? NSH_PORT_IP6 : NSH_PORT_IP4)) ||
	    unanswerable(data, r.len, &r))
		return false;
	uint32_t there = packet_ip_end(data, r.len, &r) - r.l3, l2 = r.l3;
	uint32_t header = six ? sizeof(struct ip6_header) : sizeof(struct ip4_header);
	uint32_t most = (six ? QUOTE6 : QUOTE4) - header - sizeof(struct icmp_header);
	uint32_t quoted = there < most ? there : most, answer;
	if (over >= there || there - over < (six ? QUOTE6 : PMTU_LEAST4) ||
	    FRAME_HEADROOM + l2 + header + sizeof(struct icmp_header) + quoted > f->frame_size)
		return false; /* no MTU that a sender could keep to */
	if (limited(fabric) || frames_take(f, &answer, 1, (uint16_t)(OWNER_ARRIVING + priv->port)) == 0)
		return false;
	uint8_t *to = frame_start(f, answer) + FRAME_HEADROOM, *ip = to + l2;
	memcpy(to, data, l2); /* tags too */
	memcpy(to, data + 6, 6);
	memcpy(to + 6, w->port[priv->port].has_mac ? w->port[priv->port].mac : data, 6);
	memcpy(ip + header + sizeof(struct icmp_header), data + l2, quoted);
	uint32_t len = l2 + (six ? put_answer6(ip, data + l2, quoted, own, there - over)
				 : put_answer4(ip, data + l2, quoted, own, there - over));
	f->record[answer] = (struct frame_record){ .data = FRAME_HEADROOM,
						   .len = len,
						   .link = LINK_ETHERNET,
						   .port = priv->port,
						   .time_ns = priv->time_ns };
	f->priv[answer] = (struct frame_private){ .time_ns = priv->time_ns,
						  .epoch = priv->epoch,
						  .port = priv->port,
						  .link = LINK_ETHERNET,
						  .withheld = priv->withheld };
	packet_parse(to, len, &f->record[answer]);
	packet_fix_checksums(to, len, &f->record[answer]);
	f->stats[PLACE_NSH].originated++;
	f->stats[PLACE_NSH].forwarded++;
	if (TRACED(f))
		trace_number(f, answer, TRACE_MADE, PLACE_NSH, 0);
	stage_hand(fabric, STAGE_PORT + priv->port, &answer, 1);
	return true;
}
