/* Everything that a VNFC in C or C++ needs. A whole component:
 *
 *	#include <coven/vnfc.h>
 *	VNFC_REASON(marked, "the analyzer marked this packet");
 *	VNFC_HANDLE { return p->context[0] ? VNFC_DROP(marked) : VNFC_FORWARD; }
 *
 * One thread runs everything; timers, requests and configuration run between bursts. Sizes are in bytes,
 * times in ns, addresses in network order, ports in host order. C11 and C++17; source files share one
 * component.
 */
#ifndef COVEN_VNFC_H
#define COVEN_VNFC_H
#include <coven/abi.h>
#include <stdarg.h>
#include <stdio.h>

#ifdef __cplusplus
#define VNFC__C extern "C"
#define VNFC__C_BEGIN extern "C" {
#define VNFC__C_END }
#else
#define VNFC__C
#define VNFC__C_BEGIN
#define VNFC__C_END
#endif
#define VNFC__ONE __attribute__((weak, visibility("hidden"))) /* one for all source files together */
#define VNFC__UNUSED __attribute__((unused))

VNFC__C_BEGIN
VNFC__ONE struct vnfc_host *vnfc__host;
VNFC__ONE int vnfc__init(void);
VNFC__ONE int vnfc__configure(void);
VNFC__ONE void vnfc__exit(void);
VNFC__ONE extern const struct vnfc_state_layout vnfc__state_layout;
VNFC__ONE extern struct vnfc_declared *__start_vnfc_declared[], *__stop_vnfc_declared[];
VNFC__C_END

/* ---- verdicts ----------------------------------------------------------------------------------- */

#define VNFC_FORWARD ((vnfc_verdict)VERDICT_FORWARD) /* to output 0 */
#define VNFC_FORWARD_TO(output) ((vnfc_verdict)VERDICT_FORWARD | (vnfc_verdict)(output) << 16)
#define VNFC_BACK VNFC_FORWARD_TO(OUTPUT_BACK) /* the port that it came in by */
#define VNFC_DROP(reason) ((vnfc_verdict)VERDICT_DROP | (vnfc_verdict)vnfc__reason_##reason.id << 16)
#define VNFC_CONSUME ((vnfc_verdict)VERDICT_CONSUME) /* it was meant for this VNFC */
#define VNFC_HOLD ((vnfc_verdict)VERDICT_HOLD)	     /* p stays valid until vnfc_release */
#define VNFC_NONE ((vnfc_verdict)VERDICT_NONE)	     /* counted as no_verdict */
#define VNFC_FLOW ((vnfc_verdict)VERDICT_FLOW)	     /* or-ed: for the whole flow */

/* What led to the verdict on p, in printf's words; at most 127 bytes. Seen by traces and captures only: unless one watches
 * p, this is a branch, and its arguments are not looked at. */
#define vnfc_note(p, ...) (vnfc__watched(p) ? vnfc__say(p, __VA_ARGS__) : (void)0)
/* In VNFC_HANDLE: VNFC_DROP(reason) of p, with a note. */
#define VNFC_DROP_NOTE(reason, ...) (vnfc_note(p, __VA_ARGS__), VNFC_DROP(reason))

/* ---- life --------------------------------------------------------------------------------------- */

#define VNFC_OK 0

/* Once, before the first packet; return VNFC_OK or vnfc_refuse(...). */
#define VNFC_INIT VNFC__C int vnfc__init(void)

/* After VNFC_INIT and whenever the configuration changes, between two bursts. It sees the new configuration;
 * change nothing before you are sure to return VNFC_OK: after vnfc_refuse(...) the old one stays. */
#define VNFC_CONFIGURE VNFC__C int vnfc__configure(void)

#define VNFC_EXIT VNFC__C void vnfc__exit(void)

