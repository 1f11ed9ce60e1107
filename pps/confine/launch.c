/* coven-launch: the last step into confinement. Limits, memory group, uid, file system rules and system
 * call filter, then the program itself; nothing of it is left running.
 *
 *   coven-launch [--cgroup-fd=N] [--uid=N] [--seccomp-fd=N] [--limit=NAME=VALUE]... [--parent=PID]
 *                [--chdir=PATH] [--read=PATH]... [--write=PATH]... -- PROGRAM [ARG]...
 *
 * Inside bubblewrap it runs with nothing but SETUID, SETGID and SETPCAP (or rootless with none). Where
 * no namespace is to be had (confinement: reduced) it is all there is: --read and --write then become
 * Landlock rules, as far as the kernel has Landlock, and --parent ties its life to the keeper's.
 *
 * Exit status 125 with a line on stderr when a step fails: a host never starts half confined.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FAILED = 125, MAX_PATHS = 64, MAX_FILTER = 4096, LAST_CAPABILITY = 63 };

struct options {
	int cgroup_fd, seccomp_fd;
	long uid, parent;
	const char *chdir;
	const char *read[MAX_PATHS], *write[MAX_PATHS];
	unsigned reads, writes;
};

_Noreturn __attribute__((format(printf, 1, 2))) static void stop(const char *format, ...)
{
	int error = errno;
	va_list args;
	va_start(args, format);
	fputs("coven-launch: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, error ? ": %s\n" : "%.0s\n", strerror(error));
	exit(FAILED);
}

static long number(const char *option, const char *value)
{
	char *end;
	errno = 0;
	long n = strtol(value, &end, 10);
	if (errno || end == value || *end || n < 0) {
		errno = 0;
		stop("%s: found '%s', expected a number", option, value);
	}
	return n;
}

static void set_limit(const char *assignment)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = { { "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC }, { "core", RLIMIT_CORE },
		       { "data", RLIMIT_DATA },	    { "fsize", RLIMIT_FSIZE }, { "cpu", RLIMIT_CPU } };
	const char *value = strchr(assignment, '=');
	for (unsigned i = 0; value && i < sizeof(limits) / sizeof(*limits); i++) {
		if (strlen(limits[i].name) != (size_t)(value - assignment) ||
		    strncmp(limits[i].name, assignment, strlen(limits[i].name)))
			continue;
		rlim_t n = (rlim_t)number("--limit", value + 1);
		struct rlimit limit = { n, n }, now;
		/* Never above what we were given: that would need a capability. */
		if (getrlimit((__rlimit_resource_t)limits[i].resource, &now) == 0 &&
		    limit.rlim_max > now.rlim_max)
			limit.rlim_cur = limit.rlim_max = now.rlim_max;
		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			stop("limit %s", assignment);
		return;
	}
	errno = 0;
	stop("--limit: found '%s', expected nofile, nproc, core, data, fsize or cpu=NUMBER", assignment);
}

/* ---- memory group and identity ------------------------------------------------------------------ */

static void join_cgroup(int fd)
{
	if (write(fd, "0", 1) != 1)
		stop("cannot enter the memory group");
	close(fd);
}

static void become(long uid)
{
	if (setgroups(0, NULL) < 0 || setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) < 0)
		stop("cannot become group %ld", uid);
	/* The bounding set first: it takes SETPCAP, which goes with the uid. */
	for (int cap = 0; cap <= LAST_CAPABILITY; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			stop("cannot drop capability %d", cap);
	if (setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) < 0)
		stop("cannot become user %ld", uid);
	/* Whoever started us may have had such calls answered without being made (coven/lab/identity.py). */
	errno = EPERM;
	if (getuid() != (uid_t)uid || geteuid() != (uid_t)uid || getgid() != (gid_t)uid)
		stop("cannot become user %ld", uid);
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		stop("cannot clear ambient capabilities");
	if (syscall(SYS_capset, &head, none) < 0)
		stop("cannot drop capabilities");
}

/* ---- Landlock ----------------------------------------------------------------------------------- */

