/* A burst as columns: burst.dport, burst.is_tcp... read-only NumPy arrays that are filled here in one pass when
 * the first of them is asked for. Column memory serves burst after burst, unless the author kept an array:
 * then that memory is the author's and the column gets new memory.
 *
 * NumPy is imported when the first burst is handed over, and only its Python interface is used, so the
 * extension builds and loads without it.
 */
#include "python.h"

enum column_id {
	C_LENGTH,
	C_IP_SRC,
	C_IP_DST,
	C_PROTO,
	C_SPORT,
	C_DPORT,
	C_IS_IP,
	C_IS_IP6,
	C_IS_TCP,
	C_IS_UDP,
	COLUMNS
};

static const struct {
	const char *name, *dtype, *doc;
} about[COLUMNS] = {
	[C_LENGTH] = { "length", "uint32", "bytes" },
	[C_IP_SRC] = { "ip_src", "uint32", "IPv4 source address as a number, 0 if not IPv4" },
	[C_IP_DST] = { "ip_dst", "uint32", "IPv4 destination address as a number, 0 if not IPv4" },
	[C_PROTO] = { "proto", "uint8", "transport protocol of IPv4 or IPv6, 0 if there is none" },
	[C_SPORT] = { "sport", "uint16", "TCP or UDP source port, else 0" },
	[C_DPORT] = { "dport", "uint16", "TCP or UDP destination port, else 0" },
	[C_IS_IP] = { "is_ip", "bool", "is it IPv4?" },
	[C_IS_IP6] = { "is_ip6", "bool", "is it IPv6?" },
	[C_IS_TCP] = { "is_tcp", "bool", "is it TCP, over IPv4 or IPv6?" },
	[C_IS_UDP] = { "is_udp", "bool", "is it UDP, over IPv4 or IPv6?" },
};

struct column {
	PyObject *memory; /* array of SEG_HOST_BURST, owns its data */
	PyObject *view;	  /* read-only, the first n of them */
	void *data;
	uint32_t n; /* of view */
};

struct burst_object {
	PyObject_HEAD struct vnfc_packet **packets;
	uint32_t n; /* 0: given back */
	bool live, filled;
	struct column column[COLUMNS];
	struct packet_object *shown[SEG_HOST_BURST]; /* packets asked for one by one */
	uint32_t shown_n;
	uint16_t shown_at[SEG_HOST_BURST];
};

static PyObject *numpy;
static vnfc_verdict verdicts[SEG_HOST_BURST]; /* of the burst that is or was last at the author's */
static struct burst_object *the_burst;
static PyTypeObject burst_type;

static bool alive(const struct burst_object *b)
{
	if (!b->live)
		PyErr_SetString(
			gone_error,
			"this burst was already given back: take what you need before handle_burst returns");
	return b->live;
}

/* ---- columns --------------------------------------------------------------------------------------------- */

static void *data_of(PyObject *array)
{
	Py_buffer view;
	if (PyObject_GetBuffer(array, &view, PyBUF_WRITABLE) < 0)
		return NULL;
	PyBuffer_Release(&view); /* the memory stays where it is as long as the array lives */
	return view.buf;
}

static PyObject *new_array(const char *dtype, uint32_t n, void **data)
{
	PyObject *array = PyObject_CallMethod(numpy, "zeros", "Is", n, dtype);
	if (array != NULL && (*data = data_of(array)) == NULL && n > 0)
		Py_CLEAR(array);
	return array;
}

static bool freeze(PyObject *array)
{
	PyObject *done = PyObject_CallMethod(array, "setflags", "O", Py_False);
	Py_XDECREF(done);
	return done != NULL;
}

