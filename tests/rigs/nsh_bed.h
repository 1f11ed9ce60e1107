/* A bed for the NSH processor without a forwarder around it: frames, one wiring, two ports and a classifier that
 * only keep what they are handed. For the fuzz target and the micro-benchmark. */
#ifndef TESTS_NSH_BED_H
#define TESTS_NSH_BED_H
#include <stdlib.h>
#include "nshp/nshp.h"

enum { BED_FRAMES = 1024, BED_FRAME = 2048 };

struct bed_sink { /* what a stage was handed last */
	uint32_t refs[SEG_BURST];
	unsigned n;
};

struct bed {
	struct fabric fabric;
	struct wiring wiring;
	struct stage port[2], classifier, nsh;
	struct place_stats stats[PLACES];
	struct bed_sink sink[3]; /* ports 0 and 1, classifier */
};

static void bed_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct bed_sink *sink = s->self;
	for (unsigned i = 0; i < n; i++)
		sink->refs[sink->n++] = refs[i];
}

static const struct stage_ops bed_sink_ops = { .name = "sink", .take = bed_take };

static struct bed *bed_new(void)
{
	struct bed *b = calloc(1, sizeof *b);
	struct frames *f = &b->fabric.frames;
	char why[64];
	f->count = BED_FRAMES;
	f->frame_size = BED_FRAME;
	f->frame_shift = (uint32_t)__builtin_ctz(BED_FRAME);
	f->data = aligned_alloc(4096, (size_t)BED_FRAMES * BED_FRAME);
	f->record = calloc(BED_FRAMES, sizeof *f->record);
	f->priv = calloc(BED_FRAMES, sizeof *f->priv);
	f->saved = calloc(BED_FRAMES, sizeof *f->saved);
	f->owner = calloc(BED_FRAMES, sizeof *f->owner);
	f->nsh = calloc(BED_FRAMES, FRAME_NSH_AREA);
	f->spare = calloc(BED_FRAMES, sizeof *f->spare);
	f->stats = b->stats;
	for (uint32_t i = BED_FRAMES; i-- > 0;)
		f->spare[f->spares++] = i;
	memset(f->data, 0, (size_t)BED_FRAMES * BED_FRAME);
	b->fabric.wiring[0] = b->fabric.wiring[1] = &b->wiring;
	b->fabric.header = calloc(1, sizeof *b->fabric.header);
	b->nsh = (struct stage){ .ops = &nsh_stage, .fabric = &b->fabric, .in = &b->stats[PLACE_NSH] };
	nsh_stage.open(&b->nsh, NULL, 0, why, sizeof why);
	b->fabric.stage[STAGE_NSH] = &b->nsh;
	b->classifier = (struct stage){ .ops = &bed_sink_ops, .fabric = &b->fabric, .self = &b->sink[2] };
	b->fabric.stage[STAGE_CLASSIFIER] = &b->classifier;
	struct wiring *w = &b->wiring;
	w->ports = w->graphs = 2;
	memset(w->graph_of, 0xff, sizeof w->graph_of);
	for (unsigned n = 0; n < 2; n++) {
		b->port[n] = (struct stage){ .ops = &bed_sink_ops,
					     .fabric = &b->fabric,
					     .number = (uint16_t)n,
					     .tapped = true,
					     .self = &b->sink[n] };
		b->fabric.stage[STAGE_PORT + n] = &b->port[n];
		w->port[n] = (struct port_wiring){ .kind = PORT_AF_XDP,
						   .mtu = 1500,
						   .has_mac = 1,
						   .mac = { 2, 0, 0, 0, 0, (uint8_t)(16 + n) } };
		w->nsh_port[n].flags = NSH_PORT_ON;
		w->graph_of[0][n] = (uint8_t)n;
		w->first[n] = STAGE_CLASSIFIER; /* stands for the first VNFC */
		w->graph_exit[n] = (uint16_t)(STAGE_PORT + 1 - n);
	}
	return b;
}

static void bed_free(struct bed *b)
{
	struct frames *f = &b->fabric.frames;
	nsh_stage.close(&b->nsh);
	void *all[] = { f->data, f->record, f->priv, f->saved, f->owner, f->nsh, f->spare, b->fabric.header };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	free(b);
}

/* A packet as a live port would bring it in, not handed on yet. */
static uint32_t bed_arrive(struct bed *b, const uint8_t *bytes, uint32_t len, unsigned port)
{
	struct frames *f = &b->fabric.frames;
	uint32_t ref = 0;
	frames_take(f, &ref, 1, (uint16_t)(OWNER_ARRIVING + port));
	f->record[ref] = (struct frame_record){ .data = FRAME_HEADROOM, .len = len, .port = (uint8_t)port };
	f->priv[ref] = (struct frame_private){ .port = (uint8_t)port };
	memcpy(frame_bytes(f, ref), bytes, len);
	packet_parse(frame_bytes(f, ref), len, &f->record[ref]);
	return ref;
}
#endif
