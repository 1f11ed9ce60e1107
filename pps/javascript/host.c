/* The host of JavaScript VNFCs, the part in C: an addon for Node.js (Node-API 8, Node.js 18 and later).
 *
 * The JavaScript side (pps/sdk/javascript) maps the shared memory as array buffers; a burst is one call of
 * hooks.burst. The rest here is a few arguments passed on to managed.h.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <dlfcn.h>
#include <node_api.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include "pps/managed/managed.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "packet.js reads the low word of an address first");

enum { MOST = 7 }; /* arguments of a function */

static napi_env js; /* of the one thread that runs the host */
static napi_ref hooks, on_burst;

/* ---- values ------------------------------------------------------------------------------------- */

static napi_value text_new(const char *text)
{
	napi_value value = NULL;
	napi_create_string_utf8(js, text, NAPI_AUTO_LENGTH, &value);
	return value;
}

static napi_value number_new(double number)
{
	napi_value value = NULL;
	napi_create_double(js, number, &value);
	return value;
}

static napi_value int_new(int32_t number)
{
	napi_value value = NULL;
	napi_create_int32(js, number, &value);
	return value;
}

static napi_value nothing(void)
{
	napi_value value = NULL;
	napi_get_undefined(js, &value);
	return value;
}

/* For free(); NULL for what is no text. */
static char *text_of(napi_value value)
{
	size_t n = 0;
	if (napi_get_value_string_utf8(js, value, NULL, 0, &n) != napi_ok)
		return NULL;
	char *text = malloc(n + 1);
	if (text)
		napi_get_value_string_utf8(js, value, text, n + 1, &n);
	return text;
}

static double number_of(napi_value value)
{
	double number = 0;
	napi_get_value_double(js, value, &number);
	return number;
}

static uint32_t uint_of(napi_value value)
{
	uint32_t number = 0;
	napi_get_value_uint32(js, value, &number);
	return number;
}

/* The arguments of a call; those that were not given are undefined. */
static void arguments(napi_callback_info info, napi_value *args)
{
	size_t n = MOST;
	napi_get_cb_info(js, info, &n, args, NULL, NULL);
}

/* An exception that came out of a hook (memory was short, the stack too deep): say so and go on. */
static bool threw(void)
{
	bool pending = false;
	napi_value error, text;
	napi_is_exception_pending(js, &pending);
	if (!pending)
		return false;
	napi_get_and_clear_last_exception(js, &error);
	char *line = napi_coerce_to_string(js, error, &text) == napi_ok ? text_of(text) : NULL;
	napi_get_and_clear_last_exception(js, &error);
	managed_api->log(managed_api, line ? line : "an exception that cannot be shown");
	free(line);
	return true;
}

/* Call a hook. NULL if it threw. */
static napi_value call(const char *name, size_t n, const napi_value *args)
{
	napi_value object, function, result = NULL;
	napi_get_reference_value(js, hooks, &object);
	if (napi_get_named_property(js, object, name, &function) != napi_ok ||
	    napi_call_function(js, object, function, n, args, &result) != napi_ok)
		result = NULL;
	return threw() ? NULL : result;
}

static int call_for_int(const char *name, size_t n, const napi_value *args)
{
	int32_t done = -1;
	napi_value result = call(name, n, args);
	if (result)
		napi_get_value_int32(js, result, &done);
	else
		host_error(managed_host, NULL, 0, NULL, "the JavaScript machine failed", NULL, "see the log");
	return done;
}

/* ---- calls into the machine --------------------------------------------------------------------- */

static int load(const char *config, const char *ports, const char *outputs, uint64_t seed,
		const uint8_t *kept, size_t kept_size)
{
	napi_handle_scope scope;
	napi_value map[REGIONS + 1], args[5];
	napi_open_handle_scope(js, &scope);
	for (int i = 0; i < REGIONS; i++) {
		struct managed_region r = managed_region((enum managed_regions)i);
		if (napi_create_external_arraybuffer(js, r.at, r.size, NULL, NULL, &map[i]) != napi_ok) {
			host_error(managed_host, NULL, 0, "language", "a Node.js that cannot share memory",
				   "Node.js 18 or later, built as usual", NULL);
			napi_close_handle_scope(js, scope);
			return -1;
		}
	}
	map[REGIONS] = number_new((double)(uint32_t)(uintptr_t)managed_region(REGION_DATA).at);
	int done = call_for_int("map", REGIONS + 1, map);
	args[0] = text_new(config);
	args[1] = text_new(ports);
	args[2] = text_new(outputs);
	args[3] = number_new((double)(uint32_t)(seed ^ seed >> 32));
	napi_create_string_utf8(js, (const char *)kept, kept_size, &args[4]);
	if (done == 0)
		done = call_for_int("load", 5, args);
	napi_close_handle_scope(js, scope);
	return done;
}

