/* Core dumps of a VNFC that is being debugged. The kernel writes them into the process's current folder, and that is
 * the package, read-only here: on its way to the end the process goes to the folder in $COVEN_CORES, which the keeper
 * made for them. What failed then fails again, with nothing to catch it: the core shows the component, not this file.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "pps/c/cores.h"

#ifdef __SANITIZE_ADDRESS__ /* it has handlers of its own, which say more */
void leave_cores(void)
{
}
#else

static const char *folder;

static void go_there(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (chdir(folder) < 0)
		return; /* then without a core */
	/* Sent by somebody, so nothing fails again by itself. abort() does so on its own. */
	if (info->si_code <= 0 && number != SIGABRT)
		raise(number);
}

void leave_cores(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS };
	static char stack[32768]; /* the component's own may be what ran out */
	const stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct sigaction action = { .sa_sigaction = go_there,
					  .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND };
	folder = getenv("COVEN_CORES");
	if (folder == NULL || sigaltstack(&other, NULL) < 0)
		return;
	for (unsigned i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
		sigaction(fatal[i], &action, NULL);
}
#endif
