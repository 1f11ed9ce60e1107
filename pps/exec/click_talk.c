/* Handlers of a Click process, over its ControlSocket (docs: ControlSocket(n), protocol 1.2 and later). One question
 * at a time; packets go on while its answer is waited for, since Click may be waiting for us to take one. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "pps/exec/click.h"

enum { LISTED_BYTES = 63 * 1024, VALUE_MOST = 48 * 1024, LINE = 512, NAME_MOST = 120, OK = 200 };

struct answer {
	int code;
	char *text;	  /* of its lines */
	const char *data; /* of a READ, in the stream's buffer until it is eaten */
	size_t data_n, bytes;
};

int click_connect(struct exec *x)
{
	struct click_process *c = x->state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/control", c->folder);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	stream_open(&x->stream[0], fd);
	return 0;
}

/* ---- the protocol --------------------------------------------------------------------------------- */

/* A line from `at` on, without its end; NULL: it is not whole. */
static const char *line_at(const struct stream *s, size_t *at, size_t *n)
{
	const char *start = (const char *)s->in + *at;
	const char *end = *at < s->in_n ? memchr(start, '\n', s->in_n - *at) : NULL;
	if (!end)
		return NULL;
	*n = (size_t)(end - start);
	*at += *n + 1;
	if (*n && start[*n - 1] == '\r')
		--*n;
	return start;
}

/* Is there a whole answer in the stream? */
static bool whole(const struct stream *s, bool reads, struct answer *a)
{
	size_t at = 0, n, used = 0;
	const char *line;
	free(a->text);
	a->text = calloc(1, s->in_n + 2);
	if (!a->text)
		return false;
	bool more = true;
	while (more) {
		line = line_at(s, &at, &n);
		if (!line)
			return false;
		if (n < 4 || strncmp(line, "Click::", 7) == 0) /* the banner */
			continue;
		a->code = atoi(line);
		memcpy(a->text + used, line + 4, n - 4);
		used += n - 4;
		a->text[used++] = '\n';
		more = line[3] == '-';
	}
	a->text[used ? used - 1 : 0] = '\0';
	a->data_n = 0;
	if (reads && a->code == OK) {
		line = line_at(s, &at, &n);
		if (!line || sscanf(line, "DATA %zu", &a->data_n) != 1 || s->in_n - at < a->data_n)
			return false;
		a->data = (const char *)s->in + at;
		at += a->data_n;
	}
	a->bytes = at;
	return true;
}

/* Say a line and data, and wait for the answer. False with a text that says why: there is none, or a refusal. */
static bool ask(struct exec *x, bool reads, const char *line, const char *data, struct answer *a)
{
	struct stream *s = &x->stream[0];
	uint64_t now, end = exec_clock() + (uint64_t)REQUEST_MS * 1000000;
	bool there = false;
	*a = (struct answer){ 0 };
	if (s->fd < 0 && click_connect(x) < 0)
		return false;
	if (!stream_put(s, line, strlen(line)) || !stream_put(s, data, strlen(data)))
		exec_fail(x, "out of memory for a message to Click");
	stream_flush(s);
	while (!(there = whole(s, reads, a)) && (now = exec_clock()) < end) {
		exec_wait(x, (int)((end - now) / 1000000) + 1);
		stream_read(s);
		stream_flush(s);
		click_pump(x);
	}
	if (!there)
		stream_close(s); /* its answer, if it comes, is not to be taken for another's */
	return there && a->code == OK;
}

/* The answer was understood. */
static void done(struct exec *x, struct answer *a)
{
	if (a->bytes)
		stream_eat(&x->stream[0], a->bytes);
	free(a->text);
}

/* Why a question failed. */
static void say_failure(const struct answer *a, char *error, size_t size)
{
	const char *text = a->bytes && a->text ? a->text : "Click did not answer in time";
	const char *second = strchr(text, '\n'); /* the first line repeats the handler's name */
	snprintf(error, size, "%s", second ? second + 1 : text);
}

static bool is_word(const char *name)
{
	return *name && strpbrk(name, " \t\r\n") == NULL && strlen(name) < LINE / 2;
}