static int configure(const char *config)
{
	napi_handle_scope scope;
	napi_open_handle_scope(js, &scope);
	napi_value args[1] = { text_new(config) };
	int done = call_for_int("configure", 1, args);
	napi_close_handle_scope(js, scope);
	return done;
}

static char *request(const char *name, const char *given, bool *good)
{
	napi_handle_scope scope;
	napi_value first, second;
	char *text = NULL;
	napi_open_handle_scope(js, &scope);
	napi_value args[2] = { text_new(name), text_new(given) };
	napi_value answer = call("request", 2, args);
	if (answer && napi_get_element(js, answer, 0, &first) == napi_ok &&
	    napi_get_element(js, answer, 1, &second) == napi_ok) {
		napi_get_value_bool(js, first, good);
		text = text_of(second);
	}
	napi_close_handle_scope(js, scope);
	return text;
}

static void burst(uint32_t n)
{
	napi_handle_scope scope;
	napi_value function, result, args[1];
	napi_open_handle_scope(js, &scope);
	napi_get_reference_value(js, on_burst, &function);
	args[0] = int_new((int32_t)n);
	if (napi_call_function(js, nothing(), function, 1, args, &result) != napi_ok)
		threw();
	napi_close_handle_scope(js, scope);
}

static void timer(uint32_t id)
{
	napi_handle_scope scope;
	napi_open_handle_scope(js, &scope);
	napi_value args[1] = { int_new((int32_t)id) };
	call("timer", 1, args);
	napi_close_handle_scope(js, scope);
}

static long save(uint8_t *to, size_t size)
{
	napi_handle_scope scope;
	size_t n = 0;
	long done = -1;
	napi_open_handle_scope(js, &scope);
	napi_value args[1] = { number_new((double)size) };
	napi_value text = call("save", 1, args);
	if (text && napi_get_value_string_utf8(js, text, NULL, 0, &n) == napi_ok && n < size) {
		napi_get_value_string_utf8(js, text, (char *)to, size, &n);
		done = (long)n;
	}
	napi_close_handle_scope(js, scope);
	return done;
}

static void leave(void)
{
	napi_handle_scope scope;
	napi_open_handle_scope(js, &scope);
	call("leave", 0, NULL);
	napi_close_handle_scope(js, scope);
}

static const struct managed_vm machine = {
	"javascript", load, configure, request, burst, timer, save, leave,
};

/* ---- what the JavaScript side calls ------------------------------------------------------------- */

#define FUNCTION(name)                                                     \
	static napi_value js_##name##_with(napi_value *args);              \
	static napi_value js_##name(napi_env env, napi_callback_info info) \
	{                                                                  \
		napi_value args[MOST];                                     \
		(void)env;                                                 \
		arguments(info, args);                                     \
		return js_##name##_with(args);                             \
	}                                                                  \
	static napi_value js_##name##_with(napi_value *args __attribute__((unused)))

/* The component's thread, between two steps of the component: say where, and end. */
static void interrupted(void *isolate, void *data)
{
	napi_handle_scope scope;
	napi_value all, where, none;
	(void)isolate, (void)data;
	if (napi_open_handle_scope(js, &scope) == napi_ok &&
	    napi_get_reference_value(js, hooks, &all) == napi_ok &&
	    napi_get_named_property(js, all, "where", &where) == napi_ok)
		napi_call_function(js, all, where, 0, NULL, &none);
	managed_told();
}

/* Node-API has no way to interrupt what runs: V8 itself is asked, by the names that its functions have for the linker.
 * Without them a component that hangs ends without a word. */
static void *listener(void *isolate)
{
	void (*request)(void *, void (*)(void *, void *), void *);
	managed_await();
	*(void **)&request = dlsym(RTLD_DEFAULT, "_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_");
	if (request && isolate)
		request(isolate, interrupted, NULL);
	else
		managed_told();
	return NULL;
}

static void listen_beside(void)
{
	void *(*current)(void);
	pthread_t thread;
	*(void **)&current = dlsym(RTLD_DEFAULT, "_ZN2v87Isolate10GetCurrentEv");
	managed_listen();
	if (pthread_create(&thread, NULL, listener, current ? current() : NULL) == 0)
		pthread_detach(thread);
}

/* run(fds, hooks): the whole life of a host; its exit status. */
FUNCTION(run)
{
	napi_value function;
	signal(SIGINT, SIG_IGN); /* the keeper ends it, in order */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	napi_create_reference(js, args[1], 1, &hooks);
	napi_get_named_property(js, args[1], "burst", &function);
	napi_create_reference(js, function, 1, &on_burst);
	listen_beside();
	char *text = text_of(args[0]);
	int status = text ? managed_run(text, &machine) : 1;
	free(text);
	return int_new(status);
}

FUNCTION(give)
{
	return int_new((int32_t)managed_give());
}

FUNCTION(exception)
{
	managed_exception();
	return nothing();
}

