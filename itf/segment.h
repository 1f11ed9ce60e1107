/* The segment: the one description of what the processes of a running VNF share.
 *
 * Enums and plain structs only: cffi reads this file for Python, the C code includes it. Rings,
 * atomics and inline code live in ring.h and frames.h. Everything is in host byte order, positions are
 * offsets or indices and never pointers, and every cell has one writer, named beside it: F the
 * forwarder, H the VNFC host, K the keeper.
 *
 * Six kinds of object. All but the statistics are sealed memfds, with a descriptor of its own each:
 *
 *   pool       frames, their shared records, their NSH areas       mapped by F, K and every H
 *   hop-N      rings, doorbell and cells of one VNFC                mapped by F, K and that H only
 *   forwarder  owners, private records, live figures                mapped by F and K
 *   statistics figures, published, and where each of them is        has a name; mapped by F, K and any reader
 *   config     two slots of wiring and the epoch that picks one     written by K, read-only elsewhere
 *   watch      packets as they pass, and what becomes of them, while somebody asks   mapped by F, K and who reads (R)
 */

#pragma once

enum {
	SEG_MAGIC = 0x4e564f43, /* "COVN", little endian */
	/* Whoever changes anything here raises the major and records the layout, which tests/unit/itf/test_layout.py
	 * computes; a process that finds another of either in an object refuses it (segment_head.h). */
	SEG_ABI_MAJOR = 3,
	SEG_LAYOUT = 0x40324d2f,

	SEG_PORTS = 16,
	SEG_HOPS = 32,
	SEG_GRAPHS = 64,  /* one for each (chain, ingress port) */
	SEG_OUTPUTS = 16, /* outputs of one VNFC, `back` not counted */
	SEG_RULES = 64,
	SEG_INSNS = 8192, /* classic BPF instructions of all rules together */
	SEG_NAME = 32,
	SEG_WHY = 96,

	SEG_PATHS = 256,    /* NSH service paths */
	SEG_NEXT_HOPS = 64, /* of service paths */

	SEG_BURST = 64,	      /* packets that stages hand on together */
	SEG_HOST_BURST = 256, /* waiting packets that a VNFC host may be handed at once */
	SEG_GAP_S = 60,	      /* capture mode: for so long time goes on by itself after a packet */

	FRAME_HEADROOM = 384, /* bytes before what arrives */
	FRAME_TAILROOM = 64,  /* bytes after it */
	FRAME_NSH_AREA = 256,
	FRAME_OUTER = 128, /* bytes of outer headers that are kept beside a packet */
	FRAME_NOTE = 128,  /* bytes of text about a verdict, up to a NUL */
};

/* A frame reference: pool id in the top 8 bits, index of the frame below. */
enum { FRAME_INDEX_MASK = 0x00ffffff, FRAME_POOL_SHIFT = 24 };

/* Stage ids. Ports first, then hops, then the platform's own places. */
enum {
	STAGE_PORT = 0,	   /* + port number: that port's leaving side */
	STAGE_HOP = 16,	   /* + hop number */
	STAGE_SINGLE = 48, /* from here on stages that there is one of */
	STAGE_CLASSIFIER = 48,
	STAGE_NSH = 49,
	STAGE_FLOW = 50,
	STAGE_IDS = 56,
	STAGE_DROP = 0xfffe, /* drop `classifier.rule` */
	STAGE_NONE = 0xffff, /* not wired */
	OUTPUT_BACK = 0xff,  /* the output `back`: the port that the packet came in by */
};

/* Statistics places: a port keeps two sums, arriving and leaving. */
enum {
	PLACE_ARRIVING = 0, /* + port number */
	PLACE_LEAVING = 16, /* + port number */
	PLACE_HOP = 32,	    /* + hop number */
	PLACE_CLASSIFIER = 64,
	PLACE_NSH = 65,
	PLACE_FLOW = 66,
	PLACES = 68,
};

/* Drop reasons 0..63 are the platform's (the table with names and explanations is reasons.h), the
 * ones that a VNFC declares follow. */
enum { REASON_DECLARED = 64, REASONS = 128 };

enum link_type { LINK_ETHERNET = 0, LINK_IP = 1 /* bare IPv4 or IPv6 */, LINK_OTHER = 2 };

