/* See pcapng.h. Blocks are in the machine's byte order, which the section's head tells. */
#include <string.h>
#include "agents/capture/pcapng.h"

enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, STATISTICS = 5, PACKET = 6 };
enum { COMMENT = 1, APPLICATION = 4 };
enum { NAME = 2, RESOLUTION = 9, FILTER = 11 };
enum { FLAGS = 2, PACKET_ID = 5 };
enum { BEGUN = 2, ENDED = 3, RECEIVED = 4, DROPPED = 5, ACCEPTED = 6, DELIVERED = 8 };
enum {
	NANOSECONDS = 9,
	MOST_OPTION = 4096,
	OTHERS = 512 + MOST_OPTION + 512
}; /* OTHERS: what a packet's block has beside data and comments, and an interface's with its filter */
_Static_assert(OTHERS + 2 * PCAPNG_COMMENT + 65536 <= PCAPNG_ROOM, "the largest packet has room");

static void raw(struct pcapng_out *out, const void *bytes, size_t len)
{
	if (out->full || len > PCAPNG_ROOM - out->used) {
		out->full = true;
		return;
	}
	memcpy(out->bytes + out->used, bytes, len);
	out->used += len;
}

static void pad(struct pcapng_out *out)
{
	static const uint8_t zeros[4];
	raw(out, zeros, (4 - out->used % 4) % 4);
}

static void u16(struct pcapng_out *out, uint16_t value)
{
	raw(out, &value, sizeof value);
}

static void u32(struct pcapng_out *out, uint32_t value)
{
	raw(out, &value, sizeof value);
}

/* Timestamps are stored high half first, whatever the byte order. */
static void time64(struct pcapng_out *out, uint64_t value)
{
	u32(out, (uint32_t)(value >> 32));
	u32(out, (uint32_t)value);
}

static size_t block(struct pcapng_out *out, uint32_t type)
{
	size_t at = out->used;
	u32(out, type);
	u32(out, 0);
	return at;
}

static void end(struct pcapng_out *out, size_t at)
{
	uint32_t len = (uint32_t)(out->used + 4 - at);
	u32(out, len);
	if (out->full) {
		out->used = at;
		out->full = false;
		return;
	}
	memcpy(out->bytes + at + 4, &len, sizeof len);
}

static void option(struct pcapng_out *out, uint16_t code, const void *value, size_t len)
{
	u16(out, code);
	u16(out, (uint16_t)len);
	raw(out, value, len);
	pad(out);
}

static void text(struct pcapng_out *out, uint16_t code, const char *value)
{
	size_t len = value != NULL ? strnlen(value, MOST_OPTION) : 0;
	if (len > 0)
		option(out, code, value, len);
}

static void figure(struct pcapng_out *out, uint16_t code, uint64_t value)
{
	option(out, code, &value, sizeof value);
}

bool pcapng_has_room(const struct pcapng_out *out, uint32_t captured)
{
	return PCAPNG_ROOM - out->used >= (size_t)captured + 2 * PCAPNG_COMMENT + OTHERS;
}

void pcapng_begin(struct pcapng_out *out, const char *application)
{
	static const int64_t unknown = -1;
	size_t at = block(out, SECTION);
	u32(out, 0x1a2b3c4d);
	u16(out, 1);
	u16(out, 0);
	raw(out, &unknown, sizeof unknown);
	text(out, APPLICATION, application);
	u32(out, 0);
	end(out, at);
}

uint32_t pcapng_interface(struct pcapng_out *out, uint16_t dlt, uint32_t snaplen, const char *name,
			  const char *filter)
{
	static const uint8_t resolution = NANOSECONDS;
	uint8_t kind[1 + MOST_OPTION] = { 0 }; /* 0: the text of a filter of libpcap's */
	size_t at = block(out, INTERFACE), len = filter != NULL ? strnlen(filter, MOST_OPTION) : 0;
	u16(out, dlt);
	u16(out, 0);
	u32(out, snaplen);
	text(out, NAME, name);
	option(out, RESOLUTION, &resolution, 1);
	if (len > 0) {
		memcpy(kind + 1, filter, len);
		option(out, FILTER, kind, 1 + len);
	}
	u32(out, 0);
	end(out, at);
	return out->interfaces++;
}

void pcapng_packet(struct pcapng_out *out, const struct pcapng_seen *seen)
{
	size_t at = block(out, PACKET);
	u32(out, seen->interface);
	time64(out, seen->time_ns);
	u32(out, seen->captured);
	u32(out, seen->len);
	raw(out, seen->data, seen->captured);
	pad(out);
	for (unsigned i = 0; i < 2; i++)
		text(out, COMMENT, seen->comment[i]);
	if (seen->direction != 0)
		option(out, FLAGS, &seen->direction, sizeof seen->direction);
	figure(out, PACKET_ID, seen->id);
	u32(out, 0);
	end(out, at);
}

void pcapng_statistics(struct pcapng_out *out, uint32_t interface, const struct pcapng_figures *f)
{
	size_t at = block(out, STATISTICS);
	u32(out, interface);
	time64(out, f->now_ns);
	u16(out, BEGUN);
	u16(out, 8);
	time64(out, f->begun_ns);
	u16(out, ENDED);
	u16(out, 8);
	time64(out, f->now_ns);
	figure(out, RECEIVED, f->received);
	figure(out, DROPPED, f->missed);
	figure(out, ACCEPTED, f->accepted);
	figure(out, DELIVERED, f->delivered);
	u32(out, 0);
	end(out, at);
}
