/* Where a component was when it hung or failed: a line for each frame of its stack, innermost first,
 * `    at FILE:LINE in FUNCTION`, files from the package's folder. Frames of others are left out. What the compiler
 * wrote about lines is read by addr2line, here, in the confinement: the artifact is the author's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include "pps/c/where.h"

#ifdef __SANITIZE_ADDRESS__ /* it has handlers of its own, which say more */
void where_begin(const char *artifact)
{
	(void)artifact;
}
void where_loaded(const void *symbol)
{
	(void)symbol;
}
#else

enum { FRAMES = 48, TOLD = 16, ADDRESS = 2 + 16 + 1, WORDS = 6, ANSWER = 16384 };

static struct {
	const char *artifact;
	const void *base;	    /* where it is mapped */
	char package[PATH_MAX + 1]; /* ends with a slash */
} self;

static uintptr_t interrupted_at(const void *context)
{
	const ucontext_t *at = context;
#if defined(__x86_64__)
	return (uintptr_t)at->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)at->uc_mcontext.pc;
#else
	(void)at;
	return 0;
#endif
}

/* The stack's addresses in the artifact, as texts behind each other; how many. */
static int addresses(const void *context, char text[][ADDRESS])
{
	void *frame[FRAMES];
	uintptr_t at = interrupted_at(context);
	int n = backtrace(frame, FRAMES), found = 0;
	for (int i = 0; i < n && found < TOLD; i++) {
		Dl_info in;
		if (!dladdr(frame[i], &in) || in.dli_fbase != self.base)
			continue;
		/* the others are where calls return to, which may be the next line */
		uintptr_t call = (uintptr_t)frame[i] - ((uintptr_t)frame[i] == at ? 0 : 1);
		snprintf(text[found++], ADDRESS, "%#llx", (unsigned long long)(call - (uintptr_t)self.base));
	}
	return found;
}

/* fork() would take locks that may be held. */
__attribute__((noinline)) static pid_t start(char *const *words, const int *out)
{
	pid_t child = vfork();
	if (child == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execv("/usr/bin/addr2line", words);
		_exit(127);
	}
	return child;
}

/* What addr2line answers: for each frame, inlined ones too, a line with the function, one with FILE:LINE. */
static size_t ask(char text[][ADDRESS], int n, char *answer, size_t size)
{
	char *words[WORDS + TOLD + 1] = { "addr2line", "-f", "-i", "-C", "-e", (char *)self.artifact };
	int out[2];
	size_t got = 0;
	ssize_t more;
	for (int i = 0; i < n; i++)
		words[WORDS + i] = text[i];
	if (pipe(out) < 0)
		return 0;
	pid_t child = start(words, out);
	close(out[1]);
	while (child > 0 && got < size && (more = read(out[0], answer + got, size - got)) > 0)
		got += (size_t)more;
	close(out[0]);
	if (child > 0)
		waitpid(child, NULL, 0);
	return got;
}

/* As the author wrote it: what the SDK's macros make has names of its own. */
static void author_name(char *name, size_t size, const char *function)
{
	static const char *const macro[][2] = { { "vnfc__handle", "VNFC_HANDLE" },
						{ "vnfc__handle_burst", "VNFC_HANDLE_BURST" },
						{ "vnfc__burst", "VNFC_HANDLE" }, /* it is in there */
						{ "vnfc__init", "VNFC_INIT" },
						{ "vnfc__configure", "VNFC_CONFIGURE" },
						{ "vnfc__exit", "VNFC_EXIT" } };
	static const char request[] = "vnfc__answer_";
	size_t n = strcspn(function, "(."); /* C++ parameters, .constprop.0 and the like */
	snprintf(name, size, "%.*s", (int)n, function);
	for (size_t i = 0; i < sizeof(macro) / sizeof(*macro); i++)
		if (strcmp(name, macro[i][0]) == 0)
			snprintf(name, size, "%s", macro[i][1]);
	if (strncmp(name, request, sizeof(request) - 1) == 0)
		snprintf(name, size, "VNFC_REQUEST(%.*s)", (int)(n - sizeof(request) + 1),
			 function + sizeof(request) - 1);
}

static void tell(char *answer)
{
	size_t inside = strlen(self.package);
	char *rest, name[256];
	dprintf(STDERR_FILENO, "Stack (most recent call first):\n");
	for (char *function = strtok_r(answer, "\n", &rest), *last = ""; function;
	     function = strtok_r(NULL, "\n", &rest)) {
		char *place = strtok_r(NULL, "\n", &rest);
		if (!place || strncmp(place, self.package, inside) != 0 || strcmp(place, last) == 0)
			continue;
		char *line = strrchr(place, ':');
		author_name(name, sizeof(name), function);
		if (line && atoi(line + 1) > 0)
			dprintf(STDERR_FILENO, "    at %.*s:%d in %s\n", (int)(line - place - (long)inside),
				place + inside, atoi(line + 1), name);
		last = place;
	}
}

static void asked(int number, siginfo_t *info, void *context)
{
	static char text[TOLD][ADDRESS], answer[ANSWER + 1];
	int n = self.base ? addresses(context, text) : 0;
	(void)info;
	if (n > 0) {
		answer[ask(text, n, answer, ANSWER)] = '\0';
		tell(answer);
	}
	raise(number); /* the handler is gone: this ends the process as nothing had been there */
}

void where_begin(const char *artifact)
{
	static const int signals[] = { SIGXCPU, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	static char stack[131072]; /* the component's own may be what ran out */
	const stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct sigaction action = { .sa_sigaction = asked,
					  .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND };
	struct sigaction before;
	void *first[1];
	if (!getcwd(self.package, sizeof(self.package) - 1))
		return;
	if (strcmp(self.package, "/") != 0)
		strcat(self.package, "/");
	self.artifact = artifact;
	backtrace(first, 1); /* loads what it needs, which a handler must not */
	if (sigaltstack(&other, NULL) < 0)
		return;
	for (unsigned i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(signals[i], &action, NULL);
}

void where_loaded(const void *symbol)
{
	Dl_info in;
	if (dladdr(symbol, &in))
		self.base = in.dli_fbase;
}
#endif
