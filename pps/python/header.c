/* Header views: packet.eth, packet.ip, packet.tcp... One table says where each field lies; one getter and one
 * setter read it. A view is good until its packet is returned, replaced or has its head moved; then `at`
 * is NULL and every access says so.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include "python.h"

enum format { F_NUMBER8, F_NUMBER16, F_NUMBER24, F_NUMBER32, F_FLAG, F_IP4, F_IP6, F_MAC };

struct field {
	const char *name;
	uint8_t offset, format;
	uint8_t shift; /* right, after reading */
	uint8_t fix;   /* FIX_*: what a change makes wrong */
	uint32_t mask; /* after the shift; 0: all */
	const char *doc;
};

#define END                               \
	{                                 \
		NULL, 0, 0, 0, 0, 0, NULL \
	}

static struct field eth_fields[] = {
	{ "dst", 0, F_MAC, 0, 0, 0, "destination address, \"02:00:00:00:00:01\"" },
	{ "src", 6, F_MAC, 0, 0, 0, "source address" },
	{ "type", 12, F_NUMBER16, 0, 0, 0, "EtherType as it stands there: 0x8100 if the frame is tagged" },
	END,
};
static struct field vlan_fields[] = {
	{ "id", 0, F_NUMBER16, 0, 0, 0xfff, "VLAN id of the outermost tag" },
	{ "priority", 0, F_NUMBER8, 5, 0, 7, "priority code point" },
	{ "dei", 0, F_FLAG, 4, 0, 1, "drop eligible" },
	{ "type", 2, F_NUMBER16, 0, 0, 0, "EtherType of what follows" },
	END,
};
static struct field nsh_fields[] = {
	{ "ttl", 0, F_NUMBER16, 6, 0, 63, "hops left" },
	{ "oam", 0, F_FLAG, 5, 0, 1, "an OAM packet" },
	{ "md_type", 2, F_NUMBER8, 0, 0, 15, "metadata type: 1 fixed context, 2 TLVs" },
	{ "next", 3, F_NUMBER8, 0, 0, 0, "next protocol: 1 IPv4, 2 IPv6, 3 Ethernet" },
	{ "spi", 4, F_NUMBER24, 0, 0, 0, "service path identifier" },
	{ "si", 7, F_NUMBER8, 0, 0, 0, "service index" },
	END,
};
static struct field ip_fields[] = {
	{ "version", 0, F_NUMBER8, 4, FIX_IP, 15, "4" },
	{ "ihl", 0, F_NUMBER8, 0, FIX_IP, 15, "header length in 4-byte words" },
	{ "tos", 1, F_NUMBER8, 0, FIX_IP, 0, "type of service: DSCP and ECN" },
	{ "dscp", 1, F_NUMBER8, 2, FIX_IP, 63, "differentiated services code point" },
	{ "ecn", 1, F_NUMBER8, 0, FIX_IP, 3, "congestion notification" },
	{ "len", 2, F_NUMBER16, 0, FIX_IP, 0, "total length in bytes" },
	{ "id", 4, F_NUMBER16, 0, FIX_IP, 0, "identification" },
	{ "flags", 6, F_NUMBER8, 5, FIX_IP, 7, "2 don't fragment, 1 more fragments" },
	{ "frag", 6, F_NUMBER16, 0, FIX_IP, 0x1fff, "fragment offset in units of 8 bytes" },
	{ "ttl", 8, F_NUMBER8, 0, FIX_IP, 0, "time to live" },
	{ "proto", 9, F_NUMBER8, 0, FIX_IP | FIX_L4, 0, "protocol number: 6 TCP, 17 UDP, 1 ICMP" },
	{ "checksum", 10, F_NUMBER16, 0, 0, 0, "header checksum" },
	{ "src", 12, F_IP4, 0, FIX_IP | FIX_L4, 0, "source address, \"192.0.2.1\"" },
	{ "dst", 16, F_IP4, 0, FIX_IP | FIX_L4, 0, "destination address" },
	{ "src_u32", 12, F_NUMBER32, 0, FIX_IP | FIX_L4, 0, "source address as a number" },
	{ "dst_u32", 16, F_NUMBER32, 0, FIX_IP | FIX_L4, 0, "destination address as a number" },
	END,
};
static struct field ip6_fields[] = {
	{ "version", 0, F_NUMBER8, 4, 0, 15, "6" },
	{ "tc", 0, F_NUMBER16, 4, 0, 0xff, "traffic class" },
	{ "label", 0, F_NUMBER32, 0, 0, 0xfffff, "flow label" },
	{ "len", 4, F_NUMBER16, 0, 0, 0, "payload length in bytes" },
	{ "next", 6, F_NUMBER8, 0, 0, 0, "next header" },
	{ "hop_limit", 7, F_NUMBER8, 0, 0, 0, "hop limit" },
	{ "src", 8, F_IP6, 0, FIX_L4, 0, "source address, \"2001:db8::1\"" },
	{ "dst", 24, F_IP6, 0, FIX_L4, 0, "destination address" },
	END,
};
static struct field tcp_fields[] = {
	{ "sport", 0, F_NUMBER16, 0, FIX_L4, 0, "source port" },
	{ "dport", 2, F_NUMBER16, 0, FIX_L4, 0, "destination port" },
	{ "seq", 4, F_NUMBER32, 0, FIX_L4, 0, "sequence number" },
	{ "ack", 8, F_NUMBER32, 0, FIX_L4, 0, "acknowledgement number" },
	{ "dataofs", 12, F_NUMBER8, 4, FIX_L4, 15, "header length in 4-byte words" },
	{ "flags", 12, F_NUMBER16, 0, FIX_L4, 0x1ff,
	  "all flag bits: 1 FIN, 2 SYN, 4 RST, 8 PSH, 16 ACK, 32 URG" },
	{ "fin", 13, F_FLAG, 0, FIX_L4, 1, "FIN" },
	{ "syn", 13, F_FLAG, 1, FIX_L4, 1, "SYN" },
	{ "rst", 13, F_FLAG, 2, FIX_L4, 1, "RST" },
	{ "psh", 13, F_FLAG, 3, FIX_L4, 1, "PSH" },
	{ "window", 14, F_NUMBER16, 0, FIX_L4, 0, "window as sent, unscaled" },
	{ "checksum", 16, F_NUMBER16, 0, 0, 0, "checksum" },
	{ "urgent", 18, F_NUMBER16, 0, FIX_L4, 0, "urgent pointer" },
	END,
};
static struct field udp_fields[] = {
	{ "sport", 0, F_NUMBER16, 0, FIX_L4, 0, "source port" },
	{ "dport", 2, F_NUMBER16, 0, FIX_L4, 0, "destination port" },
	{ "len", 4, F_NUMBER16, 0, FIX_L4, 0, "length in bytes, header included" },
	{ "checksum", 6, F_NUMBER16, 0, 0, 0, "checksum, 0 for none" },
	END,
};
static struct field icmp_fields[] = {
	{ "type", 0, F_NUMBER8, 0, FIX_L4, 0, "message type" },
	{ "code", 1, F_NUMBER8, 0, FIX_L4, 0, "code" },
	{ "checksum", 2, F_NUMBER16, 0, 0, 0, "checksum" },
	{ "id", 4, F_NUMBER16, 0, FIX_L4, 0, "identifier of an echo" },
	{ "seq", 6, F_NUMBER16, 0, FIX_L4, 0, "sequence number of an echo" },
	END,
};
static struct field arp_fields[] = {
	{ "op", 6, F_NUMBER16, 0, 0, 0, "1 request, 2 reply" },
	{ "hwsrc", 8, F_MAC, 0, 0, 0, "sender's MAC address" },
	{ "psrc", 14, F_IP4, 0, 0, 0, "sender's IPv4 address" },
	{ "hwdst", 18, F_MAC, 0, 0, 0, "target's MAC address" },
	{ "pdst", 24, F_IP4, 0, 0, 0, "target's IPv4 address" },
	END,
};

