/* The hosts of Java and JavaScript: bursts, life, timers, what is declared. See managed.h. */
#include <stdlib.h>
#include <unistd.h>
#include "pps/managed/managed.h"

enum { EXCEPTIONS_MAX = 1000, EXCEPTIONS_SECONDS = 10, STATE_MAGIC = 0x3153474d /* "MGS1" */ };
enum { STRIDE_MOST = 64 };
static const uint64_t SLOW_NS = 30000, STATE_NS = 100000000, SECOND = 1000000000;

#define AT(member, at) _Static_assert(offsetof(struct vnfc_packet, member) == (at), #member)
AT(data, PACKET_AT_DATA);
AT(len, PACKET_AT_LEN);
AT(link, PACKET_AT_LINK);
AT(port, PACKET_AT_PORT);
AT(flags, PACKET_AT_FLAGS);
AT(l3, PACKET_AT_L3);
AT(l4, PACKET_AT_L4);
AT(l4_proto, PACKET_AT_PROTO);
AT(mark, PACKET_AT_MARK);
AT(time_ns, PACKET_AT_TIME);
AT(nsh_len, PACKET_AT_NSH_LEN);
AT(place, PACKET_AT_PLACE);
_Static_assert(sizeof(struct vnfc_packet) == PACKET_BYTES && sizeof(struct frame_record) == RECORD_BYTES &&
		       offsetof(struct frame_record, context) == RECORD_AT_CONTEXT &&
		       offsetof(struct managed_batch, now_ns) == 2048,
	       "the machines know these by number");

struct host *managed_host;
struct vnfc_host *managed_api;

struct kept_state { /* in the hop's state area */
	uint32_t magic, size;
	uint8_t bytes[HOP_STATE_BYTES - 8];
};

struct job {
	uint64_t timer;
	uint32_t id;
	bool repeat, set;
	struct job *next; /* free ones */
};

static const struct managed_vm *vm;
static struct managed_batch batch;
static uint32_t given, stride = 1; /* of the burst that is at the machine */
static uint64_t given_at;
static uint64_t exceptions_since, exceptions_n;
static bool capture, state_timer_set;
static struct job **jobs, *free_jobs;
static uint32_t jobs_n;
static struct hop_metric_cell *metrics[HOP_METRICS];
static uint32_t metrics_n;

static uint64_t nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* ---- the state that survives a restart ---------------------------------------------------------- */

static void state_save(void)
{
	static uint8_t bytes[sizeof(((struct kept_state *)0)->bytes)];
	struct kept_state *kept = (struct kept_state *)host_state(managed_host);
	long size = vm->save(bytes, sizeof(bytes));
	if (size < 0)
		return;
	/* a crash in between leaves no state rather than half of one */
	__atomic_store_n(&kept->magic, 0, __ATOMIC_SEQ_CST);
	kept->size = (uint32_t)size;
	memcpy(kept->bytes, bytes, (size_t)size);
	__atomic_store_n(&kept->magic, STATE_MAGIC, __ATOMIC_SEQ_CST);
}

static void state_due(void *unused)
{
	(void)unused;
	state_timer_set = false;
	state_save();
}

/* Something of the author's ran: see to it that a change of its state is kept soon. */
static void state_watch(void)
{
	if (!state_timer_set && !capture) /* in capture time no timer of ours may make the clock go on */
		state_timer_set = managed_api->timer_add(managed_api, STATE_NS, 0, state_due, NULL) != 0;
}

/* ---- bursts ------------------------------------------------------------------------------------- */

static void enter(void)
{
	batch.now_ns = managed_api->now_ns;
}

void managed_give_judged(void)
{
	for (uint32_t n = batch.judged; given < n && given < SEG_HOST_BURST; given++)
		host_verdict(managed_api, &managed_api->packets[batch.frames[given]], batch.verdicts[given]);
}

uint32_t managed_give(void)
{
	uint32_t before = given;
	managed_give_judged();
	uint64_t now = nanoseconds();
	if (now - given_at > SLOW_NS) {
		host_publish(managed_host); /* the next packets need not keep these waiting */
		stride = given - before > 1 && stride > 1 ? stride / 2 : 1;
	} else if (stride < STRIDE_MOST) {
		stride *= 2;
	}
	given_at = now;
	return stride;
}

