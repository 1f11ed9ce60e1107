/* The host of a VNFC that is any executable: see exec.h.
 *
 *	coven-host-exec --artifact FILE --engine framed|coven-socket|click --name NAME --fds POOL,HOP,BELL,CONTROL
 *
 * The component is our child: in the same confinement, in the same network namespace (which has a loopback
 * and nothing else), but without the segment's descriptors, so that all it can reach is the copies.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pps/exec/exec.h"

enum { COMPONENT_FD = 3, WORDS_MAX = 64, NONSENSE_SAID = 5, EXIT_COMPONENT = 3 };

/* ---- the component's process --------------------------------------------------------------------- */

/* In the child; why it cannot become the component goes to `told`, which closes when it can. */
static void become(const struct exec *x, char **words, int told)
{
	int io = x->component_socket;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	if (io >= 0) { /* as 0 too: what a Java program can reach */
		dup2(io, STDIN_FILENO);
		dup2(io, COMPONENT_FD);
		fcntl(COMPONENT_FD, F_SETFD, 0); /* it may have been that number already */
		setenv("COVEN_SOCKET", "3", 1);
	}
	if (strchr(words[0], '/')) /* execvp would give a script without an interpreter to the shell */
		execv(words[0], words);
	else
		execvp(words[0], words);
	int why = errno;
	_exit(write(told, &why, sizeof(why)) == sizeof(why) ? 127 : 126);
}

static int command(struct exec *x, char **words)
{
	const cJSON *run = cJSON_GetObjectItemCaseSensitive(host_config(x->host), "run"), *word;
	int n = 0;
	if (x->words) {
		for (; x->words[n]; n++)
			words[n] = x->words[n];
		words[n] = NULL;
		return 0;
	}
	if (!run) {
		words[n++] = (char *)x->artifact;
		words[n] = NULL;
		return 0;
	}
	cJSON_ArrayForEach(word, run) if (cJSON_IsString(word) && n < WORDS_MAX) words[n++] =
		word->valuestring;
	words[n] = NULL;
	if (n > 0 && n == cJSON_GetArraySize(run))
		return 0;
	char *found = cJSON_PrintUnformatted(run);
	host_error(x->host, NULL, 0, "config.run", found, "a list of words: a program and its arguments",
		   "leave `run` out to run the source itself");
	cJSON_free(found);
	return -1;
}

/* Report what kept the component from being run. */
static int not_run(struct exec *x, const char *program, int why)
{
	const char *field = program == x->artifact ? "source" : "config.run";
	char found[512];
	snprintf(found, sizeof(found), "%s", strerror(why));
	if (program != x->artifact)
		snprintf(found, sizeof(found), "%s: %s", program, strerror(why));
	if (why == ENOEXEC)
		host_error(x->host, NULL, 0, field,
			   "neither a program of this machine nor a script with a #! line", "an executable",
			   "let its first line name what runs it: #!/usr/bin/env python3");
	else if (why == ENOENT && access(program, F_OK) == 0)
		host_error(x->host, NULL, 0, field, "its interpreter is not there",
			   "a #! line that names a program of this machine", NULL);
	else
		host_error(x->host, NULL, 0, field, found, "an executable", NULL);
	return -1;
}

int exec_start(struct exec *x)
{
	char *words[WORDS_MAX + 1];
	int told[2], why = 0;
	if (command(x, words) < 0)
		return -1;
	fflush(NULL);
	if (pipe(told) < 0 || (x->child = fork()) < 0) {
		host_error(x->host, NULL, 0, "source", strerror(errno), "a process for the component", NULL);
		return -1;
	}
	if (x->child == 0) {
		int out = fcntl(told[1], F_DUPFD_CLOEXEC, COMPONENT_FD + 1);
		close(told[0]);
		close(told[1]);
		become(x, words, out);
	}
	close(told[1]);
	setpgid(x->child, x->child);
	ssize_t n = read(told[0], &why, sizeof(why));
	close(told[0]);
	if (n == sizeof(why))
		return not_run(x, words[0], why);
	if (x->component_socket >= 0)
		close(x->component_socket);
	x->component_socket = -1;
	x->child_fd = (int)syscall(SYS_pidfd_open, x->child, 0);
	return 0;
}