static bool fill(struct burst_object *b)
{
	for (int c = 0; c < COLUMNS; c++)
		if (b->column[c].memory == NULL &&
		    (b->column[c].memory = new_array(about[c].dtype, SEG_HOST_BURST, &b->column[c].data)) ==
			    NULL)
			return false;
	uint32_t *length = b->column[C_LENGTH].data, *ip_src = b->column[C_IP_SRC].data,
		 *ip_dst = b->column[C_IP_DST].data;
	uint16_t *sport = b->column[C_SPORT].data, *dport = b->column[C_DPORT].data;
	uint8_t *proto = b->column[C_PROTO].data, *is_ip = b->column[C_IS_IP].data,
		*is_ip6 = b->column[C_IS_IP6].data;
	uint8_t *is_tcp = b->column[C_IS_TCP].data, *is_udp = b->column[C_IS_UDP].data;
	for (uint32_t i = 0; i < b->n; i++) {
		struct vnfc_packet *p = b->packets[i];
		const struct frame_record r = packet_record(p);
		uint8_t *data = p->data;
		uint32_t len = p->len;
		const struct ip4_header *ip = packet_ip4(data, len, &r);
		/* TCP and UDP keep their ports at the same place */
		const struct udp_header *ports = NULL;
		is_tcp[i] = (ports = (struct udp_header *)packet_tcp(data, len, &r)) != NULL;
		is_udp[i] = !is_tcp[i] && (ports = packet_udp(data, len, &r)) != NULL;
		is_ip[i] = ip != NULL;
		is_ip6[i] = packet_ip6(data, len, &r) != NULL;
		length[i] = len;
		ip_src[i] = ip ? net32(ip->src) : 0;
		ip_dst[i] = ip ? net32(ip->dst) : 0;
		proto[i] = ip ? ip->proto : p->l4_proto;
		sport[i] = ports ? net16(ports->sport) : 0;
		dport[i] = ports ? net16(ports->dport) : 0;
	}
	return b->filled = true;
}

static PyObject *get_column(PyObject *self, void *closure)
{
	struct burst_object *b = (struct burst_object *)self;
	struct column *c = &b->column[(intptr_t)closure];
	if (!alive(b) || (!b->filled && !fill(b)))
		return NULL;
	if (c->view == NULL || c->n != b->n) {
		Py_CLEAR(c->view);
		PyObject *view = PySequence_GetSlice(c->memory, 0, b->n);
		if (view == NULL || !freeze(view)) {
			Py_XDECREF(view);
			return NULL;
		}
		c->view = view;
		c->n = b->n;
	}
	return Py_NewRef(c->view);
}

/* Has the author kept this column, or a part of it? The memory has one reference of ours and one of the
 * view's; parts that NumPy makes of the view refer to the memory itself. */
static bool kept(const struct column *c)
{
	return c->memory && (Py_REFCNT(c->memory) > (c->view ? 2 : 1) || (c->view && Py_REFCNT(c->view) > 1));
}

static PyObject *values(PyObject *self, PyObject *argument, unsigned width, const char *dtype)
{
	struct burst_object *b = (struct burst_object *)self;
	void *out = NULL;
	if (!alive(b))
		return NULL;
	long at = PyLong_AsLong(argument);
	if (at == -1 && PyErr_Occurred())
		return NULL;
	if (at < 0)
		return PyErr_Format(PyExc_ValueError,
				    "u%u(%ld): an offset from the packet's first byte is not negative",
				    8 * width, at);
	PyObject *array = new_array(dtype, b->n, &out);
	if (array == NULL)
		return NULL;
	for (uint32_t i = 0; i < b->n; i++) {
		const uint8_t *data = b->packets[i]->data + at;
		uint32_t len = b->packets[i]->len;
		if (len < width || (unsigned long)at > len - width)
			continue; /* absent: 0 */
		if (width == 1)
			((uint8_t *)out)[i] = *data;
		else if (width == 2)
			((uint16_t *)out)[i] = load16(data);
		else
			((uint32_t *)out)[i] = load32(data);
	}
	if (!freeze(array))
		Py_CLEAR(array);
	return array;
}

static PyObject *u8(PyObject *self, PyObject *at)
{
	return values(self, at, 1, "uint8");
}
static PyObject *u16(PyObject *self, PyObject *at)
{
	return values(self, at, 2, "uint16");
}
static PyObject *u32(PyObject *self, PyObject *at)
{
	return values(self, at, 4, "uint32");
}

/* ---- verdicts by mask ------------------------------------------------------------------------------------- */

struct mask {
	Py_buffer view;
	const uint8_t *at;
	Py_ssize_t stride; /* 0: the same for all */
	uint8_t all;
};

