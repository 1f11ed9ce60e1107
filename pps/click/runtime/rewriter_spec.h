/* The input specifications of IP rewriters: read, applied and printed; and the handlers of what they remember. */
#ifndef CLICK_REWRITER_SPEC_H
#define CLICK_REWRITER_SPEC_H
#include "rewriter.h"

enum { RW_WORDS = 8 };

/* Where the word ends in `#` or `?`: in sequence, or at random, rather than as it was. */
static inline void rw__how(char *word, struct rw_pattern *pattern)
{
	size_t n = strlen(word);
	if (n && (word[n - 1] == '#' || word[n - 1] == '?')) {
		pattern->sequential = word[n - 1] == '#';
		pattern->same_first = false;
		word[n - 1] = '\0';
	}
}

/* ADDRESS, FIRST-LAST, PREFIX/BITS or -. */
static inline bool rw__source(char *word, struct rw_pattern *pattern)
{
	uint32_t last, mask;
	if (strcmp(word, "-") == 0 || click_parse_ip(word, &pattern->id.src))
		return true;
	rw__how(word, pattern);
	char *dash = strchr(word, '-');
	if (dash) {
		*dash = '\0';
		if (!click_parse_ip(word, &pattern->id.src) || !click_parse_ip(dash + 1, &last) ||
		    net32(last) < net32(pattern->id.src))
			return false;
		pattern->top = net32(last) - net32(pattern->id.src);
		return true;
	}
	if (!click_parse_prefix(word, &pattern->id.src, &mask) || !mask || !pattern->id.src ||
	    mask != click_mask((unsigned)__builtin_popcount(mask)))
		return false;
	uint32_t others = ~net32(mask);
	pattern->id.src = others ? pattern->id.src & mask : pattern->id.src;
	pattern->top = others;
	if (others > 1) { /* neither the network's own address nor its broadcast address */
		pattern->id.src |= net32(1);
		pattern->top = others - 2;
	}
	return true;
}

static inline bool rw__port(const char *word, uint16_t *port)
{
	int64_t n;
	*port = 0;
	if (strcmp(word, "-") == 0)
		return true;
	if (!click_number(word, &n) || n < 1 || n > 65535)
		return false;
	*port = net16((uint16_t)n);
	return true;
}

static inline bool rw__ports(char *word, struct rw_pattern *pattern)
{
	int64_t first, last;
	if (rw__port(word, &pattern->id.sport))
		return true;
	rw__how(word, pattern);
	char *dash = strchr(word, '-');
	if (!dash)
		return false;
	*dash = '\0';
	if (!click_number(word, &first) || !click_number(dash + 1, &last) || first < 0 || last < first ||
	    last > 65535)
		return false;
	pattern->id.sport = net16((uint16_t)first);
	pattern->top = (uint32_t)(last - first);
	return true;
}

/* SADDR DADDR, SADDR DADDR SPORT?, or SADDR SPORT DADDR DPORT: what is wrong with it, or NULL. */
static inline const char *rw__pattern(char **word, unsigned n, struct rw_pattern *pattern)
{
	unsigned port = n == 3 ? 2 : 1, to = n == 4 ? 2 : 1;
	*pattern = (struct rw_pattern){ .same_first = true, .ports = n >= 3 };
	if (n < 2 || n > 4)
		return "syntax error";
	if (!rw__source(word[0], pattern))
		return "bad source address";
	if (n >= 3 && !rw__ports(word[port], pattern))
		return "bad source port";
	if (strcmp(word[to], "-") != 0 && !click_parse_ip(word[to], &pattern->id.dst))
		return "bad destination address";
	if (n == 4 && !rw__port(word[3], &pattern->id.dport))
		return "bad destination port";
	return NULL;
}

static inline bool rw__output(const struct rewriter *rw, const char *word, int32_t *output)
{
	int64_t n;
	bool good = click_number(word, &n) && n >= 0 && n < rw->outputs;
	*output = good ? (int32_t)n : 0;
	return good;
}

