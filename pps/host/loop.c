/* The loop of a VNFC host: see host.h for what a language gives it, docs/architecture.md for what the keeper
 * and the forwarder expect of it.
 */
#include <stdlib.h>
#include <sys/random.h>
#include "pps/host/inside.h"

enum {
	TIMERS_AT_ONCE = 256, /* before the loop looks at control and packets again */
	CHUNK_LEAST = 8,      /* packets */
	SLOW_PACKET_NS =
		4000, /* a handler slower than this gets smaller bursts, to give results back sooner */
};
static const uint64_t RETRY_NS = 1000000, GAP_NS = SEG_GAP_S * 1000000000ull;

/* ---- timers ------------------------------------------------------------------------------------- */

static uint64_t timer_add(struct vnfc_host *api, uint64_t delay, uint64_t period, void (*run)(void *),
			  void *arg)
{
	struct host *h = host_of(api);
	if (period && period < TIMER_LEAST_NS)
		period = TIMER_LEAST_NS;
	if (delay < TIMER_LEAST_NS)
		delay = TIMER_LEAST_NS;
	if (delay > INT64_MAX || period > INT64_MAX)
		return 0; /* further away than any clock gets */
	uint64_t base = h->capture ? api->now_ns : clock_ns(CLOCK_MONOTONIC);
	uint64_t id = timers_add(&h->timers, base + delay, period, run, arg);
	if (id == 0)
		host_complain(api, "a timer was not set: there are %u already", h->timers.n);
	return id;
}

static bool timer_cancel(struct vnfc_host *api, uint64_t id)
{
	return timers_cancel(&host_of(api)->timers, id);
}

/* ---- the loop ----------------------------------------------------------------------------------- */

/* Live: run what is due, but not for ever. */
static bool run_due(struct host *h)
{
	uint64_t now = h->api.now_ns;
	int left = TIMERS_AT_ONCE;
	while (timers_next(&h->timers) <= now && left > 0) {
		struct timer due = timers_take(&h->timers, now);
		due.run(due.arg);
		vnfc__progress(&h->api);
		left--;
	}
	return left < TIMERS_AT_ONCE;
}

/* Capture: run what is due up to `to`, each timer at its own time; with `jump` all of them at `to`, and once. */
static void run_up_to(struct host *h, uint64_t to, bool jump)
{
	struct vnfc_host *api = &h->api;
	for (int n = 1; !h->ending && timers_next(&h->timers) <= to; n++) {
		uint64_t when = jump ? to : timers_next(&h->timers);
		if (when > api->now_ns)
			api->now_ns = when;
		struct timer due = timers_take(&h->timers, when);
		due.run(due.arg);
		vnfc__progress(api);
		if (n % TIMERS_AT_ONCE == 0) {
			host_publish(h);
			host_look_at_control(h);
		}
	}
	if (to > api->now_ns)
		api->now_ns = to;
}

/* Capture: time moves to `to`, and stops at each timer on the way. A gap is gone through for SEG_GAP_S, the rest of it
 * is one step: a capture may leap from 1970 to today. */
static void move_clock(struct host *h, uint64_t to)
{
	uint64_t now = h->api.now_ns;
	bool far = now != 0 && to > now && to - now > GAP_NS;
	if (now == 0)
		timers_shift(&h->timers, to);
	if (far)
		run_up_to(h, now + GAP_NS, false);
	run_up_to(h, to, far);
}

static bool turn_capture(struct host *h, const uint32_t *frames, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t time = h->hop.records[frames[i]].time_ns;
		move_clock(h, time ? time : 1);
		h->language->burst(h->user, h, &frames[i], 1);
	}
	uint64_t clock = cell_load64(&h->hop.head->clock);
	bool late = n == 0 && clock > h->clock_seen;
	if (late && h->api.now_ns != 0 && cell_load64(&h->hop.head->leap) == clock)
		run_up_to(h, clock, true); /* it has gone through the gap before, from timer to timer */
	else if (late)
		move_clock(h, clock);
	host_publish(h);
	if (late) { /* only when its results can be seen */
		h->clock_seen = clock;
		cell_store64(&h->hop.head->clock_seen, clock);
	}
	return n > 0 || late;
}

static bool turn_live(struct host *h, const uint32_t *frames, uint32_t n)
{
	uint64_t began = h->api.now_ns = clock_ns(CLOCK_MONOTONIC);
	bool ran = run_due(h);
	if (n > 0) {
		h->language->burst(h->user, h, frames, n);
		if (n == h->chunk) {
			uint64_t took = clock_ns(CLOCK_MONOTONIC) - began;
			if (took > (uint64_t)n * SLOW_PACKET_NS && h->chunk > CHUNK_LEAST)
				h->chunk /= 2;
			else if (took < (uint64_t)n * SLOW_PACKET_NS / 2 && h->chunk < SEG_HOST_BURST)
				h->chunk *= 2;
		}
	}
	host_publish(h);
	return n > 0 || ran;
}

