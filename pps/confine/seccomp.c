/* Prints a compiled seccomp filter: what the kernel refuses to a VNFC host or a compiler.
 *
 *   make-seccomp host      VNFC hosts with namespaces of their own
 *   make-seccomp debug     the same, and ptrace: `coven run --debug VNFC`
 *   make-seccomp build     compilers: files may be truncated, nothing of the segment is within reach
 *   make-seccomp unmetered VNFC hosts without a memory group: what a limit on private memory does not count, too
 *   make-seccomp unmetered-tcp  the same for those that are spoken with over TCP
 *   make-seccomp reduced   hosts and compilers without namespaces: no network, no signals to others
 *   make-seccomp identity  programs of a lab without root, where there is one user: see `pretend`
 *
 * Allowed is what is not named here: confinement proper is namespaces, uid and an empty capability set.
 * The filter takes away what those leave open (shared memory of others, kernel surface that no packet
 * processor needs). Refused calls give EPERM; a call of a foreign architecture ends the process.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	HOST = 1,
	DEBUG = 2,
	BUILD = 4,
	REDUCED = 8,
	NO_TCP = 16,
	WITH_TCP = 32,
	IDENTITY = 64,
	UNMETERED = NO_TCP | WITH_TCP,
	EVERY = HOST | DEBUG | BUILD | REDUCED | UNMETERED,
};

static const struct filter_name {
	const char *name;
	unsigned mask;
} filters[] = { { "host", HOST },	 { "debug", DEBUG },	  { "build", BUILD },
		{ "reduced", REDUCED },	 { "unmetered", NO_TCP }, { "unmetered-tcp", WITH_TCP },
		{ "identity", IDENTITY } };

/* Calls refused whatever their arguments, and in which filters. */
static const struct refused {
	unsigned in;
	const char *calls; /* separated by blanks; those that an architecture lacks are passed over */
} refused[] = {
	{ EVERY, "mount umount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig "
		 "fsmount "
		 "fspick mount_setattr setns" },
	{ EVERY, "bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register" },
	{ EVERY, "process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp" },
	{ HOST | BUILD | REDUCED | UNMETERED, "ptrace" },
	{ EVERY, "name_to_handle_at open_by_handle_at" },
	{ EVERY, "keyctl add_key request_key" },
	{ EVERY,
	  "kexec_load kexec_file_load init_module finit_module delete_module create_module reboot swapon "
	  "swapoff "
	  "acct quotactl quotactl_fd syslog settimeofday stime clock_settime clock_settime64 clock_adjtime "
	  "clock_adjtime64 adjtimex sethostname setdomainname vhangup nfsservctl lookup_dcookie" },
	{ EVERY, "iopl ioperm modify_ldt uselib ustat sysfs _sysctl personality" },
	/* With its descriptor or mapping, anybody could take pages out of a shared object (tried: readers
	 * die of SIGBUS). The objects are sealed as well. Linkers need these calls. */
	{ HOST | DEBUG | REDUCED | UNMETERED, "truncate truncate64 ftruncate ftruncate64 fallocate" },
	/* Memory that belongs to no process's data: without a memory group nothing counts it. */
	{ UNMETERED | REDUCED, "memfd_create memfd_secret shmget mq_open" },
	/* No pid namespace around: signals to others and servers reached by path are the way out. tgkill
	 * stays for abort(); the launcher limits it to the process itself. */
	{ REDUCED,
	  "kill tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal connect setpgid" },
};

static const unsigned namespaces[] = { CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
				       CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET };

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#define LOW(value) 0xffffffffu, (value) /* an int argument: the kernel ignores the upper half, so do we */

static int failed;

static void refuse(scmp_filter_ctx filter, int error, int call, unsigned count,
		   const struct scmp_arg_cmp *cmp)
{
	int rc = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint16_t)error), call, count, cmp);
	if (rc == 0 || rc == -EDOM) /* EDOM: this architecture has no such call */
		return;
	fprintf(stderr, "make-seccomp: rule for call %d: %s\n", call, strerror(-rc));
	failed = 1;
}

static void refuse_calls(scmp_filter_ctx filter, int error, const char *calls)
{
	char name[32];
	int used;
	for (; sscanf(calls, "%31s%n", name, &used) == 1; calls += used) {
		int call = seccomp_syscall_resolve_name(name);
		if (call != __NR_SCMP_ERROR) /* libseccomp older than the call */
			refuse(filter, error, call, 0, NULL);
	}
}

/* Programs that begin as root and go on as another user (tcpdump, name and web servers), or give a file to that
 * user, give up where this cannot be. In a user namespace that knows one user alone it cannot, and need not: root
 * there is nobody outside. Refused with error 0: the call is not made, and who called it hears that it was. */
static void pretend(scmp_filter_ctx filter)
{
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	refuse_calls(filter, 0,
		     "setuid setgid setreuid setregid setresuid setresgid setgroups "
		     "chown fchown lchown fchownat");
}

