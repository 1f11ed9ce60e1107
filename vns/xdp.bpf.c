/* The XDP programs of a port. Which one is loaded, and how, is open_xdp.c's business.
 *
 * to_socket_tagged   hands every packet to the AF_XDP socket of its queue, with a VLAN tag that the driver or
 *                    the peer took out of it put back. Device-bound (Linux 6.8): the tag is asked of the driver.
 * to_socket          the same without the tag, for older kernels and generic XDP.
 * pass               does nothing: merely that a native program is attached makes a veth peer send segments
 *                    instead of super-frames, which AF_PACKET rings would cut.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

/* weak: the object is loaded on kernels that have no such function, too, without the program that calls it */
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *tpid, __u16 *tci) __ksym __weak;

struct addresses {
	__u8 bytes[2 * ETH_ALEN];
} __attribute__((packed));

struct tag {
	__be16 tpid, tci;
};

SEC("xdp")
int to_socket_tagged(struct xdp_md *ctx)
{
	__u32 queue = ctx->rx_queue_index;
	__be16 tpid;
	__u16 tci;
	if (bpf_xdp_metadata_rx_vlan_tag(ctx, &tpid, &tci) == 0) {
		/* without a socket the packet goes to the host, which has the tag beside it already */
		if (!bpf_map_lookup_elem(&sockets, &queue))
			return XDP_PASS;
		if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct tag)))
			return XDP_ABORTED;
		void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
		struct addresses *from = data + sizeof(struct tag);
		struct tag *tag = data + sizeof(*from);
		if ((void *)(from + 1) > end || (void *)(tag + 1) > end)
			return XDP_ABORTED;
		struct addresses moved = *from;
		*(struct addresses *)data = moved;
		tag->tpid = tpid;
		tag->tci = bpf_htons(tci);
	}
	return bpf_redirect_map(&sockets, queue, XDP_PASS);
}

SEC("xdp")
int to_socket(struct xdp_md *ctx)
{
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
