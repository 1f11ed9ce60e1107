/* Addresses in handler texts: words, IPv4 addresses and prefixes, Ethernet addresses, read and printed as Click
 * writes them. Addresses are in network order. */
#ifndef CLICK_ADDRESSES_H
#define CLICK_ADDRESSES_H
#include <arpa/inet.h>
#include "click.h"

enum { CLICK_WORD = 80, CLICK_IP_TEXT = 16, CLICK_PREFIX_TEXT = 32, CLICK_ETHER_TEXT = 18 };

/* The next space-separated word of *at, which moves behind it. False: there is none, or it is too long. */
static inline bool click_word(const char **at, char word[CLICK_WORD])
{
	unsigned n = 0;
	while (isspace((unsigned char)**at))
		++*at;
	for (; **at && !isspace((unsigned char)**at); ++*at) {
		if (n == CLICK_WORD - 1)
			return false;
		word[n++] = **at;
	}
	word[n] = '\0';
	return n > 0;
}

/* Nothing but spaces is left. */
static inline bool click_at_end(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return *at == '\0';
}

static inline bool click_parse_ip(const char *word, uint32_t *address)
{
	return inet_pton(AF_INET, word, address) == 1;
}

static inline uint32_t click_mask(unsigned bits)
{
	return bits ? net32(0xffffffffu << (32 - bits)) : 0;
}

/* ADDRESS, ADDRESS/BITS or ADDRESS/MASK; the address stays whole. */
static inline bool click_parse_prefix(const char *word, uint32_t *address, uint32_t *mask)
{
	char copy[CLICK_WORD];
	int64_t bits;
	snprintf(copy, sizeof(copy), "%s", word);
	char *slash = strchr(copy, '/');
	*mask = 0xffffffffu;
	if (slash) {
		*slash++ = '\0';
		if (click_number(slash, &bits) && bits >= 0 && bits <= 32)
			*mask = click_mask((unsigned)bits);
		else if (!click_parse_ip(slash, mask))
			return false;
	}
	return click_parse_ip(copy, address);
}

static inline bool click_parse_ether(const char *word, uint8_t address[6])
{
	unsigned n[6];
	int end = 0;
	char separator = strchr(word, '-') ? '-' : ':';
	const char *format = separator == '-' ? "%2x-%2x-%2x-%2x-%2x-%2x%n" : "%2x:%2x:%2x:%2x:%2x:%2x%n";
	if (sscanf(word, format, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &end) != 6 || !end || word[end])
		return false;
	for (unsigned i = 0; i < 6; i++)
		address[i] = (uint8_t)n[i];
	return true;
}

static inline const char *click_ip_text(uint32_t address, char text[CLICK_IP_TEXT])
{
	const uint8_t *b = (const uint8_t *)&address;
	snprintf(text, CLICK_IP_TEXT, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	return text;
}

/* ADDRESS/BITS, or ADDRESS/MASK where the mask is no prefix. */
static inline const char *click_prefix_text(uint32_t address, uint32_t mask, char text[CLICK_PREFIX_TEXT])
{
	char a[CLICK_IP_TEXT], m[CLICK_IP_TEXT];
	unsigned bits = (unsigned)__builtin_popcount(mask);
	if (mask == click_mask(bits))
		snprintf(m, sizeof(m), "%u", bits);
	else
		click_ip_text(mask, m);
	snprintf(text, CLICK_PREFIX_TEXT, "%s/%s", click_ip_text(address, a), m);
	return text;
}

/* As Click prints them: 00-11-22-AA-BB-CC. */
static inline const char *click_ether_text(const uint8_t a[6], char text[CLICK_ETHER_TEXT])
{
	snprintf(text, CLICK_ETHER_TEXT, "%02X-%02X-%02X-%02X-%02X-%02X", a[0], a[1], a[2], a[3], a[4], a[5]);
	return text;
}
#endif
