/* What tests ask of itf/packet.h and inward.h: a line in, a line of JSON out. Built with sanitizers; the packet lies in
 * memory of exactly its length, so that one byte beyond it is found.
 *
 *	OPERATION LINK NUMBER HEX      ("-" for no bytes)
 */
#include <stdio.h>
#include <stdlib.h>
#include "itf/inward.h"

static uint64_t touched; /* reads through every accessor, so that none is optimised away */

static void touch(const void *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		touched += ((const uint8_t *)at)[i];
}

static void look(uint8_t *data, uint32_t len, const struct frame_record *r)
{
	struct flow_key key;
	uint32_t size;
#define LOOK(type, name)                                                     \
	do {                                                                 \
		const struct type##_header *h = packet_##name(data, len, r); \
		if (h)                                                       \
			touch(h, sizeof(*h));                                \
		printf("\"" #name "\": %s, ", h ? "true" : "false");         \
	} while (0)
	LOOK(eth, eth);
	LOOK(vlan, vlan);
	LOOK(arp, arp);
	LOOK(ip4, ip4);
	LOOK(ip6, ip6);
	LOOK(tcp, tcp);
	LOOK(udp, udp);
	LOOK(icmp, icmp);
	uint8_t *payload = packet_payload(data, len, r, &size);
	if (payload)
		touch(payload, size);
	printf("\"payload\": %d, \"size\": %u, ", payload ? (int)(payload - data) : -1, size);
	int direction = packet_flow(data, len, r, &key);
	printf("\"direction\": %d, \"hash\": %u, \"low_port\": %u, \"high_port\": %u, \"key\": \"", direction,
	       packet_flow_hash(data, len, r), key.low_port, key.high_port);
	for (size_t i = 0; i < sizeof(key); i++)
		printf("%02x", ((uint8_t *)&key)[i]);
	printf("\", ");
}

static uint8_t nibbles(const char *at)
{
	unsigned v;
	return sscanf(at, "%2x", &v) == 1 ? (uint8_t)v : 0;
}

int main(void)
{
	static char line[300000], op[16], hex[299000];
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	while (fgets(line, sizeof(line), stdin)) {
		unsigned link;
		unsigned long number;
		if (sscanf(line, "%15s %u %lu %298999s", op, &link, &number, hex) != 4)
			return 1;
		uint32_t len = hex[0] == '-' ? 0 : (uint32_t)strlen(hex) / 2;
		uint8_t *data = malloc(len), address[16];
		struct frame_record r = { .link = (uint8_t)link, .flags = 0xff };
		for (uint32_t i = 0; i < len; i++)
			data[i] = nibbles(hex + 2 * i);
		for (int i = 0; i < 16; i++)
			address[i] = (uint8_t)(number >> (i % 8 * 8)) ^ (uint8_t)i;
		bool done = packet_parse(data, len, &r);
		if (strcmp(op, "trust") == 0) { /* what another VNFC may have written there */
			r.l3 = (uint16_t)number;
			r.l4 = (uint16_t)(number >> 16);
			r.l4_proto = (uint8_t)(number >> 32);
			r.flags = (uint8_t)(number >> 40);
			packet_complete_checksum(data, len, &r);
			packet_fix_checksums(data, len, &r);
			packet_set_ip4_src(data, len, &r, 1);
			packet_set_ip6_dst(data, len, &r, address);
			packet_set_sport(data, len, &r, 1);
			packet_set_ttl(data, len, &r, 1);
		} else if (strcmp(op, "complete") == 0)
			done = packet_complete_checksum(data, len, &r);
		else if (strcmp(op, "inward") == 0) /* as a port does */
			done = inward_worth(data, len, &r) ? inward_complete(data, len, &r) > 0
							   : packet_complete_checksum(data, len, &r);
		else if (strcmp(op, "fix") == 0)
			packet_fix_checksums(data, len, &r);
		else if (strcmp(op, "src4") == 0)
			done = packet_set_ip4_src(data, len, &r, net32((uint32_t)number));
		else if (strcmp(op, "dst4") == 0)
			done = packet_set_ip4_dst(data, len, &r, net32((uint32_t)number));
		else if (strcmp(op, "src6") == 0)
			done = packet_set_ip6_src(data, len, &r, address);
		else if (strcmp(op, "dst6") == 0)
			done = packet_set_ip6_dst(data, len, &r, address);
		else if (strcmp(op, "sport") == 0)
			done = packet_set_sport(data, len, &r, (uint16_t)number);
		else if (strcmp(op, "dport") == 0)
			done = packet_set_dport(data, len, &r, (uint16_t)number);
		else if (strcmp(op, "ttl") == 0)
			done = packet_set_ttl(data, len, &r, (uint8_t)number);
		else if (strcmp(op, "push") == 0 || strcmp(op, "pop") == 0) {
			bool push = op[1] == 'u';
			done = push ? packet_eth(data, len, &r) != NULL : packet_vlan(data, len, &r) != NULL;
			if (done) {
				uint8_t *room = malloc(len + 4), *at;
				memcpy(room + 4, data, len);
				at = push ? packet_push_vlan(room + 4, ETHER_VLAN, (uint16_t)number)
					  : packet_pop_vlan(room + 4);
				packet_moved(&r, push ? 4 : -4);
				len += push ? 4 : -4u;
				data = realloc(data, len);
				memcpy(data, at, len);
				free(room);
			}
		}
		printf("{\"done\": %s, \"l3\": %u, \"l4\": %u, \"proto\": %u, \"flags\": %u, ",
		       done ? "true" : "false", r.l3, r.l4, r.l4_proto, r.flags);
		look(data, len, &r);
		printf("\"data\": \"");
		for (uint32_t i = 0; i < len; i++)
			printf("%02x", data[i]);
		printf("\"}\n");
		fflush(stdout);
		free(data);
	}
	return touched == 42; /* so that it is needed */
}
