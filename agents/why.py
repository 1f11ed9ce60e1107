"""A packet's fate as a paragraph: who decided it, why, and what led to that where its author lets it be known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PLATFORM = {"classifier": "the classifier", "nsh": "the NSH processor", "flow": "the flow table"}

_VERDICTS = {"back": "sent it back", "passed by": "was passed by, since it does not run"}


def paragraph(packet: Mapping[str, Any], vnfcs: Sequence[str], *, injected: bool = False, sent: bool = False) -> str:
    """`packet`: as in the document of a trace; `vnfcs`: names, by which places are told apart; `injected`: an operator
    made it, `sent`: and wanted it sent on."""
    came = packet["came"].removeprefix("made by ") if injected else packet["came"]
    by = f"was let in by the port {came} for this question" if injected else _came(came)
    *before, last = packet["hops"] or [None]
    kind, _, where = packet["end"].partition(" ")
    parts = [f"{packet['what']}, {by}"]
    if kind == "drop":
        place, _, _ = where.partition(".")
        who = f"the VNFC {place}" if place in vnfcs else _PLATFORM.get(place, f"the port {place}")
        why = f": {packet['why']}" if packet["why"] else ""
        parts[0] += f", and was dropped by {who} as {where}{why}."
        if packet["note"]:
            parts.append(f"What led to it, as {place} says: {packet['note']}.")
        if last is not None and last["verdict"] != "drop":
            before.append(last)
    elif kind == "consume":
        parts[0] += f", and was consumed by the VNFC {last['vnfc'] if last else '?'}: it was meant for it."
    else:
        withheld = "; it was not sent, since only its fate was asked for" if injected and not sent else ""
        parts[0] += f", and left by the port {where}{withheld}."
        before = list(packet["hops"])
    if before:
        began = "On its way there" if kind != "forward" else "On its way"
        parts.append(f"{began} {', '.join(map(_passed, before))}.")
    elif kind == "forward":
        parts.append("No VNFC saw it.")
    return " ".join(parts)


def nothing(expression: str, seconds: float, injected: bool) -> str:
    """What to say when there is none."""
    if injected:
        return (f"The packet was let in, and has not ended within {seconds:g} s: a VNFC holds it, or does not answer. "
                "`coven health` says who.")  # fmt: skip
    what = f"No packet like that ({expression})" if expression else "No packet"
    return (f"{what} came to an end within {seconds:g} s. `coven stats` says whether anything arrives at all; --inject "
            "makes one.")  # fmt: skip


def _came(came: str) -> str:
    how = "which" if came.startswith(("made by", "copied by")) else "which came in by the port"
    return f"{how} was {came}" if how == "which" else f"{how} {came}"


def _passed(hop: Mapping[str, Any]) -> str:
    verdict = _VERDICTS.get(hop["verdict"], "let it pass")
    output = f" to {hop['output']}" if hop["output"] else ""
    changed = f" and changed {', '.join(hop['changed'])}" if hop["changed"] else ""
    return f"{hop['vnfc']} {verdict}{output} after {hop['seconds'] * 1e6:.0f} us{changed}"
