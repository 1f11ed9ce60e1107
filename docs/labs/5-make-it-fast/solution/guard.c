/* The same decision in C. */
#include <coven/vnfc.h>

VNFC_REASON(bogon, "from a network that is nobody's");
VNFC_REASON(blocked, "to a port that nobody needs");

enum { NETWORKS = 64 };
static struct {
	uint32_t mask, address;
} network[NETWORKS];
static int networks;
static bool port[65536];

VNFC_CONFIGURE
{
	networks = vnfc_config_count("networks");
	if (networks > NETWORKS)
		return vnfc_refuse("networks", "64 at most");
	for (int i = 0; i < networks; i++) {
		unsigned a, b, c, d, bits;
		const char *text = vnfc_config_text_at("networks", i, "");
		if (sscanf(text, "%u.%u.%u.%u/%u", &a, &b, &c, &d, &bits) != 5 || bits < 1 || bits > 32)
			return vnfc_refuse("networks", "networks such as 192.0.2.0/24");
		network[i].mask = ~0u << (32 - bits);
		network[i].address = a << 24 | b << 16 | c << 8 | d;
	}
	memset(port, 0, sizeof(port));
	for (int i = 0; i < vnfc_config_count("ports"); i++)
		port[vnfc_config_int_at("ports", i, 0) & 0xffff] = true;
	return VNFC_OK;
}

VNFC_HANDLE
{
	struct ip4_header *ip = vnfc_ip4(p);
	uint32_t source = ip ? net32(ip->src) : 0;
	for (int i = 0; ip && i < networks; i++)
		if ((source & network[i].mask) == network[i].address)
			return VNFC_DROP(bogon);
	struct tcp_header *tcp = vnfc_tcp(p);
	struct udp_header *udp = vnfc_udp(p);
	if ((tcp && port[net16(tcp->dport)]) || (udp && port[net16(udp->dport)]))
		return VNFC_DROP(blocked);
	return VNFC_FORWARD;
}
