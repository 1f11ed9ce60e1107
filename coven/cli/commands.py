"""What the commands of the command line do. Each takes the parsed arguments and gives an exit status."""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from coven.base import tables
from coven.base.compat_ports import OPTION, Ports, read_ports
from coven.base.problem import Misuse
from coven.base.report import port_troubles, report
from coven.base.yaml12 import read, show
from coven.cli import author, bottlenecks, capturing, deploying, health, logs, packing, tracing
from coven.cli.client import agent_of
from coven.cli.top.command import top
from itf.mistakes import Mistake, Refused, suggest
from itf.printable import printable

Arguments = argparse.Namespace
UNACCOUNTED = 3
CLEAR = "\033[H\033[2J"  #: a terminal's screen


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


# the agent, the machine


def serve(given: Arguments) -> int:
    from coven.agent.notifying.targets import Targets
    from coven.base.control_addresses import read_options
    from coven.base.operator import serve_config
    from coven.package.csar.verify import anchors
    from coven.rest.sol.exchange import Manner
    from coven.serve import tls
    from coven.serve.server import HOST, PORT, Options
    from coven.serve.server import serve as serve_here

    config = serve_config()
    anchors(config.packages)
    listen = given.listen or config.listen or f"{HOST}:{PORT}"
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise Misuse(
            Mistake(field="--listen", found=listen, expected="HOST:PORT", remedy=f"for example {HOST}:{PORT}")
        )
    control = read_options(given.control_socket, config.control_sockets)
    files = given.tls_cert or config.tls_cert, given.tls_key or config.tls_key
    if any(files) and not all(files):
        lacking = "--tls-key" if files[0] else "--tls-cert"
        raise Misuse(Mistake(field=lacking, found="nothing", expected="both, a certificate and its key"))
    clients = given.tls_client_ca or config.tls_client_ca
    if clients and not any(files):
        raise Misuse(Mistake(field=tls.CLIENTS, found="no TLS", expected=f"{tls.CERTIFICATE}, too"))
    try:
        networks = tuple(map(ipaddress.ip_network, given.notify or config.notification_targets))
    except ValueError as error:
        raise Misuse(Mistake(field="--notify", found=str(error), expected="a network, as 192.0.2.0/24")) from None
    pair = tls.Files(files[0], files[1], clients) if files[0] and files[1] else None
    return serve_here(
        Options(given.state or config.state, host, int(port), not given.no_auth, control, tls=pair,
                packages=config.packages, manner=Manner(given.vnf, given.strict_versions),
                targets=Targets(networks, config.notification_ca, (pair.certificate, pair.key) if pair else None),
                otlp=config.otlp, original=_compat_ports(given.coven_compat, config.coven_compat))
    )


def _compat_ports(text: str | None, configured: Ports | None) -> Ports | None:
    """What `--coven-compat` says, over what the file says. Raises Misuse."""
    try:
        return configured if text is None else read_ports(text)
    except ValueError as expected:
        raise Misuse(Mistake(field=OPTION, found=text, expected=str(expected))) from None


def token(given: Arguments) -> int:
    """Grant, list or revoke tokens."""
    client = agent_of(given)
    if given.action == "list":
        rows = client.get("/v1/tokens")["tokens"]
        if given.json:
            _print_json(rows)
        else:
            lines = [[row["name"], ", ".join(row["scopes"]), "certificate" if row["certificate"] else "token",
                      "expired" if row["expired"] else row["expires"] or "never"] for row in rows]  # fmt: skip
            print(tables.table(["name", "scopes", "by", "expires"], lines) if lines else "no token but the agent's own")
    elif given.action == "revoke":
        client.ask("DELETE", f"/v1/tokens/{quote(given.name)}")
        print(f"{given.name} is revoked")
    else:
        body = {"name": given.name, "scopes": given.scope, "certificate": given.certificate}
        if given.expires is not None:
            body["seconds"] = given.expires
        with _secret_file(given.out) if given.out else contextlib.nullcontext(sys.stdout) as out:
            made = client.ask("POST", "/v1/tokens", body)
            if made["token"] is not None:
                print(made["token"], file=out)
    return 0


