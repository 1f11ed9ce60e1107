/* The forwarder's loop, and its beginning and end. */
#include "forwarder.h"
#include "privileges.h"
#include "segment_head.h"
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum {
	PORT_BUDGET = SEG_BURST,
	FEW = 16, /* packets in a turn: no load at which bursts matter */
};

static const uint64_t SECOND_NS = 1000000000;
static const uint64_t CROWDED_NS = 250000; /* few VNFCs take that long for a packet; others do */

/* Nothing is taken in: the VNF stops, or another wiring waits for what is on its way. */
static bool shut(const struct forwarder *fw)
{
	return fw->fabric.draining || fw->wait_until != 0;
}

/* Would a packet from this port only join a queue that is long enough already? */
static bool held_back(struct forwarder *fw, unsigned port)
{
	for (uint32_t hops = fw->line[port]; hops != 0; hops &= hops - 1) {
		struct stage *s = fw->fabric.stage[STAGE_HOP + __builtin_ctz(hops)];
		if (s != NULL && hop_congested(s))
			return true;
	}
	return false;
}

static void flush(struct forwarder *fw)
{
	for (unsigned id = 0; id < STAGE_IDS; id++) {
		struct stage *s = fw->fabric.stage[id];
		if (s == NULL || !s->touched)
			continue;
		s->touched = false; /* unless it puts something off */
		if (s->ops->flush)
			s->ops->flush(s);
	}
	if (TRACED(&fw->fabric.frames))
		watch_ring(fw);
}

static unsigned live_turn(struct forwarder *fw, bool *waiting)
{
	struct fabric *fabric = &fw->fabric;
	unsigned moved = 0;
	fabric->pressed = fabric->woke = false;
	fabric->frames.now = clock_ns(CLOCK_MONOTONIC);
	if (TRACED(&fabric->frames))
		watch_rested(fw);
	for (unsigned n = 0; n < SEG_HOPS; n++) {
		struct stage *s = fabric->stage[STAGE_HOP + n];
		if (s != NULL)
			moved += s->ops->poll(s, SEG_HOST_BURST);
	}
	if (fw->swapping != 0)
		moved += swap_poll(fw);
	for (unsigned n = 0; n < SEG_PORTS; n++) {
		struct stage *s = fabric->stage[STAGE_PORT + n];
		if (s == NULL)
			continue;
		bool hold = held_back(fw, n);
		*waiting = *waiting || hold;
		unsigned brought = s->ops->poll(s, hold || shut(fw) ? 0 : PORT_BUDGET);
		fabric->pressed = fabric->pressed || brought == PORT_BUDGET;
		moved += brought;
	}
	return moved;
}

/* Ask every stage to ring; true if one has work already. */
static bool arm(struct forwarder *fw)
{
	bool ready = swap_arm(fw);
	for (unsigned id = 0; id < STAGE_IDS; id++) {
		struct stage *s = fw->fabric.stage[id];
		bool stage_ready = false;
		if (s == NULL || s->ops->arm == NULL)
			continue;
		s->ops->arm(s, &stage_ready);
		/* a port that waits for a hop, or for the end, has no say */
		if (id < STAGE_HOP && (shut(fw) || fw->fabric.capture || held_back(fw, id)))
			continue;
		ready = ready || stage_ready;
	}
	return ready;
}

static int timeout_ms(struct forwarder *fw, bool waiting)
{
	uint64_t now = fw->fabric.frames.now, until = UINT64_MAX;
	if (fw->fabric.capture)
		return 1;
	if (fw->dirty)
		until = fw->publish_at;
	if (fw->swapping & ~fw->swapped && until > now + STALL_NS)
		until = now + STALL_NS; /* then its packets have waited long enough */
	bool draining = fw->fabric.draining && fw->fabric.header->state != FORWARDER_DONE;
	if ((draining || fw->wait_until != 0) && until > now + 1000000)
		until = now + 1000000;
	if (waiting && until > now + 5000000)
		until = now + 5000000;
	for (unsigned n = 0; n < SEG_PORTS; n++) {
		struct stage *s = fw->fabric.stage[STAGE_PORT + n];
		uint64_t deadline = s != NULL && s->ops->deadline ? s->ops->deadline(s) : UINT64_MAX;
		if (deadline < until)
			until = deadline;
	}
	if (until == UINT64_MAX)
		return -1;
	return until <= now ? 0 : (int)((until - now + 999999) / 1000000);
}

