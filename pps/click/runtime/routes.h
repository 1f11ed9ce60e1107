/* IPv4 routing tables: routes in slots (the order that `table` shows), found through one hash table by prefix and
 * the masks in use, the longest first. */
#ifndef CLICK_ROUTES_H
#define CLICK_ROUTES_H
#include "addresses.h"

enum { ROUTES_ADD, ROUTES_SET, ROUTES_REMOVE };

struct click_route {
	uint32_t address, mask, gateway; /* network order */
	int32_t output;			 /* -1: any, in what is to be removed */
	int32_t next;			 /* slot + 1 in the same bucket, or of free slots */
	bool used;
};

struct click_routes {
	struct click_route *slot;
	int32_t *bucket; /* slot + 1 */
	uint32_t slots, capacity, buckets;
	int32_t free; /* slot + 1: freed last */
	bool moves;   /* a route that is replaced moves to another slot (RadixIPLookup) */
	int32_t outputs;
	uint32_t masks;
	struct {
		uint32_t mask, n;
	} mask[33];
};

static inline uint32_t *routes__hash(struct click_routes *t, uint32_t address, uint32_t mask)
{
	uint64_t h = ((uint64_t)address << 32 | mask) * 0x9e3779b97f4a7c15u;
	return (uint32_t *)&t->bucket[h >> 40 & (t->buckets - 1)];
}

static inline struct click_route *routes_find(struct click_routes *t, uint32_t address, uint32_t mask)
{
	if (!t->buckets)
		return NULL;
	for (uint32_t i = *routes__hash(t, address, mask); i; i = (uint32_t)t->slot[i - 1].next)
		if (t->slot[i - 1].address == address && t->slot[i - 1].mask == mask)
			return &t->slot[i - 1];
	return NULL;
}

static inline struct click_route *routes_lookup(struct click_routes *t, uint32_t address)
{
	for (uint32_t i = 0; i < t->masks; i++) {
		struct click_route *r = routes_find(t, address & t->mask[i].mask, t->mask[i].mask);
		if (r)
			return r;
	}
	return NULL;
}

static inline void routes__link(struct click_routes *t, struct click_route *r)
{
	uint32_t *head = routes__hash(t, r->address, r->mask);
	r->next = (int32_t)*head;
	*head = (uint32_t)(r - t->slot) + 1;
}

static inline bool routes__grow(struct click_routes *t)
{
	uint32_t capacity = t->capacity ? t->capacity * 2 : 64;
	struct click_route *slot = (struct click_route *)realloc(t->slot, capacity * sizeof(*slot));
	if (slot)
		t->slot = slot;
	int32_t *bucket = slot ? (int32_t *)calloc(capacity * 2, sizeof(*bucket)) : NULL;
	if (!bucket)
		return false;
	free(t->bucket);
	t->bucket = bucket;
	t->buckets = capacity * 2;
	t->capacity = capacity;
	for (uint32_t i = 0; i < t->slots; i++)
		if (t->slot[i].used)
			routes__link(t, &t->slot[i]);
	return true;
}

/* n more (or fewer) routes have this mask. */
static inline void routes__mask(struct click_routes *t, uint32_t mask, int n)
{
	uint32_t i = 0;
	while (i < t->masks && net32(t->mask[i].mask) > net32(mask))
		i++;
	if (i == t->masks || t->mask[i].mask != mask) {
		memmove(&t->mask[i + 1], &t->mask[i], (t->masks++ - i) * sizeof(t->mask[0]));
		t->mask[i].mask = mask;
		t->mask[i].n = 0;
	}
	t->mask[i].n += (uint32_t)n;
	if (t->mask[i].n == 0)
		memmove(&t->mask[i], &t->mask[i + 1], (--t->masks - i) * sizeof(t->mask[0]));
}

static inline void routes_drop(struct click_routes *t, struct click_route *r)
{
	uint32_t at = (uint32_t)(r - t->slot) + 1, *link = routes__hash(t, r->address, r->mask);
	while (*link != at)
		link = (uint32_t *)&t->slot[*link - 1].next;
	*link = (uint32_t)r->next;
	routes__mask(t, r->mask, -1);
	r->used = false;
	r->next = t->free;
	t->free = (int32_t)at;
}

/* The slot that a new route goes to: Radix takes the one freed last, Linear the first that is free. */
static inline struct click_route *routes__slot(struct click_routes *t)
{
	int32_t *link = &t->free;
	for (int32_t *l = &t->free; !t->moves && *l; l = &t->slot[*l - 1].next)
		if (*l < *link)
			link = l;
	if (*link) {
		struct click_route *r = &t->slot[*link - 1];
		*link = r->next;
		return r;
	}
	if (t->slots == t->capacity && !routes__grow(t))
		return NULL;
	return &t->slot[t->slots++];
}

/* NULL, or why not. `old` becomes what was there before (output -1: nothing). */
static inline const char *routes_add(struct click_routes *t, struct click_route route, bool replace,
				     struct click_route *old)
{
	struct click_route *r = routes_find(t, route.address, route.mask);
	old->output = -1;
	if (r) {
		*old = *r;
		if (!replace)
			return "conflict with existing route";
		if (!t->moves) {
			r->gateway = route.gateway;
			r->output = route.output;
			return NULL;
		}
	}
	uint32_t before = r ? (uint32_t)(r - t->slot) : 0;
	struct click_route *slot = routes__slot(t);
	if (!slot)
		return "no memory to store route";
	if (r)
		routes_drop(t, &t->slot[before]);
	*slot = route;
	slot->used = true;
	routes__link(t, slot);
	routes__mask(t, route.mask, 1);
	return NULL;
}

