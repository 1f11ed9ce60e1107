"""`coven test`: the test cases of a package, run over captures.

A case is a folder `tests/CASE/` of the package:

    in.pcap or in.py      what arrives by the first port (in.py: by any port, see packets.py)
    in.PORT.pcap          what arrives by another port
    set.yaml              optional, configuration: VNFC -> key -> value
    expect.yaml           what must come of it, see expect.py
    out.pcap              optional: what must leave by the second port (by the only one, if there is one),
    out.PORT.pcap         or by that port: the same packets in the same order, byte for byte, whatever
                          their times and the file's format

Every case runs with every descriptor of the package that has all the ports and VNFCs it names. Clock and
random numbers are the captures' and fixed, so a case gives the same result everywhere.
"""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from coven.base.reading import Reader
from coven.base.terminal import progress
from coven.base.yaml12 import Node, read
from coven.cases.expect import (
    A_VERDICT,
    GENERATOR,
    VERDICTS_MAX,
    Expect,
    compare_counts,
    ends_of,
    outcomes,
    read_expect,
    same_verdict,
    strange,
    what_happened,
)
from coven.cases.packets import Generated, Packet, generate, read_capture, write_captures
from coven.cases.report import Result, difference, dissect, junit, lines, total
from coven.package.archive import is_descriptor, is_zip, opened
from coven.package.descriptor import Descriptor, load
from coven.package.languages import unavailable
from itf.mistakes import Mistake, Refused, suggest
from itf.segment import REASONS

SEED = 1
LOG_LINES = 20  #: of the log, shown when a case fails
TESTS = "tests"

__all__ = ["Case", "Result", "descriptors_of", "find_cases", "main_test", "run_case"]


class Run(Protocol):
    """What runs a package over captures: `coven.run.foreground.run_captures`.

    Returns the status document, `logs` beside it, and where the run was watched (`say` gets a line for each packet),
    `ends`. Raises Refused.
    """

    def __call__(
        self, descriptor: Path, ports: dict[str, dict[str, Any]], set: dict[str, Any], seed: int,
        say: Callable[[str], None] | None = None,
    ) -> dict[str, Any]: ...  # fmt: skip


@dataclass
class Case:
    """One folder of `tests/`."""

    name: str
    folder: Path
    expect: Expect
    settings: Node | None = None  #: set.yaml
    inputs: dict[str | None, Path] = field(default_factory=dict)  #: captures by port, None the first
    outputs: dict[str | None, Path] = field(default_factory=dict)  #: expected, None the second port
    generator: Path | None = None
    seed: int = SEED  #: of the generator's random numbers
    _made: Generated | None = None

    def _generated(self) -> Generated:
        """What arrives and what `in.py`, which runs once, says besides. Raises Refused if it fails."""
        if self._made is None:
            if self.generator is None:
                every = [p for port in sorted(self.inputs, key=lambda p: p or "")
                         for p in read_capture(self.inputs[port], port)]  # fmt: skip
                self._made = Generated(sorted(every, key=lambda packet: packet.time_ns))
            else:
                made = generate(self.generator, self.seed)
                self._judge(made)
                self._made = made
        return self._made

    def _judge(self, made: Generated) -> None:
        place, asked = str(self.generator), self.expect.verdicts_generated
        mistakes = []
        if asked != (made.verdicts is not None):
            found, expected = ("no verdicts", "(port, packet, verdict)") if asked else (
                "verdicts", f"verdicts: {GENERATOR} in expect.yaml")  # fmt: skip
            mistakes.append(Mistake(file=place, found=found, expected=expected))
        if (odd := strange(made.verdicts or [])) is not None:
            mistakes.append(Mistake(file=place, found=odd[:60], expected=A_VERDICT))
        if len(made.verdicts or []) > VERDICTS_MAX:
            found = f"{len(made.verdicts or [])} verdicts"
            mistakes.append(Mistake(file=place, found=found, expected=f"at most {VERDICTS_MAX}"))
        if made.settings is not None and self.settings is not None:
            mistakes.append(Mistake(file=place, found="settings beside set.yaml", expected="one of them"))
        if mistakes:
            raise Refused(mistakes, title="wrong test case")

    def packets(self) -> list[Packet]:
        """Everything that arrives, in order. Raises Refused if `in.py` fails."""
        return self._generated().packets

    def verdicts(self) -> list[str] | None:
        return self._generated().verdicts if self.expect.verdicts_generated else self.expect.verdicts

    def configuration(self) -> dict[str, Any]:
        """By VNFC, what set.yaml or `in.py` says."""
        if self.settings is not None:
            settings: Any = self.settings.plain()
            return dict(settings)
        return (self._generated().settings if self.generator is not None else None) or {}

    def places(self) -> set[str]:
        """The ports and VNFCs that it names, wherever."""
        names = self.expect.places(self.verdicts() or [])
        names |= {port for port in (*self.inputs, *self.outputs) if port}
        if self.generator is not None:
            names |= {packet.port for packet in self.packets() if packet.port}
        return names | set(self.configuration())


