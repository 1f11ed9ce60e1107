/* The Network Service Header, RFC 8300 (TLVs as in RFC 9263), as it lies in a packet.
 *
 *   0                   1                   2                   3
 *  |Ver|O|U|    TTL    |  Length   |U|U|U|U|MD Type| Next Protocol |
 *  |          Service Path Identifier (SPI)        | Service Index |
 *  |  MD type 1: 16 bytes of context; MD type 2: TLVs              |
 *
 * Nothing here reads outside [at, at + size); setters leave every other bit, the unassigned ones (U) included,
 * as it was. Part of the author's SDK: C11 and C++17, needs headers.h only.
 */
#ifndef ITF_NSH_H
#define ITF_NSH_H
#include <stdbool.h>
#include "headers.h"

enum {
	NSH_BASE = 8,	  /* bytes before the context */
	NSH_CONTEXT = 16, /* bytes of it, MD type 1 */
	NSH_MD1_SIZE = 24,
	NSH_MOST = 63 * 4,  /* the longest header that there can be */
	NSH_TTL_FIRST = 63, /* what a classifier begins with (section 2.2) */
	NSH_TTL_MASK = 0x0fc0,
	NSH_TLV = 4, /* bytes of a TLV before its value */
};

enum nsh_next {
	NSH_NEXT_IP4 = 1,
	NSH_NEXT_IP6 = 2,
	NSH_NEXT_ETHERNET = 3,
	NSH_NEXT_NSH = 4,
	NSH_NEXT_MPLS = 5
};

enum nsh_fault {
	NSH_GOOD,
	NSH_FAULT_VERSION,
	NSH_FAULT_MD_TYPE,
	NSH_FAULT_LENGTH, /* against the MD type, or against the bytes that are there */
	NSH_FAULT_TLV,	  /* one reaches beyond the header */
};

struct PACKET_WIRE nsh_header {
	uint16_t ver_ttl_length; /* version 2 bits, O, U, TTL 6, length in words 6 */
	uint8_t md_type;	 /* in the low four bits */
	uint8_t next;		 /* enum nsh_next */
	uint32_t spi_si;	 /* SPI << 8 | SI */
};

static inline unsigned nsh_version(const uint8_t *at)
{
	return at[0] >> 6;
}

static inline bool nsh_oam(const uint8_t *at)
{
	return at[0] & 0x20;
}

static inline unsigned nsh_ttl(const uint8_t *at)
{
	return (load16(at) & NSH_TTL_MASK) >> 6;
}

static inline void nsh_set_ttl(uint8_t *at, unsigned ttl)
{
	store16(at, (uint16_t)((load16(at) & ~NSH_TTL_MASK) | (ttl << 6 & NSH_TTL_MASK)));
}

/* Bytes that the header says it has. */
static inline uint32_t nsh_size(const uint8_t *at)
{
	return (at[1] & 0x3fu) * 4;
}

static inline unsigned nsh_md_type(const uint8_t *at)
{
	return at[2] & 15;
}

static inline unsigned nsh_next(const uint8_t *at)
{
	return at[3];
}

static inline uint32_t nsh_spi(const uint8_t *at)
{
	return load32(at + 4) >> 8;
}

static inline unsigned nsh_si(const uint8_t *at)
{
	return at[7];
}

/* The place in a path: SPI << 8 | SI. */
static inline uint32_t nsh_spi_si(const uint8_t *at)
{
	return load32(at + 4);
}

static inline void nsh_set_spi_si(uint8_t *at, uint32_t spi_si)
{
	store32(at + 4, spi_si);
}

/* The 16 bytes of MD type 1, or NULL. */
static inline uint8_t *nsh_context(uint8_t *at)
{
	return nsh_md_type(at) == 1 ? at + NSH_BASE : NULL;
}

/* ---- TLVs, MD type 2 ---------------------------------------------------------------------------------- */

struct nsh_tlv {
	uint16_t md_class; /* IANA's "NSH MD class" */
	uint8_t type;
	uint8_t len; /* bytes of the value, padding not counted */
	uint8_t *value;
};

/* The TLV at offset *offset (NSH_BASE for the first) of a header of `size` bytes; moves the offset on. False
 * at the end, and at a TLV that reaches beyond it: then *offset is not size. */
static inline bool nsh_tlv_next(uint8_t *at, uint32_t size, uint32_t *offset, struct nsh_tlv *tlv)
{
	if (*offset > size || size - *offset < NSH_TLV)
		return false;
	uint8_t *head = at + *offset;
	uint32_t len = head[3] & 0x7f; /* the bit above is unassigned: to be ignored */
	uint32_t padded = NSH_TLV + ((len + 3) & ~3u);
	if (size - *offset < padded)
		return false;
	tlv->md_class = load16(head);
	tlv->type = head[2];
	tlv->len = (uint8_t)len;
	tlv->value = head + NSH_TLV;
	*offset += padded;
	return true;
}

