/* The tap: what happens to each packet, told to whoever watches: traces, captures.
 *
 * While nobody asks it costs a branch that is predicted: every function here is called behind
 * `if (TRACED(f))`. It sits where frames change hands and drops are counted, so that no packet escapes it: part
 * of frames.h. While somebody follows few packets, the others cost little more.
 */
#ifndef ITF_TRACE_H
#define ITF_TRACE_H
#include <string.h>

/* never inlined: whoever has no trace has none of this in the way */
#define TRACE_TAP __attribute__((cold, noinline, unused)) static
/* the same of what runs for every packet while somebody follows a few */
#define TRACE_LOOP __attribute__((noinline, unused)) static

/* One thing that happened to one packet. */
struct sight {
	uint64_t time_ns;
	uint32_t packet; /* its number */
	uint16_t place, arg;
	uint8_t event;	 /* enum trace_event */
	uint8_t verdict; /* enum verdict */
	uint8_t link;
	bool first;	   /* the first of this packet */
	uint8_t *followed; /* bit per watch that follows it */
	const uint8_t *data;
	uint32_t len;
	const struct frame_record *record; /* NULL: it never had a frame */
	const char *note;		   /* FRAME_NOTE bytes at most, or NULL */
};

/* Those who watch. A pointer, since what uses frames does not link watch.c. */
struct watching {
	void (*tell)(struct frames *f, const struct sight *sight);
	uint32_t events; /* bit per enum trace_event that somebody wants to see of every packet */
	uint32_t live;	 /* packets on their way that are followed */
	uint64_t choose; /* the packet, as they are counted in frames.numbered, from which on one is chosen */
	bool shown;	 /* of the burst that a hop gets, one or more are watched */
};

/* Whether anybody wants to know of this packet that any of these (bits of enum trace_event) happened to it. */
static inline bool trace_wanted(const struct frames *f, uint32_t ref, uint32_t events)
{
	return (f->watching->events & events) != 0 || f->priv[ref].followed != 0;
}

/* Whether n packets can be passed over at once: nobody wants to see every one, none is followed, none of them is chosen. */
static inline bool trace_idle(const struct frames *f, uint64_t n)
{
	const struct watching *w = f->watching;
	return (w->events | w->live) == 0 && f->numbered + n < w->choose;
}

enum { TRACE_JUDGED = 1 << TRACE_VERDICT | 1 << TRACE_DROPPED };

/* The packet's bytes, as its record says where they are: checked, since a VNFC may have written that. */
static inline void sight_bytes(const struct frames *f, uint32_t ref, struct sight *s)
{
	s->record = &f->record[ref];
	s->followed = &f->priv[ref].followed;
	uint32_t data = s->record->data, len = s->record->len;
	s->link = f->priv[ref].link;
	if (data <= f->frame_size && len <= f->frame_size - data) {
		s->data = frame_start(f, ref) + data;
		s->len = len;
	}
}

/* A packet in a frame. Capture mode: at the packet's own time, ours may be ahead of it. */
TRACE_TAP void trace_frame(struct frames *f, uint32_t ref, unsigned event, unsigned place, unsigned verdict,
			   unsigned arg, bool own_time)
{
	struct sight s = { .time_ns = own_time ? f->priv[ref].time_ns : clock_ns(CLOCK_MONOTONIC),
			   .packet = f->priv[ref].number,
			   .place = (uint16_t)place,
			   .arg = (uint16_t)arg,
			   .event = (uint8_t)event,
			   .verdict = (uint8_t)verdict,
			   .first = event == TRACE_ARRIVED || event == TRACE_MADE || event == TRACE_MET };
	sight_bytes(f, ref, &s);
	bool judged = event == TRACE_VERDICT || event == TRACE_DROPPED;
	if (judged && (s.record->flags & FRAME_NOTED)) {
		f->record[ref].flags &= (uint8_t)~FRAME_NOTED;
		s.note = f->notes + (size_t)ref * FRAME_NOTE;
	}
	f->watching->tell(f, &s);
	struct frame_private *p = &f->priv[ref];
	if (s.first && p->followed != 0 && !p->live) {
		p->live = 1;
		f->watching->live++;
	} else if (p->live && (event == TRACE_DROPPED || event == TRACE_LEAVING ||
			       (event == TRACE_VERDICT && verdict == VERDICT_CONSUME))) {
		p->live = 0;
		f->watching->live--;
	}
}

/* 0 is no number. */
static inline uint32_t trace_give_number(struct frames *f)
{
	uint32_t number = (uint32_t)++f->numbered;
	return number != 0 ? number : (uint32_t)++f->numbered;
}

