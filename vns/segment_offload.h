/* Super-frames cut into the packets that they stand for: what a network card would have done (TSO, USO), also inside
 * tunnels. */
#ifndef VNS_SEGMENT_OFFLOAD_H
#define VNS_SEGMENT_OFFLOAD_H
#include <stdbool.h>
#include <stdint.h>
#include "itf/segment.h"

enum { SUPER_DEEPEST = 8 };

struct super_level {	       /* of packets in each other */
	struct frame_record r; /* parsed, offsets from the super-frame's first byte */
	bool has_sum;	       /* UDP: it has a checksum, and so have the segments */
};

struct super_frame {
	const uint8_t *bytes; /* Ethernet header on, tags in the data or none */
	uint32_t len;
	uint16_t size;				 /* payload bytes of a segment */
	struct super_level level[SUPER_DEEPEST]; /* the tunnel's, and last what is cut */
	uint32_t levels;
	uint32_t headers; /* bytes before the payload, that every segment repeats */
	uint32_t payload;
	uint32_t segments;
	uint32_t next; /* number of the segment to make */
};

/* Look at a super-frame; gso_type and gso_size as in struct virtio_net_hdr; start: where what its partial checksum
 * covers begins, 0 if it has none. That tells which of the packets in each other is to be cut; without it it is the
 * innermost. False if it is none that can be cut: not TCP or UDP, headers that do not fit together, or a GRE sequence
 * number on the way, which nobody could count on from packet to packet. */
bool super_frame_open(struct super_frame *s, const uint8_t *bytes, uint32_t len, uint8_t gso_type,
		      uint16_t gso_size, uint32_t start);

/* Bytes of the next segment; 0 when all have been made. */
uint32_t super_frame_next_len(const struct super_frame *s);

/* Make the next segment at `to`, which has room for that many bytes, with complete checksums. */
void super_frame_make(struct super_frame *s, uint8_t *to);

/* Complete a checksum as CHECKSUM_PARTIAL describes it: over everything from `start` on, stored at
 * start + offset. False if that is outside the packet, or SCTP's, which is no sum: that is found by its being zero
 * (itf/inward.h). */
bool checksum_complete_at(uint8_t *bytes, uint32_t len, uint32_t start, uint32_t offset);
#endif
