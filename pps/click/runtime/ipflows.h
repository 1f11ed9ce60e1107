/* Numbers for flows: every TCP and UDP flow, both directions of it, gets an aggregate number of its own. */
#ifndef CLICK_IPFLOWS_H
#define CLICK_IPFLOWS_H
#include "ip.h"

enum { IPFLOWS_BUCKETS = 4096 };

struct ipflow_hosts { /* between two addresses: low is the smaller, as a number */
	uint32_t low, high;
	bool tcp;
	struct ipflow *flows;
	struct vnfc_packet *head, *tail; /* fragments that wait, by note, in the order of arrival */
	struct ipflow_hosts *same;
};

struct ipflow {
	struct ipflow *next;
	uint32_t ports; /* as they lie in packets from low to high */
	uint32_t aggregate;
	uint64_t seen; /* s */
	uint8_t over;  /* bits: a direction has ended */
	bool reverse;  /* its first packet went from high to low */
};

struct ipflows {
	struct ipflow_hosts *bucket[IPFLOWS_BUCKETS];
	uint32_t next, live;
	uint64_t now, reap_at;			       /* s, by packets */
	uint64_t tcp, done, udp, fragment, reap_every; /* timeouts, s */
	bool icmp, fragments;
	void (*drop)(struct vnfc_packet *p);
	void (*emit)(struct vnfc_packet *p);
};

enum ipflow_fate { IPFLOW_EMIT, IPFLOW_OTHER, IPFLOW_WAITS, IPFLOW_CANNOT_WAIT };

static inline struct ipflow_hosts *ipflows__hosts(struct ipflows *t, uint32_t low, uint32_t high, bool tcp)
{
	uint64_t h = ((uint64_t)low << 32 | high) * 0x9e3779b97f4a7c15u;
	struct ipflow_hosts **at = &t->bucket[(h >> 44) & (IPFLOWS_BUCKETS - 1)];
	while (*at && ((*at)->low != low || (*at)->high != high || (*at)->tcp != tcp))
		at = &(*at)->same;
	if (!*at && (*at = (struct ipflow_hosts *)calloc(1, sizeof(**at))))
		**at = (struct ipflow_hosts){ .low = low, .high = high, .tcp = tcp };
	return *at;
}

/* The header that says which flow it is: the packet's own, or the one that an ICMP error quotes. */
static inline const uint8_t *ipflows__header(const struct ipflows *t, const struct vnfc_packet *p,
					     bool *quoted)
{
	const struct ip4_header *ip = click_ip(p);
	*quoted = false;
	if (!ip || ip->proto != PROTO_ICMP || !t->icmp || !click_ip_first_fragment(ip))
		return (const uint8_t *)ip;
	uint32_t len = click_transport_len(p), least = sizeof(struct icmp_header) + sizeof(struct ip4_header);
	const uint8_t *icmp = click_transport(p), *inner = icmp + sizeof(struct icmp_header);
	bool error = len >= least && ((icmp[0] >= 3 && icmp[0] <= 5) || icmp[0] == 11 || icmp[0] == 12);
	*quoted = true;
	return error && click_is_ip4(inner, len - (uint32_t)sizeof(struct icmp_header)) &&
			       click_ip_header_len(inner) >= sizeof(struct ip4_header) &&
			       len >= sizeof(struct icmp_header) + click_ip_header_len(inner)
		       ? inner
		       : NULL;
}

static inline uint64_t ipflows__timeout(const struct ipflows *t, const struct ipflow_hosts *h,
					const struct ipflow *f)
{
	return !h->tcp ? t->udp : f->over == 3 ? t->done : t->tcp;
}

/* The flow with these ports, first in its list from now on; a dead one begins anew. NULL: no memory. */
static inline struct ipflow *ipflows__flow(struct ipflows *t, struct ipflow_hosts *h, uint32_t ports,
					   bool flipped, uint64_t now, bool syn)
{
	struct ipflow **at = &h->flows, *f;
	while (*at && (*at)->ports != ports)
		at = &(*at)->next;
	f = *at;
	bool fresh = !f;
	if (f) {
		*at = f->next;
		fresh = now > f->seen + ipflows__timeout(t, h, f) || (f->over == 3 && h->tcp && syn);
	} else if ((f = (struct ipflow *)calloc(1, sizeof(*f)))) {
		t->live++;
	} else {
		return NULL;
	}
	f->next = h->flows;
	h->flows = f;
	if (fresh) {
		f->ports = ports;
		f->aggregate = t->next++;
		f->reverse = flipped;
		f->over = 0;
	}
	f->seen = now;
	return f;
}

/* The packet goes on: what it says of its flow's end is remembered. */
static inline void ipflows__seen(const struct vnfc_packet *p, const uint8_t *ip, struct ipflow *f,
				 uint64_t now)
{
	uint8_t paint = click_anno8(p, CLICK_PAINT);
	f->seen = now;
	if (ip[9] != PROTO_TCP || !click_ip_first_fragment((const struct ip4_header *)ip) || paint >= 2 ||
	    click_transport_len(p) < 14)
		return;
	uint8_t flags = click_transport(p)[13];
	if (flags & TCP_RST)
		f->over = 3;
	else if (flags & TCP_FIN)
		f->over |= (uint8_t)(1 << paint);
	else if (flags & TCP_SYN)
		f->over = 0;
}

