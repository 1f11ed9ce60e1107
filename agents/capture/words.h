/* What the numbers in a watch are called: places, outputs, drop reasons; as the keeper wrote them into the object. */
#ifndef AGENTS_WORDS_H
#define AGENTS_WORDS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "itf/segment.h"

struct words {
	uint32_t sequence; /* of what was read */
	char *text;	   /* ours, cut into its words */
	const char *place[PLACES];
	const char *output[SEG_HOPS][SEG_OUTPUTS];
	const char *reason[PLACES][REASONS], *why[PLACES][REASONS];
};

/* Read them again if they were written since. A line of text each, fields separated by TABs:
 * P place name; O place output name; R place reason name explanation. */
void words_read(struct words *w, const struct watch_header *h);
/* What was said of a packet, as a trace says it; empty for what says nothing. */
void words_of(const struct words *w, const struct watch_record *r, char *to, size_t room);

/* Append text that an author wrote, as one line that steers no terminal: control characters, those that turn the direction
 * of writing, and what is no UTF-8 become '?'. What has no room is left out. */
void words_append(char *to, size_t room, const char *text, size_t len);
#endif
