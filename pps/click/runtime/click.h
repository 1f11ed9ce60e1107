/* What every compiled Click configuration stands on: packets with Click's header pointers and annotations, tasks,
 * timers, handlers. Included once, by generated code, after it has said what it needs:
 *
 *	CLICK_HEADERS, CLICK_ANNOTATIONS	1 if an element uses them (otherwise they cost nothing)
 *	CLICK_RESHAPES				1 if an element moves bytes: headers are looked for again on the way out
 */
#ifndef CLICK_H
#define CLICK_H
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <coven/vnfc.h>

/* ---- what Click knows of a packet ------------------------------------------------------------------------ */

enum { CLICK_ANNO_SIZE = 48 };

/* One for every frame. Header pointers are absolute: they stay while data move. NULL: not set. */
struct click_note {
	uint8_t *mac, *network, *transport;
	uint8_t anno[CLICK_ANNO_SIZE];
};

/* Offsets of annotations in Click's 48 bytes. */
enum {
	CLICK_DST_IP = 0,
	CLICK_PAINT = 16,
	CLICK_ICMP_PARAMPROB = 17,
	CLICK_FIX_IP_SRC = 19,
	CLICK_VLAN_TCI = 20,
	CLICK_AGGREGATE = 20,
	CLICK_EXTRA_PACKETS = 24,
	CLICK_EXTRA_LENGTH = 28,
};

static struct click_note *click_notes; /* [frames] */

static inline struct click_note *click_note(const struct vnfc_packet *p)
{
	return &click_notes[p->frame];
}

static inline uint8_t *click_mac(const struct vnfc_packet *p)
{
	return click_note(p)->mac;
}

static inline uint8_t *click_network(const struct vnfc_packet *p)
{
	return click_note(p)->network;
}

static inline uint8_t *click_transport(const struct vnfc_packet *p)
{
	return click_note(p)->transport;
}

static inline uint8_t *click_end(const struct vnfc_packet *p)
{
	return p->data + p->len;
}

/* Bytes from the network (transport) header on; 0 if it is not set. */
static inline uint32_t click_network_len(const struct vnfc_packet *p)
{
	uint8_t *at = click_network(p);
	return at && at <= click_end(p) ? (uint32_t)(click_end(p) - at) : 0;
}

static inline uint32_t click_transport_len(const struct vnfc_packet *p)
{
	uint8_t *at = click_transport(p);
	return at && at <= click_end(p) ? (uint32_t)(click_end(p) - at) : 0;
}

static inline void click_set_mac(struct vnfc_packet *p, uint8_t *at)
{
	if (CLICK_HEADERS)
		click_note(p)->mac = at;
}

static inline void click_set_network(struct vnfc_packet *p, uint8_t *network, uint8_t *transport)
{
	if (!CLICK_HEADERS)
		return;
	click_note(p)->network = network;
	click_note(p)->transport = transport;
}

static inline uint8_t click_anno8(const struct vnfc_packet *p, unsigned at)
{
	return click_note(p)->anno[at];
}

static inline uint32_t click_anno32(const struct vnfc_packet *p, unsigned at)
{
	uint32_t v;
	memcpy(&v, &click_note(p)->anno[at], sizeof(v));
	return v;
}

static inline uint16_t click_anno16(const struct vnfc_packet *p, unsigned at)
{
	uint16_t v;
	memcpy(&v, &click_note(p)->anno[at], sizeof(v));
	return v;
}

static inline void click_set_anno8(struct vnfc_packet *p, unsigned at, uint8_t v)
{
	if (CLICK_ANNOTATIONS)
		click_note(p)->anno[at] = v;
}

static inline void click_set_anno16(struct vnfc_packet *p, unsigned at, uint16_t v)
{
	if (CLICK_ANNOTATIONS)
		memcpy(&click_note(p)->anno[at], &v, sizeof(v));
}

static inline void click_set_anno32(struct vnfc_packet *p, unsigned at, uint32_t v)
{
	if (CLICK_ANNOTATIONS)
		memcpy(&click_note(p)->anno[at], &v, sizeof(v));
}

