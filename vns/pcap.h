/* A capture file as the two sides of a port see it: a reader and a writer, knowing nothing of frames. */
#ifndef VNS_PCAP_H
#define VNS_PCAP_H
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "vns/pcapng.h"

/* One packet of a capture without its cooked or null header; valid until the reader goes on. */
struct captured {
	const uint8_t *data;
	uint32_t len;	   /* bytes in data */
	uint32_t wire_len; /* bytes that were on the wire, all headers counted */
	uint64_t time_ns;  /* since 1970, never less than the packet before */
	int reason;	   /* REASON_* if it cannot come in, -1 if it can */
};

enum reader_state { READER_NEXT, READER_PACKET, READER_ENDED };

struct capture_reader {
	bool open;
	pcap_t *pcap;	  /* NULL: ng reads it */
	struct pcapng ng; /* link types are its packets' own; those of another link are refused one by one */
	struct pcapng_packet first; /* read at open, for what interfaces there are */
	int first_got;		    /* what pcapng_next said of it; 2: it was handed on */
	int dlt;		    /* pcap: of all packets */
	uint8_t link;		    /* enum link_type of what comes out of it */
	enum reader_state state;
	struct captured packet; /* in READER_PACKET */
	uint64_t last_ns;
	char error[PCAP_ERRBUF_SIZE]; /* why it ended before its end, "" if it did not */
};

/* Takes the descriptor over, whatever comes of it. 0, or -1 with the reason in why. */
int reader_open(struct capture_reader *r, int fd, char *why, size_t why_size);
/* The next packet, NULL at the end. It stays the next one until reader_next(). A capture that breaks off
 * inside a packet gives that one with the reason `truncated`, then ends with its error set. */
const struct captured *reader_peek(struct capture_reader *r);
void reader_next(struct capture_reader *r);
void reader_close(struct capture_reader *r);

enum { WRITER_BURST = 64 };

/* Writes nanosecond pcap at an offset of its own, so that a forwarder started again goes on where its
 * predecessor stopped. */
struct capture_writer {
	int fd;
	uint8_t link;	 /* enum link_type of everything in it: LINK_ETHERNET or LINK_IP */
	uint64_t offset; /* bytes written: always whole records */
	int error;	 /* errno of the write that failed: nothing is written after it. 0: none */
};

struct leaving {
	const uint8_t *data;
	uint32_t len;
	uint64_t time_ns; /* since 1970 */
};

/* Takes the descriptor over, whatever comes of it. offset 0 begins a new file, anything else goes on there.
 * 0, or -1 with the reason in why. */
int writer_open(struct capture_writer *w, int fd, uint64_t offset, uint8_t link, char *why, size_t why_size);
/* Write up to WRITER_BURST packets; returns how many are in the file, all of them unless w->error is set. */
unsigned writer_write(struct capture_writer *w, const struct leaving *packets, unsigned n);
void writer_close(struct capture_writer *w);
#endif
