/* libFuzzer target: any bytes as a packet, through all of the NSH processor. Whatever comes, it is a packet or a
 * drop with a reason, no frame is lost, and what a proxy hands back is what came, with SI one less.
 * Build: clang -g -O1 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_nsh.c $(ls nshp/[a-z]*.c)
 *
 * Input: 8 bytes that choose the set-up and what the VNFCs do, then the packet. */
#include <stdio.h>
#include "tests/rigs/nsh_bed.h"

#define MUST(what)                                                    \
	do {                                                          \
		if (!(what)) {                                        \
			fprintf(stderr, "%d: %s\n", __LINE__, #what); \
			abort();                                      \
		}                                                     \
	} while (0)

enum { AWARE = 1, CHANGE = 2, GROW = 4, BACK = 8, FORWARD = 16, ENCAP = 32, CLONE = 64 };
enum { NO_NSH = 64 }; /* at the second port */

static void set_up(struct bed *b, const uint8_t *choice)
{
	struct wiring *w = &b->wiring;
	static const struct nsh_path paths[] = { { .spi_si = 1 << 8 },
						 { .spi_si = 42 << 8 | 255, .has_context = 1 } };
	w->nsh_flags = choice[1] & 1 ? NSH_ANY_PATH : choice[1] & 2 ? NSH_OAM_BYPASS : 0;
	w->paths = choice[1] & 1 ? 0 : 2;
	memcpy(w->path, paths, sizeof paths);
	w->graph_aware[0] = choice[1] & 4;
	w->next_hops = choice[0] & FORWARD ? 3 : 0;
	for (unsigned i = 0; i < 3; i++)
		w->next_hop[i] = (struct nsh_next_hop){ .spi_si = (42 + i) << 8,
							.transport = (uint8_t)((choice[2] + i) % 3),
							.port = choice[2] & 4 ? NSH_SAME_PORT : 1,
							.has_mac = choice[2] & 8 ? 1 : 0,
							.ip6 = choice[2] & 16 ? 1 : 0,
							.vlan = choice[2] & 32 ? 7 : VLAN_UNTAGGED,
							.zero = i == 0 ? choice[7] & 1 : 0 };
	for (unsigned n = 0; n < 2; n++) {
		w->nsh_port[n].flags = NSH_PORT_ON | (choice[3] & 0x1e);
		store32(w->nsh_port[n].ip4, 0xc0000201);
		store32(w->nsh_port[n].ip6, 0xfd010000);
		w->port[n].mtu = choice[3] & 32 ? 576 : 1500;
	}
	if (choice[3] & NO_NSH)
		w->nsh_port[1].flags = 0;
	w->encap[0].spi_si = 42u << 8 | 200;
}

/* What VNFCs may do to a packet, within the frame's bounds as the forwarder has checked them, and beyond. */
static void handle(struct bed *b, uint32_t ref, const uint8_t *choice)
{
	struct frames *f = &b->fabric.frames;
	struct frame_record *r = &f->record[ref];
	if (choice[0] & CHANGE)
		memset(r->context, choice[4], sizeof r->context);
	if (choice[0] & GROW) {
		r->data -= choice[5] < r->data ? choice[5] : 0;
		r->len += choice[5] + (choice[6] == 255 ? 4096u : 0);
	}
}

static bool see(struct bed *b, uint32_t ref, const uint8_t *choice)
{
	struct frames *f = &b->fabric.frames;
	taps_show(&b->fabric, &ref, 1);
	uint8_t *area = f->nsh + (uint64_t)ref * FRAME_NSH_AREA;
	if (choice[0] & CHANGE) {
		area[choice[4]] ^= choice[5];
		f->record[ref].nsh_len = (uint16_t)(f->record[ref].nsh_len + (int8_t)choice[6]);
	}
	return taps_read_back(&b->fabric, ref);
}

/* A proxy's whole promise: everything as it came, SI one less. A checksum that a local peer left to its device to
 * complete is completed, as at a port. */
static void compare(struct bed *b, uint32_t ref, const uint8_t *packet, uint32_t len, unsigned at)
{
	struct frames *f = &b->fabric.frames;
	const uint8_t *out = frame_bytes(f, ref);
	uint8_t expected[BED_FRAME];
	uint32_t head = at + nsh_size(packet + at);
	struct frame_record inner = { .link = nsh_next(packet + at) == NSH_NEXT_ETHERNET ? LINK_ETHERNET
											 : LINK_OTHER };
	memcpy(expected, packet, len);
	expected[at + 7]--;
	packet_parse(expected + head, len - head, &inner);
	packet_complete_checksum(expected + head, len - head, &inner);
	MUST(f->record[ref].len == len && memcmp(out, expected, len) == 0);
}

/* The codec by itself, as VNFCs use it, on memory that ends where the header says. */
static void codec(const uint8_t *choice, const uint8_t *bytes, uint32_t len)
{
	enum nsh_fault fault = nsh_check(bytes, len);
	if (fault != NSH_GOOD)
		return;
	uint32_t size = nsh_size(bytes), room = size + choice[5];
	uint16_t md_class = load16(choice + 6);
	struct nsh_tlv tlv;
	uint8_t *at = malloc(room), value[127];
	memcpy(at, bytes, size);
	memset(value, choice[4], sizeof value);
	bool there = nsh_tlv_find(at, size, md_class, choice[4], &tlv);
	uint32_t grown = nsh_tlv_add(at, room, md_class, choice[4], value, choice[3] & 127);
	MUST(grown == 0 || (nsh_check(at, grown) == NSH_GOOD && grown <= room && grown <= NSH_MOST));
	if (grown > 0) {
		MUST(nsh_tlv_find(at, grown, md_class, choice[4], &tlv));
		MUST(there || (tlv.len == (choice[3] & 127) && memcmp(tlv.value, value, tlv.len) == 0));
		uint32_t cut = nsh_tlv_cut(at, grown, &tlv);
		MUST(nsh_check(at, cut) == NSH_GOOD &&
		     (there || (cut == size && memcmp(at, bytes, size) == 0)));
	}
	nsh_keep_bits(at, bytes);
	free(at);
}

static void check_figures(const struct bed *b)
{
	const struct place_stats *s = &b->stats[PLACE_NSH];
	uint64_t dropped = 0;
	for (unsigned i = 0; i < REASONS; i++)
		dropped += s->dropped[i];
	MUST(s->received + s->originated >= s->forwarded + dropped);
	MUST(b->fabric.frames.spares == BED_FRAMES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bed *b;
	if (b == NULL)
		b = bed_new();
	if (size < 8 || size > 8 + BED_FRAME - FRAME_HEADROOM - FRAME_TAILROOM)
		return 0;
	struct frames *f = &b->fabric.frames;
	const uint8_t *choice = data, *packet = data + 8;
	uint32_t len = (uint32_t)size - 8, copy;
	set_up(b, choice);
	codec(choice, packet, len);
	if (len > 14)
		codec(choice, packet + 14, len - 14);
	memset(b->stats, 0, sizeof b->stats);
	uint32_t ref = bed_arrive(b, packet, len, 0);
	uint8_t ip;
	uint32_t end;
	int at = transport_find(&b->wiring.nsh_port[0], frame_bytes(f, ref), len, &f->record[ref], &ip, &end);
	MUST(at <= (int)end && end <= len);
	stage_hand(&b->fabric, STAGE_NSH, &ref, 1);
	if (b->sink[2].n > 0) { /* the first VNFC has it */
		b->sink[2].n = 0;
		const struct frame_private *priv = &f->priv[ref];
		MUST((priv->nsh_len > 0) == (at > 0));
		bool plain = ip == 0 && !(choice[3] & (NSH_PORT_UNTRUSTED | NO_NSH)) &&
			     !(choice[0] & ~CLONE) && at > 0 && nsh_next(packet + at) > NSH_NEXT_IP6;
		if (choice[0] & CLONE && frames_take(f, &copy, 1, OWNER_ARRIVING) == 1) {
			f->record[copy] = f->record[ref];
			f->priv[copy] = (struct frame_private){ .link = f->priv[ref].link };
			memcpy(frame_bytes(f, copy), frame_bytes(f, ref), f->record[ref].len);
			taps_clone(&b->fabric, copy, ref);
			stage_hand(&b->fabric, STAGE_PORT + 1, &copy, 1);
		}
		if (choice[0] & ENCAP)
			f->priv[ref].encap = 1;
		if (!(choice[0] & AWARE) || see(b, ref, choice)) {
			handle(b, ref, choice);
			uint32_t out = choice[0] & BACK ? 0 : 1;
			unsigned before = b->sink[1].n;
			stage_hand(&b->fabric, (uint16_t)(STAGE_PORT + out), &ref, 1);
			if (plain) {
				MUST(b->sink[1].n == before + 1 ||
				     b->stats[PLACE_NSH].dropped[REASON_mtu_unanswered] > 0);
				if (b->sink[1].n == before + 1)
					compare(b, ref, packet, len, (unsigned)at);
			}
		}
	}
	for (unsigned n = 0; n < 2; n++) {
		for (unsigned i = 0; i < b->sink[n].n; i++) {
			const struct frame_record *r = &f->record[b->sink[n].refs[i]];
			bool inside = r->data <= f->frame_size && r->len <= f->frame_size - r->data;
			MUST(inside || choice[0] & GROW); /* what a VNFC broke, a port refuses */
			/* nothing goes out by an interface whose first bytes are no Ethernet header */
			MUST(n == 0 || !(choice[3] & NO_NSH) ||
			     f->priv[b->sink[n].refs[i]].link == LINK_ETHERNET);
			frame_free(f, b->sink[n].refs[i]);
		}
		b->sink[n].n = 0;
	}
	check_figures(b);
	return 0;
}
