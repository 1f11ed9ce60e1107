"""The host of one Python VNFC: loads the author's file and does what is not done for each packet.

    python -I -S -B vnfc_host.py --extension DIR [--package DIR]... --artifact FILE --name NAME
                                 --fds POOL,HOP,BELL,CONTROL

`_vnfc` lies in the --extension folder; each --package (NumPy, Scapy) can be imported; FILE is what
vnfc_check.py wrote, or a component itself. sys.path is the component's folder, its package's vendor/, the
standard library, and this folder. The extension calls the functions here as its hooks.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib.util
import json
import marshal
import os
import signal
import sys
from types import FunctionType, ModuleType
from typing import Any

if __name__ == "__main__":  # found by path, not by what happens to be installed
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    sys.path += [sys.argv[i + 1] for i, word in enumerate(sys.argv[:-1]) if word == "--extension"]

import _vnfc
import vnfc
import vnfc_imports  # type: ignore[import-not-found]
import vnfc_mistakes as mistakes  # type: ignore[import-not-found]
import vnfc_offline  # type: ignore[import-not-found]  # noqa: F401 - it acts when Scapy is imported
import vnfc_requests as requests  # type: ignore[import-not-found]
from vnfc_mistakes import Mistake

source = ""
root = ""
author: ModuleType | None = None
_kept = b""  # the state as it was saved last
_complained = False


# ---- hooks of the extension --------------------------------------------------------------------------------


def load(config: str, ports: str, outputs: str, seed: int, kept: bytes) -> list[Mistake]:
    """Import the author's file; returns what is wrong with it."""
    global author, _kept
    vnfc.config._replace(json.loads(config))
    for name, port in (json.loads(ports) or {}).items():
        vnfc.ports[name] = vnfc.Port(name, int(port["number"]), port.get("mac"), int(port.get("mtu") or 1500))
    names = json.loads(outputs) or ["next"]
    _vnfc.names({name: i for i, name in enumerate(names)}, {p.name: p.number for p in vnfc.ports.values()})
    vnfc.random.seed(seed)
    if kept:
        try:
            vnfc.state.update(marshal.loads(kept))
            _kept = kept
        except (ValueError, TypeError, EOFError):
            vnfc.log("the state of the VNFC before its restart cannot be read: it begins anew")
    try:
        author = _execute()
        found = _entry_points(author)
        if not found and callable(getattr(author, "configure", None)):
            found = _configure(author)
        gc.collect()
        gc.freeze()  # what was loaded stays: no reason to look through it again between packets
        return found
    except _vnfc.Refused:
        return []  # the host has noted why
    except (Exception, SystemExit) as error:
        return [_told(error)]


def configure(config: str) -> list[Mistake]:
    """Take up another configuration, all or nothing."""
    old = dict(vnfc.config)
    vnfc.config._replace(json.loads(config))
    assert author is not None
    found = _configure(author) if callable(getattr(author, "configure", None)) else []
    if found:
        vnfc.config._replace(old)
    return found


def request(name: str, given: str) -> tuple[bool, str]:
    """Answer an agent request."""
    return requests.answer(vnfc._requests, name, given)


def exception(error: BaseException) -> None:
    """An exception that cost a packet: into the log, but not a thousand times."""
    for line in mistakes.report(error, root):
        _vnfc.write_log(line)


def relative(path: str) -> str:
    """A file's path from the package's folder."""
    return str(mistakes.relative(path, root))


def give_up(limit: int) -> None:
    """The last word before the process ends."""
    _vnfc.write_log(f"more than {limit} exceptions in 10 s, or the component asked to exit: this VNFC ends")


def nonsense(value: Any, function: Any) -> None:
    """A handler returned something that is no verdict."""
    _vnfc.write_log(mistakes.nonsense(value, function, root))


def save_state(limit: int) -> bytes | None:
    """`state` as bytes if it changed since it was saved last and fits."""
    global _kept, _complained
    try:
        now = marshal.dumps(vnfc.state)
    except ValueError:
        problem = "state holds more than plain values (None, bool, int, float, str, bytes, list, dict...)"
    else:
        if len(now) <= limit:
            _complained = False
            if now == _kept or (not vnfc.state and not _kept):
                return None
            _kept = now
            return now
        problem = f"state takes {len(now)} bytes, more than the {limit} that survive a restart"
    if not _complained:
        _complained = True
        _vnfc.write_log(problem + ": what was saved before stays")
    return None


