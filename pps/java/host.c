/* The host of Java VNFCs, the part in C: libcoven-java.so, loaded by coven.Host (pps/sdk/java).
 *
 * The Java side maps the shared memory as direct buffers; a burst is one call of Host.burst. The rest here
 * is a few arguments passed on to managed.h.
 */
#include <jni.h>
#include <signal.h>
#include <stdlib.h>
#include "pps/managed/managed.h"

static JNIEnv *java; /* of the one thread that runs the host */
static jclass host_class;
static jmethodID on_load, on_configure, on_request, on_burst, on_timer, on_save, on_leave;

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_coven_Native_##name

/* ---- texts: UTF-8 here, and Java's own bytes so that every character passes ----------------------- */

static jstring text_new(const char *text)
{
	jsize n = (jsize)strlen(text);
	jbyteArray bytes = (*java)->NewByteArray(java, n);
	if (bytes == NULL)
		return NULL;
	(*java)->SetByteArrayRegion(java, bytes, 0, n, (const jbyte *)text);
	jclass type = (*java)->FindClass(java, "java/lang/String");
	jmethodID make = (*java)->GetMethodID(java, type, "<init>", "([BLjava/lang/String;)V");
	jobject made = (*java)->NewObject(java, type, make, bytes, (*java)->NewStringUTF(java, "UTF-8"));
	return (jstring)made;
}

/* For free(); NULL for null, or when memory is short. */
static char *text_of(jstring text)
{
	if (text == NULL)
		return NULL;
	jclass type = (*java)->GetObjectClass(java, text);
	jmethodID get = (*java)->GetMethodID(java, type, "getBytes", "(Ljava/lang/String;)[B");
	jbyteArray bytes =
		(jbyteArray)(*java)->CallObjectMethod(java, text, get, (*java)->NewStringUTF(java, "UTF-8"));
	if ((*java)->ExceptionCheck(java) || bytes == NULL) {
		(*java)->ExceptionClear(java);
		return NULL;
	}
	jsize n = (*java)->GetArrayLength(java, bytes);
	char *copy = malloc((size_t)n + 1);
	if (copy) {
		(*java)->GetByteArrayRegion(java, bytes, 0, n, (jbyte *)copy);
		copy[n] = '\0';
	}
	(*java)->DeleteLocalRef(java, bytes);
	return copy;
}

/* Nothing is to come out of the Java side; if memory was too short even for that, say so and go on. */
static bool threw(void)
{
	if (!(*java)->ExceptionCheck(java))
		return false;
	(*java)->ExceptionDescribe(java);
	(*java)->ExceptionClear(java);
	return true;
}

/* ---- calls into the machine --------------------------------------------------------------------- */

static int load(const char *config, const char *ports, const char *outputs, uint64_t seed,
		const uint8_t *kept, size_t kept_size)
{
	struct managed_region r[REGIONS];
	jobject buffer[REGIONS];
	jmethodID map;
	jclass native = (*java)->FindClass(java, "coven/Native");
	for (int i = 0; i < REGIONS; i++) {
		r[i] = managed_region((enum managed_regions)i);
		buffer[i] = (*java)->NewDirectByteBuffer(java, r[i].at, (jlong)r[i].size);
	}
	map = (*java)->GetStaticMethodID(java, native, "map",
					 "(Ljava/nio/ByteBuffer;Ljava/nio/ByteBuffer;Ljava/nio/ByteBuffer;"
					 "Ljava/nio/ByteBuffer;Ljava/nio/ByteBuffer;J)V");
	(*java)->CallStaticVoidMethod(java, native, map, buffer[REGION_DATA], buffer[REGION_PACKETS],
				      buffer[REGION_RECORDS], buffer[REGION_NSH], buffer[REGION_BATCH],
				      (jlong)(intptr_t)r[REGION_DATA].at);
	jbyteArray bytes = (*java)->NewByteArray(java, (jsize)kept_size);
	if (bytes)
		(*java)->SetByteArrayRegion(java, bytes, 0, (jsize)kept_size, (const jbyte *)kept);
	jint done = (*java)->CallStaticIntMethod(java, host_class, on_load, text_new(config), text_new(ports),
						 text_new(outputs), (jlong)seed, bytes);
	if (!threw())
		return done;
	host_error(managed_host, NULL, 0, NULL, "the Java machine failed while the component was loaded",
		   NULL, "see the log");
	return -1;
}

