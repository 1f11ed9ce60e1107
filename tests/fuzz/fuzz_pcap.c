/* libFuzzer target: any bytes as a capture. The reader may refuse them or end early, and nothing else.
 * Build: clang -g -O1 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_pcap.c vns/pcap_read.c vns/pcapng.c -lpcap */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "itf/segment.h"
#include "vns/pcap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_reader reader;
	char why[240];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	if (reader_open(&reader, fd, why, sizeof why) < 0) {
		if (why[0] == 0)
			abort(); /* no refusal without a reason */
		return 0;
	}
	uint64_t last = 0;
	uint32_t sum = 0;
	for (const struct captured *c; (c = reader_peek(&reader)) != NULL; reader_next(&reader)) {
		if (c->time_ns < last || c->wire_len < c->len)
			abort();
		last = c->time_ns;
		if (c->reason >= 0)
			continue;
		if (c->len == 0 || (reader.link == LINK_IP && c->data[0] >> 4 != 4 && c->data[0] >> 4 != 6))
			abort();
		for (uint32_t i = 0; i < c->len; i++)
			sum += c->data[i]; /* all of it can be read */
	}
	reader_close(&reader);
	return sum == UINT32_MAX ? -1 : 0; /* keeps the sum from being optimised away */
}
