/* Super-frames cut into the packets that they stand for: what a network card would have done (TSO, USO). */
#ifndef VNS_SEGMENT_OFFLOAD_H
#define VNS_SEGMENT_OFFLOAD_H
#include <stdbool.h>
#include <stdint.h>
#include "itf/segment.h"

struct super_frame {
	const uint8_t *bytes; /* Ethernet header on, tags in the data or none */
	uint32_t len;
	uint16_t size;	       /* payload bytes of a segment */
	bool has_sum;	       /* UDP: the segments carry a checksum */
	struct frame_record r; /* parsed */
	uint32_t headers;      /* bytes before the payload, that every segment repeats */
	uint32_t payload;
	uint32_t segments;
	uint32_t next; /* number of the segment to make */
};

/* Look at a super-frame; gso_type and gso_size as in struct virtio_net_hdr, partial: its checksum is. False if
 * it is none that can be cut (not TCP or UDP, headers that do not fit together). */
bool super_frame_open(struct super_frame *s, const uint8_t *bytes, uint32_t len, uint8_t gso_type,
		      uint16_t gso_size, bool partial);

/* Bytes of the next segment; 0 when all have been made. */
uint32_t super_frame_next_len(const struct super_frame *s);

/* Make the next segment at `to`, which has room for that many bytes, with complete checksums. */
void super_frame_make(struct super_frame *s, uint8_t *to);

/* Complete a checksum as CHECKSUM_PARTIAL describes it: over everything from `start` on, stored at
 * start + offset. False if that is outside the packet. */
bool checksum_complete_at(uint8_t *bytes, uint32_t len, uint32_t start, uint32_t offset);
#endif
