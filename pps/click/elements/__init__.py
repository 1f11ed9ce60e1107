"""Elements: how one is written, and all that there are.

An element is a class, in the file of its family in this folder (add a new file to FAMILIES below):

    @element
    class Counter(Element):
        ""\"Counts packets and bytes.""\"

        ports = "1/1"        # inputs/outputs: "1/1-2" a range, "-" any number, "1-" at least one, "=" as many
        processing = "a/a"   # by port: h push, l pull, a whichever; the last letter goes for all that follow
        flow = "x/x"         # which inputs lead to which outputs (for agnostic ports); "x/x": all to all
        arguments = (
            mandatory("LIMIT", unsigned), optional("NAME", text, ""), keyword("BURST", boolean, False),
        )
        state = "uint64_t packets, bytes;"
        action = '''
    $s.packets++;
    $s.bytes += p->len;
    return p;'''
        handlers = (
            number("count", "$s.packets", "packets so far"),
            write("reset", "memset(&$s, 0, sizeof($s));"),
        )

`configure(self)` runs when the arguments were read (`self.args["LIMIT"]`), before code is made of the
element: it checks what belongs together (`self.wrong("LIMIT", "found", "expected")`) and sets, on self, what
depends on the arguments. `finish(self)` runs when push and pull are settled as well. Everything below may be a
class attribute or be set there:

    state      members of the element's struct, `$s`: zeros at first
    constants  {"limit": 5}: a macro, written `$limit`; whole numbers only, for anything else see `data`
    data       C declarations before the functions: tables, strings (c_string() quotes one)
    functions  further C functions
    action     body of a function that gets `p` and returns it, or NULL when it is gone: push and pull come of it
    push       body of a function with `port` and `p`:   $out(n, p) passes p on, by push
    pull       body of a function with `port` that returns a packet or NULL:   $in(n) pulls one
    init       statements at start; $fail(format, ...) refuses the configuration, by a mistake as a line, and returns
    task       body that returns whether it did something: it runs again until no task of the VNFC does
    includes   ("ip.h",): headers of pps/click/runtime
    reasons    {"name": "why"}: drop reasons beyond the default one, for click_drop(p, VNFC_DROP(name))
    reason     ("name", "why"): what `$drop(p)`, and $out to an optional output without a connection, drop with
    headers, annotations, reshapes   True if the code uses a packet's header pointers or annotations (click.h),
               or moves bytes so that what lies behind the VNFC must find the headers anew

In all C texts `$name` becomes this instance's own `eN_name`. Code is gnu11, as an author of a C VNFC would write
it: `p` is a struct vnfc_packet, and pps/click/runtime/click.h says what there is beyond <coven/vnfc.h> (header
pointers, annotations, click_drop, click_clone, timers). Rules:

  - Whoever gets `p` passes it on, stores it, or drops it with a declared reason: exactly one of them.
  - Storing: ask click_may_store(p) first; then keep the pointer. Nothing more: the host's hold is done for you.
  - A storage that becomes non-empty, or anything else that a pull may wait for, says click_wake().
  - Time is vnfc_now() (ns); a timer is `struct click_timer`, set by click_timer_at(&timer, ns, function, arg).
  - Made packets come from click_new(like) or click_clone(p), and may be NULL.
  - Handlers: number(), text_handler(), write(), read_write() below. Read code says click_say(out, format, ...);
    write code finds `value` (a string) and refuses with `return click_refuse(out, format, ...)`.
  - Counters in `$s` are plain: one thread runs everything.

Names of other elements that arguments mention are resolved by the kind `element` (values.py); the C name of what
such an element has is `self.graph.c_name(name, "member")`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pps.click.arguments import Argument, unquote, words
from pps.click.mistakes import Mistakes, Place, as_line, close_to
from pps.click.values import Kind, Names

#: modules of this folder, each with a family of elements
FAMILIES = (
    "devices", "basic", "paint", "queues", "classifiers", "ipfilter", "ipcheck", "strip", "printing", "info",
    "switches", "coven", "service_path", "timed", "ether", "ipchange", "script", "lookup", "icmp", "arp", "rewriters",
    "aggregate",
)  # fmt: skip

REGISTRY: dict[str, type[Element]] = {}
_REQUIRED = object()


def element(cls: type[Element]) -> type[Element]:
    """Register an element class under its own name."""
    REGISTRY[cls.__name__] = cls
    return cls


def load() -> dict[str, type[Element]]:
    """All elements, by name."""
    for family in FAMILIES:
        importlib.import_module(f"pps.click.elements.{family}")
    return REGISTRY


# ---- arguments ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: Kind
    default: Any
    positional: bool
    many: bool = False


def mandatory(name: str, kind: Kind) -> Parameter:
    """A positional argument, that may also be given as `NAME value`."""
    return Parameter(name, kind, _REQUIRED, True)


def optional(name: str, kind: Kind, default: Any = None) -> Parameter:
    """A positional argument that may be left out, or be given as `NAME value`."""
    return Parameter(name, kind, default, True)


def keyword(name: str, kind: Kind, default: Any = None) -> Parameter:
    """An argument that is given as `NAME value` only."""
    return Parameter(name, kind, default, False)


def required_keyword(name: str, kind: Kind) -> Parameter:
    return Parameter(name, kind, _REQUIRED, False)


def every(name: str, kind: Kind, least: int = 0) -> Parameter:
    """All positional arguments that are left: a list. At least `least` of them."""
    return Parameter(name, kind, least, True, many=True)


# ---- handlers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Handler:
    """`read` and `write` are bodies of C functions that may `return click_refuse(...)`."""

    name: str
    why: str
    read: str | None = None
    write: str | None = None
    numeric: bool = False
    parameter: bool = False  #: reading takes a parameter: `value`


def number(name: str, expression: str, why: str, format: str = "%llu", cast: str = "unsigned long long") -> Handler:
    return Handler(name, why, f'\tclick_say(out, "{format}", ({cast})({expression}));', numeric=True)


def real_number(name: str, expression: str, why: str) -> Handler:
    return number(name, expression, why, "%.12g", "double")


def rate_number(name: str, average: str, why: str, scale: int, bits: int | None = None) -> Handler:
    """A `struct click_ewma` with `scale` fractional bits (rate.h), a second; `bits` of them if it is scaled up."""
    say = f"\tclick_say_rate(out, &{average}, {scale}, {scale if bits is None else bits});"
    return Handler(name, why, say, numeric=True)


def text_handler(name: str, body: str, why: str, parameter: bool = False) -> Handler:
    return Handler(name, why, body, parameter=parameter)


def flag(name: str, expression: str, why: str) -> Handler:
    return Handler(name, why, f'\tclick_say(out, "%s", ({expression}) ? "true" : "false");')


def write(name: str, body: str, why: str = "") -> Handler:
    return Handler(name, why, write=body)


def read_write(read: Handler, body: str) -> Handler:
    return Handler(read.name, read.why, read.read, body, read.numeric, read.parameter)


def writable(expression: str, read: Handler, least: int = 0, most: int = 2**32 - 1) -> Handler:
    """A number that may be read and written."""
    body = f"""
	int64_t number;
	if (!click_number(value, &number) || number < {least} || number > {most})
		return click_refuse(out, "expected a number from {least} to {most}");
	{expression} = number;"""
    return read_write(read, body)


def c_string(value: str) -> str:
    """A C string literal for characters of Latin-1. It holds no `$`, which means something in templates."""
    out = ""
    for char in value:
        code = ord(char) & 255
        out += char if 32 <= code < 127 and char not in '"\\?$' else f"\\{code:03o}"
    return f'"{out}"'


# ---- the base class
# -----------------------------------------------------------------------------------------


class Surroundings(Protocol):
    """What an element may know of the configuration that it stands in."""

    mistakes: Mistakes
    elements: dict[str, Element]
    names: Names

    def c_name(self, element: str, member: str) -> str:
        """The C name of a member of another element's state or functions."""
        ...