static inline void trace_number(struct frames *f, uint32_t ref, unsigned event, unsigned place, unsigned arg)
{
	f->priv[ref].number = trace_give_number(f);
	if ((f->watching->events & 1u << event) || f->numbered >= f->watching->choose)
		trace_frame(f, ref, event, place, 0, arg, true);
}

static inline void trace_arrived(struct frames *f, uint32_t ref)
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
	uint8_t followed = 0;
	struct sight s = { .time_ns = time_ns,
			   .packet = trace_give_number(f),
			   .place = (uint16_t)place,
			   .event = TRACE_ARRIVED,
			   .link = (uint8_t)link,
			   .first = true,
			   .followed = &followed,
			   .data = data,
			   .len = len };
	f->watching->tell(f, &s);
	s.event = TRACE_DROPPED;
	s.verdict = VERDICT_DROP;
	s.arg = (uint16_t)reason;
	s.first = false;
	f->watching->tell(f, &s);
}

static inline void trace_verdict(struct frames *f, uint32_t ref, unsigned place, unsigned verdict,
				 unsigned arg)
{
	if ((f->watching->events | f->watching->live) != 0 && trace_wanted(f, ref, 1u << TRACE_VERDICT))
		trace_frame(f, ref, TRACE_VERDICT, place, verdict, arg, f->own_time);
}

TRACE_LOOP void trace_dropped(struct frames *f, uint32_t ref, unsigned place, unsigned reason)
{
	if (place < PLACE_LEAVING)
		trace_arrived(f, ref); /* dropped by the port itself */
	trace_met(f, ref);
	/* also one that had left, as far as its port knew */
	if (trace_wanted(f, ref, 1u << TRACE_DROPPED))
		trace_frame(f, ref, TRACE_DROPPED, place, VERDICT_DROP, reason, f->own_time);
}

/* A port gets these packets to send. */
TRACE_LOOP void trace_leaving(struct frames *f, unsigned port, const uint32_t *refs, unsigned n)
{
	const bool all = f->watching->events & 1u << TRACE_LEAVING;
	if (trace_idle(f, n))
		return;
	for (unsigned i = 0; i < n; i++) {
		trace_met(f, refs[i]);
		if (__builtin_expect(all || f->priv[refs[i]].followed != 0, 0))
			trace_frame(f, refs[i], TRACE_LEAVING, PLACE_LEAVING + port, 0, 0, f->own_time);
	}
}

/* A hop gets this one, which somebody watches or whose record has flags of another one that was watched. */
TRACE_TAP void trace_shown(struct frames *f, uint32_t ref, unsigned place)
{
	uint8_t *flags = &f->record[ref].flags;
	f->watching->shown = true;
	/* only whoever is watched need say why */
	*flags = (uint8_t)((*flags & ~(FRAME_NOTED | FRAME_WATCHED)) |
			   (trace_wanted(f, ref, TRACE_JUDGED) ? FRAME_WATCHED : 0));
	if (trace_wanted(f, ref, 1u << TRACE_HANDED))
		trace_frame(f, ref, TRACE_HANDED, place, 0, 0, f->own_time);
}

/* A burst is handed to a stage that is no port: the first time its packets are seen, unless it comes from elsewhere than a
 * port. What most packets need is read once for all: for all that compilers know, every write may change it. */
TRACE_LOOP void trace_hand(struct frames *f, unsigned stage, bool hop, const uint32_t *refs, unsigned n)
{
	const unsigned first = stage >= STAGE_SINGLE ? TRACE_ARRIVED : TRACE_MET;
	const bool all = f->watching->events & (TRACE_JUDGED | 1u << TRACE_HANDED);
	struct frame_private *priv = f->priv;
	const struct frame_record *record = f->record;
	f->watching->shown = false;
	if (trace_idle(f, n)) {
		for (unsigned i = 0; first == TRACE_ARRIVED && i < n; i++)
			if (priv[refs[i]].number == 0)
				priv[refs[i]].number = trace_give_number(f);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		struct frame_private *p = &priv[refs[i]];
		if (p->number == 0)
			trace_number(f, refs[i], first, PLACE_ARRIVING + p->port, 0);
		if (hop && __builtin_expect(all || p->followed != 0 ||
						    (record[refs[i]].flags & (FRAME_NOTED | FRAME_WATCHED)),
					    0))
			trace_shown(f, refs[i], PLACE_HOP + stage - STAGE_HOP);
	}
}
#endif