enum verdict {
	VERDICT_NONE = 0, /* the VNFC said nothing: drop NAME.no_verdict */
	VERDICT_FORWARD = 1,
	VERDICT_DROP = 2,
	VERDICT_CONSUME = 3,
	VERDICT_HOLD = 4, /* never seen by the forwarder: a held frame is one not given back */
	VERDICT_FLOW =
		128 /* or-ed: for the whole flow (accepted, applied per packet until the flow table comes) */
};

/* flags of a shared record */
enum {
	FRAME_ORIGINATED = 1, /* the VNFC made this packet out of a spare frame */
	FRAME_CLONED = 2,     /* the VNFC copied it from another */
	FRAME_IPV6 = 4,
	FRAME_FRAGMENT = 8, /* not the first fragment: l4 is not there */
	FRAME_VLAN = 16,    /* at least one 802.1Q/802.1ad tag in the data */
	FRAME_NOTED = 32,   /* the VNFC has left a note about its verdict */
	FRAME_WATCHED = 64, /* somebody would read it */
};

enum { OFFSET_NONE = 0xffff };
enum { STAMP_SHIFT = 5 };

/* The shared record, 64 bytes: what a frame says of itself to the VNFC that has it. Untrusted: the
 * forwarder reads it once after a hop and checks every field before use. */
struct frame_record {
	uint32_t data;	     /* offset of the first byte from the start of the frame */
	uint32_t len;	     /* bytes */
	uint8_t link;	     /* enum link_type */
	uint8_t verdict;     /* enum verdict; the forwarder sets VERDICT_NONE before a hop */
	uint8_t port;	     /* number of the port it came in by */
	uint8_t flags;	     /* FRAME_* */
	uint16_t arg;	     /* FORWARD: output number or OUTPUT_BACK; DROP: reason id */
	uint16_t l3;	     /* offset of the IP header from `data`, or OFFSET_NONE */
	uint16_t l4;	     /* offset of the transport header from `data`, or OFFSET_NONE */
	uint8_t l4_proto;    /* IP protocol number, 0 if no l4 */
	uint8_t graph;	     /* which graph the packet is in: a clone copies it */
	uint32_t mark;	     /* never leaves the VNF */
	uint64_t time_ns;    /* when it came in: CLOCK_MONOTONIC, or the capture's time */
	uint8_t context[16]; /* NSH context, MD type 1, network order */
	uint16_t nsh_len;    /* bytes in the NSH area, 0 if none */
	uint16_t reserved16;
	uint32_t cloned_from; /* FRAME_CLONED: 1 + the frame that it was copied from; 0: not said */
	/* A packet that is timed: F sets `taken` to 1, the host both to when it took it and when it gave its verdict, as
	 * CLOCK_MONOTONIC >> STAMP_SHIFT, or-ed with 1. */
	uint32_t taken, given;
};

/* Who has a frame. The owner array in the forwarder object (writer F) is the truth that `in flight` is
 * counted from: kind in the high byte, port or hop number in the low one. */
enum owner {
	OWNER_FREE = 0x000,
	OWNER_FILL = 0x100,	/* + port: with the kernel, waiting for a packet to arrive: holds none */
	OWNER_SPARE = 0x200,	/* + hop: given to a VNFC to make packets in: holds none */
	OWNER_ARRIVING = 0x300, /* + port: in the forwarder's own hands, no stage has taken it yet */
	OWNER_HOP =
		0x400, /* + hop: waiting for, at, or held by a VNFC; + HOP_PREVIOUS: by what it takes over from */
	OWNER_LEAVING = 0x500, /* + port: given to the port, not yet confirmed as sent */
};

enum { HOP_PREVIOUS = SEG_HOPS }; /* added to a hop's number in owners */

/* The private record, 64 bytes (writer F; no VNFC maps it). */
struct frame_private {
	uint64_t time_ns;
	uint32_t flow;	/* index of the flow entry, 0 none */
	uint16_t epoch; /* low bits of the epoch whose wiring it follows */
	uint8_t graph;
	uint8_t port;	   /* ingress port */
	uint8_t direction; /* 0 as first seen in the flow, 1 reply */
	uint8_t link;
	uint16_t nsh_len;   /* saved NSH header, 0 none */
	uint16_t outer_len; /* saved outer headers before it */
	uint8_t outer_ip;   /* offset of the IP header in them, 0: NSH lay on Ethernet */
	uint8_t outer_reserved;
	uint32_t saved_spi_si; /* as it came in */
	uint8_t context[16];   /* as it came in */
	uint16_t encap;	       /* 1 + the encapsulation that a rule said, 0 none */
	uint8_t withheld;      /* injected, and not to be sent: a port consumes it */
	uint8_t reserved_w;
	uint32_t number;  /* of arrival, given while somebody watches; 0 none */
	uint8_t followed; /* bit per watch that does */
	uint8_t live;	  /* 1: followed, and counted as on its way */
	uint8_t reserved8[2];
	uint64_t put_ns; /* at a hop, if it is timed there: when it was put into its ring; else 0 */
};