static const struct {
	const char *name; /* qualified */
	struct field *fields;
} kinds[HEADER_KINDS] = {
	[HEADER_ETH] = { "vnfc.eth", eth_fields }, [HEADER_VLAN] = { "vnfc.vlan", vlan_fields },
	[HEADER_NSH] = { "vnfc.nsh", nsh_fields }, [HEADER_IP] = { "vnfc.ip", ip_fields },
	[HEADER_IP6] = { "vnfc.ip6", ip6_fields }, [HEADER_TCP] = { "vnfc.tcp", tcp_fields },
	[HEADER_UDP] = { "vnfc.udp", udp_fields }, [HEADER_ICMP] = { "vnfc.icmp", icmp_fields },
	[HEADER_ARP] = { "vnfc.arp", arp_fields },
};
static const uint8_t widths[] = {
	[F_NUMBER8] = 1, [F_NUMBER16] = 2, [F_NUMBER24] = 3, [F_NUMBER32] = 4, [F_FLAG] = 1
};

static PyTypeObject types[HEADER_KINDS];

void header_gone(PyObject *self, const char *what)
{
	PyErr_Format(gone_error,
		     "%s.%s: this header belongs to a packet that was already given back, or whose head was "
		     "moved: take what you need before, or ask the packet for it again",
		     Py_TYPE(self)->tp_name, what);
}

