/* What the files of the host loop share: host.c the loop, host_talk.c the keeper's questions and what a
 * language declares, host_packets.c packets, results and log.
 */
#ifndef PPS_HOST_INSIDE_H
#define PPS_HOST_INSIDE_H
#include "pps/host/host.h"
#include "pps/host/timers.h"

enum {
	HOST_MESSAGE_MAX = 65536, /* bytes of a control message */
	HOST_REQUEST_NAME = 128,
	HOST_LOG_LINES = 100, /* a second; the rest is counted */
};

struct host {
	struct vnfc_host api; /* first: the functions of its table get back from it to the host */
	struct hop_end hop;
	struct timers timers;
	struct {
		uint32_t *frame;
		uint32_t n;
	} unused; /* frames from the spare ring that hold no packet yet */
	const struct language *language;
	void *user;
	cJSON *config, *ports, *outputs, *requests, *errors;
	char *message;		/* HOST_MESSAGE_MAX bytes */
	const char *place_file; /* of declarations */
	int place_line;
	uint64_t clock_seen; /* capture mode */
	uint64_t log_second, log_lines;
	uint32_t control_seen, chunk, lent;
	unsigned outputs_n, wrong_said; /* wrong_said: what was told of verdicts that cannot be */
	int control;
	bool capture, declaring, ending, failed, lost, flow_said;
};

static inline struct host *host_of(struct vnfc_host *api)
{
	return (struct host *)api;
}

/* host_packets.c: fill the function table; a line to the log. */
void host_packets(struct vnfc_host *api);
void host_complain(struct vnfc_host *api, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* host_talk.c: say hello and wait for `init`; look whether the keeper wrote something. */
void host_hello(struct host *h);
void host_look_at_control(struct host *h);
#endif
