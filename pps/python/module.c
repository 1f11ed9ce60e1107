/* The host of Python VNFCs: the callbacks that host_run() wants, as the extension `_vnfc`.
 *
 * What happens for each packet is here in C; what happens seldom (loading the author's file, configure,
 * agent requests, texts about mistakes) is in pps/sdk/python/vnfc_host.py, reached through `hooks`.
 */
#include <unistd.h>
#include "python.h"

enum { EXCEPTIONS_MAX = 1000, EXCEPTIONS_SECONDS = 10, STATE_MAGIC = 0x31535950 /* "PYS1" */ };
enum { LOOK_AT_CLOCK = 4 }; /* packets between two looks, for handlers that turn out slow */
static const uint64_t SLOW_NS = 30000, STATE_NS = 100000000;

struct vnfc_host *api;
struct host *host;
bool declaring, slow;
PyObject *hooks;

static PyObject *handle, *handle_burst; /* the author's; one of them is NULL */
static PyThreadState *thread;
static bool said[ONCES];
static uint64_t exceptions_since, exceptions_n;
static PyObject *state; /* the author's dict */
static bool capture, state_timer_set, state_kept;

struct kept_state { /* in the hop's state area */
	uint32_t magic, size;
	uint8_t bytes[HOP_STATE_BYTES - 8];
};

bool running(const char *what)
{
	if (api == NULL)
		PyErr_Format(PyExc_RuntimeError, "%s works in a running VNFC only", what);
	return api != NULL;
}

void say_once(enum once which, const char *text)
{
	if (said[which])
		return;
	said[which] = true;
	api->log(api, text);
}

/* Call a hook; a mistake in the hook itself is printed and comes back as NULL. */
static PyObject *call_hook(const char *name, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	PyObject *function = PyObject_GetAttrString(hooks, name), *args = Py_VaBuildValue(format, list),
		 *result = NULL;
	va_end(list);
	if (function && args)
		result = PyObject_CallObject(function, args);
	if (result == NULL)
		PyErr_Print();
	Py_XDECREF(function);
	Py_XDECREF(args);
	return result;
}

/* ---- the state that survives a restart ------------------------------------------------------------------- */

static void state_save(void)
{
	struct kept_state *kept = (struct kept_state *)host_state(host);
	PyObject *bytes = call_hook("save_state", "(n)", (Py_ssize_t)sizeof kept->bytes);
	if (bytes && PyBytes_Check(bytes) && PyBytes_GET_SIZE(bytes) <= (Py_ssize_t)sizeof kept->bytes) {
		/* a crash in between leaves no state rather than half of one */
		__atomic_store_n(&kept->magic, 0, __ATOMIC_SEQ_CST);
		kept->size = (uint32_t)PyBytes_GET_SIZE(bytes);
		memcpy(kept->bytes, PyBytes_AS_STRING(bytes), kept->size);
		__atomic_store_n(&kept->magic, STATE_MAGIC, __ATOMIC_SEQ_CST);
		state_kept = true;
	}
	Py_XDECREF(bytes);
}

static void state_due(void *unused)
{
	(void)unused;
	state_timer_set = false;
	state_save();
}

/* After anything of the author's ran: see to it that a change of `state` is kept soon. */
void state_watch(void)
{
	if (state_timer_set || capture || state == NULL || (!state_kept && PyDict_GET_SIZE(state) == 0))
		return;
	state_timer_set = api->timer_add(api, STATE_NS, 0, state_due, NULL) != 0;
}

/* ---- mistakes --------------------------------------------------------------------------------------------------- */

void exception_raised(void)
{
	PyObject *type, *value, *trace;
	PyErr_Fetch(&type, &value, &trace);
	PyErr_NormalizeException(&type, &value, &trace);
	if (trace)
		PyException_SetTraceback(value, trace);
	host_exception(host);
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if (exceptions_n == 0 || (uint64_t)t.tv_sec - exceptions_since >= EXCEPTIONS_SECONDS) {
		exceptions_since = (uint64_t)t.tv_sec;
		exceptions_n = 0;
	}
	exceptions_n++;
	Py_XDECREF(call_hook("exception", "(O)", value));
	bool over = exceptions_n > EXCEPTIONS_MAX || PyErr_GivenExceptionMatches(value, PyExc_SystemExit);
	Py_XDECREF(type);
	Py_XDECREF(value);
	Py_XDECREF(trace);
	if (over) {
		/* the VNFC counts as failed: the keeper restarts it and counts what it had as died */
		Py_XDECREF(call_hook("give_up", "(i)", EXCEPTIONS_MAX));
		state_save();
		host_publish(host);
		_exit(1);
	}
}

