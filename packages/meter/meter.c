/* Counts and measures what passes, and answers questions about it. Changes nothing.
 *
 * Metrics are for dashboards: they are there all the time and cost a few ns. Requests are for people: they may
 * take their time (up to a second), since they run between bursts.
 */
#include <coven/vnfc.h>

VNFC_COUNTER(tcp_packets, "TCP packets", "packets");
VNFC_COUNTER(udp_packets, "UDP packets", "packets");
VNFC_COUNTER(other_packets, "all other packets", "packets");
VNFC_COUNTER(unlisted, "packets of senders for whom the table had no room", "packets");
VNFC_GAUGE(packet_rate, "packets in the last second", "packets/s");
VNFC_HISTOGRAM(size, "how long packets are", "bytes");

enum { SENDERS = 512, PROBES = 8, TOP_MOST = 20 };

/* Survives a restart after a crash. A sender whose address is 0 is a free place. */
VNFC_STATE(struct {
	struct sender {
		uint32_t address; /* network order */
		uint32_t packets;
		uint64_t bytes;
	} sender[512];
});

static uint64_t in_this_second;
static double last_rate;

static struct sender *find(uint32_t address)
{
	uint32_t at = address * 2654435761u >> 16;
	for (unsigned i = 0; i < PROBES; i++) {
		struct sender *s = &vnfc_state()->sender[(at + i) % SENDERS];
		if (s->address == address || s->address == 0)
			return s;
	}
	return NULL;
}

static void each_second(void *unused)
{
	(void)unused;
	last_rate = (double)in_this_second;
	vnfc_set(packet_rate, last_rate);
	in_this_second = 0;
}

VNFC_INIT
{
	vnfc_every(VNFC_SECOND, each_second, NULL);
	return VNFC_OK;
}

VNFC_HANDLE
{
	in_this_second++;
	vnfc_observe(size, p->len);
	if (vnfc_tcp(p))
		vnfc_count(tcp_packets);
	else if (vnfc_udp(p))
		vnfc_count(udp_packets);
	else
		vnfc_count(other_packets);
	struct ip4_header *ip = vnfc_ip4(p);
	if (ip != NULL) {
		struct sender *s = find(ip->src);
		if (s == NULL) {
			vnfc_count(unlisted);
		} else {
			s->address = ip->src;
			s->packets++;
			s->bytes += p->len;
		}
	}
	return VNFC_FORWARD;
}

VNFC_REQUEST(rate, "packets in the last second", "packets/s")
{
	vnfc_answer_number(request, last_rate);
}

VNFC_REQUEST(top, "the IPv4 senders with the most bytes, the first first", "bytes",
	     VNFC_ARGUMENT(count, "int", "5"))
{
	int64_t count = vnfc_argument_int(request, "count");
	const struct sender *sender = vnfc_state()->sender;
	char text[TOP_MOST * 96], *at = text, *end = text + sizeof(text);
	bool told[SENDERS] = { false };
	if (count < 1 || count > TOP_MOST) {
		vnfc_answer_error(request, "count: found %lld, expected 1 to %d", (long long)count, TOP_MOST);
		return;
	}
	at += snprintf(at, (size_t)(end - at), "[");
	for (int64_t n = 0; n < count; n++) {
		const struct sender *most = NULL;
		for (unsigned i = 0; i < SENDERS; i++)
			if (!told[i] && sender[i].address && (!most || sender[i].bytes > most->bytes))
				most = &sender[i];
		if (most == NULL)
			break;
		told[most - sender] = true;
		const uint8_t *a = (const uint8_t *)&most->address;
		at += snprintf(at, (size_t)(end - at),
			       "%s{\"from\": \"%u.%u.%u.%u\", \"packets\": %u, \"bytes\": %llu}",
			       n ? ", " : "", a[0], a[1], a[2], a[3], most->packets,
			       (unsigned long long)most->bytes);
	}
	snprintf(at, (size_t)(end - at), "]");
	vnfc_answer_json(request, text);
}

VNFC_CHANGE(reset, "forget the senders", "")
{
	memset(vnfc_state(), 0, sizeof(*vnfc_state()));
	vnfc_answer_json(request, "true");
}
