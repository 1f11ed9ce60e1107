/* What `vnfc` offers its author: verdicts, reasons, metrics, timers, made packets, time, log.
 *
 * Verdicts are objects made once and handed out again and again, so that `return forward()` costs a call
 * and a reference.
 */
#include "python.h"

enum { OUTPUTS = OUTPUT_BACK + 1 };

struct timer_job {
	PyObject *function;
	bool repeat;
};

static PyObject *outputs, *ports; /* name -> number */
static PyObject *forwards[OUTPUTS], *flow_forwards[OUTPUTS], *consumed, *held;

/* ---- verdicts --------------------------------------------------------------------------------------------- */

PyObject *verdict_new(vnfc_verdict value)
{
	struct verdict_object *v = PyObject_New(struct verdict_object, &verdict_type);
	if (v != NULL) {
		v->value = value;
		v->note = NULL;
	}
	return (PyObject *)v;
}

static void verdict_free(PyObject *self)
{
	Py_XDECREF(((struct verdict_object *)self)->note);
	PyObject_Free(self);
}

/* ---- notes: what led to a verdict, for whoever traces or captures ----------------------------------------- */

bool noting = true;

bool note_allowed(PyObject *note)
{
	if (note == Py_None || PyUnicode_Check(note) || PyCallable_Check(note))
		return true;
	PyErr_Format(PyExc_TypeError, "a note is a text, or a function that returns one, not %R", note);
	return false;
}

void note_put(struct vnfc_packet *p, PyObject *note)
{
	PyObject *made = PyUnicode_Check(note) ? Py_NewRef(note) : PyObject_CallNoArgs(note);
	const char *text = made && PyUnicode_Check(made) ? PyUnicode_AsUTF8(made) : NULL;
	if (text != NULL)
		vnfc__note(api, p, text);
	else if (PyErr_Occurred())
		exception_raised();
	Py_XDECREF(made);
}

static PyObject *noted(PyObject *verdict, PyObject *note)
{
	struct verdict_object *v =
		(struct verdict_object *)verdict_new(((struct verdict_object *)verdict)->value);
	if (v != NULL)
		v->note = Py_NewRef(note);
	return (PyObject *)v;
}

static PyObject *verdict_repr(PyObject *self)
{
	vnfc_verdict value = ((struct verdict_object *)self)->value;
	unsigned arg = value >> 16;
	switch (value & 0x7f) {
	case VERDICT_FORWARD:
		return arg == OUTPUT_BACK ? PyUnicode_FromString("back()")
					  : PyUnicode_FromFormat("forward(%u)", arg);
	case VERDICT_DROP:
		return PyUnicode_FromFormat("drop(reason %u)", arg);
	case VERDICT_CONSUME:
		return PyUnicode_FromString("consume()");
	default:
		return PyUnicode_FromString("hold(packet)");
	}
}

PyTypeObject verdict_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "vnfc.verdict",
	.tp_basicsize = sizeof(struct verdict_object),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_repr = verdict_repr,
	.tp_dealloc = verdict_free,
};

int output_number(PyObject *output)
{
	if (PyUnicode_Check(output)) {
		if (PyUnicode_CompareWithASCIIString(output, "back") == 0)
			return OUTPUT_BACK;
		PyObject *known = outputs ? PyDict_GetItem(outputs, output) : NULL;
		if (known == NULL) {
			PyErr_Format(PyExc_ValueError, "there is no output %R: see `outputs:` in vnf.yaml",
				     output);
			return -1;
		}
		return (int)PyLong_AsLong(known);
	}
	long number = PyLong_AsLong(output);
	if (number == -1 && PyErr_Occurred()) {
		if (PyErr_ExceptionMatches(PyExc_TypeError))
			PyErr_Format(PyExc_TypeError, "an output is a number or a name, not %R", output);
		return -1;
	}
	if (number < 0 || number >= OUTPUTS) {
		PyErr_Format(PyExc_ValueError, "there is no output %ld", number);
		return -1;
	}
	return (int)number;
}

/* The keyword `flow`, and `output` and `note` by name; -1 for a mistake, else whether flow is asked for. */
static int keywords(PyObject *const *args, Py_ssize_t n, PyObject *names, PyObject **output, PyObject **note)
{
	int flow = 0;
	for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); i++) {
		PyObject *name = PyTuple_GET_ITEM(names, i);
		if (PyUnicode_CompareWithASCIIString(name, "flow") == 0) {
			flow = PyObject_IsTrue(args[n + i]);
			if (flow < 0)
				return -1;
		} else if (output && *output == NULL &&
			   PyUnicode_CompareWithASCIIString(name, "output") == 0) {
			*output = args[n + i];
		} else if (note && PyUnicode_CompareWithASCIIString(name, "note") == 0) {
			*note = args[n + i];
			if (!note_allowed(*note))
				return -1;
		} else {
			PyErr_Format(PyExc_TypeError, "a verdict has no argument %R", name);
			return -1;
		}
	}
	return flow;
}

