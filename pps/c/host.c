/* The host of a VNFC in C or C++: loads the shared object that pps/c/framework.py built and runs it in the loop of
 * host.c.
 *
 *	coven-host-c --artifact X.so --name NAME --fds POOL,HOP,BELL,CONTROL
 */
#include <dlfcn.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include "pps/c/cores.h"
#include "pps/c/where.h"
#include "pps/host/host.h"

struct c_vnfc {
	const char *artifact;
	const struct vnfc_component *component;
	struct host *host;
};

struct vnfc_request {
	const cJSON *args; /* an object: every declared argument, of its type */
	cJSON *answer;
	char *error;
	size_t error_size;
};

/* At the start of the state area: what lies behind it. */
struct state_head {
	uint64_t magic, layout, size;
	uint64_t reserved[5];
};
enum { STATE_MAGIC = 0x43435456 };

/* ---- configuration, ports, outputs -------------------------------------------------------------- */

static const cJSON *config_find(struct vnfc_host *api, const char *key, int index)
{
	const cJSON *at = host_config((struct host *)api);
	char name[64];
	while (at && *key) {
		size_t n = strcspn(key, ".");
		if (n >= sizeof(name))
			return NULL;
		memcpy(name, key, n);
		name[n] = '\0';
		at = cJSON_GetObjectItemCaseSensitive(at, name);
		key += n + (key[n] == '.');
	}
	return index < 0 || !at ? at : cJSON_IsArray(at) ? cJSON_GetArrayItem(at, index) : NULL;
}

static bool config_number(struct vnfc_host *api, const char *key, int index, double *value)
{
	const cJSON *at = config_find(api, key, index);
	if (cJSON_IsNumber(at))
		*value = at->valuedouble;
	else if (cJSON_IsBool(at))
		*value = cJSON_IsTrue(at);
	else
		return false;
	return true;
}

static const char *config_text(struct vnfc_host *api, const char *key, int index)
{
	const cJSON *at = config_find(api, key, index);
	return cJSON_IsString(at) ? at->valuestring : NULL;
}

static int config_count(struct vnfc_host *api, const char *key)
{
	const cJSON *at = config_find(api, key, -1);
	return cJSON_IsArray(at) ? cJSON_GetArraySize(at) : -1;
}

/* "FILE:LINE:COLUMN: FOUND | EXPECTED | REMEDY", the line that checks of sources write. */
static void refuse_source(struct host *h, const char *mistake)
{
	char text[512], *part[3] = { text, NULL, NULL };
	size_t file = strcspn(mistake, ":");
	int line = 0, column = 0, start = 0;
	snprintf(text, sizeof(text), "%s", mistake);
	if (file < sizeof(text) && sscanf(text + file, ":%d:%d: %n", &line, &column, &start) == 2 &&
	    start > 0) {
		text[file] = '\0';
		part[0] = text + file + start;
	}
	for (int i = 1; i < 3 && (part[i] = strstr(part[i - 1], " | ")) != NULL; i++) {
		*part[i] = '\0';
		part[i] += 3;
	}
	for (int i = 1; i < 3; i++)
		if (part[i] && !*part[i])
			part[i] = NULL;
	host_error(h, part[0] == text ? NULL : text, line, "source", part[0], part[1], part[2]);
}

static void refuse(struct vnfc_host *api, const char *key, const char *expected)
{
	if (!key) {
		refuse_source((struct host *)api, expected);
		return;
	}
	const cJSON *at = config_find(api, key, -1);
	char *found = at ? cJSON_PrintUnformatted(at) : NULL, field[96];
	snprintf(field, sizeof(field), "config.%s", key);
	host_error((struct host *)api, NULL, 0, field, found ? found : "nothing", expected, NULL);
	cJSON_free(found);
}

static int number_of(const cJSON *port)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(port, "number");
	return cJSON_IsNumber(number) ? number->valueint : -1;
}

static int port_number(struct vnfc_host *api, const char *name)
{
	return number_of(cJSON_GetObjectItemCaseSensitive(host_ports((struct host *)api), name));
}

