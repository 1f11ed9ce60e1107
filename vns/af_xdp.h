/* What an AF_XDP port knows: in the forwarder's own memory, and over its restart. */
#ifndef VNS_AF_XDP_H
#define VNS_AF_XDP_H
#include "vns/kernel_ring.h"
#include "vns/live.h"

enum { QUEUES = SEG_PORTS, FILL_BATCH = SEG_BURST };
#define BIND_HERE (1u << 31)

/* What is remembered over a forwarder's restart, in forwarder.memory[port]. */
enum memory_word {
	WORD_GENERATION,
	WORD_RX_DROPPED, /* kernel figures already imported, all queues together */
	WORD_RX_RING_FULL,
	WORD_TAKING, /* 1 << 63 | packets << 32 | tx position: a burst is on its way into the tx ring */
};

struct queue {
	int fd;
	struct kernel_ring rx, fill;
	uint32_t lent; /* frames with the kernel */
};

struct xdp_port {
	struct queue queue[QUEUES];
	unsigned queues, first; /* first: whose turn it is */
	struct kernel_ring tx, complete;
	int epoll;	/* over all sockets, -1 with one queue */
	uint32_t lend;	/* frames to lend for each queue */
	unsigned bound; /* sockets, the first ones; until all are, the port is closed */
	bool down, gone;
	struct live_patience patience;
	uint64_t tried_at;  /* when it was last tried to bind them */
	uint64_t looked_at; /* when a pending error was last asked for */
};

static inline uint64_t *memory_of(const struct stage *s)
{
	return s->fabric->header->memory[s->number].word;
}

static inline uint16_t owner_fill(const struct stage *s)
{
	return OWNER_FILL + s->number;
}

static inline uint16_t owner_leaving(const struct stage *s)
{
	return OWNER_LEAVING + s->number;
}
#endif
