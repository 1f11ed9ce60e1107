/* AF_PACKET as a port: TPACKET_V2 rings, one copy of a packet each way.
 *
 * Descriptors: the receiving socket (rx ring, bound to all protocols), the sending socket (tx ring).
 *
 * parameter[0], [1]: bytes and number of the rx ring's slots
 * parameter[2], [3]: the same of the tx ring's; their number is a power of two
 * parameter[4]: 1 if packets come with a struct virtio_net_hdr: super-frames are cut here, and count as
 *               their segments
 *
 * A leaving packet's frame stays the port's (OWNER_LEAVING) until its slot is available again; the slot
 * holds the frame's number in tp_snaplen, which the kernel does not use there. Ring positions are kept in
 * forwarder.memory[port] and written in an order from which a forwarder that is started again can tell
 * where the last one died (`settle`).
 *
 * Drops of the kernel (law 1): received = taken + tp_drops. The figure starts anew with each reading.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "vns/live.h"
#include "vns/segment_offload.h"

enum memory_word { WORD_GENERATION, WORD_RX, WORD_TX_HEAD, WORD_TX_TAIL };

/* A leaving packet has an empty virtio_net_hdr before it: the kernel then leaves it to us what is too long. By itself it
 * lets one 802.1Q tag come on top of the MTU, no other and no second. */
enum {
	TX_HEADER = TPACKET2_HDRLEN - sizeof(struct sockaddr_ll),
	TX_OFFLOAD = sizeof(struct virtio_net_hdr),
	TX_DATA = TX_HEADER + TX_OFFLOAD,
	TAG = sizeof(struct vlan_header)
};

static const uint64_t REFUSED_NS = 20000000; /* a device that is only busy takes a packet within that time */

struct slots {
	int fd;
	uint8_t *map;
	size_t size; /* of a slot */
	uint32_t count;
};

struct packet_port {
	struct slots rx, tx;
	uint32_t at;	     /* rx: slot to look at next */
	uint32_t head, tail; /* tx: running positions; tail: the oldest not confirmed */
	bool offload;	     /* packets come with a virtio_net_hdr */
	bool down, gone;     /* the interface */
	uint32_t stuck;	     /* tx: the position that the device did not take, since stuck_ns (0: it did) */
	uint64_t stuck_ns;
	struct live_patience patience;
};

struct arrivals { /* a burst in the making */
	uint32_t refs[SEG_BURST];
	unsigned n;
};

static uint64_t *memory_of(const struct stage *s)
{
	return s->fabric->header->memory[s->number].word;
}

static struct tpacket2_hdr *slot(const struct slots *r, uint32_t at)
{
	return (struct tpacket2_hdr *)(r->map + (size_t)at * r->size);
}

static struct tpacket2_hdr *tx_slot(const struct packet_port *p, uint32_t at)
{
	return slot(&p->tx, at & (p->tx.count - 1));
}

/* ---- arriving -------------------------------------------------------------------------------- */

static void lost(struct stage *s, unsigned reason, uint32_t packets, uint64_t bytes)
{
	s->in->received += packets;
	s->in->bytes_in += bytes;
	s->in->dropped[reason] += packets;
}

/* A frame for an arriving packet of len bytes, its tag included; counts the packet, and drops it if there is
 * none. `at` is where the packet without its tag begins. */
static bool frame_for(struct stage *s, uint32_t len, bool tag, uint32_t *ref, uint8_t **at)
{
	struct frames *f = &s->fabric->frames;
	if (len > live_longest(f)) {
		lost(s, REASON_oversize, 1, len);
		return false;
	}
	if (frames_take(f, ref, 1, (uint16_t)(OWNER_ARRIVING + s->number)) == 0) {
		lost(s, REASON_no_frame, 1, len);
		return false;
	}
	s->in->received++;
	s->in->bytes_in += len;
	*at = frame_start(f, *ref) + FRAME_HEADROOM + (tag ? TAG : 0);
	return true;
}

static void arrived(struct stage *s, struct arrivals *a, uint32_t ref, uint32_t len)
{
	live_arrive(s, ref, FRAME_HEADROOM, len);
	a->refs[a->n++] = ref;
	if (a->n == SEG_BURST) {
		live_hand(s, a->refs, a->n);
		a->n = 0;
	}
}

static bool tag_of(const struct tpacket2_hdr *h, uint16_t *tpid)
{
	*tpid = h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->tp_vlan_tpid : ETHER_VLAN;
	return h->tp_status & TP_STATUS_VLAN_VALID;
}