static bool mask_open(struct burst_object *b, PyObject *argument, struct mask *m)
{
	m->view.obj = NULL;
	if (!alive(b))
		return false;
	if (PyBool_Check(argument)) {
		m->all = argument == Py_True;
		m->at = &m->all;
		m->stride = 0;
		return true;
	}
	if (PyObject_GetBuffer(argument, &m->view, PyBUF_RECORDS_RO) < 0) {
		PyErr_Format(PyExc_TypeError,
			     "a mask is a NumPy array of bool (such as burst.is_tcp & (burst.dport == 23)) "
			     "or True for all, not %R",
			     argument);
		return false;
	}
	if (m->view.ndim != 1 || m->view.shape[0] != b->n || m->view.itemsize != 1 || !m->view.format ||
	    m->view.format[0] != '?') {
		PyErr_Format(PyExc_ValueError,
			     "a mask has one bool for each of the %u packets: found %zd values of format %s",
			     b->n, m->view.ndim == 1 ? m->view.shape[0] : -1,
			     m->view.format ? m->view.format : "B");
		PyBuffer_Release(&m->view);
		return false;
	}
	m->at = m->view.buf;
	m->stride = m->view.strides[0];
	return true;
}

static void mask_close(struct mask *m)
{
	if (m->view.obj)
		PyBuffer_Release(&m->view);
}

static PyObject *judge(struct burst_object *b, PyObject *argument, vnfc_verdict verdict)
{
	struct mask m;
	if (!mask_open(b, argument, &m))
		return NULL;
	const uint8_t *at = m.at;
	for (uint32_t i = 0; i < b->n; i++, at += m.stride)
		if (*at)
			verdicts[i] = verdict;
	mask_close(&m);
	Py_RETURN_NONE;
}

static bool note(struct burst_object *b, PyObject *argument, PyObject *text)
{
	struct mask m;
	if (!note_allowed(text) || !mask_open(b, argument, &m))
		return false;
	const uint8_t *at = m.at;
	for (uint32_t i = 0; i < b->n && text != Py_None; i++, at += m.stride)
		if (*at && vnfc__watched(b->packets[i]))
			note_put(b->packets[i], text);
	mask_close(&m);
	return true;
}

static PyObject *burst_drop(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
	if (n != 2)
		return PyErr_Format(PyExc_TypeError, "burst.drop(mask, reason) takes a mask and a reason");
	int id = reason_id(args[1]);
	for (Py_ssize_t i = 0; id >= 0 && names && i < PyTuple_GET_SIZE(names); i++)
		if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, i), "note") != 0)
			return PyErr_Format(PyExc_TypeError, "burst.drop has no argument %R",
					    PyTuple_GET_ITEM(names, i));
		else if (!note((struct burst_object *)self, args[0], args[n + i]))
			return NULL;
	return id < 0 ? NULL : judge((struct burst_object *)self, args[0], HOST_DROP(id));
}

static PyObject *burst_forward(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	if (n < 1 || n > 2)
		return PyErr_Format(PyExc_TypeError,
				    "burst.forward(mask, output=0) takes a mask and an output");
	int output = n > 1 ? output_number(args[1]) : 0;
	return output < 0 ? NULL : judge((struct burst_object *)self, args[0], HOST_FORWARD(output));
}

static PyObject *burst_back(PyObject *self, PyObject *mask)
{
	return judge((struct burst_object *)self, mask, HOST_BACK);
}

static PyObject *burst_consume(PyObject *self, PyObject *mask)
{
	return judge((struct burst_object *)self, mask, HOST_CONSUME);
}

static PyObject *burst_set_context(PyObject *self, PyObject *args)
{
	struct burst_object *b = (struct burst_object *)self;
	PyObject *mask;
	unsigned i, v;
	struct mask m;
	if (!PyArg_ParseTuple(args, "OII:set_context", &mask, &i, &v))
		return NULL;
	if (i > 15 || v > 255)
		return PyErr_Format(PyExc_ValueError,
				    "set_context(mask, i, v): i is 0..15, v 0..255, found %u, %u", i, v);
	if (!mask_open(b, mask, &m))
		return NULL;
	const uint8_t *at = m.at;
	for (uint32_t n = 0; n < b->n; n++, at += m.stride)
		if (*at)
			b->packets[n]->context[i] = (uint8_t)v;
	mask_close(&m);
	Py_RETURN_NONE;
}

/* ---- packets one by one -------------------------------------------------------------------------------------- */

static PyObject *item(PyObject *self, Py_ssize_t i)
{
	struct burst_object *b = (struct burst_object *)self;
	if (!alive(b))
		return NULL;
	if (i < 0 || i >= (Py_ssize_t)b->n) {
		PyErr_SetString(PyExc_IndexError, "the burst has fewer packets");
		return NULL;
	}
	for (uint32_t k = b->shown_n; k-- > 0;)
		if (b->shown_at[k] == i)
			return Py_NewRef((PyObject *)b->shown[k]);
	struct packet_object *o = packet_lend(b->packets[i], PACKET_LENT);
	if (o == NULL)
		return NULL;
	b->shown_at[b->shown_n] = (uint16_t)i;
	b->shown[b->shown_n++] = o;
	return Py_NewRef((PyObject *)o);
}

