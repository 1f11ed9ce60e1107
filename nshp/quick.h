/* By far the most packets with NSH, in few instructions: an untagged Ethernet header, MD type 1 and an Ethernet
 * frame inside, at a proxy whose next hop is whoever sent to it. Everything else, and everything that is wrong,
 * goes the long way: arrive() in nsh.c, sff_leave() in sff.c, which these two must not differ from.
 *
 * Both headers are 38 bytes together, copied by sizes known at compile time into one cache line beside the
 * packet and back.
 */
#ifndef NSHP_QUICK_H
#define NSHP_QUICK_H
#include "nshp/nshp.h"

enum {
	QUICK_OUTER = sizeof(struct eth_header),
	QUICK_CONTEXT = QUICK_OUTER + NSH_BASE,
	QUICK_HEAD = QUICK_OUTER + NSH_MD1_SIZE,
};

/* EtherType NSH, version 0, no O bit, 24 bytes, MD type 1, Ethernet inside; whatever TTL and unassigned bits. */
static const uint64_t QUICK_MASK = 0xffffe03f0fff0000, QUICK_IS = 0x894f000601030000;

static inline bool quick_header(const uint8_t *data, const struct frame_record *r)
{
	uint64_t word;
	if (r->link != LINK_ETHERNET || r->len < QUICK_HEAD + sizeof(struct eth_header))
		return false;
	memcpy(&word, data + 12, sizeof word);
	return (net64(word) & QUICK_MASK) == QUICK_IS && nsh_si(data + QUICK_OUTER) != 0;
}

/* Take both headers off. `data`: the packet's first byte, which quick_header() has judged. */
static inline void quick_strip(const struct frames *f, uint32_t ref, uint8_t *data, bool capture)
{
	struct frame_record *r = &f->record[ref];
	struct frame_private *priv = &f->priv[ref];
	memcpy(f->saved[ref].bytes, data, QUICK_HEAD);
	memcpy(r->context, data + QUICK_CONTEXT, NSH_CONTEXT);
	memcpy(priv->context, data + QUICK_CONTEXT, NSH_CONTEXT);
	priv->nsh_len = NSH_MD1_SIZE;
	priv->outer_len = QUICK_OUTER;
	priv->outer_ip = 0;
	priv->saved_spi_si = nsh_spi_si(data + QUICK_OUTER);
	priv->link = LINK_ETHERNET;
	r->data += QUICK_HEAD;
	r->len -= QUICK_HEAD;
	packet_parse(data + QUICK_HEAD, r->len, r);
	if (!capture)
		packet_complete_checksum(data + QUICK_HEAD, r->len, r);
}

/* Put them back, with SI one less unless a VNFC wrote another place in the path. False, with nothing done, if it
 * is not so simple. What VNFCs can write to is read once. */
static inline bool quick_restore(const struct wiring *w, const struct frames *f, uint32_t ref, unsigned port)
{
	struct frame_record *r = &f->record[ref];
	struct frame_private *priv = &f->priv[ref];
	const uint8_t *saved = f->saved[ref].bytes;
	uint32_t at = cell_load(&r->data), len = cell_load(&r->len);
	if (priv->nsh_len != NSH_MD1_SIZE || priv->outer_len != QUICK_OUTER || priv->encap != 0 ||
	    w->next_hops > 0 || !(w->nsh_port[port].flags & NSH_PORT_ON) || priv->link != LINK_ETHERNET ||
	    nsh_md_type(saved + QUICK_OUTER) != 1 || at < QUICK_HEAD || at > f->frame_size ||
	    len > f->frame_size - at)
		return false;
	if (len + NSH_MD1_SIZE > w->port[port].mtu && w->port[port].kind != PORT_PCAP)
		return false;
	uint8_t *data = frame_start(f, ref) + at - QUICK_HEAD, *header = data + QUICK_OUTER;
	memcpy(data, saved, QUICK_CONTEXT);
	memcpy(data + QUICK_CONTEXT, r->context, NSH_CONTEXT);
	if (port == priv->port) { /* back to whoever sent it */
		memcpy(data, saved + 6, 6);
		memcpy(data + 6, saved, 6);
	}
	header[7] =
		(uint8_t)(saved[QUICK_OUTER + 7] - (nsh_spi_si(saved + QUICK_OUTER) == priv->saved_spi_si));
	r->data = at - QUICK_HEAD;
	r->len = QUICK_HEAD + len;
	r->link = LINK_ETHERNET;
	priv->nsh_len = 0;
	return true;
}
#endif
