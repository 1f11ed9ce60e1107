/* Where a component hangs is told by a thread beside it, which wakes when the keeper asks (SIGXCPU): the machine's own
 * thread is in the component, and a signal's handler may hardly do anything.
 */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>
#include "pps/managed/managed.h"

static sem_t asked;

static void wake(int number)
{
	(void)number;
	sem_post(&asked);
}

void managed_listen(void)
{
	const struct sigaction action = { .sa_handler = wake, .sa_flags = SA_RESTART };
	sem_init(&asked, 0, 0);
	sigaction(SIGXCPU, &action, NULL);
}

void managed_await(void)
{
	while (sem_wait(&asked) < 0 && errno == EINTR)
		;
}

void managed_told(void)
{
	signal(SIGXCPU, SIG_DFL);
	kill(getpid(), SIGXCPU); /* as without all this */
}
