/* The packet as a Python object.
 *
 * One object serves packet after packet: when a handler returns and nobody kept a reference, the next
 * packet is put into the same object and the same header views. Whoever kept one finds it `gone`.
 */
#include "python.h"

PyObject *gone_error;
static PyTypeObject packet_type;
static struct packet_object *spare; /* the object that the next packet gets, NULL: make one */

PyObject *packet_gone(const char *what)
{
	PyErr_Format(gone_error,
		     "packet.%s: this packet was already given back: take what you need before the handler "
		     "returns, or hold(packet) it",
		     what);
	return NULL;
}

#define LIVE_SET(self, what)                                    \
	struct packet_object *o = (struct packet_object *)self; \
	if (o->state == PACKET_GONE)                            \
		return packet_gone(what), -1;                   \
	if (value == NULL)                                      \
	return PyErr_SetString(PyExc_AttributeError, what " cannot be deleted"), -1

/* ---- life ------------------------------------------------------------------------------------------------ */

struct packet_object *packet_lend(struct vnfc_packet *p, enum packet_state state)
{
	struct packet_object *o = spare;
	spare = NULL;
	if (o == NULL) {
		o = PyObject_New(struct packet_object, &packet_type);
		if (o == NULL)
			return NULL;
		memset(o->header, 0, sizeof o->header);
		o->data = o->context = NULL;
		o->used = 0;
	}
	o->p = p;
	o->state = state;
	o->fix = 0;
	return o;
}

/* Let go of a view of the packet's memory; tells whether somebody still looks through a slice of it. */
static bool view_release(PyObject **view)
{
	PyObject *v = *view;
	bool kept = ((PyMemoryViewObject *)v)->mbuf->exports > 1;
	*view = NULL;
	PyObject *done = PyObject_CallMethod(v, "release", NULL);
	if (done == NULL) {
		PyErr_Clear();
		kept = true;
	}
	Py_XDECREF(done);
	Py_DECREF(v);
	return kept;
}

/* Whatever was shown of the packet's bytes is no longer where it was. */
static void forget_views(struct packet_object *o)
{
	bool kept = false;
	if (o->data)
		kept |= view_release(&o->data);
	if (o->context)
		kept |= view_release(&o->context);
	for (unsigned used = o->used & ((1u << HEADER_KINDS) - 1); used; used &= used - 1) {
		int kind = __builtin_ctz(used);
		struct header_object *h = o->header[kind];
		h->at = NULL;
		if (Py_REFCNT(h) > 1) {
			h->packet = NULL;
			o->header[kind] = NULL;
			Py_DECREF(h);
		}
	}
	o->used = 0;
	if (kept)
		say_once(ONCE_VIEW, "a slice of packet.data was kept after its packet was given back: its "
				    "bytes are another "
				    "packet's now; copy what you keep with bytes(...)");
}

void packet_fix(struct packet_object *o)
{
	struct frame_record r = packet_record(o->p);
	if (!(o->fix & FIX_L4))
		r.l4_proto = 0;
	packet_fix_checksums(o->p->data, o->p->len, &r);
	o->fix = 0;
}

/* The packet leaves our hands: nobody can reach it through this object from here on. Keeps the caller's
 * reference. */
void packet_end(struct packet_object *o)
{
	if (o->used)
		forget_views(o);
	o->state = PACKET_GONE;
	o->p = NULL;
}

/* Take the object back after packet_end: the next packet gets it if nobody else has it. */
void packet_recycle(struct packet_object *o)
{
	if (Py_REFCNT(o) == 1 && spare == NULL)
		spare = o;
	else
		Py_DECREF(o);
}

/* The last reference went while the packet was still ours. */
static void abandoned(struct packet_object *o)
{
	if (o->state == PACKET_MADE) {
		api->discard(api, o->p);
	} else if (o->state == PACKET_HELD) {
		say_once(ONCE_FORGOTTEN,
			 "a held packet was forgotten: keep the packet until release(packet, verdict); it "
			 "is dropped as no_verdict");
		api->release(api, o->p, HOST_NO_VERDICT);
	}
}

