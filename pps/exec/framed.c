/* engine: framed. Messages with a length in front, both ways over one stream; docs/exec.md is their
 * description. Numbers are in network order.
 *
 *	u32 length of all that follows   u8 kind   u8 a   u16 b   u32 id   body
 */
#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pps/exec/exec.h"

enum {
	HEAD = 12,   /* bytes of a message's head, its length included */
	PACKET = 32, /* what stands between the head and a packet's bytes */
	JSON_MOST = 65536,
	SOCKET_BYTES = 1 << 20,
	METRICS_MOST = HOP_METRICS - 1,
	WORD = 0x00ffffff, /* of an id: the frame */
};

enum { A_FORWARD = 1, A_DROP = 2, A_CONSUME = 3, A_HOLD = 4 };
enum asked { NOT_ASKED = 0, ASKED = 1, KEPT = 2 }; /* a frame: verdict owed; held until it says otherwise */

struct framed {
	uint8_t *asked, *turn; /* by frame: enum asked; tells this use of the frame from the last */
	uint64_t *since;       /* by frame: when it was asked */
	uint32_t owing;
	uint64_t heard; /* when it last said anything */
	uint64_t due;	/* nothing is overdue before */
	int unanswered;
	int reason[REASONS - REASON_DECLARED];
	struct hop_metric_cell *metric[METRICS_MOST];
	uint32_t reasons, metrics, asks;
	cJSON *answer; /* to the last question */
	char why[200]; /* or why there is none */
	bool answered, ready;
	uint32_t question;
};

struct message {
	uint8_t kind, a;
	uint16_t b;
	uint32_t id;
	const uint8_t *body;
	uint32_t size;
};

/* ---- to the component ----------------------------------------------------------------------------- */

static void put_head(uint8_t *head, char kind, uint8_t a, uint16_t b, uint32_t id, uint32_t body)
{
	uint32_t length = htonl(HEAD - 4 + body), number = htonl(id);
	uint16_t half = htons(b);
	memcpy(head, &length, 4);
	head[4] = (uint8_t)kind;
	head[5] = a;
	memcpy(head + 6, &half, 2);
	memcpy(head + 8, &number, 4);
}

static void say(struct exec *x, char kind, uint32_t id, cJSON *body)
{
	uint8_t head[HEAD];
	char *text = body ? cJSON_PrintUnformatted(body) : NULL;
	size_t n = text ? strlen(text) : 0;
	put_head(head, kind, 0, 0, id, (uint32_t)n);
	if (!stream_put(&x->stream[0], head, HEAD) || !stream_put(&x->stream[0], text ? text : "", n))
		exec_fail(x, "out of memory for a message to the component");
	stream_flush(&x->stream[0]);
	cJSON_free(text);
	cJSON_Delete(body);
}

static void hand(struct exec *x, struct vnfc_packet *p)
{
	struct framed *f = x->state;
	uint8_t head[HEAD + PACKET] = { 0 };
	uint32_t id = (uint32_t)++f->turn[p->frame] << 24 | p->frame, mark = htonl(p->mark);
	uint64_t time = htobe64(p->time_ns);
	put_head(head, 'P', 0, 0, id, PACKET + p->len);
	memcpy(head + 12, &time, 8);
	memcpy(head + 20, &mark, 4);
	head[24] = p->port;
	head[25] = p->link;
	head[27] = vnfc__watched(p);
	memcpy(head + 28, p->context, 16);
	if (!stream_put(&x->stream[0], head, sizeof(head)) || !stream_put(&x->stream[0], p->data, p->len))
		exec_fail(x, "out of memory for a packet to the component");
	f->asked[p->frame] = ASKED;
	f->since[p->frame] = exec_clock();
	if (f->owing++ == 0) {
		f->heard = f->since[p->frame]; /* silence begins now at the earliest */
		f->due = f->heard + ANSWER_NS;
	}
}

/* ---- from the component --------------------------------------------------------------------------- */

/* The packet that an id stands for, if the component has it. */
static struct vnfc_packet *packet_of(struct exec *x, uint32_t id)
{
	struct framed *f = x->state;
	uint32_t frame = id & WORD;
	if (frame >= x->api->frames || f->asked[frame] == NOT_ASKED || f->turn[frame] != id >> 24)
		return NULL;
	return &x->api->packets[frame];
}

static void settle(struct exec *x, struct vnfc_packet *p, vnfc_verdict verdict)
{
	struct framed *f = x->state;
	f->owing -= f->asked[p->frame] == ASKED;
	f->asked[p->frame] = NOT_ASKED;
	x->api->release(x->api, p, verdict);
}

