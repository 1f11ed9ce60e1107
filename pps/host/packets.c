/* Packets, results and log of a VNFC host.
 *
 * What a VNFC does with a packet is checked against where the packet is, so that an author's mistake (a
 * packet released twice, one used after its verdict) is a line in the log and nothing more.
 */
#include <poll.h>
#include <stdarg.h>
#include "pps/host/inside.h"

enum {
#define REASON(id, name, where, why) REASON_##name = id,
#include "itf/reasons.h"
#undef REASON
};
_Static_assert((int)REASON_hold_full == VNFC_HOLD_FULL && (int)REASON_exception == HOST_EXCEPTION,
	       "the SDK and host.h name these by number");

static const uint64_t SECOND = 1000000000;

/* ---- log ---------------------------------------------------------------------------------------- */

static void log_line(struct vnfc_host *api, const char *text)
{
	struct host *h = host_of(api);
	uint64_t second = clock_ns(CLOCK_MONOTONIC) / SECOND;
	struct pollfd err = { STDERR_FILENO, POLLOUT, 0 };
	char line[2048];
	if (second != h->log_second) {
		h->log_second = second;
		h->log_lines = 0;
	}
	int n = snprintf(line, sizeof(line), "%s\n", text);
	if (n >= (int)sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	/* a reader that does not read must not stop the packets: a pipe that polls writable takes a line */
	if (h->log_lines++ >= HOST_LOG_LINES || poll(&err, 1, 0) != 1 || !(err.revents & POLLOUT) ||
	    write(STDERR_FILENO, line, (size_t)n) < 0)
		cell_store64(&h->hop.head->log_lines_suppressed, h->hop.head->log_lines_suppressed + 1);
}

void host_complain(struct vnfc_host *api, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(api, text);
}

static void flow_asked(struct vnfc_host *api)
{
	struct host *h = host_of(api);
	if (!h->flow_said)
		log_line(api, "a verdict for the whole flow was given: it is applied packet by packet");
	h->flow_said = true;
}

/* ---- results and cells -------------------------------------------------------------------------- */

enum { NO_SUCH_VERDICT = 1, NO_SUCH_OUTPUT = 2, NO_SUCH_REASON = 4, NOT_IN_FRAME = 8 };

/* What is wrong with a verdict. 0: nothing, or what a language's host has told itself (none; reason UINT16_MAX). */
static unsigned wrong_with(const struct host *h, const struct frame_record *r)
{
	switch (r->verdict & ~VERDICT_FLOW) {
	case VERDICT_FORWARD:
		if (r->arg >= h->outputs_n && r->arg != OUTPUT_BACK)
			return NO_SUCH_OUTPUT;
		return r->len - 1 < h->api.frame_size && r->data <= h->api.frame_size - r->len ? 0
											       : NOT_IN_FRAME;
	case VERDICT_DROP:
		return (r->arg >= REASON_DECLARED && r->arg < REASON_DECLARED + h->hop.head->reasons) ||
				       r->arg == REASON_no_verdict || r->arg == REASON_exception ||
				       r->arg == REASON_hold_full || r->arg == UINT16_MAX
			       ? 0
			       : NO_SUCH_REASON;
	case VERDICT_CONSUME:
	case VERDICT_NONE:
		return 0;
	default:
		return NO_SUCH_VERDICT;
	}
}

/* The forwarder drops what has a verdict that cannot be, and counts it; why, only we can tell the author, once each. */
static void tell_wrong(struct host *h, const struct frame_record *r, unsigned wrong)
{
	static const char told[] = "such packets are dropped as bad_verdict (told once)";
	h->wrong_said |= wrong;
	if (wrong == NO_SUCH_OUTPUT)
		host_complain(&h->api, "a packet was forwarded to output %u, but the last one is %u: %s",
			      r->arg, h->outputs_n - 1, told);
	else if (wrong == NO_SUCH_REASON)
		host_complain(&h->api,
			      "a packet was dropped with a reason (number %u) that is not declared: %s",
			      r->arg, told);
	else if (wrong == NO_SUCH_VERDICT)
		host_complain(&h->api, "verdict %u does not exist: %s", r->verdict, told);
	else
		host_complain(&h->api, "a packet was forwarded that is empty or not inside its frame: %s",
			      told);
}

static void look_at_verdicts(struct host *h)
{
	for (uint32_t i = 0; i < h->api.done_n; i++) {
		const struct frame_record *r = &h->api.records[h->api.done[i]];
		unsigned wrong = wrong_with(h, r);
		if (__builtin_expect(wrong & ~h->wrong_said, 0))
			tell_wrong(h, r, wrong);
	}
}

void host_lend(struct host *h, uint32_t frames)
{
	h->lent = frames;
}

void host_publish(struct host *h)
{
	struct vnfc_host *api = &h->api;
	struct hop_header *head = h->hop.head;
	uint64_t deadline = timers_next(&h->timers);
	uint32_t once = h->timers.once;
	if (h->capture && api->now_ns == 0) { /* time has not begun */
		deadline = UINT64_MAX;
		once = 0;
	}
	if (head->held != api->held)
		cell_store(&head->held, api->held);
	if (head->lent != h->lent)
		cell_store(&head->lent, h->lent);
	if (head->deadline != deadline)
		cell_store64(&head->deadline, deadline);
	if (head->once != once)
		cell_store(&head->once, once);
	if (api->done_n == 0)
		return;
	look_at_verdicts(h);
	uint32_t n = hop_give(&h->hop, api->done, api->done_n);
	api->done_n -= n;
	if (api->done_n) /* cannot be, by the ring's size; if it is, nothing is lost */
		memmove(api->done, api->done + n, api->done_n * sizeof(*api->done));
	hop_publish(&h->hop);
}

uint64_t host_exception(struct host *h)
{
	cell_store64(&h->hop.head->exceptions, h->hop.head->exceptions + 1);
	return h->hop.head->exceptions;
}

void host_observe(struct hop_metric_cell *cell, double value)
{
	uint64_t bits;
	double sum;
	unsigned bucket = 0;
	for (double limit = 1; bucket < HOP_BUCKETS - 1 && !(value < limit); limit *= 2)
		bucket++;
	memcpy(&sum, &cell->sum_bits, sizeof(sum));
	sum += value;
	memcpy(&bits, &sum, sizeof(bits));
	__atomic_store_n(&cell->sum_bits, bits, __ATOMIC_RELAXED);
	__atomic_store_n(&cell->buckets[bucket], cell->buckets[bucket] + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&cell->count, cell->count + 1, __ATOMIC_RELAXED);
}

/* ---- packets ------------------------------------------------------------------------------------ */

static uint8_t *frame_at(const struct vnfc_host *api, uint32_t frame)
{
	return api->data + ((uint64_t)frame << api->frame_shift);
}

static struct vnfc_packet *take_frame(struct vnfc_host *api, uint8_t made)
{
	struct host *h = host_of(api);
	uint32_t frame = h->unused.n ? h->unused.frame[--h->unused.n] : hop_take_spare(&h->hop);
	if (frame == HOP_NO_FRAME)
		return NULL;
	struct vnfc_packet *p = &api->packets[frame];
	struct frame_record *r = &api->records[frame];
	memset(p, 0, sizeof(*p));
	p->data = frame_at(api, frame) + FRAME_HEADROOM;
	p->context = r->context;
	p->l3 = p->l4 = OFFSET_NONE;
	p->frame = frame;
	p->place = VNFC_MADE;
	p->made = made;
	p->time_ns = api->now_ns;
	return p;
}

static struct vnfc_packet *make_packet(struct vnfc_host *api)
{
	struct vnfc_packet *p = take_frame(api, FRAME_ORIGINATED);
	if (p) {
		struct frame_record *r = &api->records[p->frame];
		memset(r, 0, sizeof(*r));
		r->time_ns = p->time_ns;
		r->graph = 0xff; /* in no graph yet: the forwarder gives it the one of its port */
	}
	return p;
}

static struct vnfc_packet *clone_packet(struct vnfc_host *api, const struct vnfc_packet *from)
{
	const uint8_t *start = frame_at(api, from->frame);
	uint64_t at = (uint64_t)(from->data - start);
	if (from->place == VNFC_GONE || from->data < start || at > api->frame_size ||
	    from->len > api->frame_size - at) {
		host_complain(
			api,
			"vnfc_clone: that packet is not here any more, or its data lie outside its frame");
		return NULL;
	}
	struct vnfc_packet *p = take_frame(api, FRAME_CLONED);
	if (!p)
		return NULL;
	uint32_t frame = p->frame;
	*p = *from;
	p->frame = frame;
	p->place = VNFC_MADE;
	p->made = FRAME_CLONED;
	p->flags &= (uint8_t) ~(FRAME_NOTED | FRAME_WATCHED);
	p->note = NULL;
	p->data = frame_at(api, frame) + at;
	p->context = api->records[frame].context;
	memcpy(p->data, from->data, from->len);
	api->records[frame] = api->records[from->frame]; /* with its graph and context */
	if (!from->made)				 /* a copy of a copy has the same original */
		api->records[frame].cloned_from = from->frame + 1;
	if (p->nsh_len > FRAME_NSH_AREA)
		p->nsh_len = 0;
	memcpy(api->nsh + (uint64_t)frame * FRAME_NSH_AREA, api->nsh + (uint64_t)from->frame * FRAME_NSH_AREA,
	       p->nsh_len);
	return p;
}

static bool emit_packet(struct vnfc_host *api, struct vnfc_packet *p, unsigned output, int port)
{
	if (p->place != VNFC_MADE) {
		host_complain(
			api, "vnfc_emit: only a packet from vnfc_new or vnfc_clone can be emitted, and once");
		return false;
	}
	if (port >= 0)
		p->port = (uint8_t)port;
	api->records[p->frame].time_ns = api->now_ns;
	vnfc__give(api, p, HOST_FORWARD(output));
	vnfc__progress(api);
	if (api->done_n >= SEG_HOST_BURST)
		host_publish(host_of(api));
	return true;
}

static bool release_packet(struct vnfc_host *api, struct vnfc_packet *p, vnfc_verdict verdict)
{
	if (p->place != VNFC_HELD) {
		host_complain(api, "vnfc_release: that packet is not held");
		return false;
	}
	if ((verdict & 0x7f) == VERDICT_HOLD)
		return true; /* it stays where it is */
	api->held--;
	if (host_of(api)->capture) /* it goes on at the time of its release, which only we know */
		api->records[p->frame].time_ns = api->now_ns;
	vnfc__give(api, p, verdict);
	vnfc__progress(api);
	if (api->done_n >= SEG_HOST_BURST)
		host_publish(host_of(api));
	return true;
}

static void discard_packet(struct vnfc_host *api, struct vnfc_packet *p)
{
	struct host *h = host_of(api);
	if (p->place != VNFC_MADE) {
		host_complain(api,
			      "vnfc_discard: only a packet from vnfc_new or vnfc_clone can be discarded");
		return;
	}
	p->place = VNFC_GONE;
	h->unused.frame[h->unused.n++] = p->frame;
}

/* Its record points outside its frame: counted as bad_verdict, but not this VNFC's doing. */
static void refuse_frame(struct vnfc_host *api, uint32_t frame)
{
	struct frame_record *r = &api->records[frame];
	r->verdict = VERDICT_DROP;
	r->arg = UINT16_MAX;
	r->data = r->len = UINT32_MAX;
	vnfc__progress(api);
	api->done[api->done_n++] = frame;
}

void host_packets(struct vnfc_host *api)
{
	api->make = make_packet;
	api->clone = clone_packet;
	api->emit = emit_packet;
	api->release = release_packet;
	api->discard = discard_packet;
	api->refused = refuse_frame;
	api->flow_asked = flow_asked;
	api->log = log_line;
}
