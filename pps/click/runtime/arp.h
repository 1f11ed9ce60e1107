/* ARP: messages, and the table of who has which address and which packets wait for it. */
#ifndef CLICK_ARP_H
#define CLICK_ARP_H
#include "addresses.h"

enum {
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	ARP_MESSAGE = sizeof(struct eth_header) + sizeof(struct arp_header),
	ARP_BUCKETS = 4096,
	ARP_MANY_POLLS = 10, /* unanswered: then ask more seldom */
};
static const uint64_t ARP_POLL_NS = VNFC_SECOND / 10, ARP_SELDOM_NS = 2ull * VNFC_SECOND;
static const uint8_t ARP_EVERYONE[6] = { 255, 255, 255, 255, 255, 255 };

/* ---- messages ---------------------------------------------------------------------------------------------- */

/* The ARP message for IPv4 over Ethernet that begins at the packet's first byte; NULL: it is none. */
static inline struct arp_header *click_arp(const struct vnfc_packet *p, uint16_t operation)
{
	if (p->len < ARP_MESSAGE || load16(p->data + 12) != ETHER_ARP)
		return NULL;
	struct arp_header *arp = (struct arp_header *)(p->data + sizeof(struct eth_header));
	bool ours = net16(arp->hardware) == 1 && net16(arp->protocol) == ETHER_IP4;
	return ours && net16(arp->operation) == operation ? arp : NULL;
}

/* A new message that goes the way of `like`, or NULL. */
static inline struct vnfc_packet *click_arp_make(const struct vnfc_packet *like, const uint8_t to[6],
						 struct arp_header arp)
{
	struct vnfc_packet *q = click_new(like);
	uint8_t *data = q ? vnfc_put(q, ARP_MESSAGE) : NULL;
	if (!data) {
		if (q)
			vnfc_discard(q);
		return NULL;
	}
	q->link = LINK_ETHERNET;
	memcpy(data, to, 6);
	memcpy(data + 6, arp.sender_mac, 6);
	store16(data + 12, ETHER_ARP);
	arp.hardware = net16(1);
	arp.protocol = net16(ETHER_IP4);
	arp.hardware_len = 6;
	arp.protocol_len = 4;
	memcpy(data + sizeof(struct eth_header), &arp, sizeof(arp));
	click_set_mac(q, data);
	click_set_anno16(q, CLICK_VLAN_TCI, click_anno16(like, CLICK_VLAN_TCI));
	return q;
}

/* ---- the table --------------------------------------------------------------------------------------------- */

struct arp_entry {
	uint32_t ip;
	uint8_t mac[6];
	bool known;
	uint8_t polls; /* since the last reply */
	uint64_t live_at, polled_at;
	struct vnfc_packet *head, *tail; /* waiting, by note */
	uint32_t waiting;
	struct arp_entry *same; /* in this bucket */
	struct arp_entry *older, *newer;
};

struct arp_table {
	struct arp_entry *bucket[ARP_BUCKETS];
	struct arp_entry *oldest, *newest;
	uint32_t entries, packets;
	uint64_t drops, timeout;				/* ns; 0: entries stay */
	uint32_t capacity, entry_capacity, entry_packets, slim; /* 0: no limit */
	void (*drop)(struct vnfc_packet *p);
	struct click_timer timer;
};

static inline struct arp_entry **arp__at(struct arp_table *t, uint32_t ip)
{
	struct arp_entry **at = &t->bucket[ip * 0x9e3779b1u >> 20];
	while (*at && (*at)->ip != ip)
		at = &(*at)->same;
	return at;
}

static inline bool arp__expired(const struct arp_table *t, const struct arp_entry *e, uint64_t now)
{
	return t->timeout && e->live_at + t->timeout < now;
}

static inline bool arp_known(const struct arp_table *t, const struct arp_entry *e, uint64_t now)
{
	return e->known && !arp__expired(t, e, now);
}