static PyObject *forward(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
	(void)self;
	if (n == 0 && names == NULL)
		return Py_NewRef(forwards[0]);
	PyObject *output = n > 0 ? args[0] : NULL;
	if (n > 1)
		return PyErr_Format(PyExc_TypeError, "forward(output=0) takes one output");
	int flow = keywords(args, n, names, &output, NULL);
	int number = flow < 0 ? -1 : output ? output_number(output) : 0;
	if (number < 0)
		return NULL;
	PyObject **cached = flow ? &flow_forwards[number] : &forwards[number];
	if (*cached == NULL)
		*cached = verdict_new(HOST_FORWARD(number) | (flow ? VERDICT_FLOW : 0));
	return Py_XNewRef(*cached);
}

static PyObject *drop(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
	(void)self;
	if (n != 1)
		return PyErr_Format(PyExc_TypeError,
				    "drop(reason) takes one reason, declared at module level: "
				    "NAME = reason(\"name\", \"why\")");
	if (reason_id(args[0]) < 0)
		return NULL;
	struct reason_object *r = (struct reason_object *)args[0];
	PyObject *note = NULL;
	int flow = names ? keywords(args, n, names, NULL, &note) : 0;
	if (flow < 0)
		return NULL;
	PyObject *verdict = flow ? r->flow_verdict : r->verdict;
	return note && note != Py_None && noting ? noted(verdict, note) : Py_NewRef(verdict);
}

static PyObject *back(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names)
{
	(void)self;
	if (n > 0)
		return PyErr_Format(PyExc_TypeError, "back() takes no argument");
	int flow = keywords(args, n, names, NULL, NULL);
	return flow < 0 ? NULL : Py_NewRef(flow ? flow_forwards[OUTPUT_BACK] : forwards[OUTPUT_BACK]);
}

static PyObject *consume(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return Py_NewRef(consumed);
}

static PyObject *hold(PyObject *self, PyObject *packet)
{
	(void)self;
	if (!packet_is(packet))
		return PyErr_Format(PyExc_TypeError, "hold(packet) wants the packet, not %R", packet);
	return Py_NewRef(held);
}

static PyObject *release(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	(void)self;
	if (n < 1 || n > 2 || !packet_is(args[0]))
		return PyErr_Format(PyExc_TypeError,
				    "release(packet, verdict=forward()) wants a held packet");
	PyObject *verdict = n > 1 ? args[1] : forwards[0];
	struct packet_object *o = (struct packet_object *)args[0];
	if (!Py_IS_TYPE(verdict, &verdict_type) || verdict == held)
		return PyErr_Format(PyExc_TypeError,
				    "release: found %R, expected a verdict such as forward() or drop(reason)",
				    verdict);
	if (o->state != PACKET_HELD)
		return PyErr_Format(PyExc_ValueError, "release(%R): this packet is not held", args[0]);
	if (o->fix)
		packet_fix(o);
	struct vnfc_packet *p = o->p;
	packet_end(o);
	if (((struct verdict_object *)verdict)->note != NULL && vnfc__watched(p))
		note_put(p, ((struct verdict_object *)verdict)->note);
	api->release(api, p, ((struct verdict_object *)verdict)->value);
	Py_RETURN_NONE;
}

/* ---- timers, made packets, time, log ---------------------------------------------------------------------------- */

static void run_timer(void *argument)
{
	struct timer_job *job = argument;
	PyObject *done = PyObject_CallNoArgs(job->function);
	if (done == NULL)
		exception_raised();
	Py_XDECREF(done);
	if (!job->repeat) {
		Py_DECREF(job->function);
		PyMem_Free(job);
	}
	state_watch();
}

static PyObject *timer(PyObject *self, PyObject *args)
{
	double seconds;
	PyObject *function;
	int repeat;
	(void)self;
	if (!PyArg_ParseTuple(args, "dOp:timer", &seconds, &function, &repeat) || !running("a timer"))
		return NULL;
	if (!(seconds >= 0 && seconds < 1e9) || (repeat && seconds < 1e-6))
		return PyErr_Format(PyExc_ValueError, "a timer cannot run %s %S s",
				    repeat ? "every" : "after", PyTuple_GET_ITEM(args, 0));
	if (!PyCallable_Check(function))
		return PyErr_Format(PyExc_TypeError, "a timer wants a function, not %R", function);
	struct timer_job *job = PyMem_Malloc(sizeof *job);
	if (job == NULL)
		return PyErr_NoMemory();
	*job = (struct timer_job){ Py_NewRef(function), repeat };
	uint64_t ns = (uint64_t)(seconds * 1e9);
	if (api->timer_add(api, ns, repeat ? ns : 0, run_timer, job) == 0) {
		Py_DECREF(function);
		PyMem_Free(job);
		return PyErr_Format(PyExc_RuntimeError, "too many timers");
	}
	Py_RETURN_NONE;
}