bool exec_over(struct exec *x, char *how, size_t size)
{
	int status;
	if (x->child <= 0 || waitpid(x->child, &status, WNOHANG) != x->child)
		return false;
	x->child = 0;
	if (WIFSIGNALED(status))
		snprintf(how, size, "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(how, size, "exit status %d", WEXITSTATUS(status));
	return true;
}

/* Whatever it has started goes with it. */
static void end_component(struct exec *x)
{
	/* where we may not (confinement `reduced`), it dies with us */
	if (x->child > 0 && (kill(-x->child, SIGKILL) == 0 || kill(x->child, SIGKILL) == 0))
		waitpid(x->child, NULL, 0);
	x->child = 0;
	if (x->engine->tidy)
		x->engine->tidy(x);
}

void exec_fail(struct exec *x, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	x->api->log(x->api, text);
	host_publish(x->host); /* what has a verdict keeps it */
	end_component(x);
	_exit(EXIT_COMPONENT);
}

bool exec_how(struct exec *x, char *how, size_t size)
{
	struct pollfd end = { x->child_fd, POLLIN, 0 };
	if (x->child_fd >= 0) /* its sockets go a moment before the process */
		poll(&end, 1, 100);
	return exec_over(x, how, size);
}

void exec_ended(struct exec *x)
{
	char how[96] = "it closed its connection";
	exec_how(x, how, sizeof(how));
	exec_fail(x, "the component has ended: %s", how);
}

void exec_nonsense(struct exec *x, const char *format, ...)
{
	char text[256];
	va_list args;
	host_count(x->nonsense, 1);
	if (x->nonsense->value > NONSENSE_SAID)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	x->api->log(x->api, text);
}

/* ---- waiting -------------------------------------------------------------------------------------- */

static uint32_t wanted(const struct stream *s)
{
	return EPOLLIN | (s->out_n ? EPOLLOUT : 0);
}

bool exec_wait(struct exec *x, int ms)
{
	struct pollfd fds[STREAMS + WATCHED + 1];
	int n = 0;
	for (int i = 0; i < STREAMS; i++)
		if (x->stream[i].fd >= 0)
			fds[n++] = (struct pollfd){ x->stream[i].fd, (short)wanted(&x->stream[i]), 0 };
	for (unsigned i = 0; i < x->watched_n; i++)
		fds[n++] = (struct pollfd){ x->watched[i].fd,
					    (short)(POLLIN | (x->watched[i].write ? POLLOUT : 0)), 0 };
	if (x->child_fd >= 0)
		fds[n++] = (struct pollfd){ x->child_fd, POLLIN, 0 };
	return poll(fds, (nfds_t)n, ms > 0 ? ms : 0) > 0;
}

static void watch(struct exec *x, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLONESHOT };
	if (fd >= 0 && epoll_ctl(x->watch, EPOLL_CTL_MOD, fd, &event) < 0)
		epoll_ctl(x->watch, EPOLL_CTL_ADD, fd, &event);
}

/* The loop sleeps on a futex, which no descriptor can wake: this thread can. It touches nothing else. */
static void *watcher(void *arg)
{
	struct exec *x = arg;
	struct epoll_event event;
	for (;;)
		if (epoll_wait(x->watch, &event, 1, -1) > 0)
			host_wake(x->host);
	return NULL;
}

static int start_watcher(struct exec *x)
{
	pthread_t thread;
	x->watch = epoll_create1(EPOLL_CLOEXEC);
	if (x->watch >= 0 && pthread_create(&thread, NULL, watcher, x) == 0)
		return pthread_detach(thread);
	host_error(x->host, NULL, 0, "source", strerror(errno), "a thread that watches the component", NULL);
	return -1;
}

/* ---- packets -------------------------------------------------------------------------------------- */

bool exec_replace(struct exec *x, struct vnfc_packet *p, const uint8_t *data, uint32_t len)
{
	struct frame_record r = { 0 };
	uint8_t *frame = x->api->data + ((uint64_t)p->frame << x->api->frame_shift);
	if (p->data - frame > (ptrdiff_t)(x->api->frame_size - len) || len > x->api->frame_size) {
		if (len > x->api->frame_size - FRAME_HEADROOM)
			return false;
		p->data = frame + FRAME_HEADROOM;
	}
	memcpy(p->data, data, len);
	p->len = len;
	r.link = p->link;
	r.flags = p->flags;
	packet_parse(p->data, p->len, &r);
	p->flags = r.flags;
	p->l3 = r.l3;
	p->l4 = r.l4;
	p->l4_proto = r.l4_proto;
	return true;
}

static void look_overdue(void *user);

static void pump(struct exec *x)
{
	char how[96];
	x->engine->pump(x);
	host_lend(x->host, x->engine->owed ? x->engine->owed(x) : x->api->held);
	if (exec_over(x, how, sizeof(how)))
		exec_fail(x, "the component has ended: %s", how);
}

/* Capture mode: nothing moves until the component has said something about what it was given. */
static void wait_quiet(struct exec *x)
{
	uint64_t end = exec_clock() + ANSWER_NS;
	while (!x->engine->quiet(x)) {
		uint64_t now = exec_clock(), next = x->engine->overdue(x, now);
		if (now >= end || next == UINT64_MAX)
			return;
		uint64_t until = next < end ? next : end;
		exec_wait(x, until > now ? (int)((until - now) / 1000000) + 1 : 0);
		pump(x);
	}
}

