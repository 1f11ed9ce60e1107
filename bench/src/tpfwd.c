/* tpfwd IN OUT : the bare AF_PACKET forwarder that Coven is compared with. Both directions, mmap rings
 * (TPACKET_V2), one process, sleeping in poll() when idle. */
#include "rig.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { SLOT = 2048, BLOCK = 1 << 16, RX = 4096, TX = 2048, BATCH = 64 };

struct port {
	int rx_fd, tx_fd;
	char *rx, *tx;
	unsigned rx_at, tx_at, pending;
};

static char *ring(int fd, int which, unsigned slots)
{
	struct tpacket_req request = { BLOCK, slots * SLOT / BLOCK, SLOT, slots };
	int version = TPACKET_V2;

	if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(fd, SOL_PACKET, which, &request, sizeof(request)))
		die("ring");
	char *at = mmap(NULL, slots * SLOT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

static void attach(int fd, int ifindex, int protocol)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = htons(protocol),
				 .sll_ifindex = ifindex };

	if (bind(fd, (void *)&a, sizeof(a)))
		die("bind");
}

static void open_port(struct port *p, int ifindex)
{
	struct packet_mreq all = { .mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC };
	int one = 1, room = 32 << 20;

	p->rx_fd = socket(AF_PACKET, SOCK_RAW, 0);
	p->tx_fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (p->rx_fd < 0 || p->tx_fd < 0)
		die("socket");
	setsockopt(p->rx_fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(p->rx_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	setsockopt(p->tx_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(p->tx_fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	p->rx = ring(p->rx_fd, PACKET_RX_RING, RX);
	p->tx = ring(p->tx_fd, PACKET_TX_RING, TX);
	attach(p->rx_fd, ifindex, ETH_P_ALL);
	attach(p->tx_fd, ifindex, 0);
}

static void kick(struct port *p)
{
	if (p->pending)
		send(p->tx_fd, NULL, 0, MSG_DONTWAIT);
	p->pending = 0;
}

static void put(struct port *p, const void *bytes, unsigned length)
{
	struct tpacket2_hdr *slot = (void *)(p->tx + p->tx_at * SLOT);

	if (__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE) {
		kick(p);
		if (__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
			return; /* full: lost */
	}
	memcpy((char *)slot + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll), bytes, length);
	slot->tp_len = length;
	__atomic_store_n(&slot->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
	p->tx_at = (p->tx_at + 1) % TX;
	p->pending++;
}

static unsigned forward(struct port *from, struct port *to)
{
	unsigned n;

	for (n = 0; n < BATCH; n++) {
		struct tpacket2_hdr *slot = (void *)(from->rx + from->rx_at * SLOT);
		if (!(__atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		put(to, (char *)slot + slot->tp_mac, slot->tp_snaplen);
		__atomic_store_n(&slot->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		from->rx_at = (from->rx_at + 1) % RX;
	}
	kick(to);
	return n;
}

int main(int argc, char **argv)
{
	static struct port port[2];

	if (argc != 3)
		return 2;
	catch_signals();
	for (int i = 0; i < 2; i++)
		open_port(&port[i], interface(argv[1 + i]));
	struct pollfd sleepers[2] = { { port[0].rx_fd, POLLIN, 0 }, { port[1].rx_fd, POLLIN, 0 } };
	while (!stop)
		if (!(forward(&port[0], &port[1]) + forward(&port[1], &port[0])))
			poll(sleepers, 2, 1000);
	return 0;
}
