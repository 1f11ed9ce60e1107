/* The addresses that an ARPResponder answers for: the narrower prefix first. */
#ifndef CLICK_ARP_ANSWERS_H
#define CLICK_ARP_ANSWERS_H
#include "addresses.h"

struct arp_answer {
	uint32_t address, mask; /* network order */
	uint8_t mac[6];
};

struct arp_answers {
	struct arp_answer *answer;
	uint32_t n, capacity;
};

static inline const struct arp_answer *arp_answers_find(const struct arp_answers *t, uint32_t address)
{
	for (uint32_t i = 0; i < t->n; i++)
		if ((address & t->answer[i].mask) == t->answer[i].address)
			return &t->answer[i];
	return NULL;
}

/* A later answer for the same prefix replaces the earlier one. False: no memory. */
static inline bool arp_answers_add(struct arp_answers *t, struct arp_answer a)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < t->n; i++)
		if (t->answer[i].address == a.address && t->answer[i].mask == a.mask) {
			t->answer[i] = a;
			return true;
		}
	if (t->n == t->capacity) {
		uint32_t capacity = t->capacity ? t->capacity * 2 : 16;
		struct arp_answer *more = (struct arp_answer *)realloc(t->answer, capacity * sizeof(*more));
		if (!more)
			return false;
		t->answer = more;
		t->capacity = capacity;
	}
	while (at < t->n && (a.address & t->answer[at].mask) != t->answer[at].address)
		at++;
	memmove(&t->answer[at + 1], &t->answer[at], (t->n++ - at) * sizeof(a));
	t->answer[at] = a;
	return true;
}

static inline void arp_answers_say(const struct arp_answers *t, struct click_text *out)
{
	char prefix[CLICK_PREFIX_TEXT], mac[CLICK_ETHER_TEXT];
	for (uint32_t i = 0; i < t->n; i++)
		click_say(out, "%s %s\n", click_prefix_text(t->answer[i].address, t->answer[i].mask, prefix),
			  click_ether_text(t->answer[i].mac, mac));
}

static inline int arp_answers_ask(const struct arp_answers *t, const char *value, struct click_text *out)
{
	char word[CLICK_WORD], mac[CLICK_ETHER_TEXT];
	uint32_t address;
	if (!click_word(&value, word) || !click_parse_ip(word, &address))
		return click_refuse(out, "expected IP address");
	const struct arp_answer *a = arp_answers_find(t, address);
	click_say(out, "%s", a ? click_ether_text(a->mac, mac) : "");
	return 0;
}

/* IP/MASK... ETH, in any order. */
static inline int arp_answers_write(struct arp_answers *t, const char *value, struct click_text *out)
{
	enum { MOST = 64 };
	struct arp_answer given[MOST];
	char word[CLICK_WORD];
	uint8_t mac[6];
	unsigned n = 0, macs = 0;
	while (click_word(&value, word)) {
		if (n < MOST && click_parse_prefix(word, &given[n].address, &given[n].mask))
			n++;
		else if (click_parse_ether(word, mac))
			macs++;
		else
			return click_refuse(out, "expected IP/MASK ETH");
	}
	if (macs > 1 || !click_at_end(value))
		return click_refuse(out, "more than one ETH");
	if (n == 0 || macs == 0)
		return click_refuse(out, n ? "missing ETH" : "missing IP/MASK");
	for (unsigned i = 0; i < n; i++) {
		given[i].address &= given[i].mask;
		memcpy(given[i].mac, mac, 6);
		if (!arp_answers_add(t, given[i]))
			return click_refuse(out, "no memory");
	}
	return 0;
}

static inline int arp_answers_remove(struct arp_answers *t, const char *value, struct click_text *out)
{
	char word[CLICK_WORD], prefix[CLICK_PREFIX_TEXT];
	uint32_t address, mask;
	if (!click_word(&value, word) || !click_parse_prefix(word, &address, &mask) || !click_at_end(value))
		return click_refuse(out, "expected IP/MASK");
	address &= mask;
	for (uint32_t i = 0; i < t->n; i++)
		if (t->answer[i].address == address && t->answer[i].mask == mask) {
			memmove(&t->answer[i], &t->answer[i + 1], (--t->n - i) * sizeof(t->answer[0]));
			return 0;
		}
	return click_refuse(out, "%s not found", click_prefix_text(address, mask, prefix));
}
#endif
