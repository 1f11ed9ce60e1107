/* sink IF OBJ PROGRAM LENGTH HISTOGRAM PROTO : counts in XDP what arrives at IF (PROGRAM xdp_sink) or sends
 * it back (xdp_reflect). Prints the figures as one JSON line for every line read; with the histogram of
 * latencies, {ns: frames}, when HISTOGRAM is 1 and the line starts with h. Ends with its standard input. */
#include "rig.h"

static unsigned long long bucket_ns(unsigned i)
{
	if (i < HIST_SUB)
		return i;
	unsigned log = i / HIST_SUB + 3;
	unsigned long long low = (unsigned long long)(HIST_SUB + i % HIST_SUB) << (log - 4);
	return low + (1ull << (log - 4)) / 2;
}

static void print_histogram(int map, int cpus, unsigned long long *values)
{
	const char *comma = "";

	printf(",\"histogram\":{");
	for (unsigned i = 0; i < HIST_SIZE; i++) {
		unsigned long long sum = 0;
		bpf_map_lookup_elem(map, &i, values);
		for (int c = 0; c < cpus; c++)
			sum += values[c];
		if (sum) {
			printf("%s\"%llu\":%llu", comma, bucket_ns(i), sum);
			comma = ",";
		}
	}
	printf("}");
}

int main(int argc, char **argv)
{
	if (argc != 7)
		return 2;
	struct settings s = { .length = atoi(argv[4]),
			      .flows = 1,
			      .histogram = atoi(argv[5]),
			      .tag_offset = strcmp(argv[6], "tcp") ? TAG_UDP : TAG_TCP,
			      .shift = strcmp(argv[6], "nsh") ? 0 : NSH_BYTES };
	struct bpf_object *o = bpf_load(argv[2], &s);
	int ifindex = interface(argv[1]), cpus = libbpf_num_possible_cpus();
	if (bpf_xdp_attach(ifindex, bpf_program_of(o, argv[3]), XDP_FLAGS_DRV_MODE, NULL))
		die("attach");
	int map = bpf_map_of(o, "figures"), histogram = bpf_map_of(o, "histogram");
	struct sink_figures *each = calloc(cpus, sizeof(*each));
	unsigned long long *values = calloc(cpus, sizeof(*values));
	char line[64];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		struct sink_figures sum = {};
		unsigned zero = 0;
		unsigned long long t = now_ns();
		bpf_map_lookup_elem(map, &zero, each);
		for (int c = 0; c < cpus; c++) {
			sum.frames += each[c].frames;
			sum.bytes += each[c].bytes;
			sum.odd += each[c].odd;
			sum.other += each[c].other;
			sum.reorder += each[c].reorder;
		}
		printf("{\"t\":%llu,\"frames\":%llu,\"bytes\":%llu,\"odd\":%llu,\"other\":%llu,\"reorder\":%"
		       "llu",
		       t, sum.frames, sum.bytes, sum.odd, sum.other, sum.reorder);
		if (s.histogram && line[0] == 'h')
			print_histogram(histogram, cpus, values);
		puts("}");
		fflush(stdout);
	}
	bpf_xdp_detach(ifindex, 0, NULL);
	return 0;
}
