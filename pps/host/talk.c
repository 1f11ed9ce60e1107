/* A VNFC host's talk: with the keeper over the control socket, and with its language about what was
 * declared and configured.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include "pps/host/inside.h"

static void work_begins(struct host *h, uint32_t phase)
{
	cell_store64(&h->hop.head->busy_since, clock_ns(CLOCK_MONOTONIC));
	cell_store(&h->hop.head->phase, phase);
}

static void work_ends(struct host *h, uint32_t phase)
{
	vnfc__progress(&h->api);
	cell_store(&h->hop.head->phase, phase);
	cell_store64(&h->hop.head->busy_since, 0);
}

/* ---- what the keeper asks ----------------------------------------------------------------------- */

/* Sends and deletes message. A keeper that does not read is not waited for. */
static void say(struct host *h, cJSON *message)
{
	char *text = cJSON_PrintUnformatted(message);
	size_t size = text ? strlen(text) : 0;
	if (size > HOST_MESSAGE_MAX) { /* only an answer can grow so long */
		cJSON_DeleteItemFromObject(message, "value");
		cJSON_ReplaceItemInObject(message, "ok", cJSON_CreateFalse());
		cJSON_AddStringToObject(message, "error", "the answer is longer than 64 KiB");
		cJSON_free(text);
		text = cJSON_PrintUnformatted(message);
		size = text ? strlen(text) : 0;
	}
	if (text && send(h->control, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		host_complain(&h->api, "the keeper was not told: %s", strerror(errno));
	cJSON_free(text);
	cJSON_Delete(message);
}

static cJSON *reply(const char *op, const cJSON *to, bool ok)
{
	cJSON *message = cJSON_CreateObject();
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(to, "id");
	cJSON_AddStringToObject(message, "op", op);
	if (id)
		cJSON_AddItemToObject(message, "id", cJSON_Duplicate(id, true));
	cJSON_AddBoolToObject(message, "ok", ok);
	return message;
}

void host_error(struct host *h, const char *file, int line, const char *field, const char *found,
		const char *expected, const char *remedy)
{
	const char *name[] = { "file", "field", "found", "expected", "remedy" };
	const char *value[] = { file ? file : h->place_file, field, found, expected, remedy };
	cJSON *error = cJSON_CreateObject();
	if (!file)
		line = h->place_line;
	for (int i = 0; i < 5; i++)
		if (value[i])
			cJSON_AddStringToObject(error, name[i], value[i]);
	if (line > 0)
		cJSON_AddNumberToObject(error, "line", line);
	if (cJSON_GetArraySize(h->errors) < 64)
		cJSON_AddItemToArray(h->errors, error);
	else
		cJSON_Delete(error);
}

void host_place(struct host *h, const char *file, int line)
{
	h->place_file = file;
	h->place_line = line;
}

static cJSON *take_errors(struct host *h)
{
	cJSON *errors = h->errors;
	if (cJSON_GetArraySize(errors) == 0)
		host_error(h, NULL, 0, NULL, "a refusal without a reason", "a reason", NULL);
	h->errors = cJSON_CreateArray();
	return errors;
}

static void init(struct host *h, const cJSON *message)
{
	h->config = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(message, "config"), true);
	h->ports = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(message, "ports"), true);
	h->outputs = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(message, "outputs"), true);
	h->outputs_n = (unsigned)cJSON_GetArraySize(h->outputs);
	if (!cJSON_IsObject(h->config)) {
		cJSON_Delete(h->config);
		h->config = cJSON_CreateObject();
	}
	work_begins(h, PHASE_STARTING);
	h->declaring = true;
	int status = h->language->init(h->user, h);
	h->declaring = false;
	cJSON *answer = cJSON_CreateObject();
	h->failed = status != 0 || cJSON_GetArraySize(h->errors) > 0;
	cJSON_AddStringToObject(answer, "op", h->failed ? "failed" : "ready");
	if (h->failed) {
		cJSON_AddItemToObject(answer, "errors", take_errors(h));
		h->ending = true;
	} else {
		cJSON_AddItemToObject(answer, "requests", cJSON_Duplicate(h->requests, true));
	}
	work_ends(h, h->failed ? PHASE_ENDING : PHASE_RUNNING);
	host_publish(h);
	say(h, answer);
}

