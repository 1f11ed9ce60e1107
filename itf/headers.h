/* Protocol headers as they lie in a packet: packed, any alignment, every field in network order.
 *
 * Read and write fields through net16/net32/net64, which convert both ways. C11 and C++17. Layouts: RFC 791,
 * 8200, 9293, 768, 792, 4443, 826, IEEE 802.3 and 802.1Q.
 */
#ifndef ITF_HEADERS_H
#define ITF_HEADERS_H
#include <stdint.h>
#include <string.h>

#define PACKET_WIRE __attribute__((packed, may_alias))

enum {
	ETHER_IP4 = 0x0800,
	ETHER_ARP = 0x0806,
	ETHER_VLAN = 0x8100,	 /* 802.1Q */
	ETHER_QINQ = 0x88a8,	 /* 802.1ad */
	ETHER_QINQ_OLD = 0x9100, /* what was used before 802.1ad */
	ETHER_IP6 = 0x86dd,
	ETHER_BRIDGED = 0x6558, /* an Ethernet frame, in GRE and Geneve */
	ETHER_MPLS = 0x8847,
	ETHER_MPLS_MULTICAST = 0x8848,
	ETHER_NSH = 0x894f,

	PROTO_HOPOPTS = 0,
	PROTO_ICMP = 1,
	PROTO_IP4 = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IP6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_GRE = 47,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_NONE = 59,
	PROTO_DSTOPTS = 60,
	PROTO_SCTP = 132,
	PROTO_MOBILITY = 135,
	PROTO_MPLS = 137,
	PROTO_HIP = 139,
	PROTO_SHIM6 = 140,
	PROTO_ETHERNET = 143,
};

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };
enum { IP4_DONT_FRAGMENT = 0x4000, IP4_MORE_FRAGMENTS = 0x2000, IP4_OFFSET = 0x1fff };

struct PACKET_WIRE eth_header {
	uint8_t dst[6], src[6];
	uint16_t type; /* ETHER_*, or a length up to 1500 */
};

struct PACKET_WIRE vlan_header { /* follows the type field that says ETHER_VLAN */
	uint16_t tci;		 /* priority 3 bits, DEI 1, VLAN id 12 */
	uint16_t type;
};

struct PACKET_WIRE arp_header { /* for IPv4 over Ethernet */
	uint16_t hardware, protocol;
	uint8_t hardware_len, protocol_len;
	uint16_t operation; /* 1 request, 2 reply */
	uint8_t sender_mac[6];
	uint32_t sender_ip;
	uint8_t target_mac[6];
	uint32_t target_ip;
};

struct PACKET_WIRE ip4_header {
	uint8_t version_ihl;
	uint8_t tos;
	uint16_t total_len;
	uint16_t id;
	uint16_t fragment; /* IP4_* */
	uint8_t ttl;
	uint8_t proto;
	uint16_t check;
	uint32_t src, dst;
};

struct PACKET_WIRE ip6_header {
	uint32_t version_class_label;
	uint16_t payload_len;
	uint8_t next;
	uint8_t hop_limit;
	uint8_t src[16], dst[16];
};

struct PACKET_WIRE tcp_header {
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint8_t offset_x2; /* header length in words in the high four bits */
	uint8_t flags;	   /* TCP_* */
	uint16_t window;
	uint16_t check;
	uint16_t urgent;
};

struct PACKET_WIRE udp_header {
	uint16_t sport, dport;
	uint16_t len;
	uint16_t check;
};

struct PACKET_WIRE icmp_header { /* ICMP and ICMPv6 */
	uint8_t type, code;
	uint16_t check;
	uint16_t id, sequence; /* of an echo; otherwise what the type says */
};

static inline uint16_t net16(uint16_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap16(v);
#else
	return v;
#endif
}

static inline uint32_t net32(uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap32(v);
#else
	return v;
#endif
}

static inline uint64_t net64(uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

/* Loads and stores at any address: big-endian in memory, host order in the program. */
static inline uint16_t load16(const void *at)
{
	uint16_t v;
	memcpy(&v, at, sizeof(v));
	return net16(v);
}

static inline uint32_t load32(const void *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof(v));
	return net32(v);
}

static inline void store16(void *at, uint16_t v)
{
	v = net16(v);
	memcpy(at, &v, sizeof(v));
}

static inline void store32(void *at, uint32_t v)
{
	v = net32(v);
	memcpy(at, &v, sizeof(v));
}
#endif
