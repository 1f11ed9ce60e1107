/* Packets that an operator makes, to see what becomes of them (`coven why --inject`). They originate at a port, as if they
 * had come in by it; unless he wants them sent, the port that they leave by consumes them. */
#include <string.h>
#include "forwarder.h"
#include "packet.h"
#include "checksum.h"

static void tap_ports(struct forwarder *fw)
{
	for (unsigned n = 0; n < SEG_PORTS; n++)
		fw->ports[n].tapped = fw->fabric.taps > 0 || fw->fabric.withheld;
}

void inject(struct forwarder *fw)
{
	struct fabric *fabric = &fw->fabric;
	struct frames *f = &fabric->frames;
	struct forwarder_message m = fw->inject;
	uint32_t ref;
	fw->inject.kind = 0;
	if (fabric->capture || fabric->epoch == 0 || m.index >= SEG_PORTS || m.generation == 0 ||
	    m.generation > sizeof m.text || fabric->stage[STAGE_PORT + m.index] == NULL ||
	    frames_take(f, &ref, 1, (uint16_t)(OWNER_ARRIVING + m.index)) == 0)
		return;
	const struct port_wiring *w = &fabric->wiring[fabric->epoch & 1]->port[m.index];
	uint8_t *data = frame_start(f, ref) + FRAME_HEADROOM;
	memcpy(data, m.text, m.generation);
	f->record[ref] = (struct frame_record){ .data = FRAME_HEADROOM,
						.len = m.generation,
						.link = w->link,
						.port = (uint8_t)m.index,
						.time_ns = f->now };
	f->priv[ref] = (struct frame_private){ .time_ns = f->now,
					       .epoch = (uint16_t)fabric->epoch,
					       .port = (uint8_t)m.index,
					       .link = w->link,
					       .withheld = m.fds == 0 };
	packet_parse(data, m.generation, &f->record[ref]);
	packet_fix_checksums(data, m.generation, &f->record[ref]);
	if (m.fds == 0 && !fabric->withheld) {
		fabric->withheld = true;
		tap_ports(fw);
	}
	f->stats[PLACE_ARRIVING + m.index].originated++;
	f->stats[PLACE_ARRIVING + m.index].forwarded++;
	fw->dirty = true;
	if (TRACED(f))
		trace_number(f, ref, TRACE_MADE, PLACE_ARRIVING + m.index, 0);
	stage_hand(fabric, (uint16_t)w->enter, &ref, 1);
}

/* None of them is on its way any more: ports need not look. */
void inject_look(struct forwarder *fw)
{
	struct frames *f = &fw->fabric.frames;
	for (uint32_t i = 0; i < f->count; i++)
		if (f->priv[i].withheld && f->owner[i] != OWNER_FREE &&
		    (f->owner[i] & 0xff00) != OWNER_FILL && (f->owner[i] & 0xff00) != OWNER_SPARE)
			return;
	fw->fabric.withheld = false;
	tap_ports(fw);
}
