/* Where packets go by (SPI, SI), and what they leave in: the proxy's way back, and the classifier's and the
 * forwarder's ends of a service path (RFC 7665 sections 4.3 and 4.7).
 *
 * This VNF is one service function: SI goes down by 1 where a packet leaves, however many VNFCs it passed. As a
 * forwarder (with next_hops:) it also counts TTL down, once, before it looks up. A packet that it encapsulates
 * itself leaves with the SI and TTL that the rule says.
 */
#include "nshp/nshp.h"

/* The first entry of a table at this place in a path or behind it. Both tables are sorted and begin with spi_si. */
#define NOT_BEFORE(table, count, wanted)                       \
	({                                                     \
		uint32_t low = 0, high = (count);              \
		while (low < high) {                           \
			uint32_t middle = (low + high) / 2;    \
			if ((table)[middle].spi_si < (wanted)) \
				low = middle + 1;              \
			else                                   \
				high = middle;                 \
		}                                              \
		low;                                           \
	})

/* The entry for this place in a path: its own, else the one for every SI. */
const struct nsh_path *path_find(const struct wiring *w, uint32_t spi_si)
{
	uint32_t at = NOT_BEFORE(w->path, w->paths, spi_si);
	if (at >= w->paths || w->path[at].spi_si != spi_si) {
		spi_si &= ~0xffu;
		at = NOT_BEFORE(w->path, w->paths, spi_si);
	}
	return at < w->paths && w->path[at].spi_si == spi_si ? &w->path[at] : NULL;
}

const struct nsh_next_hop *next_hop_find(const struct wiring *w, uint32_t spi_si)
{
	uint32_t at = NOT_BEFORE(w->next_hop, w->next_hops, spi_si);
	if (at >= w->next_hops || w->next_hop[at].spi_si != spi_si) {
		spi_si &= ~0xffu;
		at = NOT_BEFORE(w->next_hop, w->next_hops, spi_si);
		if (at < w->next_hops && w->next_hop[at].zero)
			at++;
	}
	return at < w->next_hops && w->next_hop[at].spi_si == spi_si ? &w->next_hop[at] : NULL;
}

static int drop(struct frames *f, uint32_t ref, unsigned reason)
{
	frame_drop(f, ref, PLACE_NSH, reason);
	return -1;
}

/* What the inner packet is, for a header that is made or whose packet a VNFC turned into the other IP. */
static unsigned next_of(uint8_t link, const uint8_t *data, uint32_t len)
{
	if (link == LINK_ETHERNET)
		return NSH_NEXT_ETHERNET;
	return len > 0 && data[0] >> 4 == 6 ? NSH_NEXT_IP6 : NSH_NEXT_IP4;
}

/* Make the saved header the one that the packet leaves with. Returns its size. */
static uint32_t header_out(const struct wiring *w, struct frame_private *priv, uint8_t *header,
			   const struct frame_record *r, const uint8_t *data, uint32_t len, bool transit)
{
	const struct nsh_encap *encap = priv->encap ? &w->encap[priv->encap - 1] : NULL;
	if (priv->nsh_len == 0) {
		unsigned ttl = w->encap_ttl[priv->encap - 1];
		nsh_put_md1(header, ttl ? ttl : NSH_TTL_FIRST, next_of(priv->link, data, len), encap->spi_si,
			    r->context);
		return NSH_MD1_SIZE;
	}
	if (transit)
		return priv->nsh_len;
	uint8_t *context = nsh_context(header);
	if (context)
		memcpy(context, r->context, NSH_CONTEXT);
	/* a VNFC may have made the other IP of it; what is neither keeps what it came with */
	if (nsh_next(header) <= NSH_NEXT_IP6 && len > 0 && (data[0] >> 4 == 4 || data[0] >> 4 == 6))
		header[3] = (uint8_t)next_of(LINK_IP, data, len);
	if (encap) /* a rule says that from here on it follows another path; TTL, O and unassigned bits stay */
		nsh_set_spi_si(header, encap->spi_si);
	else if (nsh_spi_si(header) == priv->saved_spi_si)
		header[7]--; /* not 0: that was refused on arrival */
	return priv->nsh_len;
}

/* As an SFF must: 0 comes from those who did not know of it yet and becomes 63 (section 2.2). */
static bool ttl_down(uint8_t *header)
{
	unsigned ttl = (nsh_ttl(header) + 63) & 63;
	nsh_set_ttl(header, ttl);
	return ttl != 0;
}

