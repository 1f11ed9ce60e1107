/* Methods of packet.nsh: the TLVs of MD type 2. Values come and go as bytes; the fixed context of MD type 1 is
 * packet.context, for every VNFC. */
#include "itf/nsh.h"
#include "python.h"

/* The header and its size, NULL with an exception set. */
static uint8_t *whole(PyObject *self, const char *name, uint32_t *size)
{
	struct header_object *h = (struct header_object *)self;
	if (h->at == NULL) {
		header_gone(self, name);
		return NULL;
	}
	*size = h->packet->p->nsh_len;
	return h->at;
}

static PyObject *nsh_tlv_get(PyObject *self, PyObject *args)
{
	unsigned short md_class;
	unsigned char type;
	struct nsh_tlv tlv;
	uint32_t size;
	if (!PyArg_ParseTuple(args, "Hb:tlv", &md_class, &type))
		return NULL;
	uint8_t *at = whole(self, "tlv", &size);
	if (at == NULL)
		return NULL;
	if (!nsh_tlv_find(at, size, md_class, type, &tlv))
		Py_RETURN_NONE;
	return PyBytes_FromStringAndSize((const char *)tlv.value, tlv.len);
}

static PyObject *nsh_tlv_list(PyObject *self, PyObject *unused)
{
	uint32_t size, offset = NSH_BASE;
	struct nsh_tlv tlv;
	(void)unused;
	uint8_t *at = whole(self, "tlvs", &size);
	PyObject *list = at ? PyList_New(0) : NULL;
	while (list && nsh_md_type(at) == 2 && nsh_tlv_next(at, size, &offset, &tlv)) {
		PyObject *row = Py_BuildValue("iiy#", tlv.md_class, tlv.type, (const char *)tlv.value,
					      (Py_ssize_t)tlv.len);
		if (row == NULL || PyList_Append(list, row) < 0)
			Py_CLEAR(list);
		Py_XDECREF(row);
	}
	return list;
}

static PyObject *nsh_tlv_put(PyObject *self, PyObject *args)
{
	unsigned short md_class;
	unsigned char type;
	Py_buffer value;
	uint32_t size;
	if (!PyArg_ParseTuple(args, "Hby*:add_tlv", &md_class, &type, &value))
		return NULL;
	uint8_t *at = whole(self, "add_tlv", &size);
	uint32_t grown = 0;
	if (at && value.len <= 127)
		grown = nsh_tlv_add(at, FRAME_NSH_AREA, md_class, type, value.buf, (uint8_t)value.len);
	if (grown)
		((struct header_object *)self)->packet->p->nsh_len = (uint16_t)grown;
	else if (at)
		PyErr_Format(PyExc_ValueError,
			     "add_tlv: %zd bytes: at most 127, in a header of MD type 2 that stays within %d",
			     value.len, NSH_MOST);
	PyBuffer_Release(&value);
	return grown ? Py_NewRef(Py_None) : NULL;
}

static PyObject *nsh_tlv_take(PyObject *self, PyObject *args)
{
	unsigned short md_class;
	unsigned char type;
	struct nsh_tlv tlv;
	uint32_t size;
	if (!PyArg_ParseTuple(args, "Hb:remove_tlv", &md_class, &type))
		return NULL;
	uint8_t *at = whole(self, "remove_tlv", &size);
	if (at == NULL)
		return NULL;
	if (!nsh_tlv_find(at, size, md_class, type, &tlv))
		Py_RETURN_FALSE;
	size = nsh_tlv_cut(at, size, &tlv);
	((struct header_object *)self)->packet->p->nsh_len = (uint16_t)size;
	Py_RETURN_TRUE;
}

PyMethodDef nsh_methods[] = {
	{ "tlv", nsh_tlv_get, METH_VARARGS, "tlv(md_class, type): the first such TLV's value, or None" },
	{ "tlvs", nsh_tlv_list, METH_NOARGS, "all TLVs: [(md_class, type, value)]" },
	{ "add_tlv", nsh_tlv_put, METH_VARARGS, "add_tlv(md_class, type, value): append one (MD type 2)" },
	{ "remove_tlv", nsh_tlv_take, METH_VARARGS,
	  "remove_tlv(md_class, type): take the first such out; was there one?" },
	{ NULL, NULL, 0, NULL },
};
