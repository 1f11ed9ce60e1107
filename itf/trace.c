/* Taking up a trace object from the keeper, letting go of it, and telling its reader. What is written into it, and
 * where from, is trace.h. */
#include <sys/mman.h>
#include <sys/stat.h>
#include "forwarder.h"
#include "segment_head.h"

static struct trace_header *map_trace(int fd, size_t *size)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || (size_t)status.st_size < sizeof(struct trace_header))
		return NULL;
	*size = (size_t)status.st_size;
	struct trace_header *t = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t == MAP_FAILED)
		return NULL;
	uint64_t bytes = (uint64_t)t->slots * sizeof(struct trace_record);
	char why[SEG_WHY];
	if (segment_is_known(&t->magic, why, sizeof why) && t->slots != 0 && !(t->slots & (t->slots - 1)) &&
	    bytes <= *size && t->records <= *size - bytes)
		return t;
	munmap(t, *size);
	return NULL;
}

void trace_take_up(struct forwarder *fw, const int *fds, unsigned count)
{
	struct frames *f = &fw->fabric.frames;
	if (f->trace != NULL) {
		munmap(f->trace, fw->trace_size);
		close(fw->trace_bell);
		f->trace = NULL;
		f->traced = f->watching != NULL;
	}
	struct trace_header *t = count == 2 ? map_trace(fds[0], &fw->trace_size) : NULL;
	if (t == NULL) {
		for (unsigned i = 0; i < count; i++)
			close(fds[i]);
		return;
	}
	close(fds[0]);
	fw->trace_bell = fds[1];
	f->trace_records = (struct trace_record *)((uint8_t *)t + t->records);
	f->trace_rung = true;
	f->trace = t;
	f->traced = true;
}

/* Once a turn: the reader's eventfd does not block (the keeper made it so), and a full one has been heard. */
void trace_ring(struct forwarder *fw)
{
	static const uint64_t one = 1;
	fw->fabric.frames.trace_rung = true;
	if (write(fw->trace_bell, &one, sizeof one) < 0)
		return;
}