static inline bool ipflows__fragment(const uint8_t *ip)
{
	return load16(ip + 6) & (IP4_MORE_FRAGMENTS | IP4_OFFSET);
}

/* The first waiting packet goes on with its flow's number, if any fragment of its datagram told it. */
static inline void ipflows__emit_head(struct ipflows *t, struct ipflow_hosts *h)
{
	bool quoted;
	struct vnfc_packet *head = h->head;
	const uint8_t *ip = ipflows__header(t, head, &quoted);
	uint32_t number = click_anno32(head, CLICK_AGGREGATE);
	uint8_t paint = click_anno8(head, CLICK_PAINT);
	h->head = (struct vnfc_packet *)head->note;
	for (struct vnfc_packet *p = h->head; p && !number; p = (struct vnfc_packet *)p->note)
		if (memcmp(ipflows__header(t, p, &quoted) + 4, ip + 4, 2) == 0) {
			number = click_anno32(p, CLICK_AGGREGATE);
			paint = click_anno8(p, CLICK_PAINT);
		}
	if (!number) {
		t->drop(head);
		return;
	}
	click_set_anno32(head, CLICK_AGGREGATE, number);
	click_set_anno8(head, CLICK_PAINT, paint);
	for (struct vnfc_packet *p = h->head; p; p = (struct vnfc_packet *)p->note)
		if (memcmp(ipflows__header(t, p, &quoted) + 4, ip + 4, 2) == 0) {
			click_set_anno32(p, CLICK_AGGREGATE, number);
			click_set_anno8(p, CLICK_PAINT, paint);
		}
	for (struct ipflow *f = h->flows; f; f = f->next)
		if (f->aggregate == number)
			ipflows__seen(head, ip, f, head->time_ns / VNFC_SECOND);
	t->emit(head);
}

/* Whole packets, and fragments that have waited long enough, go on. */
static inline void ipflows__emit_old(struct ipflows *t, struct ipflow_hosts *h)
{
	bool quoted;
	while (h->head && (h->head->time_ns / VNFC_SECOND + t->fragment < t->now ||
			   !ipflows__fragment(ipflows__header(t, h->head, &quoted))))
		ipflows__emit_head(t, h);
}

/* Forget flows that ended, or all of them. */
static inline void ipflows_reap(struct ipflows *t, bool all)
{
	for (uint32_t i = 0; i < IPFLOWS_BUCKETS; i++)
		for (struct ipflow_hosts *h = t->bucket[i]; h; h = h->same) {
			while (all && h->head)
				ipflows__emit_head(t, h);
			ipflows__emit_old(t, h);
			for (struct ipflow **at = &h->flows, *f = h->head ? NULL : *at; f; f = *at) {
				if (!all && f->seen + ipflows__timeout(t, h, f) >= t->now) {
					at = &f->next;
					continue;
				}
				*at = f->next;
				free(f);
				t->live--;
			}
		}
}

/* The packet gets its flow's number, and its direction as paint (2 more: an ICMP error about the flow). */
static inline enum ipflow_fate ipflows_packet(struct ipflows *t, struct vnfc_packet *p)
{
	bool quoted;
	const uint8_t *ip = ipflows__header(t, p, &quoted);
	uint64_t now = p->time_ns / VNFC_SECOND;
	if (!ip || (ip[9] != PROTO_TCP && ip[9] != PROTO_UDP))
		return IPFLOW_OTHER;
	uint32_t src = load32(ip + 12), dst = load32(ip + 16);
	if (!src && !dst)
		return IPFLOW_OTHER;
	bool flipped = src > dst;
	struct ipflow_hosts *h =
		ipflows__hosts(t, flipped ? dst : src, flipped ? src : dst, ip[9] == PROTO_TCP);
	struct ipflow *f = NULL;
	uint8_t paint = quoted ? 2 : 0;
	const uint8_t *l4 = ip + click_ip_header_len(ip);
	if (!h)
		return IPFLOW_OTHER;
	if (click_ip_first_fragment((const struct ip4_header *)ip)) {
		if (l4 + 4 > click_end(p))
			return IPFLOW_OTHER;
		uint16_t sport = load16(l4), dport = load16(l4 + 2);
		flipped ^= src == dst && sport > dport;
		bool syn = !quoted && ip[9] == PROTO_TCP && l4 + 14 <= click_end(p) && (l4[13] & TCP_SYN);
		uint32_t ports = flipped ? (uint32_t)dport << 16 | sport : (uint32_t)sport << 16 | dport;
		f = ipflows__flow(t, h, ports, flipped, now, syn);
		if (!f)
			return IPFLOW_OTHER;
		paint |= (uint8_t)(flipped ^ f->reverse);
	}
	click_set_anno32(p, CLICK_AGGREGATE, f ? f->aggregate : 0);
	click_set_anno8(p, CLICK_PAINT, paint);
	if ((t->fragments && ipflows__fragment(ip)) || h->head) {
		if (!click_may_store(p))
			return IPFLOW_CANNOT_WAIT;
		p->note = NULL;
		*(h->head ? (struct vnfc_packet **)&h->tail->note : &h->head) = p;
		h->tail = p;
		t->now = now;
		ipflows__emit_old(t, h);
		return IPFLOW_WAITS;
	}
	if (!f)
		return IPFLOW_OTHER;
	t->now = now;
	ipflows__seen(p, ip, f, now);
	return IPFLOW_EMIT;
}
#endif