static int configure(const char *config)
{
	(*java)->PushLocalFrame(java, 16);
	jint done = (*java)->CallStaticIntMethod(java, host_class, on_configure, text_new(config));
	if (threw()) {
		host_error(managed_host, NULL, 0, "config", "the Java machine failed", NULL, "see the log");
		done = -1;
	}
	(*java)->PopLocalFrame(java, NULL);
	return done;
}

static char *request(const char *name, const char *args, bool *good)
{
	char *text = NULL;
	(*java)->PushLocalFrame(java, 32);
	jobjectArray answer = (jobjectArray)(*java)->CallStaticObjectMethod(java, host_class, on_request,
									    text_new(name), text_new(args));
	if (!threw() && answer) {
		char *first = text_of((jstring)(*java)->GetObjectArrayElement(java, answer, 0));
		*good = first && first[0] == '1';
		free(first);
		text = text_of((jstring)(*java)->GetObjectArrayElement(java, answer, 1));
	}
	(*java)->PopLocalFrame(java, NULL);
	return text;
}

static void burst(uint32_t n)
{
	(*java)->CallStaticVoidMethod(java, host_class, on_burst, (jint)n);
	threw();
}

static void timer(uint32_t id)
{
	(*java)->CallStaticVoidMethod(java, host_class, on_timer, (jint)id);
	threw();
}

static long save(uint8_t *to, size_t size)
{
	jsize n = -1;
	(*java)->PushLocalFrame(java, 16);
	jbyteArray bytes = (jbyteArray)(*java)->CallStaticObjectMethod(java, host_class, on_save, (jint)size);
	if (!threw() && bytes) {
		n = (*java)->GetArrayLength(java, bytes);
		if ((size_t)n <= size)
			(*java)->GetByteArrayRegion(java, bytes, 0, n, (jbyte *)to);
		else
			n = -1;
	}
	(*java)->PopLocalFrame(java, NULL);
	return n;
}

static void leave(void)
{
	(*java)->CallStaticVoidMethod(java, host_class, on_leave);
	threw();
}

static const struct managed_vm machine = {
	"java", load, configure, request, burst, timer, save, leave,
};

/* ---- class coven.Native ------------------------------------------------------------------------- */

NATIVE(jint, run)(JNIEnv *env, jclass self, jstring fds)
{
	(void)self;
	const struct {
		jmethodID *id;
		const char *name, *type;
	} methods[] = {
		{ &on_load, "load", "(Ljava/lang/String;Ljava/lang/String;Ljava/lang/String;J[B)I" },
		{ &on_configure, "configure", "(Ljava/lang/String;)I" },
		{ &on_request, "request", "(Ljava/lang/String;Ljava/lang/String;)[Ljava/lang/String;" },
		{ &on_burst, "burst", "(I)V" },
		{ &on_timer, "timer", "(I)V" },
		{ &on_save, "save", "(I)[B" },
		{ &on_leave, "leave", "()V" },
	};
	java = env;
	host_class = (*env)->FindClass(env, "coven/Host");
	for (size_t i = 0; host_class && i < sizeof(methods) / sizeof(*methods); i++) {
		*methods[i].id = (*env)->GetStaticMethodID(env, host_class, methods[i].name, methods[i].type);
		if (*methods[i].id == NULL)
			break;
	}
	if (threw())
		return 1;
	signal(SIGINT, SIG_IGN); /* the keeper ends it, in order */
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	char *text = text_of(fds);
	int status = text ? managed_run(text, &machine) : 1;
	free(text);
	return status;
}

NATIVE(jint, give)(JNIEnv *env, jclass self)
{
	(void)env, (void)self;
	return (jint)managed_give();
}

NATIVE(void, exception)(JNIEnv *env, jclass self)
{
	(void)env, (void)self;
	managed_exception();
}

NATIVE(void, error)
(JNIEnv *env, jclass self, jstring file, jint line, jstring field, jstring found, jstring expected,
 jstring remedy)
{
	(void)env, (void)self;
	char *text[] = { text_of(file), text_of(field), text_of(found), text_of(expected), text_of(remedy) };
	host_error(managed_host, text[0], line, text[1], text[2], text[3], text[4]);
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
}

NATIVE(jint, edit)(JNIEnv *env, jclass self, jint frame, jint edit, jint n)
{
	(void)env, (void)self;
	return managed_edit((uint32_t)frame, (enum managed_edit)edit, (uint32_t)n);
}

