/* What the keeper needs root and libbpf for: AF_XDP sockets over the pool, XDP programs. Python calls this
 * through cffi; the prototypes are repeated in vns/native.py and nowhere else.
 *
 * Every function returns a descriptor, or 0, or a negative errno with the failed step in `why`.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "vns/xdp_bind.h"

/* <linux/bpf.h> of Debian 12 is older than this flag (Linux 6.3). */
#define DEVICE_BOUND (1u << 6)

enum { SEND_BUFFER = 64 << 20, WHY_LOG = 16384 };

struct coven_xdp_socket_request {
	void *area; /* the UMEM, page aligned */
	uint64_t size;
	uint32_t chunk, headroom;
	uint32_t entries; /* of each ring */
	uint32_t ifindex, queue;
	uint32_t bind_flags; /* XDP_* */
	uint32_t unbound;    /* 1: it is left to the forwarder to bind it */
	int32_t first;	     /* socket of the first queue, whose UMEM this one shares; -1: this is it */
};

static int failed(char *why, size_t size, const char *step)
{
	int error = errno;
	snprintf(why, size, "%s: %s", step, strerror(error));
	return -error;
}

static int set_ring(int fd, int option, uint32_t entries)
{
	return setsockopt(fd, SOL_XDP, option, &entries, sizeof entries);
}

/* Can another process, or this one once more, map the rings of a bound socket? Not before Linux 6.4. */
static int try_mapping(int fd)
{
	long page = sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, (off_t)XDP_UMEM_PGOFF_FILL_RING);
	if (at == MAP_FAILED)
		return -1;
	munmap(at, (size_t)page);
	return 0;
}

static int set_up(int fd, const struct coven_xdp_socket_request *r, char *why, size_t size)
{
	struct xdp_umem_reg umem = { .addr = (uint64_t)(uintptr_t)r->area,
				     .len = r->size,
				     .chunk_size = r->chunk,
				     .headroom = r->headroom };
	int buffer = SEND_BUFFER;
	if (r->first < 0 && setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof umem) < 0)
		return failed(why, size, "registering the packet pool as UMEM");
	if (set_ring(fd, XDP_UMEM_FILL_RING, r->entries) < 0 ||
	    set_ring(fd, XDP_UMEM_COMPLETION_RING, r->entries) < 0 ||
	    set_ring(fd, XDP_RX_RING, r->entries) < 0 ||
	    (r->first < 0 && set_ring(fd, XDP_TX_RING, r->entries) < 0))
		return failed(why, size, "making the rings of an AF_XDP socket");
	/* copy mode allocates from the socket's send buffer; a small one would hold the tx ring up */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	if (r->unbound) /* who maps the rings binds it then */
		return fd;
	if (xdp_bind_patiently(fd, r->ifindex, r->queue, r->bind_flags, r->first) < 0)
		return failed(why, size, "binding an AF_XDP socket to its queue");
	if (try_mapping(fd) < 0)
		return failed(why, size, "mapping the rings of a bound AF_XDP socket");
	return fd;
}

int coven_xdp_socket(const struct coven_xdp_socket_request *r, char *why, size_t size)
{
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failed(why, size, "opening an AF_XDP socket");
	int result = set_up(fd, r, why, size);
	if (result < 0)
		close(fd);
	return result;
}

/* 1 if the driver works on the pool itself, 0 in copy mode. */
int coven_xdp_zero_copy(int fd)
{
	struct xdp_options options = { 0 };
	socklen_t size = sizeof options;
	if (getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &size) < 0)
		return 0;
	return options.flags & XDP_OPTIONS_ZEROCOPY ? 1 : 0;
}

static int be_silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

/* The last line that the verifier wrote before its statistics says what it minds. */
static void add_verifier_word(char *why, size_t size, char *log)
{
	char *statistics = strstr(log, "\nprocessed ");
	if (statistics != NULL)
		*statistics = '\0';
	char *last = strrchr(log, '\n');
	last = last != NULL && last[1] == '\0' ? log : last != NULL ? last + 1 : log;
	size_t used = strlen(why);
	if (*last != '\0' && used < size)
		snprintf(why + used, size - used, " (%s)", last);
}

/* Load only the program of that name, bound to its device if asked. */
static int load(struct bpf_object *object, const char *name, uint32_t ifindex, bool bound, char *why,
		size_t size)
{
	struct bpf_program *program, *wanted = NULL;
	char *log = calloc(1, WHY_LOG);
	bpf_object__for_each_program(program, object)
	{
		bool is_it = strcmp(bpf_program__name(program), name) == 0;
		bpf_program__set_autoload(program, is_it);
		if (is_it)
			wanted = program;
	}
	if (wanted == NULL || log == NULL) {
		free(log);
		errno = wanted == NULL ? ENOENT : ENOMEM;
		return failed(why, size, "looking for the XDP program");
	}
	if (bound) {
		bpf_program__set_ifindex(wanted, ifindex);
		bpf_program__set_flags(wanted, bpf_program__flags(wanted) | DEVICE_BOUND);
	}
	bpf_program__set_log_buf(wanted, log, WHY_LOG);
	int error = bpf_object__load(object);
	if (error < 0) {
		errno = -error;
		error = failed(why, size, "loading the XDP program");
		add_verifier_word(why, size, log);
	} else {
		error = bpf_program__fd(wanted);
	}
	free(log);
	return error;
}

/* A program that its last holder has just let go of is in the way a little longer, too. */
static int link_patiently(int program, uint32_t ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int link = -EBUSY;
	for (int i = 0; i < XDP_BUSY_TRIES && link == -EBUSY; i++) {
		if (i > 0)
			poll(NULL, 0, XDP_BUSY_MS);
		link = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
	}
	return link;
}

/* Load program `name` of the object file and attach it by a bpf_link, which is returned: it ends with its last
 * holder. *map gets the map of sockets, -1 if map is not wanted. flags: XDP_FLAGS_DRV_MODE or _SKB_MODE. */
int coven_xdp_attach(const char *file, const char *name, uint32_t ifindex, int bound, uint32_t flags,
		     int *map, char *why, size_t size)
{
	libbpf_print_fn_t before = libbpf_set_print(be_silent);
	struct bpf_object *object = bpf_object__open_file(file, NULL);
	int link, program, sockets = -1;
	if (object == NULL) {
		link = failed(why, size, "reading the XDP object file");
		goto out;
	}
	link = program = load(object, name, ifindex, bound != 0, why, size);
	if (program < 0)
		goto out;
	if (map != NULL) {
		sockets = fcntl(bpf_object__find_map_fd_by_name(object, "sockets"), F_DUPFD_CLOEXEC, 0);
		if (sockets < 0) {
			link = failed(why, size, "looking for the map of sockets");
			goto out;
		}
	}
	link = link_patiently(program, ifindex, flags);
	if (link < 0) {
		errno = -link;
		failed(why, size, "attaching the XDP program");
		if (sockets >= 0)
			close(sockets);
	} else if (map != NULL) {
		*map = sockets;
	}
out:
	bpf_object__close(object);
	libbpf_set_print(before);
	return link;
}

int coven_xdp_map_set(int map, uint32_t queue, int socket, char *why, size_t size)
{
	return bpf_map_update_elem(map, &queue, &socket, 0) < 0
		       ? failed(why, size, "entering a socket in the map")
		       : 0;
}
