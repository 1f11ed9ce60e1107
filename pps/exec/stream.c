/* Buffered, non-blocking streams for the bridge to executables. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pps/exec/exec.h"

enum { STREAM_LEAST = 65536, STREAM_MOST = 1 << 28 };

void stream_open(struct stream *s, int fd)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->in);
	free(s->out);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}

static bool grow(uint8_t **at, size_t *size, size_t need)
{
	size_t to = *size ? *size : STREAM_LEAST;
	while (to < need)
		to *= 2;
	if (to == *size)
		return true;
	uint8_t *more = to <= STREAM_MOST ? realloc(*at, to) : NULL;
	if (!more)
		return false;
	*at = more;
	*size = to;
	return true;
}

void stream_read(struct stream *s)
{
	while (s->fd >= 0 && !s->ended) {
		/* a component that only talks must not keep us from everything else */
		if (s->in_n >= 4 * STREAM_LEAST || !grow(&s->in, &s->in_size, s->in_n + STREAM_LEAST / 2))
			return;
		ssize_t n = recv(s->fd, s->in + s->in_n, s->in_size - s->in_n, MSG_DONTWAIT);
		if (n > 0)
			s->in_n += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			s->ended = true;
		else if (errno == EAGAIN)
			return;
	}
}

void stream_eat(struct stream *s, size_t n)
{
	s->in_n -= n;
	memmove(s->in, s->in + n, s->in_n);
}

bool stream_put(struct stream *s, const void *data, size_t n)
{
	if (!grow(&s->out, &s->out_size, s->out_n + n))
		return false;
	memcpy(s->out + s->out_n, data, n);
	s->out_n += n;
	return true;
}

void stream_flush(struct stream *s)
{
	size_t done = 0;
	while (s->fd >= 0 && !s->ended && done < s->out_n) {
		ssize_t n = send(s->fd, s->out + done, s->out_n - done, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			break;
		else if (n < 0 && errno != EINTR)
			s->ended = true;
	}
	if (done == 0)
		return;
	s->out_n -= done;
	memmove(s->out, s->out + done, s->out_n);
}