static void on_burst(void *user, struct host *h, const uint32_t *frames, uint32_t n)
{
	uint32_t good = 0;
	(void)user, (void)h;
	for (uint32_t i = 0; i < n; i++) {
		host_prefetch(managed_api, frames, i, n);
		if (host_packet(managed_api, frames[i]))
			batch.frames[good++] = frames[i];
	}
	if (good == 0)
		return;
	batch.judged = given = 0;
	enter();
	given_at = nanoseconds();
	vm->burst(good);
	managed_give_judged();
	for (; given < good; given++) /* the machine failed in between */
		host_verdict(managed_api, &managed_api->packets[batch.frames[given]],
			     HOST_DROP(HOST_EXCEPTION));
	batch.judged = given = 0;
	state_watch();
}

/* ---- life --------------------------------------------------------------------------------------- */

static char *text_of(const cJSON *json)
{
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;
	return text ? text : strdup("null");
}

static int on_init(void *user, struct host *h)
{
	(void)user;
	managed_host = h;
	managed_api = host_api(h);
	capture = managed_api->now_ns == 0; /* time has not begun */
	batch.wall_minus_monotonic = managed_api->wall_minus_monotonic;
	enter();
	char *config = text_of(host_config(h)), *ports = text_of(host_ports(h)),
	     *outputs = text_of(host_outputs(h));
	const struct kept_state *kept = (const struct kept_state *)host_state(h);
	bool have = kept->magic == STATE_MAGIC && kept->size <= sizeof(kept->bytes);
	int done = vm->load(config, ports, outputs, managed_api->random, kept->bytes, have ? kept->size : 0);
	free(config);
	free(ports);
	free(outputs);
	return done;
}

static int on_configure(void *user, struct host *h)
{
	(void)user;
	enter();
	char *config = text_of(host_config(h));
	int done = vm->configure(config);
	free(config);
	state_watch();
	return done;
}

static cJSON *on_request(void *user, struct host *h, const char *name, const cJSON *args, char *error,
			 size_t size)
{
	(void)user, (void)h;
	enter();
	char *given_args = text_of(args);
	bool good = false;
	char *text = vm->request(name, given_args, &good);
	cJSON *value = good && text ? cJSON_Parse(text) : NULL;
	if (value == NULL)
		snprintf(error, size, "%s", good || !text ? "the answer cannot be sent" : text);
	free(given_args);
	free(text);
	state_watch();
	return value;
}

static void on_leave(void *user, struct host *h)
{
	(void)user, (void)h;
	enter();
	vm->leave();
	state_save();
}

int managed_run(const char *text, const struct managed_vm *machine)
{
	int fds[4];
	if (host_parse_fds(text, fds) < 0) {
		fprintf(stderr, "--fds %s: expected POOL,HOP,BELL,CONTROL\n", text);
		return 2;
	}
	const struct language language = {
		machine->name, on_init, on_configure, on_burst, on_request, on_leave, NULL,
	};
	vm = machine;
	return host_run(fds, &language, NULL);
}

struct managed_region managed_region(enum managed_regions which)
{
	const struct vnfc_host *api = managed_api;
	size_t frames = api->frames;
	switch (which) {
	case REGION_DATA:
		return (struct managed_region){ api->data, frames << api->frame_shift };
	case REGION_PACKETS:
		return (struct managed_region){ api->packets, frames * sizeof(*api->packets) };
	case REGION_RECORDS:
		return (struct managed_region){ api->records, frames * sizeof(*api->records) };
	case REGION_NSH:
		return (struct managed_region){ api->nsh, frames * FRAME_NSH_AREA };
	default:
		return (struct managed_region){ &batch, sizeof(batch) };
	}
}

