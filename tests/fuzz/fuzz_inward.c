/* libFuzzer target: any bytes as a packet that may be a tunnel's. Checksums are completed, super-frames cut, and nothing
 * outside the packet is read or written; every byte of a payload is in one segment.
 * Build: clang -g -O1 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_inward.c vns/segment_offload.c
 *
 * Input: 6 bytes that choose link, offload and where its checksum begins, then the packet. */
#include <stdlib.h>
#include <string.h>
#include "itf/inward.h"
#include "vns/segment_offload.h"

static void cut(const uint8_t *choice, const uint8_t *packet, uint32_t len)
{
	static const uint8_t kinds[] = { 1, 4, 5, 3 }; /* TCPv4, TCPv6, UDP_L4, UFO */
	struct super_frame super;
	uint32_t room, total = 0;
	if (!super_frame_open(&super, packet, len, kinds[choice[1] & 3], load16(choice + 2), choice[4]))
		return;
	while ((room = super_frame_next_len(&super)) > 0) {
		uint8_t *to = malloc(room);
		super_frame_make(&super, to);
		total += room - super.headers;
		free(to);
	}
	if (total != super.payload)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 6 || size > 6 + 65535)
		return 0;
	uint32_t len = (uint32_t)size - 6;
	uint8_t *packet = malloc(len);
	struct frame_record r = { .link = data[0] & 1 ? LINK_IP : LINK_ETHERNET };
	memcpy(packet, data + 6, len);
	cut(data, packet, len);
	packet_parse(packet, len, &r);
	if (inward_worth(packet, len, &r))
		inward_complete(packet, len, &r);
	checksum_complete_at(packet, len, data[4], data[5]);
	free(packet);
	return 0;
}