/* The destination that the next hop is looked up by: network order, 0 if none. */
static inline uint32_t click_dst_ip(const struct vnfc_packet *p)
{
	return click_anno32(p, CLICK_DST_IP);
}

static inline void click_set_dst_ip(struct vnfc_packet *p, uint32_t address)
{
	click_set_anno32(p, CLICK_DST_IP, address);
}

/* A packet that comes in, or was made: annotations are zero, headers are where they were found. */
static inline void click_begin(struct vnfc_packet *p)
{
	struct click_note *note = click_note(p);
	if (CLICK_HEADERS) {
		note->mac = p->link == LINK_ETHERNET ? p->data : NULL;
		note->network = p->l3 == OFFSET_NONE ? NULL : p->data + p->l3;
		note->transport = p->l4 != OFFSET_NONE ? p->data + p->l4 : NULL;
		if (!note->transport && note->network && !(p->flags & FRAME_IPV6))
			note->transport = note->network + (note->network[0] & 15) * 4;
	}
	if (CLICK_ANNOTATIONS)
		memset(note->anno, 0, sizeof(note->anno));
}

/* ---- what becomes of a packet ------------------------------------------------------------------------------ */

#define CLICK_HOLD_FULL ((vnfc_verdict)VERDICT_DROP | (vnfc_verdict)8u << 16) /* in reasons.h */

/* The packet leaves this VNFC with a verdict, wherever it was: just arrived, stored, or made here. */
static inline void click_give(struct vnfc_packet *p, vnfc_verdict verdict)
{
	struct vnfc_host *h = vnfc__host;
	if (__builtin_expect(p->place == VNFC_HERE, 1)) {
		vnfc__progress(h);
		vnfc__give(h, p, verdict);
	} else if (p->place == VNFC_HELD) {
		h->release(h, p, verdict);
	} else if ((verdict & 0xff) == VERDICT_FORWARD) {
		h->emit(h, p, verdict >> 16, -1);
	} else { /* what was made is accounted for, also when it is dropped */
		h->records[p->frame].time_ns = h->now_ns;
		vnfc__give(h, p, verdict);
	}
}

static inline void click_drop(struct vnfc_packet *p, vnfc_verdict reason)
{
	click_give(p, reason);
}

/* For whoever watches the packet also where: the element, and its rule if it has some. */
static inline void click_drop_at(struct vnfc_packet *p, vnfc_verdict reason, const char *where)
{
	if (vnfc__watched(p))
		vnfc__note(vnfc__host, p, where);
	click_drop(p, reason);
}

static inline void click_send(struct vnfc_packet *p, uint32_t output)
{
	if (CLICK_RESHAPES)
		vnfc_parse(p);
	click_give(p, VNFC_FORWARD_TO(output));
}

/* Whether an element may keep p beyond its return; if not: click_drop(p, CLICK_HOLD_FULL). */
static inline bool click_may_store(const struct vnfc_packet *p)
{
	return p->place != VNFC_HERE || vnfc__host->held < vnfc__host->hold_max;
}

/* After everything was done with an arrived packet: if it has no verdict an element stored it. */
static inline void click_settle(struct vnfc_packet *p)
{
	if (__builtin_expect(p->place == VNFC_HERE, 0)) {
		p->place = VNFC_HELD;
		vnfc__host->held++;
		vnfc__progress(vnfc__host);
	}
}

/* A copy, with annotations and the bytes that were stripped; NULL if no frame is to be had. */
static inline struct vnfc_packet *click_clone(const struct vnfc_packet *p)
{
	struct vnfc_packet *q = vnfc_clone(p);
	if (!q || !(CLICK_HEADERS || CLICK_ANNOTATIONS))
		return q;
	const struct click_note *from = click_note(p);
	struct click_note *to = click_note(q);
	ptrdiff_t by = q->data - p->data;
	*to = *from;
	if (CLICK_HEADERS) {
		to->mac = from->mac ? from->mac + by : NULL;
		to->network = from->network ? from->network + by : NULL;
		to->transport = from->transport ? from->transport + by : NULL;
		if (from->mac && from->mac < p->data)
			memcpy(to->mac, from->mac, (size_t)(p->data - from->mac));
	}
	return q;
}

