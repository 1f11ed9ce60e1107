/* Looking at, changing and making packets: part of vnfc.h. What parses and computes is itf/packet.h; here
 * it is put in terms of a struct vnfc_packet.
 *
 * Accessors return NULL if the header is absent or cut short, and never point outside the packet. Fields
 * are in network order: net16(tcp->dport). Pointers stay good until data moves (push, pull) or the verdict.
 */
#ifndef COVEN_VNFC_PACKET_H
#define COVEN_VNFC_PACKET_H
#include <itf/nsh.h>

static inline struct frame_record vnfc__record(const struct vnfc_packet *p)
{
	struct frame_record r;
	r.len = p->len;
	r.link = p->link;
	r.flags = p->flags;
	r.l3 = p->l3;
	r.l4 = p->l4;
	r.l4_proto = p->l4_proto;
	return r;
}

#define VNFC__LOOK(type, name)                                                       \
	static inline struct type##_header *vnfc_##name(const struct vnfc_packet *p) \
	{                                                                            \
		struct frame_record r = vnfc__record(p);                             \
		return packet_##name(p->data, p->len, &r);                           \
	}
VNFC__LOOK(eth, eth)
VNFC__LOOK(vlan, vlan) /* the outermost tag */
VNFC__LOOK(arp, arp)   /* IPv4 over Ethernet */
VNFC__LOOK(ip4, ip4)
VNFC__LOOK(ip6, ip6)
VNFC__LOOK(tcp, tcp)
VNFC__LOOK(udp, udp)
VNFC__LOOK(icmp, icmp) /* and ICMPv6 */

/* What follows the TCP, UDP or ICMP header, without Ethernet padding; *size may be 0. */
static inline uint8_t *vnfc_payload(const struct vnfc_packet *p, uint32_t *size)
{
	struct frame_record r = vnfc__record(p);
	return packet_payload(p->data, p->len, &r, size);
}

/* The NSH header that the packet came with, for `nsh: aware` VNFCs; change it in place. NULL if none. */
static inline uint8_t *vnfc_nsh(const struct vnfc_packet *p, uint32_t *size)
{
	*size = p->nsh_len <= FRAME_NSH_AREA ? p->nsh_len : 0;
	return *size ? vnfc__host->nsh + (uint64_t)p->frame * FRAME_NSH_AREA : NULL;
}

/* The place in its service path, SPI << 8 | SI; 0 without NSH. */
static inline uint32_t vnfc_nsh_path(const struct vnfc_packet *p)
{
	uint32_t size;
	const uint8_t *nsh = vnfc_nsh(p, &size);
	return size >= NSH_BASE ? nsh_spi_si(nsh) : 0;
}

/* Send it on by another path, or to another place of this one: what is written here stands, nobody counts SI
 * down any more. False without NSH. */
static inline bool vnfc_set_nsh_path(struct vnfc_packet *p, uint32_t spi, uint8_t si)
{
	uint32_t size;
	uint8_t *nsh = vnfc_nsh(p, &size);
	if (size < NSH_BASE || spi > 0xffffff)
		return false;
	nsh_set_spi_si(nsh, spi << 8 | si);
	return true;
}

/* The value of the first TLV of that class and type (MD type 2), *len bytes that may be changed in place; NULL if
 * there is none. */
static inline uint8_t *vnfc_nsh_tlv(const struct vnfc_packet *p, uint16_t md_class, uint8_t type,
				    uint32_t *len)
{
	struct nsh_tlv tlv;
	uint32_t size;
	uint8_t *nsh = vnfc_nsh(p, &size);
	*len = 0;
	if (!nsh || !nsh_tlv_find(nsh, size, md_class, type, &tlv))
		return NULL;
	*len = tlv.len;
	return tlv.value;
}

