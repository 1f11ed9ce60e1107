/* Configuration, ports and requests: part of vnfc.h. Not for the packets' way: look values up in
 * VNFC_CONFIGURE and keep them.
 */
#ifndef COVEN_VNFC_CONFIG_H
#define COVEN_VNFC_CONFIG_H

/* Keys are those of the descriptor's `config`; "limits.rate" looks into a map. The fallback is returned where
 * there is no such key or its value is of another type. */
static inline double vnfc_config_number(const char *key, double fallback)
{
	double value;
	return vnfc__host->config_number(vnfc__host, key, -1, &value) ? value : fallback;
}

static inline int64_t vnfc_config_int(const char *key, int64_t fallback)
{
	double value;
	return vnfc__host->config_number(vnfc__host, key, -1, &value) ? (int64_t)value : fallback;
}

static inline bool vnfc_config_bool(const char *key, bool fallback)
{
	return vnfc_config_number(key, fallback) != 0;
}

/* Valid until the next configuration. */
static inline const char *vnfc_config_text(const char *key, const char *fallback)
{
	const char *text = vnfc__host->config_text(vnfc__host, key, -1);
	return text ? text : fallback;
}

/* Elements of a list, -1 if the value is not one. */
static inline int vnfc_config_count(const char *key)
{
	return vnfc__host->config_count(vnfc__host, key);
}

static inline int64_t vnfc_config_int_at(const char *key, int index, int64_t fallback)
{
	double value;
	return vnfc__host->config_number(vnfc__host, key, index, &value) ? (int64_t)value : fallback;
}

static inline const char *vnfc_config_text_at(const char *key, int index, const char *fallback)
{
	const char *text = vnfc__host->config_text(vnfc__host, key, index);
	return text ? text : fallback;
}

/* In VNFC_INIT and VNFC_CONFIGURE: `return vnfc_refuse("block", "ports from 1 to %d", 65535);` says what was
 * expected of a key's value. */
__attribute__((format(printf, 2, 3))) static inline int vnfc_refuse(const char *key, const char *expected,
								    ...)
{
	char text[256];
	va_list args;
	va_start(args, expected);
	vsnprintf(text, sizeof(text), expected, args);
	va_end(args);
	vnfc__host->refuse(vnfc__host, key, text);
	return -1;
}

/* Number of the port (of the output) with that name, or -1. */
static inline int vnfc_port(const char *name)
{
	return vnfc__host->port_number(vnfc__host, name);
}

static inline int vnfc_output(const char *name)
{
	return vnfc__host->output_number(vnfc__host, name);
}

/* Six bytes, or NULL if there is no such port or it has none (captures). */
static inline const uint8_t *vnfc_port_mac(unsigned port)
{
	return vnfc__host->port_mac(vnfc__host, port);
}

/* 0 if there is no such port. */
static inline unsigned vnfc_port_mtu(unsigned port)
{
	return vnfc__host->port_mtu(vnfc__host, port);
}

/* ---- in the body of a VNFC_REQUEST -------------------------------------------------------------- */

/* Arguments have the declared type; one that was left out has its fallback. */
static inline double vnfc_argument_number(struct vnfc_request *request, const char *name)
{
	double value;
	return vnfc__host->argument_number(request, name, &value) ? value : 0;
}

static inline int64_t vnfc_argument_int(struct vnfc_request *request, const char *name)
{
	return (int64_t)vnfc_argument_number(request, name);
}

static inline bool vnfc_argument_bool(struct vnfc_request *request, const char *name)
{
	return vnfc_argument_number(request, name) != 0;
}

static inline const char *vnfc_argument_text(struct vnfc_request *request, const char *name)
{
	const char *text = vnfc__host->argument_text(request, name);
	return text ? text : "";
}

static inline void vnfc_answer_int(struct vnfc_request *request, int64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	vnfc__host->answer_json(request, text);
}

static inline void vnfc_answer_number(struct vnfc_request *request, double value)
{
	char text[40];
	snprintf(text, sizeof(text), "%.17g", value);
	vnfc__host->answer_json(request, text);
}

static inline void vnfc_answer_text(struct vnfc_request *request, const char *text)
{
	vnfc__host->answer_text(request, text);
}

/* Any JSON value, at most 60 KiB. */
static inline void vnfc_answer_json(struct vnfc_request *request, const char *json)
{
	vnfc__host->answer_json(request, json);
}

__attribute__((format(printf, 2, 3))) static inline void vnfc_answer_error(struct vnfc_request *request,
									   const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	vnfc__host->answer_error(request, text);
}
#endif