static void sleep_until_work(struct forwarder *fw, bool waiting)
{
	struct epoll_event events[SEG_PORTS];
	bool hops_only = waiting || fw->fabric.capture || shut(fw);
	if (!arm(fw)) {
		fw->fabric.header->loops_idle++;
		int n = epoll_wait(hops_only ? fw->sleep_hops : fw->sleep_all, events, SEG_PORTS,
				   timeout_ms(fw, waiting));
		for (int i = 0; i < n; i++)
			if (events[i].data.fd == fw->control)
				control_read(fw);
	}
	for (unsigned id = 0; id < STAGE_IDS; id++) {
		struct stage *s = fw->fabric.stage[id];
		if (s != NULL && s->ops->disarm)
			s->ops->disarm(s);
	}
	swap_disarm(fw);
}

/* A VNFC has been woken. If it shares this core it runs now, and its packets are back before the forwarder has gone to
 * sleep for them and been woken again. Where others want the core as well, giving it up can cost a time slice of
 * theirs: then not again for a while, which grows if it happens again. */
static void give_way(struct forwarder *fw)
{
	uint64_t began = fw->fabric.frames.now;
	if (began < fw->crowded_until)
		return;
	sched_yield();
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	if (now - began > CROWDED_NS) {
		fw->crowded_ns = fw->crowded_ns < SECOND_NS / 4 ? fw->crowded_ns * 4 + CROWDED_NS : SECOND_NS;
		fw->crowded_until = now + fw->crowded_ns;
	} else {
		fw->crowded_ns -= fw->crowded_ns / 8;
	}
}

static void account_ports(struct forwarder *fw)
{
	for (unsigned n = 0; n < SEG_PORTS; n++)
		if (fw->fabric.stage[STAGE_PORT + n] && fw->ports[n].ops->account)
			fw->ports[n].ops->account(&fw->ports[n]);
}

/* Everything that is still somewhere when the VNF stops is dropped by the name `shutdown`. */
static void finish(struct forwarder *fw)
{
	struct frames *f = &fw->fabric.frames;
	account_ports(fw);
	for (unsigned n = 0; n < SEG_HOPS; n++)
		if (fw->hops[n].in != NULL) {
			hop_forget(&fw->hops[n], n, REASON_shutdown, true);
			hop_forget(&fw->hops[n], n + HOP_PREVIOUS, REASON_shutdown, true);
		}
	for (uint32_t i = 0; i < f->count; i++)
		if ((f->owner[i] & 0xff00) == OWNER_ARRIVING)
			frame_drop(f, i, PLACE_ARRIVING + (f->owner[i] & 0xff), REASON_shutdown);
	account_publish(fw);
	if (fw->fabric.header->state != FORWARDER_DONE) {
		cell_store(&fw->fabric.header->state, FORWARDER_DONE);
		control_say(fw, MESSAGE_DONE, 0, fw->fabric.epoch, "");
	}
}

/* Somebody reads the figures: they are complete up to now. What the kernel dropped since the last packet that it let
 * through is known to nobody else. */
static void report(struct forwarder *fw)
{
	account_ports(fw);
	account_publish(fw);
	control_say(fw, MESSAGE_REPORTED, 0, fw->report, "");
	fw->report = 0;
}

static void housekeeping(struct forwarder *fw)
{
	struct fabric *fabric = &fw->fabric;
	uint64_t now = fabric->capture ? clock_ns(CLOCK_MONOTONIC) : fabric->frames.now;
	if (now >= fw->account_at) {
		fw->account_at = now + SECOND_NS;
		account_ports(fw);
	}
	if (now >= fw->publish_at) {
		control_read(fw); /* under load nobody sleeps, and the keeper may be gone */
		if (fw->dirty)
			account_publish(fw);
		fw->publish_at = now + 10000000;
	}
	if (fw->report != 0)
		report(fw);
}

static bool rewired(const struct fabric *fabric)
{
	return cell_load(&fabric->config->epoch) != fabric->epoch ||
	       (cell_load(&fabric->config->drain) != 0) != fabric->draining;
}

