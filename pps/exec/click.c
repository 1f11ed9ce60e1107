/* engine: click. Packets are datagrams, with a tag in front that Click carries along as an annotation:
 *
 *	to a FromDevice		"Cv" u32 number, packet		"Cb" u32 mark: comes back at once
 *	from a ToDevice		"Cv" u32 number, name of the ToDevice with a zero, in 34 bytes, packet
 *	once			"Cr": Click runs
 *
 * Frames are held meanwhile, so mark, context and port stay with a packet, whatever Click made of its bytes. Click
 * does not say what it drops. But marks go the way that packets go: once ROUNDS of them have come back behind a
 * packet, all that could run in Click has run, and what is not back is dropped or stored there.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include "pps/exec/click.h"

enum { TAG = 6, NAME_BYTES = 34, ROUNDS = 8, DATAGRAM = 8192, READ_MOST = 4096 };

static const uint64_t SPIN_NS = 20000, SPIN_MOST_NS = 200000;

static void put_tag(uint8_t *at, char kind, uint32_t number)
{
	at[0] = 'C';
	at[1] = (uint8_t)kind;
	number = htonl(number);
	memcpy(at + 2, &number, 4);
}

static uint32_t number_of(const uint8_t *tag)
{
	uint32_t number;
	memcpy(&number, tag + 2, 4);
	return ntohl(number);
}

static struct sent *sent_of(struct click_process *c, uint32_t number)
{
	return &c->sent[number & c->mask];
}

/* ---- to Click ------------------------------------------------------------------------------------ */

/* False: there is no room now. */
static bool send_datagram(struct exec *x, int fd, const uint8_t *tag, const uint8_t *data, size_t n)
{
	struct iovec parts[2] = { { (void *)tag, TAG }, { (void *)data, n } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = n ? 2 : 1 };
	for (;;) {
		if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EAGAIN || errno == ENOBUFS)
			return false;
		if (errno != EINTR)
			exec_ended(x);
	}
}

static void release(struct exec *x, struct sent *s, vnfc_verdict verdict, enum sent_state state)
{
	struct click_process *c = x->state;
	c->at_click--;
	s->state = (uint8_t)state;
	x->api->release(x->api, &x->api->packets[s->frame], verdict);
}

static void flush(struct exec *x, struct click_device *d)
{
	struct click_process *c = x->state;
	uint8_t tag[TAG];
	int fd = x->watched[d->watched].fd;
	while (d->first) {
		struct sent *s = sent_of(c, d->first);
		struct vnfc_packet *p = &x->api->packets[s->frame];
		put_tag(tag, 'v', s->number);
		if (!send_datagram(x, fd, tag, p->data, p->len))
			break;
		s->state = SENT_AT_CLICK;
		s->due = d->due = d->marked + ROUNDS;
		d->first = s->next;
	}
	/* one mark is on its way at a time */
	if (!d->first && d->marked == d->seen && (int32_t)(d->due - d->seen) > 0) {
		put_tag(tag, 'b', d->marked + 1);
		if ((d->mark_waits = !send_datagram(x, fd, tag, NULL, 0)) == false)
			d->marked++;
	}
	x->watched[d->watched].write = d->first || d->mark_waits;
}

static void hand(struct exec *x, struct vnfc_packet *p)
{
	struct click_process *c = x->state;
	struct click_device *d = NULL;
	for (unsigned i = 0; i < c->devices && !d; i++)
		if (c->device[i].port < 0 || c->device[i].port == p->port)
			d = &c->device[i];
	if (!d) {
		x->api->release(x->api, p, HOST_DROP(c->reason_nowhere));
		return;
	}
	uint32_t number = ++c->number ? c->number : ++c->number;
	struct sent *s = sent_of(c, number);
	*s = (struct sent){ .since = exec_clock(),
			    .number = number,
			    .frame = p->frame,
			    .mark = p->mark,
			    .state = SENT_WAITING,
			    .device = (uint8_t)(d - c->device),
			    .port = p->port,
			    .link = p->link,
			    .graph = p->graph };
	memcpy(s->context, p->context, sizeof(s->context));
	if (d->first)
		sent_of(c, d->last)->next = number;
	else
		d->first = number;
	d->last = number;
	if (c->at_click++ == 0)
		c->heard = s->since; /* silence begins now at the earliest */
}

/* ---- from Click ---------------------------------------------------------------------------------- */

static const struct click_end *end_named(const struct click_process *c, const char *name)
{
	for (unsigned i = 0; i < c->ends; i++)
		if (strncmp(c->end[i].name, name, CLICK_DEVICE) == 0)
			return &c->end[i];
	return NULL;
}

static unsigned output_of(const struct click_end *end, uint8_t port)
{
	return end->output >= 0 ? (unsigned)end->output : end->port == port ? OUTPUT_BACK : 0;
}

/* A packet that is not, or no longer, in one of our frames: made in Click, a copy, or late. */
static void make(struct exec *x, const struct click_end *end, const struct sent *s, const uint8_t *data,
		 uint32_t n)
{
	struct click_process *c = x->state;
	struct vnfc_packet *p = x->api->make(x->api);
	if (!p)
		return; /* no frame to be had: nothing came into being */
	p->port = (uint8_t)(c->devices && c->device[0].port > 0 ? c->device[0].port : 0);
	if (s) {
		p->port = s->port;
		p->link = s->link;
		p->mark = s->mark;
		p->graph = s->graph;
		memcpy(p->context, s->context, sizeof(s->context));
		if (s->state == SENT_BACK)
			p->made = FRAME_CLONED;
	}
	if (exec_replace(x, p, data, n))
		x->api->emit(x->api, p, output_of(end, p->port), p->port);
	else
		x->api->discard(x->api, p);
}

