"""`coven lab ...`: a network to try a VNF in, left standing; and the exercises of docs/labs.

    client 10.20.0.1 --- eth1 appliance eth2 --- 10.20.0.2 server
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from coven.base import tables
from coven.base.places import Places
from coven.lab import find as found
from coven.lab import identity as lab_identity
from coven.lab import network as labs
from coven.lab.furniture import COVEN
from coven.lab.network import ADDRESS, IN, OUT, PLACES
from itf.mistakes import Mistake, Refused, suggest

Arguments = argparse.Namespace
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def environment(name: str) -> dict[str, str]:
    """What programs in a lab find: its mark, its agent, and `coven` in the path."""
    kept = {key: value for key, value in os.environ.items() if key not in ("COVEN_AGENT", "COVEN_TOKEN")}
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    state = str(found.folder_of(name) / "state")
    return {**kept, "PATH": path, labs.NAME: name, labs.RUN: str(found.run_folder()), "COVEN_STATE": state}


def choose(name: str | None) -> found.Found:
    """The lab meant: the one named, the one we are in, or the only one. Raises Refused."""
    standing = found.find()
    name = name or os.environ.get(labs.NAME)
    if name is None and len(standing) == 1:
        return next(iter(standing.values()))
    if name in standing:
        return standing[name]
    if name is None and standing:
        raise _refused("--lab", f"{len(standing)} labs: {', '.join(sorted(standing))}", "one", "say which")
    remedy = suggest(name, standing) if name and standing else "build one: coven lab up PACKAGE"
    raise _refused("--lab", f"no lab {name}" if name else "no lab", "a lab that is up", remedy)


def _refused(field: str, wrong: str, expected: str | None, remedy: str) -> Refused:
    return Refused(Mistake(field=field, found=wrong, expected=expected, remedy=remedy), title="no such lab")


def in_place(lab: found.Found, place: str, words: list[str]) -> list[str]:
    """The command line that runs words in a place. Raises Refused if the place is no more."""
    if place not in PLACES:
        mistake = Mistake(field="PLACE", found=place, expected=", ".join(PLACES), remedy=suggest(place, PLACES))
        raise Refused(mistake, title="no such place")
    if place not in lab.holders:
        remedy = f"coven lab down {lab.name}, then coven lab up PACKAGE"
        mistake = Mistake(field=place, found="its processes were ended", expected="a place that stands", remedy=remedy)
        raise Refused(mistake, title=f"lab {lab.name} is broken")
    return labs.enter_command(lab.holders[place], words)


# up and down


def up(given: Arguments) -> int:
    from coven.package.archive import opened

    with opened(given.package) as source:
        descriptor = source.load()
    name = given.name or descriptor.name
    if not NAME.fullmatch(name):
        mistake = Mistake(field="--name", found=name, expected="[a-z][a-z0-9_-]*, at most 32 characters")
        raise Refused(mistake, title="no name for a lab")
    words = [str(given.package), "--name", descriptor.name, *_ports(given, list(descriptor.ports))]
    standing = found.find().get(name)
    if standing is not None and standing.state == "up":
        return _swap(standing, words)
    if standing is not None:
        found.down(standing)
    found.clear(name)
    _build(name, words)
    _welcome(name, given)
    return 0


def _ports(given: Arguments, names: list[str]) -> list[str]:
    """The options that bind the package's ports to the appliance's two interfaces, in their order."""
    if len(names) > 2:
        mistake = Mistake(
            field="ports", found=", ".join(names), expected="one or two ports",
            remedy="bind them yourself: coven run, coven deploy"
        )  # fmt: skip
        raise Refused(mistake, title="a lab has one wire")
    words = [f"--port={port}={interface}" for port, interface in zip(names, (IN, OUT), strict=False)]
    return [*words, f"--backend={given.backend}", *(f"--set={text}" for text in given.set)]


def _build(name: str, deploy: list[str]) -> None:
    """Start the process that holds the lab and wait until it stands. Raises Refused, nothing left behind."""
    if labs.RUN not in os.environ:
        Places.find().make()
    folder = found.folder_of(name)
    folder.mkdir(mode=0o700)
    request = json.dumps({"folder": str(folder), "deploy": deploy})
    words = [sys.executable, "-P", "-m", "coven.lab.stand", request]
    variables = environment(name)
    if os.geteuid() != 0:
        if not labs.can_use_user_namespaces():
            found.clear(name)
            mistake = Mistake(
                found="no user namespaces for ordinary users",
                remedy="use sudo; `coven doctor` says how to allow them"
            )  # fmt: skip
            raise Refused(mistake, title="no lab without root here")
        words = [*labs.USER_NAMESPACE, *words]
        variables[labs.INSIDE] = "1"
    stand = subprocess.Popen(
        words, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert stand.stdout and stand.stderr
    try:
        line = stand.stdout.readline()
    except KeyboardInterrupt:
        stand.send_signal(signal.SIGTERM)
        stand.wait()
        found.clear(name)
        raise
    answer: dict[str, Any] = json.loads(line) if line else {"ok": False, "why": stand.stderr.read().strip()}
    stand.stdout.close()
    stand.stderr.close()
    if not answer["ok"]:
        stand.wait()
        if (left := found.find().get(name)) is not None:
            found.down(left)
        found.clear(name)
        raise Refused([], title=f"the lab is not up: {answer['why']}")


def _swap(lab: found.Found, deploy: list[str]) -> int:
    """Put a changed package into a lab that stands. What does not build leaves the old one running."""
    checked = subprocess.run([*COVEN, "check", deploy[0]], stdout=subprocess.DEVNULL, check=False)
    if checked.returncode:
        print(f"coven: lab {lab.name}: the old package stays in its place", file=sys.stderr)
        return checked.returncode
    variables = environment(lab.name)
    present = _listing(lab)
    old = [[act, vnf["name"]] for vnf in present["vnfs"] for act in ("terminate", "delete")]
    old += [["delete", "--package", package["id"]] for package in present["packages"]]
    for each in old:
        subprocess.run(_coven(lab, each), env=variables, stdout=subprocess.DEVNULL, check=False)
    words = _coven(lab, ["deploy", *deploy])
    done = subprocess.run(words, env=variables, stdout=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        print(f"lab {lab.name}: {deploy[0]} is in its place")
    return done.returncode


def _listing(lab: found.Found) -> dict[str, Any]:
    """What the lab's agent has. Raises Refused if it does not answer, or cannot be asked any more."""
    again = f"coven lab down {lab.name}, then coven lab up PACKAGE"
    if not (state := found.folder_of(lab.name) / "state").is_dir():
        mistake = Mistake(
            file=str(state), found="no such folder: it was taken away", expected="what the lab's agent keeps",
            remedy=again
        )  # fmt: skip
        raise Refused(mistake, title=f"lab {lab.name} is broken")
    words = _coven(lab, ["list", "--json"])
    done = subprocess.run(words, env=environment(lab.name), capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        mistake = Mistake(field="agent", found=done.stderr.strip() or "no answer", remedy=again)
        raise Refused(mistake, title=f"lab {lab.name} is broken") from None


def _coven(lab: found.Found, words: list[str]) -> list[str]:
    return in_place(lab, "appliance", [*COVEN, *words])


def _welcome(name: str, given: Arguments) -> None:
    only = "" if len(found.find()) == 1 else f" --lab {name}"
    server = ADDRESS["server"]
    print(f"lab {name} is up: client {ADDRESS['client']} --- {IN} appliance {OUT} --- {server} server")
    named = f" --name {name}" if given.name else ""
    for words, what in (
        (f"exec{only} client curl -m 3 http://{server}/", "a packet's way through"),
        (f"exec{only} appliance coven stats", "what was dropped, and why"),
        (f"open{only}", "the page that shows it, for a browser"),
        (f"shell{only} client", "a shell there"),
        (f"up{named} {shlex.quote(given.package)}", "again, after a change: swaps the package"),
        (f"down {name}", "when you are done"),
    ):
        print(f"  coven lab {words:46}  {what}")


def down(given: Arguments) -> int:
    standing = found.find()
    left = found.leftovers()
    names = given.names + given.lab or ([*standing, *left] if given.all else [])
    if not names:
        if len(standing) > 1:
            raise _refused("NAME", f"{len(standing)} labs: {', '.join(sorted(standing))}", "one",
                           "say which, or --all")  # fmt: skip
        names = [*standing, *left]
    if (inside := os.environ.get(labs.NAME)) in names and inside in standing:
        raise _refused("NAME", f"{inside}: we are in it", "a shell outside it", "leave this shell first")
    for name in names:
        if name in standing:
            found.down(standing[name])
            print(f"lab {name} is down")
        elif found.clear(name):
            print(f"lab {name} was down; its folder is removed")
        else:
            print(f"lab {name} is not up")
    if not names:
        print("no lab is up")
    return 0


# inside


def execute(given: Arguments) -> int:
    words = given.words[1:] if given.words[:1] == ["--"] else given.words
    if not words:
        mistake = Mistake(field="CMD", found="nothing", expected="a program", remedy="coven lab exec client ip addr")
        raise Refused(mistake, title="nothing to run")
    lab = choose(given.lab)
    command = in_place(lab, given.place, words)
    sys.stdout.flush()
    _become(lab, given.place, command, environment(lab.name))


def shell(given: Arguments) -> int:
    lab = choose(given.lab)
    program = os.environ.get("SHELL") or "/bin/sh"
    command = in_place(lab, given.place, [program])
    print(f"in {given.place} of lab {lab.name}; leave with exit", file=sys.stderr, flush=True)
    variables = {**environment(lab.name), "PS1": f"{given.place}:\\w\\$ "}
    _become(lab, given.place, command, variables)


def _become(lab: found.Found, place: str, command: list[str], variables: dict[str, str]) -> NoReturn:
    if lab_identity.knows_one_user(lab.holders[place]):
        lab_identity.pretend()
    os.execvpe(command[0], command, variables)


def show_page(given: Arguments) -> int:
    from coven.lab.opening import address

    lab = choose(given.lab)
    url, token = address(lab, environment(lab.name))
    print(f"the page of lab {lab.name}: {url}\n  token: {token}")
    return 0


def status(given: Arguments) -> int:
    rows = [_look(lab) for _, lab in sorted(found.find().items())]
    if given.json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print("no lab is up")
    for row in rows if not given.json else []:
        print(f"lab {row['name']}: {row['state']}")
        places = [[place, ADDRESS.get(place, f"{IN}, {OUT}"), str(pid or "ended")]
                  for place, pid in row["places"].items()]  # fmt: skip
        print(tables.table(["place", "address", "pid"], places))
        for vnf in row["vnfs"]:
            state = vnf["operational_state"] or vnf["instantiation_state"]
            print(f"  {vnf['name']} ({vnf['package']}) is {state}")
        if row["state"] != "up":
            print(f"  {row['why']}\n    coven lab down {row['name']}")
    return 0 if all(row["state"] == "up" for row in rows) else 1


def _look(lab: found.Found) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": lab.name, "state": lab.state, "why": "", "stand": lab.stand, "vnfs": [],
        "places": {place: lab.holders.get(place) for place in PLACES}, "processes": len(lab.processes),
    }  # fmt: skip
    if lab.state != "up":
        row["why"] = "some of its processes were ended from outside"
        return row
    try:
        row["vnfs"] = _listing(lab)["vnfs"]
    except Refused as refused:
        wrong = refused.mistakes[0]
        row["state"] = "broken"
        row["why"] = f"{wrong.file}: {wrong.found}" if wrong.file else f"its agent does not answer: {wrong.found}"
    return row