static PyObject *new_packet(PyObject *self, PyObject *args)
{
	PyObject *content = NULL, *bytes;
	(void)self;
	if (!PyArg_ParseTuple(args, "|O:new_packet", &content) || !running("new_packet()"))
		return NULL;
	if (content && (PyLong_Check(content) || PyUnicode_Check(content)))
		return PyErr_Format(PyExc_TypeError, "new_packet(%R): it wants bytes or a Scapy packet",
				    content);
	bytes = content ? PyObject_Bytes(content) : PyBytes_FromStringAndSize(NULL, 0);
	PyObject *packet = bytes ? packet_made(api->make(api)) : NULL;
	if (packet && !packet_put_whole(((struct packet_object *)packet)->p, PyBytes_AS_STRING(bytes),
					PyBytes_GET_SIZE(bytes))) {
		PyErr_Format(PyExc_ValueError, "new_packet: %zd bytes do not fit into a frame",
			     PyBytes_GET_SIZE(bytes));
		Py_CLEAR(packet);
	}
	Py_XDECREF(bytes);
	return packet;
}

static PyObject *emit(PyObject *self, PyObject *args, PyObject *names)
{
	static char *known[] = { "packet", "output", "port", NULL };
	PyObject *packet, *output = NULL, *port = NULL;
	(void)self;
	if (!PyArg_ParseTupleAndKeywords(args, names, "O|OO:emit", known, &packet, &output, &port))
		return NULL;
	if (!packet_is(packet))
		return PyErr_Format(PyExc_TypeError,
				    "emit: found %R, expected a packet of new_packet() or copy()", packet);
	struct packet_object *o = (struct packet_object *)packet;
	int to = output ? output_number(output) : 0;
	long from = o->state == PACKET_GONE ? 0 : o->p->port;
	if (to < 0)
		return NULL;
	if (port && PyUnicode_Check(port)) {
		PyObject *known = ports ? PyDict_GetItem(ports, port) : NULL;
		if (known == NULL)
			return PyErr_Format(PyExc_ValueError, "there is no port %R", port);
		from = PyLong_AsLong(known);
	} else if (port && port != Py_None) {
		from = PyLong_AsLong(port);
		if (from == -1 && PyErr_Occurred())
			return NULL;
	}
	return packet_emit(o, (unsigned)to, (int)from) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *now(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return running("now()") ? PyFloat_FromDouble((double)api->now_ns / 1e9) : NULL;
}

static PyObject *wall(PyObject *self, PyObject *unused)
{
	(void)self, (void)unused;
	return running("wall()") ? PyFloat_FromDouble((double)(api->now_ns + api->wall_minus_monotonic) / 1e9)
				 : NULL;
}

static PyObject *write_log(PyObject *self, PyObject *text)
{
	(void)self;
	const char *line = PyUnicode_AsUTF8(text);
	if (line == NULL || !running("log()"))
		return NULL;
	api->log(api, line);
	Py_RETURN_NONE;
}

/* names({output: number}, {port: number}): for authors who name them. */
static PyObject *names(PyObject *self, PyObject *args)
{
	PyObject *o, *p;
	(void)self;
	if (!PyArg_ParseTuple(args, "O!O!:names", &PyDict_Type, &o, &PyDict_Type, &p))
		return NULL;
	outputs = Py_NewRef(o);
	ports = Py_NewRef(p);
	Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
	{ "forward", PY_FUNCTION(forward), METH_FASTCALL | METH_KEYWORDS,
	  "forward(output=0, flow=False): send it on" },
	{ "drop", PY_FUNCTION(drop), METH_FASTCALL | METH_KEYWORDS, "drop(reason, flow=False, note=None)" },
	{ "back", PY_FUNCTION(back), METH_FASTCALL | METH_KEYWORDS,
	  "back(): out by the port that it came in by" },
	{ "consume", consume, METH_NOARGS, "consume(): this VNFC was its destination" },
	{ "hold", hold, METH_O, "hold(packet): keep the packet until release()" },
	{ "release", PY_FUNCTION(release), METH_FASTCALL, "release(packet, verdict=forward()): end a hold" },
	{ "timer", timer, METH_VARARGS, "timer(seconds, function, repeat)" },
	{ "new_packet", new_packet, METH_VARARGS, "new_packet(bytes or Scapy packet): a packet to emit()" },
	{ "emit", PY_FUNCTION(emit), METH_VARARGS | METH_KEYWORDS,
	  "emit(packet, output=0, port=None): send a made packet" },
	{ "now", now, METH_NOARGS, "seconds, monotonic, read once a burst; on captures their time" },
	{ "wall", wall, METH_NOARGS, "seconds since 1970" },
	{ "write_log", write_log, METH_O, "write_log(text)" },
	{ "names", names, METH_VARARGS, "names(outputs, ports)" },
	{ NULL, NULL, 0, NULL },
};

int author_init(PyObject *module)
{
	if (PyType_Ready(&verdict_type) < 0)
		return -1;
	forwards[0] = verdict_new(HOST_FORWARD(0));
	forwards[OUTPUT_BACK] = verdict_new(HOST_BACK);
	flow_forwards[OUTPUT_BACK] = verdict_new(HOST_BACK | VERDICT_FLOW);
	consumed = verdict_new(HOST_CONSUME);
	held = verdict_new(HOST_HOLD);
	if (!forwards[0] || !forwards[OUTPUT_BACK] || !flow_forwards[OUTPUT_BACK] || !consumed || !held)
		return -1;
	return PyModule_AddFunctions(module, functions);
}
