/* The classifier: decides which graph an arriving packet enters, by rules, the first match.
 *
 * Expressions are classic BPF that the keeper compiled. They see a packet as if it were untagged: its MAC
 * addresses are moved over the VLAN tags for the time of the match.
 */
#include <pcap/pcap.h>
#include <string.h>
#include "stage.h"

/* How many bytes of VLAN tags, and the outer one's id (VLAN_UNTAGGED without). */
static unsigned vlan_bytes(const uint8_t *data, uint32_t len, uint16_t *vlan)
{
	unsigned at = 12;
	*vlan = VLAN_UNTAGGED;
	while (at + 6 <= len &&
	       ((data[at] == 0x81 && data[at + 1] == 0) || (data[at] == 0x88 && data[at + 1] == 0xa8))) {
		if (at == 12)
			*vlan = (uint16_t)((data[14] << 8 | data[15]) & 0xfff);
		at += 4;
	}
	return at - 12;
}

static bool expression_matches(const struct wiring *w, const struct rule *rule, uint8_t link,
			       const uint8_t *data, uint32_t len)
{
	uint32_t at = link == LINK_ETHERNET ? rule->ethernet_at : rule->ip_at;
	uint32_t count = link == LINK_ETHERNET ? rule->ethernet_len : rule->ip_len;
	if (rule->ethernet_len == 0 && rule->ip_len == 0)
		return true;
	if (count == 0 || link == LINK_OTHER) /* the expression means nothing for such packets */
		return false;
	return bpf_filter((const struct bpf_insn *)&w->insn[at], data, len, len) != 0;
}

static const struct rule *first_match(const struct wiring *w, unsigned port, uint8_t link, uint8_t *data,
				      uint32_t len)
{
	uint8_t addresses[12];
	uint16_t vlan = VLAN_UNTAGGED;
	unsigned tags = link == LINK_ETHERNET && len >= 18 ? vlan_bytes(data, len, &vlan) : 0;
	const struct rule *found = NULL;
	uint8_t under[64];
	if (tags > sizeof under)
		tags = 0;
	if (tags > 0) { /* close the gap from the left, undone below */
		memcpy(addresses, data, 12);
		memcpy(under, data + 12, tags);
		memcpy(data + tags, addresses, 12);
	}
	for (unsigned i = 0; i < w->rules && found == NULL; i++) {
		const struct rule *rule = &w->rule[i];
		if ((rule->ports & 1u << port) && (rule->vlan == VLAN_ANY || rule->vlan == vlan) &&
		    expression_matches(w, rule, link, data + tags, len - tags))
			found = rule;
	}
	if (tags > 0) {
		memcpy(data, addresses, 12);
		memcpy(data + 12, under, tags);
	}
	return found;
}

/* The port that a bypass without a name leads to: the other one of two. */
static uint16_t other_port(const struct wiring *w, unsigned port)
{
	for (unsigned n = 0; n < w->ports && n < SEG_PORTS; n++)
		if (n != port && w->port[n].kind != PORT_NONE)
			return (uint16_t)(STAGE_PORT + n);
	return STAGE_IDS;
}

/* Returns a stage id, or STAGE_NONE if the packet ended here (and is counted). */
static uint16_t classify(struct stage *s, const struct wiring *w, uint32_t ref)
{
	struct frames *f = &s->fabric->frames;
	struct frame_private *priv = &f->priv[ref];
	const struct frame_record *r = &f->record[ref];
	const struct rule *rule = first_match(w, priv->port, r->link, frame_bytes(f, ref), r->len);
	if (rule == NULL) {
		frame_drop(f, ref, PLACE_CLASSIFIER, REASON_no_rule);
		return STAGE_NONE;
	}
	if (rule->action == RULE_BYPASS)
		return rule->target == STAGE_NONE ? other_port(w, priv->port)
						  : (uint16_t)(STAGE_PORT + rule->target);
	if (rule->action == RULE_CHAIN) {
		priv->graph = w->graph_of[rule->target][priv->port];
		if (rule->encap != 0 && rule->encap <= SEG_RULES) {
			priv->encap = rule->encap;
			memcpy(f->record[ref].context, w->encap[rule->encap - 1].context, sizeof r->context);
		}
		if (priv->graph < w->graphs && w->first[priv->graph] != STAGE_DROP)
			return w->first[priv->graph];
	}
	frame_drop(f, ref, PLACE_CLASSIFIER, REASON_rule);
	return STAGE_NONE;
}

static void classifier_take(struct stage *s, const uint32_t *refs, unsigned n)
{
	struct fabric *fabric = s->fabric;
	struct frames *f = &fabric->frames;
	s->in->received += n;
	sizes_add(&s->in->bursts, n);
	if (n == 0)
		return;
	const struct wiring *w = packet_wiring(fabric, refs[0]);
	unsigned port = f->priv[refs[0]].port, graph = w->graph_of[0][port];
	if (w->rules == 0 && graph < w->graphs) { /* one chain: a port's burst goes one way */
		for (unsigned i = 0; i < n; i++)
			f->priv[refs[i]].graph = (uint8_t)graph;
		if (w->first[graph] == STAGE_DROP) {
			frames_drop(f, refs, n, PLACE_CLASSIFIER, REASON_rule);
			return;
		}
		s->in->forwarded += n;
		stage_hand(fabric, w->first[graph], refs, n);
		return;
	}
	uint32_t burst[SEG_BURST];
	unsigned burst_n = 0;
	uint16_t target = STAGE_NONE;
	for (unsigned i = 0; i < n; i++) {
		uint16_t to = w->rules == 0 ? STAGE_NONE : classify(s, w, refs[i]);
		if (w->rules == 0)
			frame_drop(f, refs[i], PLACE_CLASSIFIER, REASON_no_route);
		if (to == STAGE_NONE)
			continue;
		s->in->forwarded++;
		if (burst_n == SEG_BURST || (burst_n > 0 && to != target)) {
			stage_hand(fabric, target, burst, burst_n);
			burst_n = 0;
		}
		target = to;
		burst[burst_n++] = refs[i];
	}
	if (burst_n > 0)
		stage_hand(fabric, target, burst, burst_n);
}

const struct stage_ops classifier_stage = {
	.name = "classifier",
	.id = STAGE_CLASSIFIER,
	.place = PLACE_CLASSIFIER,
	.take = classifier_take,
};