static void run(struct forwarder *fw)
{
	struct fabric *fabric = &fw->fabric;
	uint64_t end_by = UINT64_MAX;
	for (;;) {
		bool news = rewired(fabric), late = news && control_must_wait(fw);
		if (news && !late)
			control_take_up(fw);
		unsigned moved = 0;
		bool waiting = false, more = true;
		bool idle = fabric->epoch == 0 || fabric->header->state == FORWARDER_DONE;
		if (fabric->capture && !idle && !fabric->draining)
			more = capture_turn(fw, &moved);
		else if (!idle || !fabric->capture)
			moved = live_turn(fw, &waiting);
		if (__builtin_expect(fw->inject.kind != 0, 0))
			inject(fw);
		flush(fw);
		fabric->header->heartbeat++;
		if (moved > 0)
			fw->dirty = true;
		housekeeping(fw);
		if (fabric->draining && fabric->header->state != FORWARDER_DONE &&
		    (account_in_flight(fw) == 0 || clock_ns(CLOCK_MONOTONIC) > fw->drain_until))
			more = false;
		if (!more)
			finish(fw);
		if (fw->ended) { /* what has arrived is still taken, but not for ever */
			uint64_t now = clock_ns(CLOCK_MONOTONIC);
			if (end_by == UINT64_MAX)
				end_by = now + 100000000;
			if (moved == 0 || now >= end_by)
				break;
		} else if (fabric->woke && moved <= FEW && !fabric->capture) {
			give_way(fw);
		} else if (moved == 0 && (late || !rewired(fabric))) {
			/* housekeeping may have read the call to look */
			sleep_until_work(fw, waiting);
		}
	}
	control_close(fw);
}

/* ---- beginning ---------------------------------------------------------------------------------- */

static void *map_memory(int fd, int protection, size_t least, size_t *size)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || (size_t)status.st_size < least)
		return NULL;
	void *at = mmap(NULL, status.st_size, protection, MAP_SHARED, fd, 0);
	close(fd);
	*size = status.st_size;
	return at != MAP_FAILED ? at : NULL;
}

static void *map_object(int fd, int protection, size_t least, char *why, size_t why_size)
{
	size_t size;
	/* who made it comes first: another version's may well be smaller */
	uint32_t *head = map_memory(fd, protection, 3 * sizeof *head, &size);
	if (head == NULL || !segment_is_known(head, why, why_size))
		return NULL;
	return size >= least ? head : NULL;
}

static bool map_segment(struct forwarder *fw, const int fds[4], char *why, size_t why_size)
{
	struct frames *f = &fw->fabric.frames;
	size_t size;
	struct forwarder_header *own = map_object(fds[1], PROT_READ | PROT_WRITE, sizeof *own, why, why_size);
	struct config_header *config = map_object(fds[2], PROT_READ, sizeof *config, why, why_size);
	struct statistics_header *statistics =
		map_object(fds[3], PROT_READ | PROT_WRITE, sizeof *statistics, why, why_size);
	if (own == NULL || config == NULL || statistics == NULL)
		return false;
	const struct pool_geometry *pool = &own->pool;
	f->pool = map_memory(fds[0], PROT_READ | PROT_WRITE, pool->size, &size);
	if (f->pool == NULL || pool->frames == 0 || pool->frames % 4 != 0 || pool->data >= pool->size)
		return false;
	f->data = f->pool + pool->data;
	f->count = pool->frames;
	f->frame_size = pool->frame_size;
	f->frame_shift = (uint32_t)__builtin_ctz(pool->frame_size);
	f->record = (struct frame_record *)(f->pool + pool->records);
	f->nsh = f->pool + pool->nsh;
	f->notes = (char *)f->pool + pool->notes;
	f->owner = (uint16_t *)((uint8_t *)own + own->owners);
	f->priv = (struct frame_private *)((uint8_t *)own + own->privates);
	f->saved = (struct frame_saved *)((uint8_t *)own + own->saved);
	f->stats = own->live.place;
	f->hops = own->live.hop;
	fw->published = (struct statistics *)((uint8_t *)statistics + statistics->published);
	fw->fabric.sample = statistics->sample;
	fw->fabric.chain = statistics->sample > 0 ? own->live.chain : NULL;
	f->spare = calloc(f->count, sizeof *f->spare);
	fw->fabric.header = own;
	fw->fabric.config = config;
	for (unsigned i = 0; i < 2; i++)
		fw->fabric.wiring[i] = (struct wiring *)((uint8_t *)config + config->slot[i]);
	fw->fabric.capture = f->own_time = config->clock_mode == CLOCK_CAPTURE;
	return f->spare != NULL;
}

