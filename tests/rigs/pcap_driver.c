/* A forwarder of two capture ports and nothing between them, over the real stages: what the tests of
 * vns/pcap*.c run. Packets from one port leave by the other.
 *
 *   pcap_driver FRAMES FRAME_SIZE MODE RESTART_AFTER PORT PORT
 *
 * MODE: capture, live, or nonsense (capture, with records broken on the way as a hostile VNFC could).
 * RESTART_AFTER: packets after which both ports are closed and opened again as by a new forwarder, 0 never.
 * PORT: PARAMETER:FD[,FD], as vns/pcap.py gives them. Prints the figures as JSON, and the first packets.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "itf/stage.h"

enum { PORTS = 2, SHOWN = 64 };

struct driver {
	struct fabric fabric;
	struct stage port[PORTS], relay;
	struct wiring wiring;
	int fds[PORTS][SEG_PORTS];
	unsigned fd_count[PORTS];
	bool nonsense;
	uint64_t seen;
};

static const char *const reason_names[REASONS] = {
#define REASON(id, name, where, why) [id] = #name,
#include "itf/reasons.h"
#undef REASON
};

static struct driver driver;

/* Stands where the chain would be. */
static void relay_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct frames *f = &s->fabric->frames;
	for (unsigned i = 0; i < n; i++) {
		struct frame_record *r = &f->record[refs[i]];
		if (driver.seen++ < SHOWN)
			fprintf(stderr, "packet %u %u %u %d %d %u %" PRIu64 "\n", r->port, r->len, r->link,
				r->l3 == OFFSET_NONE ? -1 : r->l3, r->l4 == OFFSET_NONE ? -1 : r->l4,
				r->l4_proto, r->time_ns);
		if (driver.nonsense && driver.seen % 3 == 1)
			r->data = UINT32_MAX - 4;
		else if (driver.nonsense && driver.seen % 3 == 2)
			r->len = f->frame_size + 1;
		stage_hand(s->fabric, f->priv[refs[i]].port == 0 ? 1 : 0, &refs[i], 1);
	}
}

extern const struct stage_ops pcap_stage;
static const struct stage_ops relay = { .name = "relay", .take = relay_take };

static void make_fabric(uint32_t count, uint32_t frame_size, bool capture)
{
	struct fabric *fabric = &driver.fabric;
	struct frames *f = &fabric->frames;
	f->count = count;
	f->frame_size = frame_size;
	f->frame_shift = (uint32_t)__builtin_ctz(frame_size);
	f->data = calloc(count, frame_size);
	f->record = calloc(count, sizeof *f->record);
	f->owner = calloc(count, sizeof *f->owner);
	f->priv = calloc(count, sizeof *f->priv);
	f->spare = calloc(count, sizeof *f->spare);
	fabric->header = calloc(1, sizeof *fabric->header);
	if (!f->data || !f->record || !f->owner || !f->priv || !f->spare || !fabric->header)
		abort();
	f->stats = fabric->header->live.place;
	for (uint32_t i = 0; i < count; i++)
		f->spare[f->spares++] = i;
	fabric->wiring[0] = fabric->wiring[1] = &driver.wiring;
	fabric->epoch = 1;
	fabric->capture = capture;
	f->now = capture ? 0 : clock_ns(CLOCK_MONOTONIC);
	driver.relay = (struct stage){ .ops = &relay, .fabric = fabric, .id = STAGE_CLASSIFIER };
	fabric->stage[STAGE_CLASSIFIER] = &driver.relay;
}

static void open_ports(void)
{
	for (unsigned n = 0; n < PORTS; n++) {
		struct stage *s = &driver.port[n];
		struct place_stats *stats = driver.fabric.frames.stats;
		char why[240] = "";
		int fds[SEG_PORTS];
		*s = (struct stage){ .ops = &pcap_stage,
				     .fabric = &driver.fabric,
				     .id = (uint16_t)(STAGE_PORT + n),
				     .number = (uint16_t)n,
				     .in = &stats[PLACE_ARRIVING + n],
				     .out = &stats[PLACE_LEAVING + n] };
		for (unsigned i = 0; i < driver.fd_count[n]; i++)
			fds[i] = fcntl(driver.fds[n][i], F_DUPFD_CLOEXEC, 0);
		if (s->ops->open(s, fds, driver.fd_count[n], why, sizeof why) < 0) {
			fprintf(stderr, "open: %s\n", why);
			exit(1);
		}
		driver.fabric.stage[STAGE_PORT + n] = s;
	}
}

