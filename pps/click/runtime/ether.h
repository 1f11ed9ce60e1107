/* Ethernet addresses in handlers. */
#ifndef CLICK_ETHER_H
#define CLICK_ETHER_H
#include "click.h"

static inline void click_say_mac(struct click_text *out, const uint8_t *a)
{
	click_say(out, "%02X-%02X-%02X-%02X-%02X-%02X", a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Six bytes out of a text with - or : between them. */
static inline bool click_mac_of(const char *text, uint8_t *address)
{
	unsigned b[6];
	char end, between = strchr(text, '-') ? '-' : ':', format[40];
	snprintf(format, sizeof(format), "%%2x%c%%2x%c%%2x%c%%2x%c%%2x%c%%2x%%c", between, between, between,
		 between, between);
	if (sscanf(text, format, &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != 6)
		return false;
	for (unsigned i = 0; i < 6; i++)
		address[i] = (uint8_t)b[i];
	return true;
}
#endif