@contextlib.contextmanager
def _secret_file(name: str) -> Iterator[TextIO]:
    """A new file for its owner alone, which is gone again when it was for nothing. Raises Refused."""
    try:
        file = open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w")
    except OSError as error:
        raise Refused(Mistake.of(error, file=name, field="--out", expected="a file that is not there yet")) from None
    with file:
        try:
            yield file
        except BaseException:
            os.unlink(name)
            raise


def doctor(given: Arguments) -> int:
    from coven.cli.doctor import examine

    findings = examine()
    if given.json:
        _print_json([finding.as_dict() for finding in findings])
    else:
        for finding in findings:
            print(finding)
    return 0 if all(finding.level != "bad" for finding in findings) else 1


def image(given: Arguments) -> int:
    from coven.cli import imaging

    return imaging.image(given)


def clean(given: Arguments) -> int:
    from coven.agent.cleaning import clean as clean_here

    done = clean_here(given.state)
    for line in done:
        print(line)
    if not done:
        print("nothing to clean")
    return 0


# packages


def push(given: Arguments) -> int:
    from coven.package.archive import pack as packed

    row = agent_of(given).push(packed(given.package))
    if given.json:
        _print_json(row)
    else:
        for warning in (row["csar"] or {}).get("warnings", []):
            print(Mistake.from_dict(warning).as_warning())
        print(f"{row['id']}, vnfdId {row['vnfd_id']}" + (f", {row['csar']['reading']} reading" if row["csar"] else ""))
    return 0


def _bindings(given: Arguments) -> dict[str, Any]:
    """The request's `ports`, out of --in, --out and --port."""
    named = [("in", given.in_), ("out", given.out)]
    ports: dict[str, Any] = {}
    for text in given.port:
        name, equals, interface = text.partition("=")
        if not equals or not name or not interface:
            raise Misuse(Mistake(field="--port", found=text, expected="NAME=INTERFACE"))
        named.append((name, interface))
    for name, interface in named:
        if interface is None:
            continue
        if name in ports:
            raise Misuse(Mistake(field=f"ports.{name}", found="bound twice", expected="every port once"))
        ports[name] = {"interface": interface, "backend": given.backend, "take": given.take}
    return ports


def _request(given: Arguments, start: bool) -> dict[str, Any]:
    from coven.package.settings import parse_settings

    return {
        "ports": _bindings(given),
        "config": parse_settings(given.set),
        "start": start,
        "latency": given.latency,
    }


def deploy(given: Arguments) -> int:
    client = agent_of(given)
    name = deploying.deploy(client, given, _request(given, start=True))
    vnf = client.get(f"/v1/vnfs/{quote(name)}")
    if given.json:
        _print_json(vnf)
    else:
        print(f"{name} is {vnf['operational_state'] or vnf['instantiation_state']} ({vnf['package']})")
    return 0


def upgrade(given: Arguments) -> int:
    package = deploying.upgrade(agent_of(given), given, _request(given, start=False))
    print(f"{given.vnf} is {package} now")
    return 0


def delete(given: Arguments) -> int:
    client = agent_of(given)
    if given.package and given.vnf:
        raise Misuse(Mistake(found="a VNF and --package", expected="one of them"))
    if given.package:
        client.ask("DELETE", f"/v1/packages/{quote(given.package)}")
        print(f"{given.package} deleted")
        return 0
    name = client.only_vnf(given.vnf)
    client.ask("DELETE", f"/v1/vnfs/{quote(name)}")
    print(f"{name} deleted")
    return 0


# VNFs


def instantiate(given: Arguments) -> int:
    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    client.operate(name, "instantiate", _request(given, given.start))
    print(f"{name} is INSTANTIATED, {'STARTED' if given.start else 'STOPPED'}")
    return 0


def _operate(kind: str, now: str) -> Callable[[Arguments], int]:
    def command(given: Arguments) -> int:
        client = agent_of(given)
        name = client.only_vnf(given.vnf)
        client.operate(name, kind)
        print(f"{name} is {now}")
        return 0

    return command


