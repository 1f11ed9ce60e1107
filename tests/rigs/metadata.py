"""OpenStack's metadata service as a machine sees it: one HTTP request from standard input, its answer to standard
output, from the files of a folder. `python metadata.py FOLDER`; qemu starts one for each connection (its guestfwd)."""

from __future__ import annotations

import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, cast


class Once(BaseHTTPRequestHandler):
    """A folder's answer is the names in it, a line each, as Nova lists versions."""

    def setup(self) -> None:
        self.rfile, self.wfile = sys.stdin.buffer, cast(Any, sys.stdout.buffer)

    def finish(self) -> None:
        self.wfile.flush()

    def log_message(self, *said: object) -> None:
        """Standard error is the machine's connection, too."""

    def do_GET(self) -> None:
        asked = Path(sys.argv[1], self.path.strip("/"))
        if asked.is_dir():
            content = "\n".join(sorted(each.name for each in asked.iterdir())).encode()
        elif asked.is_file():
            content = asked.read_bytes()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    Once(cast(Any, None), ("the machine", 0), cast(Any, None))