/* The first TLV of that class and type; false if there is none. */
static inline bool nsh_tlv_find(uint8_t *at, uint32_t size, uint16_t md_class, uint8_t type,
				struct nsh_tlv *tlv)
{
	uint32_t offset = NSH_BASE;
	if (size < NSH_BASE || nsh_md_type(at) != 2)
		return false;
	while (nsh_tlv_next(at, size, &offset, tlv))
		if (tlv->md_class == md_class && tlv->type == type)
			return true;
	return false;
}

static inline void nsh_set_size(uint8_t *at, uint32_t size)
{
	at[1] = (uint8_t)((at[1] & 0xc0) | size / 4);
}

/* Append a TLV with len (at most 127) bytes of value to an MD type 2 header that lies in `room` bytes. Returns
 * the header's new size, 0 if there is no room for it or it is not such a header. */
static inline uint32_t nsh_tlv_add(uint8_t *at, uint32_t room, uint16_t md_class, uint8_t type,
				   const void *value, uint8_t len)
{
	uint32_t size = nsh_size(at), padded = NSH_TLV + ((len + 3u) & ~3u);
	if (nsh_md_type(at) != 2 || len > 127 || size < NSH_BASE || size + padded > NSH_MOST ||
	    size + padded > room)
		return 0;
	memset(at + size, 0, padded);
	store16(at + size, md_class);
	at[size + 2] = type;
	at[size + 3] = len;
	memcpy(at + size + NSH_TLV, value, len);
	nsh_set_size(at, size + padded);
	return size + padded;
}

/* Take a TLV that was found out of a header of `size` bytes. Returns the header's new size. */
static inline uint32_t nsh_tlv_cut(uint8_t *at, uint32_t size, const struct nsh_tlv *tlv)
{
	uint32_t padded = NSH_TLV + ((tlv->len + 3u) & ~3u);
	uint8_t *head = tlv->value - NSH_TLV, *behind = head + padded;
	memmove(head, behind, (size_t)(at + size - behind));
	nsh_set_size(at, size - padded);
	return size - padded;
}

/* ---- whole headers --------------------------------------------------------------------------------------- */

static inline enum nsh_fault nsh_check_tlvs(const uint8_t *at, uint32_t size)
{
	uint32_t offset = NSH_BASE;
	struct nsh_tlv tlv;
	while (nsh_tlv_next((uint8_t *)at, size, &offset, &tlv))
		;
	return offset == size ? NSH_GOOD : NSH_FAULT_TLV;
}

/* Is this a header that may be worked on? `len` bytes are there, with what follows it. */
static inline enum nsh_fault nsh_check(const uint8_t *at, uint32_t len)
{
	if (len < NSH_BASE)
		return NSH_FAULT_LENGTH;
	if (nsh_version(at) != 0)
		return NSH_FAULT_VERSION;
	uint32_t size = nsh_size(at);
	unsigned md_type = nsh_md_type(at);
	if (md_type == 1)
		return size == NSH_MD1_SIZE && size <= len ? NSH_GOOD : NSH_FAULT_LENGTH;
	if (md_type != 2)
		return NSH_FAULT_MD_TYPE;
	if (size < NSH_BASE || size > len)
		return NSH_FAULT_LENGTH;
	return size == NSH_BASE ? NSH_GOOD : nsh_check_tlvs(at, size);
}

/* Give a header the version, O bit, TTL and unassigned bits of another. */
static inline void nsh_keep_bits(uint8_t *at, const uint8_t *from)
{
	at[0] = from[0];
	at[1] = (uint8_t)((from[1] & 0xc0) | (at[1] & 0x3f));
	at[2] = (uint8_t)((from[2] & 0xf0) | (at[2] & 0x0f));
}

/* Write a header with MD type 1, all unassigned bits zero; context NULL: no metadata, all zeros. */
static inline void nsh_put_md1(uint8_t *at, unsigned ttl, unsigned next, uint32_t spi_si,
			       const uint8_t *context)
{
	store16(at, (uint16_t)((ttl & 63) << 6 | NSH_MD1_SIZE / 4));
	at[2] = 1;
	at[3] = (uint8_t)next;
	store32(at + 4, spi_si);
	if (context)
		memcpy(at + NSH_BASE, context, NSH_CONTEXT);
	else
		memset(at + NSH_BASE, 0, NSH_CONTEXT);
}

/* The same with MD type 2 and no TLV yet. */
static inline void nsh_put_md2(uint8_t *at, unsigned ttl, unsigned next, uint32_t spi_si)
{
	store16(at, (uint16_t)((ttl & 63) << 6 | NSH_BASE / 4));
	at[2] = 2;
	at[3] = (uint8_t)next;
	store32(at + 4, spi_si);
}
#endif
