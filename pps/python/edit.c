/* Changing a packet beyond its header fields: head and tail, the whole of it, copies, Scapy. */
#include "python.h"

/* An argument that is either bytes to put there, or a number of bytes (left zero). */
static bool bytes_or_number(PyObject *argument, Py_buffer *view, uint32_t *n)
{
	view->buf = NULL;
	if (!PyLong_Check(argument)) {
		if (PyObject_GetBuffer(argument, view, PyBUF_SIMPLE) < 0)
			return false;
		*n = view->len > UINT16_MAX ? UINT16_MAX : (uint32_t)view->len;
		return true;
	}
	long long number = PyLong_AsLongLong(argument);
	if (number == -1 && PyErr_Occurred())
		return false;
	if (number < 0 || number > UINT16_MAX) {
		PyErr_Format(PyExc_ValueError, "%R is not a number of bytes", argument);
		return false;
	}
	*n = (uint32_t)number;
	return true;
}

static PyObject *fill(uint8_t *at, Py_buffer *view, uint32_t n)
{
	if (view->buf) {
		memcpy(at, view->buf, n);
		PyBuffer_Release(view);
	} else {
		memset(at, 0, n);
	}
	Py_RETURN_NONE;
}

static PyObject *no_room(Py_buffer *view, uint32_t n, uint32_t room, const char *where)
{
	if (view->buf)
		PyBuffer_Release(view);
	return PyErr_Format(PyExc_ValueError, "no room for %u bytes %s: there are %u", n, where, room);
}

/* Before the head moves: what was changed is put right while its headers are still found. */
static void settle(struct packet_object *o)
{
	if (o->fix)
		packet_fix(o);
}

static PyObject *push(PyObject *self, PyObject *argument)
{
	Py_buffer view;
	uint32_t n;
	PACKET_LIVE(self, "push");
	if (!bytes_or_number(argument, &view, &n))
		return NULL;
	uint32_t room = packet_headroom(o->p);
	if (n > room)
		return no_room(&view, n, room, "before the packet");
	settle(o);
	o->p->data -= n;
	o->p->len += n;
	PyObject *done = fill(o->p->data, &view, n);
	packet_reread(o);
	return done;
}

static PyObject *put(PyObject *self, PyObject *argument)
{
	Py_buffer view;
	uint32_t n;
	PACKET_LIVE(self, "put");
	if (!bytes_or_number(argument, &view, &n))
		return NULL;
	uint32_t room = packet_tailroom(o->p), len = o->p->len;
	if (n > room)
		return no_room(&view, n, room, "after the packet");
	o->p->len += n;
	PyObject *done = fill(o->p->data + len, &view, n);
	packet_reread(o);
	return done;
}

static PyObject *pull(PyObject *self, PyObject *argument)
{
	PACKET_LIVE(self, "pull");
	long long n = PyLong_AsLongLong(argument);
	if (n == -1 && PyErr_Occurred())
		return NULL;
	if (n < 0 || n > o->p->len)
		return PyErr_Format(PyExc_ValueError, "pull(%R): the packet has %u bytes", argument,
				    o->p->len);
	settle(o);
	o->p->data += n;
	o->p->len -= (uint32_t)n;
	packet_reread(o);
	Py_RETURN_NONE;
}

static PyObject *trim(PyObject *self, PyObject *argument)
{
	PACKET_LIVE(self, "trim");
	long long n = PyLong_AsLongLong(argument);
	if (n == -1 && PyErr_Occurred())
		return NULL;
	if (n < 0)
		return PyErr_Format(PyExc_ValueError, "trim(%R): it wants the length to cut to", argument);
	if (n < o->p->len) {
		o->p->len = (uint32_t)n;
		packet_reread(o);
	}
	Py_RETURN_NONE;
}

static PyObject *replace(PyObject *self, PyObject *argument)
{
	PACKET_LIVE(self, "replace");
	if (PyLong_Check(argument) || PyUnicode_Check(argument))
		return PyErr_Format(PyExc_TypeError, "replace(%R): it wants bytes or a Scapy packet",
				    argument);
	PyObject *bytes = PyObject_Bytes(argument);
	if (bytes == NULL)
		return NULL;
	if (!packet_put_whole(o->p, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes))) {
		PyErr_Format(PyExc_ValueError, "replace: %zd bytes do not fit into a frame",
			     PyBytes_GET_SIZE(bytes));
		Py_DECREF(bytes);
		return NULL;
	}
	Py_DECREF(bytes);
	o->fix = 0; /* what the author gives whole is sent as it is: Scapy has filled the checksums */
	packet_reread(o);
	Py_RETURN_NONE;
}

