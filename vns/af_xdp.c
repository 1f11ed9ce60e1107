/* AF_XDP as a port: the pool is the UMEM, so a packet arrives and leaves without a copy of ours.
 *
 * Descriptors: one AF_XDP socket per receive queue, in the order of the queues (16 at most). The first
 * one has all four rings, the others no transmit ring: everything leaves by queue 0. The keeper keeps its
 * copies, the XDP program and the map.
 *
 * parameter[0]: entries of each ring
 * parameter[1]: frames that the kernel is lent for each queue
 * parameter[2]: 0: the sockets are bound. Else BIND_HERE and the flags to bind them with, which is done here since
 *               before Linux 6.4 the rings can only be mapped of a socket that is not: such sockets are made anew
 *               for a forwarder that is started again, and their rings hold nothing of what the ones before had
 *
 * Ring positions live in memory that the kernel shares with us, so a forwarder that is started again with the same
 * sockets goes on where the last one died. For that every step is ordered: an owner changes before the position that
 * says so, and what was cut between the two is recognized by its owner (`settle`).
 *
 * Sent means completed: `forwarded` grows when the frame comes back. `bytes_out` is counted when the kernel
 * gets the frame, because a VNFC may write the shared record afterwards.
 *
 * Drops of the kernel (law 1): received = taken + rx_dropped + rx_ring_full; rx_fill_ring_empty_descs says
 * the same as rx_dropped once more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include "vns/af_xdp.h"
#include "vns/xdp_bind.h"

static const uint64_t LOOK_NS = 1000000, BIND_NS = 10000000;

static bool closed(const struct xdp_port *p)
{
	return p->gone || p->bound < p->queues;
}

/* ---- leaving --------------------------------------------------------------------------------- */

static uint32_t unsent(const struct xdp_port *p)
{
	return p->tx.mine - cell_load(p->tx.consumer);
}

static uint32_t unconfirmed(const struct xdp_port *p)
{
	return p->tx.mine - p->complete.mine;
}

/* Take back what was sent. */
static unsigned reap(struct stage *s)
{
	struct xdp_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	unsigned sent = 0, n = cell_load(p->complete.producer) - p->complete.mine;
	if (n == 0 || p->gone)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t ref = *address(&p->complete, p->complete.mine + i) >> f->frame_shift;
		if (ref >= f->count || f->owner[ref] != owner_leaving(s)) {
			s->out->bogus++;
			continue;
		}
		frame_free(f, (uint32_t)ref);
		sent++;
	}
	s->out->forwarded += sent;
	p->complete.mine += n;
	cell_store(p->complete.consumer, p->complete.mine);
	live_moved(&p->patience);
	return n;
}