/* `return` a verdict for p. */
#define VNFC_HANDLE                                                                      \
	static vnfc_verdict vnfc__handle(struct vnfc_packet *p);                         \
	static void vnfc__burst(struct vnfc_host *h, const uint32_t *frames, uint32_t n) \
	{                                                                                \
		vnfc__each(h, frames, n, vnfc__handle);                                  \
	}                                                                                \
	VNFC__COMPONENT                                                                  \
	static inline vnfc_verdict vnfc__handle(struct vnfc_packet *p VNFC__UNUSED)

/* n packets p[0..n-1] together, n at most SEG_HOST_BURST: put what is not VNFC_FORWARD into verdict[i]. */
#define VNFC_HANDLE_BURST                                                                          \
	static void vnfc__handle_burst(struct vnfc_packet **p, vnfc_verdict *verdict, unsigned n); \
	static void vnfc__burst(struct vnfc_host *h, const uint32_t *frames, uint32_t n)           \
	{                                                                                          \
		vnfc__together(h, frames, n, vnfc__handle_burst);                                  \
	}                                                                                          \
	VNFC__COMPONENT                                                                            \
	static inline void vnfc__handle_burst(struct vnfc_packet **p VNFC__UNUSED,                 \
					      vnfc_verdict *verdict VNFC__UNUSED, unsigned n VNFC__UNUSED)

#define VNFC__COMPONENT                                                                                     \
	VNFC__C_BEGIN                                                                                       \
	__attribute__((visibility("default"))) extern const struct vnfc_component vnfc_component;           \
	__attribute__((used)) const struct vnfc_component vnfc_component = {                                \
		VNFC_ABI_MAGIC, VNFC_ABI_MAJOR,	       VNFC_ABI_MINOR,	     sizeof(struct vnfc_component), \
		&vnfc__host,	__start_vnfc_declared, __stop_vnfc_declared, &vnfc__state_layout,           \
		vnfc__init,	vnfc__configure,       vnfc__exit,	     vnfc__burst                    \
	};                                                                                                  \
	VNFC__C_END

