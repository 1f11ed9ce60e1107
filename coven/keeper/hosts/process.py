"""One VNFC as the keeper sees it: its hop object, its confined process, and the talk with it.

Whatever a host sends is somebody else's: it is parsed, bounded and never trusted.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from coven.keeper.hosts import where
from coven.keeper.hosts.asked import Requests
from coven.keeper.hosts.doorbell import ring_control
from coven.keeper.hosts.past import Past
from coven.keeper.hosts.says import (
    Metric,
    Nonsense,
    declared_reasons,
    declared_requests,
    describe_status,
    host_mistakes,
    metrics,
    together,
    with_output,
)
from coven.keeper.hosts.state import TRANSITIONS, State
from coven.keeper.hosts.talk import Talk
from coven.keeper.journal import Journal
from coven.keeper.logs import Logs, printable
from coven.keeper.loop import Loop, Timer
from coven.package.descriptor import Vnfc
from itf.mistakes import Mistake, Refused
from itf.segment import REASONS, C, Hop, Pool, ffi

INIT_SECONDS = 30.0  #: until it is ready: on a slow machine its imports alone take 10
CONFIGURE_SECONDS = 10.0  #: configure may take this long
STACK_LINES = 40  #: of a process that hangs or fails, the last ones, in which its stack is looked for
WROTE_LINES = 12  #: of a process that does not come up, told with its mistake
BACKOFF_FIRST, BACKOFF_MOST = 0.1, 10.0  #: seconds, doubling
WELL_SECONDS = 10.0  #: running this long resets the back-off, as a packet does that it gave back
GENERATIONS = 1000  #: between a version and its successor
GONE_SECONDS = 0.5  #: after its end, how long the rest of its tree may take to let go of the control socket

DIED, HUNG = (next(n for n, r in REASONS.items() if r.name == name) for name in ("died", "hung"))


class Launched(Protocol):
    """A confined process, and what must be given back when it has ended."""

    process: subprocess.Popen[bytes]

    def inner_pid(self) -> int: ...
    def oom_kills(self) -> int: ...
    def close(self) -> None: ...


#: starts the VNFC's host with `--fds POOL,HOP,BELL,CONTROL`; raises OSError or Refused
Launch = Callable[[tuple[int, int, int, int]], Launched]


@dataclass
class HostPlan:
    """What one VNFC is run with."""

    vnfc: Vnfc
    quota: int  #: frames
    launch: Launch
    config: dict[str, Any]
    ports: dict[str, dict[str, Any]]  #: as in the `init` message
    confinement: str = "full"
    engine: str | None = None  #: how it runs, where there is a choice
    memory_limit: str = "rlimit"
    capture: bool = False
    seed: int = 0
    debug: bool = False
    build: Path | None = None  #: where all of its version was built
    package: Path | None = None  #: the folder of its version


class Observer(Protocol):
    """Who wants to know. Called from the loop."""

    def host_ready(self, host: HostProcess) -> None: ...
    def host_lost(self, host: HostProcess, reason: int) -> None: ...
    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None: ...


class HostProcess:
    def __init__(self, plan: HostPlan, pool: Pool, loop: Loop, journal: Journal, logs: Logs, observer: Observer):
        self.plan = plan
        self.name = plan.vnfc.name
        self.number = plan.vnfc.number
        self.pool = pool
        self.loop = loop
        self.journal = journal
        self.logs = logs
        self.observer = observer
        self.state = State.STOPPED
        self.generation = 0
        self.restarts = 0
        self.waits: float | None = None  #: seconds between its last end and its next start, while it waits for that
        self.hop: Hop | None = None
        self.bell = -1
        self.config = plan.config
        self.requests: list[dict[str, Any]] = []
        self.asked = Requests()
        self.ended_why: str | None = None  #: why its process ended, the last time that nobody wanted it to
        self.reasons: dict[int, tuple[str, str]] = {}  #: declared: number -> name, explanation
        self.past = Past()
        self.follows: Hop | None = None  #: until it is ready: the hop object of the process that it takes over from
        self.predecessor: HostProcess | None = None  #: until that has ended: what it counts counts for this one
        self.runs_from: Path | None = None  #: where its process was built
        self.loads_from: Path | None = None  #: the package that its process may still read
        self._came_up = False  #: one of its processes was ready, once
        self.wanted = False
        self.on_gone: Callable[[], None] = lambda: None  #: it has ended, and that was wanted
        self.mistakes: list[Mistake] = []
        self._launched: Launched | None = None
        self._talk: Talk | None = None
        self._exited = False
        self._lost_as = DIED
        self._why = ""
        self._asked_at = 0.0  #: after that time it writes where it is
        self._backoff = BACKOFF_FIRST
        self._ready_at = 0.0
        self._timer: Timer | None = None  #: of the next start, of init, or of the wait for its tree

    # life

    @property
    def pid(self) -> int | None:
        return self._launched.inner_pid() if self._launched else None

    @property
    def head(self) -> Any:
        assert self.hop is not None
        return self.hop.head

    def _become(self, state: State) -> None:
        if state != self.state:
            assert state in TRANSITIONS[self.state], f"{self.name}: {self.state} -> {state}"
            self.state = state

    def start(self) -> None:
        """Start the process with the next generation of its hop object; `host_ready` or `host_lost` follows.

        Raises OSError or Refused if it cannot be started at all.
        """
        self.wanted = True
        self._set_timer(None)
        self._make_hop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            assert self.hop is not None
            self._launched = self.plan.launch((self.pool.fd, self.hop.fd, self.bell, theirs.fileno()))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        process = self._launched.process
        self.journal.process(process.pid, f"vnfc {self.name}")
        self.runs_from, self.loads_from = self.plan.build, self.plan.package
        self._become(State.STARTING)
        self._exited, self._lost_as, self._why, self.mistakes = False, DIED, "", []
        self._asked_at = time.time()
        self._talk = Talk(ours, self.loop, self._message, self._nonsense, self._talk_ended, self._guarded)
        for number, stream in ((1, process.stdout), (2, process.stderr)):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self.loop.read(stream, self._guarded(partial(self._read_stream, stream, number)))
        self.loop.on_exit(process.pid, self._guarded(self._process_ended))
        if not self.plan.debug:
            self._set_timer(INIT_SECONDS, self._init_late)

    def begin(self) -> list[Mistake]:
        """`start`; what kept it from starting at all."""
        try:
            self.start()
        except Refused as refused:
            return refused.mistakes
        except OSError as problem:
            return [Mistake.of(problem, field=f"vnfcs.{self.name}")]
        return []

    def _make_hop(self) -> None:
        before, bell = self.hop, self.bell
        self.generation += 1
        live = not self.plan.capture
        self.hop = Hop.make(
            self.name, self.number, self.generation, self.plan.quota, self.pool.geometry,
            hold_max=self.plan.vnfc.hold_max,
            clock_mode=C.CLOCK_LIVE if live else C.CLOCK_CAPTURE,
            outputs=len(self.plan.vnfc.outputs),
            seed=self.plan.seed & 0xFFFFFFFF,
            wall_minus_monotonic=time.time_ns() - time.monotonic_ns() if live else 0,
        )  # fmt: skip
        known = before or self.follows
        if known is not None:
            new, old = self.hop.at("char", self.hop.head.state), known.at("char", known.head.state)
            ffi.memmove(new, old, C.HOP_STATE_BYTES)
        if before is not None:
            self._retire(before, bell)
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def _retire(self, hop: Hop, bell: int) -> None:
        """Keep what the old process counted, let go of its object."""
        for metric in metrics(hop):
            self.past.count(metric)
        self.past.exceptions = together(self.past.exceptions, int(hop.head.exceptions))
        hop.close()
        os.close(bell)

    def kill(self, reason: int, why: str) -> None:
        """End its whole tree; its packets count as lost for `reason`."""
        if self._launched is None or self._exited:
            return
        self._lost_as, self._why = reason, why
        self._signal()

    def hung(self, why: str) -> None:
        """End it for doing nothing, after it has said where it is."""
        if self._launched is None or self._exited or self._why:
            return
        self._lost_as, self._why, self._asked_at = HUNG, why, time.time()
        try:
            os.kill(self._launched.inner_pid(), where.SIGNAL)
        except ProcessLookupError:
            pass
        self._set_timer(where.SECONDS, self._signal)

    def _signal(self) -> None:
        """SIGKILL; the namespace, or at confinement `reduced` the session, goes with its first process."""
        if self._launched is None:
            return
        pid = self._launched.process.pid
        try:
            if self.plan.debug:
                os.kill(pid, signal.SIGKILL)
            else:
                os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass

    def _init_late(self) -> None:
        self.hung(f"init took longer than {INIT_SECONDS:g} s")

    def _process_ended(self) -> None:
        assert self._launched is not None
        self._launched.process.wait()
        self._exited = True
        if self._talk is None or self._talk.ended:
            self._gone()
        else:  # a memory map goes before the descriptors do: at their end nobody writes to frames any more
            self._set_timer(GONE_SECONDS, self._gone)

    def _talk_ended(self) -> None:
        if self._exited:
            self._gone()

    def _gone(self) -> None:
        """The process and its tree are no more."""
        if self._launched is None:
            return
        self._set_timer(None)
        launched, self._launched = self._launched, None
        status = launched.process.returncode
        if not self._why and launched.oom_kills() > 0:
            self._why = f"it needed more memory than its {self.plan.vnfc.memory_mb} MB"
        for number, stream in ((1, launched.process.stdout), (2, launched.process.stderr)):
            while stream is not None and not stream.closed and self._said(stream, number):
                pass
            if stream is not None and not stream.closed:
                self._end_stream(stream, number)
        if self._talk is not None:
            self._talk.close()
        launched.close()
        first = self.state == State.STARTING and not self._came_up
        if not self.wanted:
            self._become(State.STOPPED)
            self.on_gone()
            return
        self._become(State.FAILED if first else State.DOWN)
        fault = "" if self._why else describe_status(status)
        at = where.place(self._lines_since(self._asked_at)) if self._lost_as == HUNG or fault else None
        self._why = self._why or fault
        if fault and at and not self.plan.debug:
            self._why += f" (coven run --debug {self.name} keeps its core dump)"
        wrote = [] if self.logs.echo else [line["line"] for line in self.logs.tail(self.name, WROTE_LINES)]
        self.ended_why = self._why
        self.logs.say(self.name, f"ended: {f'{at[0]}:{at[1]}: in {at[2]}: ' if at else ''}{self._why}")
        if first:
            # a VNF that does not come up has no logs to look in
            self.observer.host_refused(self, with_output(self.mistakes or [self._mistake(self._why, at)], wrote))
            return
        for mistake in self.mistakes:
            self.logs.say(self.name, str(mistake))
        self.observer.host_lost(self, self._lost_as)
        if self.wanted:
            self._schedule()

    def _lines_since(self, moment: float) -> list[str]:
        return [each["line"] for each in self.logs.tail(self.name, STACK_LINES) if each["time"] >= moment]

    def _mistake(self, found: str, at: tuple[str, int, str] | None = None) -> Mistake:
        file: str | None
        file, line, function = at or (next(iter(self.plan.vnfc.sources), None), None, None)
        found = f"in {function}: {found}" if function else found
        return Mistake(
            file=file, line=line, field=f"vnfcs.{self.name}", found=found, expected=f"ready within {INIT_SECONDS:g} s"
        )

    def _schedule(self) -> None:
        worked = self.hop is not None and self.head.from_vnfc_head.position != 0
        if worked or (self._ready_at and time.monotonic() - self._ready_at >= WELL_SECONDS):
            self._backoff = BACKOFF_FIRST
        self._ready_at = 0.0
        delay, self._backoff = self._backoff, min(self._backoff * 2, BACKOFF_MOST)
        self.logs.say(self.name, f"starts again in {delay:g} s")
        self.waits = delay
        self._set_timer(delay, self._restart)

    def _restart(self) -> None:
        self.waits = None
        self.restarts += 1
        try:
            self.start()
        except Exception as problem:  # no memory, no uid free...: later perhaps
            self._become(State.DOWN)
            self.logs.say(self.name, f"cannot be started: {problem}")
            self._schedule()

    def stop(self) -> None:
        """Let it end; `finished` says when it has. Without a process nothing remains to be done."""
        self.wanted, self.waits = False, None
        self._set_timer(None)
        if self._launched is None:
            if self.state != State.FAILED:
                self._become(State.STOPPED)
            return
        if self._talk is not None and self._talk.send({"op": "exit"}):
            ring_control(self.head)
            self._set_timer(1.0, self._signal)
        else:
            self._signal()

    def fail(self) -> None:
        """It ended, and nothing starts it again before somebody says so."""
        self.wanted = False
        self._become(State.FAILED)

    @property
    def finished(self) -> bool:
        return self._launched is None

    def close(self) -> None:
        """Let go of the hop object. Only once `finished`."""
        if self.hop is not None:
            self._retire(self.hop, self.bell)
            self.hop, self.bell = None, -1

    def _set_timer(self, seconds: float | None, call: Callable[[], None] | None = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and call is not None:
            self._timer = self.loop.later(seconds, self._guarded(call))

    def _guarded(self, call: Callable[[], None]) -> Callable[[], None]:
        """What the loop calls for this VNFC: whatever goes wrong in it is this VNFC's affair, and nobody else's."""

        def guarded() -> None:
            try:
                call()
            except Exception as problem:
                at = traceback.extract_tb(problem.__traceback__)[-1]
                why = f"the keeper failed over it: {type(problem).__name__}: {problem} ({at.name}, line {at.lineno})"
                self.logs.say(self.name, printable(why.encode("utf-8", "replace")))
                self.kill(DIED, why)

        return guarded

    # talk

    def _nonsense(self, why: str) -> None:
        """It said what no host says. While it starts nothing good can follow; later one that waits waits in vain."""
        self.logs.say(self.name, f"said what is no message: {why}")
        if self.state == State.STARTING:
            self.mistakes = [self._mistake(f"a process that says what is no message: {why}")]
            self.kill(DIED, "it said what is no message")

    def _read_stream(self, stream: Any, number: int) -> None:
        self._said(stream, number)

    def _said(self, stream: Any, number: int) -> bool:
        """Read what there is; False if that was all."""
        try:
            data = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            return False
        if data:
            self.logs.feed(self.name, number, data)
            return True
        self._end_stream(stream, number)
        return False

    def _end_stream(self, stream: Any, number: int) -> None:
        self.logs.end(self.name, number)
        self.loop.forget(stream)
        stream.close()

    def _message(self, message: dict[str, Any]) -> None:
        op = message.get("op")
        if op == "hello" and self.state == State.STARTING:
            if message.get("abi") != C.SEG_ABI_MAJOR:
                found = f"built for ABI {str(message.get('abi'))[:20]}"
                self.mistakes = [self._mistake(found)]
                self.kill(DIED, found)
                return
            self._send({"op": "init", "config": self.config, "ports": self.plan.ports,
                        "outputs": list(self.plan.vnfc.outputs)})  # fmt: skip
        elif op == "ready" and self.state == State.STARTING and not self._exited:
            self._ready(message)
        elif op == "failed" and self.state == State.STARTING:
            errors = host_mistakes(message.get("errors"), self.plan.vnfc)
            self.mistakes = errors or [self._mistake("init failed")]
            self._why = "init failed"
        # answers to requests and configurations are matched by their number inside Talk

    def _ready(self, message: dict[str, Any]) -> None:
        try:
            self.requests = declared_requests(message.get("requests"))
        except Nonsense as nonsense:
            self._nonsense(str(nonsense))
            return
        self._set_timer(None)
        self._become(State.RUNNING)
        self._ready_at = time.monotonic()
        self.reasons = declared_reasons(self.head)
        self.follows, self._came_up = None, True
        self.observer.host_ready(self)

    def _send(self, message: dict[str, Any]) -> bool:
        if self._talk is None or not self._talk.send(message):
            return False
        ring_control(self.head)
        return True

    def ask(self, message: dict[str, Any], seconds: float, done: Callable[[dict[str, Any] | None], None]) -> None:
        """Send a `request` or `configure`; `done` gets the answer, or None after `seconds`, or at once when
        there is nobody to ask."""
        if self.state != State.RUNNING or self._talk is None or not self._talk.ask(message, seconds, done):
            done(None)
            return
        ring_control(self.head)

    def take_over(self, old: HostProcess) -> None:
        """Be a later generation of `old`, with its state. To be called before `start`."""
        # old may be started again meanwhile, a few times: the back-off sees to that
        self.generation, self.follows = old.generation + GENERATIONS, old.hop

    def inherit(self, old: HostProcess) -> None:
        """Count on from what `old`, which is closed, had counted."""
        self.predecessor = None
        self.past += old.past
        self.asked.add(old.asked)

    def counted(self) -> Past:
        """What it and all before it counted, up to now."""
        found = self.predecessor.counted() if self.predecessor is not None else Past()
        found += self.past
        if self.hop is not None:
            for metric in metrics(self.hop):
                found.count(metric)
            found.exceptions = together(found.exceptions, int(self.head.exceptions))
        return found

    def asked_for(self) -> Requests:
        """What its requests and those of all before it came to."""
        found = self.predecessor.asked_for() if self.predecessor is not None else Requests()
        found.add(self.asked)
        return found

    def metrics(self) -> list[Metric]:
        """What it declares, with what has been counted over its restarts and versions."""
        gauges = [each for each in metrics(self.hop) if each.kind == C.METRIC_GAUGE] if self.hop is not None else []
        return [*self.counted().metrics.values(), *gauges]

    def configure(self, config: dict[str, Any], done: Callable[[list[Mistake]], None]) -> None:
        """Change the configuration of one that is running; `done` gets the mistakes: with any, the old one stays."""

        def answered(answer: dict[str, Any] | None) -> None:
            if answer is None:
                found = f"no answer within {CONFIGURE_SECONDS:g} s"
                done([Mistake(field=f"config.{self.name}", found=found, expected="an answer from the VNFC")])
            elif answer.get("ok") is True:
                self.config = config
                done([])
            else:
                refused = [Mistake(field=f"config.{self.name}", found="refused by the VNFC")]
                done(host_mistakes(answer.get("errors")) or refused)

        self.ask({"op": "configure", "config": config}, CONFIGURE_SECONDS, answered)
