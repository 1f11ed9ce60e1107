/* Forwards every packet, and sends a copy of it (or of one in so many) to the output `copy`. */
#include <coven/vnfc.h>

VNFC_COUNTER(copied, "packets whose copy was sent", "packets");
VNFC_COUNTER(missed, "packets that should have been copied when no frame was to be had", "packets");

static unsigned copy; /* the number of that output */
static uint64_t every, turn;

VNFC_INIT
{
	int output = vnfc_output("copy");
	if (output < 0)
		return vnfc_refuse("outputs", "an output `copy`, as in [next, copy]");
	copy = (unsigned)output;
	return VNFC_OK;
}

VNFC_CONFIGURE
{
	every = (uint64_t)vnfc_config_int("every", 1);
	return VNFC_OK;
}

VNFC_HANDLE
{
	if (turn++ % every == 0) {
		/* the copy has what the packet has now: change the packet before or after, as you need it */
		if (vnfc_copy_to(p, copy))
			vnfc_count(copied);
		else
			vnfc_count(missed);
	}
	return VNFC_FORWARD;
}
