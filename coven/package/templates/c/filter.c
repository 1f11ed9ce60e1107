/* Drops TCP to port 23 and forwards everything else. */
#include <coven/vnfc.h>

VNFC_REASON(telnet, "telnet is not allowed here");

VNFC_HANDLE
{
	struct tcp_header *tcp = vnfc_tcp(p);
	return tcp && net16(tcp->dport) == 23 ? VNFC_DROP(telnet) : VNFC_FORWARD;
}