/* Mark, context and bytes that it wants the packet to have. */
static bool take_over(struct exec *x, struct vnfc_packet *p, const struct message *m)
{
	uint32_t mark;
	if (m->size < PACKET || !exec_replace(x, p, m->body + PACKET, m->size - PACKET))
		return false;
	memcpy(&mark, m->body + 8, 4);
	p->mark = ntohl(mark);
	memcpy(p->context, m->body + 16, 16);
	return true;
}

static vnfc_verdict verdict_of(struct exec *x, const struct message *m)
{
	struct framed *f = x->state;
	if (m->a == A_FORWARD)
		return HOST_FORWARD(m->b);
	if (m->a == A_CONSUME)
		return HOST_CONSUME;
	if (m->a == A_DROP && m->b < f->reasons)
		return HOST_DROP(f->reason[m->b]);
	exec_nonsense(x,
		      "verdict %u with %u: found neither forward (1), drop (2) with one of %u reasons, "
		      "consume (3) nor hold (4)",
		      m->a, m->b, f->reasons);
	return HOST_NO_VERDICT;
}

static void on_verdict(struct exec *x, const struct message *m)
{
	struct framed *f = x->state;
	struct vnfc_packet *p = packet_of(x, m->id);
	if (!p) {
		exec_nonsense(x, "a verdict for packet %08x, which the component does not have", m->id);
		return;
	}
	if (m->size && !take_over(x, p, m)) {
		exec_nonsense(x, "a packet of %u bytes, which cannot be", m->size);
		settle(x, p, HOST_NO_VERDICT);
		return;
	}
	if (m->a != A_HOLD) {
		settle(x, p, verdict_of(x, m));
		return;
	}
	f->owing -= f->asked[p->frame] == ASKED;
	f->asked[p->frame] = KEPT;
	vnfc__progress(x->api);
}

/* What leads to the verdict that follows. */
static void on_note(struct exec *x, const struct message *m)
{
	struct vnfc_packet *p = packet_of(x, m->id);
	char text[FRAME_NOTE] = "";
	if (!p) {
		exec_nonsense(x, "a note on packet %08x, which the component does not have", m->id);
		return;
	}
	memcpy(text, m->body, m->size < FRAME_NOTE - 1 ? m->size : FRAME_NOTE - 1);
	if (vnfc__watched(p))
		vnfc__note(x->api, p, text);
}

static void on_new(struct exec *x, const struct message *m)
{
	struct vnfc_packet *from = m->id ? packet_of(x, m->id) : NULL, *p;
	if (m->size < PACKET || (m->id && !from)) {
		exec_nonsense(x, m->id && !from ? "a copy of a packet that the component does not have"
						: "a new packet without bytes");
		return;
	}
	p = from ? x->api->clone(x->api, from) : x->api->make(x->api);
	if (!p)
		return; /* no frame to be had: nothing came into being */
	p->link = from ? from->link : m->body[13];
	p->port = m->body[12];
	if (take_over(x, p, m))
		x->api->emit(x->api, p, m->b, p->port);
	else
		x->api->discard(x->api, p);
}

static void on_metric(struct exec *x, const struct message *m)
{
	struct framed *f = x->state;
	uint64_t bits;
	double value;
	if (m->size != 8 || m->b >= f->metrics) {
		exec_nonsense(x, "a value for metric %u, of which there are %u", m->b, f->metrics);
		return;
	}
	memcpy(&bits, m->body, 8);
	bits = be64toh(bits);
	memcpy(&value, &bits, 8);
	struct hop_metric_cell *cell = f->metric[m->b];
	if (cell->kind == METRIC_COUNTER)
		host_count(cell, value >= 1 ? (uint64_t)value : 0);
	else if (cell->kind == METRIC_GAUGE)
		host_set(cell, value);
	else
		host_observe(cell, value);
}

static const char *text_of(const cJSON *in, const char *name)
{
	const cJSON *at = cJSON_GetObjectItemCaseSensitive(in, name);
	return cJSON_IsString(at) ? at->valuestring : "";
}