# ---- finding -----------------------------------------------------------------------------------------


def find_cases(root: Path) -> list[Case]:
    """The cases of a package folder, by name. Raises Refused with every mistake in all of them."""
    if not root.is_dir():
        mistake = Mistake(file=str(root), found="no such folder", expected="a package")
        raise Refused(mistake, title="nothing to test")
    folder = root / TESTS
    mistakes: list[Mistake] = []
    cases: list[Case] = []
    folders = sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    for each in folders:
        if each.name.startswith((".", "_")):
            continue
        reader = Reader(None)
        try:
            case = _read_case(each, reader)
        except Refused as refused:
            mistakes += refused.mistakes
            continue
        except OSError as error:
            place = str(error.filename or each)
            mistakes.append(Mistake.of(error, file=place, expected="a readable file"))
            continue
        mistakes += reader.mistakes
        cases.append(case)
    if mistakes:
        raise Refused(mistakes, title="wrong test cases")
    if not cases:
        expected = "a folder for each, with in.pcap or in.py, and expect.yaml"
        mistake = Mistake(file=str(folder), found="no test case", expected=expected)
        raise Refused(mistake, title="nothing to test")
    return cases


def _read_case(folder: Path, reader: Reader) -> Case:
    place = reader.file = str(folder / "expect.yaml")
    if not (folder / "expect.yaml").is_file():
        expected = "what the case expects, such as forwarded: 3"
        raise Refused(Mistake(file=place, found="no such file", expected=expected))
    case = Case(folder.name, folder, read_expect(folder / "expect.yaml", reader))
    case.inputs, case.outputs = _captures(folder, "in"), _captures(folder, "out")
    if (folder / "in.py").is_file():
        case.generator = folder / "in.py"
    elif case.expect.verdicts_generated:
        reader.mistakes.append(Mistake(
            file=place, line=case.expect.verdicts_line, field="verdicts", found=GENERATOR, expected="an in.py"
        ))  # fmt: skip
    if (case.generator is None) == (not case.inputs):
        found = "both in.py and captures" if case.inputs else "neither in.pcap nor in.py"
        reader.mistakes.append(Mistake(file=str(folder), found=found, expected="one of them: what arrives"))
    if not case.expect.states_something and not case.outputs and not reader.mistakes:
        expected = "forwarded, dropped, consumed, verdicts, or an out.pcap beside it"
        reader.mistakes.append(Mistake(file=place, found="nothing expected", expected=expected))
    if (folder / "set.yaml").is_file():
        reader.file = str(folder / "set.yaml")
        root = read((folder / "set.yaml").read_bytes(), reader.file)
        for name, node in reader.map(root, "").items():
            reader.map(node, name)
        case.settings = root if isinstance(root.value, dict) else None
    return case