/* Whether to ask now; if so, that is noted. */
static inline bool arp__poll(struct arp_entry *e, uint64_t now)
{
	if (now < e->polled_at + (e->polls >= ARP_MANY_POLLS ? ARP_SELDOM_NS : ARP_POLL_NS))
		return false;
	e->polled_at = now;
	if (e->polls < 255)
		e->polls++;
	return true;
}

static inline void arp__unlink(struct arp_table *t, struct arp_entry *e)
{
	*(e->older ? &e->older->newer : &t->oldest) = e->newer;
	*(e->newer ? &e->newer->older : &t->newest) = e->older;
}

/* In front of `next`; NULL: as the newest. */
static inline void arp__link(struct arp_table *t, struct arp_entry *e, struct arp_entry *next)
{
	e->newer = next;
	e->older = next ? next->older : t->newest;
	*(e->older ? &e->older->newer : &t->oldest) = e;
	*(next ? &next->older : &t->newest) = e;
}

static inline void arp__drop_one(struct arp_table *t, struct arp_entry *e)
{
	struct vnfc_packet *p = e->head;
	e->head = (struct vnfc_packet *)p->note;
	if (!e->head)
		e->tail = NULL;
	e->waiting--;
	t->packets--;
	t->drops++;
	t->drop(p);
}

static inline void arp__forget(struct arp_table *t, struct arp_entry *e)
{
	while (e->head)
		arp__drop_one(t, e);
	*arp__at(t, e->ip) = e->same;
	arp__unlink(t, e);
	t->entries--;
	free(e);
}

static inline void arp_clear(struct arp_table *t)
{
	while (t->oldest)
		arp__forget(t, t->oldest);
}

/* Forget what is too old, then what is too much. */
static inline void arp_slim(struct arp_table *t, uint64_t now)
{
	while (t->oldest &&
	       (arp__expired(t, t->oldest, now) || (t->entry_capacity && t->entries > t->entry_capacity)))
		arp__forget(t, t->oldest);
	if (!t->capacity || t->packets <= t->capacity)
		return;
	uint32_t least = t->capacity - t->capacity / t->slim;
	least = least ? least : 1; /* the packet that is too much may not be in yet */
	for (struct arp_entry *e = t->oldest; e && t->packets > least; e = e->newer)
		while (e->head && t->packets > least)
			arp__drop_one(t, e);
}

static inline struct arp_entry *arp__ensure(struct arp_table *t, uint32_t ip, uint64_t now)
{
	struct arp_entry *e = *arp__at(t, ip);
	if (e)
		return e;
	e = (struct arp_entry *)calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	if (t->entry_capacity && ++t->entries > t->entry_capacity)
		arp_slim(t, now);
	else if (!t->entry_capacity)
		t->entries++;
	e->ip = ip;
	memcpy(e->mac, ARP_EVERYONE, 6);
	e->live_at = now;
	e->polled_at = now > VNFC_SECOND ? now - VNFC_SECOND : 0;
	*arp__at(t, ip) = e;
	arp__link(t, e, NULL);
	return e;
}

/* Who has ip is known now. Returns what waited for it, linked by note. */
static inline struct vnfc_packet *arp_insert(struct arp_table *t, uint32_t ip, const uint8_t mac[6])
{
	uint64_t now = vnfc_now();
	struct arp_entry *e = arp__ensure(t, ip, now);
	if (!e)
		return NULL;
	memcpy(e->mac, mac, 6);
	e->known = memcmp(mac, ARP_EVERYONE, 6) != 0;
	e->live_at = now;
	e->polls = 0;
	e->polled_at = now > VNFC_SECOND ? now - VNFC_SECOND : 0;
	arp__unlink(t, e);
	arp__link(t, e, NULL);
	struct vnfc_packet *head = e->head;
	t->packets -= e->waiting;
	e->head = e->tail = NULL;
	e->waiting = 0;
	return head;
}

