"""The commands that make and judge packages: `pack` and `verify`. Exit status as everywhere."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coven.base.problem import Misuse
from coven.base.reading import is_time
from itf.mistakes import Mistake, Refused

if TYPE_CHECKING:
    from coven.package.csar.pack import Options

Arguments = argparse.Namespace


def pack(given: Arguments) -> int:
    from coven.package.archive import opened, pack_csar
    from coven.package.archive import pack as pack_zip

    options = _options(given)
    data = pack_zip(given.package) if given.zip else pack_csar(given.package, options)
    output = given.output
    if output is None:
        with opened(given.package) as source:
            descriptor = source.load()
        suffix = "zip" if given.zip or options.outer else "csar"
        output = f"{descriptor.name}-{descriptor.version}.{suffix}"
    _write(Path(output), data)
    print(f"{output}: {len(data)} bytes")
    return 0


def _write(output: Path, data: bytes) -> None:
    """All of it or nothing."""
    from coven.package.zips import full_disk

    try:
        with tempfile.NamedTemporaryFile(dir=output.parent, prefix=f".{output.name}.", delete=False) as file:
            made = Path(file.name)
            try:
                file.write(data)
                file.flush()
                made.chmod(0o644)
                os.replace(made, output)
            except BaseException:
                made.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise full_disk(error, str(output)) from None


def _options(given: Arguments) -> Options:
    """What the command line asks of a CSAR. Raises Misuse with everything that does not go together."""
    from coven.package.csar.pack import Options
    from coven.package.csar.sign import Signer

    mistakes = []
    signing = given.sign or given.outer
    named = [option for option, value in (
        ("--sign", given.sign), ("--outer", given.outer), ("--key", given.key), ("--cert", given.cert),
        ("--cert-beside", given.cert_beside), ("--image", given.image), ("--hot", given.hot),
        ("--agent-port", given.agent_port is not None)) if value]  # fmt: skip
    if given.zip and named:
        mistakes.append(Mistake(field=named[0], found="with --zip", expected="a CSAR", remedy="leave --zip out"))
    if given.agent_port is not None and not 0 < given.agent_port < 65536:
        mistakes.append(Mistake(field="--agent-port", found=str(given.agent_port), expected="a port, 1 to 65535"))
    for option, value in (("--key", given.key), ("--cert", given.cert)):
        if signing and not value:
            mistakes.append(Mistake(field=option, found="nothing", expected="a PEM file to sign with"))
        elif value and not signing:
            mistakes.append(Mistake(field=option, found="no --sign", expected="--sign, or --outer"))
    if mistakes:
        raise Misuse(mistakes)
    made = Options(
        image=Path(given.image) if given.image else None, hot=given.hot,
        signer=Signer(Path(given.key), Path(given.cert), given.cert_beside) if signing else None, outer=given.outer,
    )  # fmt: skip
    return made if given.agent_port is None else replace(made, agent_port=given.agent_port)


def verify(given: Arguments) -> int:
    from coven.base.signatures import OFF, REQUIRED
    from coven.package.archive import operator_policy, take_in

    policy = operator_policy()
    if given.trust:
        policy = replace(policy, anchors=tuple(given.trust))
    if policy.signatures == OFF:  # asked by name, it is looked at
        policy = replace(policy, signatures=type(policy)().signatures)
    if given.at is not None:
        if not is_time(given.at):
            raise Misuse(Mistake(field="--at", found=given.at, expected="a time such as 2026-01-31T12:00:00Z"))
        at = datetime.fromisoformat(given.at.upper())
        policy = replace(policy, at=at if at.tzinfo else at.replace(tzinfo=UTC))
    policy = replace(policy, strict=policy.strict or given.strict)
    file = Path(given.file)
    refused: Refused | None = None
    csar = None
    with tempfile.TemporaryDirectory(prefix="coven-unpacked-") as parent:
        try:
            with file.open("rb") as stream:
                csar = take_in(stream, Path(parent), str(file), policy).csar
            if csar is None:
                raise Refused(Mistake(file=str(file), found="a plain zip", expected="a CSAR",
                                      remedy=f"coven pack {file} makes one of it"), title="no CSAR")  # fmt: skip
        except Refused as error:
            refused = error
    if given.json:
        facts: dict[str, Any] = {"ok": refused is None, "required": policy.signatures == REQUIRED}
        facts.update(csar.as_dict() if csar is not None else {})
        facts["errors"] = [mistake.as_dict() for mistake in refused.mistakes] if refused else []
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    elif refused is not None:
        raise refused
    elif csar is not None:
        print("\n".join([*(warning.as_warning() for warning in csar.warnings), *csar.summary(str(file))]))
    return 0 if refused is None else 1