static vnfc_verdict nonsense(PyObject *result, PyObject *function)
{
	bool none = result == Py_None;
	enum once which = none ? ONCE_NO_VERDICT : ONCE_BAD_VERDICT;
	if (!said[which]) {
		said[which] = true;
		Py_XDECREF(call_hook("nonsense", "(OO)", result, function));
	}
	/* an output that no VNFC has: the forwarder counts it as bad_verdict */
	return none ? HOST_NO_VERDICT : HOST_DROP(UINT16_MAX);
}

/* ---- packets ------------------------------------------------------------------------------------------------------- */

static uint64_t nanoseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void one_packet(struct vnfc_packet *p)
{
	struct packet_object *o = packet_lend(p, PACKET_LENT);
	if (__builtin_expect(o == NULL, 0)) {
		exception_raised();
		host_verdict(api, p, HOST_DROP(HOST_EXCEPTION));
		return;
	}
	PyObject *args[2] = { NULL, (PyObject *)o }, *result;
	noting = vnfc__watched(p);
	result = PyObject_Vectorcall(handle, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
	vnfc_verdict verdict;
	if (__builtin_expect(result != NULL, 1)) {
		verdict = Py_IS_TYPE(result, &verdict_type) ? ((struct verdict_object *)result)->value
							    : nonsense(result, handle);
		if (__builtin_expect(noting, 0) && Py_IS_TYPE(result, &verdict_type) &&
		    ((struct verdict_object *)result)->note != NULL)
			note_put(p, ((struct verdict_object *)result)->note);
		Py_DECREF(result);
	} else {
		exception_raised();
		verdict = HOST_DROP(HOST_EXCEPTION);
	}
	if (__builtin_expect(o->fix, 0))
		packet_fix(o);
	host_verdict(api, p, verdict);
	if (__builtin_expect(p->place == VNFC_HELD, 0)) {
		o->state = PACKET_HELD;
		Py_DECREF(o);
		return;
	}
	packet_end(o);
	packet_recycle(o);
}

static void packets_one_by_one(const uint32_t *frames, uint32_t n)
{
	uint64_t since = nanoseconds();
	for (uint32_t i = 0; i < n; i++) {
		host_prefetch(api, frames, i, n);
		struct vnfc_packet *p = host_packet(api, frames[i]);
		if (p == NULL)
			continue;
		one_packet(p);
		if (i % LOOK_AT_CLOCK == LOOK_AT_CLOCK - 1 || slow) {
			uint64_t now = nanoseconds();
			if (now - since > SLOW_NS) { /* the next packets need not keep these waiting */
				host_publish(host);
				since = now;
			}
			slow = false;
		}
	}
}

static void packets_as_columns(const uint32_t *frames, uint32_t n)
{
	static struct vnfc_packet *packets[SEG_HOST_BURST];
	uint32_t good = 0;
	for (uint32_t i = 0; i < n; i++) {
		host_prefetch(api, frames, i, n);
		struct vnfc_packet *p = host_packet(api, frames[i]);
		if (p != NULL)
			packets[good++] = p;
	}
	PyObject *burst = good ? burst_lend(packets, good) : NULL;
	PyObject *result = burst ? PyObject_CallOneArg(handle_burst, burst) : NULL;
	if (good == 0)
		return;
	vnfc_verdict all = 0;
	if (result == NULL) {
		exception_raised();
		all = HOST_DROP(HOST_EXCEPTION);
	} else if (result != Py_None) {
		all = nonsense(result, handle_burst);
	}
	Py_XDECREF(result);
	if (burst)
		burst_end();
	const vnfc_verdict *verdicts = burst_verdicts();
	for (uint32_t i = 0; i < good; i++)
		host_verdict(api, packets[i], all ? all : verdicts[i]);
}

static void on_burst(void *user, struct host *h, const uint32_t *frames, uint32_t n)
{
	(void)user, (void)h;
	if (handle)
		packets_one_by_one(frames, n);
	else
		packets_as_columns(frames, n);
	noting = true; /* of what is held */
	state_watch();
}

/* ---- control --------------------------------------------------------------------------------------------------------- */

static char *text_of(const cJSON *json)
{
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;
	return text ? text : strdup("null");
}

/* A hook's list of mistakes (file, line, field, found, expected, remedy): 0 if it is empty. */
static int tell(PyObject *mistakes)
{
	Py_ssize_t n = mistakes && PyList_Check(mistakes) ? PyList_GET_SIZE(mistakes) : -1;
	if (n < 0)
		host_error(host, NULL, 0, NULL, "an internal mistake of the Python host", NULL,
			   "see the log");
	for (Py_ssize_t i = 0; i < n; i++) {
		const char *file, *field, *found, *expected, *remedy;
		int line;
		if (PyArg_ParseTuple(PyList_GET_ITEM(mistakes, i), "zizzzz", &file, &line, &field, &found,
				     &expected, &remedy))
			host_error(host, file, line, field, found, expected, remedy);
		else
			PyErr_Print();
	}
	Py_XDECREF(mistakes);
	return n == 0 ? 0 : -1;
}

static int on_init(void *user, struct host *h)
{
	(void)user;
	host = h;
	api = host_api(h);
	declaring = true;
	capture = api->now_ns == 0; /* time has not begun: no timer of ours may make it go on */
	char *config = text_of(host_config(h)), *ports = text_of(host_ports(h)),
	     *outputs = text_of(host_outputs(h));
	const struct kept_state *kept = (const struct kept_state *)host_state(h);
	bool have = kept->magic == STATE_MAGIC && kept->size <= sizeof kept->bytes;
	int done = tell(call_hook("load", "(sssKy#)", config, ports, outputs, (unsigned long long)api->random,
				  kept->bytes, (Py_ssize_t)(have ? kept->size : 0)));
	free(config);
	free(ports);
	free(outputs);
	declaring = false;
	state_kept = have;
	return done;
}

static int on_configure(void *user, struct host *h)
{
	(void)user;
	char *config = text_of(host_config(h));
	int done = tell(call_hook("configure", "(s)", config));
	free(config);
	state_watch();
	return done;
}

static cJSON *on_request(void *user, struct host *h, const char *name, const cJSON *args, char *error,
			 size_t size)
{
	(void)user, (void)h;
	char *text = text_of(args);
	PyObject *answer = call_hook("request", "(ss)", name, text);
	free(text);
	const char *said_text = NULL;
	int good = 0;
	cJSON *value = NULL;
	if (answer && PyArg_ParseTuple(answer, "ps", &good, &said_text) && good)
		value = cJSON_Parse(said_text);
	if (value == NULL)
		snprintf(error, size, "%s", good || !said_text ? "the answer cannot be sent" : said_text);
	Py_XDECREF(answer);
	PyErr_Clear();
	state_watch();
	return value;
}

static void on_leave(void *user, struct host *h)
{
	(void)user, (void)h;
	Py_XDECREF(call_hook("leave", "()"));
	state_save();
}

static void on_sleeping(void *user, bool begins)
{
	(void)user;
	if (begins)
		thread = PyEval_SaveThread();
	else
		PyEval_RestoreThread(thread);
}

static const struct language python = {
	"python", on_init, on_configure, on_burst, on_request, on_leave, on_sleeping,
};

/* ---- the module -------------------------------------------------------------------------------------------------------- */

static PyObject *run(PyObject *self, PyObject *args)
{
	const char *text;
	PyObject *module;
	int fds[4];
	(void)self;
	if (!PyArg_ParseTuple(args, "sO:run", &text, &module))
		return NULL;
	if (host_parse_fds(text, fds) < 0)
		return PyErr_Format(PyExc_ValueError, "--fds %s: expected POOL,HOP,BELL,CONTROL", text);
	hooks = Py_NewRef(module);
	return PyLong_FromLong(host_run(fds, &python, NULL));
}

/* The author's entry points and state, found by vnfc_host when the file was loaded. */
static PyObject *serve(PyObject *self, PyObject *args)
{
	PyObject *one, *burst, *dict;
	(void)self;
	if (!PyArg_ParseTuple(args, "OOO!:serve", &one, &burst, &PyDict_Type, &dict))
		return NULL;
	state = Py_NewRef(dict);
	handle = one == Py_None ? NULL : Py_NewRef(one);
	handle_burst = burst == Py_None ? NULL : Py_NewRef(burst);
	Py_RETURN_NONE;
}

static PyObject *declare_request(PyObject *self, PyObject *args)
{
	const char *name, *why, *unit, *arguments, *file;
	int line, changes;
	(void)self;
	if (!PyArg_ParseTuple(args, "sssspsi:declare_request", &name, &why, &unit, &arguments, &changes,
			      &file, &line))
		return NULL;
	host_place(host, file, line);
	int done = host_declare_request(host, name, why, unit, cJSON_Parse(arguments), changes);
	host_place(host, NULL, 0);
	if (done < 0)
		return PyErr_Format(refused_error, "the request %s cannot be declared", name);
	Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
	{ "run", run, METH_VARARGS, "run(fds, hooks): the whole life of a host; returns the exit status" },
	{ "serve", serve, METH_VARARGS, "serve(handle, handle_burst, state): one of the first two is None" },
	{ "declare_request", declare_request, METH_VARARGS,
	  "declare_request(name, why, unit, arguments as JSON, changes, file, line)" },
	{ NULL, NULL, 0, NULL },
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT,
	"_vnfc",
	"What `vnfc` stands on: packets, bursts, verdicts.",
	-1,
	functions,
	NULL,
	NULL,
	NULL,
	NULL,
};

PyMODINIT_FUNC PyInit__vnfc(void);
PyMODINIT_FUNC PyInit__vnfc(void)
{
	PyObject *module = PyModule_Create(&definition);
	if (module == NULL || author_init(module) < 0 || declare_init(module) < 0 ||
	    packets_init(module) < 0 || bursts_init() < 0) {
		Py_XDECREF(module);
		return NULL;
	}
	return module;
}