/* Append a TLV; false if there is no room, or no header of MD type 2. */
static inline bool vnfc_add_nsh_tlv(struct vnfc_packet *p, uint16_t md_class, uint8_t type, const void *value,
				    uint8_t len)
{
	uint32_t size, grown = 0;
	uint8_t *nsh = vnfc_nsh(p, &size);
	if (nsh)
		grown = nsh_tlv_add(nsh, FRAME_NSH_AREA, md_class, type, value, len);
	if (grown)
		p->nsh_len = (uint16_t)grown;
	return grown != 0;
}

/* Take the first TLV of that class and type out; false if there is none. */
static inline bool vnfc_remove_nsh_tlv(struct vnfc_packet *p, uint16_t md_class, uint8_t type)
{
	struct nsh_tlv tlv;
	uint32_t size;
	uint8_t *nsh = vnfc_nsh(p, &size);
	if (!nsh || !nsh_tlv_find(nsh, size, md_class, type, &tlv))
		return false;
	p->nsh_len = (uint16_t)nsh_tlv_cut(nsh, size, &tlv);
	return true;
}

/* One key, and one hash, for both directions of a flow. Returns 0 if the packet runs from low to high, 1
 * for the other direction, -1 if it is not IP. */
static inline int vnfc_flow_key(const struct vnfc_packet *p, struct flow_key *key)
{
	struct frame_record r = vnfc__record(p);
	return packet_flow(p->data, p->len, &r, key);
}

static inline uint32_t vnfc_flow_hash(const struct vnfc_packet *p)
{
	struct frame_record r = vnfc__record(p);
	return packet_flow_hash(p->data, p->len, &r);
}

/* ---- change ------------------------------------------------------------------------------------- */

static inline uint8_t *vnfc__frame(const struct vnfc_packet *p)
{
	return vnfc__host->data + ((uint64_t)p->frame << vnfc__host->frame_shift);
}

/* Find the headers again, after the bytes in front or their meaning changed. */
static inline bool vnfc_parse(struct vnfc_packet *p)
{
	struct frame_record r = vnfc__record(p);
	bool ip = packet_parse(p->data, p->len, &r);
	p->flags = r.flags;
	p->l3 = r.l3;
	p->l4 = r.l4;
	p->l4_proto = r.l4_proto;
	return ip;
}

static inline void vnfc__moved(struct vnfc_packet *p, int32_t by)
{
	struct frame_record r = vnfc__record(p);
	packet_moved(&r, by);
	p->l3 = r.l3;
	p->l4 = r.l4;
	p->l4_proto = r.l4 == OFFSET_NONE ? 0 : p->l4_proto;
}

/* n more bytes in front: the new first byte, or NULL if there is no room. The header offsets move along; call
 * vnfc_parse when the new bytes are written. */
static inline uint8_t *vnfc_push(struct vnfc_packet *p, uint32_t n)
{
	if ((uint64_t)(p->data - vnfc__frame(p)) < n)
		return NULL;
	p->data -= n;
	p->len += n;
	vnfc__moved(p, (int32_t)n);
	return p->data;
}

/* n bytes fewer in front: the new first byte, or NULL if the packet is not that long. */
static inline uint8_t *vnfc_pull(struct vnfc_packet *p, uint32_t n)
{
	if (n > p->len)
		return NULL;
	p->data += n;
	p->len -= n;
	vnfc__moved(p, -(int32_t)n);
	return p->data;
}

/* n more bytes at the end: the first of them, or NULL if there is no room. */
static inline uint8_t *vnfc_put(struct vnfc_packet *p, uint32_t n)
{
	uint8_t *end = p->data + p->len;
	if ((uint64_t)(vnfc__frame(p) + vnfc__host->frame_size - end) < n)
		return NULL;
	p->len += n;
	return end;
}

/* Cut the packet to len bytes, if it is longer. */
static inline void vnfc_trim(struct vnfc_packet *p, uint32_t len)
{
	if (len < p->len)
		p->len = len;
}

