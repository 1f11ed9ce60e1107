/* A hop as the VNFC host sees it: what it maps, its ends of the rings, its cells.
 *
 * The other end is hop.c. A host may crash at any instruction: what it published stands, what it did not
 * publish the forwarder still counts as its. It believes the forwarder, but checks every index all the same.
 */
#ifndef ITF_HOP_H
#define ITF_HOP_H
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "ring.h"
#include "segment_head.h"

enum { HOP_NO_FRAME = 0xffffffff };

struct hop_end {
	uint8_t *pool, *data, *nsh; /* the pool object; its frame 0; its first NSH area */
	char *notes;		    /* its first note */
	struct frame_record *records;
	struct hop_header *head;
	uint8_t *state; /* HOP_STATE_BYTES */
	size_t pool_size, hop_size;
	uint32_t frames, frame_size, frame_shift;
	uint32_t pool_bits; /* what a reference into this pool has above the index */
	struct ring_end to, from, spare;
	int bell; /* eventfd; belongs to the caller */
};

/* `headed`: it begins with a magic, an ABI and a layout, and whoever made it is asked for first. */
static inline void *hop_map(int fd, size_t least, bool headed, size_t *size, const char *what, char *why,
			    size_t why_size)
{
	struct stat status = { 0 };
	errno = 0;
	if (fstat(fd, &status) < 0 || status.st_size < (off_t)(headed ? 3 * sizeof(uint32_t) : least)) {
		snprintf(why, why_size, "%s: expected a segment object, found %s", what,
			 errno ? strerror(errno) : "something too small");
		return NULL;
	}
	void *at = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		snprintf(why, why_size, "%s: cannot be mapped: %s", what, strerror(errno));
		return NULL;
	}
	*size = (size_t)status.st_size;
	const uint32_t *head = (const uint32_t *)at;
	if (headed && !segment_is_known(head, why, why_size)) {
		munmap(at, *size);
		return NULL;
	}
	if (*size < least) {
		snprintf(why, why_size, "%s: its object is too small", what);
		munmap(at, *size);
		return NULL;
	}
	return at;
}

static inline bool hop_fits(uint64_t at, uint64_t bytes, uint64_t size)
{
	return at <= size && bytes <= size - at;
}

static inline void hop_detach(struct hop_end *e)
{
	if (e->pool)
		munmap(e->pool, e->pool_size);
	if (e->head)
		munmap(e->head, e->hop_size);
	e->pool = NULL;
	e->head = NULL;
}

/* Map both objects; the descriptors stay the caller's. 0, or -1 with the reason in why. */
static inline int hop_attach(struct hop_end *e, int pool_fd, int hop_fd, int bell_fd, char *why,
			     size_t why_size)
{
	memset(e, 0, sizeof(*e));
	e->bell = bell_fd;
	e->pool = (uint8_t *)hop_map(pool_fd, 1, false, &e->pool_size, "pool", why, why_size);
	if (!e->pool)
		return -1;
	e->head = (struct hop_header *)hop_map(hop_fd, sizeof(struct hop_header), true, &e->hop_size, "hop",
					       why, why_size);
	if (!e->head) {
		hop_detach(e);
		return -1;
	}
	struct hop_header *head = e->head;
	const struct pool_geometry *pool = &head->pool;
	uint64_t n = pool->frames, slots = head->ring_slots, ring = slots * sizeof(uint32_t);
	if (n == 0 || n > FRAME_INDEX_MASK || pool->frame_size < 1024 ||
	    (pool->frame_size & (pool->frame_size - 1)) ||
	    !hop_fits(pool->records, n * sizeof(struct frame_record), e->pool_size) ||
	    !hop_fits(pool->nsh, n * FRAME_NSH_AREA, e->pool_size) ||
	    !hop_fits(pool->notes, n * FRAME_NOTE, e->pool_size) ||
	    !hop_fits(pool->data, n * pool->frame_size, e->pool_size) || slots < 2 || (slots & (slots - 1)) ||
	    !hop_fits(head->to_vnfc, ring, e->hop_size) || !hop_fits(head->from_vnfc, ring, e->hop_size) ||
	    !hop_fits(head->spare, ring, e->hop_size) ||
	    !hop_fits(head->state, HOP_STATE_BYTES, e->hop_size)) {
		snprintf(why, why_size, "the sizes in the hop's header do not fit its object or the pool");
		hop_detach(e);
		return -1;
	}
	uint8_t *base = (uint8_t *)head;
	e->records = (struct frame_record *)(e->pool + pool->records);
	e->nsh = e->pool + pool->nsh;
	e->notes = (char *)e->pool + pool->notes;
	e->data = e->pool + pool->data;
	e->state = base + head->state;
	e->frames = pool->frames;
	e->frame_size = pool->frame_size;
	e->frame_shift = (uint32_t)__builtin_ctz(pool->frame_size);
	e->pool_bits = pool->id << FRAME_POOL_SHIFT;
	ring_open(&e->to, (uint32_t *)(base + head->to_vnfc), head->ring_slots, &head->to_vnfc_tail,
		  &head->to_vnfc_head);
	ring_open(&e->from, (uint32_t *)(base + head->from_vnfc), head->ring_slots, &head->from_vnfc_head,
		  &head->from_vnfc_tail);
	ring_open(&e->spare, (uint32_t *)(base + head->spare), head->ring_slots, &head->spare_tail,
		  &head->spare_head);
	return 0;
}