static uint8_t *live(PyObject *self, const struct field *f)
{
	struct header_object *h = (struct header_object *)self;
	if (h->at != NULL)
		return h->at + f->offset;
	header_gone(self, f->name);
	return NULL;
}

static uint32_t number(const uint8_t *at, unsigned width)
{
	uint32_t value = 0;
	for (unsigned i = 0; i < width; i++)
		value = value << 8 | at[i];
	return value;
}

static PyObject *ip4_text(const uint8_t *at)
{
	char out[16], *end = out;
	for (int i = 0; i < 4; i++) {
		unsigned v = at[i];
		if (i)
			*end++ = '.';
		if (v >= 100)
			*end++ = '0' + v / 100;
		if (v >= 10)
			*end++ = '0' + v / 10 % 10;
		*end++ = '0' + v % 10;
	}
	return PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, out, end - out);
}

static PyObject *field_get(PyObject *self, void *closure)
{
	const struct field *f = closure;
	const uint8_t *at = live(self, f);
	char out[INET6_ADDRSTRLEN];
	uint32_t value;
	if (at == NULL)
		return NULL;
	switch (f->format) {
	case F_NUMBER16:
		value = (uint32_t)at[0] << 8 | at[1];
		break;
	case F_IP4:
		return ip4_text(at);
	case F_IP6:
		return PyUnicode_FromString(inet_ntop(AF_INET6, at, out, sizeof out));
	case F_MAC:
		snprintf(out, sizeof out, "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1], at[2], at[3], at[4],
			 at[5]);
		return PyUnicode_FromString(out);
	case F_FLAG:
		return PyBool_FromLong(at[0] >> f->shift & 1);
	default:
		value = number(at, widths[f->format]);
	}
	value >>= f->shift;
	return PyLong_FromUnsignedLong(f->mask ? value & f->mask : value);
}

/* An address from text, bytes, a number (IPv4) or an ipaddress object. */
static int put_address(uint8_t *at, const struct field *f, PyObject *value)
{
	unsigned size = f->format == F_IP4 ? 4 : f->format == F_IP6 ? 16 : 6;
	uint8_t raw[16];
	if (PyUnicode_Check(value)) {
		const char *text = PyUnicode_AsUTF8(value);
		char after;
		if (text == NULL)
			return -1;
		bool good = f->format == F_MAC
				    ? sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &raw[0], &raw[1],
					     &raw[2], &raw[3], &raw[4], &raw[5], &after) == 6
				    : inet_pton(f->format == F_IP4 ? AF_INET : AF_INET6, text, raw) == 1;
		if (good)
			memcpy(at, raw, size);
		else
			PyErr_Format(PyExc_ValueError, "%s: %R is not %s", f->name, value,
				     f->format == F_MAC	  ? "a MAC address"
				     : f->format == F_IP4 ? "an IPv4 address"
							  : "an IPv6 address");
		return good ? 0 : -1;
	}
	if (PyLong_Check(value) && f->format == F_IP4) {
		unsigned long address = PyLong_AsUnsignedLong(value);
		if (address > UINT32_MAX) {
			PyErr_Format(PyExc_ValueError, "%s: %R is not an IPv4 address", f->name, value);
			return -1;
		}
		uint32_t wire = htonl((uint32_t)address);
		memcpy(at, &wire, 4);
		return 0;
	}
	PyObject *packed = PyBytes_Check(value) ? Py_NewRef(value) : PyObject_GetAttrString(value, "packed");
	if (packed && PyBytes_Check(packed) && PyBytes_GET_SIZE(packed) == (Py_ssize_t)size) {
		memcpy(at, PyBytes_AS_STRING(packed), size);
		Py_DECREF(packed);
		return 0;
	}
	Py_XDECREF(packed);
	PyErr_Format(PyExc_TypeError, "%s: found %R, expected an address as text or %u bytes", f->name, value,
		     size);
	return -1;
}