static void on_packet(struct exec *x, const uint8_t *data, size_t n)
{
	struct click_process *c = x->state;
	char name[NAME_BYTES + 1] = "";
	if (n == TAG && memcmp(data, "Cr", 2) == 0) {
		c->ready = true;
		return;
	}
	if (n >= TAG + NAME_BYTES)
		memcpy(name, data + TAG, NAME_BYTES);
	const struct click_end *end = end_named(c, name);
	if (!end) {
		exec_nonsense(x, "a datagram of %zu bytes that is from no ToDevice", n);
		return;
	}
	struct sent *s = memcmp(data, "Cv", 2) == 0 ? sent_of(c, number_of(data)) : NULL;
	if (s && (s->number != number_of(data) || s->state == SENT_NOTHING || s->state == SENT_WAITING))
		s = NULL;
	data += TAG + NAME_BYTES;
	n -= TAG + NAME_BYTES;
	if (!s || s->state != SENT_AT_CLICK) {
		make(x, end, s, data, (uint32_t)n);
	} else if (exec_replace(x, &x->api->packets[s->frame], data, (uint32_t)n)) {
		release(x, s, HOST_FORWARD(output_of(end, s->port)), SENT_BACK);
	} else {
		exec_nonsense(x, "a packet of %zu bytes, which no frame takes", n);
		release(x, s, HOST_NO_VERDICT, SENT_GIVEN_UP);
	}
}

/* One datagram; 0: there is none. */
static size_t receive(struct exec *x, int fd, uint8_t *data)
{
	ssize_t n = recv(fd, data, DATAGRAM, MSG_DONTWAIT);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		exec_ended(x);
	return n > 0 ? (size_t)n : 0;
}

/* Give up what had its time: the oldest first, since they are in the order of their numbers. */
static void settle(struct exec *x)
{
	struct click_process *c = x->state;
	bool pressed = x->api->held > x->api->hold_max / 4 * 3;
	uint64_t now = exec_clock();
	for (; c->oldest != c->number + 1; c->oldest++) {
		struct sent *s = sent_of(c, c->oldest);
		if (s->number != c->oldest || s->state == SENT_NOTHING || s->state >= SENT_BACK)
			continue;
		const struct click_device *d = &c->device[s->device];
		if (s->state == SENT_WAITING || (int32_t)(d->seen - s->due) < 0 ||
		    (!pressed && now < s->since + c->patience))
			break;
		release(x, s, HOST_DROP(c->reason_lost), SENT_GIVEN_UP);
	}
}

static bool pump_once(struct exec *x)
{
	struct click_process *c = x->state;
	uint8_t data[DATAGRAM];
	size_t n, had = 0;
	/* marks first: what Click sent on before them is then in the other socket already */
	for (unsigned i = 0; i < c->devices; i++)
		while ((n = receive(x, x->watched[c->device[i].watched].fd, data)) > 0)
			if (n == TAG && memcmp(data, "Cb", 2) == 0 &&
			    number_of(data) == c->device[i].marked) {
				c->device[i].seen = c->device[i].marked;
				c->heard = exec_clock();
			}
	while (had < READ_MOST && (n = receive(x, x->watched[c->out].fd, data)) > 0) {
		had++;
		on_packet(x, data, n);
	}
	if (had)
		c->heard = exec_clock();
	if (had < READ_MOST)
		settle(x);
	for (unsigned i = 0; i < c->devices; i++)
		flush(x, &c->device[i]);
	if (x->stream[0].ended && c->ready)
		exec_ended(x);
	return had > 0;
}

/* While packets come back one after the other, sleeping between them costs more than all else. */
void click_pump(struct exec *x)
{
	const struct click_process *c = x->state;
	uint64_t now = exec_clock(), last = now + SPIN_MOST_NS, until = now;
	do {
		if (pump_once(x))
			until = exec_clock() + SPIN_NS;
		else
			sched_yield(); /* Click may be on this core */
		now = exec_clock();
	} while (c->at_click && now < until && now < last);
}

static bool quiet(struct exec *x)
{
	return ((struct click_process *)x->state)->at_click == 0;
}

static uint64_t overdue(struct exec *x, uint64_t now)
{
	struct click_process *c = x->state;
	if (c->at_click == 0)
		return UINT64_MAX;
	if (now < c->heard + ANSWER_NS) {
		settle(x);
		const struct sent *s = sent_of(c, c->oldest);
		uint64_t patient = s->since + c->patience, silent = c->heard + ANSWER_NS;
		return c->at_click == 0 ? UINT64_MAX : patient > now && patient < silent ? patient : silent;
	}
	for (; c->oldest != c->number + 1; c->oldest++) {
		struct sent *s = sent_of(c, c->oldest);
		if (s->number == c->oldest && (s->state == SENT_WAITING || s->state == SENT_AT_CLICK))
			release(x, s, HOST_DROP(c->reason_silent), SENT_GIVEN_UP);
	}
	exec_fail(x, "Click has read nothing for %g s with packets waiting", (double)ANSWER_NS / 1e9);
}

/* ---- the engine ------------------------------------------------------------------------------------ */

static int configure(struct exec *x)
{
	return click_patience(x) < 0 ? -1 : click_configure(x);
}

const struct engine click_engine = { .name = "click",
				     .open = click_open,
				     .hand = hand,
				     .pump = click_pump,
				     .quiet = quiet,
				     .overdue = overdue,
				     .configure = configure,
				     .request = click_request,
				     .tidy = click_tidy };
