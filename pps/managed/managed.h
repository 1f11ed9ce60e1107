/* What the hosts of Java and JavaScript share: packets as numbers in memory that a virtual machine sees.
 *
 * The machine maps, without copying, the frames' bytes, the packets (struct vnfc_packet[], by frame), the
 * shared records (for context), the NSH areas and the batch below. A burst is one call into the machine:
 * it reads frames[0..n-1], handles each packet and writes its verdict, then judged. What it asks of a single
 * packet (push, clone, emit...) is a call with the frame's number.
 *
 * One machine runs one host, so the state of managed.c is static.
 */
#ifndef PPS_MANAGED_H
#define PPS_MANAGED_H
#include "pps/host/host.h"

/* The machines know these offsets; managed.c checks them against the structs. */
enum {
	PACKET_BYTES = 64,
	PACKET_AT_DATA = 0,
	PACKET_AT_LEN = 8,
	PACKET_AT_LINK = 16,
	PACKET_AT_PORT = 18,
	PACKET_AT_FLAGS = 19,
	PACKET_AT_L3 = 22,
	PACKET_AT_L4 = 24,
	PACKET_AT_PROTO = 26,
	PACKET_AT_MARK = 28,
	PACKET_AT_TIME = 32,
	PACKET_AT_NSH_LEN = 56,
	PACKET_AT_PLACE = 58,
	RECORD_BYTES = 64,
	RECORD_AT_CONTEXT = 32,
};

struct managed_batch {
	uint32_t frames[SEG_HOST_BURST];
	uint32_t verdicts[SEG_HOST_BURST];
	uint64_t now_ns;	       /* the hop's clock */
	uint64_t wall_minus_monotonic; /* ns */
	uint32_t judged;	       /* of this burst: the machine's */
	uint32_t reserved;
};

/* How the loop calls into the machine. Texts are JSON. Exceptions never come out of these. */
struct managed_vm {
	const char *name;
	/* 0, or -1 after host_error() */
	int (*load)(const char *config, const char *ports, const char *outputs, uint64_t seed,
		    const uint8_t *kept, size_t kept_size);
	int (*configure)(const char *config);
	/* The answer, or with good false what was wrong: for free(). NULL: it cannot be sent. */
	char *(*request)(const char *name, const char *args, bool *good);
	void (*burst)(uint32_t n);
	void (*timer)(uint32_t id);
	/* The author's state into at most size bytes; -1: as it was, or too large (the machine has said so). */
	long (*save)(uint8_t *to, size_t size);
	void (*leave)(void);
};

/* A region for the machine to map. */
struct managed_region {
	void *at;
	size_t size;
};
enum managed_regions { REGION_DATA, REGION_PACKETS, REGION_RECORDS, REGION_NSH, REGION_BATCH, REGIONS };

extern struct host *managed_host; /* NULL before host_run has called init */
extern struct vnfc_host *managed_api;

/* The life of a host; its exit status. */
int managed_run(const char *fds, const struct managed_vm *vm);
struct managed_region managed_region(enum managed_regions which);

/* Give back what is judged so far. Returns how many packets to handle before calling it again. */
uint32_t managed_give(void);

/* The same in the middle of a burst, so that what is sent comes behind what was judged before. */
void managed_give_judged(void);

/* An exception was raised; does not return if there were too many. */
void managed_exception(void);

/* What went wrong with a packet, or a timer. */
enum managed_error { MANAGED_GONE = -1, MANAGED_NO_ROOM = -2, MANAGED_NO_FRAME = -3, MANAGED_REFUSED = -4 };

/* Each gives 0 or an enum managed_error. */
enum managed_edit { EDIT_PUSH, EDIT_PULL, EDIT_PUT, EDIT_TRIM, EDIT_PARSE, EDIT_FIX, EDIT_RESIZE };
/* FIX: n is 1 for the IPv4 checksum, 2 for the transport's, or both. RESIZE: n bytes with the usual room
 * around them. New bytes are zeros; all but FIX find the headers again. */
int managed_edit(uint32_t frame, enum managed_edit edit, uint32_t n);
int managed_emit(uint32_t frame, uint32_t output, int port);
int managed_release(uint32_t frame, uint32_t verdict);
/* What led to the verdict on it; of one that nobody watches it is forgotten. */
void managed_note(uint32_t frame, const char *text);
int managed_discard(uint32_t frame);

/* The new frame, or an enum managed_error. */
int64_t managed_make(void);
int64_t managed_clone(uint32_t frame);

/* Where the payload is, from the packet's first byte: offset << 32 | size; -1 if there is none. */
int64_t managed_payload(uint32_t frame);
/* The flow's key; false if it is not IP. */
bool managed_flow(uint32_t frame, struct flow_key *key);

/* id of a timer, for managed_vm.timer, or -1: too many. An id that has run (once) or was cancelled is free. */
int64_t managed_timer(double seconds, bool repeat);
void managed_cancel(uint32_t id);

/* Declarations, init only: number of the reason or metric, 0; or -1 after host_error(). */
int managed_reason(const char *name, const char *why, const char *file, int line);
int managed_metric(uint32_t kind, const char *name, const char *why, const char *unit, const char *file,
		   int line);
int managed_request(const char *name, const char *why, const char *unit, const char *args, bool changes,
		    const char *file, int line);
/* Counter: adds; gauge: sets; histogram: observes. */
void managed_measure(uint32_t metric, double value);
double managed_measured(uint32_t metric);
/* The keeper asks where the component is: listen for that from the beginning; a thread awaits it, says where, and ends
 * the process. */
void managed_listen(void);
void managed_await(void);
void managed_told(void);
#endif
