/* Script: instructions that read and write handlers, with variables, jumps and waits. */
#ifndef CLICK_SCRIPT_H
#define CLICK_SCRIPT_H
#include "click.h"

enum click_script_op {
	SCRIPT_SET,
	SCRIPT_INIT,
	SCRIPT_READ,
	SCRIPT_WRITE,
	SCRIPT_PRINT,
	SCRIPT_SHOW, /* print a handler's value */
	SCRIPT_GOTO,
	SCRIPT_WAIT,
	SCRIPT_LOOP,
	SCRIPT_RETURN,
	SCRIPT_END,
	SCRIPT_PAUSE,
	SCRIPT_LABEL,
};

enum { SCRIPT_VALUE = 256, SCRIPT_VARIABLES = 32, SCRIPT_DEPTH = 8, SCRIPT_STEPS = 100000 };

struct click_step {
	enum click_script_op op;
	int target;	  /* of a jump: the instruction's number */
	const char *name; /* of the variable or handler */
	const char *text; /* what is expanded when the instruction runs */
};

struct click_variable {
	char name[32], value[SCRIPT_VALUE];
};

struct click_script {
	const struct click_step *steps;
	unsigned steps_n, at, variables_n;
	bool running;
	struct click_timer timer;
	struct click_variable variables[SCRIPT_VARIABLES];
	const char *element;
	char result[SCRIPT_VALUE];
};

static inline struct click_variable *script_variable(struct click_script *s, const char *name, size_t n,
						     bool make)
{
	struct click_variable *v = s->variables;
	for (; v < s->variables + s->variables_n; v++)
		if (strlen(v->name) == n && memcmp(v->name, name, n) == 0)
			return v;
	if (!make || s->variables_n == SCRIPT_VARIABLES || n >= sizeof(v->name))
		return NULL;
	s->variables_n++;
	memcpy(v->name, name, n);
	v->name[n] = v->value[0] = '\0';
	return v;
}

static inline void script_store(struct click_script *s, const char *name, const char *value)
{
	struct click_variable *v = script_variable(s, name, strlen(name), true);
	if (v)
		snprintf(v->value, sizeof(v->value), "%s", value);
	else
		vnfc_log("%s: no room for variable %s", s->element, name);
}

/* A handler's value, or "" and a line in the log. */
static inline void script_read(struct click_script *s, const char *name, const char *value, char *out,
			       size_t room)
{
	const struct click_handler *handler = click_find(name);
	*out = '\0';
	if (handler && click_read(handler, value, &click_out) == 0)
		snprintf(out, room, "%s", click_out.text);
	else
		vnfc_log("%s: %s: %s", s->element, name,
			 handler ? click_out.text : "there is no such handler");
}

static inline bool script_true(const char *text)
{
	double number;
	bool value;
	if (click_boolean(text, &value))
		return value;
	return click_real(text, &number) && number != 0;
}

static inline void script_say_number(char *out, size_t room, double value)
{
	snprintf(out, room, value == floor(value) && fabs(value) < 1e15 ? "%.0f" : "%.15g", value);
}

/* A function of numbers over the words of `args`; false if there is no such function. */
static inline bool script_function(const char *name, char *args, char *out, size_t room)
{
	static const char *const names[] = {
		"add", "sub", "mul", "div", "mod", "min", "max", "lt",	   "le",
		"gt",  "ge",  "eq",  "ne",  "and", "or",  "not", "random", "now"
	};
	double a = 0, b;
	unsigned n = 0, which = 0;
	char *rest = NULL;
	const char *last = "";
	while (which < 18 && strcmp(name, names[which]) != 0)
		which++;
	if (which == 18)
		return false;
	for (char *word = strtok_r(args, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest), n++) {
		bool number = click_real(word, &b);
		if (!number)
			b = script_true(word);
		if (n == 0) {
			a = which == 13 || which == 14 || which == 15 ? script_true(word) : b;
			last = word;
			continue;
		}
		switch (which) {
		case 0:
			a += b;
			break;
		case 1:
			a -= b;
			break;
		case 2:
			a *= b;
			break;
		case 3:
			a = b != 0 ? a / b : 0;
			break;
		case 4:
			a = b != 0 ? fmod(a, b) : 0;
			break;
		case 5:
			a = a < b ? a : b;
			break;
		case 6:
			a = a > b ? a : b;
			break;
		case 7:
			a = a < b;
			break;
		case 8:
			a = a <= b;
			break;
		case 9:
			a = a > b;
			break;
		case 10:
			a = a >= b;
			break;
		case 11:
			a = number ? a == b : strcmp(last, word) == 0;
			break;
		case 12:
			a = number ? a != b : strcmp(last, word) != 0;
			break;
		case 13:
			a = a != 0 && script_true(word);
			break;
		case 14:
			a = a != 0 || script_true(word);
			break;
		}
	}
	if (which == 15)
		a = a == 0;
	else if (which == 16)
		a = a >= 1 ? (double)(vnfc_random() % (uint64_t)a) : (double)(vnfc_random() >> 33);
	else if (which == 17) {
		snprintf(out, room, "%" PRIu64 ".%09" PRIu64, vnfc_wall() / VNFC_SECOND,
			 vnfc_wall() % VNFC_SECOND);
		return true;
	}
	if (which >= 7 && which <= 15)
		snprintf(out, room, "%s", a != 0 ? "true" : "false");
	else
		script_say_number(out, room, a);
	return true;
}

