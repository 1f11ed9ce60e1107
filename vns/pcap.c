/* Captures as a port: what one holds arrives, what leaves is written to another. No root, no NIC.
 *
 * Descriptors: a capture opened for reading, one opened for writing, or both in any order; each says
 * itself which it is. A port that reads nothing brings nothing in; one that writes nothing sends what
 * leaves by it nowhere, which counts as forwarded.
 *
 * parameter[0]: 1 + enum link_type of the capture that it reads, 0 if it reads none.
 *
 * Time is the capture's (never backwards: a packet dated before its predecessor comes in with its
 * predecessor's time), what leaves is dated with the clock at which it left. Checksums stay as they are.
 * A written capture has the link type of the first other port that reads one, else of its own port's:
 * Ethernet, or raw IP where raw, cooked or BSD null captures are read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "itf/packet.h"
#include "itf/stage.h"
#include "vns/pcap.h"

/* What the port knows again after a forwarder's restart, in forwarder.memory[port]. */
enum memory_word {
	WORD_GENERATION, /* of the port that the other words are about */
	WORD_TAKEN,	 /* packets taken from the capture that is read */
	WORD_WRITTEN,	 /* bytes of the one that is written */
	WORD_BROKE_OFF,	 /* 1: the capture that is read ended before its end. The keeper reads it */
};

struct pcap_port {
	struct capture_reader reader;
	struct capture_writer writer; /* .fd -1: what leaves goes nowhere */
	bool error_said;
	uint64_t to_wall; /* live: what makes the capture's time out of the monotonic one */
};

static uint64_t *memory_of(const struct stage *s)
{
	return s->fabric->header->memory[s->number].word;
}

static const struct port_wiring *wired(const struct stage *s)
{
	return &s->fabric->wiring[s->fabric->epoch & 1]->port[s->number];
}

static void complain(const struct stage *s, const char *what, const char *why)
{
	fprintf(stderr, "port %.*s: %s: %s\n", SEG_NAME, wired(s)->name, what, why);
}

/* The link type of what this port writes. */
static uint8_t written_link(const struct stage *s)
{
	const struct wiring *w = s->fabric->wiring[s->fabric->epoch & 1];
	uint32_t reads = 0;
	for (unsigned n = 0; n < SEG_PORTS && reads == 0; n++)
		if (n != s->number && w->port[n].kind == PORT_PCAP)
			reads = w->port[n].parameter[0];
	if (reads == 0)
		reads = wired(s)->parameter[0];
	return reads == 1 + LINK_IP ? LINK_IP : LINK_ETHERNET;
}

static void pcap_close_port(struct stage *s);

static int open_one(struct stage *s, int fd, char *why, size_t why_size)
{
	struct pcap_port *p = s->self;
	uint64_t *memory = memory_of(s);
	int flags = fcntl(fd, F_GETFL);
	int mode = flags < 0 ? -1 : flags & O_ACCMODE;
	if (mode == O_RDONLY && !p->reader.open) {
		if (reader_open(&p->reader, fd, why, why_size) < 0)
			return -1;
		for (uint64_t i = 0; i < memory[WORD_TAKEN] && reader_peek(&p->reader); i++)
			reader_next(&p->reader);
		return 0;
	}
	if (mode == O_WRONLY && p->writer.fd < 0)
		return writer_open(&p->writer, fd, memory[WORD_WRITTEN], written_link(s), why, why_size);
	snprintf(why, why_size, "a pcap port has one capture opened for reading and one for writing at most");
	close(fd);
	return -1;
}

static int pcap_open_port(struct stage *s, const int *fds, unsigned count, char *why, size_t why_size)
{
	struct pcap_port *p = calloc(1, sizeof *p);
	uint64_t *memory = memory_of(s), generation = wired(s)->generation;
	if (p == NULL) {
		snprintf(why, why_size, "out of memory");
		for (unsigned i = 0; i < count; i++)
			close(fds[i]);
		return -1;
	}
	p->writer = (struct capture_writer){ .fd = -1 };
	p->to_wall = s->fabric->capture ? 0 : clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	s->self = p;
	if (memory[WORD_GENERATION] != generation)
		memset(memory, 0, sizeof(struct port_memory));
	memory[WORD_GENERATION] = generation;
	for (unsigned i = 0; i < count; i++) {
		if (open_one(s, fds[i], why, why_size) == 0)
			continue;
		while (++i < count)
			close(fds[i]);
		pcap_close_port(s);
		return -1;
	}
	return 0;
}