static void refuse_namespaces(scmp_filter_ctx filter)
{
	for (unsigned i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++) {
		uint64_t flag = namespaces[i];
		refuse(filter, EPERM, SCMP_SYS(unshare), 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
		refuse(filter, EPERM, SCMP_SYS(clone), 1, &SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
	}
	/* In clone() that bit is part of the exit signal. */
	refuse(filter, EPERM, SCMP_SYS(unshare), 1,
	       &SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWTIME, CLONE_NEWTIME));
	/* Its flags are in memory, out of a filter's sight; libc then takes clone(). */
	refuse(filter, ENOSYS, SCMP_SYS(clone3), 0, NULL);
}

static void refuse_sockets(scmp_filter_ctx filter, unsigned which)
{
	for (unsigned family = 0; family < AF_MAX; family++) {
		if (family == AF_UNIX || family == AF_NETLINK ||
		    (which != REDUCED && (family == AF_INET || family == AF_INET6)))
			continue;
		refuse(filter, EPERM, SCMP_SYS(socket), 1, &SCMP_A0(SCMP_CMP_EQ, family));
	}
	refuse(filter, EPERM, SCMP_SYS(socket), 1, &SCMP_A0(SCMP_CMP_GE, AF_MAX));
	/* Listing interfaces and routes: Scapy does when it is imported. Changing them takes a capability. */
	const struct scmp_arg_cmp other_netlink[] = { SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
						      SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE) };
	refuse(filter, EPERM, SCMP_SYS(socket), 2, other_netlink);
}

static void refuse_arguments(scmp_filter_ctx filter, unsigned which)
{
	if (which != BUILD)
		refuse(filter, EPERM, SCMP_SYS(madvise), 1, &SCMP_A2(SCMP_CMP_MASKED_EQ, LOW(MADV_REMOVE)));
	if (which & (UNMETERED | REDUCED)) {
		const unsigned shared = MAP_SHARED | MAP_ANONYMOUS;
		refuse(filter, ENOMEM, SCMP_SYS(mmap), 1, &SCMP_A3(SCMP_CMP_MASKED_EQ, shared, shared));
	}
	if (which == NO_TCP) {
		/* A stream's buffers grow to megabytes; datagram sockets, which libraries look interfaces up with,
		 * keep to the system's default. */
		const struct scmp_arg_cmp ip4[] = { SCMP_A0(SCMP_CMP_EQ, AF_INET),
						    SCMP_A1(SCMP_CMP_MASKED_EQ, 15, SOCK_STREAM) };
		const struct scmp_arg_cmp ip6[] = { SCMP_A0(SCMP_CMP_EQ, AF_INET6),
						    SCMP_A1(SCMP_CMP_MASKED_EQ, 15, SOCK_STREAM) };
		refuse(filter, EPERM, SCMP_SYS(socket), 2, ip4);
		refuse(filter, EPERM, SCMP_SYS(socket), 2, ip6);
	}
	/* Typing into the terminal of whoever started us. */
	refuse(filter, EPERM, SCMP_SYS(ioctl), 1, &SCMP_A1(SCMP_CMP_MASKED_EQ, LOW(TIOCSTI)));
	refuse(filter, EPERM, SCMP_SYS(ioctl), 1, &SCMP_A1(SCMP_CMP_MASKED_EQ, LOW(TIOCLINUX)));
	if (which == REDUCED) /* limits of other processes */
		refuse(filter, EPERM, SCMP_SYS(prlimit64), 1, &SCMP_A0(SCMP_CMP_NE, 0));
}

int main(int argc, char **argv)
{
	unsigned which = 0;
	for (unsigned i = 0; argc == 2 && i < sizeof(filters) / sizeof(*filters); i++)
		if (strcmp(argv[1], filters[i].name) == 0)
			which = filters[i].mask;
	if (which == 0) {
		fputs("usage: make-seccomp host|debug|build|reduced|unmetered|unmetered-tcp|identity > "
		      "FILTER\n",
		      stderr);
		return 2;
	}
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	if (filter == NULL) {
		fputs("make-seccomp: no memory for the filter\n", stderr);
		return 1;
	}
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A search tree: half a dozen comparisons a system call instead of a hundred. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (unsigned i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (refused[i].in & which)
			refuse_calls(filter, EPERM, refused[i].calls);
	if (which == IDENTITY) {
		pretend(filter);
	} else {
		refuse_namespaces(filter);
		refuse_sockets(filter, which);
		refuse_arguments(filter, which);
	}
	int rc = failed ? -EINVAL : seccomp_export_bpf(filter, STDOUT_FILENO);
	seccomp_release(filter);
	if (rc < 0) {
		fprintf(stderr, "make-seccomp: %s\n", strerror(-rc));
		return 1;
	}
	return 0;
}
