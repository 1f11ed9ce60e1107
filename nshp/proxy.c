/* The SFC proxy (RFC 7665 section 4.6): a packet's headers are kept beside it while VNFCs have it.
 *
 * Taking off moves the first byte of the data, nothing else; the headers go to the forwarder's own memory, since
 * a VNFC that pushes bytes in front would overwrite them. Most packets have 14 bytes of Ethernet and MD type 1:
 * sizes known at compile time make those copies a few loads and stores.
 */
#include "nshp/nshp.h"

static inline void copy_header(uint8_t *to, const uint8_t *from, uint32_t size)
{
	if (__builtin_expect(size == NSH_MD1_SIZE, 1))
		memcpy(to, from, NSH_MD1_SIZE);
	else
		memcpy(to, from, size);
}

static inline void copy_outer(uint8_t *to, const uint8_t *from, uint32_t size)
{
	if (__builtin_expect(size == sizeof(struct eth_header), 1))
		memcpy(to, from, sizeof(struct eth_header));
	else
		memcpy(to, from, size);
}

static uint8_t link_of(unsigned next)
{
	return next == NSH_NEXT_ETHERNET ? LINK_ETHERNET : next <= NSH_NEXT_IP6 ? LINK_IP : LINK_OTHER;
}

void proxy_strip(struct fabric *fabric, uint32_t ref, uint32_t at, uint8_t ip, uint32_t end)
{
	struct frames *f = &fabric->frames;
	struct frame_record *r = &f->record[ref];
	struct frame_private *priv = &f->priv[ref];
	struct frame_saved *saved = &f->saved[ref];
	uint8_t *data = frame_bytes(f, ref), *header = data + at;
	uint32_t size = nsh_size(header);
	copy_outer(saved->bytes, data, at);
	copy_header(saved->bytes + at, header, size);
	priv->outer_len = (uint16_t)at;
	priv->outer_ip = ip;
	priv->nsh_len = (uint16_t)size;
	priv->saved_spi_si = nsh_spi_si(header);
	r->data += at + size;
	r->len = end - at - size;
	r->link = priv->link = link_of(nsh_next(header));
	packet_parse(header + size, r->len, r);
	if (!fabric->capture) /* what a local peer left to its device lies in the tunnel too */
		packet_complete_checksum(header + size, r->len, r);
}

/* ---- NSH-aware VNFCs ---------------------------------------------------------------------------------- */

void proxy_show(struct fabric *fabric, const uint32_t *refs, unsigned n)
{
	struct frames *f = &fabric->frames;
	for (unsigned i = 0; i < n; i++) {
		struct frame_record *r = &f->record[refs[i]];
		uint8_t *header = saved_nsh(&f->saved[refs[i]], &f->priv[refs[i]]);
		r->nsh_len = f->priv[refs[i]].nsh_len;
		if (r->nsh_len == 0)
			continue;
		if (nsh_context(header)) /* as the VNFCs before it left it */
			memcpy(header + NSH_BASE, r->context, NSH_CONTEXT);
		copy_header(f->nsh + (uint64_t)refs[i] * FRAME_NSH_AREA, header, r->nsh_len);
	}
}

/* The VNFC can write to the area at any time: it is copied once, and the copy is judged. What no service function
 * may change along a path (section 2.2: O bit, unassigned bits; TTL is the forwarders') is put back in silence. */
bool proxy_read_back(struct fabric *fabric, uint32_t ref)
{
	struct frames *f = &fabric->frames;
	struct frame_record *r = &f->record[ref];
	struct frame_private *priv = &f->priv[ref];
	uint8_t now[FRAME_NSH_AREA], *header = saved_nsh(&f->saved[ref], priv);
	uint32_t size = __atomic_load_n(&r->nsh_len, __ATOMIC_RELAXED);
	r->nsh_len = 0;
	if (priv->nsh_len == 0)
		return true;
	const uint8_t *area = f->nsh + (uint64_t)ref * FRAME_NSH_AREA;
	memcpy(now, area, size <= sizeof now ? size : 0);
	if (size < NSH_BASE || size > NSH_MOST || nsh_size(now) != size || nsh_check(now, size) != NSH_GOOD ||
	    nsh_next(now) != nsh_next(header)) {
		f->stats[PLACE_NSH].received++;
		frame_drop(f, ref, PLACE_NSH, REASON_bad_header);
		return false;
	}
	/* the context can be written in two places: what differs from what was shown is meant */
	if (nsh_context(now) &&
	    (!nsh_context(header) || memcmp(now + NSH_BASE, header + NSH_BASE, NSH_CONTEXT) != 0))
		memcpy(r->context, now + NSH_BASE, NSH_CONTEXT);
	nsh_keep_bits(now, header);
	memcpy(header, now, size);
	priv->nsh_len = (uint16_t)size;
	return true;
}

/* A copy of a packet has the headers of its original, if the VNFC still has that one: else it is a plain packet. */
void proxy_clone(struct fabric *fabric, uint32_t ref, uint32_t from)
{
	struct frames *f = &fabric->frames;
	const struct frame_private *original = &f->priv[from];
	struct frame_private *priv = &f->priv[ref];
	if (original->nsh_len == 0 && original->encap == 0)
		return;
	priv->nsh_len = original->nsh_len;
	priv->outer_len = original->outer_len;
	priv->outer_ip = original->outer_ip;
	priv->saved_spi_si = original->saved_spi_si;
	priv->encap = original->encap;
	memcpy(priv->context, original->context, NSH_CONTEXT);
	copy_outer(f->saved[ref].bytes, f->saved[from].bytes, original->outer_len);
	copy_header(saved_nsh(&f->saved[ref], priv), saved_nsh(&f->saved[from], original), original->nsh_len);
}
