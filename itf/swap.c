/* Swapping a hop without losing a packet: the next generation takes over, the one before finishes what it has.
 *
 * Its frames are told apart by HOP_PREVIOUS in owners. New packets wait in the new ring until the old ones are back
 * (at most 20 ms, and not for those that the old VNFC holds), so that none overtakes another. When everything is
 * back the keeper is told, ends the old process, and then takes `previous` out of the wiring: only then does nobody
 * write to its spare frames any more.
 */
#include "forwarder.h"

#define EACH_SWAPPING(fw, n, left)                                                                   \
	for (uint32_t left = (fw)->swapping, n; left != 0 && (n = (uint32_t)__builtin_ctz(left), 1); \
	     left &= left - 1)

void swap_begin(struct forwarder *fw, unsigned hop)
{
	struct stage *old = &fw->previous[hop];
	*old = fw->hops[hop];
	old->ops->flush(old); /* what was put for it is its own */
	hop_retire(old);
	fw->hops[hop].self = NULL;
	fw->hops[hop].generation = 0;
	fw->hops[hop].watched = -1;
	fw->swapping |= 1u << hop;
	fw->swapped &= ~(1u << hop);
}

void swap_end(struct forwarder *fw, unsigned hop, unsigned reason)
{
	struct stage *old = &fw->previous[hop];
	if (old->generation != 0) {
		old->ops->poll(old, SEG_HOST_BURST);
		stage_stop(fw, old);
	}
	if (fw->hops[hop].generation != 0)
		hop_follow(&fw->hops[hop], NULL);
	fw->swapping &= ~(1u << hop);
	hop_forget(&fw->hops[hop], hop + HOP_PREVIOUS, reason, false); /* its process has ended */
}

unsigned swap_poll(struct forwarder *fw)
{
	unsigned moved = 0;
	EACH_SWAPPING(fw, n, left)
	{
		struct stage *old = &fw->previous[n];
		moved += old->ops->poll(old, SEG_HOST_BURST);
		fw->hops[n].touched = true; /* perhaps its packets need not wait any longer */
		if (hop_has(old) == 0 && !(fw->swapped & 1u << n)) {
			fw->swapped |= 1u << n;
			control_say(fw, MESSAGE_SWAPPED, n, old->generation, "");
		}
	}
	return moved;
}

/* As for all stages, see arm() in forwarder.c. */
bool swap_arm(struct forwarder *fw)
{
	bool ready = false;
	EACH_SWAPPING(fw, n, left)
	fw->previous[n].ops->arm(&fw->previous[n], &ready);
	return ready;
}

void swap_disarm(struct forwarder *fw)
{
	EACH_SWAPPING(fw, n, left)
	fw->previous[n].ops->disarm(&fw->previous[n]);
}
