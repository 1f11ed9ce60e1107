/* Captures: packets that pass certain points, copied for whoever asked. Traces: what becomes of packets that are chosen
 * when they are first seen. Neither waits: what finds no room in a reader's ring is counted and left out. */
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "forwarder.h"
#include "packet.h"
#include "segment_head.h"

enum { LONGEST_UNTAGGED = 9216 };
static const uint64_t NOT_NOW = UINT64_MAX, AHEAD_NS = 1000000000, REST_NS = 10000000;

struct watch { /* what the keeper asked, read once */
	struct watch_header *header;
	size_t size;
	uint8_t *ring;
	uint64_t ring_size, written,
		rung_at; /* `rung_at`: what the reader had taken when it was rung for last */
	int bell;
	uint32_t snap, points;
	uint32_t follow; /* 0: points. Else every so manieth packet */
	uint64_t next;	 /* of them, as frames.numbered counts; NOT_NOW: after a while */
	uint64_t period,
		due; /* ns: each that is followed takes so long of the second that it may be ahead; 0 none */
	uint64_t since, passed; /* the packet after which it had enough; those that it had passed by then */
	bool filtered;
	struct watch_point point[WATCH_POINTS];
	uint32_t at[PLACES]; /* bit per point that may be passed there */
	struct bpf_insn *ethernet, *ip;
	uint32_t ethernet_len, ip_len;
};

struct watches {
	struct watching base;
	struct watch *watch[WATCHES];
};

/* As the classifier does, filters see a packet as if it were untagged. */
static bool matches(const struct watch *w, const struct sight *s)
{
	bool ethernet = s->link == LINK_ETHERNET;
	const struct bpf_insn *program = ethernet ? w->ethernet : w->ip;
	uint8_t untagged[LONGEST_UNTAGGED];
	const uint8_t *data = s->data;
	uint32_t len = s->len, tags = 0;
	if (!w->filtered)
		return true;
	if (program == NULL || s->link == LINK_OTHER || data == NULL)
		return false;
	while (ethernet && tags < 64 && len >= 18 + tags && packet_is_tag(load16(data + 12 + tags)))
		tags += sizeof(struct vlan_header);
	if (tags > 0 && len <= sizeof untagged) {
		memcpy(untagged, data, 12);
		memcpy(untagged + 12, data + 12 + tags, len - 12 - tags);
		data = untagged;
		len -= tags;
	}
	return bpf_filter(program, data, len, len) != 0;
}

static void put(struct watch *w, const struct sight *s, unsigned interface)
{
	struct watch_counts *count = &w->header->count[interface];
	uint32_t snap = s->data == NULL ? 0 : s->len < w->snap ? s->len : w->snap;
	uint32_t note = s->note != NULL ? (uint32_t)strnlen(s->note, FRAME_NOTE - 1) : 0;
	uint32_t size = (uint32_t)(sizeof(struct watch_record) + snap + note + 7) & ~7u;
	uint64_t at = w->written & (w->ring_size - 1), left = w->ring_size - at;
	uint64_t need = size <= left ? size : left + size;
	uint64_t used = w->written - cell_load64(&w->header->read);
	if (used > w->ring_size || need > w->ring_size - used) {
		cell_store64(&count->missed, count->missed + 1);
		return;
	}
	if (size > left) { /* a record is never in two pieces */
		*(uint32_t *)(w->ring + at) = (uint32_t)left | WATCH_END;
		at = 0;
	}
	struct watch_record *r = (struct watch_record *)(w->ring + at);
	*r = (struct watch_record){ .size = size,
				    .packet = s->packet,
				    .time_ns = s->time_ns,
				    .len = s->len,
				    .snap_len = (uint16_t)snap,
				    .place = s->place,
				    .arg = s->arg,
				    .event = s->event,
				    .verdict = s->verdict,
				    .link = s->link,
				    .interface = (uint8_t)interface,
				    .note_len = (uint8_t)note };
	if (s->record != NULL) {
		r->mark = s->record->mark;
		r->taken = s->record->taken;
		r->given = s->record->given;
		memcpy(r->context, s->record->context, sizeof r->context);
	}
	if (snap > 0)
		memcpy(r + 1, s->data, snap);
	if (note > 0)
		memcpy((uint8_t *)(r + 1) + snap, s->note, note);
	w->written += need;
	cell_store64(&w->header->written, w->written);
}

