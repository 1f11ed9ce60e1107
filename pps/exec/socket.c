/* engine: coven-socket. The convention of the original COVEN prototype, so that its components run unchanged:
 * the component listens on the TCP port `input`, reads one packet with each recv(), and connects to the port
 * `output`, where it sends on what shall go on. What it does not send on, it has dropped.
 *
 * A stream has no borders, and a component that is slow would read two packets as one. So there is never more
 * than one packet unread at it: the next is sent when it has answered, or when the kernel says that it has
 * read. What comes back is cut by the length that it says in its IP header.
 */
#define _GNU_SOURCE /* memmem */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pps/exec/exec.h"

enum {
	PATIENCE_MOST_MS = 800, /* of capture mode: the watchdog looks on */
	TRY_AGAIN_MS = 10,	/* TCP does not say when somebody begins to listen */
	AGENT_BYTES = 1500,	/* of a request to its extended agent, and of the answer */
	QUESTIONS = 16,
};
static const uint64_t UNREAD_NS =
	1000000; /* without an answer, until we ask the kernel whether it has read */

struct given { /* a packet that it has or will get */
	struct vnfc_packet *p;
	uint64_t since; /* when it was sent, 0: not yet */
	uint32_t bytes; /* that were sent */
};

struct socket_engine {
	struct given *list;	    /* oldest first; a circle of api->frames + 1 */
	uint32_t first, last, next; /* next: the first that was not sent */
	uint64_t patience;
	bool unread;   /* the one before `next` may not have been read, */
	bool blocked;  /* and `next` waits for that */
	uint64_t look; /* when to ask the kernel whether it has read */
	uint8_t port;  /* that the last packet came in by */
	uint8_t link;
	int not_sent_on, unread_reason;
	uint16_t input, local; /* the TCP ports of the connection to it */
	int agent;
	const char *question[QUESTIONS]; /* what its agent understands, */
	char *name[QUESTIONS];		 /* under these names */
	uint32_t questions;
};

static uint32_t circle(const struct exec *x)
{
	return x->api->frames + 1;
}

/* ---- to the component ----------------------------------------------------------------------------- */

/* Bytes that lie unread at the component's end, -1 if the kernel does not say. */
static long unread_bytes(const struct socket_engine *e)
{
	static const char *const tables[] = { "/proc/net/tcp", "/proc/net/tcp6" };
	char line[512];
	long found = -1;
	for (int i = 0; i < 2 && found < 0; i++) {
		FILE *table = fopen(tables[i], "re");
		unsigned local, remote, state, waiting;
		while (table && found < 0 && fgets(line, sizeof(line), table))
			if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%x %x %*x:%x", &local, &remote,
				   &state, &waiting) == 4 &&
			    local == e->input && remote == e->local)
				found = waiting;
		if (table)
			fclose(table);
	}
	return found;
}

static void send_waiting(struct exec *x)
{
	struct socket_engine *e = x->state;
	struct stream *s = &x->stream[0];
	while (e->next != e->last && s->out_n == 0 && !s->ended) {
		e->blocked =
			e->unread; /* its answer is the quick way to know, overdue() looks for the slow */
		if (e->blocked)
			return;
		struct given *g = &e->list[e->next];
		uint32_t bytes = exec_says_length(g->p->data, g->p->len, g->p->link);
		g->bytes = bytes && bytes < g->p->len ? bytes : g->p->len; /* without padding */
		if (!stream_put(s, g->p->data, g->bytes))
			exec_fail(x, "out of memory for a packet to the component");
		stream_flush(s);
		e->port = g->p->port;
		e->link = g->p->link;
		e->unread = true;
		g->since = exec_clock();
		e->look = g->since + UNREAD_NS;
		e->next = (e->next + 1) % circle(x);
	}
}

static void hand(struct exec *x, struct vnfc_packet *p)
{
	struct socket_engine *e = x->state;
	e->list[e->last] = (struct given){ .p = p };
	e->last = (e->last + 1) % circle(x);
	send_waiting(x);
}

/* ---- from the component --------------------------------------------------------------------------- */

static void settle_first(struct exec *x, vnfc_verdict verdict)
{
	struct socket_engine *e = x->state;
	struct vnfc_packet *p = e->list[e->first].p;
	if (e->next == e->first)
		e->next = (e->next + 1) % circle(x);
	e->first = (e->first + 1) % circle(x);
	x->api->release(x->api, p, verdict);
}

