/* Reading pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces each with a link type, a length
 * and a clock of its own. libpcap refuses files whose interfaces differ in any of these, as mergecap makes them. */
#ifndef VNS_PCAPNG_H
#define VNS_PCAPNG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct pcapng_interface {
	uint16_t dlt;
	uint32_t snaplen; /* 0: no limit */
	uint64_t per_second;
	int64_t offset_s;
};

struct pcapng {
	FILE *file; /* ours */
	bool big;   /* byte order of the section */
	uint8_t *block;
	size_t room;
	struct pcapng_interface *interfaces; /* of the section */
	uint32_t count, allocated;
	uint64_t last_ns;
};

struct pcapng_packet {
	const uint8_t *data; /* valid until the next one is read */
	uint32_t len, wire_len;
	uint64_t time_ns; /* since 1970 */
	uint16_t dlt;
};

/* Whether the file, at its beginning, is one. */
bool pcapng_is(FILE *file);
/* Takes the file over. */
void pcapng_open(struct pcapng *ng, FILE *file);
/* 1 and a packet, 0 at the end, -1 with the reason in why where it breaks off. */
int pcapng_next(struct pcapng *ng, struct pcapng_packet *packet, char *why, size_t why_size);
void pcapng_close(struct pcapng *ng);
#endif