def leave() -> None:
    """The VNF ends: what was printed must get out."""
    function = getattr(author, "exit", None)
    if callable(function) and getattr(function, "__module__", "") == getattr(author, "__name__", None):
        try:
            function()
        except Exception as error:
            exception(error)
    sys.stdout.flush()


# ---- the author's file --------------------------------------------------------------------------------


def _execute() -> ModuleType:
    """Run the file as a module of its own name. Its tracebacks begin at its own first line."""
    name = os.path.splitext(os.path.basename(source))[0]
    if name in sys.modules or not name.isidentifier():
        name = "component"
    spec = importlib.util.spec_from_file_location(name, source)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with open(source, "rb") as file:
        text = file.read()
    exec(compile(text, source, "exec", dont_inherit=True), module.__dict__)
    # what takes long to import is imported now, not while packets wait
    if b".scapy(" in text:
        importlib.import_module("vnfc_scapy")
    if hasattr(module, "handle_burst"):
        importlib.import_module("numpy")
    return module


def _entry_points(module: ModuleType) -> list[Mistake]:
    """Find handle or handle_burst, declare the requests."""
    file = mistakes.relative(source, root)
    handle = getattr(module, "handle", None)
    burst = getattr(module, "handle_burst", None)
    found: list[Mistake] = []
    if handle is None and burst is None:
        expected = "def handle(packet): or def handle_burst(burst):"
        own = [
            f
            for f in vars(module).values()
            if isinstance(f, FunctionType) and f.__module__ == module.__name__
        ]
        close = [f for f in own if mistakes.did_you_mean(f.__name__, ["handle", "handle_burst", "packet"])]
        text = f"the function {close[0].__name__!r}" if close else "neither handle nor handle_burst"
        line = close[0].__code__.co_firstlineno if close else 0
        found.append((file, line, None, text, expected, "define one of them"))
    elif handle is not None and burst is not None:
        lines = [getattr(getattr(f, "__code__", None), "co_firstlineno", 0) for f in (handle, burst)]
        found.append((file, max(lines), None, "both handle and handle_burst", "one of them", "take one of them out"))
    for name, function in (("handle", handle), ("handle_burst", burst)):
        if function is not None and not callable(function):
            found.append((file, 0, name, repr(function), "a function", None))
    for declared in vnfc._requests.values():
        line = declared.function.__code__.co_firstlineno
        about = declared.name, declared.why, declared.unit
        try:
            _vnfc.declare_request(*about, json.dumps(requests.arguments(declared)), declared.changes, file, line)
        except _vnfc.Refused:
            pass  # the host has noted why
        except (TypeError, requests.BadArgument) as error:
            found.append((file, line, declared.name, str(error), None, None))
    if not found:
        _vnfc.serve(handle, burst, vnfc.state)
    return found


def _configure(module: ModuleType) -> list[Mistake]:
    try:
        module.configure(vnfc.config)
        return []
    except ValueError as error:
        file, line = mistakes.place(error, root)
        return [(mistakes.relative(file, root), line, "config", str(error), None, "change the configuration")]
    except Exception as error:
        exception(error)
        return [_told(error)]


def _told(error: BaseException) -> Mistake:
    """An exception at load as a mistake with its place; the traceback goes to the log."""
    for line in mistakes.lines(error):
        _vnfc.write_log(line)
    file, at = mistakes.place(error, root)
    found = mistakes.describe(error)
    return (mistakes.relative(file or source, root), at, None, found, None, mistakes.remedy(error))


def main(argv: list[str]) -> int:
    """Returns the process's exit status: 0 ended on request, 1 failed, 2 the keeper is gone."""
    global source, root
    parser = argparse.ArgumentParser(prog="vnfc_host", allow_abbrev=False)
    parser.add_argument("--artifact", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--extension", required=True)
    parser.add_argument("--package", action="append", default=[])
    parser.add_argument("--fds", required=True)
    options = parser.parse_args(argv)
    source = os.path.abspath(options.artifact)
    root = os.path.dirname(source)
    if source.endswith(".json"):
        with open(source) as file:
            note = json.load(file)
        source, root = note["source"], note["root"]
    # where it is when the keeper asks, which ends it, or when native code fails
    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGXCPU, all_threads=False, chain=True)
    vnfc_imports.install(options.package)
    sys.argv = [source]
    sys.path[:0] = [os.path.dirname(source), os.path.join(root, "vendor")]
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if not sys.stdin.isatty():  # the keeper ends it, in order; a debugger at a terminal wants Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return int(_vnfc.run(options.fds, sys.modules[__name__]))


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # the VNF is over: nothing of the author's may delay it
