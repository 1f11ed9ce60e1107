/* Writing pcapng (draft-ietf-opsawg-pcapng), block by block into a buffer that is written out as a whole. */
#ifndef AGENTS_PCAPNG_H
#define AGENTS_PCAPNG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PCAPNG_ROOM = 1 << 18, PCAPNG_COMMENT = 1024 };
enum { PCAPNG_DLT_ETHERNET = 1, PCAPNG_DLT_RAW = 101, PCAPNG_DLT_USER0 = 147 };

struct pcapng_out {
	uint8_t bytes[PCAPNG_ROOM];
	size_t used;
	uint32_t interfaces; /* described so far */
	bool full;	     /* the block being written has no room: it is left out as a whole */
};

struct pcapng_seen {
	uint32_t interface;
	uint64_t time_ns; /* since 1970 */
	uint64_t id;	  /* the same for the same packet wherever it is seen */
	const uint8_t *data;
	uint32_t captured, len;
	uint32_t direction;	/* 0 not known, 1 inbound, 2 outbound */
	const char *comment[2]; /* NULL or empty: none */
};

struct pcapng_figures { /* of an interface, since the capture began */
	uint64_t begun_ns, now_ns;
	uint64_t received, accepted, missed, delivered;
};

/* Room for one more block of a packet of so many bytes, and for that of an interface not described yet. */
bool pcapng_has_room(const struct pcapng_out *out, uint32_t captured);
void pcapng_begin(struct pcapng_out *out, const char *application);
/* Returns its number. snaplen 0: no limit. */
uint32_t pcapng_interface(struct pcapng_out *out, uint16_t dlt, uint32_t snaplen, const char *name,
			  const char *filter);
void pcapng_packet(struct pcapng_out *out, const struct pcapng_seen *seen);
void pcapng_statistics(struct pcapng_out *out, uint32_t interface, const struct pcapng_figures *figures);
#endif