/* ---- arriving -------------------------------------------------------------------------------- */

static void fill(struct stage *s, uint32_t ref, const struct captured *c)
{
	struct fabric *fabric = s->fabric;
	struct frames *f = &fabric->frames;
	struct frame_record *r = &f->record[ref];
	const struct pcap_port *p = s->self;
	uint64_t time_ns = fabric->capture ? c->time_ns : f->now;
	if (time_ns > f->now) /* the forwarder's time is that of the latest packet that was read */
		f->now = time_ns;
	*r = (struct frame_record){ .data = FRAME_HEADROOM,
				    .len = c->len,
				    .link = p->reader.link,
				    .verdict = VERDICT_NONE,
				    .port = (uint8_t)s->number,
				    .l3 = OFFSET_NONE,
				    .l4 = OFFSET_NONE,
				    .time_ns = time_ns };
	f->priv[ref] = (struct frame_private){ .time_ns = time_ns,
					       .epoch = (uint16_t)fabric->epoch,
					       .port = (uint8_t)s->number,
					       .link = p->reader.link };
	memcpy(frame_bytes(f, ref), c->data, c->len);
	packet_parse(frame_bytes(f, ref), c->len, r);
}

enum brought { BROUGHT_NOTHING, BROUGHT_DROP, BROUGHT_FRAME };

/* Bring the next packet in if it is due. Without a free frame it stays in the capture: nobody overruns. */
static enum brought bring(struct stage *s, uint64_t until, uint32_t *ref)
{
	struct pcap_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	const struct captured *c = reader_peek(&p->reader);
	if (c == NULL || c->time_ns > until)
		return BROUGHT_NOTHING;
	int reason = c->reason;
	if (reason < 0 && c->len > f->frame_size - FRAME_HEADROOM - FRAME_TAILROOM)
		reason = REASON_oversize;
	if (reason < 0 && frames_take(f, ref, 1, (uint16_t)(OWNER_ARRIVING + s->number)) == 0)
		return BROUGHT_NOTHING;
	s->in->received++;
	s->in->bytes_in += c->wire_len;
	memory_of(s)[WORD_TAKEN]++;
	if (s->fabric->capture && c->time_ns > f->now)
		f->now = c->time_ns; /* no hop's clock is ever ahead of what was read */
	if (reason < 0) {
		fill(s, *ref, c);
		if (TRACED(f)) /* numbered as in the capture, also between packets that cannot come in */
			trace_arrived(f, *ref);
	} else {
		s->in->dropped[reason]++;
		if (TRACED(f))
			trace_refused(f, PLACE_ARRIVING + s->number, (unsigned)reason, c->time_ns, c->data,
				      c->len, p->reader.link);
	}
	if (p->reader.error[0] && !p->error_said) {
		complain(s, "the capture breaks off, the rest of it is lost", p->reader.error);
		memory_of(s)[WORD_BROKE_OFF] = 1;
		p->error_said = true;
	}
	reader_next(&p->reader);
	return reason < 0 ? BROUGHT_FRAME : BROUGHT_DROP;
}

static unsigned pcap_poll(struct stage *s, unsigned budget)
{
	struct fabric *fabric = s->fabric;
	uint64_t until = fabric->capture ? fabric->capture_until : UINT64_MAX;
	uint32_t refs[SEG_BURST];
	unsigned moved = 0, n = 0;
	enum brought got = BROUGHT_DROP;
	while (moved < budget && got != BROUGHT_NOTHING) {
		got = bring(s, until, &refs[n]);
		moved += got != BROUGHT_NOTHING;
		n += got == BROUGHT_FRAME;
		if (n == SEG_BURST || (n > 0 && (got == BROUGHT_NOTHING || moved == budget))) {
			s->in->forwarded += n;
			sizes_add(&s->in->bursts, n);
			stage_hand(fabric, (uint16_t)wired(s)->enter, refs, n);
			n = 0;
		}
	}
	return moved;
}