/* A new empty Ethernet packet that goes the way of `like`, or NULL. Set its headers when it is written. */
static inline struct vnfc_packet *click_new(const struct vnfc_packet *like)
{
	struct vnfc_packet *q = vnfc_new();
	if (!q)
		return NULL;
	q->port = like->port;
	q->link = like->link;
	click_begin(q);
	return q;
}

/* Take n bytes off the front (at most all there are), header pointers stay. */
static inline void click_pull(struct vnfc_packet *p, uint32_t n)
{
	vnfc_pull(p, n < p->len ? n : p->len);
}

/* ---- tasks and timers ------------------------------------------------------------------------------------------ */

static bool click_awake;       /* a task may have something to do */
static bool click_tasks(void); /* generated: every task once; whether one did something */

static inline void click_wake(void)
{
	click_awake = true;
}

static inline void click_run(void)
{
	while (__builtin_expect(click_awake, 0)) {
		click_awake = false;
		while (click_tasks())
			;
	}
}

/* Zeros at first. */
struct click_timer {
	uint64_t id; /* 0: not set */
	uint64_t at;
	void (*run)(void *arg);
	void *arg;
};

static inline void click_timer_fires(void *arg)
{
	struct click_timer *timer = (struct click_timer *)arg;
	timer->id = 0;
	timer->run(timer->arg);
	click_run();
}

static inline void click_timer_clear(struct click_timer *timer)
{
	if (timer->id)
		vnfc_cancel(timer->id);
	timer->id = 0;
}

/* Run once at `at` (ns, as vnfc_now()), or at once if that has passed; what was set before is forgotten. */
static inline void click_timer_at(struct click_timer *timer, uint64_t at, void (*run)(void *), void *arg)
{
	uint64_t now = vnfc_now();
	click_timer_clear(timer);
	*timer = (struct click_timer){ .at = at, .run = run, .arg = arg };
	timer->id = vnfc_after(at > now ? at - now : 1, click_timer_fires, timer);
}

static inline void click_wakes(void *arg VNFC__UNUSED)
{
	click_wake();
}

/* Look at the tasks again at `at`. */
static inline void click_wake_at(struct click_timer *timer, uint64_t at)
{
	if (!timer->id || timer->at > at)
		click_timer_at(timer, at, click_wakes, NULL);
}

/* ---- handlers -------------------------------------------------------------------------------------------------- */

enum { CLICK_TEXT = 48 * 1024, CLICK_NAME = 128 };

struct click_text {
	size_t len;
	char text[CLICK_TEXT]; /* what does not fit is cut off */
};

struct click_handler {
	const char *name; /* element.handler */
	int (*read)(const char *value, struct click_text *out);
	int (*write)(const char *value, struct click_text *out);
	const char *constant; /* what a read gives if there is no function */
	bool numeric;
};

static struct click_text click_out;
extern const struct click_handler click_handlers[];
extern const unsigned click_handlers_n;

__attribute__((format(printf, 2, 3))) static inline void click_say(struct click_text *out, const char *format,
								   ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(out->text + out->len, sizeof(out->text) - out->len, format, args);
	va_end(args);
	if (n > 0)
		out->len += (size_t)n < sizeof(out->text) - out->len ? (size_t)n
								     : sizeof(out->text) - out->len - 1;
}

/* `return click_refuse(...)` in a handler. */
__attribute__((format(printf, 2, 3))) static inline int click_refuse(struct click_text *out,
								     const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(out->text, sizeof(out->text), format, args);
	va_end(args);
	return -1;
}

