/* Writing captures: pcap with nanoseconds, Ethernet or raw IP, one system call a burst.
 *
 * A packet counts as written when its whole record is in the file. If the disk is full the file is cut
 * back to its last whole record, and the port says so instead of leaving half a packet behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "itf/segment.h"
#include "vns/pcap.h"

enum { MAGIC_NANOSECONDS = 0xa1b23c4d, SNAPLEN = 262144, FILE_ETHERNET = 1, FILE_RAW_IP = 101 };

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, link;
};

struct record_header {
	uint32_t seconds, nanoseconds, caplen, len;
};

/* Write all of it at the writer's offset; returns the bytes that are there, fewer only with w->error. */
static uint64_t put(struct capture_writer *w, struct iovec *parts, int n)
{
	uint64_t done = 0;
	while (n > 0 && !w->error) {
		ssize_t wrote = pwritev(w->fd, parts, n, (off_t)(w->offset + done));
		if (wrote < 0) {
			if (errno != EINTR)
				w->error = errno;
			continue;
		}
		done += (uint64_t)wrote;
		size_t left = (size_t)wrote;
		while (n > 0 && left >= parts->iov_len) {
			left -= parts->iov_len;
			parts++, n--;
		}
		if (n > 0) {
			if (wrote == 0)
				w->error = EIO;
			parts->iov_base = (char *)parts->iov_base + left;
			parts->iov_len -= left;
		}
	}
	return done;
}

/* Nothing but whole records stays in the file. EINVAL: it has no length, such as /dev/null. */
static void cut_back(struct capture_writer *w)
{
	if (ftruncate(w->fd, (off_t)w->offset) != 0 && errno != EINVAL && !w->error)
		w->error = errno;
}

int writer_open(struct capture_writer *w, int fd, uint64_t offset, uint8_t link, char *why, size_t why_size)
{
	struct file_header header = {
		MAGIC_NANOSECONDS, 2, 4, 0, 0, SNAPLEN, link == LINK_ETHERNET ? FILE_ETHERNET : FILE_RAW_IP
	};
	struct iovec part = { &header, sizeof header };
	*w = (struct capture_writer){ .fd = fd, .link = link, .offset = offset };
	/* Only now does an old file lose what it held: a VNF that does not come up harms nothing. */
	cut_back(w);
	if (offset == 0 && put(w, &part, 1) == sizeof header)
		w->offset = sizeof header;
	if (w->error == 0)
		return 0;
	snprintf(why, why_size, "the capture cannot be written: %s", strerror(w->error));
	writer_close(w);
	return -1;
}

unsigned writer_write(struct capture_writer *w, const struct leaving *packets, unsigned n)
{
	struct record_header headers[WRITER_BURST];
	struct iovec parts[2 * WRITER_BURST];
	if (w->error || n > WRITER_BURST)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t seconds = packets[i].time_ns / 1000000000; /* the format ends in 2106 */
		headers[i] = (struct record_header){ seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds,
						     (uint32_t)(packets[i].time_ns % 1000000000),
						     packets[i].len, packets[i].len };
		parts[2 * i] = (struct iovec){ &headers[i], sizeof headers[i] };
		parts[2 * i + 1] = (struct iovec){ (void *)packets[i].data, packets[i].len };
	}
	uint64_t there = put(w, parts, (int)(2 * n));
	unsigned whole = 0;
	for (; whole < n; whole++) {
		uint64_t record = sizeof headers[0] + packets[whole].len;
		if (there < record)
			break;
		there -= record;
		w->offset += record;
	}
	if (w->error)
		cut_back(w);
	return whole;
}

void writer_close(struct capture_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}