static Py_ssize_t length(PyObject *self)
{
	return ((struct burst_object *)self)->n;
}

static PyObject *get_n(PyObject *self, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLong(((struct burst_object *)self)->n);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

PyObject *burst_lend(struct vnfc_packet **packets, uint32_t n)
{
	if (numpy == NULL && (numpy = PyImport_ImportModule("numpy")) == NULL)
		return NULL;
	if (the_burst == NULL) {
		the_burst = PyObject_New(struct burst_object, &burst_type);
		if (the_burst == NULL)
			return NULL;
		memset(the_burst->column, 0, sizeof the_burst->column);
		the_burst->shown_n = 0;
	}
	the_burst->packets = packets;
	the_burst->n = n;
	the_burst->live = true;
	the_burst->filled = false;
	for (uint32_t i = 0; i < n; i++)
		verdicts[i] = HOST_FORWARD(0);
	return (PyObject *)the_burst;
}

const vnfc_verdict *burst_verdicts(void)
{
	return verdicts;
}

/* Must come before the packets are given back: what was changed one by one is put right here. The verdicts
 * stay readable until the next burst. */
void burst_end(void)
{
	struct burst_object *b = the_burst;
	for (uint32_t i = 0; i < b->shown_n; i++) {
		if (b->shown[i]->fix)
			packet_fix(b->shown[i]);
		packet_end(b->shown[i]);
		packet_recycle(b->shown[i]);
	}
	b->shown_n = 0;
	b->live = false;
	b->n = 0;
	if (b->filled) {
		for (int i = 0; i < COLUMNS; i++) {
			struct column *c = &b->column[i];
			if (kept(c)) {
				Py_CLEAR(c->view);
				Py_CLEAR(c->memory);
			}
		}
	}
	if (Py_REFCNT(b) > 1) { /* kept: it stays dead, the next burst is another object */
		the_burst = NULL;
		Py_DECREF(b);
	}
}

static void burst_dealloc(PyObject *self)
{
	struct burst_object *b = (struct burst_object *)self;
	for (int i = 0; i < COLUMNS; i++) {
		Py_XDECREF(b->column[i].view);
		Py_XDECREF(b->column[i].memory);
	}
	PyObject_Free(self);
}

static PyMethodDef methods[] = {
	{ "u8", u8, METH_O, "u8(offset): the byte there in each packet, 0 where the packet is shorter" },
	{ "u16", u16, METH_O, "u16(offset): two bytes in network order" },
	{ "u32", u32, METH_O, "u32(offset): four bytes in network order" },
	{ "drop", PY_FUNCTION(burst_drop), METH_FASTCALL | METH_KEYWORDS, "drop(mask, reason, note=None)" },
	{ "forward", (PyCFunction)(void (*)(void))burst_forward, METH_FASTCALL, "forward(mask, output=0)" },
	{ "back", burst_back, METH_O, "back(mask): out by the port that each came in by" },
	{ "consume", burst_consume, METH_O, "consume(mask): this VNFC was their destination" },
	{ "set_context", burst_set_context, METH_VARARGS,
	  "set_context(mask, i, v): context byte i becomes v" },
	{ NULL, NULL, 0, NULL },
};

static PySequenceMethods as_sequence = { .sq_length = length, .sq_item = item };

static PyTypeObject burst_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "vnfc.burst",
	.tp_basicsize = sizeof(struct burst_object),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_doc = "Up to 256 packets at once. What is not judged is forwarded to output 0.",
	.tp_methods = methods,
	.tp_dealloc = burst_dealloc,
	.tp_as_sequence = &as_sequence,
};

int bursts_init(void)
{
	static PyGetSetDef attributes[COLUMNS + 2];
	for (int i = 0; i < COLUMNS; i++)
		attributes[i] =
			(PyGetSetDef){ about[i].name, get_column, NULL, about[i].doc, (void *)(intptr_t)i };
	attributes[COLUMNS] = (PyGetSetDef){ "n", get_n, NULL, "packets in the burst", NULL };
	burst_type.tp_getset = attributes;
	return PyType_Ready(&burst_type);
}
