/* The NSH processor on its bed (nsh_bed.h) as functions that Python can call; structs are itf/segment.h's. */
#include "tests/rigs/nsh_bed.h"

struct wiring *driver_begin(void);
void driver_end(void);
void driver_arrive(const uint8_t *bytes, uint32_t len, uint32_t port);
void driver_leave(uint32_t port, int32_t moved, uint32_t encap);
void driver_clear(void);
int driver_packet(uint32_t sink, uint32_t n, uint8_t *out);
struct place_stats *driver_figures(void);
uint32_t driver_frames_lost(void);
int driver_tap(void);
uint32_t driver_tapped(void);
void driver_untap(void);

static struct bed *bed;

struct wiring *driver_begin(void)
{
	bed = bed_new();
	return &bed->wiring;
}

void driver_end(void)
{
	bed_free(bed);
}

void driver_arrive(const uint8_t *bytes, uint32_t len, uint32_t port)
{
	uint32_t ref = bed_arrive(bed, bytes, len, port);
	stage_hand(&bed->fabric, STAGE_NSH, &ref, 1);
}

/* All that came to the classifier leaves by a port, its first byte where a VNFC moved it to, with the encapsulation
 * that a rule said (0 none). */
void driver_leave(uint32_t port, int32_t moved, uint32_t encap)
{
	struct bed_sink *sink = &bed->sink[2];
	for (unsigned i = 0; i < sink->n; i++) {
		bed->fabric.frames.record[sink->refs[i]].data += (uint32_t)moved;
		bed->fabric.frames.priv[sink->refs[i]].encap = (uint16_t)encap;
	}
	unsigned n = sink->n;
	sink->n = 0;
	stage_hand(&bed->fabric, (uint16_t)(STAGE_PORT + port), sink->refs, n);
}

/* What ports and classifier have is done with. */
void driver_clear(void)
{
	for (unsigned i = 0; i < 3; i++)
		while (bed->sink[i].n > 0)
			frame_free(&bed->fabric.frames, bed->sink[i].refs[--bed->sink[i].n]);
}

/* The n-th packet that port 0 or 1, or the classifier (2), was handed: its length, -1 if there is none. */
int driver_packet(uint32_t sink, uint32_t n, uint8_t *out)
{
	struct frames *f = &bed->fabric.frames;
	if (n >= bed->sink[sink].n)
		return -1;
	uint32_t ref = bed->sink[sink].refs[n];
	memcpy(out, frame_bytes(f, ref), f->record[ref].len);
	return (int)f->record[ref].len;
}

struct place_stats *driver_figures(void)
{
	return &bed->stats[PLACE_NSH];
}

/* Frames that nobody has. */
uint32_t driver_frames_lost(void)
{
	return BED_FRAMES - bed->fabric.frames.spares - bed->sink[0].n - bed->sink[1].n - bed->sink[2].n;
}

/* Another tap, after the NSH processor's: packets that leave, as it sees them. */
static uint32_t tapped;
static void tap_leave(struct stage *port, const uint32_t *refs, unsigned n);
static const struct tap_ops watching = { .leave = tap_leave }, silent = { .leave = NULL };

static void tap_leave(struct stage *port, const uint32_t *refs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tapped += port->fabric->frames.record[refs[i]].len;
	port_take(port, &watching, refs, n);
}

/* How many more could be registered. */
int driver_tap(void)
{
	int free = 0;
	tapped = 0;
	if (!fabric_tap(&bed->fabric, &watching))
		return -1;
	while (fabric_tap(&bed->fabric, &silent))
		free++;
	fabric_untap(&bed->fabric, &silent);
	return free;
}

/* Bytes that it saw leave. */
uint32_t driver_tapped(void)
{
	return tapped;
}

void driver_untap(void)
{
	fabric_untap(&bed->fabric, &watching);
}