/* Are these the same packet, one of them changed? What a middlebox leaves alone is compared. */
static bool alike(const struct given *g, const uint8_t *data, uint32_t n)
{
	struct frame_record r = { .link = g->p->link };
	packet_parse(data, n, &r);
	if (r.l3 == OFFSET_NONE || g->p->l3 == OFFSET_NONE || r.l3 + 20u > n || g->p->l3 + 20u > g->p->len)
		return false;
	const uint8_t *a = g->p->data + g->p->l3, *b = data + r.l3;
	if (a[0] >> 4 != b[0] >> 4)
		return false;
	if (a[0] >> 4 == 4) /* identification, protocol */
		return memcmp(a + 4, b + 4, 2) == 0 && a[9] == b[9];
	return memcmp(a, b, 4) == 0 && a[6] == b[6]; /* traffic class, flow label, next header */
}

/* The packet that these bytes were, as its place in the list; `last` if it is none that the component has. */
static uint32_t which(struct exec *x, const uint8_t *data, uint32_t n, bool same)
{
	struct socket_engine *e = x->state;
	for (uint32_t i = e->first; i != e->next; i = (i + 1) % circle(x)) {
		const struct given *g = &e->list[i];
		if (same ? g->bytes == n && memcmp(g->p->data, data, n) == 0 : alike(g, data, n))
			return i;
	}
	return e->last;
}

static void make_new(struct exec *x, const uint8_t *data, uint32_t n)
{
	struct socket_engine *e = x->state;
	struct vnfc_packet *p = x->api->make(x->api);
	if (!p)
		return; /* no frame to be had: nothing came into being */
	p->link = e->link;
	if (exec_replace(x, p, data, n))
		x->api->emit(x->api, p, 0, e->port);
	else
		x->api->discard(x->api, p);
}

static void came_back(struct exec *x, const uint8_t *data, uint32_t n)
{
	struct socket_engine *e = x->state;
	uint32_t at = which(x, data, n, true);
	bool same = at != e->last;
	if (!same)
		at = which(x, data, n, false);
	if (at == e->last) {
		make_new(x, data, n);
		return;
	}
	if ((at + 1) % circle(x) == e->next)
		e->unread = false;
	while (e->first != at) /* it takes one after the other: those it has passed over */
		settle_first(x, HOST_DROP(e->not_sent_on));
	bool fits = same || exec_replace(x, e->list[at].p, data, n);
	settle_first(x, fits ? HOST_FORWARD(0) : HOST_NO_VERDICT);
}

/* Where the packet that it was sent last begins in what was read, unchanged; n if it does not. */
static size_t last_given(struct exec *x, const uint8_t *data, size_t n)
{
	struct socket_engine *e = x->state;
	const struct given *g = &e->list[(e->next + circle(x) - 1) % circle(x)];
	const uint8_t *at = e->first != e->next ? memmem(data, n, g->p->data, g->bytes) : NULL;
	return at ? (size_t)(at - data) : n;
}

/* Bytes at the front of what was read that belong together, a packet unless *packet says otherwise; 0: they are
 * not all there. */
static uint32_t front(struct exec *x, const uint8_t *data, size_t n, bool *packet)
{
	struct socket_engine *e = x->state;
	*packet = true;
	for (uint32_t i = e->first; i != e->next; i = (i + 1) % circle(x)) {
		const struct given *g = &e->list[i]; /* unchanged: no need to cut by what it says */
		if (g->bytes <= n && memcmp(g->p->data, data, g->bytes) == 0)
			return g->bytes;
	}
	uint32_t says = exec_says_length(data, n, e->link), most = x->api->frame_size - FRAME_HEADROOM;
	if (says == 0 || says > n || says > most) {
		size_t known = last_given(x, data, n);
		*packet = known == n && n >= 14 && n <= most;
		/* up to what is known again; if it does not say its length, what came at once is one packet */
		return known < n || says > most ? (uint32_t)known : 0;
	}
	/* padding of a short frame, if the component put it back */
	uint32_t padded = says;
	while (padded < n && padded < 60 && data[padded] == 0)
		padded++;
	return padded == n ? padded : says;
}