class Element:
    """One element of a configuration. See this module's text."""

    ports: str = "1/1"
    processing: str = "a/a"
    flow: str = "x/x"
    arguments: tuple[Parameter, ...] = ()
    state: str = ""
    constants: Mapping[str, int] = {}
    data: str = ""
    functions: str = ""
    action: str | None = None
    push: str | None = None
    pull: str | None = None
    init: str = ""
    task: str | None = None
    includes: tuple[str, ...] = ()
    reasons: Mapping[str, str] = {}
    reason: tuple[str, str] | None = None
    handlers: tuple[Handler, ...] = ()
    headers = False
    annotations = False
    reshapes = False

    def __init__(self, name: str, given: list[Argument], place: Place, graph: Surroundings):
        self.name = name
        self.given = given
        self.place = place
        self.graph = graph
        self.mistakes: Mistakes = graph.mistakes
        self.args: dict[str, Any] = {}
        self.places: dict[str, Place] = {}
        self.number = 0
        self.inputs = self.outputs = 0  #: ports that are connected
        self.input_modes: list[str] = []  #: "h" or "l", by port
        self.output_modes: list[str] = []

    @property
    def klass(self) -> str:
        return type(self).__name__

    def __str__(self) -> str:
        return f"{self.name} :: {self.klass}"

    def configure(self) -> None:
        """Check what belongs together, set what depends on the arguments and the numbers of ports."""

    def finish(self) -> None:
        """Set what depends on push and pull (`input_modes`, `output_modes`: h or l by port)."""

    def describe(self) -> None:
        """Define names (AddressInfo) before any argument is read."""

    def wrong(self, name: str | None, found: str, expected: str, remedy: str = "") -> None:
        """A mistake in the argument with that name, or in the element."""
        self.mistakes.add(self.places.get(name or "", self.place), f"{self}: {found}", expected, remedy)

    def unknown(self, device: str, expected: str) -> str:
        """What an author is told of a device that the VNF, when it starts, does not have."""
        return as_line(self.place.mistake(f"{self}: {device}", expected))

    # ---- reading arguments ---------------------------------------------------------------------------------

    def read(self, names: Names) -> None:
        """Read the arguments into `args`; every mistake is noted."""
        known = {p.name: p for p in self.arguments if not p.many}
        left: list[Argument] = []
        texts: dict[str, Argument] = {}
        for argument in self.given:
            first = (words(argument.text) or [""])[0]
            if first in known and first not in texts and (first != argument.text or not known[first].positional):
                texts[first] = Argument(argument.text[len(first) :].strip(), argument.place)
            else:
                left.append(argument)
        for parameter in self.arguments:
            if parameter.positional and not parameter.many and parameter.name not in texts and left:
                texts[parameter.name] = left.pop(0)
        for parameter in self.arguments:
            if parameter.many:
                self._every(parameter, left, names)
                left = []
            else:
                self._one(parameter, texts.get(parameter.name), names)
        for argument in left:
            word = (words(argument.text) or [""])[0]
            found = f"{self}: argument '{argument.text}'"
            self.mistakes.add(argument.place, found, f"only {self._usage()}", close_to(word, known))

    def _usage(self) -> str:
        return f"{self.klass}({', '.join(p.name + ('...' if p.many else '') for p in self.arguments)})"

    def _one(self, parameter: Parameter, given: Argument | None, names: Names) -> None:
        self.args[parameter.name] = None if parameter.default is _REQUIRED else parameter.default
        if given is None or (not given.text and parameter.default is not _REQUIRED):
            if parameter.default is _REQUIRED:
                self.wrong(None, f"no argument {parameter.name}", self._usage())
            return
        self.places[parameter.name] = given.place
        self.args[parameter.name] = self._value(parameter, given, names)

    def _every(self, parameter: Parameter, left: list[Argument], names: Names) -> None:
        if len(left) < parameter.default:
            self.wrong(None, f"{len(left)} {parameter.name}", f"at least {parameter.default}: {self._usage()}")
        self.every_place = [argument.place for argument in left]
        self.args[parameter.name] = [self._value(parameter, argument, names) for argument in left]

    def _value(self, parameter: Parameter, given: Argument, names: Names) -> Any:
        try:
            return parameter.kind(given.text, names)
        except ValueError as problem:
            found = f"{self}: {parameter.name} is '{unquote(given.text)}'"
            self.mistakes.add(given.place, found, str(problem))
            return None
