/* A token bucket for each direction. What comes too fast waits in a queue, and is dropped when that is full.
 *
 * Tokens are bytes: they come at `rate` a second, `burst` of them are kept at most, and a packet takes as many as
 * it is long. A packet that must wait is held; a timer is set for the moment when there are tokens for the first
 * that waits, so that the order is kept.
 */
#include <coven/vnfc.h>

VNFC_REASON(queue_full, "faster than the configured rate, and the queue was full");
VNFC_COUNTER(delayed, "packets that had to wait", "packets");
VNFC_GAUGE(waiting, "packets that wait now, both directions together", "packets");
VNFC_HISTOGRAM(wait, "how long packets had to wait", "us");

enum { QUEUE_MOST = 512 }; /* limiter.schema.json says the same */

struct bucket {
	double tokens;
	uint64_t filled_at;
	struct vnfc_packet *queue[QUEUE_MOST];
	unsigned first, length;
};

static struct bucket buckets[SEG_PORTS]; /* by the port that packets come in by */
static double rate, burst;
static unsigned queue_max, all_waiting;

static void fill(struct bucket *b)
{
	uint64_t now = vnfc_now();
	b->tokens += (double)(now - b->filled_at) * rate / VNFC_SECOND;
	if (b->tokens > burst)
		b->tokens = burst;
	b->filled_at = now;
}

/* A packet longer than a whole burst goes when the bucket is full, or it would wait for ever. */
static double price(const struct vnfc_packet *p)
{
	return p->len < burst ? p->len : burst;
}

static void let_go(void *arg);

static void wake_for_first(struct bucket *b)
{
	double missing = price(b->queue[b->first]) - b->tokens;
	vnfc_after(missing > 0 ? (uint64_t)(missing / rate * VNFC_SECOND) + 1 : 0, let_go, b);
}

static void let_go(void *arg)
{
	struct bucket *b = arg;
	fill(b);
	while (b->length > 0 && b->tokens >= price(b->queue[b->first])) {
		struct vnfc_packet *p = b->queue[b->first];
		b->first = (b->first + 1) % QUEUE_MOST;
		b->length--;
		all_waiting--;
		b->tokens -= price(p);
		vnfc_observe(wait, (double)(vnfc_now() - p->time_ns) / 1000);
		vnfc_release(p, VNFC_FORWARD);
	}
	vnfc_set(waiting, all_waiting);
	if (b->length > 0)
		wake_for_first(b);
}

/* What waits already stays, also if the new queue is shorter. */
VNFC_CONFIGURE
{
	rate = vnfc_config_number("rate", 0);
	burst = vnfc_config_number("burst", 0);
	queue_max = (unsigned)vnfc_config_int("queue", 0);
	return VNFC_OK;
}

VNFC_HANDLE
{
	struct bucket *b = &buckets[p->port % SEG_PORTS];
	if (b->filled_at == 0) { /* the first packet finds it full */
		b->tokens = burst;
		b->filled_at = vnfc_now();
	}
	fill(b);
	if (b->length == 0 && b->tokens >= price(p)) {
		b->tokens -= price(p);
		return VNFC_FORWARD;
	}
	if (b->length >= queue_max)
		return VNFC_DROP(queue_full);
	b->queue[(b->first + b->length) % QUEUE_MOST] = p;
	vnfc_count(delayed);
	vnfc_set(waiting, ++all_waiting);
	if (b->length++ == 0)
		wake_for_first(b);
	return VNFC_HOLD;
}