static bool read_handler(struct exec *x, const char *name, const char *value, struct answer *a)
{
	char line[LINE];
	size_t n = strlen(value);
	if (n == 0)
		snprintf(line, sizeof(line), "READ %s\r\n", name);
	else
		snprintf(line, sizeof(line), "READDATA %s %zu\r\n", name, n);
	return ask(x, true, line, value, a);
}

static bool write_handler(struct exec *x, const char *name, const char *value, struct answer *a)
{
	char line[LINE];
	snprintf(line, sizeof(line), "WRITEDATA %s %zu\r\n", name, strlen(value));
	return ask(x, false, line, value, a);
}

static char *copy(const struct answer *a)
{
	return strndup(a->data_n ? a->data : "", a->data_n);
}

/* ---- what there is --------------------------------------------------------------------------------- */

/* What a line of ELEMENT.handlers says: the name's length, and the letters behind it. */
static size_t name_in(const char *line, const char **flags)
{
	size_t n = strcspn(line, "\t ");
	*flags = line + n + strspn(line + n, "\t ");
	return n;
}

static bool is_general(const char *name)
{
	static const char *const general[] = { "class", "name", "config", "ports", "handlers" };
	for (size_t i = 0; i < sizeof(general) / sizeof(*general); i++)
		if (strcmp(general[i], name) == 0)
			return true;
	return false;
}

static cJSON *arguments(const char *const *names, int n)
{
	cJSON *list = cJSON_CreateArray();
	for (int i = 0; i < n; i++) {
		cJSON *one = cJSON_CreateObject();
		cJSON_AddStringToObject(one, "name", names[i]);
		cJSON_AddStringToObject(one, "type", "str");
		if (i > 0 || n == 1)
			cJSON_AddStringToObject(one, "default", "");
		cJSON_AddItemToArray(list, one);
	}
	return list;
}

static int declare_element(struct exec *x, const char *element, bool general, size_t *listed)
{
	static const char *const value[] = { "value" };
	char name[LINE], *save = NULL, *text;
	struct answer a;
	int status = 0;
	snprintf(name, sizeof(name), "%s.handlers", element);
	bool good = read_handler(x, name, "", &a);
	text = good ? copy(&a) : NULL;
	done(x, &a);
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line && status == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *flags;
		char handler[128];
		size_t n = name_in(line, &flags);
		snprintf(handler, sizeof(handler), "%.*s", (int)n, line);
		snprintf(name, sizeof(name), "%s.%s", element, handler);
		if (is_general(handler) != general || strlen(name) >= NAME_MOST ||
		    (*listed += strlen(name) + 110) > LISTED_BYTES)
			continue;
		bool takes = strchr(flags, 'w') || strchr(flags, '+');
		status = host_declare_request(x->host, name, strchr(flags, 'r') ? "" : "to be written", "",
					      arguments(value, takes), strchr(flags, 'w') != NULL);
	}
	free(text);
	return status;
}

static int declare_elements(struct exec *x, const char *names, bool general, size_t *listed)
{
	char *text = strdup(names), *save = NULL;
	int status = 0;
	for (char *name = text ? strtok_r(text, "\n", &save) : NULL; name && status == 0;
	     name = strtok_r(NULL, "\n", &save))
		if (!strstr(name, "coven_") && !strstr(name, "Coven") && !strstr(name, "@@"))
			status = declare_element(x, name, general, listed);
	free(text);
	return status;
}

int click_declare(struct exec *x)
{
	static const char *const any[] = { "name", "value", "mode" };
	struct answer a;
	size_t listed = 512;
	bool good = read_handler(x, "list", "", &a);
	char *text = good ? copy(&a) : NULL;
	done(x, &a);
	if (!text)
		return host_error(x->host, NULL, 0, "engine", "no list of elements", "Click's ControlSocket",
				  NULL),
		       -1;
	int status = host_declare_request(x->host, "handler",
					  "any handler, by its name: read, or written if there is a value",
					  "", arguments(any, 3), true);
	char *names = strchr(text, '\n'); /* behind their number */
	/* what all elements have comes last: more than one message holds is read by name, through the first request */
	for (int general = 0; names && general < 2 && status == 0; general++)
		status = declare_elements(x, names, general, &listed);
	free(text);
	return status;
}

/* ---- requests and settings ------------------------------------------------------------------------- */