void managed_exception(void)
{
	uint64_t now = nanoseconds() / SECOND;
	host_exception(managed_host);
	if (exceptions_n == 0 || now - exceptions_since >= EXCEPTIONS_SECONDS) {
		exceptions_since = now;
		exceptions_n = 0;
	}
	if (++exceptions_n <= EXCEPTIONS_MAX)
		return;
	/* the VNFC counts as failed: the keeper restarts it and counts what it had as died */
	managed_api->log(managed_api, "more than 1000 exceptions in 10 s: this VNFC ends");
	state_save();
	managed_give_judged();
	host_publish(managed_host);
	_exit(1);
}

/* ---- timers ------------------------------------------------------------------------------------- */

static void job_free(struct job *job)
{
	job->set = false;
	job->next = free_jobs;
	free_jobs = job;
}

static void job_due(void *arg)
{
	struct job *job = arg;
	uint32_t id = job->id;
	if (!job->repeat)
		job_free(job); /* before the call: it may set the next one */
	enter();
	vm->timer(id);
	state_watch();
}

static struct job *job_new(void)
{
	struct job *job = free_jobs;
	if (job) {
		free_jobs = job->next;
		return job;
	}
	if ((jobs_n & (jobs_n - 1)) == 0) { /* full: twice as many */
		struct job **more = realloc(jobs, (jobs_n ? 2u * jobs_n : 1u) * sizeof(struct job *));
		if (more == NULL)
			return NULL;
		jobs = more;
	}
	job = calloc(1, sizeof(*job));
	if (job) {
		job->id = jobs_n;
		jobs[jobs_n++] = job;
	}
	return job;
}

int64_t managed_timer(double seconds, bool repeat)
{
	struct job *job = job_new();
	if (job == NULL)
		return -1;
	uint64_t ns = (uint64_t)(seconds * 1e9);
	job->repeat = repeat;
	job->set = true;
	job->timer = managed_api->timer_add(managed_api, ns, repeat ? (ns ? ns : 1) : 0, job_due, job);
	if (job->timer == 0) {
		job_free(job);
		return -1;
	}
	return job->id;
}

void managed_cancel(uint32_t id)
{
	struct job *job = id < jobs_n ? jobs[id] : NULL;
	if (job == NULL || !job->set)
		return;
	managed_api->timer_cancel(managed_api, job->timer);
	job_free(job);
}

/* ---- declarations ------------------------------------------------------------------------------- */

int managed_reason(const char *name, const char *why, const char *file, int line)
{
	host_place(managed_host, file, line);
	int id = host_declare_reason(managed_host, name, why);
	host_place(managed_host, NULL, 0);
	return id;
}

int managed_metric(uint32_t kind, const char *name, const char *why, const char *unit, const char *file,
		   int line)
{
	host_place(managed_host, file, line);
	struct hop_metric_cell *cell = host_declare_metric(managed_host, kind, name, why, unit);
	host_place(managed_host, NULL, 0);
	if (cell == NULL)
		return -1;
	if (metrics_n == HOP_METRICS)
		return -1;
	metrics[metrics_n] = cell;
	return (int)metrics_n++;
}

int managed_request(const char *name, const char *why, const char *unit, const char *args, bool changes,
		    const char *file, int line)
{
	host_place(managed_host, file, line);
	int done = host_declare_request(managed_host, name, why, unit, cJSON_Parse(args), changes);
	host_place(managed_host, NULL, 0);
	return done;
}

void managed_measure(uint32_t metric, double value)
{
	struct hop_metric_cell *cell = metric < metrics_n ? metrics[metric] : NULL;
	if (cell == NULL)
		return;
	if (cell->kind == METRIC_COUNTER)
		host_count(cell, value > 0 ? (uint64_t)value : 0);
	else if (cell->kind == METRIC_GAUGE)
		host_set(cell, value);
	else
		host_observe(cell, value);
}

double managed_measured(uint32_t metric)
{
	const struct hop_metric_cell *cell = metric < metrics_n ? metrics[metric] : NULL;
	double value = 0;
	if (cell == NULL)
		return 0;
	if (cell->kind == METRIC_COUNTER)
		return (double)cell->value;
	memcpy(&value, &cell->value, sizeof(value));
	return value;
}
