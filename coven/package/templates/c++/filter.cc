// Drops TCP to port 23 and forwards everything else. C++17, with the SDK of C.
#include <coven/vnfc.h>

VNFC_REASON(telnet, "telnet is not allowed here");

VNFC_HANDLE
{
	const auto *tcp = vnfc_tcp(p);
	return tcp && net16(tcp->dport) == 23 ? VNFC_DROP(telnet) : VNFC_FORWARD;
}
