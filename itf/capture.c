/* The forwarder's turn in capture mode: time is the packets' own, and nothing is ever lost to haste.
 *
 *   packets left     the port with the earliest packet hands it on, once the hops have room (in a graph that
 *                    joins: once every hop is quiet and has run its timers up to then)
 *   none left        when every hop is quiet, time moves to the earliest timer, as long as packets are in
 *                    flight or a timer is set that runs once, and no more than SEG_GAP_S after the last packet
 *   nothing in flight, or no timer that could change it: ended
 *
 * A gap between two packets is gone through for as long, the rest of it is one step.
 */
#include "forwarder.h"

static const uint64_t GAP_NS = SEG_GAP_S * 1000000000ull;

struct next_port {
	struct stage *port;
	uint64_t time, until; /* its next packet; the next of any other port */
};

static struct next_port earliest_port(struct forwarder *fw)
{
	struct next_port next = { NULL, UINT64_MAX, UINT64_MAX };
	for (unsigned n = 0; n < SEG_PORTS; n++) {
		struct stage *s = fw->fabric.stage[STAGE_PORT + n];
		if (s == NULL || s->ops->deadline == NULL)
			continue;
		uint64_t time = s->ops->deadline(s);
		if (time < next.time) {
			next.until = next.time;
			next.time = time;
			next.port = s;
		} else if (time < next.until) {
			next.until = time;
		}
	}
	return next;
}

static uint64_t earliest_timer(struct forwarder *fw)
{
	uint64_t earliest = UINT64_MAX;
	for (unsigned n = 0; n < SEG_HOPS; n++) {
		struct stage *s = fw->fabric.stage[STAGE_HOP + n];
		uint64_t deadline = s != NULL ? s->ops->deadline(s) : UINT64_MAX;
		if (deadline < earliest)
			earliest = deadline;
	}
	return earliest;
}

static bool owes(struct forwarder *fw)
{
	for (unsigned n = 0; n < SEG_HOPS; n++)
		if (fw->fabric.stage[STAGE_HOP + n] != NULL && hop_owes(fw->fabric.stage[STAGE_HOP + n]))
			return true;
	return false;
}

static void advance(struct forwarder *fw, uint64_t time, bool leap)
{
	if (time > fw->fabric.frames.now)
		fw->fabric.frames.now = time;
	for (unsigned n = 0; n < SEG_HOPS; n++)
		if (fw->fabric.stage[STAGE_HOP + n] != NULL)
			hop_advance(fw->fabric.stage[STAGE_HOP + n], time, leap);
}

bool capture_turn(struct forwarder *fw, unsigned *moved)
{
	struct fabric *fabric = &fw->fabric;
	bool quiet = true, congested = false;
	for (unsigned n = 0; n < SEG_HOPS; n++) {
		struct stage *s = fabric->stage[STAGE_HOP + n];
		if (s == NULL)
			continue;
		quiet = hop_quiet(s) &&
			quiet; /* before the poll: what it gave back is then still in its ring */
		*moved += s->ops->poll(s, SEG_HOST_BURST);
		congested = congested || hop_congested(s);
	}
	if (*moved > 0)
		return true;
	const struct wiring *w = fabric->wiring[fabric->epoch & 1];
	struct next_port next = earliest_port(fw);
	if (next.port != NULL) {
		uint64_t timer = w->lockstep && quiet ? earliest_timer(fw) : UINT64_MAX;
		if (congested || (w->lockstep && !quiet))
			return true;
		if (timer < next.time) {
			bool far = fw->last_packet != 0 && timer > fw->last_packet + GAP_NS;
			advance(fw, far ? next.time : timer, far);
			*moved = 1;
			return true;
		}
		if (next.time > fabric->frames.now)
			fabric->frames.now = next.time;
		if (TRACED(&fabric->frames))
			watch_rested(fw);
		fabric->capture_until = next.until;
		*moved += next.port->ops->poll(next.port, w->lockstep ? 1 : SEG_BURST);
		fw->last_packet = fabric->frames.now;
		if (w->lockstep)
			advance(fw, next.time, false);
		if (*moved > 0)
			return true;
		/* no frame is free: only a timer of a VNFC that holds packets can change that */
	}
	if (!quiet)
		return true;
	uint64_t timer = earliest_timer(fw);
	if (timer == UINT64_MAX || timer > fw->last_packet + GAP_NS ||
	    (account_in_flight(fw) == 0 && !owes(fw)))
		return false;
	advance(fw, timer, false);
	*moved = 1;
	return true;
}
