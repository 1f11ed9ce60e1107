/* What IPPrint writes about a packet: a line as tcpdump once wrote it. */
#ifndef CLICK_IPPRINT_H
#define CLICK_IPPRINT_H
#include "icmpnames.h"
#include "ip.h"
#include "print.h"

struct click_ipprint {
	const char *label;
	bool timestamp, aggregate, paint, id, ttl, tos, length, payload;
	bool swap;    /* of an echo's numbers: false shows them as a little-endian machine has them */
	int contents; /* 0 none, 1 hexadecimal, 2 ASCII */
	int64_t bytes;
};

static inline void ipprint_address(struct click_line *line, const void *address)
{
	const uint8_t *a = (const uint8_t *)address;
	click_add(line, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
}

/* Addresses, with ports if there are any. */
static inline void ipprint_pair(struct click_line *line, const struct ip4_header *ip, const uint8_t *ports)
{
	ipprint_address(line, &ip->src);
	if (ports)
		click_add(line, ".%u", load16(ports));
	click_add(line, " > ");
	ipprint_address(line, &ip->dst);
	if (ports)
		click_add(line, ".%u", load16(ports + 2));
	click_add(line, ": ");
}

static inline void ipprint_tcp(struct click_line *line, const struct vnfc_packet *p,
			       const struct ip4_header *ip, const uint8_t *tcp, int len)
{
	bool first = click_ip_first_fragment(ip);
	ipprint_pair(line, ip, first && len >= 4 ? tcp : NULL);
	if (!first || len < 14) {
		click_add(line, first ? "truncated-tcp" : "tcp");
		return;
	}
	int total = net16(ip->total_len), flags = tcp[13];
	int size = total - (int)click_ip_header_len((const uint8_t *)ip) - (tcp[12] >> 4) * 4;
	uint32_t sequence = load32(tcp + 4);
	size += !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
	click_add(line, "%s%s%s%s%s", flags & TCP_SYN ? "S" : "", flags & TCP_FIN ? "F" : "",
		  flags & TCP_RST ? "R" : "", flags & TCP_PSH ? "P" : "",
		  flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_PSH) ? "" : ".");
	click_add(line, " %u:%u(%d,%u,%d)", sequence, sequence + (uint32_t)size, size, p->len, total);
	if (flags & TCP_ACK)
		click_add(line, " ack %u", load32(tcp + 8));
	if (len < 16)
		click_add(line, "truncated-tcp");
	else
		click_add(line, " win %u", load16(tcp + 14));
}

static inline void ipprint_udp(struct click_line *line, const struct ip4_header *ip, const uint8_t *udp,
			       int len)
{
	bool first = click_ip_first_fragment(ip);
	ipprint_pair(line, ip, first && len >= 4 ? udp : NULL);
	if (!first || len < 8)
		click_add(line, first ? "truncated-udp" : "udp");
	else
		click_add(line, "udp %u", load16(udp + 4));
}

static inline void ipprint_protocol(struct click_line *line, uint8_t protocol, const char *before)
{
	const char *name = ip_protocol_name(protocol);
	if (name)
		click_add(line, " %s", name);
	else
		click_add(line, " %s%u", before, protocol);
}

/* What could not be reached, as far as the message quotes it. */
static inline void ipprint_unreachable(struct click_line *line, const uint8_t *icmp, int len)
{
	const char *code = icmp_code_name(icmp[0], icmp[1]);
	const uint8_t *quoted = icmp + 8;
	int rest = len - 8, header = rest > 0 ? (quoted[0] & 15) * 4 : 0;
	click_add(line, "icmp ");
	if (rest >= (int)sizeof(struct ip4_header)) {
		ipprint_address(line, quoted + 16);
		click_add(line, " ");
	}
	if (code)
		click_add(line, "unreachable %s", code);
	else
		click_add(line, "unreachable code %u", icmp[1]);
	if (rest < (int)sizeof(struct ip4_header)) {
		click_add(line, " truncated-icmp");
		return;
	}
	if (icmp[1] == 2)
		ipprint_protocol(line, quoted[9], "");
	else if (icmp[1] == 3) {
		ipprint_protocol(line, quoted[9], "protocol ");
		if (rest - header < 4)
			click_add(line, "truncated-icmp");
		else
			click_add(line, "/%u", load16(quoted + header + 2));
	} else if (icmp[1] == 4 && load16(icmp + 6))
		click_add(line, " (mtu %u)", load16(icmp + 6));
}

static inline void ipprint_other_icmp(struct click_line *line, const uint8_t *icmp)
{
	const char *type = icmp_type_name(icmp[0]), *code = icmp_code_name(icmp[0], icmp[1]);
	if (type)
		click_add(line, "icmp %s", type);
	else
		click_add(line, "icmp type %u", icmp[0]);
	if (code)
		click_add(line, " %s", code);
	else if (icmp[1])
		click_add(line, " code %u", icmp[1]);
}