/* By how much is a packet too long for a port? VLAN tags come on top of the MTU, as many as the ports allow. */
static uint32_t too_long(const struct wiring *w, unsigned port, const struct outer *o, uint32_t len)
{
	uint32_t limit = w->port[port].mtu + sizeof(struct eth_header), at = 12;
	for (unsigned i = 0; i < NSH_TAGS_FREE && at + 6 <= o->len && packet_is_tag(load16(o->bytes + at));
	     i++) {
		limit += sizeof(struct vlan_header);
		at += sizeof(struct vlan_header);
	}
	return w->port[port].kind != PORT_PCAP && len > limit ? len - limit : 0;
}

/* Headers of at most 32 bytes and a size known late: what the compiler would make of memcpy is a call. */
static inline void put(uint8_t *to, const uint8_t *from, uint32_t size)
{
	switch (size) {
	case sizeof(struct eth_header):
		memcpy(to, from, sizeof(struct eth_header));
		break;
	case NSH_MD1_SIZE:
		memcpy(to, from, NSH_MD1_SIZE);
		break;
	default:
		memcpy(to, from, size);
	}
}

/* What was in a header leaves without one: with its own Ethernet header, or with one that says what it is. */
static bool end_of_path(const struct wiring *w, const struct nsh_next_hop *hop, unsigned port,
			const uint8_t *inner, uint32_t len, const struct frame_record *r,
			const struct frame_private *priv, const struct frame_saved *saved, struct outer *o)
{
	o->len = o->ip = 0;
	if (priv->link == LINK_ETHERNET || priv->nsh_len == 0)
		return true;
	if (nsh_next(saved_nsh((struct frame_saved *)saved, priv)) == NSH_NEXT_NSH &&
	    !(w->nsh_port[port].flags & NSH_PORT_ON))
		return false; /* NSH in NSH stays in its domain too */
	return transport_to(w, hop, port, inner, len, r, priv, saved, o);
}

int sff_leave(struct fabric *fabric, uint32_t ref, unsigned port, bool transit)
{
	const struct wiring *w = packet_wiring(fabric, ref);
	struct frames *f = &fabric->frames;
	struct frame_record *r = &f->record[ref];
	struct frame_private *priv = &f->priv[ref];
	struct frame_saved *saved = &f->saved[ref];
	uint32_t at = cell_load(&r->data), len = cell_load(&r->len); /* VNFCs can write to them at any time */
	if (at > f->frame_size || len > f->frame_size - at)
		return drop(f, ref, REASON_nsh_length);
	uint8_t *data = frame_start(f, ref) + at, *header = saved_nsh(saved, priv);
	uint32_t size = header_out(w, priv, header, r, data, len, transit);
	bool made = priv->nsh_len == 0;
	static const struct nsh_next_hop bare = { .transport = NSH_PLAIN, .vlan = VLAN_UNTAGGED };
	struct outer o;
	if (!(w->nsh_port[port].flags & NSH_PORT_ON)) {
		size = 0;
		if (!end_of_path(w, &bare, port, data, len, r, priv, saved, &o))
			return drop(f, ref, REASON_no_next_hop);
	} else if (w->next_hops > 0) {
		if (!made && !ttl_down(header))
			return drop(f, ref, REASON_ttl_expired);
		const struct nsh_next_hop *hop = next_hop_find(w, nsh_spi_si(header));
		if (hop == NULL)
			return drop(f, ref, REASON_no_next_hop);
		if (nsh_si(header) == 0 && hop->transport != NSH_PLAIN) /* only where the path ends */
			return drop(f, ref, REASON_si_zero);
		if (hop->port != NSH_SAME_PORT)
			port = hop->port;
		if (hop->transport == NSH_PLAIN)
			size = 0;
		if (!(size ? transport_to : end_of_path)(w, hop, port, data, len, r, priv, saved, &o))
			return drop(f, ref, REASON_no_next_hop);
	} else if (made) {
		static const struct nsh_next_hop as_it_is = { .transport = NSH_ETHERNET,
							      .vlan = VLAN_UNTAGGED };
		if (!transport_to(w, &as_it_is, port, data, len, r, priv, saved, &o))
			return drop(f, ref, REASON_no_next_hop);
	} else {
		transport_again(priv, saved, port == priv->port, &o);
	}
	uint32_t head = o.len + size, over = o.len ? too_long(w, port, &o, head + len) : 0;
	if (over > 0)
		return drop(f, ref, answer_too_long(fabric, ref, over) ? REASON_mtu : REASON_mtu_unanswered);
	if (head > at || !fabric->stage[STAGE_PORT + port])
		return drop(f, ref, head > at ? REASON_no_headroom : REASON_no_next_hop);
	data -= head;
	put(data, o.bytes, o.len);
	put(data + o.len, header, size);
	transport_finish(data, head + len, &o);
	r->data = at - head;
	r->len = head + len;
	if (o.len)
		r->link = priv->link = LINK_ETHERNET;
	priv->nsh_len = priv->encap = 0; /* done: whatever comes next takes it as it is */
	return (int)port;
}
