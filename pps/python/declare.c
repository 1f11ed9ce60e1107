/* What an author declares at module level: drop reasons, counters, gauges, histograms. */
#include "python.h"

PyObject *refused_error;
static PyTypeObject reason_type, counter_type, gauge_type, histogram_type;

struct metric_object {
	PyObject_HEAD struct hop_metric_cell *cell;
};

int reason_id(PyObject *reason)
{
	if (Py_IS_TYPE(reason, &reason_type))
		return ((struct reason_object *)reason)->id;
	PyErr_Format(PyExc_TypeError,
		     "drop wants a reason that was declared with reason(\"name\", \"why\"), not %R", reason);
	return -1;
}

static bool may_declare(const char *what)
{
	if (!running(what))
		return false;
	if (!declaring)
		PyErr_Format(PyExc_RuntimeError,
			     "%s must be declared at module level, before the first packet", what);
	return declaring;
}

/* What the host has to say of a declaration is about the author's line that is running. */
static void place_begin(void)
{
	PyFrameObject *frame = PyEval_GetFrame();
	PyCodeObject *code = frame ? PyFrame_GetCode(frame) : NULL;
	static PyObject *file; /* the host keeps its text until the place is taken back */
	if (code == NULL)
		return;
	Py_XDECREF(file);
	file = PyObject_CallMethod(hooks, "relative", "O", code->co_filename);
	host_place(host, file ? PyUnicode_AsUTF8(file) : NULL, PyFrame_GetLineNumber(frame));
	PyErr_Clear();
	Py_DECREF(code);
}

static void place_end(void)
{
	host_place(host, NULL, 0);
}

static PyObject *reason(PyObject *self, PyObject *args, PyObject *names)
{
	static char *known[] = { "name", "why", NULL };
	const char *name, *why = "";
	(void)self;
	if (!PyArg_ParseTupleAndKeywords(args, names, "s|s:reason", known, &name, &why) ||
	    !may_declare("a reason"))
		return NULL;
	place_begin();
	int id = host_declare_reason(host, name, why);
	place_end();
	if (id < 0)
		return PyErr_Format(refused_error, "the reason %s cannot be declared", name);
	struct reason_object *r = PyObject_New(struct reason_object, &reason_type);
	if (r == NULL)
		return NULL;
	r->id = id;
	r->name = PyUnicode_FromString(name);
	r->verdict = verdict_new(HOST_DROP(id));
	r->flow_verdict = verdict_new(HOST_DROP(id) | VERDICT_FLOW);
	return (PyObject *)r;
}

static PyObject *reason_repr(PyObject *self)
{
	return PyUnicode_FromFormat("reason(%R)", ((struct reason_object *)self)->name);
}

static void reason_dealloc(PyObject *self)
{
	struct reason_object *r = (struct reason_object *)self;
	Py_XDECREF(r->name);
	Py_XDECREF(r->verdict);
	Py_XDECREF(r->flow_verdict);
	PyObject_Free(self);
}

static PyTypeObject reason_type = {
	PyVarObject_HEAD_INIT(NULL, 0).tp_name = "vnfc.reason",
	.tp_basicsize = sizeof(struct reason_object),
	.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.tp_repr = reason_repr,
	.tp_dealloc = reason_dealloc,
};

static PyObject *metric(PyObject *args, PyObject *names, uint32_t kind, PyTypeObject *type)
{
	static char *known[] = { "name", "why", "unit", NULL };
	const char *name, *why = "", *unit = "";
	if (!PyArg_ParseTupleAndKeywords(args, names, "s|ss", known, &name, &why, &unit) ||
	    !may_declare("a metric"))
		return NULL;
	place_begin();
	struct hop_metric_cell *cell = host_declare_metric(host, kind, name, why, unit);
	place_end();
	if (cell == NULL)
		return PyErr_Format(refused_error, "the metric %s cannot be declared", name);
	struct metric_object *m = PyObject_New(struct metric_object, type);
	if (m != NULL)
		m->cell = cell;
	return (PyObject *)m;
}

static PyObject *counter(PyObject *self, PyObject *args, PyObject *names)
{
	(void)self;
	return metric(args, names, METRIC_COUNTER, &counter_type);
}

static PyObject *gauge(PyObject *self, PyObject *args, PyObject *names)
{
	(void)self;
	return metric(args, names, METRIC_GAUGE, &gauge_type);
}

