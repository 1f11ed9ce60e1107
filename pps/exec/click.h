/* engine: click, the bridge's side: a Click Modular Router process runs a Click VNFC's configuration. exec_click.c
 * carries packets, exec_click_open.c begins and ends it, exec_click_talk.c speaks with Click's ControlSocket. pps/click/modular.py wrote what is run.
 */
#ifndef PPS_EXEC_CLICK_H
#define PPS_EXEC_CLICK_H
#include "pps/exec/exec.h"

enum { CLICK_DEVICE = 32, CLICK_DEVICES = SEG_PORTS, CLICK_ENDS = SEG_OUTPUTS + SEG_PORTS + 1 };

/* What became of a packet that was given to Click. */
enum sent_state {
	SENT_NOTHING = 0,
	SENT_WAITING, /* its datagram does not fit into the socket yet; we hold its frame */
	SENT_AT_CLICK,
	SENT_BACK,    /* Click sent it on: what has its number now is a copy */
	SENT_GIVEN_UP /* dropped as not_sent_on: what has its number now comes late */
};

/* A packet by its number; the last of them stay known after they were given back. */
struct sent {
	uint64_t since; /* ns, exec_clock() */
	uint32_t number, frame, next, due, mark;
	uint8_t state, device, port, link, graph;
	uint8_t context[16];
};

/* A FromDevice: a connected pair of datagram sockets. Marks go through Click's socket and come back at once, so
 * that they tell how far it has read. */
struct click_device {
	char name[CLICK_DEVICE];
	int port; /* -1: every one */
	unsigned watched;
	uint32_t first, last; /* numbers of the packets that wait; 0 none */
	uint32_t marked, seen, due;
	bool mark_waits;
};

struct click_end { /* a ToDevice */
	char name[CLICK_DEVICE];
	int output, port; /* -1: it is not one */
};

struct click_process {
	cJSON *known; /* the artifact */
	const char *click;
	char folder[64]; /* of the sockets */
	struct click_device device[CLICK_DEVICES];
	struct click_end end[CLICK_ENDS];
	unsigned named, devices, ends, out; /* devices: as many as have their sockets by now */
	struct sent *sent;
	uint32_t mask, number, oldest, at_click;
	uint64_t heard;	   /* when Click was last known to live, exec_clock() */
	uint64_t patience; /* ns that a packet may stay in Click; 0: not beyond the marks */
	int reason_lost, reason_silent, reason_nowhere;
	bool ready;
};

/* Read and write what can be. */
void click_pump(struct exec *x);

/* ---- exec_click_open.c --------------------------------------------------------------------------- */

int click_open(struct exec *x);
void click_tidy(struct exec *x);
/* How long a packet may stay in Click, from the configuration. 0, or -1 after host_error(). */
int click_patience(struct exec *x);

/* ---- exec_click_talk.c --------------------------------------------------------------------------- */

/* Connect to Click's ControlSocket. 0, or -1. */
int click_connect(struct exec *x);
/* Declare what handlers there are as requests. 0, or -1 after host_error(). */
int click_declare(struct exec *x);
/* The configuration's values go to handlers of their names. 0, or -1 after host_error(). */
int click_configure(struct exec *x);
cJSON *click_request(struct exec *x, const char *name, const cJSON *args, char *error, size_t size);
#endif