static void packet_dealloc(PyObject *self)
{
	struct packet_object *o = (struct packet_object *)self;
	if (o->state != PACKET_GONE)
		abandoned(o);
	if (o->used)
		forget_views(o);
	for (int kind = 0; kind < HEADER_KINDS; kind++)
		Py_XDECREF(o->header[kind]);
	PyObject_Free(self);
}

PyObject *packet_made(struct vnfc_packet *p)
{
	if (p == NULL)
		return PyErr_Format(PyExc_RuntimeError,
				    "no frame is free to make a packet in: emit fewer at once");
	return (PyObject *)packet_lend(p, PACKET_MADE);
}

bool packet_put_whole(struct vnfc_packet *p, const void *bytes, Py_ssize_t n)
{
	/* with the usual headroom if that leaves enough room, for later pushes */
	if (n > (Py_ssize_t)api->frame_size)
		return false;
	uint32_t head = api->frame_size - (uint32_t)n;
	p->data = frame_begin(p) + (head < FRAME_HEADROOM + FRAME_TAILROOM ? head / 2 : FRAME_HEADROOM);
	p->len = (uint32_t)n;
	memcpy(p->data, bytes, (size_t)n);
	packet_parse_again(p);
	return true;
}

int packet_emit(struct packet_object *o, unsigned output, int port)
{
	if (o->state != PACKET_MADE) {
		PyErr_Format(PyExc_ValueError,
			     "emit(%R): only a packet of new_packet() or packet.copy() can be emitted, "
			     "once; a held one is released",
			     (PyObject *)o);
		return -1;
	}
	if (o->fix)
		packet_fix(o);
	if (!api->emit(api, o->p, output, port)) {
		PyErr_Format(PyExc_RuntimeError, "emit(%R): the packet cannot be sent", (PyObject *)o);
		return -1;
	}
	packet_end(o);
	return 0;
}

void packet_changed(struct packet_object *o, unsigned fix)
{
	if (o != NULL)
		o->fix |= fix;
}

void packet_parse_again(struct vnfc_packet *p)
{
	struct frame_record r = packet_record(p);
	packet_parse(p->data, p->len, &r);
	p->flags = r.flags;
	p->l3 = r.l3;
	p->l4 = r.l4;
	p->l4_proto = r.l4_proto;
}

/* Offsets and views are old. */
void packet_reread(struct packet_object *o)
{
	if (o->used)
		forget_views(o);
	packet_parse_again(o->p);
}

/* ---- headers ------------------------------------------------------------------------------------------------ */

static uint8_t *find(struct packet_object *o, enum header_kind kind)
{
	struct vnfc_packet *p = o->p;
	const struct frame_record r = packet_record(p);
	uint8_t *data = p->data;
	uint32_t len = p->len;
	switch (kind) {
	case HEADER_ETH:
		return (uint8_t *)packet_eth(data, len, &r);
	case HEADER_VLAN:
		return (uint8_t *)packet_vlan(data, len, &r);
	case HEADER_NSH:
		return p->nsh_len >= 8 && p->nsh_len <= FRAME_NSH_AREA
			       ? api->nsh + (size_t)p->frame * FRAME_NSH_AREA
			       : NULL;
	case HEADER_IP:
		return (uint8_t *)packet_ip4(data, len, &r);
	case HEADER_IP6:
		return (uint8_t *)packet_ip6(data, len, &r);
	case HEADER_TCP:
		return (uint8_t *)packet_tcp(data, len, &r);
	case HEADER_UDP:
		return (uint8_t *)packet_udp(data, len, &r);
	case HEADER_ICMP:
		return (uint8_t *)packet_icmp(data, len, &r);
	case HEADER_ARP:
		return (uint8_t *)packet_arp(data, len, &r);
	default:
		return NULL;
	}
}