/* A whole number, in any notation that C knows, spaces around it ignored. */
static inline bool click_number(const char *text, int64_t *number)
{
	char *end;
	errno = 0;
	*number = strtoll(text, &end, 0);
	if (end == text || errno)
		return false;
	while (isspace((unsigned char)*end))
		end++;
	return *end == '\0';
}

static inline bool click_real(const char *text, double *number)
{
	char *end;
	*number = strtod(text, &end);
	while (end != text && isspace((unsigned char)*end))
		end++;
	return end != text && *end == '\0';
}

static inline bool click_boolean(const char *text, bool *value)
{
	static const char *const words[] = { "false", "true", "no", "yes", "0", "1" };
	for (unsigned i = 0; i < 6; i++)
		if (strcmp(text, words[i]) == 0) {
			*value = i & 1;
			return true;
		}
	return false;
}

static inline const struct click_handler *click_find(const char *name)
{
	for (unsigned i = 0; i < click_handlers_n; i++)
		if (strcmp(click_handlers[i].name, name) == 0)
			return &click_handlers[i];
	return NULL;
}

/* 0, or -1 with a text that says why. */
static inline int click_read(const struct click_handler *handler, const char *value, struct click_text *out)
{
	out->len = 0;
	out->text[0] = '\0';
	if (handler->read)
		return handler->read(value, out);
	if (!handler->constant)
		return click_refuse(out, "%s can only be written", handler->name);
	click_say(out, "%s", handler->constant);
	return 0;
}

static inline int click_write(const struct click_handler *handler, const char *value, struct click_text *out)
{
	out->len = 0;
	out->text[0] = '\0';
	return handler->write ? handler->write(value, out)
			      : click_refuse(out, "%s can only be read", handler->name);
}

/* An agent request: reads, or writes if a value is given. */
static inline void click_answer(struct vnfc_request *request, const struct click_handler *handler)
{
	const char *value = vnfc_argument_text(request, "value");
	bool writes = handler->write && (*value || (!handler->read && !handler->constant));
	int status =
		writes ? click_write(handler, value, &click_out) : click_read(handler, value, &click_out);
	if (status < 0)
		vnfc_answer_error(request, "%s: %s", handler->name, click_out.text);
	else if (!writes && handler->numeric)
		vnfc_answer_json(request, click_out.text);
	else
		vnfc_answer_text(request, click_out.text);
	click_run();
}

/* An agent request that says what it wants: `check` tells which of "r" and "w" a handler is (nothing: there is no
 * such handler); `read` and `write` do that only. */
static inline void click_answer_mode(struct vnfc_request *request, const struct click_handler *handler,
				     const char *mode)
{
	const char *value = vnfc_argument_text(request, "value");
	char is[3] = "";
	if (handler && (handler->read || handler->constant))
		strcat(is, "r");
	if (handler && handler->write)
		strcat(is, "w");
	if (strcmp(mode, "check") == 0) {
		vnfc_answer_text(request, is);
		return;
	}
	bool writes = strcmp(mode, "write") == 0;
	if (!strchr(is, writes ? 'w' : 'r')) {
		vnfc_answer_error(request, "no such handler to %s", writes ? "write" : "read");
		return;
	}
	if ((writes ? click_write(handler, value, &click_out) : click_read(handler, value, &click_out)) < 0)
		vnfc_answer_error(request, "%s", click_out.text);
	else
		vnfc_answer_text(request, click_out.text);
	click_run();
}

/* A key of the VNFC's configuration, if it is there, is written to a handler. VNFC_OK, or what vnfc_refuse gave. */
static inline int click_setting(const char *key, const char *name)
{
	const struct click_handler *handler = click_find(name);
	const char *text = vnfc_config_text(key, NULL);
	double value = text ? 0 : vnfc_config_number(key, NAN);
	char number[40];
	if (!text && isnan(value))
		return VNFC_OK;
	snprintf(number, sizeof(number), "%.15g", value);
	if (!handler || click_write(handler, text ? text : number, &click_out) < 0)
		return vnfc_refuse(key, "%s", handler ? click_out.text : name);
	return VNFC_OK;
}
#endif
