/* Fills a buffer with packets as long as there is room, then describes an interface with the longest filter. */
#include <stdio.h>
#include <string.h>
#include "agents/capture/pcapng.h"

static struct pcapng_out out;

int main(void)
{
	static char filter[8192], said[PCAPNG_COMMENT];
	static uint8_t data[1500];
	memset(filter, 'f', sizeof filter - 1);
	memset(said, 's', sizeof said - 1);
	struct pcapng_seen seen = { .data = data, .captured = 1500, .len = 1500, .comment = { said, said } };
	pcapng_begin(&out, "test");
	while (pcapng_has_room(&out, seen.captured))
		pcapng_packet(&out, &seen);
	size_t before = out.used;
	pcapng_interface(&out, 1, 0, "in", filter);
	printf("%d", out.used > before);
	while (out.used != before) { /* until one has no room and is left out as a whole */
		before = out.used;
		pcapng_packet(&out, &seen);
	}
	printf(" %d\n", out.used <= PCAPNG_ROOM && out.used % 4 == 0);
	return 0;
}
