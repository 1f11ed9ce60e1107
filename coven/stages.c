/* The forwarder program: the one place that knows which stages are linked into it. */
#include "itf/forwarder.h"
#include "nshp/nshp.h"

int main(int argc, char **argv)
{
	static const struct stage_ops *const linked[] = { &af_xdp_stage, &af_packet_stage, &pcap_stage,
							  &nsh_stage, NULL };
	return forwarder_main(argc, argv, linked);
}
