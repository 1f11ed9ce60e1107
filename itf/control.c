/* What the keeper says: descriptors ahead, then a new epoch. Only what differs is touched. */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include "forwarder.h"

void control_say(struct forwarder *fw, unsigned kind, unsigned index, unsigned generation, const char *text)
{
	struct forwarder_message m = { .kind = kind, .index = index, .generation = generation };
	snprintf(m.text, sizeof m.text, "%s", text);
	/* a keeper that does not read must not stop packets */
	send(fw->control, &m, sizeof m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void pending_drop(struct pending *p)
{
	for (unsigned i = 0; i < p->count; i++)
		close(p->fds[i]);
	p->count = 0;
}

void control_read(struct forwarder *fw)
{
	for (;;) {
		struct forwarder_message m;
		union {
			char space[CMSG_SPACE(sizeof(int) * SEG_PORTS)];
			struct cmsghdr align;
		} ancillary;
		struct iovec io = { &m, sizeof m };
		struct msghdr msg = { .msg_iov = &io,
				      .msg_iovlen = 1,
				      .msg_control = &ancillary,
				      .msg_controllen = sizeof ancillary };
		ssize_t got = recvmsg(fw->control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return;
		if (got == 0) {
			fw->ended = true;
			return;
		}
		struct pending came = { .generation = m.generation };
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
			if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
				continue;
			came.count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(came.fds, CMSG_DATA(c), came.count * sizeof(int));
		}
		if ((size_t)got == sizeof m && m.kind == MESSAGE_WATCH) {
			watch_take_up(fw, m.index, came.fds, came.count);
			continue;
		}
		if ((size_t)got == sizeof m && m.kind == MESSAGE_INJECT)
			fw->inject = m;
		if ((size_t)got == sizeof m && m.kind == MESSAGE_REPORT)
			fw->report = m.generation;
		struct pending *where = NULL;
		if ((size_t)got == sizeof m && m.kind == MESSAGE_HOP && m.index < SEG_HOPS)
			where = &fw->pending_hop[m.index];
		else if ((size_t)got == sizeof m && m.kind == MESSAGE_PORT && m.index < SEG_PORTS)
			where = &fw->pending_port[m.index];
		if (where == NULL) {
			pending_drop(&came);
			continue;
		}
		pending_drop(where);
		*where = came;
	}
}

static void watch(struct forwarder *fw, struct stage *s, bool hop)
{
	bool ready = false;
	int fd = s->ops->arm ? s->ops->arm(s, &ready) : -1;
	if (s->ops->disarm)
		s->ops->disarm(s);
	if (fd < 0)
		return;
	/* a hop's eventfd is never read, so it must be edge-triggered */
	struct epoll_event event = { .events = EPOLLIN | (hop ? EPOLLET : 0u), .data.fd = fd };
	epoll_ctl(fw->sleep_all, EPOLL_CTL_ADD, fd, &event);
	if (hop)
		epoll_ctl(fw->sleep_hops, EPOLL_CTL_ADD, fd, &event);
	s->watched = fd;
}

void stage_stop(struct forwarder *fw, struct stage *s)
{
	if (s->ops == NULL || s->generation == 0)
		return;
	if (s->watched >=
	    0) { /* the keeper has a copy of the descriptor: closing ours would not end the watch */
		epoll_ctl(fw->sleep_all, EPOLL_CTL_DEL, s->watched, NULL);
		epoll_ctl(fw->sleep_hops, EPOLL_CTL_DEL, s->watched, NULL);
		s->watched = -1;
	}
	if (s->ops->close)
		s->ops->close(s);
	s->generation = 0;
}

static bool stage_start(struct forwarder *fw, struct stage *s, struct pending *p, uint32_t generation,
			bool hop)
{
	char why[sizeof((struct forwarder_message *)0)->text] = "its descriptors have not come";
	unsigned count = p->count;
	bool came = count != 0 && p->generation == generation;
	if (came)
		p->count = 0; /* the stage owns them now, whatever comes of it; others are a later wiring's */
	if (!came || s->ops->open(s, p->fds, count, why, sizeof why) < 0) {
		control_say(fw, MESSAGE_ERROR, s->id, generation, why);
		return false;
	}
	s->generation = generation;
	s->watched = -1;
	watch(fw, s, hop);
	return true;
}

static const struct stage_ops *backend(struct forwarder *fw, unsigned kind)
{
	for (unsigned i = 0; fw->ops[i] != NULL; i++)
		if (fw->ops[i]->port == kind)
			return fw->ops[i];
	return NULL;
}

static void take_up_hop(struct forwarder *fw, unsigned n, const struct hop_wiring *w)
{
	struct stage *s = &fw->hops[n];
	uint32_t wanted = w->state == HOP_NONE ? 0 : w->generation;
	s->ops = &hop_stage;
	s->id = STAGE_HOP + n;
	s->in = &fw->fabric.frames.stats[PLACE_HOP + n];
	fw->fabric.stage[s->id] = w->state == HOP_NONE ? NULL : s;
	if (fw->previous[n].generation != 0 && fw->previous[n].generation != w->previous)
		swap_end(fw, n, REASON_shutdown);
	if (w->previous == 0 && fw->orphans & 1u << n) {
		hop_forget(s, n + HOP_PREVIOUS, REASON_shutdown, false);
		fw->orphans &= ~(1u << n);
	}
	if (s->generation == wanted && w->state != HOP_DOWN)
		return;
	bool swap = s->generation != 0 && s->generation == w->previous;
	if (swap) {
		swap_begin(fw, n);
	} else if (s->generation != 0) {
		unsigned reason = w->lost_reason < REASONS ? w->lost_reason : REASON_died;
		hop_salvage(fw, s, reason);
		stage_stop(fw, s);
		hop_forget(s, n, reason, false);
	}
	if (wanted != 0 && w->state != HOP_DOWN && stage_start(fw, s, &fw->pending_hop[n], wanted, true) &&
	    swap)
		hop_follow(s, &fw->previous[n]);
}

static void port_forget(struct forwarder *fw, unsigned n)
{
	struct frames *f = &fw->fabric.frames;
	for (uint32_t i = 0; i < f->count; i++) {
		if (f->owner[i] == OWNER_LEAVING + n)
			frame_drop(f, i, PLACE_LEAVING + n, REASON_shutdown);
		else if (f->owner[i] == OWNER_FILL + n)
			frame_free(f, i);
	}
}

static void take_up_port(struct forwarder *fw, unsigned n, const struct port_wiring *w)
{
	struct stage *s = &fw->ports[n];
	uint32_t wanted = w->kind == PORT_NONE ? 0 : w->generation;
	if (n < fw->fabric.wiring[fw->fabric.epoch & 1]->ports) {
		/* what is sent to one that is not open counts, too */
		s->in = &fw->fabric.frames.stats[PLACE_ARRIVING + n];
		s->out = &fw->fabric.frames.stats[PLACE_LEAVING + n];
	}
	if (s->generation == wanted)
		return;
	if (s->generation != 0) {
		if (s->ops->account)
			s->ops->account(s);
		stage_stop(fw, s);
		port_forget(fw, n);
		fw->fabric.stage[STAGE_PORT + n] = NULL;
	}
	if (wanted == 0)
		return;
	s->ops = backend(fw, w->kind);
	s->id = STAGE_PORT + n;
	if (s->ops == NULL)
		control_say(fw, MESSAGE_ERROR, s->id, wanted, "this forwarder has no such backend");
	else if (stage_start(fw, s, &fw->pending_port[n], wanted, false))
		fw->fabric.stage[s->id] = s;
}

/* The hops on the way that a port's packets take when every VNFC forwards to its first output. */
static uint32_t main_line(const struct wiring *w, unsigned port)
{
	uint32_t hops = 0;
	for (unsigned g = 0; g < w->graphs; g++) {
		if (w->graph_port[g] != port)
			continue;
		uint16_t at = w->first[g];
		for (unsigned i = 0; i < SEG_HOPS && at >= STAGE_HOP && at < STAGE_HOP + SEG_HOPS; i++) {
			hops |= 1u << (at - STAGE_HOP);
			at = w->next[g][at - STAGE_HOP][0];
		}
	}
	return hops;
}

static const uint64_t STILL_NS = 500000000; /* as long as a VNFC that works may be without its core */
static const uint64_t WAIT_NS = 2000000000; /* longer than any queue of a VNFC that works */

/* A wiring that says so waits until what is on its way by the one before has left: then nothing overtakes. Not for
 * what VNFCs hold, nor for those that do not move. */
bool control_must_wait(struct forwarder *fw)
{
	struct fabric *fabric = &fw->fabric;
	uint32_t epoch = cell_load(&fabric->config->epoch);
	if (epoch == fabric->epoch || fabric->epoch == 0 || !fabric->wiring[epoch & 1]->barrier) {
		fw->wait_until = 0;
		return false;
	}
	uint64_t now = fabric->frames.now;
	uint32_t working = 0;
	for (unsigned n = 0; n < SEG_HOPS; n++)
		working += hop_works_on(&fw->hops[n]) + hop_works_on(&fw->previous[n]);
	if (fw->wait_until == 0) {
		fw->wait_most = now + WAIT_NS;
		fw->wait_until = now + STILL_NS;
	} else if (working < fw->wait_for) {
		fw->wait_until = now + STILL_NS;
	}
	fw->wait_for = working;
	if (working > 0 && now < fw->wait_until && now < fw->wait_most)
		return true;
	fw->wait_until = 0;
	return false;
}

void control_take_up(struct forwarder *fw)
{
	struct fabric *fabric = &fw->fabric;
	uint32_t epoch = cell_load(&fabric->config->epoch);
	bool drain = cell_load(&fabric->config->drain) != 0;
	control_read(fw);
	if (drain && !fabric->draining) {
		fw->drain_until = clock_ns(CLOCK_MONOTONIC) + 500000000;
		cell_store(&fabric->header->state, FORWARDER_DRAINING);
	} else if (!drain && fabric->draining) {
		cell_store(&fabric->header->state, FORWARDER_RUNNING);
	}
	fabric->draining = drain;
	if (epoch == fabric->epoch)
		return;
	fabric->epoch = epoch;
	fw->switched_at = fabric->frames.now;
	const struct wiring *w = fabric->wiring[epoch & 1];
	for (unsigned n = 0; n < SEG_HOPS; n++)
		take_up_hop(fw, n, &w->hop[n]);
	for (unsigned n = 0; n < SEG_PORTS; n++) {
		take_up_port(fw, n, &w->port[n]);
		fw->ports[n].tapped = fabric->taps > 0 || fabric->withheld;
		fw->line[n] = main_line(w, n);
	}
	cell_store(&fabric->header->epoch, epoch);
	fw->dirty = true;
	account_publish(fw);
	control_say(fw, MESSAGE_READY, 0, epoch, "");
}

void control_close(struct forwarder *fw)
{
	for (unsigned n = 0; n < SEG_PORTS; n++)
		if (fw->ports[n].ops && fw->ports[n].generation && fw->ports[n].ops->account)
			fw->ports[n].ops->account(&fw->ports[n]);
	account_publish(fw);
	for (unsigned n = 0; n < SEG_PORTS; n++)
		stage_stop(fw, &fw->ports[n]);
	for (unsigned n = 0; n < SEG_HOPS; n++) {
		stage_stop(fw, &fw->hops[n]);
		stage_stop(fw, &fw->previous[n]);
	}
	for (unsigned id = STAGE_SINGLE; id < STAGE_IDS; id++) {
		struct stage *s = fw->fabric.stage[id];
		if (s != NULL && s->ops->close)
			s->ops->close(s);
	}
}