static PyObject *histogram(PyObject *self, PyObject *args, PyObject *names)
{
	(void)self;
	return metric(args, names, METRIC_HISTOGRAM, &histogram_type);
}

static PyObject *counter_add(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	unsigned long long by = 1;
	if (n > 1)
		return PyErr_Format(PyExc_TypeError, "add(n=1) takes one number");
	if (n == 1) {
		PyObject *number = PyNumber_Index(args[0]); /* NumPy's integers too */
		by = number ? PyLong_AsUnsignedLongLong(number) : 0;
		Py_XDECREF(number);
		if (PyErr_Occurred())
			return NULL;
	}
	host_count(((struct metric_object *)self)->cell, by);
	Py_RETURN_NONE;
}

static PyObject *counter_value(PyObject *self, void *unused)
{
	(void)unused;
	return PyLong_FromUnsignedLongLong(((struct metric_object *)self)->cell->value);
}

static PyObject *gauge_set(PyObject *self, PyObject *value)
{
	double number = PyFloat_AsDouble(value);
	if (number == -1.0 && PyErr_Occurred())
		return NULL;
	host_set(((struct metric_object *)self)->cell, number);
	Py_RETURN_NONE;
}

static PyObject *gauge_value(PyObject *self, void *unused)
{
	double number;
	(void)unused;
	memcpy(&number, &((struct metric_object *)self)->cell->value, sizeof number);
	return PyFloat_FromDouble(number);
}

static PyObject *histogram_observe(PyObject *self, PyObject *value)
{
	double number = PyFloat_AsDouble(value);
	if (number == -1.0 && PyErr_Occurred())
		return NULL;
	host_observe(((struct metric_object *)self)->cell, number);
	Py_RETURN_NONE;
}

static PyMethodDef counter_methods[] = {
	{ "add", (PyCFunction)(void (*)(void))counter_add, METH_FASTCALL, "add(n=1)" },
	{ NULL, NULL, 0, NULL },
};
static PyGetSetDef counter_attributes[] = {
	{ "value", counter_value, NULL, "so far", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
static PyMethodDef gauge_methods[] = {
	{ "set", gauge_set, METH_O, "set(value)" },
	{ NULL, NULL, 0, NULL },
};
static PyGetSetDef gauge_attributes[] = {
	{ "value", gauge_value, NULL, "as set last", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
static PyMethodDef histogram_methods[] = {
	{ "observe", histogram_observe, METH_O, "observe(value)" },
	{ NULL, NULL, 0, NULL },
};

#define METRIC_TYPE(kind, ...)                                                                              \
	static PyTypeObject kind##_type = { PyVarObject_HEAD_INIT(NULL, 0).tp_name = "vnfc." #kind,         \
					    .tp_basicsize = sizeof(struct metric_object),                   \
					    .tp_flags =                                                     \
						    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, \
					    .tp_methods = kind##_methods, __VA_ARGS__ }
METRIC_TYPE(counter, .tp_getset = counter_attributes);
METRIC_TYPE(gauge, .tp_getset = gauge_attributes);
METRIC_TYPE(histogram, );

static PyMethodDef functions[] = {
	{ "reason", PY_FUNCTION(reason), METH_VARARGS | METH_KEYWORDS,
	  "reason(name, why): declare a drop reason" },
	{ "counter", PY_FUNCTION(counter), METH_VARARGS | METH_KEYWORDS,
	  "counter(name, why, unit): .add(n=1), .value" },
	{ "gauge", PY_FUNCTION(gauge), METH_VARARGS | METH_KEYWORDS,
	  "gauge(name, why, unit): .set(value), .value" },
	{ "histogram", PY_FUNCTION(histogram), METH_VARARGS | METH_KEYWORDS,
	  "histogram(name, why, unit): .observe(value)" },
	{ NULL, NULL, 0, NULL },
};

int declare_init(PyObject *module)
{
	PyTypeObject *types[] = { &reason_type, &counter_type, &gauge_type, &histogram_type };
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (PyType_Ready(types[i]) < 0)
			return -1;
	refused_error = PyErr_NewException("vnfc.Refused", NULL, NULL);
	if (refused_error == NULL || PyModule_AddObjectRef(module, "Refused", refused_error) < 0)
		return -1;
	return PyModule_AddFunctions(module, functions);
}
