/* One of the four rings of an AF_XDP socket, in memory that we share with the kernel. */
#ifndef VNS_KERNEL_RING_H
#define VNS_KERNEL_RING_H
#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include "itf/ring.h"

struct kernel_ring {
	uint32_t *producer, *consumer, *flags;
	void *slots;
	uint32_t mask;
	uint32_t mine; /* our position: producer's of fill and tx, consumer's of rx and completion */
	void *map;
	size_t map_size;
};

static inline uint64_t *address(const struct kernel_ring *r, uint32_t at)
{
	return (uint64_t *)r->slots + (at & r->mask);
}

static inline struct xdp_desc *descriptor(const struct kernel_ring *r, uint32_t at)
{
	return (struct xdp_desc *)r->slots + (at & r->mask);
}

static inline bool map_ring(struct kernel_ring *r, int fd, const struct xdp_ring_offset *off, uint64_t at,
			    size_t slot, uint32_t entries, bool we_produce)
{
	r->map_size = off->desc + entries * slot;
	r->map = mmap(NULL, r->map_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)at);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return false;
	}
	r->producer = (uint32_t *)((char *)r->map + off->producer);
	r->consumer = (uint32_t *)((char *)r->map + off->consumer);
	r->flags = (uint32_t *)((char *)r->map + off->flags);
	r->slots = (char *)r->map + off->desc;
	r->mask = entries - 1;
	r->mine = cell_load(we_produce ? r->producer : r->consumer);
	return true;
}

static inline void unmap_ring(struct kernel_ring *r)
{
	if (r->map != NULL)
		munmap(r->map, r->map_size);
	r->map = NULL;
}
#endif
