/* generate IF OBJ MODE SIZE FLOWS SECONDS PPS DSTMAC PROTO:PORT : test traffic, PROTO udp or tcp, or nsh: udp in it.
 * MODE flood : BPF live frames redirected to IF, full speed only; they arrive as from a NIC driver
 *      pace  : one frame at a time by an AF_PACKET socket, PPS of them, stamped
 *      burst : bursts by an AF_PACKET socket, PPS frames a second or as fast as it goes (0)
 * Prints one JSON line. */
#define _GNU_SOURCE
#include "rig.h"
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { BURST = 64, LIVE_FRAMES = 2 /* BPF_F_TEST_XDP_LIVE_FRAMES */ };

struct job {
	const char *object;
	int ifindex, size;
	unsigned flows, tag_offset, shift;
	double seconds, pps;
	unsigned char frame[2048];
	unsigned long long sent;
};

static void put16(unsigned char *at, unsigned value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void ip_checksum(unsigned char *ip)
{
	unsigned sum = 0;

	put16(ip + 10, 0);
	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum);
}

static void build(struct job *j, const char *mac, int tcp, unsigned port)
{
	unsigned char *f = j->frame + j->shift, *m = f;

	if (sscanf(mac, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		die("MAC");
	memcpy(f + 6, "\x02\x00\x00\x00\x00\x01\x08\x00\x45", 9);
	if (j->shift) { /* NSH: TTL 63, 6 words, MD type 1, Ethernet inside, SPI 42, SI 255, no context */
		memcpy(j->frame, f, 12);
		memcpy(j->frame + 12, "\x89\x4f\x0f\xc6\x01\x03\x00\x00\x2a\xff", 10);
	}
	put16(f + 16, j->size - j->shift - L3);
	f[22] = 64;
	f[23] = tcp ? IPPROTO_TCP : IPPROTO_UDP;
	inet_pton(AF_INET, "10.0.1.2", f + 26);
	inet_pton(AF_INET, "10.0.2.2", f + 30);
	ip_checksum(f + L3);
	put16(f + L4, PORT_FIRST);
	put16(f + L4 + 2, port);
	if (tcp)
		f[L4 + 12] = 5 << 4, f[L4 + 13] = 0x18, put16(f + L4 + 14, 65535);
	else
		put16(f + L4 + 4, j->size - j->shift - L4);
	j->tag_offset = tcp ? TAG_TCP : TAG_UDP;
	struct tag tag = { .magic = TAG_MAGIC };
	memcpy(f + j->tag_offset, &tag, sizeof(tag));
}

static void flood(struct job *j)
{
	struct settings s = { .flows = j->flows, .tag_offset = j->tag_offset, .shift = j->shift };
	memcpy(s.header, j->frame, sizeof(s.header));
	struct bpf_object *o = bpf_load(j->object, &s);
	unsigned zero = 0, target = j->ifindex;
	if (bpf_map_update_elem(bpf_map_of(o, "target"), &zero, &target, 0))
		die("devmap");
	/* One test run ended by the alarm: each call ends in RCU grace periods, so that short ones would
	 * come out as bursts with milliseconds between. */
	struct xdp_md context = { .data_end = j->size };
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = j->frame, .data_size_in = j->size,
			    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 0x7fffffff,
			    .flags = LIVE_FRAMES, .batch_size = BURST);
	struct itimerval timer = { .it_value = { (int)j->seconds, (j->seconds - (int)j->seconds) * 1e6 } };
	setitimer(ITIMER_REAL, &timer, NULL);
	if (bpf_prog_test_run_opts(bpf_program_of(o, "xdp_generate"), &run) && errno != EINTR)
		die("test run");
	int cpus = libbpf_num_possible_cpus();
	struct {
		unsigned long long sent;
		unsigned flow, sequence;
	} *g = calloc(cpus, sizeof(*g));
	bpf_map_lookup_elem(bpf_map_of(o, "generators"), &zero, g);
	for (int i = 0; i < cpus; i++)
		j->sent += g[i].sent;
}

static void flow_put(unsigned char *f, unsigned flow)
{
	put16(f + L4, PORT_FIRST + flow % PORTS);
	if (flow >= PORTS) {
		f[29] = 2 + flow / PORTS;
		ip_checksum(f + L3);
	}
}

static void send_paced(struct job *j, unsigned burst)
{
	static unsigned char frames[BURST][2048];
	struct iovec io[BURST];
	struct mmsghdr messages[BURST];
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = j->ifindex };
	int one = 1, room = 8 << 20, s = socket(AF_PACKET, SOCK_RAW, 0);

	if (s < 0 || bind(s, (void *)&to, sizeof(to)))
		die("socket");
	setsockopt(s, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	prctl(PR_SET_TIMERSLACK, 1);
	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BURST; i++) {
		memcpy(frames[i], j->frame, j->size);
		io[i] = (struct iovec){ frames[i], j->size };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &io[i], .msg_iovlen = 1 };
	}
	unsigned long long start = now_ns(), end = start + j->seconds * 1e9, count = 0, t;
	for (unsigned flow = 0; !stop && (t = now_ns()) < end; count += burst) {
		if (j->pps > 0) {
			unsigned long long due = start + count / j->pps * 1e9;
			struct timespec until = { due / 1000000000, due % 1000000000 };
			if (due > t && (burst == 1 || due - t > 100000))
				clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
			while ((t = now_ns()) < due && !stop)
				;
		}
		for (unsigned i = 0; i < burst; i++) {
			struct tag tag = { TAG_MAGIC, count + i, t };
			memcpy(frames[i] + j->shift + j->tag_offset, &tag, sizeof(tag));
			flow_put(frames[i] + j->shift, flow);
			flow = flow + 1 < j->flows ? flow + 1 : 0;
		}
		int n = sendmmsg(s, messages, burst, 0);
		j->sent += n > 0 ? n : 0;
	}
}

int main(int argc, char **argv)
{
	static struct job j;
	char proto[4];
	unsigned port;

	if (argc != 10 || sscanf(argv[9], "%3[a-z]:%u", proto, &port) != 2)
		return 2;
	j.object = argv[2];
	j.ifindex = interface(argv[1]);
	j.size = atoi(argv[4]);
	j.flows = atoi(argv[5]);
	j.seconds = atof(argv[6]);
	j.pps = atof(argv[7]);
	j.shift = strcmp(proto, "nsh") ? 0 : NSH_BYTES;
	build(&j, argv[8], !strcmp(proto, "tcp"), port);
	catch_signals();
	unsigned long long start = now_ns();
	if (!strcmp(argv[3], "flood"))
		flood(&j);
	else
		send_paced(&j, !strcmp(argv[3], "pace")	     ? 1
			       : j.pps > 0 && j.pps < 640000 ? 1 + j.pps / 10000
							     : BURST);
	double seconds = (now_ns() - start) / 1e9;
	printf("{\"sent\":%llu,\"seconds\":%.6f,\"pps\":%.0f}\n", j.sent, seconds, j.sent / seconds);
	return 0;
}
