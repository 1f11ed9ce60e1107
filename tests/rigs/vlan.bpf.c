/* Tagged traffic for tests on kernels without VLAN devices: everything that leaves is tagged, what arrives
 * without that tag is dropped, so a transfer that succeeds shows that tags survive the way. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { VLAN_TCI = 3 << 13 | 42 };

SEC("tc_push")
int push(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), VLAN_TCI) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc_pop")
int pop(struct __sk_buff *skb)
{
	if (!skb->vlan_present || (skb->vlan_tci & 0xefff) != VLAN_TCI)
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(skb) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* The same with a service tag (802.1ad), and with both. */
SEC("tc_push_service")
int push_service(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), VLAN_TCI) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("tc_pop_service")
int pop_service(struct __sk_buff *skb)
{
	return skb->vlan_proto == bpf_htons(ETH_P_8021AD) ? pop(skb) : TC_ACT_SHOT;
}

SEC("tc_push_both")
int push_both(struct __sk_buff *skb)
{
	return push(skb) == TC_ACT_OK ? push_service(skb) : TC_ACT_SHOT;
}

SEC("tc_pop_both")
int pop_both(struct __sk_buff *skb)
{
	return pop_service(skb) == TC_ACT_OK ? pop(skb) : TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