static unsigned receive_super(struct stage *s, struct arrivals *a, const struct tpacket2_hdr *h,
			      const struct virtio_net_hdr *v, const uint8_t *bytes)
{
	struct super_frame super;
	uint16_t tpid, tci = h->tp_vlan_tci;
	bool tag = tag_of(h, &tpid);
	uint32_t ref, len;
	uint8_t *at;
	if (!super_frame_open(&super, bytes, h->tp_snaplen, v->gso_type, v->gso_size,
			      v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? v->csum_start : 0)) {
		lost(s, REASON_oversize, 1, h->tp_len);
		return 1;
	}
	while ((len = super_frame_next_len(&super)) > 0) {
		uint32_t whole = len + (tag ? TAG : 0);
		if (!frame_for(s, whole, tag, &ref, &at)) {
			super.next++;
			continue;
		}
		super_frame_make(&super, at);
		if (tag)
			packet_push_vlan(at, tpid, tci);
		arrived(s, a, ref, whole);
	}
	return super.segments;
}

static unsigned receive_slot(struct stage *s, struct arrivals *a, const struct tpacket2_hdr *h)
{
	const struct packet_port *p = s->self;
	const uint8_t *bytes = (const uint8_t *)h + h->tp_mac;
	const struct virtio_net_hdr *v = (const struct virtio_net_hdr *)(const void *)(bytes - sizeof *v);
	uint32_t len = h->tp_snaplen, ref;
	uint16_t tpid;
	bool tag = tag_of(h, &tpid);
	uint8_t *at;
	if (h->tp_len > len) {
		lost(s, REASON_truncated, 1, h->tp_len);
		return 1;
	}
	if (p->offload && v->gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return receive_super(s, a, h, v, bytes);
	uint32_t whole = len + (tag ? TAG : 0);
	if (!frame_for(s, whole, tag, &ref, &at))
		return 1;
	memcpy(at, bytes, len);
	if (p->offload && (v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		checksum_complete_at(at, len, v->csum_start, v->csum_offset);
	if (tag)
		packet_push_vlan(at, tpid, h->tp_vlan_tci);
	arrived(s, a, ref, whole);
	return 1;
}

static bool waiting(const struct packet_port *p)
{
	return __atomic_load_n(&slot(&p->rx, p->at)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER;
}

static unsigned receive(struct stage *s, unsigned budget)
{
	struct packet_port *p = s->self;
	struct arrivals a = { .n = 0 };
	unsigned got = 0;
	while (got < budget && waiting(p)) {
		struct tpacket2_hdr *h = slot(&p->rx, p->at);
		got += receive_slot(s, &a, h);
		p->at = p->at + 1 < p->rx.count ? p->at + 1 : 0;
		__builtin_prefetch(slot(&p->rx, p->at));
		cell_store64(&memory_of(s)[WORD_RX], p->at);
		__atomic_store_n(&h->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
	live_hand(s, a.refs, a.n);
	return got;
}

/* ---- leaving --------------------------------------------------------------------------------- */

static void put(struct stage *s, const struct live_leaving *l)
{
	struct packet_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	struct tpacket2_hdr *h = tx_slot(p, p->head);
	memset((uint8_t *)h + TX_HEADER, 0, TX_OFFLOAD);
	memcpy((uint8_t *)h + TX_DATA, frame_start(f, l->ref) + l->data, l->len);
	h->tp_len = TX_OFFLOAD + l->len;
	h->tp_snaplen = l->ref;
	f->owner[l->ref] = (uint16_t)(OWNER_LEAVING + s->number);
	__atomic_store_n(&h->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	p->head++;
	cell_store64(&memory_of(s)[WORD_TX_HEAD], p->head);
}

/* The kernel does not go past a packet that it finds wrong, or that its device does not take: its slot must get another.
 * So drop that one, and put those behind it again from its slot on: their bytes are still in the ring. */
static void mend(struct stage *s, unsigned reason)
{
	struct packet_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	uint32_t wrong = p->tail, end = p->head;
	frame_drop(f, tx_slot(p, wrong)->tp_snaplen, PLACE_LEAVING + s->number, reason);
	for (uint32_t i = wrong; i + 1 != end; i++) {
		struct tpacket2_hdr *to = tx_slot(p, i), *from = tx_slot(p, i + 1);
		memcpy((uint8_t *)to + TX_HEADER, (uint8_t *)from + TX_HEADER, from->tp_len);
		to->tp_len = from->tp_len;
		to->tp_snaplen = from->tp_snaplen;
		__atomic_store_n(&to->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&tx_slot(p, end - 1)->tp_status, TP_STATUS_AVAILABLE, __ATOMIC_RELEASE);
	p->head = end - 1;
	cell_store64(&memory_of(s)[WORD_TX_HEAD], p->head);
}

/* Take back what was sent, oldest first. */
static unsigned reap(struct stage *s)
{
	struct packet_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	unsigned n = 0;
	while (p->tail != p->head) {
		struct tpacket2_hdr *h = tx_slot(p, p->tail);
		uint32_t status = __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
		if (status & TP_STATUS_WRONG_FORMAT) {
			mend(s, REASON_oversize);
			n++;
			continue;
		}
		if (status & (TP_STATUS_SEND_REQUEST | TP_STATUS_SENDING))
			break;
		s->out->forwarded++;
		s->out->bytes_out += h->tp_len - TX_OFFLOAD;
		frame_free(f, h->tp_snaplen);
		p->tail++;
		n++;
	}
	if (n > 0) {
		cell_store64(&memory_of(s)[WORD_TX_TAIL], p->tail);
		live_moved(&p->patience);
	}
	return n;
}

/* The interface has gone away: what was to leave did not. */
static void interface_gone(struct stage *s)
{
	struct packet_port *p = s->self;
	for (; p->tail != p->head; p->tail++)
		frame_drop(&s->fabric->frames, tx_slot(p, p->tail)->tp_snaplen, PLACE_LEAVING + s->number,
			   REASON_closed);
	p->gone = true;
}

/* A full device says the same as one that will never take this packet (the other end of a veth has a smaller MTU); time
 * tells them apart. Returns how many were dropped. */
static unsigned look_at_refused(struct stage *s)
{
	struct packet_port *p = s->self;
	uint64_t now = s->fabric->frames.now;
	uint32_t at = p->tail;
	while (at != p->head &&
	       !(__atomic_load_n(&tx_slot(p, at)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_SEND_REQUEST))
		at++;
	if (at == p->head || p->stuck_ns == 0 || p->stuck != at) {
		p->stuck = at;
		p->stuck_ns = now;
		return 0;
	}
	if (now - p->stuck_ns <= REFUSED_NS || at != p->tail)
		return 0;
	mend(s, REASON_refused);
	p->stuck_ns = 0;
	live_moved(&p->patience);
	return 1;
}

/* Make the kernel send. Returns how many it would not, which were dropped. */
static unsigned kick(struct stage *s)
{
	struct packet_port *p = s->self;
	if (p->head == p->tail || !(__atomic_load_n(&tx_slot(p, p->head - 1)->tp_status, __ATOMIC_RELAXED) &
				    TP_STATUS_SEND_REQUEST)) {
		p->down = false;
		return 0;
	}
	int failed = send(p->tx.fd, NULL, 0, MSG_DONTWAIT) < 0 ? errno : 0;
	p->down = failed == ENETDOWN;
	if (failed == ENOBUFS)
		return look_at_refused(s);
	p->stuck_ns = 0;
	if (failed == ENXIO || failed == ENODEV)
		interface_gone(s);
	return 0;
}

static uint32_t tx_room(struct stage *s, uint32_t wanted)
{
	struct packet_port *p = s->self;
	if (p->tx.count - (p->head - p->tail) < wanted) {
		kick(s);
		reap(s);
	}
	return p->tx.count - (p->head - p->tail);
}

static void packet_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct packet_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	struct live_leaving leaving[SEG_BURST];
	unsigned kept = live_sort(s, refs, n, leaving);
	uint32_t room = p->gone ? 0 : tx_room(s, kept);
	for (unsigned i = 0; i < kept; i++) {
		unsigned place = PLACE_LEAVING + s->number;
		if (TX_DATA + leaving[i].len > p->tx.size) {
			frame_drop(f, leaving[i].ref, place, REASON_oversize);
		} else if (room == 0) {
			frame_drop(f, leaving[i].ref, place,
				   p->down || p->gone ? REASON_closed : REASON_tx_full);
		} else {
			put(s, &leaving[i]);
			room--;
		}
	}
	live_moved(&p->patience);
}

static void packet_flush(struct stage *s)
{
	kick(s);
	reap(s);
}

static unsigned packet_poll(struct stage *s, unsigned budget)
{
	unsigned sent = reap(s);
	unsigned refused = kick(s); /* only if something was left behind */
	return sent + refused + receive(s, budget);
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static int packet_arm(struct stage *s, bool *ready)
{
	struct packet_port *p = s->self;
	int problem;
	socklen_t size = sizeof problem;
	if (waiting(p))
		*ready = true;
	else /* an error (the interface went down) that nobody fetches would keep the socket readable */
		getsockopt(p->rx.fd, SOL_SOCKET, SO_ERROR, &problem, &size);
	return p->rx.fd;
}

static void packet_disarm(struct stage *s)
{
	struct packet_port *p = s->self;
	if (p->head != p->tail)
		live_waited(&p->patience);
}

static uint64_t packet_deadline(struct stage *s)
{
	const struct packet_port *p = s->self;
	return p->head != p->tail ? s->fabric->frames.now + p->patience.next_ns : UINT64_MAX;
}

static void packet_account(struct stage *s)
{
	const struct packet_port *p = s->self;
	struct tpacket_stats k;
	socklen_t size = sizeof k;
	if (getsockopt(p->rx.fd, SOL_PACKET, PACKET_STATISTICS, &k, &size) < 0)
		return;
	s->in->received += k.tp_drops;
	s->in->dropped[REASON_rx_ring_full] += k.tp_drops;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool map_slots(struct slots *r, int fd, uint32_t size, uint32_t count)
{
	*r = (struct slots){ .fd = fd, .size = size, .count = count };
	void *at = mmap(NULL, r->size * count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at != MAP_FAILED)
		r->map = at;
	return r->map != NULL;
}

static void unmap_slots(struct slots *r)
{
	if (r->map != NULL)
		munmap(r->map, r->size * r->count);
	close(r->fd);
}

/* Finish what a forwarder that died was in the middle of. */
static void settle(struct stage *s)
{
	struct packet_port *p = s->self;
	const struct frames *f = &s->fabric->frames;
	const uint64_t *memory = memory_of(s);
	p->at = (uint32_t)memory[WORD_RX] < p->rx.count ? (uint32_t)memory[WORD_RX] : 0;
	p->head = (uint32_t)memory[WORD_TX_HEAD];
	p->tail = (uint32_t)memory[WORD_TX_TAIL];
	/* the position moved on, the slot behind it was not given back yet; a full ring looks alike, and is one */
	struct tpacket2_hdr *before = slot(&p->rx, p->at > 0 ? p->at - 1 : p->rx.count - 1);
	if ((before->tp_status & TP_STATUS_USER) && !waiting(p))
		__atomic_store_n(&before->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	/* the slot was put, the position did not move yet */
	if (p->head - p->tail < p->tx.count && tx_slot(p, p->head)->tp_status != TP_STATUS_AVAILABLE)
		p->head++;
	/* counted and freed, the position did not move yet */
	while (p->tail != p->head && tx_slot(p, p->tail)->tp_status == TP_STATUS_AVAILABLE &&
	       f->owner[tx_slot(p, p->tail)->tp_snaplen % f->count] != OWNER_LEAVING + s->number)
		p->tail++;
}

static void packet_close(struct stage *s)
{
	struct packet_port *p = s->self;
	if (p == NULL)
		return;
	unmap_slots(&p->rx);
	unmap_slots(&p->tx);
	free(p);
	s->self = NULL;
}

static int packet_open(struct stage *s, const int *fds, unsigned count, char *why, size_t why_size)
{
	const struct port_wiring *w = live_wired(s);
	const uint32_t *parameter = w->parameter;
	struct packet_port *p =
		count == 2 && parameter[1] > 0 && parameter[3] > 0 ? calloc(1, sizeof *p) : NULL;
	if (p == NULL) {
		snprintf(why, why_size, "%u sockets, rings of %u and %u slots: cannot be", count,
			 parameter[1], parameter[3]);
		for (unsigned i = 0; i < count; i++)
			close(fds[i]);
		return -1;
	}
	s->self = p;
	p->offload = parameter[4] & 1;
	live_moved(&p->patience);
	bool rx = map_slots(&p->rx, fds[0], parameter[0], parameter[1]);
	bool tx = map_slots(&p->tx, fds[1], parameter[2], parameter[3]);
	if (!rx || !tx) {
		snprintf(why, why_size, "the rings of its AF_PACKET sockets: %s", strerror(errno));
		packet_close(s);
		return -1;
	}
	if (memory_of(s)[WORD_GENERATION] != w->generation)
		memset(memory_of(s), 0, sizeof(struct port_memory));
	memory_of(s)[WORD_GENERATION] = w->generation;
	settle(s);
	return 0;
}

const struct stage_ops af_packet_stage = {
	.name = "af_packet",
	.port = PORT_AF_PACKET,
	.open = packet_open,
	.poll = packet_poll,
	.take = packet_take,
	.flush = packet_flush,
	.arm = packet_arm,
	.disarm = packet_disarm,
	.deadline = packet_deadline,
	.account = packet_account,
	.close = packet_close,
};