static inline PyObject *header_of(PyObject *self, enum header_kind kind, const char *name)
{
	PACKET_LIVE(self, name);
	struct header_object *h = o->header[kind];
	if (o->used & 1u << kind && h->at)
		return Py_NewRef((PyObject *)h);
	uint8_t *at = find(o, kind);
	if (at == NULL)
		Py_RETURN_NONE;
	if (h == NULL) {
		h = o->header[kind] = header_new(kind);
		if (h == NULL)
			return NULL;
	}
	h->packet = o;
	h->at = at;
	o->used |= 1u << kind;
	return Py_NewRef((PyObject *)h);
}

#define HEADER(name, kind)                                        \
	static PyObject *get_##name(PyObject *self, void *unused) \
	{                                                         \
		(void)unused;                                     \
		return header_of(self, kind, #name);              \
	}
HEADER(eth, HEADER_ETH)
HEADER(vlan, HEADER_VLAN)
HEADER(nsh, HEADER_NSH)
HEADER(ip, HEADER_IP)
HEADER(ip6, HEADER_IP6)
HEADER(tcp, HEADER_TCP)
HEADER(udp, HEADER_UDP)
HEADER(icmp, HEADER_ICMP)
HEADER(arp, HEADER_ARP)

/* ---- plain attributes -------------------------------------------------------------------------------------------- */

static PyObject *get_data(PyObject *self, void *unused)
{
	(void)unused;
	PACKET_LIVE(self, "data");
	if (o->data == NULL) {
		o->data = PyMemoryView_FromMemory((char *)o->p->data, o->p->len, PyBUF_WRITE);
		o->used |= USED_MEMORY;
	}
	return Py_XNewRef(o->data);
}

static PyObject *get_context(PyObject *self, void *unused)
{
	(void)unused;
	PACKET_LIVE(self, "context");
	if (o->context == NULL) {
		o->context = PyMemoryView_FromMemory((char *)o->p->context, 16, PyBUF_WRITE);
		o->used |= USED_MEMORY;
	}
	return Py_XNewRef(o->context);
}

static int set_context(PyObject *self, PyObject *value, void *unused)
{
	Py_buffer view;
	(void)unused;
	LIVE_SET(self, "context");
	if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0)
		return -1;
	bool good = view.len == 16;
	if (good)
		memmove(o->p->context, view.buf, 16);
	else
		PyErr_Format(PyExc_ValueError, "context is 16 bytes, not %zd", view.len);
	PyBuffer_Release(&view);
	return good ? 0 : -1;
}

static PyObject *get_payload(PyObject *self, void *unused)
{
	uint32_t size;
	(void)unused;
	PACKET_LIVE(self, "payload");
	const struct frame_record r = packet_record(o->p);
	uint8_t *at = packet_payload(o->p->data, o->p->len, &r, &size);
	return PyBytes_FromStringAndSize((const char *)at, at ? size : 0);
}

static PyObject *get_len(PyObject *self, void *unused)
{
	(void)unused;
	PACKET_LIVE(self, "len");
	return PyLong_FromUnsignedLong(o->p->len);
}

static PyObject *get_port(PyObject *self, void *unused)
{
	(void)unused;
	PACKET_LIVE(self, "port");
	return PyLong_FromLong(o->p->port);
}

static PyObject *get_time(PyObject *self, void *unused)
{
	(void)unused;
	PACKET_LIVE(self, "time");
	return PyFloat_FromDouble((double)o->p->time_ns / 1e9);
}

static PyObject *get_mark(PyObject *self, void *unused)
{
	(void)unused;
	PACKET_LIVE(self, "mark");
	return PyLong_FromUnsignedLong(o->p->mark);
}

static int set_mark(PyObject *self, PyObject *value, void *unused)
{
	(void)unused;
	LIVE_SET(self, "mark");
	unsigned long long mark = PyLong_AsUnsignedLongLong(value);
	if (PyErr_Occurred())
		return -1;
	if (mark > UINT32_MAX) {
		PyErr_Format(PyExc_ValueError, "mark has 32 bits: %R is too large", value);
		return -1;
	}
	o->p->mark = (uint32_t)mark;
	return 0;
}

