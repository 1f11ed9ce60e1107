/* engine: click, the begin and the end: what the build has written, the sockets, and the process itself. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "pps/exec/click.h"

enum { SENT_LEAST = 16384 };
static const uint64_t PATIENCE_NS = 100000000;
static const double PATIENCE_MOST = 700; /* ms: below ANSWER_NS */

static int no(struct exec *x, const char *found, const char *expected, const char *remedy)
{
	return host_error(x->host, NULL, 0, "engine", found, expected, remedy), -1;
}

static int read_artifact(struct exec *x)
{
	struct click_process *c = x->state;
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(x->artifact, "re");
	if (file && getdelim(&text, &size, '\0', file) > 0)
		c->known = cJSON_Parse(text);
	if (file)
		fclose(file);
	free(text);
	const cJSON *click = cJSON_GetObjectItemCaseSensitive(c->known, "click");
	c->click = cJSON_IsString(click) ? click->valuestring : NULL;
	return c->click ? 0
			: no(x, "a build that cannot be read", "what the build of a Click process wrote",
			     NULL);
}

static int number_in(const cJSON *ports, const char *name)
{
	const cJSON *number =
		cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(ports, name), "number");
	return cJSON_IsNumber(number) ? number->valueint : -1;
}

static const char unconfined[] =
	"`engine: compiled` runs without namespaces as well; `coven doctor` says why "
	"there are none";

/* A datagram socket with a name in our folder. */
static int bound(struct exec *x, const char *name, const char *peer)
{
	struct click_process *c = x->state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", c->folder, name);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0) {
		snprintf(at.sun_path, sizeof(at.sun_path), "%s/%s", c->folder, peer ? peer : "");
		if (!peer || connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
			return fd;
	}
	no(x, strerror(errno), "a socket for Click", unconfined);
	if (fd >= 0)
		close(fd);
	return -1;
}

static unsigned watch_fd(struct exec *x, int fd)
{
	x->watched[x->watched_n].fd = fd;
	return x->watched_n++;
}

static int name_devices(struct exec *x)
{
	struct click_process *c = x->state;
	const cJSON *each, *froms = cJSON_GetObjectItemCaseSensitive(c->known, "from"), *output;
	bool alone = cJSON_GetArraySize(froms) == 1;
	cJSON_ArrayForEach(each, froms)
	{
		struct click_device *d = &c->device[c->devices];
		if (c->devices == CLICK_DEVICES)
			return no(x, "too many FromDevices", "one a port", NULL);
		snprintf(d->name, sizeof(d->name), "%s", each->valuestring);
		d->port = alone ? -1 : number_in(host_ports(x->host), d->name);
		if (!alone && d->port < 0)
			return no(x, d->name, "FromDevice(NAME) of a port of the VNF", NULL);
		c->devices++;
	}
	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(c->known, "to"))
	{
		struct click_end *end = &c->end[c->ends];
		int i = 0;
		if (c->ends == CLICK_ENDS)
			return no(x, "too many ToDevices", "one an output", NULL);
		snprintf(end->name, sizeof(end->name), "%s", each->valuestring);
		end->output = strcmp(end->name, "back") == 0 ? OUTPUT_BACK : -1;
		cJSON_ArrayForEach(output, host_outputs(x->host))
		{
			if (strcmp(output->valuestring, end->name) == 0)
				end->output = i;
			i++;
		}
		end->port = number_in(host_ports(x->host), end->name);
		if (end->output < 0 && end->port < 0)
			return no(x, end->name,
				  "ToDevice(NAME) of an output of this VNFC, a port of the VNF, or back",
				  NULL);
		c->ends++;
	}
	return 0;
}

/* Start Click and wait until it runs. */
static int start(struct exec *x)
{
	static char control[128], sockets[128];
	static char *words[6];
	struct click_process *c = x->state;
	snprintf(control, sizeof(control), "%s/control", c->folder);
	snprintf(sockets, sizeof(sockets), "COVEN_SOCKETS=%s", c->folder);
	words[0] = (char *)c->click;
	words[1] = "--unix-socket";
	words[2] = control;
	words[3] = cJSON_GetObjectItemCaseSensitive(c->known, "configuration")->valuestring;
	words[4] = sockets;
	x->words = words;
	int out = bound(x, "out", NULL);
	if (out < 0)
		return -1;
	c->out = watch_fd(x, out);
	if (exec_start(x) < 0)
		return -1;
	uint64_t now, end = exec_clock() + (uint64_t)OPEN_MS * 1000000;
	char how[96] = "it does not run after 8 s";
	bool over = false;
	while (!c->ready && !over && (now = exec_clock()) < end) {
		exec_wait(x, (int)((end - now) / 1000000) + 1);
		click_pump(x);
		over = !c->ready && exec_over(x, how, sizeof(how));
	}
	if (c->ready)
		return 0;
	return no(x, how, "Click runs the configuration", "see what it wrote in the logs");
}

