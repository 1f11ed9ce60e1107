/* itf/nsh.h as functions that Python can call. */
#include "itf/nsh.h"

int driver_check(const uint8_t *at, uint32_t len);
void driver_fields(const uint8_t *at, uint32_t *out);
void driver_set(uint8_t *at, uint32_t ttl, uint32_t spi_si);
int driver_tlvs(uint8_t *at, uint32_t size, uint32_t *out, int most);
int driver_find(uint8_t *at, uint32_t size, uint16_t md_class, uint8_t type);
uint32_t driver_add(uint8_t *at, uint32_t room, uint16_t md_class, uint8_t type, const uint8_t *value,
		    uint8_t len);
uint32_t driver_cut(uint8_t *at, uint32_t size, uint16_t md_class, uint8_t type);
void driver_put(uint8_t *at, int md_type, uint32_t ttl, uint32_t next, uint32_t spi_si,
		const uint8_t *context);

int driver_check(const uint8_t *at, uint32_t len)
{
	return nsh_check(at, len);
}

void driver_fields(const uint8_t *at, uint32_t *out)
{
	uint32_t fields[] = { nsh_version(at), nsh_oam(at), nsh_ttl(at), nsh_size(at),	nsh_md_type(at),
			      nsh_next(at),    nsh_spi(at), nsh_si(at),	 nsh_spi_si(at) };
	memcpy(out, fields, sizeof fields);
}

void driver_set(uint8_t *at, uint32_t ttl, uint32_t spi_si)
{
	nsh_set_ttl(at, ttl);
	nsh_set_spi_si(at, spi_si);
}

int driver_tlvs(uint8_t *at, uint32_t size, uint32_t *out, int most)
{
	uint32_t offset = NSH_BASE;
	struct nsh_tlv tlv;
	int n = 0;
	for (; n < most && nsh_tlv_next(at, size, &offset, &tlv); n++) {
		uint32_t row[] = { tlv.md_class, tlv.type, tlv.len, (uint32_t)(tlv.value - at) };
		memcpy(out + 4 * n, row, sizeof row);
	}
	return n;
}

int driver_find(uint8_t *at, uint32_t size, uint16_t md_class, uint8_t type)
{
	struct nsh_tlv tlv;
	return nsh_tlv_find(at, size, md_class, type, &tlv) ? (int)(tlv.value - at) : -1;
}

uint32_t driver_add(uint8_t *at, uint32_t room, uint16_t md_class, uint8_t type, const uint8_t *value,
		    uint8_t len)
{
	return nsh_tlv_add(at, room, md_class, type, value, len);
}

uint32_t driver_cut(uint8_t *at, uint32_t size, uint16_t md_class, uint8_t type)
{
	struct nsh_tlv tlv;
	return nsh_tlv_find(at, size, md_class, type, &tlv) ? nsh_tlv_cut(at, size, &tlv) : size;
}

void driver_put(uint8_t *at, int md_type, uint32_t ttl, uint32_t next, uint32_t spi_si,
		const uint8_t *context)
{
	if (md_type == 1)
		nsh_put_md1(at, ttl, next, spi_si, context);
	else
		nsh_put_md2(at, ttl, next, spi_si);
}