static inline const char *routes_remove(struct click_routes *t, struct click_route route,
					struct click_route *old)
{
	struct click_route *r = routes_find(t, route.address, route.mask);
	if (!r || (route.gateway && route.gateway != r->gateway) ||
	    (route.output >= 0 && (route.output != r->output || route.gateway != r->gateway)))
		return "not found";
	*old = *r;
	routes_drop(t, r);
	return NULL;
}

static inline void routes_flush(struct click_routes *t)
{
	t->slots = t->masks = 0;
	t->free = 0;
	if (t->buckets)
		memset(t->bucket, 0, t->buckets * sizeof(*t->bucket));
}

/* ---- handlers ---------------------------------------------------------------------------------------------- */

/* ADDR/MASK [GATEWAY] OUTPUT; what is to be removed may lack the output. */
static inline bool routes__parse(const char *text, struct click_route *r, bool remove)
{
	char word[CLICK_WORD];
	int64_t output = -1;
	*r = (struct click_route){ .output = -1 };
	if (!click_word(&text, word) || !click_parse_prefix(word, &r->address, &r->mask))
		return false;
	r->address &= r->mask;
	bool more = click_word(&text, word);
	if (more && (strcmp(word, "-") == 0 || click_parse_ip(word, &r->gateway)))
		more = click_word(&text, word);
	if (more ? !click_number(word, &output) : !remove)
		return false;
	r->output = output < INT32_MIN || output > INT32_MAX ? INT32_MAX : (int32_t)output;
	return click_at_end(text);
}

static inline void routes__say(struct click_text *out, const struct click_route *r, char tab)
{
	char a[CLICK_PREFIX_TEXT], g[CLICK_IP_TEXT];
	click_prefix_text(r->address, r->mask, a);
	click_say(out, "%s%c%s", a, tab, tab == '\t' && strlen(a) < 16 ? "\t" : "");
	snprintf(g, sizeof(g), "-");
	if (r->gateway)
		click_ip_text(r->gateway, g);
	click_say(out, "%s%c%s%d", g, tab, tab == '\t' && strlen(g) < 8 ? "\t" : "", r->output);
}

/* One command. `old` is what it replaced. 0, or -1 with a text. */
static inline int routes_command(struct click_routes *t, int command, const char *text,
				 struct click_text *out, struct click_route *route, struct click_route *old)
{
	const char *wrong;
	old->output = -1;
	if (!routes__parse(text, route, command == ROUTES_REMOVE))
		return click_refuse(out, "expected 'ADDR/MASK [GATEWAY%s",
				    command == ROUTES_REMOVE ? " OUTPUT]'" : "] OUTPUT'");
	if (route->output < (command == ROUTES_REMOVE ? -1 : 0) || route->output >= t->outputs)
		return click_refuse(out, "bad OUTPUT");
	if (route->mask != click_mask((unsigned)__builtin_popcount(route->mask)))
		return click_refuse(out, "expected a mask that is a prefix");
	wrong = command == ROUTES_REMOVE ? routes_remove(t, *route, old)
					 : routes_add(t, *route, command == ROUTES_SET, old);
	if (!wrong)
		return 0;
	out->len = 0;
	bool conflict = old->output >= 0;
	click_say(out, conflict ? "conflict with existing route '" : "route '");
	routes__say(out, conflict ? old : route, ' ');
	click_say(out, conflict ? "'" : "' %s", wrong);
	return -1;
}

struct routes__done {
	int command;
	struct click_route route, old;
};

/* Lines of `add`, `set` and `remove`: all of them, or none. */
static inline int routes_control(struct click_routes *t, const char *text, struct click_text *out)
{
	enum { MOST = 4096 };
	static struct routes__done done[MOST];
	unsigned n = 0;
	int status = 0;
	while (*text && status == 0) {
		char line[256], word[CLICK_WORD];
		const char *at = line;
		size_t len = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)(len < sizeof(line) ? len : sizeof(line) - 1),
			 text);
		text += len + (text[len] == '\n');
		if (!click_word(&at, word))
			continue;
		struct routes__done *d = &done[n];
		d->command = strcmp(word, "add") == 0	   ? ROUTES_ADD
			     : strcmp(word, "set") == 0	   ? ROUTES_SET
			     : strcmp(word, "remove") == 0 ? ROUTES_REMOVE
							   : -1;
		if (d->command < 0)
			status = click_refuse(out, "bad command '%s'", word);
		else if (n == MOST)
			status = click_refuse(out, "more than %d commands", MOST);
		else
			status = routes_command(t, d->command, at, out, &d->route, &d->old);
		n += status == 0;
	}
	while (status < 0 && n-- > 0) {
		struct click_route unused;
		if (done[n].command == ROUTES_REMOVE || done[n].old.output >= 0)
			routes_add(t, done[n].old, true, &unused);
		else
			routes_remove(t, done[n].route, &unused);
	}
	return status;
}

static inline void routes_table(const struct click_routes *t, struct click_text *out)
{
	for (uint32_t i = 0; i < t->slots; i++)
		if (t->slot[i].used) {
			routes__say(out, &t->slot[i], '\t');
			click_say(out, "\n");
		}
}

static inline int routes_answer(struct click_routes *t, const char *value, struct click_text *out)
{
	char word[CLICK_WORD], gateway[CLICK_IP_TEXT];
	uint32_t address;
	if (!click_word(&value, word) || !click_parse_ip(word, &address) || !click_at_end(value))
		return click_refuse(out, "expected IP address");
	const struct click_route *r = routes_lookup(t, address);
	click_say(out, "%d", r ? r->output : -1);
	if (r && r->gateway)
		click_say(out, " %s", click_ip_text(r->gateway, gateway));
	return 0;
}
#endif