static void say_why(struct exec *x)
{
	struct click_process *c = x->state;
	char text[512];
	const cJSON *why = cJSON_GetObjectItemCaseSensitive(c->known, "why");
	snprintf(text, sizeof(text), "engine click: the configuration runs in a process of %s: %s", c->click,
		 cJSON_IsString(why) ? why->valuestring : "");
	x->api->log(x->api, text);
}

int click_patience(struct exec *x)
{
	struct click_process *c = x->state;
	const cJSON *given = cJSON_GetObjectItemCaseSensitive(host_config(x->host), "patience_ms");
	c->patience = host_is_capture(x->host) ? 0 : PATIENCE_NS;
	if (!given)
		return 0;
	if (cJSON_IsNumber(given) && given->valuedouble >= 0 && given->valuedouble <= PATIENCE_MOST) {
		c->patience = (uint64_t)(given->valuedouble * 1e6);
		return 0;
	}
	char *found = cJSON_PrintUnformatted(given);
	host_error(x->host, NULL, 0, "config.patience_ms", found, "milliseconds, 0 to 700", NULL);
	cJSON_free(found);
	return -1;
}

int click_open(struct exec *x)
{
	struct click_process *c = calloc(1, sizeof(*c));
	uint32_t size = SENT_LEAST;
	while (size < 4 * x->api->hold_max)
		size *= 2;
	x->state = c;
	if (!c || !(c->sent = calloc(size, sizeof(*c->sent))))
		return no(x, "out of memory", "memory for packets", NULL);
	c->mask = size - 1;
	c->oldest = 1;
	strcpy(c->folder, "/tmp/coven-click.XXXXXX");
	c->reason_lost = host_declare_reason(x->host, "not_sent_on",
					     "Click dropped it, or keeps it longer than "
					     "it is waited for");
	c->reason_silent = host_declare_reason(x->host, "unanswered", "Click read nothing for 0.8 s");
	c->reason_nowhere =
		host_declare_reason(x->host, "no_device", "no FromDevice takes packets from that port");
	if (c->reason_lost < 0 || c->reason_silent < 0 || c->reason_nowhere < 0 || read_artifact(x) < 0 ||
	    name_devices(x) < 0 || click_patience(x) < 0)
		return -1;
	if (!mkdtemp(c->folder))
		return errno == EACCES
			       ? no(x, "click, at confinement `reduced`",
				    "a /tmp of its own, for the sockets of the Click process", unconfined)
			       : no(x, strerror(errno), "a folder in /tmp for sockets", NULL);
	c->named = c->devices;
	c->devices = 0; /* there are no sockets of theirs to read from before Click runs */
	if (start(x) < 0)
		return -1;
	for (unsigned i = 0; i < c->named; i++) {
		char ours[CLICK_DEVICE + 8], theirs[CLICK_DEVICE + 8];
		snprintf(ours, sizeof(ours), "to-%s", c->device[i].name);
		snprintf(theirs, sizeof(theirs), "from-%s", c->device[i].name);
		int fd = bound(x, ours, theirs);
		if (fd < 0)
			return -1;
		c->device[i].watched = watch_fd(x, fd);
		c->devices++;
	}
	if (click_connect(x) < 0)
		return no(x, strerror(errno), "Click's ControlSocket", NULL);
	if (click_declare(x) < 0 || click_configure(x) < 0)
		return -1;
	say_why(x);
	return 0;
}

/* Its sockets have names in a folder that others may see where there is no /tmp of our own. */
void click_tidy(struct exec *x)
{
	const struct click_process *c = x->state;
	char path[128];
	if (!c || !*c->folder)
		return;
	static const char *const fixed[] = { "out", "control" };
	for (unsigned i = 0; i < c->named; i++) {
		snprintf(path, sizeof(path), "%s/to-%s", c->folder, c->device[i].name);
		unlink(path);
		snprintf(path, sizeof(path), "%s/from-%s", c->folder, c->device[i].name);
		unlink(path);
	}
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", c->folder, fixed[i]);
		unlink(path);
	}
	rmdir(c->folder);
}