def listing(given: Arguments) -> int:
    client = agent_of(given)
    vnfs, packages = client.get("/v1/vnfs")["vnfs"], client.get("/v1/packages")["packages"]
    if given.json:
        _print_json({"vnfs": vnfs, "packages": packages})
        return 0
    rows = []
    for vnf in vnfs:
        ports = ", ".join(f"{port}={binding['interface']}" for port, binding in vnf["ports"].items())
        state = vnf["operational_state"] or vnf["instantiation_state"]
        rows.append([vnf["name"], state, vnf["package"], ports, "working" if vnf["operation"] else ""])
    print(tables.table(["VNF", "state", "package", "ports", ""], rows, ["ports", "package"]) if rows else "no VNF")
    print()
    shown = [[p["id"], p["provider"], p["description"]] for p in packages]
    print(tables.table(["package", "provider", "description"], shown, ["description"]) if shown else "no package")
    return 0


def _state(vnf: dict[str, Any]) -> None:
    """Where a VNF without figures is, and why."""
    print(f"{vnf['name']} ({vnf['package']}) is {vnf['operational_state'] or vnf['instantiation_state']}")
    for error in vnf["errors"]:
        print(Mistake.from_dict(error))


def status(given: Arguments) -> int:
    return _figures(given, ports=True)


def stats(given: Arguments) -> int:
    if given.watch is None:
        return _figures(given, ports=False)
    while True:
        if not given.json:
            print(f"{CLEAR if sys.stdout.isatty() else ''}{time.strftime('%H:%M:%S')}")
        status = _figures(given, ports=False)
        sys.stdout.flush()
        if status:
            return status
        time.sleep(given.watch)


def _figures(given: Arguments, ports: bool) -> int:
    client = agent_of(given)
    vnf = client.get(f"/v1/vnfs/{quote(client.only_vnf(given.vnf))}")
    shown = ("name", "package", "instantiation_state", "operational_state", "control_sockets")
    states = {key: vnf[key] for key in shown}
    if vnf["instantiation_state"] != "INSTANTIATED":
        if given.json:
            zero = dict.fromkeys(
                ("received", "originated", "cloned", "forwarded", "consumed", "in_flight"), 0
            )
            _print_json({**states, **zero, "dropped": {}, "unaccounted": 0, "errors": vnf["errors"]})
        else:
            _state(vnf)
        return 0
    figures = client.get(f"/v1/vnfs/{quote(vnf['name'])}/stats")
    if given.json:
        _print_json({**states, **figures})
    elif ports:
        _state(vnf)
        for name, port in figures["ports"].items():
            interface = port.get("interface") or vnf["ports"].get(name, {}).get("interface", "?")
            print(f"  port {name}: {interface}, {port.get('backend', '?')}: {port.get('why', '')}")
        for trouble in port_troubles(figures):
            print(f"  {trouble}")
        for where in vnf["control_sockets"]:
            print(f"  control socket: {where}")
        reduced = sorted(
            {v["confinement"] for v in figures["vnfcs"].values() if v.get("confinement") != "full"} - {None}
        )
        for how in reduced:
            print(f"  confinement: {how}")
        print()
    if not given.json:
        print(report(figures))
    return UNACCOUNTED if figures["unaccounted"] else 0


def config(given: Arguments) -> int:
    from coven.package.settings import parse_settings

    client = agent_of(given)
    names = [word for word in given.words if "=" not in word]
    if len(names) > 1:
        raise Misuse(Mistake(found=" ".join(names), expected="one VNF", remedy="a change is VNFC.KEY=VALUE"))
    path = f"/v1/vnfs/{quote(client.only_vnf(names[0] if names else None))}/config"
    wanted = parse_settings(word for word in given.words if "=" in word)
    if wanted or given.replace:
        values = client.ask("PUT" if given.replace else "PATCH", path, wanted)
    else:
        values = client.get(path)
    if given.json:
        _print_json(values)
    else:
        rows = [
            [f"{vnfc}.{key}", show(value)] for vnfc, keys in values.items() for key, value in keys.items()
        ]
        print(tables.table(["key", "value"], rows) if rows else "nothing to configure")
    return 0