static inline void script_expand(struct click_script *s, const char *text, char *out, size_t room, int depth);

/* What stands in $( ... ): a function, or a handler that is read. */
static inline void script_call(struct click_script *s, const char *inside, char *out, size_t room, int depth)
{
	char line[SCRIPT_VALUE], *args;
	script_expand(s, inside, line, sizeof(line), depth + 1);
	args = line + strcspn(line, " \t\n");
	if (*args)
		*args++ = '\0';
	if (!script_function(line, args, out, room))
		script_read(s, line, args, out, room);
}

/* Put variables and calls in. */
static inline void script_expand(struct click_script *s, const char *text, char *out, size_t room, int depth)
{
	char *end = out + room - 1;
	for (; *text && out < end; text++) {
		char inside[SCRIPT_VALUE];
		size_t n = 0;
		if (*text != '$' || depth > SCRIPT_DEPTH) {
			*out++ = *text;
			continue;
		}
		if (text[1] == '(') {
			int open = 1;
			for (n = 2; text[n] && open; n++)
				open += text[n] == '(' ? 1 : text[n] == ')' ? -1 : 0;
			snprintf(inside, sizeof(inside), "%.*s", (int)(n > 3 ? n - 3 : 0), text + 2);
			script_call(s, inside, out, (size_t)(end - out) + 1, depth);
			out += strlen(out);
			text += n - 1;
			continue;
		}
		while (isalnum((unsigned char)text[1 + n]) || text[1 + n] == '_')
			n++;
		struct click_variable *v = n ? script_variable(s, text + 1, n, false) : NULL;
		if (v)
			out += snprintf(out, (size_t)(end - out) + 1, "%.*s", (int)(end - out), v->value);
		else
			*out++ = '$';
		text += v ? n : 0;
	}
	*out = '\0';
}

static inline void script_run(void *arg);

/* One instruction. False: the script rests. */
static inline bool script_step(struct click_script *s)
{
	const struct click_step *step = &s->steps[s->at++];
	char value[SCRIPT_VALUE];
	double number;
	script_expand(s, step->text, value, sizeof(value), 0);
	switch (step->op) {
	case SCRIPT_INIT:
		if (script_variable(s, step->name, strlen(step->name), false))
			return true;
		/* fall through */
	case SCRIPT_SET:
		script_store(s, step->name, value);
		return true;
	case SCRIPT_READ: {
		char answer[SCRIPT_VALUE];
		script_read(s, step->name, value, answer, sizeof(answer));
		vnfc_log("%s:\n%s", step->name, answer);
		return true;
	}
	case SCRIPT_WRITE: {
		const struct click_handler *handler = click_find(step->name);
		if (!handler || click_write(handler, value, &click_out) < 0)
			vnfc_log("%s: %s: %s", s->element, step->name,
				 handler ? click_out.text : "there is no such handler");
		return true;
	}
	case SCRIPT_SHOW: {
		char answer[SCRIPT_VALUE];
		script_read(s, step->name, value, answer, sizeof(answer));
		vnfc_log("%s", answer);
		return true;
	}
	case SCRIPT_PRINT:
		vnfc_log("%s", value);
		return true;
	case SCRIPT_GOTO:
		if (!*step->text || script_true(value))
			s->at = (unsigned)step->target;
		return true;
	case SCRIPT_WAIT:
		if (!click_real(value, &number) || number < 0)
			number = 0;
		click_timer_at(&s->timer, vnfc_now() + (uint64_t)(number * VNFC_SECOND), script_run, s);
		return false;
	case SCRIPT_LOOP:
		s->at = 0;
		return true;
	case SCRIPT_RETURN:
		snprintf(s->result, sizeof(s->result), "%s", value);
		return s->running = false;
	case SCRIPT_PAUSE:
		return false;
	case SCRIPT_LABEL:
		return true;
	case SCRIPT_END:
		break;
	}
	return s->running = false;
}

static inline void script_run(void *arg)
{
	struct click_script *s = (struct click_script *)arg;
	unsigned left = SCRIPT_STEPS;
	while (s->running && left-- > 0) {
		if (s->at >= s->steps_n)
			s->running = false;
		else if (!script_step(s))
			break;
	}
	if (left > SCRIPT_STEPS) {
		vnfc_log("%s: stopped: %d instructions without a wait", s->element, SCRIPT_STEPS);
		s->running = false;
	}
}

static inline void script_start(struct click_script *s)
{
	click_timer_clear(&s->timer);
	s->at = 0;
	s->running = true;
	script_run(s);
}
#endif