def _captures(folder: Path, side: str) -> dict[str | None, Path]:
    found: dict[str | None, Path] = {}
    for file in sorted(folder.glob(f"{side}.*pcap*")):
        parts = file.name.split(".")
        if parts[-1] not in ("pcap", "pcapng"):
            continue
        if len(parts) <= 3:
            found[parts[1] if len(parts) == 3 else None] = file
    return found


def descriptors_of(package: Path) -> list[Path]:
    """The descriptors of a package folder, or the one that a file is. Raises Refused if there is none."""
    if package.is_file():
        return [package]
    files = sorted(package.iterdir()) if package.is_dir() else []
    found = [p for p in files if p.is_file() and is_descriptor(p)]
    vnf = package / "vnf.yaml"
    if vnf.is_file() and vnf not in found:
        found.insert(0, vnf)  # wrong perhaps, and then loading it says how
    if not found:
        mistake = Mistake(file=str(package), found="no descriptor", expected="a package")
        raise Refused(mistake, title="nothing to test")
    return found


def _suitable(case: Case, descriptors: Sequence[Descriptor], narrowed: bool) -> list[Descriptor]:
    """Those that this case is for; `narrowed`: they are not all that the package has.

    Raises Refused if it names what no descriptor has.
    """
    by_name = {Path(d.file).name: d for d in descriptors}
    places = case.places()
    missing = {name: sorted(places - d.ports.keys() - d.vnfcs.keys()) for name, d in by_name.items()}
    wanted = case.expect.descriptors
    mistakes: list[Mistake] = []

    def wrong(line: int | None, found: str, expected: str, remedy: str | None = None) -> None:
        field = "descriptors" if line else None
        mistakes.append(Mistake(
            file=case.expect.file, line=line, field=field, found=found, expected=expected, remedy=remedy
        ))

    for name, line in zip(wanted or [], case.expect.descriptor_lines, strict=True):
        if name not in by_name and not narrowed:
            wrong(line, name, "a descriptor of this package", suggest(name, by_name))
        elif missing.get(name):
            wrong(line, f"the case names {', '.join(missing[name])}", f"ports and VNFCs of {name}")
    if wanted is None and not narrowed and all(missing.values()):
        nearest = min(missing, key=lambda name: len(missing[name]))
        known = {*by_name[nearest].ports, *by_name[nearest].vnfcs}
        found = f"the case names {', '.join(missing[nearest])}"
        wrong(None, found, "what one of the descriptors has", suggest(missing[nearest][0], known))
    if mistakes:
        raise Refused(mistakes, title="wrong test cases")
    return [d for n, d in by_name.items() if not missing[n] and (wanted is None or n in wanted)]


# ---- running -----------------------------------------------------------------------------------------