static PyObject *get_flow(PyObject *self, void *unused)
{
	struct flow_key key;
	(void)unused;
	PACKET_LIVE(self, "flow");
	const struct frame_record r = packet_record(o->p);
	if (packet_flow(o->p->data, o->p->len, &r, &key) < 0)
		Py_RETURN_NONE;
	return PyBytes_FromStringAndSize((const char *)&key, sizeof key);
}

/* ---- the type ---- */

static PyObject *packet_repr(PyObject *self)
{
	struct packet_object *o = (struct packet_object *)self;
	if (o->state == PACKET_GONE)
		return PyUnicode_FromString("<vnfc.packet given back>");
	return PyUnicode_FromFormat("<vnfc.packet %u bytes, port %d>", o->p->len, o->p->port);
}

static Py_ssize_t packet_length(PyObject *self)
{
	struct packet_object *o = (struct packet_object *)self;
	return o->state == PACKET_GONE ? (packet_gone("len"), -1) : (Py_ssize_t)o->p->len;
}

static int packet_true(PyObject *self)
{
	(void)self;
	return 1; /* an empty packet is a packet */
}

static PyGetSetDef attributes[] = {
	{ "data", get_data, NULL, "the whole packet: a writable memoryview, good until the handler returns",
	  NULL },
	{ "payload", get_payload, NULL, "bytes after the transport header (a copy), b\"\" if there are none",
	  NULL },
	{ "context", get_context, set_context, "the 16 bytes of NSH context: a writable memoryview", NULL },
	{ "len", get_len, NULL, "bytes", NULL },
	{ "port", get_port, NULL, "number of the port that it came in by", NULL },
	{ "time", get_time, NULL, "when it came in: seconds, comparable to now()", NULL },
	{ "mark", get_mark, set_mark, "32 bits that never leave the VNF", NULL },
	{ "flow", get_flow, NULL, "a key of its flow, the same in both directions; None if not IP", NULL },
	{ "eth", get_eth, NULL, "Ethernet header or None", NULL },
	{ "vlan", get_vlan, NULL, "outermost VLAN tag or None", NULL },
	{ "nsh", get_nsh, NULL, "NSH header or None (for NSH-aware VNFCs)", NULL },
	{ "ip", get_ip, NULL, "IPv4 header or None", NULL },
	{ "ip6", get_ip6, NULL, "IPv6 header or None", NULL },
	{ "tcp", get_tcp, NULL, "TCP header or None", NULL },
	{ "udp", get_udp, NULL, "UDP header or None", NULL },
	{ "icmp", get_icmp, NULL, "ICMP or ICMPv6 header or None", NULL },
	{ "arp", get_arp, NULL, "ARP for IPv4 over Ethernet, or None", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMappingMethods as_mapping = { .mp_length = packet_length };
static PyNumberMethods as_number = { .nb_bool = packet_true };

static PyTypeObject packet_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "vnfc.packet",
	.tp_basicsize = sizeof(struct packet_object),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_doc = "One packet, good until the handler returns or, if held, until release().",
	.tp_getset = attributes,
	.tp_methods = packet_methods,
	.tp_repr = packet_repr,
	.tp_dealloc = packet_dealloc,
	.tp_as_mapping = &as_mapping,
	.tp_as_number = &as_number,
};

bool packet_is(PyObject *object)
{
	return Py_IS_TYPE(object, &packet_type);
}

int packets_init(PyObject *module)
{
	gone_error = PyErr_NewExceptionWithDoc(
		"vnfc.PacketGone", "A packet was used after it was given back.", PyExc_RuntimeError, NULL);
	if (gone_error == NULL || PyType_Ready(&packet_type) < 0 || headers_init() < 0)
		return -1;
	return PyModule_AddObjectRef(module, "PacketGone", gone_error);
}
