/* xskfwd OBJ IN OUT : the bare AF_XDP forwarder that Coven is compared with. Both directions, one UMEM,
 * one process, copy mode, sleeping in poll() when idle: the least that a forwarder can do. */
#include "rig.h"
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

enum { FRAMES = 8192, FRAME = 2048, RING = 2048, BATCH = 64 };

struct port {
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons done, rx;
	unsigned in_flight;
	int fd;
};

static void fill(struct port *p, unsigned long long address)
{
	unsigned at;

	if (xsk_ring_prod__reserve(&p->fill, 1, &at) == 1) {
		*xsk_ring_prod__fill_addr(&p->fill, at) = address & ~(FRAME - 1ull);
		xsk_ring_prod__submit(&p->fill, 1);
	}
}

/* What `to` has sent goes back to `from`, to be received into again. */
static void give_back(struct port *from, struct port *to)
{
	unsigned at, n = xsk_ring_cons__peek(&to->done, BATCH, &at);

	for (unsigned i = 0; i < n; i++)
		fill(from, *xsk_ring_cons__comp_addr(&to->done, at + i));
	xsk_ring_cons__release(&to->done, n);
	to->in_flight -= n;
}

static unsigned forward(struct port *from, struct port *to)
{
	unsigned at, out;

	give_back(from, to);
	unsigned n = xsk_ring_cons__peek(&from->rx, BATCH, &at);
	if (n == 0) {
		if (to->in_flight && xsk_ring_prod__needs_wakeup(&to->tx))
			sendto(to->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		return 0;
	}
	if (xsk_ring_prod__reserve(&to->tx, n, &out) == n) {
		for (unsigned i = 0; i < n; i++)
			*xsk_ring_prod__tx_desc(&to->tx, out + i) =
				*xsk_ring_cons__rx_desc(&from->rx, at + i);
		xsk_ring_prod__submit(&to->tx, n);
		to->in_flight += n;
	} else {
		for (unsigned i = 0; i < n; i++)
			fill(from, xsk_ring_cons__rx_desc(&from->rx, at + i)->addr);
	}
	xsk_ring_cons__release(&from->rx, n);
	sendto(to->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
	return n;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	struct settings none = { .flows = 1 };
	static struct port port[2];
	size_t size = (size_t)FRAMES * FRAME;
	void *area =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct xsk_umem *umem;
	struct xsk_umem_config layout = { .fill_size = RING * 2, .comp_size = RING, .frame_size = FRAME };
	struct xsk_socket_config rings = { .rx_size = RING,
					   .tx_size = RING,
					   .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					   .xdp_flags = XDP_FLAGS_DRV_MODE,
					   .bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP };

	catch_signals();
	if (xsk_umem__create(&umem, area, size, &port[0].fill, &port[0].done, &layout))
		die("umem");
	for (int i = 0; i < 2; i++) {
		struct port *p = &port[i];
		struct bpf_object *o = bpf_load(argv[1], &none);
		unsigned zero = 0;
		if (bpf_xdp_attach(interface(argv[2 + i]), bpf_program_of(o, "xdp_socket"),
				   XDP_FLAGS_DRV_MODE, NULL))
			die("attach");
		if (xsk_socket__create_shared(&p->socket, argv[2 + i], 0, umem, &p->rx, &p->tx, &p->fill,
					      &p->done, &rings))
			die("socket");
		p->fd = xsk_socket__fd(p->socket);
		if (bpf_map_update_elem(bpf_map_of(o, "sockets"), &zero, &p->fd, 0))
			die("xskmap");
		for (unsigned f = 0; f < FRAMES / 2; f++)
			fill(p, (unsigned long long)(i * FRAMES / 2 + f) * FRAME);
	}
	struct pollfd sleepers[2] = { { port[0].fd, POLLIN, 0 }, { port[1].fd, POLLIN, 0 } };
	while (!stop)
		if (!(forward(&port[0], &port[1]) + forward(&port[1], &port[0])))
			poll(sleepers, 2, port[0].in_flight || port[1].in_flight ? 1 : 1000);
	for (int i = 0; i < 2; i++)
		bpf_xdp_detach(interface(argv[2 + i]), 0, NULL);
	return 0;
}
