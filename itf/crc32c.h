/* CRC32c, SCTP's checksum (RFC 9260 6.8 and appendix A), by half bytes: SCTP is rare, and the table stays in the cache. */
#ifndef ITF_CRC32C_H
#define ITF_CRC32C_H
#include <stddef.h>
#include <stdint.h>

static inline uint32_t crc32c_add(uint32_t crc, const uint8_t *bytes, size_t n)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
		0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
		0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	for (size_t i = 0; i < n; i++) {
		crc = table[(crc ^ bytes[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ bytes[i] >> 4) & 15] ^ crc >> 4;
	}
	return crc;
}

/* Compute the checksum of an SCTP packet of n bytes, at least its common header's 12, and store it. */
static inline void crc32c_store_sctp(uint8_t *sctp, size_t n)
{
	static const uint8_t zeros[4] = { 0 };
	uint32_t crc = crc32c_add(UINT32_MAX, sctp, 8);
	crc = ~crc32c_add(crc32c_add(crc, zeros, sizeof zeros), sctp + 12, n - 12);
	for (unsigned i = 0; i < 4; i++) /* its low byte comes first, on every machine */
		sctp[8 + i] = (uint8_t)(crc >> 8 * i);
}
#endif
