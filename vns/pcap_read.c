/* Reading captures: libpcap reads pcap (any byte order, micro- and nanoseconds), pcapng.c the other format; this
 * file takes the link header off.
 *
 * Ethernet stays as it is. Linux cooked v1 and v2, BSD null and loop become bare IP; what is not IP in
 * them or in a raw capture is refused by name, since a chain without Ethernet has no way to tell it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "itf/frames.h"
#include "vns/pcap.h"

/* Link types as files number them; libpcap's DLT_RAW is 12, 14 or 101 depending on who built it. */
enum {
	DLT_IS_NULL = 0,
	DLT_IS_ETHERNET = 1,
	DLT_IS_RAW_BSD = 12,
	DLT_IS_RAW_OPENBSD = 14,
	DLT_IS_RAW = 101,
	DLT_IS_LOOP = 108,
	DLT_IS_SLL = 113,
	DLT_IS_IPV4 = 228,
	DLT_IS_IPV6 = 229,
	DLT_IS_SLL2 = 276,
};

enum { ETHERNET_HEADER = 14, SLL_HEADER = 16, SLL2_HEADER = 20, NULL_HEADER = 4, VLAN_TAG = 4 };
enum { TYPE_IPV4 = 0x0800, TYPE_IPV6 = 0x86dd, TYPE_VLAN = 0x8100, TYPE_QINQ = 0x88a8 };
enum {
	FAMILY_INET = 2,
	FAMILY_INET6_LINUX = 10,
	FAMILY_INET6_BSD = 24,
	FAMILY_INET6_FREEBSD = 28,
	FAMILY_INET6_MAC = 30
};

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

/* Bytes of cooked header before an IP packet: 0 if it is cut short, UINT32_MAX if something else follows.
 * Tags between the cooked header and IP go with it: bare IP has no place for them. */
static uint32_t cooked_header(const uint8_t *data, uint32_t len, uint32_t header, uint32_t type_at)
{
	if (len < header)
		return 0;
	uint32_t type = be16(data + type_at);
	while (type == TYPE_VLAN || type == TYPE_QINQ) {
		if (len < header + VLAN_TAG)
			return 0;
		type = be16(data + header + 2);
		header += VLAN_TAG;
	}
	return type == TYPE_IPV4 || type == TYPE_IPV6 ? header : UINT32_MAX;
}

/* The address family is in the byte order of whoever captured (null) or of the network (loop): all that
 * are known are below 256, so one non-zero byte at either end says it. */
static uint32_t null_header(const uint8_t *data, uint32_t len)
{
	if (len < NULL_HEADER)
		return 0;
	if (data[1] || data[2] || (data[0] && data[3]))
		return UINT32_MAX;
	switch (data[0] | data[3]) {
	case FAMILY_INET:
	case FAMILY_INET6_LINUX:
	case FAMILY_INET6_BSD:
	case FAMILY_INET6_FREEBSD:
	case FAMILY_INET6_MAC:
		return NULL_HEADER;
	}
	return UINT32_MAX;
}

/* Take the link header off; the reason that the packet cannot come in, or -1. */
static int unwrap(int dlt, struct captured *c)
{
	uint32_t header = 0;
	if (c->len < c->wire_len)
		return REASON_truncated;
	switch (dlt) {
	case DLT_IS_ETHERNET:
		return c->len < ETHERNET_HEADER ? REASON_truncated : -1;
	case DLT_IS_SLL:
		header = cooked_header(c->data, c->len, SLL_HEADER, 14);
		break;
	case DLT_IS_SLL2:
		header = cooked_header(c->data, c->len, SLL2_HEADER, 0);
		break;
	case DLT_IS_NULL:
	case DLT_IS_LOOP:
		header = null_header(c->data, c->len);
		break;
	default: /* raw: nothing before IP */
		goto bare;
	}
	if (header == 0)
		return REASON_truncated;
	if (header == UINT32_MAX)
		return REASON_link_type;
bare:
	c->data += header;
	c->len -= header;
	if (c->len == 0)
		return REASON_truncated;
	return c->data[0] >> 4 == 4 || c->data[0] >> 4 == 6 ? -1 : REASON_link_type;
}

static int link_of(int dlt)
{
	switch (dlt) {
	case DLT_IS_ETHERNET:
		return LINK_ETHERNET;
	case DLT_IS_NULL:
	case DLT_IS_LOOP:
	case DLT_IS_RAW_BSD:
	case DLT_IS_RAW_OPENBSD:
	case DLT_IS_RAW:
	case DLT_IS_IPV4:
	case DLT_IS_IPV6:
	case DLT_IS_SLL:
	case DLT_IS_SLL2:
		return LINK_IP;
	}
	return -1;
}