/* Saved headers of a packet whose NSH was stripped (writer F): outer headers as they came, at most FRAME_OUTER
 * bytes, then the NSH header. Mostly all of it lies in one cache line. */
struct frame_saved {
	uint8_t bytes[384];
};

/* ---- pool ------------------------------------------------------------------------------------ */

/* The pool has no header, since every VNFC may write to it: what it is stands in the objects that each of its users
 * has for itself. Written once by K. */
struct pool_geometry {
	uint32_t frames;     /* number of frames, a multiple of 4 */
	uint32_t frame_size; /* bytes, a power of two: 2048 or 4096 */
	uint32_t id;
	uint32_t reserved;
	uint64_t records; /* offset of struct frame_record[frames] */
	uint64_t nsh;	  /* offset of uint8_t[frames][FRAME_NSH_AREA] */
	uint64_t notes;	  /* offset of char[frames][FRAME_NOTE] */
	uint64_t data;	  /* offset of the frames, page aligned: the UMEM */
	uint64_t size;	  /* of the object */
};

/* ---- hop-N ----------------------------------------------------------------------------------- */

/* One end's position in a ring, alone on its pair of cache lines. Positions run freely and are masked. */
struct ring_cell {
	uint32_t position;
	uint32_t filled; /* F, to_vnfc_head: how far the ring is filled, published or not */
	uint32_t reserved[30];
};

enum clock_mode { CLOCK_LIVE = 0, CLOCK_CAPTURE = 1 };

enum hop_metric { METRIC_COUNTER = 1, METRIC_GAUGE = 2, METRIC_HISTOGRAM = 3 };
enum { HOP_METRICS = 64, HOP_BUCKETS = 32, HOP_STATE_BYTES = 16384 };

struct hop_reason { /* writer H, before it says ready */
	char name[SEG_NAME];
	char why[SEG_WHY];
};

struct hop_metric_cell { /* writer H */
	char name[SEG_NAME];
	char why[SEG_WHY];
	char unit[16];
	uint32_t kind; /* enum hop_metric, 0 unused */
	uint32_t reserved;
	uint64_t value;		       /* counter; a gauge holds a double's bits */
	uint64_t count;		       /* histogram */
	uint64_t sum_bits;	       /* histogram: a double's bits */
	uint64_t buckets[HOP_BUCKETS]; /* histogram: powers of two, bucket i counts values < 2^i */
};

struct hop_header {
	/* written once by K */
	uint32_t magic, abi_major, layout, number;
	uint32_t generation; /* a restarted VNFC gets a new object with the next generation */
	uint32_t ring_slots; /* power of two, above quota + spares: a ring never refuses what a host owes */
	uint64_t to_vnfc;    /* offsets of uint32_t[ring_slots] */
	uint64_t from_vnfc;
	uint64_t spare;
	uint64_t size;
	uint32_t hold_max;
	uint32_t clock_mode; /* enum clock_mode */
	uint32_t outputs;
	uint32_t seed;	/* of the VNFC's random numbers; fixed in tests */
	uint64_t state; /* offset of HOP_STATE_BYTES of VNFC_STATE, carried over a restart by K */
	uint64_t wall_minus_monotonic; /* ns: what makes wall() out of now() (capture mode: 0) */
	char name[SEG_NAME];
	struct pool_geometry pool;
	uint32_t reserved_k[20]; /* the rings' cells begin on a pair of cache lines */

	struct ring_cell to_vnfc_head;	 /* F */
	struct ring_cell to_vnfc_tail;	 /* H */
	struct ring_cell from_vnfc_head; /* H */
	struct ring_cell from_vnfc_tail; /* F */
	struct ring_cell spare_head;	 /* F */
	struct ring_cell spare_tail;	 /* H */