static int put_number(uint8_t *at, const struct field *f, PyObject *value)
{
	unsigned width = widths[f->format];
	uint32_t most = f->mask ? f->mask : UINT32_MAX >> (32 - 8 * width);
	long found = PyLong_AsLong(value);
	if (found == -1 && PyErr_Occurred()) {
		if (PyErr_ExceptionMatches(PyExc_OverflowError))
			PyErr_Format(PyExc_ValueError, "%s: %R is not in 0..%lu", f->name, value,
				     (unsigned long)most);
		return -1;
	}
	if (found < 0 || found > (long)most) {
		PyErr_Format(PyExc_ValueError, "%s: %ld is not in 0..%lu", f->name, found,
			     (unsigned long)most);
		return -1;
	}
	uint32_t now = number(at, width);
	now = (now & ~(most << f->shift)) | (uint32_t)found << f->shift;
	for (unsigned i = 0; i < width; i++)
		at[i] = (uint8_t)(now >> 8 * (width - 1 - i));
	return 0;
}

static int field_set(PyObject *self, PyObject *value, void *closure)
{
	const struct field *f = closure;
	uint8_t *at = live(self, f);
	if (at == NULL)
		return -1;
	if (value == NULL) {
		PyErr_Format(PyExc_AttributeError, "%s cannot be deleted", f->name);
		return -1;
	}
	int done = f->format >= F_IP4 ? put_address(at, f, value) : put_number(at, f, value);
	if (done == 0)
		packet_changed(((struct header_object *)self)->packet, f->fix);
	return done;
}

static PyObject *header_repr(PyObject *self)
{
	struct header_object *h = (struct header_object *)self;
	const char *name = Py_TYPE(self)->tp_name;
	if (h->at == NULL)
		return PyUnicode_FromFormat("<%s of a packet given back>", name);
	PyObject *parts = PyList_New(0), *text = NULL, *comma = NULL;
	for (PyGetSetDef *d = Py_TYPE(self)->tp_getset; parts && d->name; d++) {
		PyObject *value = field_get(self, d->closure);
		PyObject *part = value ? PyUnicode_FromFormat("%s=%S", d->name, value) : NULL;
		Py_XDECREF(value);
		if (part == NULL || PyList_Append(parts, part) < 0)
			Py_CLEAR(parts);
		Py_XDECREF(part);
	}
	if (parts && (comma = PyUnicode_FromString(" ")))
		text = PyUnicode_Join(comma, parts);
	Py_XDECREF(comma);
	Py_XDECREF(parts);
	PyObject *all = text ? PyUnicode_FromFormat("<%s %U>", name, text) : NULL;
	Py_XDECREF(text);
	return all;
}

static void header_dealloc(PyObject *self)
{
	PyObject_Free(self);
}

struct header_object *header_new(int kind)
{
	return PyObject_New(struct header_object, &types[kind]);
}

int headers_init(void)
{
	for (int kind = 0; kind < HEADER_KINDS; kind++) {
		PyTypeObject *type = &types[kind];
		struct field *fields = kinds[kind].fields;
		size_t n = 0;
		while (fields[n].name)
			n++;
		PyGetSetDef *all = calloc(n + 1, sizeof *all);
		if (all == NULL)
			return -1;
		for (size_t i = 0; i < n; i++)
			all[i] = (PyGetSetDef){ fields[i].name, field_get, field_set, fields[i].doc,
						&fields[i] };
		*type = (PyTypeObject){
			PyVarObject_HEAD_INIT(NULL, 0).tp_name = kinds[kind].name,
			.tp_basicsize = sizeof(struct header_object),
			.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
			.tp_getset = all,
			.tp_methods = kind == HEADER_NSH ? nsh_methods : NULL,
			.tp_repr = header_repr,
			.tp_dealloc = header_dealloc,
		};
		if (PyType_Ready(type) < 0)
			return -1;
	}
	return 0;
}
