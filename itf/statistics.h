/* Reading a running VNF's statistics object from C: this header (and those that it includes) is all that is needed.
 *
 *	struct statistics_copy copy = { 0 };
 *	char why[96];
 *	if (statistics_read("/coven-fw", &copy, why, sizeof why) < 0)
 *		... why ...
 *	uint64_t n = statistics_count(&copy, "coven_port_packets_total", "port=\"in\",direction=\"in\"");
 *	statistics_free(&copy);
 *
 * A copy is of one moment, and is taken without anybody's help or notice. With statistics_open() the object stays mapped
 * from copy to copy. Figures are named as docs/metrics.md has them, without the label `vnf`; times are in ns.
 */
#ifndef ITF_STATISTICS_H
#define ITF_STATISTICS_H
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "segment_head.h"

struct statistics_map {
	const struct statistics_header *head;
	size_t size;
	uint64_t published, directory; /* as they were checked; the map's may change */
};

/* The object from its start to the end of the directory as it was. */
struct statistics_copy {
	struct statistics_header *head; /* NULL: none was taken */
	size_t room;
	uint64_t published, directory;
	uint32_t figures;
};

static inline void statistics_close(struct statistics_map *m)
{
	if (m->head != NULL)
		munmap((void *)(uintptr_t)m->head, m->size);
	m->head = NULL;
}

/* `name`: /coven-NAME. 0, or -1 with the reason in why. */
static inline int statistics_open(struct statistics_map *m, const char *name, char *why, size_t why_size)
{
	struct stat status = { 0 };
	int fd = shm_open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	m->head = NULL;
	if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    status.st_size < (off_t)sizeof *m->head) {
		snprintf(why, why_size, "%s: %s", name, fd < 0 ? strerror(errno) : "no statistics object");
		if (fd >= 0)
			close(fd);
		return -1;
	}
	m->size = (size_t)status.st_size;
	void *at = mmap(NULL, m->size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED) {
		snprintf(why, why_size, "%s: %s", name, strerror(errno));
		return -1;
	}
	m->head = (const struct statistics_header *)at;
	const struct statistics_header *h = m->head;
	bool known = segment_is_known(&h->magic, why, why_size);
	uint64_t cells = __atomic_load_n(&h->cells, __ATOMIC_RELAXED);
	m->published = __atomic_load_n(&h->published, __ATOMIC_RELAXED);
	m->directory = __atomic_load_n(&h->directory, __ATOMIC_RELAXED);
	if (known && m->published >= sizeof *h && m->published <= cells && cells <= m->directory &&
	    m->published % 8 == 0 && m->directory % 8 == 0 && m->directory <= m->size &&
	    m->size - m->directory >= FIGURES * sizeof(struct figure))
		return 0;
	if (known)
		snprintf(why, why_size, "%s: it is not whole", name);
	statistics_close(m);
	return -1;
}

static inline void statistics_free(struct statistics_copy *c)
{
	free(c->head);
	*c = (struct statistics_copy){ 0 };
}

/* A consistent copy, in the memory of the last one. 0; -1 with errno EAGAIN: somebody died while writing, and who comes
 * after will set it right; ENOMEM. */
static inline int statistics_take(const struct statistics_map *m, struct statistics_copy *c)
{
	const uint8_t *base = (const uint8_t *)m->head;
	const uint32_t *forwarder = (const uint32_t *)(base + m->published), *keeper = &m->head->sequence;
	for (int tries = 0; tries < 1000; tries++) {
		const struct timespec pause = { 0, 100000 };
		uint32_t f = __atomic_load_n(forwarder, __ATOMIC_ACQUIRE);
		uint32_t k = __atomic_load_n(keeper, __ATOMIC_ACQUIRE);
		uint32_t figures = __atomic_load_n(&m->head->figures, __ATOMIC_RELAXED);
		figures = figures <= FIGURES ? figures : FIGURES;
		size_t size = m->directory + figures * sizeof(struct figure);
		if (((f | k) & 1) == 0 && size > c->room) {
			free(c->head);
			c->head = (struct statistics_header *)malloc(size);
			c->room = c->head != NULL ? size : 0;
			if (c->head == NULL)
				return -1;
		}
		if (((f | k) & 1) == 0) {
			memcpy(c->head, base, size);
			__atomic_thread_fence(__ATOMIC_ACQUIRE);
			c->figures = figures;
			c->published = m->published;
			c->directory = m->directory;
			if (__atomic_load_n(forwarder, __ATOMIC_RELAXED) == f &&
			    __atomic_load_n(keeper, __ATOMIC_RELAXED) == k)
				return 0;
		}
		nanosleep(&pause, NULL);
	}
	errno = EAGAIN;
	return -1;
}

