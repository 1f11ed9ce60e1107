/* Drops what the analyzer marked. */
#include <coven/vnfc.h>

VNFC_REASON(marked, "the analyzer marked this packet");

VNFC_HANDLE
{
	return p->context[0] ? VNFC_DROP(marked) : VNFC_FORWARD;
}
