/* The forwarder program: the one place that knows which stages are linked into it. */
#include "itf/forwarder.h"

/* clang-format off */
#define STAGES(LINK) \
	LINK(af_xdp_stage) \
	LINK(af_packet_stage) \
	LINK(pcap_stage) \
	LINK(nsh_stage)
/* clang-format on */

#define DECLARE(stage) extern const struct stage_ops stage;
#define NAME(stage) &stage,
STAGES(DECLARE)

int main(int argc, char **argv)
{
	static const struct stage_ops *const linked[] = { STAGES(NAME) NULL };
	return forwarder_main(argc, argv, linked);
}