/* 0, or -1 with a text. */
static inline int rw_parse(const struct rewriter *rw, const char *text, struct rw_input *in,
			   struct click_text *out)
{
	char words[RW_WORDS][CLICK_WORD], *word[RW_WORDS];
	unsigned n = 0;
	for (unsigned i = 0; i < RW_WORDS; i++)
		word[i] = words[i];
	while (n < RW_WORDS && click_word(&text, word[n]))
		n++;
	memset(in, 0, sizeof(*in));
	if (n == 0 || !click_at_end(text))
		return click_refuse(out, "syntax error");
	const char *kind = word[0];
	if (strcmp(kind, "drop") == 0 || strcmp(kind, "discard") == 0)
		return n == 1 ? 0 : click_refuse(out, "syntax error, expected '%s'", kind);
	if (strcmp(kind, "pass") == 0 || strcmp(kind, "passthrough") == 0 || strcmp(kind, "nochange") == 0) {
		in->kind = RW_PASS;
		if (n > 2 || (n == 2 && !rw__output(rw, word[1], &in->forward)))
			return click_refuse(out, "output port out of range");
		return 0;
	}
	bool keep = strcmp(kind, "keep") == 0;
	if (!keep && strcmp(kind, "pattern") != 0 && strcmp(kind, "xpattern") != 0)
		return click_refuse(out, "unknown specification");
	if (n < 3 || (keep && n != 3))
		return click_refuse(out, "syntax error");
	in->kind = keep ? RW_KEEP : RW_PATTERN;
	const char *wrong = keep ? NULL : rw__pattern(&word[1], n - 3, &in->pattern);
	if (wrong)
		return click_refuse(out, "%s", wrong);
	if (!rw__output(rw, word[n - 2], &in->forward) || !rw__output(rw, word[n - 1], &in->reply))
		return click_refuse(out, "output port out of range");
	return 0;
}

/* Another specification: what the old one made is forgotten. */
static inline int rw_write(struct rewriter *rw, unsigned input, const char *text, struct click_text *out)
{
	struct rw_input in;
	if (rw_parse(rw, text, &in, out) < 0)
		return -1;
	for (struct rw_flow *f = rw->oldest, *next; f; f = next) {
		next = f->newer;
		if (f->input == input)
			rw_forget(f);
	}
	rw->input[input] = in;
	return 0;
}

/* What a flow's packets become. False: every variation is taken. */
static inline bool rw_pattern_apply(struct rw_pattern *pattern, const struct rw_map *map, struct rw_id id,
				    struct rw_id *to)
{
	unsigned direction;
	to->src = pattern->id.src ? pattern->id.src : id.src;
	to->dst = pattern->id.dst ? pattern->id.dst : id.dst;
	to->sport = pattern->id.sport ? pattern->id.sport : id.sport;
	to->dport = pattern->id.dport ? pattern->id.dport : id.dport;
	if (!pattern->top)
		return true;
	struct rw_id reply = rw_reverse(*to);
	uint32_t base = pattern->ports ? net16(pattern->id.sport) : net32(pattern->id.src);
	uint32_t v = net16(id.sport) - base;
	bool found = false;
	if (pattern->same_first && v <= pattern->top) {
		reply.dport = id.sport;
		found = !rw_find(map, &reply, &direction);
	}
	if (!found && pattern->sequential)
		v = pattern->next > pattern->top ? 0 : pattern->next;
	else if (!found)
		v = (uint32_t)(vnfc_random() % ((uint64_t)pattern->top + 1));
	for (uint64_t tried = 0; !found && tried <= pattern->top; tried++) {
		if (pattern->ports)
			reply.dport = net16((uint16_t)(base + v));
		else
			reply.dst = net32(base + v);
		found = !rw_find(map, &reply, &direction);
		if (!found)
			v = v == pattern->top ? 0 : v + 1;
	}
	if (!found)
		return false;
	pattern->next = v + 1;
	to->sport = pattern->ports ? reply.dport : to->sport;
	to->src = pattern->ports ? to->src : reply.dst;
	return true;
}

/* ---- printing ---------------------------------------------------------------------------------------------- */

static inline void rw__say_port(struct click_text *out, uint16_t port, uint32_t top)
{
	if (!port)
		click_say(out, " -");
	else if (top)
		click_say(out, " %u-%u", net16(port), net16(port) + top);
	else
		click_say(out, " %u", net16(port));
}

