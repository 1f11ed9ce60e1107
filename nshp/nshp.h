/* What the files of the NSH processor share.
 *
 *   nsh.c        the stage: what arrives is looked through; the hooks by which it is asked again
 *   proxy.c      headers taken off and put back, shown to NSH-aware VNFCs
 *   transport.c  outer headers: Ethernet with tags, VXLAN-GPE over IPv4 and IPv6
 *   sff.c        service paths, next hops: where a packet goes and in what
 *   quick.h      the most frequent kind of packet, off and on in few instructions
 *   answer.c     ICMP to the sender of a packet that is too long once encapsulated
 *   neighbour.c  ARP and neighbour solicitations for a port's own address
 *
 * A packet without NSH costs a look at its EtherType on arrival and at its private record when it leaves.
 * Every decision follows the wiring of the epoch in which the packet came in.
 */
#ifndef NSHP_NSHP_H
#define NSHP_NSHP_H
#include "itf/nsh.h"
#include "itf/packet.h"
#include "itf/stage.h"

enum {
	VXLAN_GPE_PORT = 4790,
	VXLAN_GPE_SIZE = 8,
	VXLAN_GPE_NSH = 4,	/* next protocol */
	VXLAN_GPE_FLAGS = 0x0c, /* I: the VNI is valid, P: the next protocol is */
	NSH_TAGS_FREE = 2,	/* VLAN tags that may come on top of a port's MTU, as the ports have it */
};

/* Headers to be put before a packet. */
struct outer {
	uint32_t len;
	uint32_t ip;   /* offset of the IP header in them, 0: NSH on Ethernet */
	bool checksum; /* UDP is to have one */
	uint8_t bytes[FRAME_OUTER];
};

/* Where a packet's NSH header is kept: behind its outer headers. */
static inline uint8_t *saved_nsh(struct frame_saved *saved, const struct frame_private *priv)
{
	return saved->bytes + priv->outer_len;
}

struct nsh_stage {		/* the stage's own memory */
	uint64_t answers_since; /* ns: ICMP answers are limited, RFC 1812 4.3.2.8 and RFC 4443 2.4 (f) */
	uint32_t answers;
};

/* ---- transport.c */

/* Where is the NSH header in this packet? > 0: its offset, *ip is that of the outer IP header or 0, *end where
 * what it carries ends; 0: there is none, or it is not for us; < 0: drop it, minus a reason. */
int transport_find(const struct nsh_port *port, const uint8_t *data, uint32_t len,
		   const struct frame_record *r, uint8_t *ip, uint32_t *end);

/* The saved outer headers, for a packet that leaves as it came; `back` by the port it came in by. */
void transport_again(const struct frame_private *priv, const struct frame_saved *saved, bool back,
		     struct outer *o);

/* New outer headers for a next hop. False: it cannot be reached in that way from this port. */
bool transport_to(const struct wiring *w, const struct nsh_next_hop *hop, unsigned port, const uint8_t *inner,
		  uint32_t len, const struct frame_record *r, const struct frame_private *priv,
		  const struct frame_saved *saved, struct outer *o);

/* Lengths and checksums of outer headers that lie at `data` before their load; len: of all of it. */
void transport_finish(uint8_t *data, uint32_t len, const struct outer *o);

/* ---- proxy.c */

/* Take outer and NSH header (checked, at offset `at`) off, and what lies behind `end`. */
void proxy_strip(struct fabric *fabric, uint32_t ref, uint32_t at, uint8_t ip, uint32_t end);

/* The hooks of struct tap_ops. */
void proxy_show(struct fabric *fabric, const uint32_t *refs, unsigned n);
bool proxy_read_back(struct fabric *fabric, uint32_t ref);
void proxy_clone(struct fabric *fabric, uint32_t ref, uint32_t from);

/* ---- sff.c */

const struct nsh_path *path_find(const struct wiring *w, uint32_t spi_si);
const struct nsh_next_hop *next_hop_find(const struct wiring *w, uint32_t spi_si);

/* Bring a packet that leaves by `port` into the form it leaves in. Returns the port that it leaves by, or -1: it
 * was dropped, by name. `transit`: it only passes through, no service function of ours had it. */
int sff_leave(struct fabric *fabric, uint32_t ref, unsigned port, bool transit);

/* ---- answer.c */

/* Tell the sender of a packet that it was too long by `over` bytes for the port's MTU. False: it cannot or must
 * not be told. */
bool answer_too_long(struct fabric *fabric, uint32_t ref, uint32_t over);

/* ---- neighbour.c */

/* Could it ask a port? By its EtherType, for packets without tags. */
static inline bool neighbour_like(const struct nsh_port *port, uint16_t type, const struct frame_record *r)
{
	return (type == ETHER_ARP && port->flags & NSH_PORT_IP4) ||
	       (type == ETHER_IP6 && port->flags & NSH_PORT_IP6 && r->l4_proto == PROTO_ICMP6);
}

/* Does it ask for the MAC address that belongs to an address of this port? */
bool neighbour_asks(const struct wiring *w, unsigned port, const uint8_t *data, const struct frame_record *r);

/* Answer it: the question ends here, the answer leaves in its frame. */
void neighbour_answer(struct fabric *fabric, uint32_t ref);

extern const struct stage_ops nsh_stage;
#endif