static void pump(struct exec *x)
{
	struct stream *s = &x->stream[1];
	const int on = 1;
	size_t at = 0, before = s->in_n;
	stream_read(s);
	if (s->in_n >
	    before) /* the component has Nagle's algorithm on: it waits for this; lasts for one read */
		setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
	while (at < s->in_n) {
		bool packet;
		uint32_t n = front(x, s->in + at, s->in_n - at, &packet);
		if (n == 0)
			break;
		if (packet)
			came_back(x, s->in + at, n);
		else
			exec_nonsense(x, "%u bytes that are no packet", n);
		at += n;
	}
	stream_eat(s, at);
	stream_flush(&x->stream[0]);
	send_waiting(x);
	if (s->ended || x->stream[0].ended)
		exec_ended(x);
}

static bool quiet(struct exec *x)
{
	struct socket_engine *e = x->state;
	return e->first == e->last;
}

/* The last one that it was sent is not the component's yet while it lies unread. */
static bool is_unread(struct exec *x, uint32_t at)
{
	struct socket_engine *e = x->state;
	return (at + 1) % circle(x) == e->next && e->unread && unread_bytes(e) > 0;
}

/* No answer to the last one: if it has been read, the next may follow. Returns when to look again. */
static uint64_t unblock(struct exec *x, uint64_t now)
{
	struct socket_engine *e = x->state;
	if (!e->blocked)
		return UINT64_MAX;
	if (now < e->look)
		return e->look;
	e->unread = unread_bytes(e) > 0; /* milliseconds, where the kernel's table is large */
	if (!e->unread)
		send_waiting(x);
	else
		e->look = exec_clock() + UNREAD_NS;
	return e->blocked ? e->look : UINT64_MAX;
}

static uint64_t overdue(struct exec *x, uint64_t now)
{
	struct socket_engine *e = x->state;
	uint64_t next = UINT64_MAX, look = unblock(x, now);
	while (e->first != e->next) {
		uint64_t since = e->list[e->first].since;
		next = since + e->patience;
		if (now < next)
			break;
		if (!is_unread(x, e->first)) {
			settle_first(x, HOST_DROP(e->not_sent_on));
			next = UINT64_MAX;
			continue;
		}
		next = since + ANSWER_NS;
		if (now < next)
			break;
		while (e->first != e->last)
			settle_first(x, HOST_DROP(e->unread_reason));
		exec_fail(x, "the component has read nothing for %g s with packets waiting",
			  (double)ANSWER_NS / 1e9);
	}
	return look < next ? look : next;
}

/* ---- its extended agent ----------------------------------------------------------------------------- */

static int connect_to(int port, int ms)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { ms / 1000, ms % 1000 * 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	int error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

static cJSON *request(struct exec *x, const char *name, const cJSON *args, char *error, size_t size)
{
	struct socket_engine *e = x->state;
	char answer[AGENT_BYTES + 1];
	ssize_t n = -1, more = 0;
	uint32_t i = 0;
	(void)args;
	while (i < e->questions && strcmp(e->name[i], name) != 0)
		i++;
	int fd = i < e->questions ? connect_to(e->agent, REQUEST_MS / 2) : -1;
	if (fd >= 0 && send(fd, e->question[i], strlen(e->question[i]), MSG_NOSIGNAL) >= 0)
		for (n = 0; n < AGENT_BYTES; n += more)
			if ((more = recv(fd, answer + n, (size_t)(AGENT_BYTES - n), 0)) <= 0)
				break;
	if (n <= 0)
		snprintf(error, size, "the component's agent at port %d %s: %s", e->agent,
			 fd < 0 ? "is not reached" : "does not answer",
			 fd < 0 || more < 0 ? strerror(errno) : "an empty answer");
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return NULL;
	while (n > 0 && (answer[n - 1] == '\n' || answer[n - 1] == '\r'))
		n--;
	answer[n] = '\0';
	return cJSON_CreateString(answer);
}

/* ---- life ----------------------------------------------------------------------------------------- */

static int port_of(struct exec *x, const char *key, bool must)
{
	const cJSON *at = cJSON_GetObjectItemCaseSensitive(host_config(x->host), key);
	if (cJSON_IsNumber(at) && at->valueint > 0 && at->valueint < 65536)
		return at->valueint;
	if (at || must) {
		char field[40], *found = at ? cJSON_PrintUnformatted(at) : NULL;
		snprintf(field, sizeof(field), "config.%s", key);
		host_error(x->host, NULL, 0, field, found ? found : "nothing", "a TCP port, 1 to 65535",
			   "the port that the component's source names");
		cJSON_free(found);
	}
	return must || at ? -1 : 0;
}

static int listen_at(struct exec *x, int port)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	const int on = 1, off = 0;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0); /* both families: `localhost` is either */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0)
		return fd;
	host_error(x->host, NULL, 0, "config.output", strerror(errno), "a TCP port to listen on",
		   "see whether the confinement allows a network: coven doctor");
	if (fd >= 0)
		close(fd);
	return -1;
}