/* A VLAN tag in front of all others; tpid is ETHER_VLAN or ETHER_QINQ. False if there is no room for it. */
static inline bool vnfc_push_vlan(struct vnfc_packet *p, uint16_t tpid, uint16_t tci)
{
	if (!vnfc_eth(p) || p->data - vnfc__frame(p) < (ptrdiff_t)sizeof(struct vlan_header))
		return false;
	p->data = packet_push_vlan(p->data, tpid, tci);
	p->len += (uint32_t)sizeof(struct vlan_header);
	p->flags |= FRAME_VLAN;
	vnfc__moved(p, sizeof(struct vlan_header));
	return true;
}

/* Take the outermost tag off. False if there is none. */
static inline bool vnfc_pop_vlan(struct vnfc_packet *p)
{
	if (!vnfc_vlan(p))
		return false;
	p->data = packet_pop_vlan(p->data);
	p->len -= (uint32_t)sizeof(struct vlan_header);
	return vnfc_parse(p), true;
}

/* These keep all checksums right, at a cost of a few ns (RFC 1624). False if there is no such header. */
#define VNFC__SET(name, type)                                                 \
	static inline bool vnfc_set_##name(struct vnfc_packet *p, type value) \
	{                                                                     \
		struct frame_record r = vnfc__record(p);                      \
		return packet_set_##name(p->data, p->len, &r, value);         \
	}
VNFC__SET(ip4_src, uint32_t)
VNFC__SET(ip4_dst, uint32_t)
VNFC__SET(ip6_src, const uint8_t *)
VNFC__SET(ip6_dst, const uint8_t *)
VNFC__SET(sport, uint16_t)
VNFC__SET(dport, uint16_t)
VNFC__SET(ttl, uint8_t)

/* After any other change: compute the IPv4, TCP, UDP, ICMP and ICMPv6 checksums anew. */
static inline void vnfc_fix_checksums(struct vnfc_packet *p)
{
	struct frame_record r = vnfc__record(p);
	packet_fix_checksums(p->data, p->len, &r);
}

/* A running ones' complement sum in memory order, and the checksum made of it. Start with 0; all parts but
 * the last have an even number of bytes. */
static inline uint32_t vnfc_csum(const void *bytes, size_t n, uint32_t sum)
{
	return packet_sum(bytes, n, sum);
}

static inline uint16_t vnfc_csum_finish(uint32_t sum)
{
	return (uint16_t)~packet_fold(sum);
}

/* The checksum after n bytes (even) that it covers changed. */
static inline uint16_t vnfc_csum_update(uint16_t check, const void *from, const void *to, size_t n)
{
	return packet_update_sum(check, from, to, n);
}

/* ---- make --------------------------------------------------------------------------------------- */

/* An empty Ethernet packet (vnfc_put what goes in, then vnfc_parse), or NULL: no frame is to be had just
 * now. Emit it or discard it. */
static inline struct vnfc_packet *vnfc_new(void)
{
	return vnfc__host->make(vnfc__host);
}

/* A copy of p, its mark and context included; NULL: no frame is to be had just now. Emit it or discard it. */
static inline struct vnfc_packet *vnfc_clone(const struct vnfc_packet *p)
{
	return vnfc__host->clone(vnfc__host, p);
}

/* Send a packet that was made here to an output (OUTPUT_BACK: out by `port`), as if it had come in by
 * `port`; port -1 leaves a clone's. False, with a line in the log, if p was not made here or was sent
 * already. */
static inline bool vnfc_emit(struct vnfc_packet *p, unsigned output, int port)
{
	return vnfc__host->emit(vnfc__host, p, output, port);
}

/* A copy of p to an output; p still needs its verdict. False: no frame is to be had just now. */
static inline bool vnfc_copy_to(const struct vnfc_packet *p, unsigned output)
{
	struct vnfc_packet *copy = vnfc_clone(p);
	return copy && vnfc_emit(copy, output, -1);
}

/* Forget a packet that was made here. */
static inline void vnfc_discard(struct vnfc_packet *p)
{
	vnfc__host->discard(vnfc__host, p);
}

/* A held packet gets its verdict. False, with a line in the log, if p is not held. */
static inline bool vnfc_release(struct vnfc_packet *p, vnfc_verdict verdict)
{
	return vnfc__host->release(vnfc__host, p, verdict);
}
#endif
