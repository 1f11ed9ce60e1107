/* coven-capture: takes packets out of a watch and writes them as pcapng, to whoever asked for them.
 *
 * One process a capture, which the keeper starts and forgets: a reader that is slow, or never reads, holds up this process
 * and nobody else. The forwarder counts what finds no room meanwhile, and the interface statistics say so.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agents/capture/pcapng.h"
#include "agents/capture/words.h"
#include "itf/privileges.h"
#include "itf/ring.h"
#include "itf/segment_head.h"

enum {
	LOOK_MS = 20,	 /* between looks into the ring, unless half of it is full */
	DEAF_MS = 30000, /* a reader that takes nothing for so long has gone */
	STATISTICS_MS =
		2000, /* between interface statistics: whoever reads learns what is missing, and we whether he does */
	LONGEST = 1 << 16,
};

static const uint64_t MS = 1000000;

struct capture {
	struct watch_header *header;
	const uint8_t *ring;
	uint64_t ring_size;
	int bell, to;
	uint64_t begun, end_at; /* CLOCK_MONOTONIC; UINT64_MAX: when nobody reads any more */
	uint64_t left;		/* packets */
	const char *filter;
	uint32_t snaplen;
	uint32_t number[WATCH_INTERFACES][LINK_OTHER + 1]; /* 1 + the interface's number in the file */
	uint64_t delivered[WATCH_INTERFACES];
	struct words words;
	struct pcapng_out out;
};

static uint64_t wall(const struct capture *c, uint64_t time_ns)
{
	return c->header->clock_mode == CLOCK_LIVE ? time_ns + c->header->wall_minus_monotonic : time_ns;
}

/* False: nobody reads any more. */
static bool flush(struct capture *c)
{
	size_t at = 0;
	while (at < c->out.used) {
		struct pollfd ready = { .fd = c->to, .events = POLLOUT };
		int n = poll(&ready, 1, DEAF_MS);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		ssize_t wrote = write(c->to, c->out.bytes + at, c->out.used - at);
		if (wrote > 0)
			at += (size_t)wrote;
		else if (errno != EAGAIN && errno != EINTR)
			return false;
	}
	c->out.used = 0;
	return true;
}

static uint32_t interface_of(struct capture *c, unsigned interface, unsigned link)
{
	static const uint16_t dlt[] = { [LINK_ETHERNET] = PCAPNG_DLT_ETHERNET,
					[LINK_IP] = PCAPNG_DLT_RAW,
					[LINK_OTHER] = PCAPNG_DLT_USER0 };
	const struct watch_interface *i = &c->header->interface[interface];
	char name[sizeof i->name + 1] = { 0 };
	memcpy(name, i->name, sizeof i->name);
	if (c->number[interface][link] == 0)
		c->number[interface][link] =
			1 + pcapng_interface(&c->out, dlt[link], c->snaplen, name, c->filter);
	return c->number[interface][link] - 1;
}

static void tell_statistics(struct capture *c)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < c->header->interfaces && i < WATCH_INTERFACES; i++) {
		const struct watch_counts *count = &c->header->count[i];
		struct pcapng_figures figures = { .begun_ns = c->begun + c->header->wall_minus_monotonic,
						  .now_ns = now + c->header->wall_minus_monotonic,
						  .received = cell_load64(&count->seen),
						  .accepted = cell_load64(&count->matched),
						  .missed = cell_load64(&count->missed),
						  .delivered = c->delivered[i] };
		pcapng_statistics(&c->out, interface_of(c, i, c->header->interface[i].link), &figures);
	}
}

/* What the VNFC said of its verdict. */
static void add_note(char *said, size_t room, const char *note, size_t len)
{
	if (len == 0)
		return;
	words_append(said, room, ": ", 2);
	words_append(said, room, note, len);
}

static void packet(struct capture *c, const struct watch_record *r, uint32_t snap_len)
{
	char said[PCAPNG_COMMENT], beside[128] = { 0 };
	static const uint8_t nothing[sizeof r->context];
	bool context = memcmp(r->context, nothing, sizeof nothing) != 0;
	words_of(&c->words, r, said, sizeof said);
	add_note(said, sizeof said, (const char *)(r + 1) + snap_len, r->note_len);
	if (r->mark != 0 || context) {
		size_t at = (size_t)snprintf(beside, sizeof beside, "mark %u", r->mark);
		for (unsigned i = 0; context && i < sizeof r->context; i++)
			at += (size_t)snprintf(beside + at, sizeof beside - at, "%s%02x",
					       i ? "" : ", context ", r->context[i]);
	}
	bool in = r->event == TRACE_ARRIVED || r->event == TRACE_HANDED;
	bool known = r->event != TRACE_DROPPED || (r->place >= PLACE_HOP && r->place < PLACE_CLASSIFIER);
	struct pcapng_seen seen = { .interface = interface_of(c, r->interface, r->link),
				    .time_ns = wall(c, r->time_ns),
				    .id = r->packet,
				    .data = (const uint8_t *)(r + 1),
				    .captured = snap_len,
				    .len = r->len > snap_len ? r->len : snap_len,
				    .direction = in	 ? 1
						 : known ? 2
							 : 0,
				    .comment = { said, beside } };
	pcapng_packet(&c->out, &seen);
	c->delivered[r->interface]++;
}

