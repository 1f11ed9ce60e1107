/* The kernel's side of the rig: generator of live frames, sink, reflector, AF_XDP redirect. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "testframe.h"

struct generator {
	__u64 sent;
	__u32 flow;
	__u32 sequence;
};

#define MAP(NAME, TYPE, ENTRIES, VALUE)       \
	struct {                              \
		__uint(type, TYPE);           \
		__uint(max_entries, ENTRIES); \
		__type(key, __u32);           \
		__type(value, VALUE);         \
	} NAME SEC(".maps")

MAP(figures, BPF_MAP_TYPE_PERCPU_ARRAY, 1, struct sink_figures);
MAP(histogram, BPF_MAP_TYPE_PERCPU_ARRAY, HIST_SIZE, __u64);
MAP(generators, BPF_MAP_TYPE_PERCPU_ARRAY, 1, struct generator);
MAP(sockets, BPF_MAP_TYPE_XSKMAP, 4, __u32);
MAP(target, BPF_MAP_TYPE_DEVMAP, 1, __u32);

volatile const struct settings cfg = {};

static __always_inline __u32 shift(void)
{
	return cfg.shift ? NSH_BYTES : 0;
}

static __always_inline struct tag *tag_of(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	void *tag = data + shift() + (cfg.tag_offset == TAG_TCP ? TAG_TCP : TAG_UDP);

	return tag + sizeof(struct tag) > end ? 0 : tag;
}

static __always_inline void record(__u64 ns)
{
	__u64 v = ns;
	__u32 log = 0;

	for (int shift = 32; shift; shift /= 2)
		if (v >> shift) {
			log += shift;
			v >>= shift;
		}
	__u32 bucket = log < 4 ? ns : (log - 3) * HIST_SUB + ((ns >> (log - 4)) & (HIST_SUB - 1));
	if (bucket >= HIST_SIZE)
		bucket = HIST_SIZE - 1;
	__u64 *count = bpf_map_lookup_elem(&histogram, &bucket);
	if (count)
		(*count)++;
}

SEC("xdp") int xdp_sink(struct xdp_md *ctx)
{
	__u32 zero = 0, length = ctx->data_end - ctx->data;
	struct sink_figures *f = bpf_map_lookup_elem(&figures, &zero);
	struct tag *tag = tag_of(ctx);

	if (!f)
		return XDP_PASS;
	if (!tag || tag->magic != TAG_MAGIC) {
		f->other++;
		return XDP_PASS;
	}
	f->frames++;
	f->bytes += length;
	if (cfg.length && length != cfg.length)
		f->odd++;
	if ((int)(tag->sequence - f->last_sequence) < 0)
		f->reorder++;
	f->last_sequence = tag->sequence;
	if (cfg.histogram)
		record(bpf_ktime_get_ns() - tag->time_ns);
	return XDP_DROP;
}

/* Back to the sender, addresses and ports swapped. */
SEC("xdp") int xdp_reflect(struct xdp_md *ctx)
{
	struct tag *tag = tag_of(ctx);
	__u16 *h = (void *)(long)ctx->data;

	if (!tag || (void *)(h + 19) > (void *)(long)ctx->data_end || tag->magic != TAG_MAGIC)
		return XDP_PASS;
	const int first[] = { 0, 1, 2, 13, 14, 17 }, second[] = { 3, 4, 5, 15, 16, 18 };
#pragma unroll
	for (int i = 0; i < 6; i++) {
		__u16 was = h[first[i]];
		h[first[i]] = h[second[i]];
		h[second[i]] = was;
	}
	return XDP_TX;
}

SEC("xdp") int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp") int xdp_socket(struct xdp_md *ctx)
{
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

SEC("xdp") int xdp_generate(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct generator *g = bpf_map_lookup_elem(&generators, &zero);
	struct tag *tag = tag_of(ctx);
	__u8 *data = (void *)(long)ctx->data;

	if (!g || !tag || (void *)(data + shift() + TAG_UDP) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	/* the page is used again and again: whoever had it may have changed the headers */
	for (int i = 0; i < TAG_UDP; i++)
		data[i] = cfg.header[i];
	if (cfg.shift) {
		for (int i = TAG_UDP; i < NSH_BYTES + TAG_UDP; i++)
			data[i] = cfg.header[i];
		data += NSH_BYTES;
	}
	__u32 beyond = g->flow / PORTS;
	__u32 sum = bpf_ntohs(*(__u16 *)(data + 24));
	*(__u16 *)(data + 24) = bpf_htons(sum >= beyond ? sum - beyond : sum - beyond - 1);
	data[29] += beyond;
	*(__u16 *)(data + L4) = bpf_htons(PORT_FIRST + g->flow % PORTS);
	if (++g->flow >= cfg.flows)
		g->flow = 0;
	tag->magic = TAG_MAGIC;
	tag->sequence = g->sequence++;
	tag->time_ns = bpf_ktime_get_ns();
	g->sent++;
	return bpf_redirect_map(&target, 0, XDP_ABORTED);
}

char _license[] SEC("license") = "GPL";