static int give_up(struct exec *x, const char *expected)
{
	char how[96] = "not within 8 s";
	exec_how(x, how, sizeof(how));
	host_error(x->host, NULL, 0, "source", how, expected,
		   "see docs/exec.md, and what it wrote in the logs");
	return -1;
}

/* Wait ms or for the component's end. */
static bool lives_on(struct exec *x, int ms)
{
	struct pollfd end = { x->child_fd, POLLIN, 0 };
	return poll(&end, x->child_fd >= 0, ms) == 0;
}

static int shake_hands(struct exec *x, int listening)
{
	struct socket_engine *e = x->state;
	struct sockaddr_in own;
	socklen_t size = sizeof(own);
	const int on = 1;
	uint64_t end = exec_clock() + (uint64_t)OPEN_MS * 1000000;
	int to = -1, from = -1;
	while ((to = connect_to(e->input, OPEN_MS)) < 0 && errno == ECONNREFUSED && exec_clock() < end &&
	       lives_on(x, TRY_AGAIN_MS))
		;
	if (to < 0)
		return give_up(x, "a component that listens on the TCP port `input`");
	setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	getsockname(to, (struct sockaddr *)&own, &size);
	e->local = ntohs(own.sin_port);
	stream_open(&x->stream[0], to);
	struct pollfd both[] = { { listening, POLLIN, 0 }, { x->child_fd, POLLIN, 0 } };
	uint64_t now = exec_clock();
	if (poll(both, 2, now < end ? (int)((end - now) / 1000000) : 0) > 0 && both[0].revents)
		from = accept(listening, NULL, NULL);
	if (from < 0)
		return give_up(x, "a component that connects to the TCP port `output`");
	stream_open(&x->stream[1], from);
	return 0;
}

static void learn_questions(struct exec *x)
{
	struct socket_engine *e = x->state;
	const cJSON *at;
	cJSON_ArrayForEach(at, cJSON_GetObjectItemCaseSensitive(host_config(x->host), "requests"))
	{
		if (!cJSON_IsString(at) || e->questions == QUESTIONS ||
		    host_declare_request(x->host, at->string, "asked of the component's own agent", "", NULL,
					 true) < 0) /* what it does, nobody says */
			continue;
		e->question[e->questions] = strdup(at->valuestring);
		e->name[e->questions++] = strdup(at->string);
	}
}

static int open_socket(struct exec *x)
{
	struct socket_engine *e = calloc(1, sizeof(*e));
	const cJSON *patience = cJSON_GetObjectItemCaseSensitive(host_config(x->host), "patience_ms");
	x->state = e;
	if (e)
		e->list = calloc(x->api->frames + 1, sizeof(*e->list));
	if (!e || !e->list) {
		host_error(x->host, NULL, 0, "source", "out of memory", "memory for its packets", NULL);
		return -1;
	}
	int input = port_of(x, "input", true), output = port_of(x, "output", true);
	e->agent = port_of(x, "agent", false);
	e->patience = ANSWER_NS;
	if (cJSON_IsNumber(patience) && patience->valuedouble >= 1 &&
	    patience->valuedouble <= PATIENCE_MOST_MS)
		e->patience = (uint64_t)patience->valuedouble * 1000000;
	else if (patience)
		host_error(x->host, NULL, 0, "config.patience_ms", "another value", "1 to 800 ms", NULL);
	e->not_sent_on = host_declare_reason(x->host, "not_sent_on",
					     "the component was given this packet and did not send it on");
	e->unread_reason =
		host_declare_reason(x->host, "unread", "the component did not read packets any more");
	if (input < 0 || output < 0 || e->agent < 0 || e->not_sent_on < 0 || e->unread_reason < 0)
		return -1;
	e->input = (uint16_t)input;
	learn_questions(x);
	int listening = listen_at(x, output);
	if (listening < 0 || exec_start(x) < 0)
		return -1;
	int done = shake_hands(x, listening);
	close(listening);
	return done;
}

const struct engine coven_socket_engine = { .name = "coven-socket",
					    .open = open_socket,
					    .hand = hand,
					    .pump = pump,
					    .quiet = quiet,
					    .overdue = overdue,
					    .request = request };