# the exercises


def check(given: Arguments) -> int:
    from coven.lab.check import Chosen
    from coven.lab.check import check as grade

    return grade(given.number, Path(given.package), Chosen(given.case, given.descriptor, given.explain))


def begin(given: Arguments) -> int:
    from coven.lab.exercise import begin as copy

    return copy(given.number, Path(given.folder))


def capture(given: Arguments) -> int:
    from coven.lab.exercise import write_capture

    package = Path(given.package) if given.package else None
    return write_capture(given.number, Path(given.output), given.case, package)


def measure(given: Arguments) -> int:
    from coven.lab.measure import measure as run

    return run(Path(given.package), given.packets)


ACTS: dict[str, Callable[[Arguments], int]] = {
    "up": up,
    "down": down,
    "exec": execute,
    "shell": shell,
    "open": show_page,
    "status": status,
    "begin": begin,
    "check": check,
    "capture": capture,
    "measure": measure,
}


def run(given: Arguments) -> int:
    try:
        return ACTS[given.act](given)
    except labs.LabError as error:
        raise Refused([], title=str(error)) from None


def add_arguments(lab: argparse.ArgumentParser, backends: tuple[str, ...]) -> None:
    acts = lab.add_subparsers(dest="act", metavar="ACT", required=True)

    def add(name: str, what: str, example: str) -> argparse.ArgumentParser:
        return acts.add_parser(
            name, help=what, description=what[0].upper() + what[1:] + ".", epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    one = add("up", "build a lab around a package, or swap a changed package into it",
              "coven lab up packages/l7-firewall")  # fmt: skip
    one.add_argument("package", metavar="PACKAGE", help="a folder, a zip, or a descriptor file")
    one.add_argument("--name", "--lab", help="of the lab (default: the package's)")
    one.add_argument("--set", action="append", default=[], metavar="VNFC.KEY=VALUE", help="configure a VNFC")
    one.add_argument("--backend", choices=backends, default="auto", help="of both ports (default: the best)")
    one = add("down", "take labs down, whatever is left of them", "coven lab down")
    one.add_argument("names", nargs="*", metavar="NAME", help="which (default: the only one)")
    one.add_argument("--lab", action="append", default=[], metavar="NAME", help="the same")
    one.add_argument("--all", action="store_true", help="every lab of this user")
    for name, what, example in (
        ("exec", "run a program in a place of the lab", "coven lab exec client curl http://10.20.0.2/"),
        ("shell", "a shell in a place of the lab", "coven lab shell server"),
    ):
        one = add(name, what, example)
        one.add_argument("--lab", metavar="NAME", help="which lab (default: the only one)")
        one.add_argument("place", metavar="PLACE", help=", ".join(PLACES))
        if name == "exec":
            one.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD ...", help="what to run")
    one = add("open", "the address of the page that shows a lab's VNF, and its token", "coven lab open")
    one.add_argument("--lab", metavar="NAME", help="which lab (default: the only one)")
    one = add("status", "the labs that stand, their places and VNFs", "coven lab status --json")
    one.add_argument("--json", action="store_true", help="as JSON")
    one = add("begin", "copy the skeleton of an exercise in docs/labs, to change it", "coven lab begin 2 my-firewall")
    one.add_argument("number", type=int, metavar="N", help="of the exercise, 1 to 5")
    one.add_argument("folder", metavar="FOLDER", help="to be made")
    one = add("check", "grade your solution of an exercise in docs/labs",
              "coven lab check 2 --package my-firewall")  # fmt: skip
    one.add_argument("number", type=int, metavar="N", help="of the exercise, 1 to 5")
    one.add_argument("--package", default=".", metavar="FOLDER", help="yours (default: this folder)")
    one.add_argument("--case", metavar="CASE", help="only this one")
    one.add_argument("--with", dest="descriptor", metavar="DESCRIPTOR", help="only with this one")
    one.add_argument("--explain", action="store_true", help="a line for each packet: what became of it, and why")
    one = add("capture", "write the packets that an exercise is about", "coven lab capture 1 -o see.pcap")
    one.add_argument("number", type=int, metavar="N", help="of the exercise, 1 to 5")
    one.add_argument("--case", metavar="CASE", help="of the exercise's check (default: the first)")
    one.add_argument("--package", metavar="FOLDER", help="yours: some cases are drawn by lot, for each package others")
    one.add_argument("-o", "--output", required=True, metavar="FILE", help="the capture to write")
    one = add("measure", "how many packets a second each descriptor of a package handles, from a capture",
              "coven lab measure my-filter")  # fmt: skip
    one.add_argument("package", metavar="PACKAGE", help="a folder")
    one.add_argument("--packets", type=int, default=1 << 20, metavar="N", help="default 1048576")
