/* Names of ICMP types and codes as IPPrint writes them. */
#ifndef CLICK_ICMPNAMES_H
#define CLICK_ICMPNAMES_H
#include <stddef.h>
#include <stdint.h>

/* NULL: it has none. */
static inline const char *icmp_type_name(uint8_t type)
{
	static const char *const names[] = {
		[0] = "echo-reply",
		[3] = "unreachable",
		[4] = "sourcequench",
		[5] = "redirect",
		[8] = "echo",
		[9] = "routeradvert",
		[10] = "routersolicit",
		[11] = "timeexceeded",
		[12] = "parameterproblem",
		[13] = "timestamp",
		[14] = "timestamp-reply",
		[15] = "inforeq",
		[16] = "inforeq-reply",
		[17] = "maskreq",
		[18] = "maskreq-reply",
	};
	return type < sizeof(names) / sizeof(*names) ? names[type] : NULL;
}

static inline const char *icmp_code_name(uint8_t type, uint8_t code)
{
	static const char *const unreachable[] = {
		"net",
		"host",
		"protocol",
		"port",
		"needfrag",
		"srcroutefail",
		"netunknown",
		"hostunknown",
		"isolated",
		"netprohibited",
		"hostprohibited",
		"tosnet",
		"toshost",
		"filterprohibited",
		"hostprecedence",
		"precedencecutoff",
	};
	static const char *const redirect[] = { "net", "host", "tosnet", "toshost" };
	static const char *const exceeded[] = { "transit", "reassembly" };
	static const char *const parameter[] = { "erroratptr", "missingopt", "length" };
	static const struct {
		uint8_t type;
		size_t n;
		const char *const *names;
	} codes[] = { { 3, sizeof(unreachable) / sizeof(*unreachable), unreachable },
		      { 5, sizeof(redirect) / sizeof(*redirect), redirect },
		      { 11, sizeof(exceeded) / sizeof(*exceeded), exceeded },
		      { 12, sizeof(parameter) / sizeof(*parameter), parameter } };
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
		if (codes[i].type == type)
			return code < codes[i].n ? codes[i].names[code] : NULL;
	return NULL;
}

static inline const char *ip_protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case 1:
		return "icmp";
	case 2:
		return "igmp";
	case 4:
		return "ipip";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 33:
		return "dccp";
	case 132:
		return "sctp";
	default:
		return NULL;
	}
}
#endif