int reader_open(struct capture_reader *r, int fd, char *why, size_t why_size)
{
	*r = (struct capture_reader){ .state = READER_NEXT };
	/* The descriptor shares its position with the keeper's: a restarted forwarder starts at the start. */
	if (lseek(fd, 0, SEEK_SET) != 0) {
		snprintf(why, why_size, "the capture cannot be read from its start: %s", strerror(errno));
		close(fd);
		return -1;
	}
	FILE *file = fdopen(fd, "rb");
	if (file == NULL) {
		snprintf(why, why_size, "the capture cannot be read: %s", strerror(errno));
		close(fd);
		return -1;
	}
	r->open = true;
	if (pcapng_is(file)) {
		pcapng_open(&r->ng, file);
		r->first_got = pcapng_next(&r->ng, &r->first, r->error, sizeof r->error);
		if (r->ng.count == 0) {
			snprintf(why, why_size, "not a capture that can be read: %.200s",
				 r->error[0] ? r->error : "it describes no interface");
			reader_close(r);
			return -1;
		}
		r->dlt = r->ng.interfaces[0].dlt;
	} else {
		r->pcap =
			pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, r->error);
		if (r->pcap == NULL) {
			snprintf(why, why_size, "not a capture that can be read: %.200s", r->error);
			fclose(file);
			r->open = false;
			return -1;
		}
		r->dlt = pcap_datalink(r->pcap);
	}
	int link = link_of(r->dlt);
	if (link < 0) {
		const char *name = pcap_datalink_val_to_name(r->dlt);
		snprintf(why, why_size, "the capture's link type %s (%d) is not supported", name ? name : "?",
			 r->dlt);
		reader_close(r);
		return -1;
	}
	r->link = (uint8_t)link;
	if (r->pcap != NULL)
		r->error[0] = 0;
	return 0;
}

/* A file's seconds have 32 bits and no sign: until 2106. libpcap reads them with one. */
static uint64_t time_of(const struct timeval *ts)
{
	uint64_t seconds = (uint32_t)ts->tv_sec;
	uint64_t ns = ts->tv_usec < 0 ? 0 : (uint32_t)ts->tv_usec; /* ns: as asked for at open */
	return seconds * 1000000000 + ns;
}

/* 1, 0 at the end, -1 where it breaks off, with r->error. */
static int next_of_pcap(struct capture_reader *r, struct pcapng_packet *p)
{
	struct pcap_pkthdr *header;
	int got = pcap_next_ex(r->pcap, &header, &p->data);
	if (got == PCAP_ERROR_BREAK)
		return 0;
	if (got != 1) {
		snprintf(r->error, sizeof r->error, "%s", pcap_geterr(r->pcap));
		return -1;
	}
	p->len = header->caplen;
	p->wire_len = header->len > header->caplen ? header->len : header->caplen;
	p->time_ns = time_of(&header->ts);
	return 1;
}

static int next_of_pcapng(struct capture_reader *r, struct pcapng_packet *p)
{
	if (r->first_got == 2)
		return pcapng_next(&r->ng, p, r->error, sizeof r->error);
	int got = r->first_got;
	*p = r->first;
	r->first_got = 2;
	return got;
}

const struct captured *reader_peek(struct capture_reader *r)
{
	if (r->state == READER_PACKET)
		return &r->packet;
	if (r->state == READER_ENDED || !r->open)
		return NULL;
	struct pcapng_packet next = { .dlt = (uint16_t)r->dlt };
	int got = r->pcap != NULL ? next_of_pcap(r, &next) : next_of_pcapng(r, &next);
	if (got == 0) {
		r->state = READER_ENDED;
		return NULL;
	}
	r->state = READER_PACKET;
	if (got < 0) {
		r->packet = (struct captured){ .time_ns = r->last_ns, .reason = REASON_truncated };
		return &r->packet;
	}
	if (next.time_ns >
	    r->last_ns) /* the file's order is the packets' order: time stands still meanwhile */
		r->last_ns = next.time_ns;
	r->packet = (struct captured){ next.data, next.len, next.wire_len, r->last_ns, -1 };
	r->packet.reason = link_of(next.dlt) == r->link ? unwrap(next.dlt, &r->packet) : REASON_link_type;
	return &r->packet;
}

void reader_next(struct capture_reader *r)
{
	if (r->state == READER_PACKET)
		r->state = r->error[0] ? READER_ENDED : READER_NEXT;
}

void reader_close(struct capture_reader *r)
{
	if (r->pcap)
		pcap_close(r->pcap); /* and the descriptor */
	else
		pcapng_close(&r->ng);
	r->pcap = NULL;
	r->open = false;
	r->state = READER_ENDED;
}
