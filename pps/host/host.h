/* The loop of a VNFC host, whatever the language.
 *
 * A language gives host_run() a table of callbacks; the loop talks to the keeper, takes bursts, runs timers
 * and requests between them, and sleeps. It has no globals and never ends the process, so it can live in a
 * shared object. All callbacks are called from the one thread that called host_run().
 *
 * In `burst`, a language does for each frame:
 *
 *	host_prefetch(h, frames, i, n);
 *	struct vnfc_packet *p = host_packet(h, frames[i]);
 *	if (p)
 *		host_verdict(h, p, HOST_FORWARD(0));   // or HOST_DROP(reason id), HOST_CONSUME, HOST_HOLD...
 */
#ifndef PPS_HOST_H
#define PPS_HOST_H
#include <cjson/cJSON.h>
#include "itf/hop.h"
#include "pps/sdk/include/coven/abi.h"

struct host;

struct language {
	const char *name; /* "c", "python" */
	/* Load and initialise: declare reasons, metrics and requests, look at host_config(), add timers. 0;
	 * or -1 after one host_error() or more. */
	int (*init)(void *user, struct host *h);
	/* host_config() is the new configuration. 0; or -1 after host_error(): the old one stays. */
	int (*configure)(void *user, struct host *h);
	/* Give each of n frames a verdict; n is 1 in capture mode. host_publish() may be called in
	 * between. */
	void (*burst)(void *user, struct host *h, const uint32_t *frames, uint32_t n);
	/* The answer (the loop's to delete), or NULL with text in error. May be NULL if none are declared. */
	cJSON *(*request)(void *user, struct host *h, const char *name, const cJSON *args, char *error,
			  size_t size);
	/* The VNF ends. May be NULL. */
	void (*exit)(void *user, struct host *h);
	/* true before the loop blocks (let go of an interpreter's lock), false after it. May be NULL. */
	void (*sleeping)(void *user, bool begins);
};

/* Read "POOL,HOP,BELL,CONTROL". 0, or -1. */
int host_parse_fds(const char *text, int fds[4]);

/* The whole life of a host, from hello to exit. Returns the process's exit status: 0 ended on request, 1
 * failed (the keeper was told, or a line is on stderr), 2 the keeper is gone. */
int host_run(const int fds[4], const struct language *language, void *user);

/* ---- during init and configure ------------------------------------------------------------------ */

/* The configuration in force, or the one that is being decided on: an object. */
const cJSON *host_config(const struct host *h);
/* Ports and outputs as the keeper's `init` said: {"in": {"number", "mac", "mtu"}}, ["next"]. */
const cJSON *host_ports(const struct host *h);
const cJSON *host_outputs(const struct host *h);

/* One mistake, for the user. Texts may be NULL, line 0. */
void host_error(struct host *h, const char *file, int line, const char *field, const char *found,
		const char *expected, const char *remedy);

/* Where in the source the next declarations are written, for errors that they cause. */
void host_place(struct host *h, const char *file, int line);

/* init only. The reason's id, or -1 after host_error(). */
int host_declare_reason(struct host *h, const char *name, const char *why);
/* init only. kind: enum hop_metric. The cell, or NULL after host_error(). */
struct hop_metric_cell *host_declare_metric(struct host *h, uint32_t kind, const char *name, const char *why,
					    const char *unit);
/* init only. args: [{"name", "type", "default"?}], taken over; changes: asking changes something. 0, or -1 after
 * host_error(). */
int host_declare_request(struct host *h, const char *name, const char *why, const char *unit, cJSON *args,
			 bool changes);

/* HOP_STATE_BYTES that survive a restart, for the language to arrange. */
uint8_t *host_state(struct host *h);

/* ---- packets ------------------------------------------------------------------------------------ */

#define HOST_FORWARD(output) ((vnfc_verdict)VERDICT_FORWARD | (vnfc_verdict)(output) << 16)
#define HOST_DROP(reason) ((vnfc_verdict)VERDICT_DROP | (vnfc_verdict)(reason) << 16)
#define HOST_BACK HOST_FORWARD(OUTPUT_BACK)
#define HOST_CONSUME ((vnfc_verdict)VERDICT_CONSUME)
#define HOST_HOLD ((vnfc_verdict)VERDICT_HOLD)
#define HOST_NO_VERDICT ((vnfc_verdict)VERDICT_NONE)
enum { HOST_EXCEPTION = 7 /* `exception` in reasons.h, for HOST_DROP */ };

/* The part of the host that abi.h's inline functions and the function table work on. */
struct vnfc_host *host_api(struct host *h);

/* NULL: the record made no sense, the frame is dealt with. */
static inline struct vnfc_packet *host_packet(struct vnfc_host *api, uint32_t frame)
{
	struct vnfc_packet *p = vnfc__open(api, frame);
	if (__builtin_expect(p == NULL, 0))
		api->refused(api, frame);
	return p;
}

/* The verdict on a packet that `burst` was given (HOLD keeps it; api->release() then ends that). */
static inline void host_verdict(struct vnfc_host *api, struct vnfc_packet *p, vnfc_verdict verdict)
{
	vnfc__close(api, p, verdict);
}

static inline void host_prefetch(const struct vnfc_host *api, const uint32_t *frames, uint32_t i, uint32_t n)
{
	vnfc__prefetch(api, frames, i, n);
}

/* Give back at once what has a verdict, instead of at the end of the burst: for handlers that take long. */
void host_publish(struct host *h);
/* Of the frames that are held, so many are with a component behind the host, and come back by themselves. */
void host_lend(struct host *h, uint32_t frames);

/* An exception was raised (for the packet: HOST_DROP(HOST_EXCEPTION)); returns how many there were so far. */
uint64_t host_exception(struct host *h);

/* The rest is in struct vnfc_host: make, clone, emit, release, discard, log, timer_add, timer_cancel, now_ns,
 * random. Timers: delay and period (0: once) in ns; `run` is called between bursts. */

/* Time is the captures': a result must be there before `burst` returns. */
bool host_is_capture(const struct host *h);

/* Let the loop call `sleeping(user, false)` if it sleeps. The only function for other threads. */
void host_wake(struct host *h);

/* ---- metrics ------------------------------------------------------------------------------------ */

/* One writer: an aligned store is all that readers need. */
static inline void host_count(struct hop_metric_cell *cell, uint64_t n)
{
	__atomic_store_n(&cell->value, cell->value + n, __ATOMIC_RELAXED);
}

static inline void host_set(struct hop_metric_cell *cell, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	__atomic_store_n(&cell->value, bits, __ATOMIC_RELAXED);
}

void host_observe(struct hop_metric_cell *cell, double value);
#endif
