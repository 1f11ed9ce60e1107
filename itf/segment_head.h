/* What each headed object of the segment begins with: whether it is of the layout that this program knows. */
#ifndef ITF_SEGMENT_HEAD_H
#define ITF_SEGMENT_HEAD_H
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "segment.h"

/* `head`: magic, abi_major, layout. False with the reason in why: whoever made the object is of another version, as a
 * keeper is that runs while its checkout is changed. */
static inline bool segment_is_known(const uint32_t *head, char *why, size_t why_size)
{
	if (head[0] != SEG_MAGIC)
		snprintf(why, why_size, "found no object of Coven's");
	else if (head[1] != SEG_ABI_MAJOR || head[2] != SEG_LAYOUT)
		snprintf(why, why_size,
			 "Coven was changed (ABI %u.%x, now %d.%x): terminate and instantiate this VNF",
			 head[1], head[2], (int)SEG_ABI_MAJOR, (unsigned)SEG_LAYOUT);
	else
		return true;
	return false;
}
#endif
