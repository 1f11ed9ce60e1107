/* What the programs of the rig share. */
#ifndef BENCH_RIG_H
#define BENCH_RIG_H
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "testframe.h"

static volatile sig_atomic_t stop;

static inline void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static inline void catch_signals(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	const int numbers[] = { SIGTERM, SIGINT, SIGALRM };

	for (unsigned i = 0; i < 3; i++)
		sigaction(numbers[i], &act, NULL);
}

static inline unsigned long long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static inline int interface(const char *name)
{
	int index = if_nametoindex(name);
	if (!index)
		die(name);
	return index;
}

static inline struct bpf_object *bpf_load(const char *path, const struct settings *s)
{
	struct bpf_object *o = bpf_object__open_file(path, NULL);
	struct bpf_map *map;

	if (!o)
		die(path);
	bpf_object__for_each_map(map,
				 o) if (strstr(bpf_map__name(map),
					       ".rodata")) if (bpf_map__set_initial_value(map, s, sizeof(*s)))
		die(".rodata");
	if (bpf_object__load(o))
		die("bpf load");
	return o;
}

static inline int bpf_program_of(struct bpf_object *o, const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(o, name);
	if (!p)
		die(name);
	return bpf_program__fd(p);
}

static inline int bpf_map_of(struct bpf_object *o, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(o, name);
	if (fd < 0)
		die(name);
	return fd;
}
#endif