/* What a ready message declares. */
static void declare(struct exec *x, const cJSON *ready)
{
	static const char *const kinds[] = { "counter", "gauge", "histogram" };
	struct framed *f = x->state;
	const cJSON *at;
	cJSON_ArrayForEach(at, cJSON_GetObjectItemCaseSensitive(ready, "reasons"))
	{
		int id = host_declare_reason(x->host, text_of(at, "name"), text_of(at, "why"));
		if (id >= 0 && f->reasons < sizeof(f->reason) / sizeof(*f->reason))
			f->reason[f->reasons++] = id;
	}
	cJSON_ArrayForEach(at, cJSON_GetObjectItemCaseSensitive(ready, "metrics"))
	{
		uint32_t kind = METRIC_COUNTER;
		for (uint32_t i = 0; i < 3; i++)
			if (strcmp(text_of(at, "kind"), kinds[i]) == 0)
				kind = METRIC_COUNTER + i;
		struct hop_metric_cell *cell = host_declare_metric(x->host, kind, text_of(at, "name"),
								   text_of(at, "why"), text_of(at, "unit"));
		if (cell && f->metrics < METRICS_MOST)
			f->metric[f->metrics++] = cell;
	}
	cJSON_ArrayForEach(at, cJSON_GetObjectItemCaseSensitive(ready, "requests"))
		host_declare_request(x->host, text_of(at, "name"), text_of(at, "why"), text_of(at, "unit"),
				     cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(at, "args"), true),
				     cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(at, "changes")));
}

static void on_answer(struct exec *x, const struct message *m)
{
	struct framed *f = x->state;
	cJSON *body = cJSON_ParseWithLength((const char *)m->body, m->size);
	bool expected = f->question && m->id == f->question;
	if (!expected || !body) {
		exec_nonsense(x, "an answer that %s", body ? "nobody waits for" : "is not JSON");
		cJSON_Delete(body);
		return;
	}
	f->question = 0;
	f->answered = m->a == 1;
	cJSON_Delete(f->answer);
	f->answer = body;
	if (m->a != 1)
		snprintf(f->why, sizeof(f->why), "%s", cJSON_IsString(body) ? body->valuestring : "refused");
}

static void on_message(struct exec *x, const struct message *m)
{
	struct framed *f = x->state;
	if (m->kind == 'V')
		on_verdict(x, m);
	else if (m->kind == 'S')
		on_note(x, m);
	else if (m->kind == 'N')
		on_new(x, m);
	else if (m->kind == 'M')
		on_metric(x, m);
	else if (m->kind == 'A')
		on_answer(x, m);
	else if (m->kind == 'R' && !f->ready) {
		cJSON *body = cJSON_ParseWithLength((const char *)m->body, m->size);
		if (m->size && !body)
			host_error(x->host, NULL, 0, "source", "a ready message that is not JSON", "JSON",
				   NULL);
		declare(x, body);
		f->ready = true;
		cJSON_Delete(body);
	} else
		exec_nonsense(x, "a message of kind 0x%02x, which there is not", m->kind);
}

static uint32_t owed(struct exec *x)
{
	struct framed *f = x->state;
	return f->owing;
}

static void pump(struct exec *x)
{
	struct framed *f = x->state;
	struct stream *s = &x->stream[0];
	size_t at = 0;
	stream_read(s);
	if (s->in_n)
		f->heard = exec_clock();
	while (s->in_n - at >= HEAD) {
		const uint8_t *head = s->in + at;
		struct message m = { .kind = head[4], .a = head[5], .body = head + HEAD };
		uint32_t length;
		memcpy(&length, head, 4);
		length = ntohl(length);
		if (length < HEAD - 4 || length > HEAD + PACKET + JSON_MOST)
			exec_fail(x, "a message of %u bytes: the component does not speak the protocol",
				  length);
		if (s->in_n - at < 4 + (size_t)length)
			break;
		memcpy(&m.b, head + 6, 2);
		memcpy(&m.id, head + 8, 4);
		m.b = ntohs(m.b);
		m.id = ntohl(m.id);
		m.size = length - (HEAD - 4);
		at += 4 + (size_t)length;
		on_message(x, &m);
	}
	stream_eat(s, at);
	stream_flush(s);
	if (s->ended && f->ready)
		exec_ended(x);
}

static bool quiet(struct exec *x)
{
	return ((struct framed *)x->state)->owing == 0;
}

static uint64_t overdue(struct exec *x, uint64_t now)
{
	struct framed *f = x->state;
	uint64_t oldest = UINT64_MAX;
	if (f->owing == 0 || now < f->due)
		return f->owing ? f->due : UINT64_MAX;
	bool silent = now > f->heard + ANSWER_NS;
	for (uint32_t i = 0; f->owing && i < x->api->frames; i++) {
		if (f->asked[i] != ASKED)
			continue;
		if (silent || now >= f->since[i] + ANSWER_NS)
			settle(x, &x->api->packets[i], HOST_DROP(f->unanswered));
		else if (f->since[i] < oldest)
			oldest = f->since[i];
		if (silent && f->owing == 0)
			exec_fail(x, "the component has said nothing for %g s with packets waiting",
				  (double)ANSWER_NS / 1e9);
	}
	f->due = oldest == UINT64_MAX ? oldest : oldest + ANSWER_NS;
	return f->due;
}

/* ---- questions ------------------------------------------------------------------------------------ */

