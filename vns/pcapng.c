/* See pcapng.h. Everything in the file is somebody else's: every length is held against the block that it stands in. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include "vns/pcapng.h"

enum {
	SECTION = 0x0a0d0d0a,
	INTERFACE = 1,
	OLD_PACKET = 2,
	SIMPLE_PACKET = 3,
	PACKET = 6,
	MAGIC = 0x1a2b3c4d,
	OPTION_END = 0,
	OPTION_RESOLUTION = 9,
	OPTION_OFFSET = 14,
};
enum { HEAD = 8, TAIL = 4, MOST_BLOCK = 64 << 20, MOST_INTERFACES = 1 << 16 };
static const uint64_t LATEST_S = 18000000000; /* above it nanoseconds no longer fit 64 bits */

static uint32_t u32(const struct pcapng *ng, const uint8_t *p)
{
	uint32_t big = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return ng->big ? big : __builtin_bswap32(big);
}

static uint16_t u16(const struct pcapng *ng, const uint8_t *p)
{
	return ng->big ? (uint16_t)(p[0] << 8 | p[1]) : (uint16_t)(p[1] << 8 | p[0]);
}

bool pcapng_is(FILE *file)
{
	uint8_t head[4] = { 0 };
	bool is = fread(head, 1, sizeof head, file) == sizeof head && memcmp(head, "\n\r\r\n", 4) == 0;
	rewind(file);
	return is;
}

void pcapng_open(struct pcapng *ng, FILE *file)
{
	*ng = (struct pcapng){ .file = file };
}

void pcapng_close(struct pcapng *ng)
{
	if (ng->file != NULL)
		fclose(ng->file);
	free(ng->block);
	free(ng->interfaces);
	*ng = (struct pcapng){ 0 };
}

static int broken(char *why, size_t why_size, const char *what)
{
	snprintf(why, why_size, "%s", what);
	return -1;
}

/* Read one block: its type, and its body in ng->block. 1, 0 at the end of the file, -1. */
static int read_block(struct pcapng *ng, uint32_t *type, uint32_t *len, char *why, size_t why_size)
{
	uint8_t head[HEAD + 4];
	size_t got = fread(head, 1, HEAD, ng->file);
	if (got == 0 && feof(ng->file))
		return 0;
	if (got < HEAD)
		return broken(why, why_size, "the file is cut short in a block's head");
	size_t body = 0;
	*type = u32(ng, head);
	if (memcmp(head, "\n\r\r\n", 4) == 0) { /* its own magic says in which order its length is */
		*type = SECTION;
		body = fread(head + HEAD, 1, 4, ng->file);
		ng->big = true;
		ng->big = u32(ng, head + HEAD) == MAGIC;
		if (body < 4 || (!ng->big && u32(ng, head + HEAD) != MAGIC))
			return broken(why, why_size, "a section without a byte order");
	}
	uint32_t total = u32(ng, head + 4);
	if (total < HEAD + body + TAIL || total % 4 != 0 || total > MOST_BLOCK)
		return broken(why, why_size, "a block of a length that cannot be");
	*len = total - HEAD - TAIL;
	if (*len + TAIL > ng->room) {
		uint8_t *more = realloc(ng->block, *len + TAIL);
		if (more == NULL)
			return broken(why, why_size, "no memory for a block");
		ng->block = more;
		ng->room = *len + TAIL;
	}
	memcpy(ng->block, head + HEAD, body);
	if (fread(ng->block + body, 1, *len + TAIL - body, ng->file) < *len + TAIL - body)
		return broken(why, why_size, "the file is cut short in a block");
	if (u32(ng, ng->block + *len) != total)
		return broken(why, why_size, "a block whose two lengths differ");
	return 1;
}

/* How many ticks a second has: if_tsresol, a power of ten or, with its highest bit, of two. */
static uint64_t ticks(uint8_t resolution)
{
	uint64_t ticks = 1;
	unsigned power = resolution & 0x7f;
	if (resolution & 0x80)
		return power < 64 ? 1ull << power : 0;
	for (unsigned i = 0; i < power && ticks != 0; i++)
		if (__builtin_mul_overflow(ticks, 10, &ticks))
			ticks = 0;
	return ticks;
}