static void close_ports(void)
{
	for (unsigned n = 0; n < PORTS; n++)
		driver.port[n].ops->close(&driver.port[n]);
}

static void parse_port(unsigned n, const char *text)
{
	char *at;
	struct port_wiring *w = &driver.wiring.port[n];
	snprintf(w->name, sizeof w->name, "%s", n == 0 ? "in" : "out");
	w->kind = PORT_PCAP;
	w->generation = 1;
	w->enter = STAGE_CLASSIFIER;
	w->parameter[0] = (uint32_t)strtoul(text, &at, 10);
	while (*at == ':' || *at == ',')
		driver.fds[n][driver.fd_count[n]++] = (int)strtol(at + 1, &at, 10);
}

/* One turn: the port with the earliest packet hands on what is due. False at the end. */
static bool turn(void)
{
	struct fabric *fabric = &driver.fabric;
	struct stage *next = NULL;
	uint64_t time = UINT64_MAX;
	fabric->capture_until = UINT64_MAX;
	for (unsigned n = 0; n < PORTS; n++) {
		uint64_t deadline = pcap_stage.deadline(&driver.port[n]);
		if (deadline < time) {
			fabric->capture_until = time;
			time = deadline;
			next = &driver.port[n];
		} else if (deadline < fabric->capture_until) {
			fabric->capture_until = deadline;
		}
	}
	if (next == NULL)
		return false;
	if (time > fabric->frames.now)
		fabric->frames.now = time;
	if (next->ops->poll(next, SEG_BURST) == 0)
		abort(); /* it said that it had one */
	return true;
}

static void show(const char *name, const struct place_stats *s)
{
	const char *comma = "";
	printf("\"%s\": {\"received\": %" PRIu64 ", \"forwarded\": %" PRIu64 ", \"bytes_in\": %" PRIu64
	       ", \"bytes_out\": %" PRIu64 ", \"dropped\": {",
	       name, s->received, s->forwarded, s->bytes_in, s->bytes_out);
	for (unsigned i = 0; i < REASONS; i++) {
		if (s->dropped[i] == 0)
			continue;
		printf("%s\"%s\": %" PRIu64, comma, reason_names[i] ? reason_names[i] : "?", s->dropped[i]);
		comma = ", ";
	}
	printf("}}, ");
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	uint32_t count = (uint32_t)strtoul(argv[1], NULL, 10),
		 frame_size = (uint32_t)strtoul(argv[2], NULL, 10);
	uint64_t restart_after = strtoull(argv[4], NULL, 10);
	driver.nonsense = strcmp(argv[3], "nonsense") == 0;
	make_fabric(count, frame_size, strcmp(argv[3], "live") != 0);
	parse_port(0, argv[5]);
	parse_port(1, argv[6]);
	open_ports();
	while (turn()) {
		if (restart_after && driver.seen >= restart_after) {
			restart_after = 0;
			close_ports();
			open_ports();
		}
	}
	close_ports();
	struct frames *f = &driver.fabric.frames;
	printf("{");
	show("in", &f->stats[PLACE_ARRIVING]);
	show("out", &f->stats[PLACE_ARRIVING + 1]);
	show("leaves_in", &f->stats[PLACE_LEAVING]);
	show("leaves_out", &f->stats[PLACE_LEAVING + 1]);
	printf("\"in_flight\": %u}\n", f->count - f->spares);
	free(f->data);
	free(f->record);
	free(f->owner);
	free(f->priv);
	free(f->spare);
	free(driver.fabric.header);
	return 0;
}