	/* Doorbells. host_asleep is the futex: H sets it to 1 before it sleeps; whoever brings work sets it
	 * back to 0 and wakes. forwarder_asleep is set by F; H then writes the hop's eventfd. */
	uint32_t host_asleep;
	uint32_t reserved_d[31];
	uint32_t forwarder_asleep; /* F */
	uint32_t reserved_e[31];
	uint32_t control; /* K adds 1 for each message it wrote to the control socket, then wakes the host */
	uint32_t reserved_f[31];

	/* H's own cells */
	uint64_t progress;   /* grows with every packet and every run of a timer or request */
	uint64_t deadline;   /* next timer, ns of the hop's clock; UINT64_MAX none */
	uint64_t clock_seen; /* capture mode: everything due up to here was run */
	uint32_t phase;	     /* enum hop_phase */
	uint32_t held;	     /* frames the VNFC holds */
	uint64_t
		busy_since; /* ns CLOCK_MONOTONIC, when the current configure/init/request began, 0 if none */
	uint32_t reasons;   /* declared */
	uint32_t metrics;   /* declared */
	uint64_t exceptions;
	uint64_t log_lines_suppressed;
	uint32_t once; /* timers that are set and run once */
	uint32_t lent; /* of held, those that a component behind the host works on */
	uint32_t reserved_h[10];

	uint64_t clock; /* F, capture mode: now, ns */
	uint64_t leap;	/* F: the clock to which time last leapt; what was due on the way runs there, once */
	uint64_t reserved_c[14];

	struct hop_reason reason[64];
	struct hop_metric_cell metric[HOP_METRICS];
};

/*  STARTING --init done--> RUNNING <--configure begins/ends--> CONFIGURING ; any --> ENDING on `exit` */
enum hop_phase { PHASE_STARTING = 0, PHASE_RUNNING = 1, PHASE_CONFIGURING = 2, PHASE_ENDING = 3 };

/* ---- forwarder ------------------------------------------------------------------------------- */

/* How often a time occurred, log-linear: cell 0 below 2^TIMES_LEAST ns, then TIMES_PARTS cells of equal width for each
 * power of two, the last one from 2^TIMES_MOST on. A cell's middle is within 6 % of all that is in it. */
enum { TIMES_LEAST = 10, TIMES_MOST = 36, TIMES_PARTS = 8, TIMES_CELLS = 210 };

struct times {
	uint64_t count, sum_ns;
	uint64_t cell[TIMES_CELLS];
};

/* How often a burst was of what size: cell i counts those of 2^i packets to below twice as many, the last one all above. */
enum { SIZES_CELLS = 8 };

struct sizes {
	uint64_t sum;
	uint64_t cell[SIZES_CELLS];
};

struct place_stats {
	uint64_t received;   /* packets that came to this place */
	uint64_t originated; /* made here */
	uint64_t cloned;
	uint64_t forwarded; /* handed on; at a port's leaving side: sent, as the kernel confirmed */
	uint64_t consumed;
	uint64_t in_flight; /* counted from the owners when published */
	uint64_t bytes_in, bytes_out;
	uint64_t wakeups;
	uint64_t bogus; /* references in a hop's ring that were not that hop's to give: ignored */
	struct sizes bursts;
	uint64_t dropped[REASONS];
};

struct way_stats { /* what a hop forwarded by one output */
	uint64_t packets, bytes;
};

struct hop_stats {
	uint64_t waiting;   /* packets in the ring to it that it has not taken */
	uint64_t highest;   /* the most that waited, in the last HIGHEST_S to 2 HIGHEST_S seconds */
	uint64_t returning; /* packets in the ring back */
	double occupancy;   /* waiting, as a part of what may wait */
	struct way_stats way[SEG_OUTPUTS + 1]; /* by output; SEG_OUTPUTS is `back` */
	struct times ring;		       /* from being put into the ring until the host takes it */
	struct times vnfc;		       /* from there until its verdict */
};
enum { HIGHEST_S = 10 };

/* In the statistics object: consistent at an even, unchanged sequence. As `live` in the forwarder's: F's working figures,
 * never to be read for a sum. */
struct statistics {
	uint32_t sequence; /* odd while F writes */
	uint32_t reserved;
	uint64_t time_ns;
	int64_t unaccounted; /* of the whole VNF: packets whose fate is not known */
	struct place_stats place[PLACES];
	struct hop_stats hop[SEG_HOPS];
	struct times chain
		[SEG_PORTS]; /* by the port it came in by: from its arrival until it is handed to a port */
};

struct port_memory { /* what a backend must know again after a forwarder's restart */
	uint64_t word[16];
};

