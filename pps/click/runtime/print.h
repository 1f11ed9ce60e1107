/* What Print writes about a packet. */
#ifndef CLICK_PRINT_H
#define CLICK_PRINT_H
#include "click.h"

/* A line is at most as long as vnfc_log takes. */
struct click_line {
	size_t len;
	char text[1000];
};

__attribute__((format(printf, 2, 3))) static inline void click_add(struct click_line *line,
								   const char *format, ...)
{
	size_t room = sizeof(line->text) - line->len;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line->text + line->len, room, format, args);
	va_end(args);
	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* Seconds since 1970, as Click writes timestamps. */
static inline void click_add_time(struct click_line *line, const struct vnfc_packet *p)
{
	uint64_t wall = p->time_ns + vnfc__host->wall_minus_monotonic;
	click_add(line, "%" PRIu64 ".%06" PRIu64, wall / VNFC_SECOND, wall % VNFC_SECOND / 1000);
}

static inline void click_add_hex(struct click_line *line, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		click_add(line, "%s%02x", i && i % 4 == 0 ? " " : "", bytes[i]);
}

static inline void click_add_ascii(struct click_line *line, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		click_add(line, "%s%c", i % 8 == 0 ? " " : "",
			  bytes[i] < 32 || bytes[i] > 126 ? '.' : bytes[i]);
}

static inline void click_print(const struct vnfc_packet *p, const char *label, int64_t bytes, int contents,
			       bool timestamp, bool notes, bool headroom)
{
	struct click_line line = { .text = "" };
	const char *between = *label ? ": " : "";
	uint32_t n = !contents ? 0 : bytes < 0 || bytes > p->len ? p->len : (uint32_t)bytes;
	click_add(&line, "%s", label);
	if (timestamp) {
		click_add(&line, "%s", between);
		click_add_time(&line, p);
		between = ": ";
	}
	click_add(&line, "%s%4u", between, p->len);
	if (headroom) {
		ptrdiff_t before = p->data - vnfc__frame(p);
		click_add(&line, " (h%td t%td)", before,
			  (ptrdiff_t)vnfc__host->frame_size - before - (ptrdiff_t)p->len);
	}
	if (notes) {
		click_add(&line, " | ");
		for (unsigned i = 0; i < CLICK_ANNO_SIZE; i++)
			click_add(&line, "%02x", click_anno8(p, i));
	}
	if (n) {
		click_add(&line, " | ");
		(contents == 2 ? click_add_ascii : click_add_hex)(&line, p->data, n);
	}
	vnfc_log("%s", line.text);
}
#endif