static inline unsigned echo_number(const uint8_t *at, bool swap)
{
	return swap ? load16(at) : at[0] | (unsigned)at[1] << 8;
}

static inline void ipprint_icmp(struct click_line *line, const struct ip4_header *ip, const uint8_t *icmp,
				int len, bool swap)
{
	ipprint_pair(line, ip, NULL);
	if (!click_ip_first_fragment(ip))
		click_add(line, "icmp");
	else if (len < 2)
		click_add(line, "truncated-icmp");
	else if (icmp[0] == 3)
		ipprint_unreachable(line, icmp, len);
	else if (icmp[0] != 0 && icmp[0] != 8)
		ipprint_other_icmp(line, icmp);
	else if (len < 8)
		click_add(line, "icmp echo%s truncated-icmp", icmp[0] ? "" : "-reply");
	else
		click_add(line, "icmp echo%s (%u, %u)", icmp[0] ? "" : "-reply", echo_number(icmp + 4, swap),
			  echo_number(icmp + 6, swap));
}

/* The bytes that `contents` asks for, in lines of 24 (as text: 48). */
static inline void ipprint_bytes(struct click_line *line, const struct click_ipprint *what,
				 const uint8_t *from, const uint8_t *end)
{
	int64_t n = from < end ? end - from : 0;
	if (what->bytes >= 0 && n > what->bytes)
		n = what->bytes;
	int row = what->contents == 1 ? 24 : 48, group = what->contents == 1 ? 4 : 8;
	for (int64_t i = 0; i < n; i++) {
		click_add(line, "%s", i % row == 0 ? "\n  " : i % group == 0 ? " " : "");
		if (what->contents == 1)
			click_add(line, "%02x", from[i]);
		else
			click_add(line, "%c", from[i] < 32 || from[i] > 126 ? '.' : from[i]);
	}
}

static inline void ipprint_packet(struct click_line *line, const struct vnfc_packet *p,
				  const struct click_ipprint *what, const struct ip4_header *ip)
{
	uint8_t *transport = click_transport(p);
	uint16_t fragment = net16(ip->fragment);
	int after = net16(ip->total_len) - (int)click_ip_header_len((const uint8_t *)ip);
	int len = (int)click_transport_len(p) < after ? (int)click_transport_len(p) : after;
	if (what->id)
		click_add(line, "id %u ", net16(ip->id));
	if (what->ttl)
		click_add(line, "ttl %u ", ip->ttl);
	if (what->tos)
		click_add(line, "tos %u ", ip->tos);
	if (what->length)
		click_add(line, "length %u ", net16(ip->total_len));
	if (ip->proto == PROTO_TCP)
		ipprint_tcp(line, p, ip, transport, len);
	else if (ip->proto == PROTO_UDP)
		ipprint_udp(line, ip, transport, len);
	else if (ip->proto == PROTO_ICMP)
		ipprint_icmp(line, ip, transport, len, what->swap);
	else {
		ipprint_pair(line, ip, NULL);
		click_add(line, "ip-proto-%u", ip->proto);
	}
	if (fragment & (IP4_OFFSET | IP4_MORE_FRAGMENTS))
		click_add(line, " (frag %u:%d@%u%s)", net16(ip->id), after, (fragment & IP4_OFFSET) * 8u,
			  fragment & IP4_MORE_FRAGMENTS ? "+" : "");
	if (!what->contents)
		return;
	const uint8_t *from = what->payload ? transport : p->data;
	if (what->payload && click_ip_first_fragment(ip))
		from += ip->proto == PROTO_TCP && len > 12 ? (transport[12] >> 4) * 4
			: ip->proto == PROTO_UDP	   ? 8
							   : 0;
	ipprint_bytes(line, what, from, click_end(p));
}

static inline void click_ipprint(const struct vnfc_packet *p, const struct click_ipprint *what)
{
	struct click_line line = { .text = "" };
	const struct ip4_header *ip = click_ip(p);
	if (!click_network(p))
		return;
	if (*what->label)
		click_add(&line, "%s: ", what->label);
	if (what->timestamp) {
		click_add_time(&line, p);
		click_add(&line, ": ");
	}
	if (what->aggregate)
		click_add(&line, "#%u", click_anno32(p, CLICK_AGGREGATE));
	if (what->paint)
		click_add(&line, "%s%u", what->aggregate ? "." : "paint ", click_anno8(p, CLICK_PAINT));
	if (what->aggregate || what->paint)
		click_add(&line, ": ");
	if (ip && click_transport(p))
		ipprint_packet(&line, p, what, ip);
	else
		click_add(&line, "truncated-ip");
	vnfc_log("%s", line.text);
}
#endif