static int describe(struct pcapng *ng, uint32_t len, char *why, size_t why_size)
{
	if (len < 8)
		return broken(why, why_size, "an interface that is not described");
	if (ng->count == ng->allocated) {
		uint32_t want = ng->allocated ? 2 * ng->allocated : 8;
		struct pcapng_interface *more =
			want > MOST_INTERFACES ? NULL : realloc(ng->interfaces, want * sizeof *more);
		if (more == NULL)
			return broken(why, why_size, "more interfaces than there is memory for");
		ng->interfaces = more;
		ng->allocated = want;
	}
	struct pcapng_interface i = { u16(ng, ng->block), u32(ng, ng->block + 4), 1000000, 0 };
	for (uint32_t at = 8; at + 4 <= len;) {
		uint16_t code = u16(ng, ng->block + at), size = u16(ng, ng->block + at + 2);
		const uint8_t *value = ng->block + at + 4;
		if (code == OPTION_END || size > len - at - 4)
			break;
		if (code == OPTION_RESOLUTION && size == 1)
			i.per_second = ticks(value[0]);
		if (code == OPTION_OFFSET && size == 8)
			i.offset_s = (int64_t)((uint64_t)u32(ng, value + (ng->big ? 0 : 4)) << 32 |
					       u32(ng, value + (ng->big ? 4 : 0)));
		at += 4 + ((uint32_t)size + 3) / 4 * 4;
	}
	if (i.per_second == 0)
		return broken(why, why_size, "an interface with a clock finer than 64 bits can count");
	ng->interfaces[ng->count++] = i;
	return 1;
}

static uint64_t time_of(const struct pcapng_interface *i, uint32_t high, uint32_t low)
{
	uint64_t ticks = (uint64_t)high << 32 | low;
	uint64_t rest = (uint64_t)((unsigned __int128)(ticks % i->per_second) * 1000000000 / i->per_second);
	__int128 seconds = (__int128)(ticks / i->per_second) + i->offset_s;
	if (seconds < 0)
		return 0;
	return (uint64_t)(seconds > LATEST_S ? LATEST_S : seconds) * 1000000000 + rest;
}

/* A packet block of any kind: `fixed` bytes stand before its data. */
static int packet_of(struct pcapng *ng, uint32_t type, uint32_t len, struct pcapng_packet *p, char *why,
		     size_t why_size)
{
	uint32_t fixed = type == SIMPLE_PACKET ? 4 : 20, number = 0;
	const uint8_t *b = ng->block;
	if (len < fixed)
		return broken(why, why_size, "a packet block that is too short");
	if (type != SIMPLE_PACKET)
		number = type == PACKET ? u32(ng, b) : u16(ng, b);
	if (number >= ng->count)
		return broken(why, why_size, "a packet of an interface that is not described");
	const struct pcapng_interface *i = &ng->interfaces[number];
	p->dlt = i->dlt;
	p->data = b + fixed;
	if (type == SIMPLE_PACKET) {
		p->wire_len = u32(ng, b);
		p->len = i->snaplen && i->snaplen < p->wire_len ? i->snaplen : p->wire_len;
	} else {
		p->len = u32(ng, b + 12);
		p->wire_len = u32(ng, b + 16);
		ng->last_ns = time_of(i, u32(ng, b + 4), u32(ng, b + 8));
	}
	p->time_ns = ng->last_ns; /* a simple packet has no time: that of the one before */
	if (p->len > len - fixed)
		return broken(why, why_size, "a packet that reaches beyond its block");
	if (p->wire_len < p->len)
		p->wire_len = p->len;
	return 1;
}

int pcapng_next(struct pcapng *ng, struct pcapng_packet *packet, char *why, size_t why_size)
{
	uint32_t type, len;
	for (;;) {
		int got = read_block(ng, &type, &len, why, why_size);
		if (got <= 0)
			return got;
		if (type == PACKET || type == SIMPLE_PACKET || type == OLD_PACKET)
			return packet_of(ng, type, len, packet, why, why_size);
		if (type == SECTION)
			ng->count = 0;
		else if (type == INTERFACE && describe(ng, len, why, why_size) < 0)
			return -1;
	}
}
