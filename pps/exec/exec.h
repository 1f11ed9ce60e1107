/* The bridge to a component that is an executable of its own: packets are copied to it over a socket, while
 * their frames are held here. exec.c starts and watches the component, an engine (exec_framed.c,
 * exec_socket.c, exec_click.c) speaks its protocol; docs/exec.md and docs/click.md describe them.
 *
 * One process runs one component. Everything but the watcher's wake-up runs in the loop's thread.
 */
#ifndef PPS_EXEC_H
#define PPS_EXEC_H
#include <sys/types.h>
#include "pps/host/host.h"

struct exec;

struct engine {
	const char *name;
	/* The component has been started: come to terms with it, declare what it wants. 0, or -1 after
	 * host_error(). */
	int (*open)(struct exec *x);
	/* p is held: copy it to the component. */
	void (*hand)(struct exec *x, struct vnfc_packet *p);
	/* Read and write what can be now, without waiting. */
	void (*pump)(struct exec *x);
	/* Capture mode: is nothing owed any more for what was handed over? */
	bool (*quiet)(struct exec *x);
	/* Give up what the component has had for too long. Returns when to look again, ns; UINT64_MAX: nothing
	 * is owed. */
	uint64_t (*overdue)(struct exec *x, uint64_t now);
	/* As in struct language; NULL: the component cannot be told. */
	int (*configure)(struct exec *x);
	cJSON *(*request)(struct exec *x, const char *name, const cJSON *args, char *error, size_t size);
	/* Of the frames that are held, how many it owes a verdict for; NULL: all. */
	uint32_t (*owed)(struct exec *x);
	/* The VNF ends: say so, if the protocol can. */
	void (*leave)(struct exec *x);
	/* The component has ended, however it was: remove what is left of it. May be NULL. */
	void (*tidy)(struct exec *x);
};

/* One direction or both of a connection, with what is read and not yet understood, and what is not written. */
struct stream {
	int fd; /* -1: not there */
	bool ended;
	uint8_t *in, *out;
	size_t in_n, in_size, out_n, out_size;
};

enum { STREAMS = 2, WATCHED = SEG_PORTS + 1 };

struct exec {
	const char *artifact;
	const struct engine *engine;
	struct host *host;
	struct vnfc_host *api;
	struct hop_metric_cell *nonsense;
	struct stream stream[STREAMS]; /* framed: [0] both ways; coven-socket: [0] to it, [1] from it */
	struct {
		int fd;
		bool write; /* something waits for room */
	} watched[WATCHED]; /* sockets beside them, the engine's own */
	unsigned watched_n;
	char **words; /* the command line that the engine wants, NULL: the artifact, or `run` */
	pid_t child;
	int child_fd;	      /* pidfd, -1 where the kernel or the confinement has none */
	int component_socket; /* framed: the component's end, until it is started */
	int watch;	      /* epoll: what the watcher waits for */
	uint64_t timer;	      /* looks for what is overdue; 0: not set */
	uint64_t timer_at;
	void *state; /* the engine's */
};

extern const struct engine framed_engine, coven_socket_engine, click_engine;

/* How long the component may keep silent about a packet, unless its engine says otherwise. Below the
 * watchdog's second, so that packets are dropped by a name of ours. */
static const uint64_t ANSWER_NS = 800000000;
/* How long it may take to get ready. Below the keeper's limit for init. */
enum { OPEN_MS = 8000, REQUEST_MS = 800 };

/* ---- exec.c -------------------------------------------------------------------------------------- */

/* Start the component: `run` of the configuration, or else the artifact. 0, or -1 after host_error(). */
int exec_start(struct exec *x);

/* Wait until a stream can be read (or written, where something is left to write), at most ms. False: the time
 * is over. */
bool exec_wait(struct exec *x, int ms);

/* The component has ended, or must be ended: a line to the log, and the process ends. What the component had
 * is counted as `died` by whoever sees that. */
__attribute__((noreturn, format(printf, 2, 3))) void exec_fail(struct exec *x, const char *format, ...);
/* The same for a component that has ended by itself, with how it did. */
__attribute__((noreturn)) void exec_ended(struct exec *x);
/* Has it ended? Then `how` says in words how. */
bool exec_over(struct exec *x, char *how, size_t size);
/* Has it ended, or does it now? The same. */
bool exec_how(struct exec *x, char *how, size_t size);

/* It sent what makes no sense: counted, and the first ones logged. */
__attribute__((format(printf, 2, 3))) void exec_nonsense(struct exec *x, const char *format, ...);

static inline uint64_t exec_clock(void)
{
	return clock_ns(CLOCK_MONOTONIC); /* real time, in capture mode too: the component lives in it */
}

/* Replace the packet's bytes; false if they do not fit into a frame. */
bool exec_replace(struct exec *x, struct vnfc_packet *p, const uint8_t *data, uint32_t len);

/* ---- exec_length.c ------------------------------------------------------------------------------- */

/* Bytes of the packet that begins at data, by what it says of itself. 0: too few bytes to tell; UINT32_MAX: it
 * does not say. */
uint32_t exec_says_length(const uint8_t *data, size_t n, enum link_type link);

/* ---- exec_stream.c ------------------------------------------------------------------------------- */

/* Take a connected socket over. */
void stream_open(struct stream *s, int fd);
void stream_close(struct stream *s);
/* Read all that is there; `ended` is set at the end of the stream. */
void stream_read(struct stream *s);
/* The first n bytes of `in` have been understood. */
void stream_eat(struct stream *s, size_t n);
/* Append to what is to be written; false without memory. */
bool stream_put(struct stream *s, const void *data, size_t n);
/* Write what can be written. */
void stream_flush(struct stream *s);
#endif
