/* Packets by number, for the hosts of Java and JavaScript. See managed.h. */
#include "pps/managed/managed.h"

/* The packet in a frame that is the VNFC's now, else NULL. */
static struct vnfc_packet *packet_in(uint32_t frame)
{
	if (managed_api == NULL || frame >= managed_api->frames)
		return NULL;
	struct vnfc_packet *p = &managed_api->packets[frame];
	return p->place == VNFC_GONE ? NULL : p;
}

static uint8_t *frame_begin(const struct vnfc_packet *p)
{
	return managed_api->data + ((uint64_t)p->frame << managed_api->frame_shift);
}

static struct frame_record record_of(const struct vnfc_packet *p)
{
	struct frame_record r = {
		.link = p->link, .flags = p->flags, .l3 = p->l3, .l4 = p->l4, .l4_proto = p->l4_proto
	};
	return r;
}

static int parse(struct vnfc_packet *p)
{
	struct frame_record r = record_of(p);
	packet_parse(p->data, p->len, &r);
	p->flags = r.flags;
	p->l3 = r.l3;
	p->l4 = r.l4;
	p->l4_proto = r.l4_proto;
	return 0;
}

static int fix(struct vnfc_packet *p, uint32_t what)
{
	struct frame_record r = record_of(p);
	if (!(what & 2))
		r.l4_proto = 0;
	packet_fix_checksums(p->data, p->len, &r);
	return 0;
}

static int resize(struct vnfc_packet *p, uint32_t n)
{
	/* with the usual headroom if that leaves enough room, for later pushes */
	if (n > managed_api->frame_size)
		return MANAGED_NO_ROOM;
	uint32_t free_bytes = managed_api->frame_size - n;
	bool tight = free_bytes < FRAME_HEADROOM + FRAME_TAILROOM;
	p->data = frame_begin(p) + (tight ? free_bytes / 2 : FRAME_HEADROOM);
	p->len = n;
	return 0;
}

int managed_edit(uint32_t frame, enum managed_edit edit, uint32_t n)
{
	struct vnfc_packet *p = packet_in(frame);
	if (p == NULL)
		return MANAGED_GONE;
	uint64_t before = (uint64_t)(p->data - frame_begin(p));
	uint64_t behind = managed_api->frame_size - before - p->len;
	switch (edit) {
	case EDIT_PUSH:
		if (before < n)
			return MANAGED_NO_ROOM;
		p->data -= n;
		p->len += n;
		memset(p->data, 0, n);
		break;
	case EDIT_PULL:
		if (n > p->len)
			return MANAGED_NO_ROOM;
		p->data += n;
		p->len -= n;
		break;
	case EDIT_PUT:
		if (behind < n)
			return MANAGED_NO_ROOM;
		memset(p->data + p->len, 0, n);
		p->len += n;
		break;
	case EDIT_TRIM:
		if (n < p->len)
			p->len = n;
		break;
	case EDIT_FIX:
		return fix(p, n);
	case EDIT_RESIZE:
		if (resize(p, n) < 0)
			return MANAGED_NO_ROOM;
		break;
	default:
		break;
	}
	return parse(p);
}

int managed_emit(uint32_t frame, uint32_t output, int port)
{
	struct vnfc_packet *p = packet_in(frame);
	if (p == NULL || p->place != VNFC_MADE)
		return MANAGED_GONE;
	managed_give_judged(); /* in the order in which things were said */
	return managed_api->emit(managed_api, p, output, port) ? 0 : MANAGED_REFUSED;
}

int managed_release(uint32_t frame, uint32_t verdict)
{
	managed_give_judged(); /* it may have been held a moment ago */
	struct vnfc_packet *p = packet_in(frame);
	if (p == NULL || p->place != VNFC_HELD)
		return MANAGED_GONE;
	return managed_api->release(managed_api, p, verdict) ? 0 : MANAGED_REFUSED;
}

void managed_note(uint32_t frame, const char *text)
{
	struct vnfc_packet *p = packet_in(frame);
	if (p != NULL && text != NULL && vnfc__watched(p))
		vnfc__note(managed_api, p, text);
}

int managed_discard(uint32_t frame)
{
	struct vnfc_packet *p = packet_in(frame);
	if (p == NULL || p->place != VNFC_MADE)
		return MANAGED_GONE;
	managed_api->discard(managed_api, p);
	return 0;
}

int64_t managed_make(void)
{
	struct vnfc_packet *p = managed_api->make(managed_api);
	return p ? (int64_t)p->frame : MANAGED_NO_FRAME;
}

int64_t managed_clone(uint32_t frame)
{
	struct vnfc_packet *p = packet_in(frame);
	if (p == NULL)
		return MANAGED_GONE;
	p = managed_api->clone(managed_api, p);
	return p ? (int64_t)p->frame : MANAGED_NO_FRAME;
}

int64_t managed_payload(uint32_t frame)
{
	struct vnfc_packet *p = packet_in(frame);
	uint32_t size = 0;
	if (p == NULL)
		return -1;
	struct frame_record r = record_of(p);
	uint8_t *at = packet_payload(p->data, p->len, &r, &size);
	return at ? (int64_t)(at - p->data) << 32 | size : -1;
}

bool managed_flow(uint32_t frame, struct flow_key *key)
{
	struct vnfc_packet *p = packet_in(frame);
	if (p == NULL)
		return false;
	struct frame_record r = record_of(p);
	return packet_flow(p->data, p->len, &r, key) >= 0;
}