struct nsh_path_stats { /* writer F: what came in by a service path; the bytes are the inner packets' */
	uint64_t packets, bytes;
};

enum forwarder_state {
	FORWARDER_STARTING = 0,
	FORWARDER_RUNNING = 1,
	FORWARDER_DRAINING = 2,
	FORWARDER_DONE = 3
};

struct forwarder_header {
	uint32_t magic, abi_major, layout, reserved0;
	struct pool_geometry pool;
	uint64_t owners;   /* offset of uint16_t[frames] */
	uint64_t privates; /* offset of struct frame_private[frames] */
	uint64_t saved;	   /* offset of struct frame_saved[frames] */
	uint64_t size;
	uint32_t state;	       /* enum forwarder_state */
	uint32_t epoch;	       /* applied */
	uint32_t oldest_epoch; /* of any packet in flight: a slot is free to write once nobody follows it */
	uint32_t estimated;    /* 1 after a forwarder died and K wrote the difference off */
	uint64_t heartbeat;    /* loop iterations, for the watchdog */
	uint64_t loops_idle;   /* times it slept */
	uint64_t clock;	       /* capture mode: now */
	uint32_t reserved[14];
	struct port_memory memory[SEG_PORTS];
	struct statistics live;
	struct nsh_path_stats nsh_path[SEG_PATHS]; /* by struct nsh_path's `counter` */
};

/* ---- statistics --------------------------------------------------------------------------------
 *
 * A POSIX shared-memory object that any program may map for reading: what every figure is called and where it is stands
 * in its directory, so that readers need to know of nothing else here. F publishes the packets' figures, K writes the
 * directory and, once a second, its own. A reader copies what it wants and looks whether both sequences were even and are
 * as they were (itf/statistics.h, agents/statistics.py). */

enum figure_kind {
	FIGURE_COUNTER = 1,	 /* uint64_t, never goes back */
	FIGURE_GAUGE = 2,	 /* int64_t */
	FIGURE_REAL_COUNTER = 3, /* double, never goes back */
	FIGURE_REAL = 4,	 /* double */
	FIGURE_TIMES = 5,	 /* struct times */
	FIGURE_SIZES = 6,	 /* struct sizes */
	FIGURE_VALUES = 7,	 /* struct values */
};
enum {
	FIGURES = 4096, /* in a directory, at most */
	FIGURE_NAME = 96,
	FIGURE_LABELS = 160,
	FIGURE_CELLS = 16384, /* of K's figures */
	STATISTICS_NAME = 64,
};

/* One figure, writer K. Of several with one name and the same labels the sum counts. */
struct figure {
	char name[FIGURE_NAME];
	char labels[FIGURE_LABELS]; /* as Prometheus writes them: port="in",direction="in" */
	char why[SEG_WHY];
	char unit[16];
	uint32_t kind; /* enum figure_kind */
	uint32_t reserved;
	uint64_t at; /* offset of the value */
};

struct values { /* as a hop_metric_cell's */
	uint64_t count, sum_bits;
	uint64_t buckets[HOP_BUCKETS];
};

struct statistics_header { /* K */
	uint32_t magic, abi_major, layout, reserved0;
	uint64_t size;
	char name[STATISTICS_NAME]; /* of the VNF */
	uint64_t start_wall_ns;	    /* since 1970: when it was instantiated */
	uint64_t keeper_start; /* clock ticks since boot: with its pid and PID namespace, who the keeper is */
	uint64_t keeper_namespace; /* inode number */
	uint32_t keeper_pid;
	uint32_t sample;    /* one packet in so many is timed; 0: none is */
	uint64_t directory; /* offset of struct figure[FIGURES] */
	uint64_t published; /* offset of struct statistics */
	uint64_t cells;	    /* offset of uint64_t[FIGURE_CELLS] */
	uint32_t sequence;  /* odd while K writes the directory or its cells */
	uint32_t figures;   /* in the directory */
	uint32_t version;   /* of the directory */
	uint32_t cells_used;
	uint64_t keeper_ns; /* CLOCK_MONOTONIC when K wrote last */
	uint64_t left_out;  /* figures for which there was no room */
};

/* ---- config ---------------------------------------------------------------------------------- */

enum port_kind { PORT_NONE = 0, PORT_AF_XDP = 1, PORT_AF_PACKET = 2, PORT_PCAP = 3 };

