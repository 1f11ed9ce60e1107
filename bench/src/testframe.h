/* What a test frame looks like, for generator, sink and BPF programs:
 * Ethernet | IPv4 | UDP or TCP (no checksum) | struct tag | zeros; the same inside NSH (MD type 1, in Ethernet). */
#ifndef BENCH_TESTFRAME_H
#define BENCH_TESTFRAME_H
enum {
	TAG_MAGIC = 0x564e4643,
	L3 = 14,
	L4 = 34,
	TAG_UDP = 42, /* offset of the tag after a UDP header */
	TAG_TCP = 54,
	NSH_BYTES = 38,	   /* Ethernet and NSH before a frame */
	PORT_FIRST = 1024, /* source port of flow 0 */
	PORTS = 60000,	   /* source ports in use; further flows come from further addresses */
	HIST_SUB = 16,	   /* latency histogram: buckets for each power of two ns */
	HIST_SIZE = 48 * HIST_SUB,
};

struct tag {
	unsigned int magic;
	unsigned int sequence;
	unsigned long long time_ns; /* CLOCK_MONOTONIC */
} __attribute__((packed));

struct sink_figures {
	unsigned long long frames; /* that carry our tag */
	unsigned long long bytes;
	unsigned long long odd;	    /* ours, but not of the expected length */
	unsigned long long other;   /* anything else */
	unsigned long long reorder; /* sequence stepped back */
	unsigned int last_sequence;
	unsigned int pad;
};

/* The constants of bench.bpf.c, in the order of its .rodata. */
struct settings {
	unsigned int length; /* expected at the sink, 0 any */
	unsigned int flows;
	unsigned int histogram;
	unsigned int tag_offset;
	unsigned int shift;	  /* bytes before the frame: NSH_BYTES or 0 */
	unsigned char header[84]; /* first bytes of a generated frame, those before it included */
};
#endif
