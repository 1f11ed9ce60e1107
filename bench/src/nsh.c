/* What taking NSH off and putting it back costs, without ports and VNFCs: bursts through the NSH stage and out by a
 * port, in ns a packet. Frames go round as they do under load, so that the headers saved beside them are not
 * always the same few cache lines. */
#include <stdio.h>
#include "tests/rigs/nsh_bed.h"

enum { ROUNDS = 20000, REPEATS = 9, PAYLOAD = 64 };

static uint64_t round_trip(struct bed *b, const uint32_t *refs, unsigned n)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC);
	stage_hand(&b->fabric, STAGE_NSH, refs, n);
	stage_hand(&b->fabric, STAGE_PORT + 1, b->sink[2].refs, b->sink[2].n);
	return clock_ns(CLOCK_MONOTONIC) - begin;
}

static int by_value(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;
	return a < b ? -1 : a > b;
}

struct figures { /* ns a packet, of REPEATS; the least is what a busy machine disturbs least */
	double median, least;
};

static struct figures measure(struct bed *b, const uint8_t *packet, uint32_t len)
{
	double figures[REPEATS];
	uint32_t queue[1024], head = 0;
	for (uint32_t i = 0; i < 1024; i++)
		queue[i] = bed_arrive(b, packet, len, 0);
	for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
		uint64_t spent = 0;
		for (unsigned i = 0; i < ROUNDS; i++, head = (head + SEG_BURST) % 1024) {
			for (unsigned j = 0; j < SEG_BURST; j++) { /* as it came in, not counted */
				uint32_t ref = queue[head + j];
				struct frame_record *r = &b->fabric.frames.record[ref];
				*r = (struct frame_record){ .data = FRAME_HEADROOM, .len = len };
				b->fabric.frames.priv[ref] = (struct frame_private){ .port = 0 };
				memcpy(frame_bytes(&b->fabric.frames, ref), packet, 64);
				packet_parse(frame_bytes(&b->fabric.frames, ref), len, r);
			}
			spent += round_trip(b, queue + head, SEG_BURST);
			if (b->sink[1].n != SEG_BURST)
				abort();
			b->sink[1].n = b->sink[2].n = 0;
		}
		figures[repeat] = (double)spent / ROUNDS / SEG_BURST;
	}
	for (uint32_t i = 0; i < 1024; i++)
		frame_free(&b->fabric.frames, queue[i]);
	qsort(figures, REPEATS, sizeof *figures, by_value);
	return (struct figures){ figures[REPEATS / 2], figures[0] };
}

static uint32_t make(uint8_t *packet, bool nsh)
{
	static const uint8_t inner[14 + 20 + 8 + PAYLOAD] = { 2,    0,	  0,	0, 0, 2,  2,  0, 0, 0, 0,  1,
							      8,    0,	  0x45, 0, 0, 92, 0,  7, 0, 0, 64, 17,
							      0x66, 0x8a, 10,	0, 0, 1,  10, 0, 0, 2 };
	uint32_t at = 0;
	if (nsh) {
		memcpy(packet, inner, 12);
		store16(packet + 12, ETHER_NSH);
		nsh_put_md1(packet + 14, NSH_TTL_FIRST, NSH_NEXT_ETHERNET, 42u << 8 | 255, NULL);
		at = 14 + NSH_MD1_SIZE;
	}
	memcpy(packet + at, inner, sizeof inner);
	return at + sizeof inner;
}

int main(void)
{
	struct bed *b = bed_new();
	uint8_t packet[256];
	b->wiring.paths = 1;
	b->wiring.path[0].spi_si = 42u << 8;
	struct figures plain = measure(b, packet, make(packet, false)),
		       nsh = measure(b, packet, make(packet, true));
	printf("{\"plain_ns\": %.1f, \"nsh_ns\": %.1f, \"strip_and_restore_ns\": %.1f, \"least_ns\": %.1f}\n",
	       plain.median, nsh.median, nsh.median - plain.median, nsh.least - plain.least);
	bed_free(b);
	return 0;
}