def ask(given: Arguments) -> int:
    client = agent_of(given)
    path = f"/v1/vnfs/{quote(client.only_vnf(given.vnf))}/requests"
    offered = client.get(path)
    if given.vnfc is not None and given.vnfc not in offered:
        raise Refused(Mistake(field="VNFC", found=given.vnfc, expected="a VNFC", remedy=suggest(given.vnfc, offered)))
    if given.request is None or given.request == "list":
        chosen = offered if given.vnfc is None else {given.vnfc: offered[given.vnfc]}
        _print_requests(chosen, given.json)
        return 0
    request = next((r for r in offered[given.vnfc] if r["name"] == given.request), None)
    if request is None:
        known = _names(offered[given.vnfc])
        raise Refused(
            Mistake(field="REQUEST", found=given.request, expected="a request", remedy=suggest(given.request, known))
        )
    args = [_argument(text, n, request.get("args", [])) for n, text in enumerate(given.args)]
    answer = client.ask("POST", path, {"vnfc": given.vnfc, "request": given.request, "args": args})
    if given.json:
        _print_json(answer)
    else:
        value = answer["value"]
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        unit = request.get("unit") or ""
        print(printable(f"{text} {unit}".rstrip(), "\n\t"))
    return 0


def _names(requests: list[dict[str, Any]]) -> list[str]:
    return [request["name"] for request in requests]


def _argument(text: str, number: int, declared: list[dict[str, Any]]) -> Any:
    """A word of the command line as a request's argument: a text if it is declared so, else YAML."""
    if number < len(declared) and declared[number].get("type") in ("str", "string", "text"):
        return text
    return read(text, f"argument {number + 1}").plain()


def _print_requests(offered: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    if as_json:
        _print_json(offered)
        return
    rows = []
    for vnfc, requests in offered.items():
        for request in requests:
            args = " ".join(
                f"[{arg['name']}={show(arg['default'])}]"
                if "default" in arg
                else f"{arg['name']}:{arg.get('type', '')}"
                for arg in request.get("args", [])
            )
            needs = "operate" if request.get("changes") else "read"
            rows.append(
                [vnfc, f"{request['name']} {args}".strip(), request.get("unit", ""), needs, request.get("why", "")]
            )
    head = ["VNFC", "request", "unit", "right", "what"]
    print(tables.table(head, rows, ["what", "unit", "right"]) if rows else "it has no VNFC")


# without an agent


def test(given: Arguments) -> int:
    from coven.cases.runner import main_test

    junit = Path(given.junit) if given.junit else None
    return main_test(Path(given.package), junit, given.cases, explain=given.explain)


def run(given: Arguments) -> int:
    from coven.run.command import main as run_here

    return int(run_here(given))


def lab(given: Arguments) -> int:
    from coven.lab.commands import run as run_lab

    return run_lab(given)


def completion(given: Arguments) -> int:
    from coven.cli.completion import completion as script

    print(script(given.shell))
    return 0


COMMANDS: dict[str, Callable[[Arguments], int]] = {
    "new": author.new,
    "check": author.check,
    "serve": serve,
    "token": token,
    "doctor": doctor,
    "image": image,
    "clean": clean,
    "pack": packing.pack,
    "verify": packing.verify,
    "push": push,
    "deploy": deploy,
    "upgrade": upgrade,
    "delete": delete,
    "instantiate": instantiate,
    "start": _operate("start", "STARTED"),
    "stop": _operate("stop", "STOPPED"),
    "terminate": _operate("terminate", "NOT_INSTANTIATED"),
    "list": listing,
    "status": status,
    "stats": stats,
    "health": health.health,
    "top": top,
    "config": config,
    "logs": logs.logs,
    "trace": tracing.trace,
    "bottleneck": bottlenecks.bottleneck,
    "capture": capturing.capture,
    "why": tracing.why,
    "ask": ask,
    "test": test,
    "run": run,
    "lab": lab,
    "completion": completion,
}