/* Live: a timer as long as anything is owed, none while idle. */
static void look_again(struct exec *x)
{
	uint64_t now = exec_clock(), next = x->engine->overdue(x, now);
	if (next == UINT64_MAX || (x->timer && x->timer_at <= next))
		return;
	if (x->timer)
		x->api->timer_cancel(x->api, x->timer);
	x->timer_at = next;
	x->timer = x->api->timer_add(x->api, next > now ? next - now : 0, 0, look_overdue, x);
}

static void look_overdue(void *user)
{
	struct exec *x = user;
	x->timer = 0;
	pump(x);
	look_again(x);
}

static void burst(void *user, struct host *host, const uint32_t *frames, uint32_t n)
{
	struct exec *x = user;
	pump(x);
	for (uint32_t i = 0; i < n; i++) {
		host_prefetch(x->api, frames, i, n);
		struct vnfc_packet *p = host_packet(x->api, frames[i]);
		if (!p)
			continue;
		host_verdict(x->api, p, HOST_HOLD);
		if (p->place == VNFC_HELD) /* else there are too many: it went as hold_full */
			x->engine->hand(x, p);
	}
	pump(x);
	if (host_is_capture(host))
		wait_quiet(x);
	else
		look_again(x);
}

static void sleeping(void *user, bool begins)
{
	struct exec *x = user;
	if (!x->engine || x->watch < 0)
		return;
	if (begins) { /* level-triggered, once: wakes at once if something is there already */
		for (int i = 0; i < STREAMS; i++)
			watch(x, x->stream[i].fd, wanted(&x->stream[i]));
		for (unsigned i = 0; i < x->watched_n; i++)
			watch(x, x->watched[i].fd, EPOLLIN | (x->watched[i].write ? EPOLLOUT : 0));
		watch(x, x->child_fd, EPOLLIN);
		return;
	}
	pump(x);
	if (!host_is_capture(x->host))
		look_again(x);
	host_publish(x->host);
}

/* ---- life ----------------------------------------------------------------------------------------- */

static int init(void *user, struct host *host)
{
	struct exec *x = user;
	x->host = host;
	x->api = host_api(host);
	x->nonsense =
		host_declare_metric(host, METRIC_COUNTER, "nonsense",
				    "what the component sent and nobody could make sense of", "messages");
	if (!x->nonsense || x->engine->open(x) < 0 || start_watcher(x) < 0) {
		end_component(x);
		return -1;
	}
	return 0;
}

static int configure(void *user, struct host *host)
{
	struct exec *x = user;
	if (x->engine->configure)
		return x->engine->configure(x);
	host_error(host, NULL, 0, "config", "another configuration",
		   "the one that it was started with: a component of the engine coven-socket has no way to "
		   "be told",
		   "deploy the VNF anew");
	return -1;
}

static cJSON *request(void *user, struct host *host, const char *name, const cJSON *args, char *error,
		      size_t size)
{
	struct exec *x = user;
	(void)host;
	return x->engine->request(x, name, args, error, size);
}

static void finish(void *user, struct host *host)
{
	struct exec *x = user;
	(void)host;
	if (x->engine->leave)
		x->engine->leave(x);
	end_component(x);
}

static const struct engine *engine_named(const char *name)
{
	static const struct engine *const engines[] = { &framed_engine, &coven_socket_engine, &click_engine };
	for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++)
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "artifact", required_argument, NULL, 'a' },
						 { "engine", required_argument, NULL, 'e' },
						 { "name", required_argument, NULL, 'n' },
						 { "fds", required_argument, NULL, 'f' },
						 { NULL, 0, NULL, 0 } };
	static const struct language language = { .name = "exec",
						  .init = init,
						  .configure = configure,
						  .burst = burst,
						  .request = request,
						  .exit = finish,
						  .sleeping = sleeping };
	static struct exec x = { .child_fd = -1, .component_socket = -1, .watch = -1 };
	int fds[4] = { -1, -1, -1, -1 }, option;
	bool good = true;
	for (int i = 0; i < STREAMS; i++)
		x.stream[i].fd = -1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'a')
			x.artifact = optarg;
		else if (option == 'e')
			x.engine = engine_named(optarg);
		else if (option == 'f')
			good = good && host_parse_fds(optarg, fds) == 0;
		else if (option != 'n') /* the name is for whoever looks at the process list */
			good = false;
	}
	if (!good || !x.artifact || !x.engine || fds[3] < 0 || optind != argc) {
		fprintf(stderr,
			"usage: %s --artifact FILE --engine framed|coven-socket|click --name NAME "
			"--fds POOL,HOP,BELL,CONTROL\n",
			argv[0]);
		return 2;
	}
	for (int i = 0; i < 4; i++)
		fcntl(fds[i], F_SETFD, FD_CLOEXEC);
	prctl(PR_SET_DUMPABLE, 0); /* the component has our uid: keep it out of our memory and descriptors */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return host_run(fds, &language, &x);
}
