/* The tap: what happens to each packet, told to whoever asked: a trace, captures.
 *
 * While nobody asks it costs a branch that is predicted: every function here is called behind
 * `if (TRACED(f))`. It sits where frames change hands and drops are counted, so that no packet escapes it: part
 * of frames.h.
 */
#ifndef ITF_TRACE_H
#define ITF_TRACE_H
#include <string.h>

/* never inlined: whoever has no trace has none of this in the way */
#define TRACE_TAP __attribute__((cold, noinline, unused)) static

/* One thing that happened to one packet. */
struct sight {
	uint64_t time_ns;
	uint32_t packet; /* its number */
	uint16_t place, arg;
	uint8_t event;	 /* enum trace_event */
	uint8_t verdict; /* enum verdict */
	uint8_t link;
	const uint8_t *data;
	uint32_t len;
	const struct frame_record *record; /* NULL: it never had a frame */
};

/* Those who capture. A pointer, since what uses frames does not link watch.c. */
struct watching {
	void (*tell)(struct frames *f, const struct sight *sight);
};

/* What a reader is told of next; room for it is made by forgetting the oldest. */
static inline struct trace_record *trace_next(struct frames *f, uint32_t packet, unsigned event,
					      unsigned place)
{
	struct trace_header *t = f->trace;
	struct trace_record *r = &f->trace_records[t->written & (t->slots - 1)];
	*r = (struct trace_record){
		.time_ns = f->now, .packet = packet, .place = (uint16_t)place, .event = (uint8_t)event
	};
	f->trace_rung = false;
	return r;
}

static inline void trace_done(struct frames *f)
{
	__atomic_store_n(&f->trace->written, f->trace->written + 1, __ATOMIC_RELEASE);
}

static inline void trace_snap(struct trace_record *r, const uint8_t *data, uint32_t len)
{
	r->len = len;
	r->snap_len = (uint8_t)(len < TRACE_SNAP ? len : TRACE_SNAP);
	memcpy(r->snap, data, r->snap_len);
}

/* The packet's bytes, as its record says where they are: checked, since a VNFC may have written that. */
static inline void sight_bytes(const struct frames *f, uint32_t ref, struct sight *s)
{
	s->record = &f->record[ref];
	uint32_t data = s->record->data, len = s->record->len;
	s->link = f->priv[ref].link;
	if (data <= f->frame_size && len <= f->frame_size - data) {
		s->data = frame_start(f, ref) + data;
		s->len = len;
	}
}

static inline void trace_tell(struct frames *f, const struct sight *s)
{
	if (f->trace != NULL && s->event != TRACE_HANDED) {
		struct trace_record *r = trace_next(f, s->packet, s->event, s->place);
		r->time_ns = s->time_ns;
		r->verdict = s->verdict;
		r->arg = s->arg;
		r->link = s->link;
		r->len = s->len;
		bool framed = s->event == TRACE_VERDICT || (s->event == TRACE_DROPPED && s->record != NULL);
		if (s->data != NULL && !framed)
			trace_snap(r, s->data, s->len);
		trace_done(f);
	}
	if (f->watching != NULL)
		f->watching->tell(f, s);
}

/* The same for a packet in a frame. Capture mode: at the packet's own time, ours may be ahead of it. */
static inline void trace_frame(struct frames *f, uint32_t ref, unsigned event, unsigned place,
			       unsigned verdict, unsigned arg, bool own_time)
{
	struct sight s = { .time_ns = own_time ? f->priv[ref].time_ns : clock_ns(CLOCK_MONOTONIC),
			   .packet = f->priv[ref].number,
			   .place = (uint16_t)place,
			   .arg = (uint16_t)arg,
			   .event = (uint8_t)event,
			   .verdict = (uint8_t)verdict };
	sight_bytes(f, ref, &s);
	trace_tell(f, &s);
}

static inline uint32_t trace_give_number(struct frames *f)
{
	return f->trace != NULL ? ++f->trace->packets : ++f->numbered;
}

TRACE_TAP void trace_number(struct frames *f, uint32_t ref, unsigned event, unsigned place, unsigned arg)
{
	f->priv[ref].number = trace_give_number(f);
	trace_frame(f, ref, event, place, 0, arg, true);
}

TRACE_TAP void trace_arrived(struct frames *f, uint32_t ref)
{
	if (f->priv[ref].number == 0)
		trace_number(f, ref, TRACE_ARRIVED, PLACE_ARRIVING + f->priv[ref].port, 0);
}

/* One that was on its way before anybody asked. */
static inline void trace_met(struct frames *f, uint32_t ref)
{
	if (f->priv[ref].number == 0)
		trace_number(f, ref, TRACE_MET, PLACE_ARRIVING + f->priv[ref].port, 0);
}

/* A packet that ended before it had a frame. */
TRACE_TAP void trace_refused(struct frames *f, unsigned place, unsigned reason, uint64_t time_ns,
			     const uint8_t *data, uint32_t len, unsigned link)
{
	struct sight s = { .time_ns = time_ns,
			   .packet = trace_give_number(f),
			   .place = (uint16_t)place,
			   .arg = (uint16_t)reason,
			   .link = (uint8_t)link,
			   .data = data,
			   .len = len };
	s.event = TRACE_ARRIVED;
	if (f->watching != NULL) /* a trace does without: the drop brings the bytes */
		f->watching->tell(f, &s);
	s.event = TRACE_DROPPED;
	s.verdict = VERDICT_DROP;
	trace_tell(f, &s);
}

TRACE_TAP void trace_verdict(struct frames *f, uint32_t ref, unsigned place, unsigned verdict, unsigned arg)
{
	trace_frame(f, ref, TRACE_VERDICT, place, verdict, arg, f->own_time);
}

TRACE_TAP void trace_dropped(struct frames *f, uint32_t ref, unsigned place, unsigned reason)
{
	if (place < PLACE_LEAVING)
		trace_arrived(f, ref); /* dropped by the port itself */
	trace_met(f, ref);
	trace_frame(f, ref, TRACE_DROPPED, place, VERDICT_DROP, reason, f->own_time);
}

/* A port gets these packets to send. */
TRACE_TAP void trace_leaving(struct frames *f, unsigned port, const uint32_t *refs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		trace_frame(f, refs[i], TRACE_LEAVING, PLACE_LEAVING + port, 0, 0, f->own_time);
}

/* A burst is handed to a stage: the first time its packets are seen, unless it comes from elsewhere than a port. */
TRACE_TAP void trace_hand(struct frames *f, unsigned stage, bool hop, const uint32_t *refs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (stage >= STAGE_SINGLE)
			trace_arrived(f, refs[i]);
		trace_met(f, refs[i]);
		if (hop)
			trace_frame(f, refs[i], TRACE_HANDED, PLACE_HOP + stage - STAGE_HOP, 0, 0,
				    f->own_time);
	}
}
#endif