NATIVE(jint, emit)(JNIEnv *env, jclass self, jint frame, jint output, jint port)
{
	(void)env, (void)self;
	return managed_emit((uint32_t)frame, (uint32_t)output, port);
}

NATIVE(jint, release)(JNIEnv *env, jclass self, jint frame, jint verdict)
{
	(void)env, (void)self;
	return managed_release((uint32_t)frame, (uint32_t)verdict);
}

NATIVE(void, note)(JNIEnv *env, jclass self, jint frame, jstring text)
{
	(void)env, (void)self;
	char *copy = text_of(text);
	managed_note((uint32_t)frame, copy);
	free(copy);
}

NATIVE(jint, discard)(JNIEnv *env, jclass self, jint frame)
{
	(void)env, (void)self;
	return managed_discard((uint32_t)frame);
}

NATIVE(jlong, make)(JNIEnv *env, jclass self)
{
	(void)env, (void)self;
	return managed_make();
}

NATIVE(jlong, copy)(JNIEnv *env, jclass self, jint frame)
{
	(void)env, (void)self;
	return managed_clone((uint32_t)frame);
}

NATIVE(jlong, payload)(JNIEnv *env, jclass self, jint frame)
{
	(void)env, (void)self;
	return managed_payload((uint32_t)frame);
}

NATIVE(jbyteArray, flow)(JNIEnv *env, jclass self, jint frame)
{
	struct flow_key key;
	(void)self;
	if (!managed_flow((uint32_t)frame, &key))
		return NULL;
	jbyteArray bytes = (*env)->NewByteArray(env, sizeof(key));
	if (bytes)
		(*env)->SetByteArrayRegion(env, bytes, 0, sizeof(key), (const jbyte *)&key);
	return bytes;
}

NATIVE(jlong, timer)(JNIEnv *env, jclass self, jdouble seconds, jboolean repeat)
{
	(void)env, (void)self;
	return managed_timer(seconds, repeat);
}

NATIVE(void, cancel)(JNIEnv *env, jclass self, jint id)
{
	(void)env, (void)self;
	managed_cancel((uint32_t)id);
}

NATIVE(jint, reason)(JNIEnv *env, jclass self, jstring name, jstring why, jstring file, jint line)
{
	(void)env, (void)self;
	char *text[] = { text_of(name), text_of(why), text_of(file) };
	int id = managed_reason(text[0] ? text[0] : "", text[1] ? text[1] : "", text[2], line);
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
	return id;
}

NATIVE(jint, metric)
(JNIEnv *env, jclass self, jint kind, jstring name, jstring why, jstring unit, jstring file, jint line)
{
	(void)env, (void)self;
	char *text[] = { text_of(name), text_of(why), text_of(unit), text_of(file) };
	int number = managed_metric((uint32_t)kind, text[0] ? text[0] : "", text[1] ? text[1] : "",
				    text[2] ? text[2] : "", text[3], line);
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
	return number;
}

NATIVE(jint, request)
(JNIEnv *env, jclass self, jstring name, jstring why, jstring unit, jstring arguments, jboolean changes,
 jstring file, jint line)
{
	(void)env, (void)self;
	char *text[] = { text_of(name), text_of(why), text_of(unit), text_of(arguments), text_of(file) };
	int done = managed_request(text[0] ? text[0] : "", text[1] ? text[1] : "", text[2] ? text[2] : "",
				   text[3] ? text[3] : "[]", changes, text[4], line);
	for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++)
		free(text[i]);
	return done;
}

NATIVE(void, measure)(JNIEnv *env, jclass self, jint metric, jdouble value)
{
	(void)env, (void)self;
	managed_measure((uint32_t)metric, value);
}

NATIVE(jdouble, measured)(JNIEnv *env, jclass self, jint metric)
{
	(void)env, (void)self;
	return managed_measured((uint32_t)metric);
}

NATIVE(void, log)(JNIEnv *env, jclass self, jstring text)
{
	(void)env, (void)self;
	char *line = text_of(text);
	if (managed_api)
		managed_api->log(managed_api, line ? line : "null");
	free(line);
}

NATIVE(void, listen)(JNIEnv *env, jclass self)
{
	(void)env, (void)self;
	managed_listen();
}

NATIVE(void, await)(JNIEnv *env, jclass self)
{
	(void)env, (void)self;
	managed_await();
}

NATIVE(void, told)(JNIEnv *env, jclass self)
{
	(void)env, (void)self;
	managed_told();
}
