/* Drops what the analyzer marked: byte 0 of a packet's context is the number of the rule that it met, 0 for
 * none. With `observe: true` marked packets are counted and pass.
 */
#include <coven/vnfc.h>

VNFC_REASON(marked, "the analyzer marked this packet as Skype");
VNFC_COUNTER(marked_packets, "packets that came marked, dropped or not", "packets");
VNFC_COUNTER(marked_bytes, "bytes of packets that came marked", "bytes");

enum { RULES = 256 };
VNFC_STATE(struct { uint64_t hits[256]; });

static bool observe;

VNFC_CONFIGURE
{
	observe = vnfc_config_bool("observe", false);
	return VNFC_OK;
}

VNFC_HANDLE
{
	uint8_t rule = p->context[0];
	if (__builtin_expect(rule == 0, 1))
		return VNFC_FORWARD;
	vnfc_state()->hits[rule]++;
	vnfc_count(marked_packets);
	vnfc_add(marked_bytes, p->len);
	return observe ? VNFC_FORWARD : VNFC_DROP_NOTE(marked, "rule %u of the analyzer", rule);
}

VNFC_REQUEST(hits, "marked packets since the last reset; of one rule by its number, 0 of all", "packets",
	     VNFC_ARGUMENT(rule, "int", "0"))
{
	int64_t rule = vnfc_argument_int(request, "rule");
	uint64_t sum = 0;
	if (rule < 0 || rule >= RULES) {
		vnfc_answer_error(request, "rule: found %lld, expected 0 to %d", (long long)rule, RULES - 1);
		return;
	}
	for (int i = 0; i < RULES; i++)
		if (rule == 0 || rule == i)
			sum += vnfc_state()->hits[i];
	vnfc_answer_int(request, (int64_t)sum);
}

VNFC_CHANGE(reset, "set the hits to zero", "")
{
	memset(vnfc_state(), 0, sizeof(*vnfc_state()));
	vnfc_answer_json(request, "true");
}
