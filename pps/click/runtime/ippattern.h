/* What the conditions of IPClassifier's patterns (pps/click/ippatterns.py) are written in. */
#ifndef CLICK_IPPATTERN_H
#define CLICK_IPPATTERN_H
#include "ip.h"

/* The locals that conditions use. A header that is not there has length 0, and so has one of another version than 4. */
#define PATTERN_BEGIN(p)                                                \
	const uint8_t *ip VNFC__UNUSED = click_network(p);              \
	const uint8_t *transport VNFC__UNUSED = click_transport(p);     \
	const uint8_t *mac VNFC__UNUSED = click_mac(p);                 \
	const uint32_t net_len VNFC__UNUSED = click_network_len(p);     \
	const uint32_t ip_len VNFC__UNUSED = click_ip(p) ? net_len : 0; \
	const uint32_t transport_len VNFC__UNUSED = click_transport_len(p)

#define PATTERN_HAS_IP(n) (ip_len >= (n))
#define PATTERN_HAS_VERSION (net_len >= 1)
#define PATTERN_HAS_TRANSPORT(n) (transport_len >= (n))
#define PATTERN_HAS_MAC (mac && click_end(p) - mac >= 12)
#define PATTERN_FIRST_FRAGMENT (PATTERN_HAS_IP(20) && (load16(ip + 6) & IP4_OFFSET) == 0)
#define PATTERN_IP32(at, mask) (load32(ip + (at)) & (mask))

static inline uint32_t pattern_load(const uint8_t *at, unsigned bytes)
{
	uint32_t v = 0;
	while (bytes-- > 0)
		v = v << 8 | *at++;
	return v;
}

static inline uint64_t pattern_load48(const uint8_t *at)
{
	return (uint64_t)load16(at) << 32 | load32(at + 2);
}
#endif