class _Runner:
    """One case with one descriptor."""

    def __init__(self, case: Case, descriptor: Descriptor, run: Run, explain: bool):
        self.case, self.descriptor, self.run, self.explain = case, descriptor, run, explain
        names = [p.name for p in sorted(descriptor.ports.values(), key=lambda p: p.number)]
        self.ports, self.first, self.second = names, names[0], names[min(1, len(names) - 1)]
        self.settings = _settings(case, descriptor)
        self.explained: list[str] = []

    def once(
        self, packets: Sequence[Packet] | None = None, say: Callable[[str], None] | None = None
    ) -> tuple[dict[str, Any], dict[str, list[Packet]]]:
        """The status document of a run, and what left by each port. `packets`: only these arrive."""
        with tempfile.TemporaryDirectory(prefix="coven-case-") as name:
            folder = Path(name)
            if packets is None and self.case.generator is None:
                files = {port or self.first: path for port, path in self.case.inputs.items()}
            else:
                arriving = self.case.packets() if packets is None else packets
                files = write_captures(arriving, folder, self.first)
            ports: dict[str, dict[str, Any]] = {}
            for port in self.ports:
                ports[port] = {"backend": "pcap", "write": str(folder / f"out-{port}.pcap")}
                if port in files:
                    ports[port]["read"] = str(files[port])
            document = self.run(_file(self.descriptor), ports, self.settings, SEED, say)
            return document, {port: _left(folder / f"out-{port}.pcap", port) for port in self.ports}

    def failures(self) -> list[str]:
        wanted = self.case.verdicts()
        watched = self.explain or wanted is not None
        document, left = self.once(say=self.explained.append if watched else None)
        found = compare_counts(self.case.expect, document)
        for port, path in self.case.outputs.items():
            where = port or self.second
            wrong = difference(read_capture(path), left[where], f"{path.name}: what left by {where}")
            if wrong:
                found.append(wrong)
        if wanted is not None:
            found += self.verdicts(wanted, document)
        logs = [f"{line['vnfc']}: {line['line']}" for line in document.get("logs", [])][-LOG_LINES:]
        return found + ["\n".join(["the log's end:", *logs])] if found and logs else found

    def verdicts(self, wanted: Sequence[str], document: dict[str, Any]) -> list[str]:
        """Which packet first met another end than stated. Where one run does not say that, because VNFCs made packets,
        the packets before each are run with and without it."""
        packets = self.case.packets()
        if len(wanted) != len(packets):
            place = f"{self.case.expect.file}:{self.case.expect.verdicts_line}"
            return [
                f"{place}: verdicts: found {len(wanted)}, expected one for each of {len(packets)} packets"
            ]
        ends = ends_of(document, len(packets))
        before: Counter[str] = Counter()
        for number, verdict in enumerate(wanted, 1):
            if ends is not None:
                happened = ends[number - 1]
            else:
                now = outcomes(document if number == len(packets) else self.once(packets[:number])[0])
                happened, before = what_happened(before, now), now
            if not same_verdict(verdict, happened):
                why = next((r.why for r in REASONS.values() if happened.endswith(f".{r.name}")), None)
                said = f"packet {number}: expected {verdict}, got {happened}{f' ({why})' if why else ''}:"
                return ["\n".join([said, *dissect(packets[number - 1])])]
        return []


def _left(path: Path, port: str) -> list[Packet]:
    return read_capture(path, port) if path.is_file() and path.stat().st_size else []


def _settings(case: Case, descriptor: Descriptor) -> dict[str, Any]:
    """The case's configuration, checked against the descriptor, with the places of set.yaml."""
    settings = case.configuration()
    try:
        descriptor.configured(settings, where="")
    except Refused as refused:
        if case.settings is None:
            placed = [replace(mistake, file=str(case.generator), field=(mistake.field or "").strip("."))
                      for mistake in refused.mistakes]  # fmt: skip
        else:
            file = str(case.folder / "set.yaml")
            placed = [_placed(mistake, case.settings, file) for mistake in refused.mistakes]
        raise Refused(placed, title=refused.title) from None
    return settings


def _placed(mistake: Mistake, root: Node, file: str) -> Mistake:
    path = (mistake.field or "").strip(".").split(".")
    above = root.at([*path[:-1]])
    node = root.at([*path])
    line, column = above.keys.get(path[-1], (node.line, node.column))
    return replace(mistake, file=file, line=line, column=column, field=".".join(path))


def _file(descriptor: Descriptor) -> Path:
    return descriptor.folder.resolve() / Path(descriptor.file).name


def run_case(case: Case, descriptor_path: Path, run: Run, explain: bool = False) -> Result:
    """Run one case with one descriptor; `explain`: say what became of each packet. What goes wrong is in the result;
    only bugs raise."""
    result = Result(case.name, descriptor_path.name)
    began = time.monotonic()
    try:
        runner = _Runner(case, load(descriptor_path), run, explain)
        result.settings = written(runner.descriptor.configured(runner.settings))
        result.failures = runner.failures()
        result.explained = runner.explained
    except Refused as refused:
        result.error = True
        result.failures = [str(refused)]
    result.seconds = time.monotonic() - began
    return result