#define READING (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILES (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define HANDLED (((uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1) /* every right of ABI 1 */

static void allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	struct stat st;
	if (rule.parent_fd < 0) {
		if (errno == ENOENT)
			return; /* e.g. /lib64 on an architecture without it */
		stop("%s", path);
	}
	if (fstat(rule.parent_fd, &st) < 0)
		stop("%s", path);
	rule.allowed_access = S_ISDIR(st.st_mode) ? access : access & FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		stop("landlock rule for %s", path);
	close(rule.parent_fd);
}

static void restrict_files(const struct options *o)
{
	if (o->reads + o->writes == 0 ||
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		return; /* not asked for, or not in this kernel: pps/confine/confinement.py reports which */
	struct landlock_ruleset_attr attr = { .handled_access_fs = HANDLED };
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		stop("landlock");
	for (unsigned i = 0; i < o->reads; i++)
		allow(ruleset, o->read[i], READING);
	for (unsigned i = 0; i < o->writes; i++)
		allow(ruleset, o->write[i], HANDLED);
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		stop("landlock");
	close(ruleset);
}

/* ---- system calls ------------------------------------------------------------------------------- */

static void load(struct sock_filter *code, size_t count, const char *what)
{
	struct sock_fprog program = { (unsigned short)count, code };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		stop("%s", what);
}

static void filter_calls(int fd)
{
	static struct sock_filter code[MAX_FILTER];
	ssize_t size = pread(fd, code, sizeof(code), 0);
	if (size <= 0 || (size_t)size == sizeof(code) || (size_t)size % sizeof(*code)) {
		if (size >= 0)
			errno = EINVAL;
		stop("system call filter");
	}
	close(fd);
	load(code, (size_t)size / sizeof(*code), "system call filter");
}

/* Without a pid namespace: tgkill (abort needs it) for this very process only, which exec keeps. */
static void only_own_signals(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	load(code, sizeof(code) / sizeof(*code), "signal filter");
}

static void take_option(struct options *o, const char *arg)
{
	const char *value = strchr(arg, '=');
	size_t length = value ? (size_t)(value++ - arg) : 0;
#define IS(name) (length == sizeof(name) - 1 && !memcmp(arg, name, length))
	if (IS("--cgroup-fd"))
		o->cgroup_fd = (int)number(arg, value);
	else if (IS("--seccomp-fd"))
		o->seccomp_fd = (int)number(arg, value);
	else if (IS("--uid"))
		o->uid = number(arg, value);
	else if (IS("--parent"))
		o->parent = number(arg, value);
	else if (IS("--chdir"))
		o->chdir = value;
	else if (IS("--limit"))
		set_limit(value);
	else if (IS("--read") && o->reads < MAX_PATHS)
		o->read[o->reads++] = value;
	else if (IS("--write") && o->writes < MAX_PATHS)
		o->write[o->writes++] = value;
	else
		stop("unknown option or too many of it: %s", arg);
#undef IS
}

int main(int argc, char **argv)
{
	struct options o = { .cgroup_fd = -1, .seccomp_fd = -1, .uid = -1, .parent = -1 };
	int i = 1;
	while (i < argc && strcmp(argv[i], "--"))
		take_option(&o, argv[i++]);
	if (i + 1 >= argc)
		stop("no program after --");
	char **program = argv + i + 1;

	if (o.parent >= 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != o.parent) {
			errno = 0;
			stop("the keeper is gone");
		}
	}
	if (o.cgroup_fd >= 0)
		join_cgroup(o.cgroup_fd);
	if (o.uid >= 0)
		become(o.uid);
	drop_capabilities();
	if (o.uid >= 0 && o.parent >= 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of uid clears it */
	if (o.chdir && chdir(o.chdir) < 0)
		stop("%s", o.chdir);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		stop("no_new_privs");
	restrict_files(&o);
	if (o.parent >= 0)
		only_own_signals();
	if (o.seccomp_fd >= 0)
		filter_calls(o.seccomp_fd);
	execvp(program[0], program);
	stop("%s", program[0]);
}