static uint64_t pcap_deadline(struct stage *s)
{
	struct pcap_port *p = s->self;
	const struct captured *c = reader_peek(&p->reader);
	if (c == NULL)
		return UINT64_MAX;
	return s->fabric->capture ? c->time_ns : s->fabric->frames.now;
}

/* ---- leaving --------------------------------------------------------------------------------- */

/* What of a burst can be written: bounds are read once, since VNFCs can write to records at any time. */
static unsigned writable(struct stage *s, const uint32_t *refs, unsigned n, struct leaving *packets,
			 uint32_t *keep)
{
	struct pcap_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	unsigned kept = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct frame_record *r = &f->record[refs[i]];
		const struct frame_private *priv = &f->priv[refs[i]];
		uint32_t data = cell_load(&r->data), len = cell_load(&r->len);
		uint64_t left = s->fabric->capture || priv->time_ns > f->now ? priv->time_ns : f->now;
		if (data > f->frame_size || len > f->frame_size - data) {
			frame_drop(f, refs[i], PLACE_LEAVING + s->number, REASON_oversize);
		} else if (priv->link != p->writer.link) {
			frame_drop(f, refs[i], PLACE_LEAVING + s->number, REASON_link_type);
		} else {
			packets[kept] =
				(struct leaving){ frame_start(f, refs[i]) + data, len, left + p->to_wall };
			keep[kept++] = refs[i];
		}
	}
	return kept;
}

static void sent(struct stage *s, const uint32_t *refs, unsigned n, uint64_t bytes)
{
	s->out->forwarded += n;
	s->out->bytes_out += bytes;
	for (unsigned i = 0; i < n; i++)
		frame_free(&s->fabric->frames, refs[i]);
}

static void pcap_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct pcap_port *p = s->self;
	struct frames *f = &s->fabric->frames;
	struct leaving packets[SEG_BURST];
	uint32_t keep[SEG_BURST];
	uint64_t bytes = 0;
	s->out->received += n;
	sizes_add(&s->out->bursts, n);
	if (p->writer.fd < 0) {
		for (unsigned i = 0; i < n; i++)
			bytes += f->record[refs[i]].len;
		sent(s, refs, n, bytes);
		return;
	}
	unsigned kept = writable(s, refs, n, packets, keep);
	bool was_well = p->writer.error == 0;
	unsigned wrote = writer_write(&p->writer, packets, kept);
	for (unsigned i = 0; i < wrote; i++)
		bytes += packets[i].len;
	sent(s, keep, wrote, bytes);
	frames_drop(f, keep + wrote, kept - wrote, PLACE_LEAVING + s->number, REASON_closed);
	if (was_well && p->writer.error)
		complain(s, "the capture can no longer be written", strerror(p->writer.error));
	memory_of(s)[WORD_WRITTEN] = p->writer.offset;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Only a mixture of captures and interfaces sleeps with packets left to read. */
static int pcap_arm(struct stage *s, bool *ready)
{
	struct pcap_port *p = s->self;
	if (!s->fabric->capture && reader_peek(&p->reader))
		*ready = true;
	return -1;
}

static void pcap_close_port(struct stage *s)
{
	struct pcap_port *p = s->self;
	if (p == NULL)
		return;
	writer_close(&p->writer);
	reader_close(&p->reader);
	free(p);
	s->self = NULL;
}

const struct stage_ops pcap_stage = {
	.name = "pcap",
	.port = PORT_PCAP,
	.open = pcap_open_port,
	.poll = pcap_poll,
	.take = pcap_take,
	.arm = pcap_arm,
	.deadline = pcap_deadline,
	.close = pcap_close_port,
};
