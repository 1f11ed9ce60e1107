"""`coven check`: everything that can be known of a package before its first packet.

Descriptors are validated, expressions and sources compiled, VNFCs loaded (both in the confinement that they would run
in), test cases read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from coven.cases.runner import TESTS, descriptors_of, find_cases
from coven.keeper.hosts.build import Builds
from coven.keeper.journal import JOURNAL, Journal
from coven.keeper.life import hosting
from coven.keeper.life.trial import Trial
from coven.keeper.plan import Plan
from coven.package.archive import is_zip, opened
from coven.package.chains import Graph
from coven.package.csar.advice import strict_mistakes
from coven.package.descriptor import Descriptor, load
from coven.package.filters import matches
from coven.package.languages import operator_libs
from coven.run.folder import make_folder, remove_folder
from itf.mistakes import Mistake, Refused

#: a broadcast question, which is how two hosts that never met begin
ARP = bytes.fromhex("ffffffffffff0200000000010806000108000604000102000000000100000000000000000000c0000201")
ARP_NOTE = (
    "ARP enters the chain too: a VNFC that drops it cuts hosts off from each other. "
    "The rule {match: arp, then: bypass} keeps it out"
)


@dataclass
class Checked:
    """What came of a check. `warnings` and `notes` are no mistakes: things that authors are glad to be told."""

    descriptors: list[str] = field(default_factory=list)
    cases: int = 0
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[Mistake] = field(default_factory=list)  #: of compilers
    notes: list[str] = field(default_factory=list)


def check(package: Path, progress: Callable[[str], None] = lambda text: None) -> Checked:
    """Check a folder with all its descriptors, a descriptor file, a zip or a CSAR. `progress`: is told what goes on."""
    if package.exists() and is_zip(package):
        try:
            with opened(package) as source:
                result = _check(source.folder, source.folder, f"{package}:", progress)
            result.notes += _strictly(package)
            return result
        except Refused as refused:
            return Checked(mistakes=refused.mistakes)
    return _check(package.parent if package.is_file() else package, package, "", progress)


def _check(root: Path, package: Path, label: str, progress: Callable[[str], None]) -> Checked:
    result = Checked()
    try:
        files = descriptors_of(package)
        confinement = hosting.confine()
        folder = make_folder()
    except Refused as refused:
        return Checked(mistakes=refused.mistakes)
    journal = Journal(folder / JOURNAL)  # held: whoever cleans up takes it for no leftover
    builds = Builds(folder)
    trial = Trial(confinement, journal)
    found: list[Mistake] = []
    with_arp: list[str] = []
    try:
        for number, file in enumerate(files, 1):
            here = f"{number} of {len(files)}: {file.name}"
            progress(f"{here}: compiling")
            result.descriptors.append(file.name)
            try:
                descriptor = load(file, f"{label}{file.name}" if label else str(file))
                libs = operator_libs(descriptor)
            except Refused as refused:
                found += refused.mistakes
                continue
            plan = Plan(
                name=descriptor.name, package=file.parent.resolve(), descriptor=file.name,
                build=folder / "build", ports={}, libs=libs,
            )  # fmt: skip
            mistakes, ready, _ = hosting.check(plan, descriptor, confinement, builds)
            found += mistakes
            progress(f"{here}: loading")
            found += trial.load(plan, descriptor, ready)
            result.warnings += [warning for built in ready.values() for warning in built.warnings]
            if arp_enters(descriptor):
                with_arp.append(file.name)
            if not label and not mistakes:
                result.notes += _strictly(file)
    finally:
        progress("")
        trial.close()
        journal.finish()
        remove_folder(folder)
    if with_arp:
        result.notes.append(f"{', '.join(with_arp)}: {ARP_NOTE}")
    if (root / TESTS).is_dir():
        try:
            result.cases = len(find_cases(root))
        except Refused as refused:
            found += refused.mistakes
    else:
        result.notes.append(f"{label or package}: no test case: a folder tests/CASE with in.py and expect.yaml")
    result.mistakes = _each_once(found)
    result.warnings = _each_once(result.warnings)
    return result


def _strictly(package: Path) -> list[str]:
    """Nothing that stops it from running here."""
    return [f"a strict VNFM would refuse it: {mistake}" for mistake in strict_mistakes(package)]


def _each_once(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """A source that several VNFCs share is wrong in one place, not in several."""
    seen: dict[tuple[object, ...], Mistake] = {}
    for mistake in mistakes:
        place = mistake.file, mistake.line, mistake.column, mistake.found, mistake.expected
        seen.setdefault(place if mistake.line is not None else (mistake,), mistake)
    return list(seen.values())


def arp_enters(descriptor: Descriptor) -> bool:
    """Whether a VNFC is handed the ARP that hosts need to find each other."""
    for ingress in descriptor.ports:
        chain = next(iter(descriptor.chains), None) if not descriptor.classifier else None
        for rule in descriptor.classifier:
            if rule.port not in (None, ingress) or rule.vlan is not None:
                continue
            if rule.match is None or matches(rule.match, ARP):
                chain = rule.then if isinstance(rule.then, str) else None
                break
        if chain is not None and isinstance(descriptor.chains[chain].graphs.get(ingress), Graph):
            return True
    return False


def show(result: Checked) -> str:
    """What `coven check` prints."""
    lines = [str(mistake) for mistake in result.mistakes]
    lines += [warning.as_warning() for warning in result.warnings]
    lines += [f"note: {note}" for note in result.notes]
    if result.mistakes:
        count = len(result.mistakes)
        lines.append(f"{count} mistake{'s' * (count != 1)}")
    else:
        cases = f"{result.cases} test case{'s' * (result.cases != 1)}"
        lines.append(f"{', '.join(result.descriptors)}: valid, compiled and loaded; {cases} to run with `coven test`")
    return "\n".join(lines)