/* One packet passes an interface once, by whichever of its points. */
static void see(struct watch *w, const struct sight *s)
{
	uint32_t interfaces = 0;
	int matched = -1;
	for (uint32_t points = w->at[s->place]; points != 0; points &= points - 1) {
		const struct watch_point *p = &w->point[__builtin_ctz(points)];
		if (!(p->events & 1u << s->event) || (p->arg != WATCH_ANY && p->arg != s->arg) ||
		    interfaces & 1u << p->interface)
			continue;
		interfaces |= 1u << p->interface;
		struct watch_counts *count = &w->header->count[p->interface];
		cell_store64(&count->seen, count->seen + 1);
		if (matched < 0)
			matched = matches(w, s);
		if (matched) {
			cell_store64(&count->matched, count->matched + 1);
			put(w, s, p->interface);
		}
	}
}

/* One more is followed: whether there may be another. */
static void spend(const struct frames *f, struct watch *w)
{
	w->due = (w->due > f->now ? w->due : f->now) + w->period;
	if (w->due + w->period <= f->now + AHEAD_NS)
		return;
	w->next = NOT_NOW;
	w->since = f->numbered;
}

static uint64_t passed(const struct frames *f, const struct watch *w)
{
	return w->passed + (f->numbered - w->since) / w->follow;
}

/* A trace: whether this packet is one of those, and what it meets if it is. */
static void follow(struct frames *f, struct watch *w, unsigned number, const struct sight *s)
{
	struct watch_counts *count = &w->header->count[0];
	uint8_t bit = (uint8_t)(1u << number);
	if (s->first) {
		*s->followed &= (uint8_t)~bit;
		if (f->numbered < w->next)
			return;
		w->next = f->numbered + w->follow;
		cell_store64(&count->seen, count->seen + 1);
		if (!matches(w, s))
			return;
		cell_store64(&count->matched, count->matched + 1);
		if (w->period > 0)
			spend(f, w);
		*s->followed |= bit;
	}
	if (*s->followed & bit)
		put(w, s, 0);
}

/* When the next packet is chosen by whom. */
static void choose(struct watches *all)
{
	all->base.choose = UINT64_MAX;
	for (unsigned i = 0; i < WATCHES; i++)
		if (all->watch[i] != NULL && all->watch[i]->follow != 0 &&
		    all->watch[i]->next < all->base.choose)
			all->base.choose = all->watch[i]->next;
}

static void tell(struct frames *f, const struct sight *s)
{
	struct watches *all = (struct watches *)f->watching;
	for (unsigned i = 0; i < WATCHES && s->place < PLACES; i++) {
		struct watch *w = all->watch[i];
		if (w != NULL && w->follow != 0)
			follow(f, w, i, s);
		else if (w != NULL)
			see(w, s);
	}
	if (s->first)
		choose(all);
}

static struct bpf_insn *program(const struct bpf_insn_cell *cells, uint32_t count)
{
	if (count == 0 || count > WATCH_INSNS)
		return NULL;
	struct bpf_insn *copy = malloc(count * sizeof *copy);
	for (uint32_t i = 0; copy != NULL && i < count; i++)
		copy[i] = (struct bpf_insn){ cells[i].code, cells[i].jt, cells[i].jf, cells[i].k };
	if (copy != NULL && !bpf_validate(copy, (int)count)) {
		free(copy);
		return NULL;
	}
	return copy;
}

static void close_one(struct watch *w)
{
	if (w == NULL)
		return;
	munmap(w->header, w->size);
	close(w->bell);
	free(w->ethernet);
	free(w->ip);
	free(w);
}

/* NULL: what is mapped there is no watch object. */
static struct watch *read_object(struct watch_header *h, size_t size)
{
	char why[SEG_WHY];
	uint64_t ring = h->ring_size;
	if (!segment_is_known(&h->magic, why, sizeof why) || ring < 4096 || (ring & (ring - 1)) ||
	    ring > size || h->ring > size - ring || h->points > WATCH_POINTS ||
	    h->interfaces > WATCH_INTERFACES)
		return NULL;
	struct watch *w = calloc(1, sizeof *w);
	if (w == NULL)
		return NULL;
	w->header = h;
	w->size = size;
	w->ring = (uint8_t *)h + h->ring;
	w->ring_size = ring;
	w->written = h->written; /* not zero after a forwarder's restart */
	w->rung_at = UINT64_MAX;
	w->snap = h->snap <= UINT16_MAX ? h->snap : UINT16_MAX;
	w->points = h->points;
	w->follow = h->follow;
	w->period = h->most > 0 ? AHEAD_NS / h->most : 0;
	w->passed = h->count[0].passed;
	w->filtered = h->filtered != 0;
	w->ethernet = program(h->ethernet, h->ethernet_len);
	w->ip = program(h->ip, h->ip_len);
	for (unsigned i = 0; i < w->points; i++) {
		w->point[i] = h->point[i];
		if (w->point[i].interface >= h->interfaces)
			continue;
		for (unsigned place = 0; place < PLACES; place++)
			if (w->point[i].place == WATCH_ANY || w->point[i].place == place)
				w->at[place] |= 1u << i;
	}
	return w;
}

