"""A client of Click's ControlSocket protocol, as tools speak it."""

from __future__ import annotations

import socket


class Client:
    def __init__(self, address: str | tuple[str, int]):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(60)
        self.socket.connect(address)
        self.stream = self.socket.makefile("rb")
        assert self.line() == "Click::ControlSocket/1.3"

    def line(self) -> str:
        """The next line, or nothing at the end."""
        line = self.stream.readline().decode("latin-1")
        assert line == "" or line.endswith("\r\n")
        return line.removesuffix("\r\n")

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode("latin-1"))

    def answer(self, reads: bool) -> list[str]:
        """Everything that one command is answered with, data as the last line."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        if reads and lines[0].startswith("200 Read"):
            word, length = self.line().split()
            assert word == "DATA"
            lines.append(self.stream.read(int(length)).decode("latin-1"))
        return lines

    def say(self, text: str, end: str = "\r\n") -> list[str]:
        self.send(text + end)
        return self.answer(text.startswith("READ"))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()
