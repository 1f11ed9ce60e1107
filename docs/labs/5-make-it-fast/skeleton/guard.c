/* The same decision in C. */
#include <coven/vnfc.h>

VNFC_REASON(bogon, "from a network that is nobody's");
VNFC_REASON(blocked, "to a port that nobody needs");

VNFC_CONFIGURE
{
	return VNFC_OK;
}

VNFC_HANDLE
{
	return VNFC_FORWARD;
}
