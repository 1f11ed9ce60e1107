/* Binding an AF_XDP socket to its queue: the keeper's part where a bound socket's rings can still be mapped (Linux
 * 6.4), else the forwarder's, once it has mapped them. It takes no capability: making the socket did. */
#ifndef VNS_XDP_BIND_H
#define VNS_XDP_BIND_H
#include <errno.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

enum { XDP_BUSY_TRIES = 50, XDP_BUSY_MS = 10 };

/* `first`: the socket of the port's first queue, whose UMEM this one shares; -1: this is it. 0, or -1 with errno. */
static inline int xdp_bind(int fd, uint32_t ifindex, uint32_t queue, uint32_t flags, int first)
{
	struct sockaddr_xdp address = { .sxdp_family = AF_XDP,
					.sxdp_ifindex = ifindex,
					.sxdp_queue_id = queue,
					.sxdp_flags = (uint16_t)(first < 0 ? flags : XDP_SHARED_UMEM),
					.sxdp_shared_umem_fd = first < 0 ? 0 : (uint32_t)first };
	return bind(fd, (const struct sockaddr *)&address, sizeof address);
}

/* A socket that its last holder has just let go of keeps its queue busy for about 0.1 s. */
static inline int xdp_bind_patiently(int fd, uint32_t ifindex, uint32_t queue, uint32_t flags, int first)
{
	for (int i = 0; i < XDP_BUSY_TRIES; i++) {
		if (xdp_bind(fd, ifindex, queue, flags, first) == 0)
			return 0;
		if (errno != EBUSY)
			return -1;
		poll(NULL, 0, XDP_BUSY_MS);
	}
	errno = EBUSY;
	return -1;
}
#endif