static struct watch *open_one(int fd)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || (size_t)status.st_size < sizeof(struct watch_header))
		return NULL;
	size_t size = (size_t)status.st_size;
	struct watch_header *h = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h == MAP_FAILED)
		return NULL;
	struct watch *w = read_object(h, size);
	if (w == NULL)
		munmap(h, size);
	return w;
}

static void count_again(struct frames *f, struct watches *all)
{
	unsigned count = 0;
	all->base.events = 0;
	for (unsigned i = 0; i < WATCHES; i++) {
		count += all->watch[i] != NULL;
		for (unsigned p = 0;
		     all->watch[i] != NULL && all->watch[i]->follow == 0 && p < all->watch[i]->points; p++)
			all->base.events |= all->watch[i]->point[p].events;
	}
	choose(all);
	f->watching = count > 0 ? &all->base : NULL;
}

void watch_take_up(struct forwarder *fw, unsigned index, const int *fds, unsigned count)
{
	struct frames *f = &fw->fabric.frames;
	if (fw->watches == NULL)
		fw->watches = calloc(1, sizeof *fw->watches);
	struct watch *w = count == 2 && index < WATCHES && fw->watches != NULL ? open_one(fds[0]) : NULL;
	for (unsigned i = 0; i < count; i++)
		if (w == NULL || i != 1)
			close(fds[i]);
	if (fw->watches == NULL || index >= WATCHES)
		return;
	fw->watches->base.tell = tell;
	if (w != NULL)
		w->bell = fds[1];
	close_one(fw->watches->watch[index]);
	fw->watches->watch[index] = w;
	/* what another one followed under this number, or anybody before nobody watched */
	const uint8_t others = f->watching == NULL ? 0 : (uint8_t) ~(1u << index);
	fw->watches->base.live = 0;
	for (uint32_t i = 0; i < f->count; i++) {
		struct frame_private *p = &f->priv[i];
		p->followed &= others;
		p->live = p->live && p->followed != 0;
		fw->watches->base.live += p->live;
	}
	count_again(f, fw->watches);
}

/* Before packets are taken: traces that had had enough look at some again. */
void watch_rested(struct forwarder *fw)
{
	const struct frames *f = &fw->fabric.frames;
	for (unsigned i = 0; i < WATCHES; i++) {
		struct watch *w = fw->watches->watch[i];
		uint64_t rest = w == NULL || w->period > REST_NS ? 0 : REST_NS;
		if (w == NULL || w->next != NOT_NOW || w->due + w->period + rest > f->now + AHEAD_NS)
			continue;
		w->passed = passed(f, w);
		w->next = f->numbered + 1;
		choose(fw->watches);
	}
}

/* Once a turn: readers look by themselves from time to time, and are rung only when half of their room is used. */
void watch_ring(struct forwarder *fw)
{
	static const uint64_t one = 1;
	if (fw->fabric.frames.watching == NULL)
		return;
	for (unsigned i = 0; i < WATCHES; i++) {
		struct watch *w = fw->watches->watch[i];
		if (w == NULL)
			continue;
		if (w->next == NOT_NOW)
			cell_store64(&w->header->count[0].passed, passed(&fw->fabric.frames, w));
		uint64_t read = cell_load64(&w->header->read);
		if (w->written - read < w->ring_size / 2 || w->rung_at == read)
			continue;
		w->rung_at = read;
		if (write(w->bell, &one, sizeof one) < 0)
			continue; /* it has been heard already */
	}
}

void watch_close(struct forwarder *fw)
{
	for (unsigned i = 0; fw->watches != NULL && i < WATCHES; i++)
		close_one(fw->watches->watch[i]);
	free(fw->watches);
	fw->watches = NULL;
}
