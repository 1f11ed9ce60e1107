/* The tap: one record for whatever happens to a packet, while somebody asked for a trace.
 *
 * Without a trace it costs a branch that is predicted: every function here is called behind
 * `if (TRACED(f))`. It sits where frames change hands and drops are counted, so that no packet escapes it: part
 * of frames.h.
 */
#ifndef ITF_TRACE_H
#define ITF_TRACE_H
#include <string.h>

/* never inlined: whoever has no trace has none of this in the way */
#define TRACE_TAP __attribute__((cold, noinline, unused)) static

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
static inline void trace_bytes(struct frames *f, uint32_t ref, struct trace_record *r)
{
	uint32_t data = f->record[ref].data, len = f->record[ref].len;
	if (data <= f->frame_size && len <= f->frame_size - data)
		trace_snap(r, frame_start(f, ref) + data, len);
	r->link = f->priv[ref].link;
}

/* The same for a packet in a frame. Captures: at the packet's own time, ours may be ahead of it. */
static inline struct trace_record *trace_about(struct frames *f, uint32_t ref, unsigned event, unsigned place)
{
	struct trace_record *r = trace_next(f, f->priv[ref].number, event, place);
	if (f->trace->clock_mode == CLOCK_CAPTURE)
		r->time_ns = f->priv[ref].time_ns;
	return r;
}

TRACE_TAP void trace_number(struct frames *f, uint32_t ref, unsigned event, unsigned place, unsigned arg)
{
	f->priv[ref].number = ++f->trace->packets;
	struct trace_record *r = trace_next(f, f->priv[ref].number, event, place);
	r->arg = (uint16_t)arg;
	r->time_ns = f->priv[ref].time_ns;
	trace_bytes(f, ref, r);
	trace_done(f);
}

TRACE_TAP void trace_arrived(struct frames *f, uint32_t ref)
{
	if (f->priv[ref].number == 0)
		trace_number(f, ref, TRACE_ARRIVED, PLACE_ARRIVING + f->priv[ref].port, 0);
}

/* A packet that ended before it had a frame. */
TRACE_TAP void trace_refused(struct frames *f, unsigned place, unsigned reason, uint64_t time_ns,
			     const uint8_t *data, uint32_t len, unsigned link)
{
	struct trace_record *r = trace_next(f, ++f->trace->packets, TRACE_DROPPED, place);
	r->time_ns = time_ns;
	r->verdict = VERDICT_DROP;
	r->arg = (uint16_t)reason;
	r->link = (uint8_t)link;
	trace_snap(r, data, len);
	trace_done(f);
}

TRACE_TAP void trace_verdict(struct frames *f, uint32_t ref, unsigned place, unsigned verdict, unsigned arg)
{
	struct trace_record *r = trace_about(f, ref, TRACE_VERDICT, place);
	r->verdict = (uint8_t)verdict;
	r->arg = (uint16_t)arg;
	r->len = f->record[ref].len;
	trace_done(f);
}

TRACE_TAP void trace_dropped(struct frames *f, uint32_t ref, unsigned place, unsigned reason)
{
	trace_arrived(f, ref); /* dropped by the port itself */
	struct trace_record *r = trace_about(f, ref, TRACE_DROPPED, place);
	r->verdict = VERDICT_DROP;
	r->arg = (uint16_t)reason;
	trace_done(f);
}

/* A burst is handed to a stage: the first time its packets are seen, the last time when that is a port. */
TRACE_TAP void trace_hand(struct frames *f, unsigned stage, const uint32_t *refs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		trace_arrived(f, refs[i]);
		if (stage >= STAGE_HOP)
			continue;
		struct trace_record *r = trace_about(f, refs[i], TRACE_LEAVING, PLACE_LEAVING + stage);
		trace_bytes(f, refs[i], r);
		trace_done(f);
	}
}
#endif