__attribute__((cold, format(printf, 2, 3), unused)) static void vnfc__say(struct vnfc_packet *p,
									  const char *format, ...)
{
	char text[FRAME_NOTE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	vnfc__note(vnfc__host, p, text);
}

static inline void vnfc__each(struct vnfc_host *h, const uint32_t *frames, uint32_t n,
			      vnfc_verdict (*handle)(struct vnfc_packet *))
{
	for (uint32_t i = 0; i < n; i++) {
		vnfc__prefetch(h, frames, i, n);
		struct vnfc_packet *p = vnfc__open(h, frames[i]);
		if (__builtin_expect(p == NULL, 0))
			h->refused(h, frames[i]);
		else
			vnfc__close(h, p, handle(p));
	}
}

static inline void vnfc__together(struct vnfc_host *h, const uint32_t *frames, uint32_t n,
				  void (*handle)(struct vnfc_packet **, vnfc_verdict *, unsigned))
{
	struct vnfc_packet *p[SEG_HOST_BURST];
	vnfc_verdict verdict[SEG_HOST_BURST];
	uint32_t good = 0;
	for (uint32_t i = 0; i < n; i++) {
		vnfc__prefetch(h, frames, i, n);
		verdict[good] = VNFC_FORWARD;
		p[good] = vnfc__open(h, frames[i]);
		if (__builtin_expect(p[good] == NULL, 0))
			h->refused(h, frames[i]);
		else
			good++;
	}
	if (good)
		handle(p, verdict, good);
	for (uint32_t i = 0; i < good; i++)
		vnfc__close(h, p[i], verdict[i]);
}

/* ---- declare: at file scope, followed by a semicolon -------------------------------------------- */

#define VNFC__DECLARE(object, ...)                                                                      \
	static struct vnfc_declared object VNFC__UNUSED = { __VA_ARGS__, __LINE__, __FILE__ };          \
	static struct vnfc_declared *object##__listed __attribute__((section("vnfc_declared"), used)) = \
		&object

/* A reason to drop: VNFC_DROP(name). */
#define VNFC_REASON(name, why) \
	VNFC__DECLARE(vnfc__reason_##name, VNFC_IS_REASON, 0, #name, why, "", NULL, NULL, NULL, 0)

/* Grows: vnfc_count(name), vnfc_add(name, n). */
#define VNFC_COUNTER(name, why, unit) \
	VNFC__DECLARE(vnfc__counter_##name, VNFC_IS_COUNTER, 0, #name, why, unit, NULL, NULL, NULL, 0)

/* Goes up and down: vnfc_set(name, value). */
#define VNFC_GAUGE(name, why, unit) \
	VNFC__DECLARE(vnfc__gauge_##name, VNFC_IS_GAUGE, 0, #name, why, unit, NULL, NULL, NULL, 0)

/* How values spread, by powers of two: vnfc_observe(name, value). */
#define VNFC_HISTOGRAM(name, why, unit) \
	VNFC__DECLARE(vnfc__histogram_##name, VNFC_IS_HISTOGRAM, 0, #name, why, unit, NULL, NULL, NULL, 0)

/* A question that operators may ask, followed by the body that answers with one of vnfc_answer_...(request,
 * ..):
 *	VNFC_REQUEST(hits, "packets to one port", "packets", VNFC_ARGUMENT(port, "int", "23"))
 *	{ vnfc_answer_int(request, hits[vnfc_argument_int(request, "port") & 0xffff]); } */
#define VNFC_REQUEST(name, why, unit, ...) VNFC__ASKED(VNFC_IS_REQUEST, name, why, unit, ##__VA_ARGS__)

/* The same for one that changes something: who asks must have the right to operate the VNF. */
#define VNFC_CHANGE(name, why, unit, ...) VNFC__ASKED(VNFC_IS_CHANGE, name, why, unit, ##__VA_ARGS__)

#define VNFC__ASKED(kind, name, why, unit, ...)                                                   \
	static void vnfc__answer_##name(struct vnfc_request *request);                            \
	static const struct vnfc_argument vnfc__arguments_##name[] = { { NULL, NULL, NULL },      \
								       ##__VA_ARGS__ };           \
	VNFC__DECLARE(vnfc__request_##name, kind, 0, #name, why, unit, NULL, vnfc__answer_##name, \
		      vnfc__arguments_##name + 1,                                                 \
		      sizeof(vnfc__arguments_##name) / sizeof(vnfc__arguments_##name[0]) - 1);    \
	static void vnfc__answer_##name(struct vnfc_request *request VNFC__UNUSED)

/* How the VNFC itself finds that it is; asked about once a second, followed by a body that returns NULL when all is
 * well, else a sentence that says what is not:
 *	VNFC_HEALTH { return table_used == TABLE ? "the table is full" : NULL; } */
#define VNFC_HEALTH                                                                                   \
	static const char *vnfc__health(void);                                                        \
	static void vnfc__answer_health(struct vnfc_request *request)                                 \
	{                                                                                             \
		const char *said = vnfc__health();                                                    \
		vnfc_answer_text(request, said ? said : "ok");                                        \
	}                                                                                             \
	VNFC__DECLARE(vnfc__request_health, VNFC_IS_REQUEST, 0, "health", VNFC__HEALTH_WHY, "", NULL, \
		      vnfc__answer_health, NULL, 0);                                                  \
	static const char *vnfc__health(void)
#define VNFC__HEALTH_WHY "how it finds that it is: ok, or what is not"

/* type: "int", "float", "str" or "bool". fallback: JSON text, or NULL if it must be given. */
#define VNFC_ARGUMENT(name, type, fallback) \
	{                                   \
#name, type, fallback       \
	}

/* Memory that survives a restart after a crash; all zeros at first, and again when its layout (its size, or
 * the text between these brackets) changes. Written out in place, every change of a member is seen:
 *	VNFC_STATE(struct { uint64_t seen; uint32_t last[16]; });      ... vnfc_state()->seen++; */
#define VNFC_STATE(...)                                                                                 \
	typedef __VA_ARGS__ vnfc__state_type;                                                           \
	const struct vnfc_state_layout vnfc__state_layout = { sizeof(vnfc__state_type), #__VA_ARGS__ }; \
	static inline vnfc__state_type *vnfc_state(void)                                                \
	{                                                                                               \
		char fits[sizeof(vnfc__state_type) <= VNFC_STATE_MAX ? 1 : -1] VNFC__UNUSED;            \
		return (vnfc__state_type *)vnfc__host->state;                                           \
	}                                                                                               \
	struct vnfc__state_done

enum { VNFC_STATE_MAX = HOP_STATE_BYTES - 64 };

/* Does vnfc_state() hold what an earlier process left? */
static inline bool vnfc_state_kept(void)
{
	return vnfc__host->state_kept;
}

/* ---- metrics ------------------------------------------------------------------------------------ */

static inline void vnfc__add(struct hop_metric_cell *cell, uint64_t n)
{
	__atomic_store_n(&cell->value, cell->value + n, __ATOMIC_RELAXED);
}

static inline void vnfc__store_double(uint64_t *at, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	__atomic_store_n(at, bits, __ATOMIC_RELAXED);
}

static inline void vnfc__observe(struct hop_metric_cell *cell, double value)
{
	double sum, limit = 1;
	unsigned bucket = 0;
	for (; bucket < HOP_BUCKETS - 1 && !(value < limit); limit *= 2)
		bucket++;
	memcpy(&sum, &cell->sum_bits, sizeof(sum));
	vnfc__store_double(&cell->sum_bits, sum + value);
	__atomic_store_n(&cell->buckets[bucket], cell->buckets[bucket] + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&cell->count, cell->count + 1, __ATOMIC_RELAXED);
}

#define vnfc_count(name) vnfc__add(vnfc__counter_##name.cell, 1)
#define vnfc_add(name, n) vnfc__add(vnfc__counter_##name.cell, (n))
#define vnfc_counted(name) (vnfc__counter_##name.cell->value)
#define vnfc_set(name, number) vnfc__store_double(&vnfc__gauge_##name.cell->value, (number))
#define vnfc_observe(name, number) vnfc__observe(vnfc__histogram_##name.cell, (number))

/* ---- time, chance, log -------------------------------------------------------------------------- */

/* Of 64 bits, so that 5 * VNFC_SECOND is; signed, so that differences are. */
#define VNFC_MS INT64_C(1000000)
#define VNFC_SECOND INT64_C(1000000000)

/* Monotonic; read once a burst. With captures: the packet's own time. */
static inline uint64_t vnfc_now(void)
{
	return vnfc__host->now_ns;
}

/* Since 1970. */
static inline uint64_t vnfc_wall(void)
{
	return vnfc__host->now_ns + vnfc__host->wall_minus_monotonic;
}

/* Timers run between bursts. They return an id for vnfc_cancel, 0 if there are too many. */
static inline uint64_t vnfc_every(uint64_t ns, void (*run)(void *), void *arg)
{
	return vnfc__host->timer_add(vnfc__host, ns, ns, run, arg);
}

static inline uint64_t vnfc_after(uint64_t ns, void (*run)(void *), void *arg)
{
	return vnfc__host->timer_add(vnfc__host, ns, 0, run, arg);
}

static inline bool vnfc_cancel(uint64_t timer)
{
	return vnfc__host->timer_cancel(vnfc__host, timer);
}

/* Fast, repeatable in tests, not for secrets (splitmix64, Steele et al. 2014). */
static inline uint64_t vnfc_random(void)
{
	uint64_t z = vnfc__host->random += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* At most 100 lines a second, the rest is counted. */
__attribute__((format(printf, 1, 2))) static inline void vnfc_log(const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	vnfc__host->log(vnfc__host, text);
}

#include <coven/vnfc_config.h>
#include <coven/vnfc_packet.h>
#endif