/* ---- frames ------------------------------------------------------------------------------------- */

/* Take up to max waiting references as frame indices. They count as taken at once: how long the VNFC works
 * on them is no reason for the forwarder to see a full queue. */
static inline uint32_t hop_take_burst(struct hop_end *e, uint32_t *frames, uint32_t max)
{
	uint32_t n = ring_take(&e->to, frames, max), good = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t frame = frames[i] ^ e->pool_bits;
		if (frame < e->frames)
			frames[good++] = frame;
	}
	if (n)
		ring_publish(&e->to);
	return good;
}

/* One frame to make a packet in, or HOP_NO_FRAME. */
static inline uint32_t hop_take_spare(struct hop_end *e)
{
	uint32_t ref;
	if (ring_take(&e->spare, &ref, 1) == 0)
		return HOP_NO_FRAME;
	ring_publish(&e->spare);
	ref ^= e->pool_bits;
	return ref < e->frames ? ref : HOP_NO_FRAME;
}

/* Put frames into the ring back, records filled; returns how many there was room for. */
static inline uint32_t hop_give(struct hop_end *e, uint32_t *frames, uint32_t n)
{
	uint32_t room = ring_room(&e->from, n);
	if (n > room)
		n = room;
	if (e->pool_bits)
		for (uint32_t i = 0; i < n; i++)
			frames[i] |= e->pool_bits;
	ring_put(&e->from, frames, n);
	return n;
}

/* Let the forwarder see what was given, and wake it if it sleeps. */
static inline void hop_publish(struct hop_end *e)
{
	const uint64_t one = 1;
	ring_publish(&e->from);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&e->head->forwarder_asleep, __ATOMIC_RELAXED) &&
	    write(e->bell, &one, sizeof(one)) < 0)
		return; /* the counter is full: the forwarder has been woken more than enough */
}

/* ---- declarations, before the host says ready --------------------------------------------------- */

static inline void hop_text(char *to, const char *from, size_t size)
{
	size_t n = strnlen(from, size - 1);
	memset(to, 0, size);
	memcpy(to, from, n);
}

/* Returns the reason's id (the one it has already, if declared twice), or -1 if there are too many. */
static inline int hop_declare_reason(struct hop_end *e, const char *name, const char *why)
{
	uint32_t n = e->head->reasons;
	for (uint32_t i = 0; i < n; i++)
		if (strncmp(e->head->reason[i].name, name, SEG_NAME) == 0)
			return REASON_DECLARED + (int)i;
	if (n >= REASONS - REASON_DECLARED)
		return -1;
	hop_text(e->head->reason[n].name, name, SEG_NAME);
	hop_text(e->head->reason[n].why, why, SEG_WHY);
	cell_store(&e->head->reasons, n + 1);
	return REASON_DECLARED + (int)n;
}

/* Returns the metric's cell (the one it has already, if declared twice alike), or NULL if there are too many
 * or another kind has that name. */
static inline struct hop_metric_cell *hop_declare_metric(struct hop_end *e, uint32_t kind, const char *name,
							 const char *why, const char *unit)
{
	uint32_t n = e->head->metrics;
	for (uint32_t i = 0; i < n; i++)
		if (strncmp(e->head->metric[i].name, name, SEG_NAME) == 0)
			return e->head->metric[i].kind == kind ? &e->head->metric[i] : NULL;
	if (n >= HOP_METRICS)
		return NULL;
	struct hop_metric_cell *cell = &e->head->metric[n];
	memset(cell, 0, sizeof(*cell));
	hop_text(cell->name, name, sizeof(cell->name));
	hop_text(cell->why, why, sizeof(cell->why));
	hop_text(cell->unit, unit, sizeof(cell->unit));
	cell->kind = kind;
	cell_store(&e->head->metrics, n + 1);
	return cell;
}
#endif