/* p waits for the answer. 1: ask; 0: it was asked; -1: p could not be kept. */
static inline int arp_wait(struct arp_table *t, uint32_t ip, struct vnfc_packet *p)
{
	uint64_t now = vnfc_now();
	struct arp_entry *e = arp__ensure(t, ip, now);
	if (!e)
		return -1;
	if (t->timeout && arp__expired(t, e, now)) { /* still wanted: it stays, as the oldest that may */
		e->live_at = now - t->timeout;
		struct arp_entry *next = e->newer;
		while (next && next->live_at < e->live_at)
			next = next->newer;
		if (next != e->newer) {
			arp__unlink(t, e);
			arp__link(t, e, next);
		}
	}
	if (t->entry_packets && e->waiting >= t->entry_packets) {
		t->drops++;
		return -1;
	}
	if (++t->packets > t->capacity && t->capacity)
		arp_slim(t, now);
	p->note = NULL;
	*(e->tail ? (struct vnfc_packet **)&e->tail->note : &e->head) = p;
	e->tail = p;
	e->waiting++;
	return arp__poll(e, now);
}

/* 1: known, but it is time to ask again; 0: known; -1: not known. */
static inline int arp_lookup(struct arp_table *t, uint32_t ip, uint8_t mac[6], uint64_t poll_timeout)
{
	struct arp_entry *e = *arp__at(t, ip);
	uint64_t now = vnfc_now();
	if (!e || !arp_known(t, e, now))
		return -1;
	memcpy(mac, e->mac, 6);
	return poll_timeout && now >= e->live_at + poll_timeout && arp__poll(e, now);
}

static inline void arp__expire(void *arg)
{
	struct arp_table *t = (struct arp_table *)arg;
	arp_slim(t, vnfc_now());
	click_timer_at(&t->timer, vnfc_now() + t->timeout + VNFC_SECOND, arp__expire, t);
}

static inline void arp_start(struct arp_table *t)
{
	if (t->timeout)
		click_timer_at(&t->timer, vnfc_now() + t->timeout, arp__expire, t);
}

/* ---- handlers ---------------------------------------------------------------------------------------------- */

static inline void arp_say(const struct arp_table *t, struct click_text *out)
{
	char ip[CLICK_IP_TEXT], mac[CLICK_ETHER_TEXT];
	uint64_t now = vnfc_now();
	for (const struct arp_entry *e = t->oldest; e; e = e->newer) {
		uint64_t ms = (now - e->live_at) / VNFC_MS;
		click_say(out, "%s %d %s %" PRIu64 ".%03u000\n", click_ip_text(e->ip, ip),
			  arp_known(t, e, now), click_ether_text(e->mac, mac), ms / 1000,
			  (unsigned)(ms % 1000));
	}
}

/* `IP ETH`, or `IP` to forget it. What waits goes on waiting for an answer. */
static inline int arp_write(struct arp_table *t, const char *value, bool forget, struct click_text *out)
{
	char word[CLICK_WORD];
	uint32_t ip;
	uint8_t mac[6];
	memcpy(mac, ARP_EVERYONE, 6);
	bool good = click_word(&value, word) && click_parse_ip(word, &ip);
	good = good && (forget || (click_word(&value, word) && click_parse_ether(word, mac)));
	if (!good || !click_at_end(value))
		return click_refuse(out, forget ? "expected IP" : "expected IP ETH");
	uint64_t now = vnfc_now();
	struct arp_entry *e = arp__ensure(t, ip, now);
	struct vnfc_packet *head = e ? e->head : NULL, *tail = e ? e->tail : NULL;
	uint32_t waiting = e ? e->waiting : 0;
	arp_insert(t, ip, mac);
	if (e) {
		e->head = head;
		e->tail = tail;
		e->waiting = waiting;
		t->packets += waiting;
	}
	return 0;
}
#endif