static int output_number(struct vnfc_host *api, const char *name)
{
	const cJSON *output;
	int number = 0;
	if (strcmp(name, "back") == 0)
		return OUTPUT_BACK;
	cJSON_ArrayForEach(output, host_outputs((struct host *)api))
	{
		if (cJSON_IsString(output) && strcmp(output->valuestring, name) == 0)
			return number;
		number++;
	}
	return -1;
}

static const cJSON *port_item(struct vnfc_host *api, unsigned port, const char *what)
{
	const cJSON *at;
	cJSON_ArrayForEach(
		at,
		host_ports((struct host *)api)) if (number_of(at) ==
						    (int)port) return cJSON_GetObjectItemCaseSensitive(at,
												       what);
	return NULL;
}

static const uint8_t *port_mac(struct vnfc_host *api, unsigned port)
{
	static uint8_t mac[SEG_PORTS][6]; /* of the process, which runs one VNFC */
	const cJSON *text = port < SEG_PORTS ? port_item(api, port, "mac") : NULL;
	uint8_t *m = mac[port % SEG_PORTS];
	if (!cJSON_IsString(text) || sscanf(text->valuestring, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &m[0],
					    &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
		return NULL;
	return m;
}

static unsigned port_mtu(struct vnfc_host *api, unsigned port)
{
	const cJSON *mtu = port_item(api, port, "mtu");
	return cJSON_IsNumber(mtu) && mtu->valueint > 0 ? (unsigned)mtu->valueint : 0;
}

/* ---- requests ----------------------------------------------------------------------------------- */

static bool argument_number(struct vnfc_request *request, const char *name, double *value)
{
	const cJSON *at = cJSON_GetObjectItemCaseSensitive(request->args, name);
	if (cJSON_IsNumber(at))
		*value = at->valuedouble;
	else if (cJSON_IsBool(at))
		*value = cJSON_IsTrue(at);
	else
		return false;
	return true;
}

static const char *argument_text(struct vnfc_request *request, const char *name)
{
	const cJSON *at = cJSON_GetObjectItemCaseSensitive(request->args, name);
	return cJSON_IsString(at) ? at->valuestring : NULL;
}

static void set_answer(struct vnfc_request *request, cJSON *answer)
{
	cJSON_Delete(request->answer);
	request->answer = answer;
}

static void answer_json(struct vnfc_request *request, const char *json)
{
	set_answer(request, cJSON_Parse(json));
	if (!request->answer)
		snprintf(request->error, request->error_size, "the answer is not JSON");
}

static void answer_text(struct vnfc_request *request, const char *text)
{
	set_answer(request, cJSON_CreateString(text));
}

static void answer_error(struct vnfc_request *request, const char *text)
{
	set_answer(request, NULL);
	snprintf(request->error, request->error_size, "%s", text);
}

/* A declared fallback; a string's may be written without its quotes. */
static cJSON *fallback_of(const struct vnfc_argument *argument)
{
	cJSON *value = argument->fallback ? cJSON_Parse(argument->fallback) : NULL;
	return !value && argument->fallback && strcmp(argument->type, "str") == 0
		       ? cJSON_CreateString(argument->fallback)
		       : value;
}

static bool has_type(const cJSON *value, const char *type)
{
	if (strcmp(type, "str") == 0)
		return cJSON_IsString(value);
	if (strcmp(type, "bool") == 0)
		return cJSON_IsBool(value);
	return cJSON_IsNumber(value) &&
	       (strcmp(type, "int") != 0 || value->valuedouble == floor(value->valuedouble));
}

/* What was given (a list in order, or an object by name), checked against what was declared; NULL with text
 * in error. */
static cJSON *check_arguments(const struct vnfc_declared *d, const cJSON *given, char *error, size_t size)
{
	cJSON *all = cJSON_CreateObject();
	if (cJSON_GetArraySize(given) > (int)d->arguments_n) {
		snprintf(error, size, "%s takes %u arguments, found %d", d->name, d->arguments_n,
			 cJSON_GetArraySize(given));
		goto bad;
	}
	for (uint32_t i = 0; i < d->arguments_n; i++) {
		const struct vnfc_argument *a = &d->arguments[i];
		const cJSON *at = cJSON_IsObject(given) ? cJSON_GetObjectItemCaseSensitive(given, a->name)
							: cJSON_GetArrayItem(given, (int)i);
		cJSON *value = at ? cJSON_Duplicate(at, true) : fallback_of(a);
		if (!value || !has_type(value, a->type)) {
			char *text = value ? cJSON_PrintUnformatted(value) : NULL;
			snprintf(error, size, "argument %s: expected %s, found %.80s", a->name, a->type,
				 text ? text : "nothing");
			cJSON_free(text);
			cJSON_Delete(value);
			goto bad;
		}
		cJSON_AddItemToObject(all, a->name, value);
	}
	return all;
bad:
	cJSON_Delete(all);
	return NULL;
}

static cJSON *request(void *user, struct host *host, const char *name, const cJSON *given, char *error,
		      size_t size)
{
	struct c_vnfc *c = user;
	struct vnfc_declared **d = c->component->declared_begin;
	(void)host;
	while (d < c->component->declared_end && !(vnfc_is_asked(*d) && strcmp((*d)->name, name) == 0))
		d++;
	if (d >= c->component->declared_end)
		return NULL;
	cJSON *args = check_arguments(*d, given, error, size);
	if (!args)
		return NULL;
	struct vnfc_request r = { args, NULL, error, size };
	(*d)->answer(&r);
	cJSON_Delete(args);
	return r.answer;
}

/* ---- life --------------------------------------------------------------------------------------- */

static int declare(struct c_vnfc *c, struct vnfc_declared *d)
{
	static const uint32_t kind[] = { [VNFC_IS_COUNTER] = METRIC_COUNTER,
					 [VNFC_IS_GAUGE] = METRIC_GAUGE,
					 [VNFC_IS_HISTOGRAM] = METRIC_HISTOGRAM };
	if (d->kind == VNFC_IS_REASON) {
		int id = host_declare_reason(c->host, d->name, d->why);
		d->id = id < 0 ? 0 : (uint32_t)id;
		return id < 0 ? -1 : 0;
	}
	if (!vnfc_is_asked(d)) {
		d->cell = host_declare_metric(c->host, kind[d->kind], d->name, d->why, d->unit);
		return d->cell ? 0 : -1;
	}
	cJSON *args = cJSON_CreateArray();
	for (uint32_t i = 0; i < d->arguments_n; i++) {
		const struct vnfc_argument *a = &d->arguments[i];
		cJSON *arg = cJSON_CreateObject(), *fallback = fallback_of(a);
		cJSON_AddStringToObject(arg, "name", a->name);
		cJSON_AddStringToObject(arg, "type", a->type);
		if (fallback)
			cJSON_AddItemToObject(arg, "default", fallback);
		cJSON_AddItemToArray(args, arg);
	}
	return host_declare_request(c->host, d->name, d->why, d->unit, args, d->kind == VNFC_IS_CHANGE);
}

static int by_line(const void *a, const void *b)
{
	const struct vnfc_declared *x = *(struct vnfc_declared *const *)a,
				   *y = *(struct vnfc_declared *const *)b;
	int file = strcmp(x->file, y->file);
	return file ? file : (int)x->line - (int)y->line;
}

static int declare_all(struct c_vnfc *c)
{
	struct vnfc_declared **first = c->component->declared_begin, **last = c->component->declared_end;
	int status = 0;
	/* the compiler lists them as it likes */
	if (first != last)
		qsort(first, (size_t)(last - first), sizeof(*first), by_line);
	for (struct vnfc_declared **d = first; d < last; d++) {
		host_place(c->host, (*d)->file, (int)(*d)->line);
		status |= declare(c, *d);
	}
	host_place(c->host, NULL, 0);
	return status;
}

static void open_state(struct c_vnfc *c)
{
	const struct vnfc_state_layout *layout = c->component->state;
	struct vnfc_host *api = host_api(c->host);
	struct state_head *head = (struct state_head *)host_state(c->host);
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	if (!layout)
		return;
	for (const char *at = layout->text; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 0x100000001b3u;
	api->state = head + 1;
	api->state_kept = head->magic == STATE_MAGIC && head->layout == hash && head->size == layout->size;
	if (!api->state_kept) {
		memset(head, 0, HOP_STATE_BYTES);
		*head = (struct state_head){ .magic = STATE_MAGIC, .layout = hash, .size = layout->size };
	}
}

static int load(struct c_vnfc *c)
{
	char found[64];
	void *object = dlopen(c->artifact, RTLD_NOW | RTLD_LOCAL);
	if (!object) {
		host_error(c->host, NULL, 0, "source", dlerror(), "a shared object that can be loaded",
			   "define every function that is used, or name its library in `libs`");
		return -1;
	}
	c->component = dlsym(object, "vnfc_component");
	if (!c->component) {
		host_error(c->host, NULL, 0, "source", "no VNFC_HANDLE", "VNFC_HANDLE or VNFC_HANDLE_BURST",
			   "write VNFC_HANDLE { return VNFC_FORWARD; }");
		return -1;
	}
	where_loaded(c->component);
	const struct vnfc_component *v = c->component;
	if (v->magic != VNFC_ABI_MAGIC || v->abi_major != VNFC_ABI_MAJOR || v->abi_minor > VNFC_ABI_MINOR) {
		snprintf(found, sizeof(found), "SDK ABI %u.%u", v->abi_major, v->abi_minor);
		host_error(c->host, NULL, 0, "source", found, "SDK ABI 1.0",
			   "build the VNFC with this host's SDK");
		return -1;
	}
	return 0;
}

static int init(void *user, struct host *host)
{
	struct c_vnfc *c = user;
	struct vnfc_host *api = host_api(host);
	c->host = host;
	api->config_number = config_number;
	api->config_text = config_text;
	api->config_count = config_count;
	api->refuse = refuse;
	api->port_number = port_number;
	api->output_number = output_number;
	api->port_mac = port_mac;
	api->port_mtu = port_mtu;
	api->argument_number = argument_number;
	api->argument_text = argument_text;
	api->answer_json = answer_json;
	api->answer_text = answer_text;
	api->answer_error = answer_error;
	if (load(c) < 0)
		return -1;
	*c->component->host = api;
	if (declare_all(c) < 0)
		return -1;
	open_state(c);
	if (c->component->init && c->component->init() != 0)
		return -1;
	return c->component->configure ? c->component->configure() : 0;
}

static int configure(void *user, struct host *host)
{
	struct c_vnfc *c = user;
	(void)host;
	return c->component->configure ? c->component->configure() : 0;
}

static void burst(void *user, struct host *host, const uint32_t *frames, uint32_t n)
{
	struct c_vnfc *c = user;
	c->component->burst(host_api(host), frames, n);
}

static void finish(void *user, struct host *host)
{
	struct c_vnfc *c = user;
	(void)host;
	if (c->component && c->component->exit)
		c->component->exit();
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "artifact", required_argument, NULL, 'a' },
						 { "name", required_argument, NULL, 'n' },
						 { "fds", required_argument, NULL, 'f' },
						 { NULL, 0, NULL, 0 } };
	static const struct language language = { .name = "c",
						  .init = init,
						  .configure = configure,
						  .burst = burst,
						  .request = request,
						  .exit = finish };
	struct c_vnfc c = { 0 };
	int fds[4] = { -1, -1, -1, -1 }, option;
	bool good = true;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'a')
			c.artifact = optarg;
		else if (option == 'f')
			good = good && host_parse_fds(optarg, fds) == 0;
		else if (option != 'n') /* the name is for whoever looks at the process list */
			good = false;
	}
	if (!good || !c.artifact || fds[3] < 0 || optind != argc) {
		fprintf(stderr, "usage: %s --artifact X.so --name NAME --fds POOL,HOP,BELL,CONTROL\n",
			argv[0]);
		return 2;
	}
	signal(SIGINT, SIG_IGN); /* the keeper ends it, in order */
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	leave_cores();
	where_begin(c.artifact);
	setvbuf(stdout, NULL, _IOLBF, 0);
	return host_run(fds, &language, &c);
}