/* Ask and wait for the answer; packets go on meanwhile as far as the component lets them. */
static bool ask(struct exec *x, char kind, cJSON *body)
{
	struct framed *f = x->state;
	uint64_t now = exec_clock(), end = now + (uint64_t)REQUEST_MS * 1000000;
	uint32_t id = ++f->asks ? f->asks : ++f->asks;
	f->question = id;
	f->answered = false;
	strcpy(f->why, "no answer from the component in time");
	say(x, kind, id, body);
	while (f->question && (now = exec_clock()) < end) {
		exec_wait(x, (int)((end - now) / 1000000) + 1);
		pump(x);
	}
	f->question = 0;
	return f->answered;
}

static int configure(struct exec *x)
{
	struct framed *f = x->state;
	if (ask(x, 'C', cJSON_Duplicate(host_config(x->host), true)))
		return 0;
	host_error(x->host, NULL, 0, "config", f->why, "a configuration that the component takes", NULL);
	return -1;
}

static cJSON *request(struct exec *x, const char *name, const cJSON *args, char *error, size_t size)
{
	struct framed *f = x->state;
	cJSON *body = cJSON_CreateObject(), *answer;
	cJSON_AddStringToObject(body, "name", name);
	cJSON_AddItemToObject(body, "args", args ? cJSON_Duplicate(args, true) : cJSON_CreateArray());
	if (!ask(x, 'Q', body)) {
		snprintf(error, size, "%s", f->why);
		return NULL;
	}
	answer = f->answer;
	f->answer = NULL;
	return answer;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static int connect_pair(struct exec *x)
{
	const int bytes = SOCKET_BYTES;
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		host_error(x->host, NULL, 0, "source", strerror(errno), "a socket for the component", NULL);
		return -1;
	}
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	stream_open(&x->stream[0], ends[0]);
	x->component_socket = ends[1];
	return 0;
}

static cJSON *hello(struct exec *x)
{
	cJSON *body = cJSON_CreateObject();
	cJSON_AddNumberToObject(body, "protocol", 1);
	cJSON_AddItemToObject(body, "config", cJSON_Duplicate(host_config(x->host), true));
	cJSON_AddItemToObject(body, "ports", cJSON_Duplicate(host_ports(x->host), true));
	cJSON_AddItemToObject(body, "outputs", cJSON_Duplicate(host_outputs(x->host), true));
	return body;
}

static int open_framed(struct exec *x)
{
	struct framed *f = calloc(1, sizeof(*f));
	uint32_t n = x->api->frames;
	x->state = f;
	if (f) {
		f->asked = calloc(n, sizeof(*f->asked));
		f->turn = calloc(n, sizeof(*f->turn));
		f->since = calloc(n, sizeof(*f->since));
	}
	if (!f || !f->asked || !f->turn || !f->since) {
		host_error(x->host, NULL, 0, "source", "out of memory", "memory for its packets", NULL);
		return -1;
	}
	f->unanswered =
		host_declare_reason(x->host, "unanswered", "the component gave no verdict within 0.8 s");
	if (f->unanswered < 0 || connect_pair(x) < 0 || exec_start(x) < 0)
		return -1;
	say(x, 'H', 0, hello(x));
	uint64_t now, end = exec_clock() + (uint64_t)OPEN_MS * 1000000;
	while (!f->ready && !x->stream[0].ended && (now = exec_clock()) < end) {
		exec_wait(x, (int)((end - now) / 1000000) + 1);
		pump(x);
	}
	if (f->ready)
		return 0;
	char how[96] = "no ready message within 8 s";
	if (x->stream[0].ended) {
		strcpy(how, "it closed its socket before it was ready");
		exec_how(x, how, sizeof(how));
	}
	host_error(x->host, NULL, 0, "source", how, "a component that answers hello with ready",
		   "see docs/exec.md, and what it wrote in the logs");
	return -1;
}

static void leave(struct exec *x)
{
	say(x, 'E', 0, NULL);
	/* it may tidy up until it closes its end or the time is over */
	uint64_t end = exec_clock() + (uint64_t)REQUEST_MS * 1000000 / 2;
	while (!x->stream[0].ended && exec_clock() < end) {
		exec_wait(x, REQUEST_MS / 2);
		x->stream[0].in_n = 0;
		stream_read(&x->stream[0]);
		stream_flush(&x->stream[0]);
	}
}

const struct engine framed_engine = { .name = "framed",
				      .open = open_framed,
				      .hand = hand,
				      .pump = pump,
				      .owed = owed,
				      .quiet = quiet,
				      .overdue = overdue,
				      .configure = configure,
				      .request = request,
				      .leave = leave };