/* error(file, line, field, found, expected, remedy) */
FUNCTION(error)
{
	char *text[] = { text_of(args[0]), text_of(args[2]), text_of(args[3]), text_of(args[4]),
			 text_of(args[5]) };
	host_error(managed_host, text[0], (int)uint_of(args[1]), text[1], text[2], text[3], text[4]);
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
	return nothing();
}

/* edit(frame, what, n) */
FUNCTION(edit)
{
	return int_new(managed_edit(uint_of(args[0]), (enum managed_edit)uint_of(args[1]), uint_of(args[2])));
}

/* emit(frame, output, port) */
FUNCTION(emit)
{
	return int_new(managed_emit(uint_of(args[0]), uint_of(args[1]), (int)number_of(args[2])));
}

/* release(frame, verdict) */
FUNCTION(release)
{
	return int_new(managed_release(uint_of(args[0]), uint_of(args[1])));
}

/* note(frame, text) */
FUNCTION(note)
{
	char *text = text_of(args[1]);
	managed_note(uint_of(args[0]), text);
	free(text);
	return NULL;
}

FUNCTION(discard)
{
	return int_new(managed_discard(uint_of(args[0])));
}

FUNCTION(make)
{
	return int_new((int32_t)managed_make());
}

FUNCTION(copy)
{
	return int_new((int32_t)managed_clone(uint_of(args[0])));
}

/* payload(frame): offset * 2^32 + size, or -1 */
FUNCTION(payload)
{
	return number_new((double)managed_payload(uint_of(args[0])));
}

FUNCTION(flow)
{
	struct flow_key key;
	napi_value value = NULL;
	if (!managed_flow(uint_of(args[0]), &key))
		napi_get_null(js, &value);
	else
		napi_create_string_latin1(js, (const char *)&key, sizeof(key), &value);
	return value;
}

/* timer(seconds, repeat) */
FUNCTION(timer)
{
	bool repeat = false;
	napi_get_value_bool(js, args[1], &repeat);
	return number_new((double)managed_timer(number_of(args[0]), repeat));
}

FUNCTION(cancel)
{
	managed_cancel(uint_of(args[0]));
	return nothing();
}

/* reason(name, why, file, line) */
FUNCTION(reason)
{
	char *text[] = { text_of(args[0]), text_of(args[1]), text_of(args[2]) };
	int id = managed_reason(text[0] ? text[0] : "", text[1] ? text[1] : "", text[2],
				(int)uint_of(args[3]));
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
	return int_new(id);
}

/* metric(kind, name, why, unit, file, line) */
FUNCTION(metric)
{
	char *text[] = { text_of(args[1]), text_of(args[2]), text_of(args[3]), text_of(args[4]) };
	int number = managed_metric(uint_of(args[0]), text[0] ? text[0] : "", text[1] ? text[1] : "",
				    text[2] ? text[2] : "", text[3], (int)uint_of(args[5]));
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
	return int_new(number);
}

/* request(name, why, unit, arguments, changes, file, line) */
FUNCTION(request)
{
	char *text[] = { text_of(args[0]), text_of(args[1]), text_of(args[2]), text_of(args[3]),
			 text_of(args[5]) };
	int done = managed_request(text[0] ? text[0] : "", text[1] ? text[1] : "", text[2] ? text[2] : "",
				   text[3] ? text[3] : "[]", uint_of(args[4]) != 0, text[4],
				   (int)uint_of(args[6]));
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
	return int_new(done);
}

/* measure(metric, value) */
FUNCTION(measure)
{
	managed_measure(uint_of(args[0]), number_of(args[1]));
	return nothing();
}

FUNCTION(measured)
{
	return number_new(managed_measured(uint_of(args[0])));
}

FUNCTION(log)
{
	char *text = text_of(args[0]);
	if (managed_api)
		managed_api->log(managed_api, text ? text : "");
	free(text);
	return nothing();
}

NAPI_MODULE_INIT()
{
	static const struct {
		const char *name;
		napi_callback call;
	} functions[] = {
		{ "run", js_run },	   { "give", js_give },		{ "exception", js_exception },
		{ "error", js_error },	   { "edit", js_edit },		{ "emit", js_emit },
		{ "release", js_release }, { "discard", js_discard },	{ "make", js_make },
		{ "note", js_note },	   { "copy", js_copy },		{ "payload", js_payload },
		{ "flow", js_flow },	   { "timer", js_timer },	{ "cancel", js_cancel },
		{ "reason", js_reason },   { "metric", js_metric },	{ "request", js_request },
		{ "measure", js_measure }, { "measured", js_measured }, { "log", js_log },
	};
	js = env;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		napi_value function;
		if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL,
					 &function) != napi_ok ||
		    napi_set_named_property(env, exports, functions[i].name, function) != napi_ok)
			return NULL;
	}
	return exports;
}