static void configure(struct host *h, const cJSON *message)
{
	cJSON *old = h->config,
	      *fresh = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(message, "config"), true);
	if (!cJSON_IsObject(fresh)) {
		cJSON_Delete(fresh);
		fresh = cJSON_CreateObject();
	}
	cJSON_Delete(h->errors); /* a request may have left some */
	h->errors = cJSON_CreateArray();
	work_begins(h, PHASE_CONFIGURING);
	h->config = fresh;
	int status = h->language->configure(h->user, h);
	bool ok = status == 0 && cJSON_GetArraySize(h->errors) == 0;
	h->config = ok ? fresh : old;
	cJSON_Delete(ok ? old : fresh);
	work_ends(h, PHASE_RUNNING);
	cJSON *answer = reply("configured", message, ok);
	if (!ok)
		cJSON_AddItemToObject(answer, "errors", take_errors(h));
	say(h, answer);
}

static void request(struct host *h, const cJSON *message)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(message, "name");
	const cJSON *args = cJSON_GetObjectItemCaseSensitive(message, "args"), *known;
	char error[256] = "there is no such request";
	cJSON *value = NULL;
	bool declared = false;
	cJSON_ArrayForEach(known, h->requests) declared |=
		cJSON_IsString(name) &&
		strcmp(cJSON_GetObjectItemCaseSensitive(known, "name")->valuestring, name->valuestring) == 0;
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	work_begins(h, PHASE_RUNNING);
	if (declared && h->language->request) {
		strcpy(error, "no answer was given");
		value = h->language->request(h->user, h, name->valuestring, args, error, sizeof(error));
	}
	work_ends(h, PHASE_RUNNING);
	cJSON *answer = reply("answer", message, value != NULL);
	cJSON_AddNumberToObject(answer, "seconds", (double)(clock_ns(CLOCK_MONOTONIC) - began) / 1e9);
	if (value)
		cJSON_AddItemToObject(answer, "value", value);
	else
		cJSON_AddStringToObject(answer, "error", error);
	say(h, answer);
}

static void end(struct host *h)
{
	work_begins(h, PHASE_ENDING);
	if (h->language->exit)
		h->language->exit(h->user, h);
	h->ending = true;
	work_ends(h, PHASE_ENDING);
	host_publish(h);
}

/* Read one message, waiting for it or not. False if there is none (now, or ever more: h->lost). */
static bool hear(struct host *h, bool wait)
{
	ssize_t n;
	do
		n = recv(h->control, h->message, HOST_MESSAGE_MAX, MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n <= 0) {
		h->lost = h->ending = true;
		return false;
	}
	cJSON *message = n <= HOST_MESSAGE_MAX ? cJSON_ParseWithLength(h->message, (size_t)n) : NULL;
	const cJSON *op = cJSON_GetObjectItemCaseSensitive(message, "op");
	const char *name = cJSON_IsString(op) ? op->valuestring : "";
	if (strcmp(name, "init") == 0 && !h->config)
		init(h, message);
	else if (strcmp(name, "configure") == 0 && h->config)
		configure(h, message);
	else if (strcmp(name, "request") == 0 && h->config)
		request(h, message);
	else if (strcmp(name, "exit") == 0)
		end(h);
	else
		host_complain(&h->api, "a control message of %zd bytes was not understood: \"%.20s\"", n,
			      name);
	cJSON_Delete(message);
	return true;
}

void host_look_at_control(struct host *h)
{
	uint32_t now = cell_load(&h->hop.head->control);
	if (now == h->control_seen)
		return;
	h->control_seen = now;
	while (!h->ending && hear(h, false))
		;
}