/* Make the kernel send. In copy mode one call sends a few dozen packets, so go on while it makes progress. */
static void kick(struct xdp_port *p)
{
	uint32_t left = unsent(p);
	while (left > 0 && (__atomic_load_n(p->tx.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP)) {
		int failed = sendto(p->queue[0].fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
		uint32_t now_left = unsent(p);
		p->down = now_left == left && (failed == ENETDOWN || failed == ENXIO || failed == EBADF);
		if (now_left == left)
			return;
		left = now_left;
	}
	p->down = false;
}

static uint32_t tx_room(struct stage *s, uint32_t wanted)
{
	struct xdp_port *p = s->self;
	uint32_t size = p->tx.mask + 1;
	if (size - unsent(p) < wanted) {
		reap(s); /* the kernel takes nothing while it has no room to say that it is sent */
		kick(p);
	}
	return size - unsent(p);
}

static void xdp_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct xdp_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	struct live_leaving leaving[SEG_BURST];
	unsigned kept = live_sort(s, refs, n, leaving);
	unsigned room = closed(p) ? 0 : tx_room(s, kept), put = kept < room ? kept : room;
	uint64_t bytes = 0;
	for (unsigned i = 0; i < put; i++) {
		const struct live_leaving *l = &leaving[i];
		uint64_t at = ((uint64_t)l->ref << f->frame_shift) + l->data;
		*descriptor(&p->tx, p->tx.mine + i) = (struct xdp_desc){ .addr = at, .len = l->len };
		bytes += l->len;
	}
	cell_store64(&memory_of(s)[WORD_TAKING], 1ull << 63 | (uint64_t)put << 32 | p->tx.mine);
	for (unsigned i = 0; i < put; i++)
		f->owner[leaving[i].ref] = owner_leaving(s);
	p->tx.mine += put;
	cell_store(p->tx.producer, p->tx.mine);
	cell_store64(&memory_of(s)[WORD_TAKING], 0);
	live_moved(&p->patience);
	s->out->bytes_out += bytes;
	for (unsigned i = put; i < kept; i++)
		frame_drop(f, leaving[i].ref, PLACE_LEAVING + s->number,
			   p->down || closed(p) ? REASON_closed : REASON_tx_full);
}

static void xdp_flush(struct stage *s)
{
	struct xdp_port *p = s->self;
	if (!p->gone)
		kick(p);
	reap(s);
}

/* ---- arriving -------------------------------------------------------------------------------- */

static void refill(struct stage *s, struct queue *q)
{
	const struct xdp_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	uint32_t refs[FILL_BATCH];
	while (q->lent + FILL_BATCH <= p->lend &&
	       q->fill.mask + 1 - (q->fill.mine - cell_load(q->fill.consumer)) >= FILL_BATCH) {
		uint32_t n = frames_take(f, refs, FILL_BATCH, owner_fill(s));
		for (uint32_t i = 0; i < n; i++)
			*address(&q->fill, q->fill.mine + i) = (uint64_t)refs[i] << f->frame_shift;
		q->lent += n;
		q->fill.mine += n;
		cell_store(q->fill.producer, q->fill.mine);
		if (n < FILL_BATCH)
			break; /* the kernel counts what it has no frame for */
	}
	/* zero-copy drivers stop when they run dry */
	if (__atomic_load_n(q->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP)
		recvfrom(q->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static unsigned receive(struct stage *s, struct queue *q, unsigned budget)
{
	struct frames *f = &s->fabric->frames;
	uint32_t refs[SEG_BURST], data[SEG_BURST], len[SEG_BURST];
	uint32_t n = cell_load(q->rx.producer) - q->rx.mine, kept = 0, good = 0;
	n = n < budget ? n : budget;
	n = n < SEG_BURST ? n : SEG_BURST;
	if (n == 0)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = descriptor(&q->rx, q->rx.mine + i);
		uint64_t ref = d->addr >> f->frame_shift;
		if (ref >= f->count || f->owner[ref] != owner_fill(s)) {
			s->in->bogus++;
			continue;
		}
		f->owner[ref] = OWNER_ARRIVING + s->number;
		refs[kept] = (uint32_t)ref;
		data[kept] = (uint32_t)d->addr & (f->frame_size - 1);
		len[kept++] = d->len;
		__builtin_prefetch(f->data + d->addr);
		__builtin_prefetch(&f->record[ref], 1);
		__builtin_prefetch(&f->priv[ref], 1);
	}
	q->rx.mine += n;
	q->lent -= n < q->lent ? n : q->lent;
	cell_store(q->rx.consumer, q->rx.mine);
	s->in->received += kept;
	for (uint32_t i = 0; i < kept; i++) {
		s->in->bytes_in += len[i];
		if (len[i] > live_longest(f)) {
			frame_refuse(f, refs[i], PLACE_ARRIVING + s->number, REASON_oversize,
				     frame_start(f, refs[i]) + data[i],
				     len[i] <= f->frame_size - data[i] ? len[i] : f->frame_size - data[i]);
			continue;
		}
		refs[good++] = refs[i];
		live_arrive(s, refs[i], data[i], len[i]);
	}
	live_hand(s, refs, good);
	return n;
}

static bool kernel_figures(const struct xdp_port *p, uint64_t *dropped, uint64_t *full)
{
	*dropped = *full = 0;
	for (unsigned i = 0; i < p->queues; i++) {
		struct xdp_statistics k;
		socklen_t size = sizeof k;
		memset(&k, 0, sizeof k);
		if (getsockopt(p->queue[i].fd, SOL_XDP, XDP_STATISTICS, &k, &size) < 0)
			return false;
		*dropped += k.rx_dropped;
		*full += k.rx_ring_full;
	}
	return true;
}

/* What the kernel had of us it has given up without a word: what was lent is free again, and what was to leave did
 * not. */
static void given_up(struct stage *s)
{
	struct frames *f = &s->fabric->frames;
	for (uint32_t i = 0; i < f->count; i++) {
		if (f->owner[i] == owner_leaving(s))
			frame_drop(f, i, PLACE_LEAVING + s->number, REASON_closed);
		else if (f->owner[i] == owner_fill(s))
			frame_free(f, i);
	}
}

/* Lend the kernel its first frames. What came before that came before the port was open. */
static void begin(struct stage *s)
{
	struct xdp_port *p = s->self;
	uint64_t *memory = memory_of(s);
	for (unsigned i = 0; i < p->queues; i++)
		refill(s, &p->queue[i]);
	kernel_figures(p, &memory[WORD_RX_DROPPED], &memory[WORD_RX_RING_FULL]);
}

/* Bind the sockets, whose rings are mapped. False with errno: not all of them are bound yet. */
static bool bind_sockets(struct stage *s, int (*bind_one)(int, uint32_t, uint32_t, uint32_t, int))
{
	struct xdp_port *p = s->self;
	const struct port_wiring *w = live_wired(s);
	for (; p->bound < p->queues; p->bound++)
		if (bind_one(p->queue[p->bound].fd, w->ifindex, p->bound, w->parameter[2] & ~BIND_HERE,
			     p->bound == 0 ? -1 : p->queue[0].fd) < 0)
			return false;
	given_up(s); /* sockets of a forwarder before this one are closed, or their queues would be busy */
	memory_of(s)[WORD_TAKING] = 0;
	begin(s);
	return true;
}

static unsigned xdp_poll(struct stage *s, unsigned budget)
{
	struct xdp_port *p = s->self;
	unsigned moved = reap(s), got = 0;
	if (p->bound < p->queues && s->fabric->frames.now - p->tried_at > BIND_NS) {
		p->tried_at = s->fabric->frames.now;
		bind_sockets(s, xdp_bind);
	}
	if (closed(p))
		return moved;
	if (unsent(p) > 0)
		kick(p);
	for (unsigned i = 0; i < p->queues; i++) {
		struct queue *q = &p->queue[(p->first + i) % p->queues];
		if (got < budget)
			got += receive(s, q, budget - got);
		refill(s, q);
	}
	p->first = (p->first + 1) % p->queues;
	return moved + got;
}

/* ---- sleeping -------------------------------------------------------------------------------- */

static void interface_gone(struct stage *s)
{
	struct xdp_port *p = s->self;
	for (unsigned i = 0; i < p->queues; i++)
		while (receive(s, &p->queue[i], SEG_BURST) > 0)
			;
	reap(s);
	given_up(s);
	p->complete.mine = p->tx.mine;
	p->gone = true;
}

static int xdp_arm(struct stage *s, bool *ready)
{
	struct xdp_port *p = s->self;
	bool look = s->fabric->frames.now - p->looked_at >
		    LOOK_NS; /* a call for each packet would be its latency */
	if (look)
		p->looked_at = s->fabric->frames.now;
	for (unsigned i = 0; i < p->queues && !p->gone; i++) {
		struct queue *q = &p->queue[i];
		int problem = 0;
		socklen_t size = sizeof problem;
		if (cell_load(q->rx.producer) != q->rx.mine)
			*ready = true;
		/* an error that nobody fetches keeps the socket readable: the forwarder would not sleep */
		else if (look && getsockopt(q->fd, SOL_SOCKET, SO_ERROR, &problem, &size) == 0 &&
			 problem != 0)
			interface_gone(s);
	}
	if (!p->gone && cell_load(p->complete.producer) != p->complete.mine)
		*ready = true;
	return p->epoll >= 0 ? p->epoll : p->queue[0].fd;
}

static void xdp_disarm(struct stage *s)
{
	struct xdp_port *p = s->self;
	if (unconfirmed(p) > 0)
		live_waited(&p->patience);
}

/* No descriptor tells of completions, nor of room in a device that was full, nor of a queue that may be had. */
static uint64_t xdp_deadline(struct stage *s)
{
	const struct xdp_port *p = s->self;
	if (p->bound < p->queues)
		return p->tried_at + BIND_NS;
	return unconfirmed(p) > 0 ? s->fabric->frames.now + p->patience.next_ns : UINT64_MAX;
}

static void xdp_account(struct stage *s)
{
	const struct xdp_port *p = s->self;
	uint64_t *memory = memory_of(s), dropped, full;
	if (!kernel_figures(p, &dropped, &full))
		return;
	if (dropped < memory[WORD_RX_DROPPED] || full < memory[WORD_RX_RING_FULL])
		return;
	uint64_t more_dropped = dropped - memory[WORD_RX_DROPPED],
		 more_full = full - memory[WORD_RX_RING_FULL];
	s->in->received += more_dropped + more_full;
	s->in->dropped[REASON_rx_dropped] += more_dropped;
	s->in->dropped[REASON_rx_ring_full] += more_full;
	memory[WORD_RX_DROPPED] = dropped;
	memory[WORD_RX_RING_FULL] = full;
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool map_queue(struct xdp_port *p, struct queue *q, uint32_t entries)
{
	struct xdp_mmap_offsets off;
	socklen_t size = sizeof off;
	if (getsockopt(q->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &size) < 0)
		return false;
	if (size != sizeof off) {
		errno = EPROTO;
		return false;
	}
	bool ok = map_ring(&q->rx, q->fd, &off.rx, XDP_PGOFF_RX_RING, sizeof(struct xdp_desc), entries,
			   false) &&
		  map_ring(&q->fill, q->fd, &off.fr, XDP_UMEM_PGOFF_FILL_RING, 8, entries, true);
	if (ok && q == &p->queue[0])
		ok = map_ring(&p->tx, q->fd, &off.tx, XDP_PGOFF_TX_RING, sizeof(struct xdp_desc), entries,
			      true) &&
		     map_ring(&p->complete, q->fd, &off.cr, XDP_UMEM_PGOFF_COMPLETION_RING, 8, entries,
			      false);
	return ok;
}

/* Finish or forget what a forwarder that died was in the middle of. On fresh rings there is nothing. */
static void settle(struct stage *s)
{
	struct xdp_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	uint64_t taking = memory_of(s)[WORD_TAKING];
	for (unsigned i = 0; i < p->queues; i++) {
		struct queue *q = &p->queue[i];
		uint32_t there = cell_load(q->rx.producer);
		/* taken already, written off since */
		while (q->rx.mine != there &&
		       f->owner[descriptor(&q->rx, q->rx.mine)->addr >> f->frame_shift] != owner_fill(s))
			q->rx.mine++;
		cell_store(q->rx.consumer, q->rx.mine);
		q->lent = there - q->rx.mine + (q->fill.mine - cell_load(q->fill.consumer));
	}
	uint32_t sent = cell_load(p->complete.producer);
	while (p->complete.mine != sent &&
	       f->owner[*address(&p->complete, p->complete.mine) >> f->frame_shift] != owner_leaving(s))
		p->complete.mine++;
	cell_store(p->complete.consumer, p->complete.mine);
	/* a burst that was in the ring but not yet the kernel's: what was the port's by then leaves */
	uint32_t put = 0;
	for (uint32_t i = 0; taking >> 63 && (uint32_t)taking == p->tx.mine && i < (taking >> 32 & 0xff);
	     i++) {
		struct xdp_desc d = *descriptor(&p->tx, p->tx.mine + i);
		if (f->owner[d.addr >> f->frame_shift] == owner_leaving(s))
			*descriptor(&p->tx, p->tx.mine + put++) = d;
	}
	p->tx.mine += put;
	cell_store(p->tx.producer, p->tx.mine);
	memory_of(s)[WORD_TAKING] = 0;
}

static void xdp_close(struct stage *s)
{
	struct xdp_port *p = s->self;
	if (p == NULL)
		return;
	unmap_ring(&p->tx);
	unmap_ring(&p->complete);
	for (unsigned i = 0; i < p->queues; i++) {
		unmap_ring(&p->queue[i].rx);
		unmap_ring(&p->queue[i].fill);
		close(p->queue[i].fd);
	}
	if (p->epoll >= 0)
		close(p->epoll);
	free(p);
	s->self = NULL;
}

static bool watch_queues(struct xdp_port *p)
{
	if (p->queues == 1)
		return true;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < p->queues; i++) {
		struct epoll_event event = { .events = EPOLLIN };
		if (p->epoll < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->queue[i].fd, &event) < 0)
			return false;
	}
	return true;
}

static int xdp_open(struct stage *s, const int *fds, unsigned count, char *why, size_t why_size)
{
	const struct port_wiring *w = live_wired(s);
	uint32_t entries = w->parameter[0];
	struct xdp_port *p = count > 0 && count <= QUEUES ? calloc(1, sizeof *p) : NULL;
	if (p == NULL || entries == 0 || (entries & (entries - 1)) != 0) {
		snprintf(why, why_size, "%u sockets, rings of %u entries: cannot be", count, entries);
		for (unsigned i = 0; i < count; i++)
			close(fds[i]);
		free(p);
		return -1;
	}
	s->self = p;
	p->epoll = -1;
	p->lend = w->parameter[1];
	p->queues = count;
	live_moved(&p->patience);
	for (unsigned i = 0; i < count; i++)
		p->queue[i].fd = fds[i];
	bool ok = true;
	for (unsigned i = 0; i < count && ok; i++)
		ok = map_queue(p, &p->queue[i], entries);
	if (!ok || !watch_queues(p)) {
		snprintf(why, why_size, "the rings of its AF_XDP sockets: %s", strerror(errno));
		xdp_close(s);
		return -1;
	}
	uint64_t *memory = memory_of(s);
	bool fresh = memory[WORD_GENERATION] != w->generation, ours = w->parameter[2] & BIND_HERE;
	if (fresh)
		memset(memory, 0, sizeof(struct port_memory));
	memory[WORD_GENERATION] = w->generation;
	p->bound = ours ? 0 : p->queues;
	if (ours) {
		/* one that was open is tried again later, as when its interface is down for the moment */
		if (!bind_sockets(s, xdp_bind_patiently) && fresh && errno != ENETDOWN) {
			snprintf(why, why_size, "binding an AF_XDP socket to its queue: %s", strerror(errno));
			xdp_close(s);
			return -1;
		}
		return 0;
	}
	settle(s);
	if (fresh)
		begin(s);
	return 0; /* else xdp_poll lends what is missing */
}

const struct stage_ops af_xdp_stage = {
	.name = "af_xdp",
	.port = PORT_AF_XDP,
	.open = xdp_open,
	.poll = xdp_poll,
	.take = xdp_take,
	.flush = xdp_flush,
	.arm = xdp_arm,
	.disarm = xdp_disarm,
	.deadline = xdp_deadline,
	.account = xdp_account,
	.close = xdp_close,
};