def written(settings: Mapping[str, Any]) -> list[str]:
    """A configuration as `--set` takes it."""
    return [f"{vnfc}.{key}={json.dumps(value)}" for vnfc, keys in settings.items() for key, value in keys.items()]


def main_test(
    package: Path, junit_file: Path | None = None, only: Sequence[str] = (), run: Run | None = None,
    explain: bool = False,
) -> int:  # fmt: skip
    """`coven test`: run the cases of a package folder, descriptor file or zip; print what came of it. 0 or 1.

    `only`: names of cases, all if empty. `explain`: with a line for each packet. Raises OSError if the JUnit file
    cannot be written.
    """
    if run is None:
        from coven.run.foreground import many_runs

        with many_runs() as each:
            return main_test(package, junit_file, only, each, explain)
    if package.exists() and is_zip(package):
        with opened(package) as source:
            return _test(source.folder, source.folder, str(package), junit_file, only, run, explain)
    root = package.parent if package.is_file() else package
    return _test(root, package, str(package), junit_file, only, run, explain)


def _test(
    root: Path, package: Path, label: str, junit_file: Path | None, only: Sequence[str], run: Run, explain: bool
) -> int:
    try:
        plan = _plan(find_cases(root), package, only)
    except Refused as refused:
        print(refused)
        return 1
    results = []
    for number, (case, descriptor) in enumerate(plan, 1):
        file = _file(descriptor)
        progress(f"{number} of {len(plan)}: {case.name} ({file.name})")
        result = run_case(case, file, run, explain)
        if len({each.file for _, each in plan}) > 1 and package.is_dir() and root == Path(label):
            result.again = f"coven test {shlex.quote(f'{label}/{file.name}')} {case.name} --explain"
        else:
            result.again = f"coven test {shlex.quote(label)} {case.name} --explain"
        progress("")
        print("\n".join(lines(result, explain)), flush=True)
        results.append(result)
    print(total(results))
    if junit_file is not None:
        junit(results, junit_file, label)
    return 0 if all(result.ok for result in results) else 1


def _runs_here(descriptor: Descriptor) -> bool:
    """A descriptor of several whose languages this machine lacks (a JDK, Node.js) is passed over aloud."""
    absent = unavailable(descriptor)
    if absent:
        print(f"skip   {Path(descriptor.file).name}: {absent[0].found} ({absent[0].remedy})")
    return not absent


def _plan(cases: Sequence[Case], package: Path, only: Sequence[str]) -> list[tuple[Case, Descriptor]]:
    """Which case runs with which descriptor. Raises Refused with everything that is wrong with any."""
    mistakes: list[Mistake] = []
    names = [case.name for case in cases]
    for name in only:
        if name not in names:
            mistakes.append(Mistake(
                file=str(cases[0].folder.parent), found=name, expected="a test case", remedy=suggest(name, names)
            ))  # fmt: skip
    descriptors: list[Descriptor] = []
    for file in descriptors_of(package):
        try:
            descriptors.append(load(file))
        except Refused as refused:
            mistakes += refused.mistakes
    plan: list[tuple[Case, Descriptor]] = []
    for case in cases if not mistakes else []:
        if only and case.name not in only:
            continue
        try:
            plan += [(case, descriptor) for descriptor in _suitable(case, descriptors, package.is_file())]
        except Refused as refused:
            mistakes += refused.mistakes
    if mistakes:
        raise Refused(mistakes, title="wrong test cases")
    if not package.is_file():
        here = {each.file: _runs_here(each) for each in descriptors}
        plan = [(case, descriptor) for case, descriptor in plan if here[descriptor.file]]
    if not plan:
        found = f"no case names only what {package.name} has"
        raise Refused(Mistake(file=str(package), found=found, expected="a case for it"), title="nothing to test")
    return plan
