/* See words.h. The text is the keeper's, which may write it anew while it is read: what is half-written is not used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agents/capture/words.h"

static void take(struct words *w, char *line)
{
	char *field[5] = { 0 };
	for (unsigned i = 0; i < 5 && line != NULL; i++)
		field[i] = strsep(&line, "\t");
	if (field[2] == NULL)
		return;
	unsigned long place = strtoul(field[1], NULL, 10), number = strtoul(field[2], NULL, 10);
	if (place >= PLACES)
		return;
	if (field[0][0] == 'P') {
		w->place[place] = field[2];
	} else if (field[0][0] == 'O' && field[3] != NULL && place >= PLACE_HOP && place < PLACE_CLASSIFIER &&
		   number < SEG_OUTPUTS) {
		w->output[place - PLACE_HOP][number] = field[3];
	} else if (field[0][0] == 'R' && field[4] != NULL && number < REASONS) {
		w->reason[place][number] = field[3];
		w->why[place][number] = field[4];
	}
}

void words_read(struct words *w, const struct watch_header *h)
{
	uint32_t before = __atomic_load_n(&h->words_sequence, __ATOMIC_ACQUIRE);
	if ((before & 1) || (w->text != NULL && before == w->sequence))
		return;
	char *text = malloc(WATCH_WORDS);
	if (text == NULL)
		return;
	memcpy(text, (const char *)h + h->words, WATCH_WORDS);
	text[WATCH_WORDS - 1] = 0;
	if (__atomic_load_n(&h->words_sequence, __ATOMIC_ACQUIRE) != before) {
		free(text);
		return;
	}
	free(w->text);
	*w = (struct words){ .sequence = before, .text = text };
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL && *line != 0;)
		take(w, line);
}

/* The character at `text`, and in how many bytes; 0: none that is UTF-8. */
static uint32_t character(const uint8_t *text, size_t left, size_t *bytes)
{
	uint8_t first = text[0];
	unsigned more = first < 0x80 ? 0 : first >= 0xf0 && first < 0xf8 ? 3 : first >= 0xe0 ? 2 : 1;
	uint32_t found = more == 0 ? first : first & (0x3fu >> more);
	*bytes = 1;
	if ((first >= 0x80 && first < 0xc2) || first >= 0xf8 || more >= left)
		return 0;
	for (unsigned i = 1; i <= more; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		found = found << 6 | (text[i] & 0x3f);
	}
	bool longer = (more == 2 && found < 0x800) || (more == 3 && found < 0x10000);
	if (longer || found > 0x10ffff || (found >= 0xd800 && found < 0xe000))
		return 0;
	*bytes = 1 + more;
	return found;
}

static bool is_shown(uint32_t c)
{
	return c >= ' ' && (c < 0x7f || c > 0xa0) && c != 0xad && !(c >= 0x200b && c <= 0x200f) &&
	       !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff &&
	       !(c >= 0xfff9 && c <= 0xfffb);
}

void words_append(char *to, size_t room, const char *text, size_t len)
{
	size_t at = strlen(to), bytes;
	for (size_t i = 0; i < len; i += bytes) {
		uint32_t c = character((const uint8_t *)text + i, len - i, &bytes);
		bool space = c == '\t' || c == '\n' || c == '\r', shown = is_shown(c);
		size_t need = shown ? bytes : 1;
		if (at + need >= room)
			break;
		if (shown)
			memcpy(to + at, text + i, bytes);
		else
			to[at] = space ? ' ' : '?';
		at += need;
	}
	to[at] = 0;
}

static const char *known(const char *word)
{
	return word != NULL ? word : "?";
}

void words_of(const struct words *w, const struct watch_record *r, char *to, size_t room)
{
	unsigned place = r->place < PLACES ? r->place : 0;
	const char *name = known(w->place[place]);
	to[0] = 0;
	if (r->event == TRACE_DROPPED && r->arg < REASONS) {
		const char *why = w->why[place][r->arg];
		bool told = why != NULL && why[0] != 0;
		snprintf(to, room, "drop %s.%s%s%s%s", name, known(w->reason[place][r->arg]),
			 told ? " (" : "", told ? why : "", told ? ")" : "");
	} else if (r->event == TRACE_VERDICT && r->verdict == VERDICT_CONSUME) {
		snprintf(to, room, "%s consume", name);
	} else if (r->event == TRACE_VERDICT && r->verdict == VERDICT_NONE) {
		snprintf(to, room, "%s passed by (not running)", name);
	} else if (r->event == TRACE_VERDICT && r->arg == OUTPUT_BACK) {
		snprintf(to, room, "%s back", name);
	} else if (r->event == TRACE_VERDICT && r->arg == 0) {
		snprintf(to, room, "%s forward", name);
	} else if (r->event == TRACE_VERDICT && place >= PLACE_HOP && place < PLACE_CLASSIFIER) {
		snprintf(to, room, "%s forward[%s]", name,
			 known(r->arg < SEG_OUTPUTS ? w->output[place - PLACE_HOP][r->arg] : NULL));
	}
}