/* A stage that there is one of. False with a line on stderr: it cannot be had, or its id is another's. */
static bool prepare_single(struct forwarder *fw, const struct stage_ops *ops)
{
	char why[SEG_WHY] = "its id is no free one";
	if (ops->id < STAGE_SINGLE || ops->id >= STAGE_IDS || fw->fabric.stage[ops->id] != NULL)
		goto failed;
	struct stage *s = &fw->single[ops->id - STAGE_SINGLE];
	*s = (struct stage){ .ops = ops,
			     .fabric = &fw->fabric,
			     .id = ops->id,
			     .in = &fw->fabric.frames.stats[ops->place],
			     .watched = -1 };
	if (ops->open != NULL && ops->open(s, NULL, 0, why, sizeof why) < 0)
		goto failed;
	fw->fabric.stage[ops->id] = s;
	return true;
failed:
	fprintf(stderr, "coven-forwarder: stage %s: %s\n", ops->name, why);
	return false;
}

static bool prepare_singles(struct forwarder *fw)
{
	bool all = prepare_single(fw, &classifier_stage);
	for (unsigned i = 0; fw->ops[i] != NULL; i++)
		if (fw->ops[i]->id != 0)
			all = prepare_single(fw, fw->ops[i]) && all;
	return all;
}

static bool prepare(struct forwarder *fw)
{
	struct fabric *fabric = &fw->fabric;
	bool again = fabric->header->state != FORWARDER_STARTING;
	fabric->frames.now = fabric->capture ? 0 : clock_ns(CLOCK_MONOTONIC);
	account_start(fw, again);
	fw->orphans = again ? UINT32_MAX : 0;
	fabric->withheld = again;
	for (unsigned n = 0; n < SEG_HOPS; n++)
		fw->hops[n] = (struct stage){ .fabric = fabric, .number = n, .watched = -1 };
	for (unsigned n = 0; n < SEG_PORTS; n++)
		fw->ports[n] = (struct stage){ .fabric = fabric, .number = n, .watched = -1 };
	if (!prepare_singles(fw))
		return false;
	fw->sleep_all = epoll_create1(EPOLL_CLOEXEC);
	fw->sleep_hops = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fw->control };
	epoll_ctl(fw->sleep_all, EPOLL_CTL_ADD, fw->control, &event);
	epoll_ctl(fw->sleep_hops, EPOLL_CTL_ADD, fw->control, &event);
	cell_store(&fabric->header->state, FORWARDER_RUNNING);
	return true;
}

int forwarder_main(int argc, char **argv, const struct stage_ops *const *ops)
{
	static const char usage[] = "usage: coven-forwarder --fds POOL,FORWARDER,CONFIG,STATISTICS,CONTROL\n"
				    "Started by the keeper with these descriptors; not for use by hand.\n";
	int fds[5];
	if (argc != 3 || strcmp(argv[1], "--fds") != 0 ||
	    sscanf(argv[2], "%d,%d,%d,%d,%d", &fds[0], &fds[1], &fds[2], &fds[3], &fds[4]) != 5) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a capture that may not grow further is a failed write */
	give_up_privileges();
	struct forwarder *fw = calloc(1, sizeof *fw);
	char why[SEG_WHY] = "the segment's objects cannot be used";
	if (fw == NULL || !map_segment(fw, fds, why, sizeof why)) {
		fprintf(stderr, "coven-forwarder: %s\n", why);
		return 1;
	}
	fw->control = fds[4];
	fw->ops = ops;
	if (!prepare(fw))
		return 1;
	run(fw);
	watch_close(fw);
	free(fw->fabric.frames.spare);
	free(fw);
	return 0;
}