static PyObject *fix_checksums(PyObject *self, PyObject *unused)
{
	(void)unused;
	PACKET_LIVE(self, "fix_checksums");
	o->fix = FIX_IP | FIX_L4;
	packet_fix(o);
	Py_RETURN_NONE;
}

static PyObject *copy(PyObject *self, PyObject *unused)
{
	(void)unused;
	PACKET_LIVE(self, "copy");
	settle(o); /* the copy is of what the author sees as done */
	return packet_made(api->clone(api, o->p));
}

static PyObject *copy_to(PyObject *self, PyObject *args)
{
	PyObject *to = NULL;
	if (!PyArg_ParseTuple(args, "|O:copy_to", &to))
		return NULL;
	int output = to ? output_number(to) : 0;
	PyObject *other = output < 0 ? NULL : copy(self, NULL);
	if (other == NULL)
		return NULL;
	struct packet_object *clone = (struct packet_object *)other;
	PyObject *done = packet_emit(clone, (unsigned)output, clone->p->port) < 0 ? NULL : Py_NewRef(Py_None);
	Py_DECREF(other);
	return done;
}

/* What Scapy is to begin with: nothing if the packet has no such layer. */
static struct layer {
	const uint8_t *at;
	Py_ssize_t len;
	int kind; /* of vnfc_scapy.dissect: link type, or an IP protocol number + 256 */
} layer_of(const struct vnfc_packet *p, const char *name)
{
	const struct frame_record r = packet_record(p);
	const uint8_t *l3 = (uint8_t *)packet_ip4(p->data, p->len, &r), *l4, *payload;
	uint32_t size = 0;
	if (strcmp(name, "link") == 0)
		return (struct layer){ p->data, p->len, p->link };
	if (l3 == NULL)
		l3 = (uint8_t *)packet_ip6(p->data, p->len, &r);
	if (strcmp(name, "network") == 0)
		return (struct layer){ l3, l3 ? p->data + p->len - l3 : 0, LINK_IP };
	l4 = (uint8_t *)packet_tcp(p->data, p->len, &r);
	if (l4 == NULL)
		l4 = (uint8_t *)packet_udp(p->data, p->len, &r);
	payload = packet_payload(p->data, p->len, &r, &size);
	if (l4 == NULL || payload == NULL)
		return (struct layer){ 0 };
	return (struct layer){ l4, payload + size - l4, 256 + p->l4_proto };
}

static PyObject *scapy(PyObject *self, PyObject *args)
{
	static PyObject *dissect;
	const char *name = "link";
	PACKET_LIVE(self, "scapy");
	if (!PyArg_ParseTuple(args, "|s:scapy", &name))
		return NULL;
	if (strcmp(name, "link") != 0 && strcmp(name, "network") != 0 && strcmp(name, "transport") != 0)
		return PyErr_Format(PyExc_ValueError,
				    "scapy: found '%s', expected link, network or transport", name);
	if (dissect == NULL) {
		PyObject *module = PyImport_ImportModule("vnfc_scapy");
		dissect = module ? PyObject_GetAttrString(module, "dissect") : NULL;
		Py_XDECREF(module);
		if (dissect == NULL)
			return NULL;
	}
	struct layer layer = layer_of(o->p, name);
	if (layer.at == NULL)
		Py_RETURN_NONE;
	slow = true;
	return PyObject_CallFunction(dissect, "y#id", layer.at, layer.len, layer.kind,
				     (double)o->p->time_ns / 1e9);
}

PyMethodDef packet_methods[] = {
	{ "push", push, METH_O, "push(bytes or n): add before the first byte; n bytes are zero" },
	{ "pull", pull, METH_O, "pull(n): take n bytes off the head" },
	{ "put", put, METH_O, "put(bytes or n): add after the last byte" },
	{ "trim", trim, METH_O, "trim(n): cut to n bytes" },
	{ "replace", replace, METH_O, "replace(bytes or Scapy packet): the whole packet anew" },
	{ "fix_checksums", fix_checksums, METH_NOARGS,
	  "compute IP and transport checksums anew, after changing data" },
	{ "copy", copy, METH_NOARGS, "a clone of it: emit() it, or it is gone with its last reference" },
	{ "copy_to", copy_to, METH_VARARGS, "copy_to(output=0): send a clone to that output" },
	{ "scapy", scapy, METH_VARARGS,
	  "scapy(layer='link'): dissected by Scapy, the slower the more of it: from 'link', 'network' or "
	  "'transport' on; None if there is no such layer. replace() puts a whole one back" },
	{ NULL, NULL, 0, NULL },
};