struct port_wiring {
	char name[SEG_NAME];
	uint32_t kind;	     /* enum port_kind */
	uint32_t generation; /* changes when the port must be opened anew */
	uint32_t mtu;
	uint32_t ifindex;
	uint32_t queues;
	uint32_t enter; /* stage id that arriving packets are handed to: STAGE_CLASSIFIER, STAGE_NSH */
	uint8_t mac[6];
	uint8_t has_mac;
	uint8_t link;	       /* enum link_type */
	uint32_t parameter[8]; /* the backend's own, described in its file */
};

enum hop_state { HOP_NONE = 0, HOP_STARTING = 1, HOP_UP = 2, HOP_DOWN = 3 };
enum on_failure { FAILURE_RESTART = 0, FAILURE_BYPASS = 1, FAILURE_STOP = 2 };

struct hop_wiring {
	char name[SEG_NAME];
	uint32_t state;	     /* enum hop_state */
	uint32_t generation; /* of the hop object */
	uint32_t quota;	     /* frames that it may have at once */
	uint32_t queue_max;  /* of them, waiting in its ring: beyond, drop NAME.full */
	uint32_t on_failure; /* enum on_failure */
	uint32_t
		lost_reason; /* what its frames are counted as when the generation changes: died, hung, shutdown */
	uint32_t aware;	     /* NSH */
	uint32_t outputs;
	uint32_t
		previous; /* generation that it takes over from, as long as that one has packets to finish; 0 none */
};

enum rule_action { RULE_CHAIN = 1, RULE_BYPASS = 2, RULE_DROP = 3 };
enum { VLAN_ANY = 0xffff, VLAN_UNTAGGED = 0xfffe };

struct rule {
	uint32_t ports; /* bit per ingress port */
	uint16_t vlan;	/* VLAN id, or VLAN_ANY */
	uint16_t action;
	uint16_t
		target; /* RULE_BYPASS: port number or STAGE_NONE for the other one; RULE_CHAIN: chain number */
	uint16_t encap; /* RULE_CHAIN: 1 + index in `encap` of the NSH that it leaves with, 0 none */
	/* classic BPF, offsets and lengths in instructions; length 0: matches everything */
	uint32_t ethernet_at, ethernet_len, ip_at, ip_len;
};