/* All three in one. */
static inline int statistics_read(const char *name, struct statistics_copy *c, char *why, size_t why_size)
{
	struct statistics_map m;
	if (statistics_open(&m, name, why, why_size) < 0)
		return -1;
	int status = statistics_take(&m, c);
	if (status < 0)
		snprintf(why, why_size, "%s: %s", name, strerror(errno));
	statistics_close(&m);
	return status;
}

/* Figure number i < copy->figures. Several of one name and the same labels are to be added up. */
static inline const struct figure *statistics_figure(const struct statistics_copy *c, uint32_t i)
{
	return (const struct figure *)((const uint8_t *)c->head + c->directory) + i;
}

/* Where its value is in the copy: as its kind says, a uint64_t, int64_t, double, or one of segment.h's structs. NULL: it
 * lies where none can be. */
static inline const void *statistics_value(const struct statistics_copy *c, const struct figure *f)
{
	uint64_t limit = c->directory + sizeof(struct figure);
	bool within = f->at >= c->published && f->at % 8 == 0 && limit >= sizeof(struct times) &&
		      f->at <= limit - sizeof(struct times);
	return within ? (const uint8_t *)c->head + f->at : NULL;
}

/* The figures of this name with these labels from number `from` on: the next one's number, or copy->figures. */
static inline uint32_t statistics_next(const struct statistics_copy *c, uint32_t from, const char *name,
				       const char *labels)
{
	for (; from < c->figures; from++) {
		const struct figure *f = statistics_figure(c, from);
		if (strncmp(f->name, name, FIGURE_NAME) == 0 &&
		    strncmp(f->labels, labels, FIGURE_LABELS) == 0 && statistics_value(c, f) != NULL)
			break;
	}
	return from;
}

/* A counter or gauge that counts whole things; 0 if there is none. */
static inline int64_t statistics_count(const struct statistics_copy *c, const char *name, const char *labels)
{
	int64_t sum = 0, value;
	for (uint32_t i = 0; (i = statistics_next(c, i, name, labels)) < c->figures; i++) {
		const struct figure *f = statistics_figure(c, i);
		memcpy(&value, statistics_value(c, f), sizeof value);
		if (f->kind == FIGURE_COUNTER || f->kind == FIGURE_GAUGE)
			sum += value;
	}
	return sum;
}

/* One that is a double; 0 if there is none. */
static inline double statistics_real(const struct statistics_copy *c, const char *name, const char *labels)
{
	double sum = 0, value;
	for (uint32_t i = 0; (i = statistics_next(c, i, name, labels)) < c->figures; i++) {
		const struct figure *f = statistics_figure(c, i);
		memcpy(&value, statistics_value(c, f), sizeof value);
		if (f->kind == FIGURE_REAL || f->kind == FIGURE_REAL_COUNTER)
			sum += value;
	}
	return sum;
}

/* Times, added up. False: there are none of that name. */
static inline bool statistics_times(const struct statistics_copy *c, const char *name, const char *labels,
				    struct times *sum)
{
	bool found = false;
	memset(sum, 0, sizeof *sum);
	for (uint32_t i = 0; (i = statistics_next(c, i, name, labels)) < c->figures; i++) {
		const struct figure *f = statistics_figure(c, i);
		if (f->kind != FIGURE_TIMES)
			continue;
		const struct times *t = (const struct times *)statistics_value(c, f);
		found = true;
		sum->count += t->count;
		sum->sum_ns += t->sum_ns;
		for (unsigned cell = 0; cell < TIMES_CELLS; cell++)
			sum->cell[cell] += t->cell[cell];
	}
	return found;
}

/* The lower end of a cell of struct times, ns; that of the next one is its upper end. */
static inline uint64_t statistics_from_ns(unsigned cell)
{
	unsigned octave = (cell - 1) / TIMES_PARTS, part = (cell - 1) % TIMES_PARTS;
	if (cell == 0)
		return 0;
	return ((uint64_t)1 << (TIMES_LEAST + octave)) +
	       ((uint64_t)part << (TIMES_LEAST + octave)) / TIMES_PARTS;
}
#endif