static void sleep_until_needed(struct host *h)
{
	struct hop_header *head = h->hop.head;
	uint64_t timeout = 0, deadline = timers_next(&h->timers);
	bell_arm(&head->host_asleep);
	bool work = !ring_empty(&h->hop.to) || cell_load(&head->control) != h->control_seen ||
		    (h->capture && cell_load64(&head->clock) > h->clock_seen);
	if (!work && !h->capture && deadline != UINT64_MAX) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		work = deadline <= now;
		timeout = deadline - now;
	}
	if (work) {
		bell_disarm(&head->host_asleep);
		return;
	}
	if (h->capture) /* the forwarder waits for every host to rest before it moves the clock */
		hop_publish(&h->hop);
	if (h->api.done_n && (timeout == 0 || timeout > RETRY_NS))
		timeout = RETRY_NS;
	if (h->language->sleeping)
		h->language->sleeping(h->user, true);
	bell_sleep(&head->host_asleep, timeout);
	if (h->language->sleeping)
		h->language->sleeping(h->user, false);
}

static void loop(struct host *h)
{
	uint32_t frames[SEG_HOST_BURST];
	while (!h->ending) {
		host_look_at_control(h);
		if (h->ending)
			break;
		uint32_t n = hop_take_burst(&h->hop, frames, h->chunk);
		if (!(h->capture ? turn_capture(h, frames, n) : turn_live(h, frames, n)))
			sleep_until_needed(h);
	}
}

bool host_is_capture(const struct host *h)
{
	return h->capture;
}

void host_wake(struct host *h)
{
	bell_wake(&h->hop.head->host_asleep);
}

/* ---- beginning and end -------------------------------------------------------------------------- */

int host_parse_fds(const char *text, int fds[4])
{
	char end = 0;
	return sscanf(text, "%d,%d,%d,%d%c", &fds[0], &fds[1], &fds[2], &fds[3], &end) == 4 ? 0 : -1;
}

static bool set_up(struct host *h)
{
	struct vnfc_host *api = &h->api;
	struct hop_header *head = h->hop.head;
	uint32_t frames = h->hop.frames;
	uint64_t seed = head->seed;
	if (seed == 0 && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = clock_ns(CLOCK_REALTIME);
	*api = (struct vnfc_host){
		.minor = VNFC_ABI_MINOR,
		.size = sizeof(*api),
		.wall_minus_monotonic = head->wall_minus_monotonic,
		.records = h->hop.records,
		.data = h->hop.data,
		.nsh = h->hop.nsh,
		.notes = h->hop.notes,
		.frames = frames,
		.frame_size = h->hop.frame_size,
		.frame_shift = h->hop.frame_shift,
		.hold_max = head->hold_max,
		.progress = &head->progress,
		.random = seed,
		.timer_add = timer_add,
		.timer_cancel = timer_cancel,
	};
	host_packets(api);
	h->capture = head->clock_mode == CLOCK_CAPTURE;
	h->chunk = SEG_HOST_BURST;
	if (!h->capture)
		api->now_ns = clock_ns(CLOCK_MONOTONIC);
	h->control_seen = cell_load(&head->control) - 1; /* whatever is there already is looked at */
	h->message = (char *)malloc(HOST_MESSAGE_MAX);
	h->requests = cJSON_CreateArray();
	h->errors = cJSON_CreateArray();
	api->done = (uint32_t *)calloc(frames, sizeof(*api->done));
	h->unused.frame = (uint32_t *)calloc(frames, sizeof(*h->unused.frame));
	if (posix_memalign((void **)&api->packets, 64, frames * sizeof(*api->packets)) == 0)
		memset(api->packets, 0, frames * sizeof(*api->packets));
	return h->message && h->requests && h->errors && api->done && h->unused.frame && api->packets;
}

static void tear_down(struct host *h)
{
	cJSON *trees[] = { h->config, h->ports, h->outputs, h->requests, h->errors };
	for (size_t i = 0; i < sizeof(trees) / sizeof(*trees); i++)
		cJSON_Delete(trees[i]);
	timers_free(&h->timers);
	free(h->api.packets);
	free(h->api.done);
	free(h->unused.frame);
	free(h->message);
	hop_detach(&h->hop);
	free(h);
}

int host_run(const int fds[4], const struct language *language, void *user)
{
	char why[200] = "out of memory";
	struct host *h = (struct host *)calloc(1, sizeof(*h));
	if (!h || hop_attach(&h->hop, fds[0], fds[1], fds[2], why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		free(h);
		return 1;
	}
	h->control = fds[3];
	h->language = language;
	h->user = user;
	if (!set_up(h)) {
		fprintf(stderr, "out of memory for %u frames\n", h->hop.frames);
		tear_down(h);
		return 1;
	}
	host_hello(h);
	loop(h);
	int status = h->failed ? 1 : h->lost ? 2 : 0;
	tear_down(h);
	return status;
}
