/* Where a packet ends in a stream that has no borders. */
#include "pps/exec/exec.h"

enum { ARP_BYTES = 28 };

static uint32_t big16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

uint32_t exec_says_length(const uint8_t *data, size_t n, enum link_type link)
{
	uint32_t at = 0, type;
	if (link == LINK_ETHERNET) {
		for (at = 12; at + 2 <= n && packet_is_tag((uint16_t)big16(data + at)); at += 4)
			;
		if (at + 2 > n)
			return 0;
		type = big16(data + at);
		at += 2;
	} else {
		type = n && data[0] >> 4 == 6 ? ETHER_IP6 : ETHER_IP4;
	}
	if (type == ETHER_ARP)
		return at + ARP_BYTES;
	if (type != ETHER_IP4 && type != ETHER_IP6)
		return UINT32_MAX;
	if (at + 6 > n)
		return 0;
	uint32_t bytes = type == ETHER_IP4 ? big16(data + at + 2) : 40 + big16(data + at + 4);
	return data[at] >> 4 == (type == ETHER_IP4 ? 4 : 6) && bytes >= 20 ? at + bytes : UINT32_MAX;
}
