"""`coven deploy`: a package becomes a running VNF; `coven upgrade`: a VNF becomes another version of its package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from coven.cli.client import WAIT, Client
from itf.mistakes import Kind, Mistake, Refused


def deploy(client: Client, given: argparse.Namespace, request: dict[str, Any], resume: bool = False) -> str:
    """Push, create, instantiate, start; what was made for it is removed again when it fails. The VNF's name. `resume`:
    a VNF of that package and name is one that was begun before, and is brought up if it is not."""
    from coven.package.archive import pack as packed

    data = packed(given.package)
    known = {row["id"] for row in client.get("/v1/packages")["packages"]}
    package = client.push(data)
    name = given.name or package["name"]
    vnfs = client.get("/v1/vnfs")["vnfs"] if given.upgrade or resume else []
    there = next((vnf for vnf in vnfs if vnf["name"] == name), None)
    if there is not None and given.upgrade:
        _upgrade(client, name, package["id"], request, known)
        return str(name)
    if there is not None and there["package"] == package["id"]:
        if there["instantiation_state"] == "NOT_INSTANTIATED":
            client.operate(name, "instantiate", request)
        return str(name)
    made = False
    try:
        client.ask("POST", "/v1/vnfs", {"name": name, "package": package["id"]})
        made = True
        client.operate(name, "instantiate", request)
    except (Refused, KeyboardInterrupt) as error:
        if made and isinstance(error, KeyboardInterrupt):
            print("\ncoven: undone as soon as the operation is over; Ctrl-C again leaves it", file=sys.stderr)
            _end(client, name)
        _undo(client, name if made else None, package["id"] if package["id"] not in known else None)
        raise error
    return str(name)


def upgrade(client: Client, given: argparse.Namespace, request: dict[str, Any]) -> str:
    """Put another version of its package in the place of the one that a VNF is: one that the agent has, or one to be
    pushed, which is removed again when it fails. The version."""
    from coven.package.archive import pack as packed

    known = {row["id"] for row in client.get("/v1/packages")["packages"]}
    if given.package in known:
        identity = given.package
    elif not Path(given.package).exists() and ":" in given.package:
        raise Refused(
            Mistake(field="PACKAGE", found=given.package, expected="a package of the agent, a file or a folder",
                    remedy="coven list shows what there is"),
            title="no such package", kind=Kind.ABSENT,
        )  # fmt: skip
    else:
        identity = client.push(packed(given.package))["id"]
    _upgrade(client, given.vnf, identity, request, known)
    return str(identity)


def _upgrade(client: Client, vnf: str, package: str, request: dict[str, Any], known: set[str]) -> None:
    body = {"package": package, "ports": request["ports"], "config": request["config"]}
    try:
        operation = client.operate(vnf, "upgrade", body)
    except Refused:
        if package not in known:
            _undo(client, None, package)
        raise
    for left in operation["left_out"]:
        print(f"coven: not carried over: {Mistake.from_dict(left)}", file=sys.stderr)


def _end(client: Client, vnf: str) -> None:
    """Let what goes on come to its end, and the VNF with it."""
    path = f"/v1/vnfs/{quote(vnf)}"
    while (operation := client.get(path)["operation"]) is not None:
        client.get(f"/v1/operations/{operation}", wait=WAIT)
    if client.get(path)["instantiation_state"] == "INSTANTIATED":
        client.operate(vnf, "terminate")


def _undo(client: Client, vnf: str | None, package: str | None) -> None:
    paths = ([f"/v1/vnfs/{quote(vnf)}"] if vnf else []) + (
        [f"/v1/packages/{quote(package)}"] if package else []
    )
    for path in paths:
        try:
            client.ask("DELETE", path)
        except Refused as refused:
            print(f"coven: not removed: {refused}", file=sys.stderr)
