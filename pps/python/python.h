/* Between the files of the extension `_vnfc`: host.h's packets as Python objects.
 *
 *   python.c         the callbacks that host_run() wants
 *   python_author.c  verdicts, timers, emit;  python_declare.c  reasons and metrics
 *   python_packet.c  the packet;  python_edit.c  its changing;  python_header.c  its headers
 *   python_burst.c   bursts as columns
 *
 * One interpreter runs one host, so the state of the extension is static.
 */
#ifndef PPS_PYTHON_H
#define PPS_PYTHON_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include "pps/host/host.h"

enum header_kind {
	HEADER_ETH,
	HEADER_VLAN,
	HEADER_NSH,
	HEADER_IP,
	HEADER_IP6,
	HEADER_TCP,
	HEADER_UDP,
	HEADER_ICMP,
	HEADER_ARP,
	HEADER_KINDS
};
enum { USED_MEMORY = 1 << HEADER_KINDS }; /* data or context was shown */

/* What has to be computed anew before the packet is sent. */
enum fix { FIX_IP = 1, FIX_L4 = 2 };

enum packet_state {
	PACKET_GONE, /* given back */
	PACKET_LENT, /* ours until the handler returns */
	PACKET_HELD,
	PACKET_MADE, /* new or cloned, not emitted yet */
};

struct packet_object {
	PyObject_HEAD struct vnfc_packet *p;
	uint8_t state; /* enum packet_state */
	uint8_t fix;   /* enum fix, or-ed */
	uint32_t used; /* header views given out, a bit each, and USED_MEMORY */
	struct header_object *header[HEADER_KINDS];
	PyObject *data, *context; /* memoryviews, NULL until asked for */
};

struct header_object {
	PyObject_HEAD struct packet_object *packet; /* borrowed; NULL once the packet let go of this view */
	uint8_t *at;				    /* NULL: not valid now */
};

struct verdict_object {
	PyObject_HEAD vnfc_verdict value;
	PyObject *note; /* NULL, or a text, or what returns one: what led to it */
};

/* Mistakes that are told once in a host's life. */
enum once { ONCE_NO_VERDICT, ONCE_BAD_VERDICT, ONCE_VIEW, ONCE_FORGOTTEN, ONCES };

extern struct vnfc_host *api; /* NULL before host_run has called init */
extern struct host *host;
extern bool declaring;	/* init is running: reasons and the like may be declared */
extern bool slow;	/* something slow was called: give back at once what is judged */
extern PyObject *hooks; /* the module vnfc_host */
extern PyObject *gone_error;
extern PyObject *refused_error; /* a declaration that host_error() has told of already */
extern PyTypeObject verdict_type;

#define PY_FUNCTION(function) (PyCFunction)(void (*)(void))(function)

bool running(const char *what); /* false, with an exception set, outside of a VNFC host */
void say_once(enum once which, const char *text);
void state_watch(void);	     /* something of the author's ran: `state` may have changed */
void exception_raised(void); /* take the current exception: count it, log it */

/* python_author.c */
int author_init(PyObject *module);
int output_number(PyObject *output); /* number, name or "back"; -1 with an exception set */
PyObject *verdict_new(vnfc_verdict value);
bool note_allowed(PyObject *note);		      /* false with an exception set */
void note_put(struct vnfc_packet *p, PyObject *note); /* of a packet that is watched */
extern bool noting; /* somebody may want to know what led to the verdict that is being made */

/* python_declare.c */
struct reason_object {
	PyObject_HEAD PyObject *name;
	int id;
	PyObject *verdict, *flow_verdict;
};
int declare_init(PyObject *module);
int reason_id(PyObject *reason); /* -1 with an exception set */

/* python_header.c */
int headers_init(void);
struct header_object *header_new(int kind);
void header_gone(PyObject *self, const char *what); /* sets the exception */

/* python_nsh.c */
extern PyMethodDef nsh_methods[];

/* python_packet.c */
#define PACKET_LIVE(self, what)                                 \
	struct packet_object *o = (struct packet_object *)self; \
	if (o->state == PACKET_GONE)                            \
	return packet_gone(what)
int packets_init(PyObject *module);
PyObject *packet_gone(const char *what); /* sets the exception, returns NULL */
void packet_reread(struct packet_object *o);
bool packet_is(PyObject *object);
struct packet_object *packet_lend(struct vnfc_packet *p, enum packet_state state);
void packet_changed(struct packet_object *o, unsigned fix);
void packet_fix(struct packet_object *o);
void packet_end(struct packet_object *o);
void packet_recycle(struct packet_object *o);
int packet_emit(struct packet_object *o, unsigned output, int port); /* -1 with an exception set */
PyObject *packet_made(struct vnfc_packet *p);			     /* NULL with an exception set */
bool packet_put_whole(struct vnfc_packet *p, const void *bytes, Py_ssize_t n);
void packet_parse_again(struct vnfc_packet *p);

/* python_edit.c */
extern PyMethodDef packet_methods[];

/* python_burst.c */
int bursts_init(void);
PyObject *burst_lend(struct vnfc_packet **packets, uint32_t n);
const vnfc_verdict *burst_verdicts(void);
void burst_end(void);

/* packet.h works on records: the part of one that it reads. */
static inline struct frame_record packet_record(const struct vnfc_packet *p)
{
	struct frame_record r;
	r.link = p->link;
	r.flags = p->flags;
	r.l3 = p->l3;
	r.l4 = p->l4;
	r.l4_proto = p->l4_proto;
	return r;
}

static inline uint8_t *frame_begin(const struct vnfc_packet *p)
{
	return api->data + ((uint64_t)p->frame << api->frame_shift);
}

static inline uint32_t packet_headroom(const struct vnfc_packet *p)
{
	return (uint32_t)(p->data - frame_begin(p));
}

static inline uint32_t packet_tailroom(const struct vnfc_packet *p)
{
	return api->frame_size - packet_headroom(p) - p->len;
}
#endif