void host_hello(struct host *h)
{
	cJSON *hello = cJSON_CreateObject();
	cJSON_AddStringToObject(hello, "op", "hello");
	cJSON_AddNumberToObject(hello, "abi", SEG_ABI_MAJOR);
	cJSON_AddStringToObject(hello, "language", h->language->name);
	say(h, hello);
	while (!h->config && !h->ending)
		hear(h, true);
}

/* ---- what a language asks ----------------------------------------------------------------------- */

const cJSON *host_config(const struct host *h)
{
	return h->config;
}

const cJSON *host_ports(const struct host *h)
{
	return h->ports;
}

const cJSON *host_outputs(const struct host *h)
{
	return h->outputs;
}

uint8_t *host_state(struct host *h)
{
	return h->hop.state;
}

struct vnfc_host *host_api(struct host *h)
{
	return &h->api;
}

static bool name_is_good(struct host *h, const char *what, const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	const char *late = h->declaring ? NULL : "a declaration at the start, before any packet";
	if (n > 0 && n < SEG_NAME && name[n] == '\0' && name[0] >= 'a' && name[0] <= 'z' && !late)
		return true;
	host_error(h, NULL, 0, what, name,
		   late ? late : "a name like [a-z][a-z0-9_-]{0,31}, at most 31 characters", NULL);
	return false;
}

/* A request may also be named as Click names a handler: element/part.handler. */
static bool request_name_is_good(struct host *h, const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./@");
	if (h->declaring && n > 0 && n < HOST_REQUEST_NAME && name[n] == '\0' && strchr(name, '.'))
		return true;
	return name_is_good(h, "request", name);
}

int host_declare_reason(struct host *h, const char *name, const char *why)
{
	static const char *const taken[] = {
#define REASON(id, name, where, why) #name,
#include "itf/reasons.h"
#undef REASON
	};
	if (!name_is_good(h, "reason", name))
		return -1;
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (strcmp(taken[i], name) == 0) {
			host_error(h, NULL, 0, "reason", name, "a name that is not the platform's own",
				   "choose another name");
			return -1;
		}
	int id = hop_declare_reason(&h->hop, name, why);
	if (id < 0)
		host_error(h, NULL, 0, "reason", name, "at most 64 drop reasons", "declare fewer");
	return id;
}

struct hop_metric_cell *host_declare_metric(struct host *h, uint32_t kind, const char *name, const char *why,
					    const char *unit)
{
	if (!name_is_good(h, "metric", name))
		return NULL;
	struct hop_metric_cell *cell = hop_declare_metric(&h->hop, kind, name, why, unit);
	if (!cell)
		host_error(h, NULL, 0, "metric", name, "at most 64 metrics, each name with one kind",
			   "declare fewer");
	return cell;
}

int host_declare_request(struct host *h, const char *name, const char *why, const char *unit, cJSON *args,
			 bool changes)
{
	const cJSON *known;
	bool twice = false, standard = strcmp(name, "list") == 0 || strcmp(name, "metrics") == 0;
	cJSON_ArrayForEach(known, h->requests) twice |=
		strcmp(cJSON_GetObjectItemCaseSensitive(known, "name")->valuestring, name) == 0;
	if (twice)
		host_error(h, NULL, 0, "request", name, "each request once", "choose another name");
	if (standard)
		host_error(h, NULL, 0, "request", name,
			   "a name other than list and metrics, which every VNFC answers",
			   "choose another name");
	if (twice || standard || !request_name_is_good(h, name)) {
		cJSON_Delete(args);
		return -1;
	}
	cJSON *request = cJSON_CreateObject();
	cJSON_AddStringToObject(request, "name", name);
	cJSON_AddStringToObject(request, "why", why);
	cJSON_AddStringToObject(request, "unit", unit);
	cJSON_AddItemToObject(request, "args", args ? args : cJSON_CreateArray());
	cJSON_AddBoolToObject(request, "changes", changes);
	cJSON_AddItemToArray(h->requests, request);
	return 0;
}