/* Everything that is in the ring now, `left` packets at most. False: nobody reads any more. */
static bool drain(struct capture *c)
{
	uint64_t written = cell_load64(&c->header->written), read = c->header->read;
	words_read(&c->words, c->header);
	while (read < written && c->left > 0) {
		uint64_t at = read & (c->ring_size - 1);
		const struct watch_record *r = (const struct watch_record *)(c->ring + at);
		uint32_t size = r->size & ~WATCH_END;
		if (size < 8 || size > c->ring_size - at)
			return false;
		if (!(r->size & WATCH_END) && r->interface < WATCH_INTERFACES && r->link <= LINK_OTHER &&
		    size >= sizeof *r + r->snap_len + r->note_len) {
			uint32_t snap_len = r->snap_len;
			if (!pcapng_has_room(&c->out, snap_len) && !flush(c))
				return false;
			packet(c, r, snap_len);
			c->left--;
		}
		read += size;
		cell_store64(&c->header->read, read);
	}
	return flush(c);
}

/* Wait for half a ring, the next look, or the end. False: the reader has gone. */
static bool wait_a_moment(struct capture *c)
{
	struct pollfd what[2] = { { .fd = c->bell, .events = POLLIN }, { .fd = c->to, .events = 0 } };
	uint64_t bells;
	poll(what, 2, LOOK_MS);
	if ((what[0].revents & POLLIN) && read(c->bell, &bells, sizeof bells) < 0)
		return true;
	return !(what[1].revents & (POLLERR | POLLHUP | POLLNVAL));
}

static bool run(struct capture *c)
{
	uint64_t statistics_at = c->begun + STATISTICS_MS * MS;
	pcapng_begin(&c->out, "Coven");
	for (unsigned i = 0; i < c->header->interfaces && i < WATCH_INTERFACES; i++)
		interface_of(c, i, c->header->interface[i].link);
	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		bool over = cell_load(&c->header->over) != 0;
		if (!drain(c))
			return false;
		if (c->left == 0 || now >= c->end_at || over)
			break;
		if (now >= statistics_at) {
			tell_statistics(c);
			statistics_at = now + STATISTICS_MS * MS;
			if (!flush(c))
				return false;
		}
		if (!wait_a_moment(c))
			return false;
	}
	tell_statistics(c);
	return flush(c);
}

static bool map(struct capture *c, int fd)
{
	struct stat status;
	char why[SEG_WHY];
	if (fstat(fd, &status) < 0 || (size_t)status.st_size < sizeof *c->header)
		return false;
	size_t size = (size_t)status.st_size;
	struct watch_header *h = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h == MAP_FAILED || !segment_is_known(&h->magic, why, sizeof why))
		return false;
	c->header = h;
	c->ring = (const uint8_t *)h + h->ring;
	c->ring_size = h->ring_size;
	return h->ring <= size && h->ring_size <= size - h->ring && h->words <= size - WATCH_WORDS;
}

int main(int argc, char **argv)
{
	static const char usage[] = "usage: coven-capture WATCH,BELL,TO SECONDS PACKETS SNAPLEN FILTER\n"
				    "Started by the keeper with these descriptors; not for use by hand.\n";
	static struct capture c;
	int watch;
	if (argc != 6 || sscanf(argv[1], "%d,%d,%d", &watch, &c.bell, &c.to) != 3) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	give_up_privileges();
	double seconds = strtod(argv[2], NULL);
	c.begun = clock_ns(CLOCK_MONOTONIC);
	c.end_at = seconds > 0 ? c.begun + (uint64_t)(seconds * 1e9) : UINT64_MAX;
	c.left = strtoull(argv[3], NULL, 10);
	c.left = c.left > 0 ? c.left : UINT64_MAX;
	c.snaplen = (uint32_t)strtoul(argv[4], NULL, 10);
	c.filter = argv[5];
	if (!map(&c, watch)) {
		fputs("coven-capture: found no watch\n", stderr);
		return 1;
	}
	fcntl(c.to, F_SETFL, fcntl(c.to, F_GETFL) | O_NONBLOCK);
	return run(&c) ? 0 : 3;
}