static inline void rw__say_pattern(struct click_text *out, const struct rw_pattern *pattern)
{
	char a[CLICK_IP_TEXT];
	const struct rw_id *id = &pattern->id;
	click_say(out, "%s", id->src || (!pattern->ports && pattern->top) ? click_ip_text(id->src, a) : "-");
	if (!pattern->ports && pattern->top)
		click_say(out, "-%s", click_ip_text(net32(net32(id->src) + pattern->top), a));
	if (pattern->ports)
		rw__say_port(out, id->sport, pattern->top);
	click_say(out, " %s", id->dst ? click_ip_text(id->dst, a) : "-");
	if (pattern->ports)
		rw__say_port(out, id->dport, 0);
}

static inline void rw_say_input(const struct rewriter *rw, unsigned input, struct click_text *out)
{
	static const char *const kinds[] = { "<drop>", "<nochange>", "<keep>" };
	const struct rw_input *in = &rw->input[input];
	if (in->kind == RW_PATTERN)
		rw__say_pattern(out, &in->pattern);
	else
		click_say(out, "%s", kinds[in->kind]);
	if (in->count)
		click_say(out, " [%u]", in->count);
	click_say(out, "\n");
}

static inline void rw_say_inputs(const struct rewriter *rw, struct click_text *out)
{
	for (unsigned i = 0; i < rw->inputs; i++)
		rw_say_input(rw, i, out);
}

static inline uint32_t rw_sum(const struct rewriter *rw, bool failures)
{
	uint32_t sum = 0;
	for (unsigned i = 0; i < rw->inputs; i++)
		sum += failures ? rw->input[i].failures : rw->input[i].count;
	return sum;
}

static inline void rw__say_id(struct click_text *out, struct rw_id id, bool ports)
{
	char a[CLICK_IP_TEXT], b[CLICK_IP_TEXT];
	click_ip_text(id.src, a);
	click_ip_text(id.dst, b);
	if (ports)
		click_say(out, "(%s, %u, %s, %u)", a, net16(id.sport), b, net16(id.dport));
	else
		click_say(out, "(%s, %s)", a, b);
}

/* One line for each direction of each flow of a map, the oldest flow first. */
static inline void rw_say_flows(const struct rewriter *rw, unsigned map, bool ports, struct click_text *out)
{
	for (const struct rw_flow *f = rw->oldest; f; f = f->newer)
		for (unsigned d = 0; f->map == map && d < 2; d++) {
			uint64_t expiry = f->guaranteed ? rw__best_effort(f) : f->expiry;
			int64_t left = ((int64_t)(expiry - vnfc_now()) + VNFC_SECOND / 2) / VNFC_SECOND;
			rw__say_id(out, f->id[d], ports);
			click_say(out, " => ");
			rw__say_id(out, rw_reverse(f->id[!d]), ports);
			click_say(out, " [%s%d %s%d] i%u exp%" PRId64 "\n", d ? "" : "*", f->output[0],
				  d ? "*" : "", f->output[1], f->input, left);
		}
}

/* SADDR SPORT DADDR DPORT: what they become; nothing if there is no such flow. */
static inline int rw_answer(const struct rewriter *rw, const char *value, struct click_text *out)
{
	char word[4][CLICK_WORD], a[CLICK_IP_TEXT], b[CLICK_IP_TEXT];
	struct rw_id id = { 0, 0, 0, 0 };
	unsigned n = 0, d;
	while (n < 4 && click_word(&value, word[n]))
		n++;
	if (n < 4 || !click_at_end(value) || !click_parse_ip(word[0], &id.src) ||
	    !rw__port(word[1], &id.sport) || !click_parse_ip(word[2], &id.dst) ||
	    !rw__port(word[3], &id.dport))
		return click_refuse(out, "expected SADDR SPORT DADDR DPORT");
	const struct rw_flow *f = rw_find(&rw->map[RW_TCP], &id, &d);
	if (!f)
		return 0;
	struct rw_id to = rw_reverse(f->id[!d]);
	click_say(out, "%s %u %s %u", click_ip_text(to.src, a), net16(to.sport), click_ip_text(to.dst, b),
		  net16(to.dport));
	return 0;
}
#endif
