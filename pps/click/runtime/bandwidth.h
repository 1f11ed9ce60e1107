/* Bandwidths as text: bytes a second, read and written with a unit. */
#ifndef CLICK_BANDWIDTH_H
#define CLICK_BANDWIDTH_H
#include "click.h"

/* A number with up to `digits` decimals, without zeros at its end. */
static inline void click_say_bandwidth(struct click_text *out, uint32_t rate)
{
	static const struct {
		uint32_t least, factor, one;
		int digits;
		const char *unit;
	} ranges[] = { { 0x20000000u, 1, 1000000, 6, "MBps" }, /* in bits they are too many for 32 bits */
		       { 125000000u, 8, 1000000000, 9, "Gbps" },
		       { 125000u, 8, 1000000, 6, "Mbps" },
		       { 0, 8, 1000, 3, "kbps" } };
	unsigned i = 0;
	while (rate < ranges[i].least)
		i++;
	uint32_t value = rate * ranges[i].factor, rest = value % ranges[i].one;
	int digits = ranges[i].digits;
	for (; digits > 0 && rest % 10 == 0; digits--)
		rest /= 10;
	click_say(out, "%u", value / ranges[i].one);
	if (digits)
		click_say(out, ".%0*u", digits, rest);
	click_say(out, "%s", ranges[i].unit);
}

/* Bytes a second: 1000, 10kBps, 5Mbps, 1.5 MB/s. */
static inline bool click_bandwidth(const char *text, int64_t *rate)
{
	static const struct {
		const char *unit;
		double bytes;
	} units[] = { { "", 1 },	 { "Bps", 1 },	    { "B/s", 1 },
		      { "bps", 1. / 8 }, { "b/s", 1. / 8 }, { "baud", 1. / 8 } };
	static const char prefixes[] = "kKMG";
	static const double scales[] = { 1e3, 1e3, 1e6, 1e9 };
	char *end, unit[8] = "";
	double value = strtod(text, &end), scale = 1;
	while (isspace((unsigned char)*end))
		end++;
	if (end == text || sscanf(end, "%7s", unit) > 1)
		return false;
	const char *name = unit, *prefix = *name ? strchr(prefixes, *name) : NULL;
	if (prefix) {
		scale = scales[prefix - prefixes];
		name++;
	}
	for (unsigned i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(units[i].unit, name) == 0) {
			*rate = (int64_t)(value * scale * units[i].bytes + 0.5);
			return true;
		}
	return false;
}
#endif
