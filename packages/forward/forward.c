/* The least that a VNFC can do: every packet leaves by the other port, untouched. */
#include <coven/vnfc.h>

VNFC_HANDLE
{
	return VNFC_FORWARD;
}