struct bpf_insn_cell {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

/* ---- NSH: a place in a service path is SPI << 8 | SI */

enum nsh_transport { NSH_PLAIN = 0 /* none: the path ends */, NSH_ETHERNET = 1, NSH_VXLAN_GPE = 2 };
enum nsh_port_flag {
	NSH_PORT_ON = 1,	/* NSH is looked for in what arrives, put back on what leaves */
	NSH_PORT_VXLAN_GPE = 2, /* in VXLAN-GPE too */
	NSH_PORT_UNTRUSTED = 4, /* what arrives loses its context */
	NSH_PORT_IP4 = 8,	/* ip4 is this port's address */
	NSH_PORT_IP6 = 16,
};
enum nsh_flag {
	NSH_OAM_BYPASS = 1, /* packets with the O bit pass by unaware VNFCs, else they are dropped */
	NSH_ANY_PATH = 2,   /* no path is stated: the classifier decides */
};
enum { NSH_SAME_PORT = 0xff };

struct nsh_port {
	uint32_t flags; /* enum nsh_port_flag */
	uint8_t ip4[4], ip6[16];
	uint32_t reserved[2];
};

struct nsh_path {	 /* sorted by spi_si */
	uint32_t spi_si; /* SI 0: every SI that has no path of its own */
	uint16_t chain;
	uint16_t counter; /* its figures in forwarder.nsh_path: stays when others come and go */
	uint8_t has_context;
	uint8_t reserved[7];
	uint8_t context[16]; /* what VNFCs see when the packet brings none */
};

struct nsh_next_hop { /* sorted by spi_si, as above */
	uint32_t spi_si;
	uint8_t transport; /* enum nsh_transport */
	uint8_t port;	   /* number, or NSH_SAME_PORT: the one that the packet leaves by anyway */
	uint8_t has_mac;   /* else NSH_ETHERNET keeps the addresses that the packet has */
	uint8_t ip6;	   /* address holds an IPv6 one */
	uint16_t vlan;	   /* VLAN id, or VLAN_UNTAGGED */
	uint8_t mac[6];
	uint32_t vni;
	uint8_t address[16]; /* NSH_VXLAN_GPE */
	uint32_t zero;	     /* 1: for SI 0 alone; comes before an entry for every SI of that SPI */
	uint32_t reserved;
};

struct nsh_encap { /* what a classifier rule encapsulates in: MD type 1 */
	uint32_t spi_si;
	uint8_t context[16];
};

struct wiring {
	uint32_t epoch;
	uint32_t ports, hops, graphs, rules; /* highest number used + 1 */
	uint32_t lockstep; /* capture mode: one packet at a time through a graph that joins */
	uint32_t barrier;  /* what is on its way by the epoch before leaves first, as long as it moves */
	uint32_t reserved;
	struct port_wiring port[SEG_PORTS];
	struct hop_wiring hop[SEG_HOPS];
	struct rule rule[SEG_RULES];
	uint8_t graph_of[SEG_RULES][SEG_PORTS];		  /* [chain][ingress port] -> graph, 255 none */
	uint16_t first[SEG_GRAPHS];			  /* stage id */
	uint8_t graph_port[SEG_GRAPHS];			  /* the graph's ingress port */
	uint16_t next[SEG_GRAPHS][SEG_HOPS][SEG_OUTPUTS]; /* stage id; STAGE_NONE: hop not in that graph */
	uint8_t emit_graph[SEG_HOPS]
			  [SEG_PORTS]; /* graph that a packet made by hop, as if from port, follows */
	struct bpf_insn_cell insn[SEG_INSNS];
	uint32_t paths, next_hops, encaps; /* how many */
	uint32_t nsh_flags;		   /* enum nsh_flag */
	struct nsh_port nsh_port[SEG_PORTS];
	struct nsh_path path[SEG_PATHS];
	struct nsh_next_hop next_hop[SEG_NEXT_HOPS];
	struct nsh_encap encap[SEG_RULES];
	uint8_t graph_aware[SEG_GRAPHS]; /* every VNFC in it is NSH-aware */
	uint16_t graph_exit[SEG_GRAPHS]; /* stage id where its first outputs lead to in the end */
	uint8_t encap_ttl[SEG_RULES];	 /* what `encap` begins with, 0: the default */
	uint8_t graph_was[SEG_GRAPHS];	 /* graph of the epoch before -> graph, 255 none */
};

struct config_header {
	uint32_t magic, abi_major, layout, reserved0;
	uint64_t size;
	uint64_t slot[2]; /* offsets of struct wiring */
	uint32_t epoch;	  /* K; the wiring in force is slot[epoch & 1] */
	uint32_t clock_mode;
	uint32_t drain; /* K: 1 = take nothing more from ports, finish what is in flight, then DONE */
	uint32_t reserved[5];
};

/* ---- keeper <-> forwarder, SOCK_SEQPACKET with descriptors -------------------------------------- */

enum forwarder_message_kind {
	MESSAGE_HOP = 1,     /* index, generation; fds: hop object, eventfd */
	MESSAGE_PORT = 2,    /* index, generation; fds: as the backend's file says */
	MESSAGE_READY = 3,   /* F -> K: serving `generation` = epoch */
	MESSAGE_ERROR = 4,   /* F -> K: text; index = stage id */
	MESSAGE_DONE = 5,    /* F -> K: drained, or the captures have ended */
	MESSAGE_KICK = 6,    /* K -> F: look at the config object */
	MESSAGE_SWAPPED = 8, /* F -> K: the previous generation of hop `index` has no packets any more */
	MESSAGE_WATCH = 12, /* K -> F: write into watch `index`; fds: its object, eventfd. Without: no more */
	MESSAGE_INJECT =
		13, /* K -> F: a packet, as if it came in by port `index`: `generation` bytes of text; fds 1: it
			      * may be sent, else ports consume it */
	MESSAGE_LOST = 11,  /* F -> K: the packet in which hop `index` ended: salvage.c */
	MESSAGE_REPORT = 9, /* K -> F: publish now, with what the kernel counted; also: are you there? */
	MESSAGE_REPORTED =
		10, /* F -> K: done for the MESSAGE_REPORT of that `generation`, and for all before it */
};

struct forwarder_message {
	uint32_t kind, index, generation, fds;
	char text[240];
};

/* ---- watch -----------------------------------------------------------------------------------------
 *
 * Not there unless somebody asked, several at once. A capture has points: F copies packets that pass one of them and match
 * its filter into a ring of bytes. A trace follows: F chooses packets when they are first seen, and tells what becomes of
 * those. It never waits: what finds no room is counted and left out. R takes it out. */

enum trace_event {
	TRACE_ARRIVED = 1, /* came in by the port of `place` (PLACE_ARRIVING + n) */
	TRACE_MADE = 2,	   /* made, or with FRAME_CLONED in `arg` copied, by the hop of `place` */
	TRACE_VERDICT = 3, /* the hop of `place` gave it back: FORWARD (arg: the output) or CONSUME;
			    * NONE: it passed by a VNFC that was down */
	TRACE_DROPPED = 4, /* at `place`, for the reason `arg` */
	TRACE_LEAVING = 5, /* handed to the port of `place` (PLACE_LEAVING + n) to be sent */
	TRACE_HANDED = 6,  /* handed to the hop of `place` */
	TRACE_MET = 7,	   /* was on its way from the port of `place` when this began */
};

enum {
	WATCHES = 8, /* at once */
	WATCH_INTERFACES = 16,
	WATCH_POINTS = 32,
	WATCH_INSNS = 2048, /* classic BPF instructions of one filter */
	WATCH_WORDS = 1 << 19,
	WATCH_ANY = 0xffff,	 /* every place; every `arg` */
	WATCH_END = 0x80000000u, /* or-ed to a record's `size`: nothing up to the end of the ring */
};

struct watch_point {
	uint16_t place;	    /* PLACE_* + number, or WATCH_ANY */
	uint16_t arg;	    /* of the event, or WATCH_ANY */
	uint16_t events;    /* bit per enum trace_event */
	uint16_t interface; /* to which its packets belong */
};

struct watch_interface { /* of what is captured, as pcapng has it */
	char name[2 * SEG_NAME + 4];
	uint32_t link; /* enum link_type that is expected */
};

struct watch_counts {	  /* writer F: of one interface */
	uint64_t seen;	  /* packets that passed it */
	uint64_t matched; /* of them, those that the filter let through */
	uint64_t missed;  /* of them, those for which there was no room */
	uint64_t passed;  /* by a trace that had had enough of them, so that it did not look at them */
};

struct watch_record {  /* 64 bytes, then `snap_len` of the packet, then `note_len` of a note; padded to 8 */
	uint32_t size; /* of all that */
	uint32_t packet;
	uint64_t time_ns;
	uint32_t len; /* bytes, as it is now */
	uint16_t snap_len;
	uint16_t place;
	uint16_t arg;
	uint8_t event;	   /* enum trace_event */
	uint8_t verdict;   /* enum verdict */
	uint8_t link;	   /* enum link_type */
	uint8_t interface; /* of the first point that it passes */
	uint8_t note_len;
	uint8_t reserved;
	uint32_t mark;
	uint32_t taken, given; /* VERDICT, DROPPED, of a hop that told: as in its frame's record; else 0 */
	uint32_t reserved32;
	uint8_t context[16];
};

struct watch_header { /* K, but for cells of others */
	uint32_t magic, abi_major, layout, reserved0;
	uint64_t size;
	uint64_t ring;		 /* offset of its bytes */
	uint64_t ring_size;	 /* a power of two */
	uint64_t words;		 /* offset of WATCH_WORDS bytes of text: what numbers are called */
	uint32_t words_sequence; /* odd while they are written */
	uint32_t clock_mode;	 /* enum clock_mode */
	uint32_t snap;		 /* bytes of each packet, at most */
	uint32_t points, interfaces;
	uint32_t filtered; /* 0: every packet */
	uint32_t ethernet_len, ip_len;
	uint64_t wall_minus_monotonic; /* ns: what makes a time since 1970 of `time_ns` */
	uint32_t over;		       /* 1: nothing more comes, the VNF ends */
	uint32_t
		follow; /* 0: points; else every so manieth packet is looked at and, if it matches, followed */
	uint32_t most;	/* so many a second are followed, and so many at once; 0: all */
	uint32_t reserved1;
	struct watch_point point[WATCH_POINTS];
	struct watch_interface interface[WATCH_INTERFACES];
	struct bpf_insn_cell ethernet[WATCH_INSNS], ip[WATCH_INSNS];

	uint64_t written; /* F: bytes, ever */
	uint64_t reserved_f[15];
	struct watch_counts count[WATCH_INTERFACES]; /* F */
	uint64_t read;				     /* R: bytes, ever */
	uint64_t reserved_r[15];
};
