"""The page of a lab's agent, outside of the lab: connections to a socket that listens here are handed on to the agent,
which listens on the loopback of the appliance's namespace.

`python -m coven.lab.relay FD PORT`, started in that namespace; FD is the socket, which was made outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

CHUNK = 1 << 16
LOOPBACK = "127.0.0.1"


async def relay(port: int, outside: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    """One connection, until either side has ended it."""
    try:
        inside, there = await asyncio.open_connection(LOOPBACK, port)
    except OSError:  # the agent is not there just now
        back.close()
        return
    ways = [asyncio.create_task(_copy(outside, there)), asyncio.create_task(_copy(inside, back))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    for writer in (back, there):
        writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK):
            target.write(data)
            await target.drain()


async def serve(listening: socket.socket, port: int) -> None:
    server = await asyncio.start_server(lambda reader, writer: relay(port, reader, writer), sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