/* "r", "w" or both; nothing if there is no such handler. */
static void check(struct exec *x, const char *name, char can[3])
{
	static const char *const asked[] = { "CHECKREAD", "CHECKWRITE" };
	char line[LINE], *at = can;
	for (int i = 0; i < 2; i++) {
		struct answer a;
		snprintf(line, sizeof(line), "%s %s\r\n", asked[i], name);
		if (ask(x, false, line, "", &a))
			*at++ = "rw"[i];
		done(x, &a);
	}
	*at = '\0';
}

static cJSON *text_of(const struct answer *a)
{
	char *text = copy(a);
	cJSON *value = cJSON_CreateString(text ? text : "");
	free(text);
	return value;
}

/* A number where it is one: of `switch.switch`, not of what only begins like one. */
static cJSON *value_of(const struct answer *a)
{
	char *text = copy(a), *end = text;
	cJSON *value = NULL;
	if (text && a->data_n < 32 && strspn(text, "0123456789.+-e") == a->data_n) {
		double number = strtod(text, &end);
		if (end != text && *end == '\0' && number > -9e15 && number < 9e15)
			value = cJSON_CreateNumber(number);
	}
	if (!value)
		value = cJSON_CreateString(text ? text : "");
	free(text);
	return value;
}

static const char *text_at(const cJSON *args, int i)
{
	const cJSON *at = cJSON_GetArrayItem(args, i);
	return cJSON_IsString(at) ? at->valuestring : "";
}

cJSON *click_request(struct exec *x, const char *name, const cJSON *args, char *error, size_t size)
{
	bool any = strcmp(name, "handler") == 0;
	const char *handler = any ? text_at(args, 0) : name, *value = text_at(args, any),
		   *mode = any ? text_at(args, 2) : "";
	char can[3];
	struct answer a;
	if (!is_word(handler) || strlen(value) > VALUE_MOST) {
		snprintf(error, size, "there is no handler %s", handler);
		return NULL;
	}
	check(x, handler, can);
	if (strcmp(mode, "check") == 0)
		return cJSON_CreateString(can);
	bool writes = *mode ? strcmp(mode, "write") == 0 : strchr(can, 'w') && (*value || !strchr(can, 'r'));
	if (!*can || !strchr(can, writes ? 'w' : 'r')) {
		snprintf(error, size, *can ? "%s cannot be %s" : "there is no handler %s", handler,
			 writes ? "written" : "read");
		return NULL;
	}
	bool good = writes ? write_handler(x, handler, value, &a) : read_handler(x, handler, value, &a);
	cJSON *answer = NULL;
	if (!good)
		say_failure(&a, error, size);
	else
		answer = writes ? cJSON_CreateString("") : *mode ? text_of(&a) : value_of(&a);
	done(x, &a);
	return answer;
}

static int set(struct exec *x, const char *name, const cJSON *value)
{
	char text[64], field[LINE], error[256];
	struct answer a;
	const char *given = cJSON_IsString(value) ? value->valuestring : text;
	if (cJSON_IsBool(value))
		snprintf(text, sizeof(text), "%s", cJSON_IsTrue(value) ? "true" : "false");
	else if (cJSON_IsNumber(value))
		snprintf(text, sizeof(text), "%.15g", value->valuedouble);
	else if (!cJSON_IsString(value))
		given = NULL;
	bool good = given && is_word(name) && strlen(given) < VALUE_MOST;
	if (good) {
		good = write_handler(x, name, given, &a);
		if (!good)
			say_failure(&a, error, sizeof(error));
		done(x, &a);
	} else {
		snprintf(error, sizeof(error), "no text, number or boolean");
	}
	if (good)
		return 0;
	snprintf(field, sizeof(field), "config.%s", name);
	host_error(x->host, NULL, 0, field, error, "a handler of the configuration, and what it takes", NULL);
	return -1;
}

int click_configure(struct exec *x)
{
	const cJSON *element, *handler;
	char name[LINE];
	int status = 0;
	cJSON_ArrayForEach(element, host_config(x->host))
	{
		if (strcmp(element->string, "patience_ms") == 0)
			continue;
		if (!cJSON_IsObject(element)) {
			status |= set(x, element->string, element);
			continue;
		}
		cJSON_ArrayForEach(handler, element)
		{
			snprintf(name, sizeof(name), "%s.%s", element->string, handler->string);
			status |= set(x, name, handler);
		}
	}
	return status;
}
