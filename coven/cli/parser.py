"""What the command line understands: `coven COMMAND ...`, options, help. What commands do is in `commands.py`.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 packets are unaccounted for, 130 interrupted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from coven.agent.rights.callers import Scope
from coven.base.seconds import lasting, seconds
from coven.base.version import VERSION
from coven.keeper.plan import LIVE_BACKENDS
from coven.package import scaffold
from itf.mistakes import suggest

FAILED, USAGE, UNACCOUNTED, INTERRUPTED = 1, 2, 3, 130


class Command(argparse.ArgumentParser):
    """A parser whose errors say where to read on."""

    def error(self, message: str) -> NoReturn:
        if misspelt := re.fullmatch(r"argument (\w+): invalid choice: '(.*)' \(choose from (.*)\)", message):
            known = re.findall(r"[\w+-]+", misspelt[3])
            self.exit(USAGE, f"{self.prog}: no {misspelt[1].lower()} {misspelt[2]}: {suggest(misspelt[2], known)}\n")
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {message}\n    {self.prog} --help says more\n")


def _address() -> Command:
    """Options of every command that talks to the agent."""
    parent = Command(add_help=False)
    group = parent.add_argument_group("which agent")
    group.add_argument(
        "--state", metavar="DIR", help="the state folder of the agent (default: yours, else the system's)"
    )
    group.add_argument(
        "--agent", metavar="URL",
        help="its address (default: found through the state folder); its token is then in $COVEN_TOKEN",
    )  # fmt: skip
    group.add_argument(
        "--ca", metavar="FILE", help="trust this CA, or this certificate, of an https agent (default: $COVEN_CA)"
    )
    return parent


def _bindings(command: Command, anew: bool = True) -> None:
    """`anew`: all of them are bound, not only those that are new."""
    group = command.add_argument_group("ports" if anew else "ports that the other version has not")
    group.add_argument("--in", dest="in_", metavar="IF", help="bind the port `in` (--port in=IF)")
    group.add_argument("--out", metavar="IF", help="bind the port `out` (--port out=IF)")
    group.add_argument("--port", action="append", default=[], metavar="NAME=IF", help="bind the port NAME")
    group.add_argument("--backend", choices=LIVE_BACKENDS, default="auto", help="of all ports (default: the best)")
    group.add_argument(
        "--take", action="store_true",
        help="also interfaces that have addresses, carry the default route or are enslaved",
    )  # fmt: skip
    command.add_argument(
        "--set", action="append", default=[], metavar="VNFC.KEY=VALUE", help="configure a VNFC (YAML)"
    )
    if not anew:
        command.set_defaults(latency="normal")
        return
    command.add_argument(
        "--latency", choices=("low", "normal"), default="normal", help="low: everything on one core"
    )


class Parser:
    """The parser, a command at a time."""

    def __init__(self) -> None:
        self.top = Command(
            prog="coven", description="Turns this machine into a VNF: packages of VNFCs, chained and run.",
            epilog="coven COMMAND --help shows an example of each. "
                   "Exit status: 0 done, 1 failed, 2 wrong usage, 3 packets are unaccounted for.",
        )  # fmt: skip
        self.top.add_argument("--version", action="version", version=f"coven {VERSION}")
        self.commands = self.top.add_subparsers(dest="command", metavar="COMMAND", required=True)
        self.address = _address()

    def add(self, name: str, what: str, example: str, agent: bool = True) -> Command:
        parents = [self.address] if agent else []
        return self.commands.add_parser(
            name, help=what, description=what[0].upper() + what[1:] + ".", parents=parents,
            epilog="example:\n  " + example.replace("\n", "\n  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    def on_vnf(self, name: str, what: str, example: str, json: bool = False) -> Command:
        command = self.add(name, what, example)
        command.add_argument(
            "vnf", nargs="?", metavar="VNF", help="its name; may be left out when there is one"
        )
        if json:
            command.add_argument("--json", action="store_true", help="as JSON")
        return command


def parser(whole: Sequence[str] = ("run", "lab")) -> argparse.ArgumentParser:
    """`whole`: of which commands the options are asked that are slow to import."""
    p = Parser()
    _agent_commands(p)
    _author_commands(p)
    _package_commands(p)
    _vnf_commands(p)
    _local_commands(p, whole)
    return p.top


def _agent_commands(p: Parser) -> None:
    serve = p.add(
        "serve",
        "run the Management Agent, on loopback or with TLS",
        "coven serve --listen 127.0.0.1:8080\n"
        "coven serve --listen 0.0.0.0:8443 --tls-cert agent.pem --tls-key agent.key",
        agent=False,
    )
    serve.add_argument(
        "--listen", metavar="HOST:PORT", help="where (default 127.0.0.1:8080); beyond loopback only with TLS"
    )
    serve.add_argument("--tls-cert", metavar="FILE", help="speak TLS with this certificate, or chain, in PEM")
    serve.add_argument("--tls-key", metavar="FILE", help="its private key")
    serve.add_argument(
        "--tls-client-ca", metavar="FILE",
        help="take client certificates of this CA (coven token create --certificate says what they may)",
    )  # fmt: skip
    serve.add_argument("--state", metavar="DIR", help="keep everything there, also what else is in /run")
    serve.add_argument("--no-auth", action="store_true", help="ask nobody for the token; on loopback only")
    serve.add_argument(
        "--vnf", metavar="NAME",
        help="for which VNF the ETSI interfaces of a single one speak (default: the only one; docs/etsi.md)",
    )  # fmt: skip
    serve.add_argument(
        "--notify", action="append", default=[], metavar="NETWORK",
        help="notifications may go there, and only where this says (default: anywhere but loopback, link-local)",
    )  # fmt: skip
    serve.add_argument(
        "--strict-versions", action="store_true", help="refuse ETSI requests that do not say which version they mean"
    )
    serve.add_argument(
        "--control-socket", action="append", default=[], metavar="VNF=HOST:PORT",
        help="Click's ControlSocket protocol for that VNF on loopback TCP, without a token (docs/click.md)",
    )  # fmt: skip
    serve.add_argument(
        "--coven-compat", nargs="?", const="", metavar="HOST[:HTTP,TCP]",
        help="be driven by the original prototype's EMS, too: its HTTP and TCP interface, without a token "
             "(default 127.0.0.1:6667,6668; docs/coven.md)",
    )  # fmt: skip
    _token_commands(p)
    doctor = p.add(
        "doctor", "say what this machine has, lacks, and how to mend it", "coven doctor", agent=False
    )
    doctor.add_argument("--json", action="store_true", help="as JSON")
    image = p.add(
        "image", "of an appliance: what it is and what is old in it; what it does at its boot",
        "coven image status\ncoven image status --json", agent=False,
    )  # fmt: skip
    image.add_argument("action", choices=("status", "boot", "deploy"), help="boot and deploy are for systemd")
    image.add_argument("--json", action="store_true", help="as JSON")
    clean = p.add("clean", "undo what dead keepers and runs left on interfaces", "coven clean", agent=False)
    clean.add_argument("--state", metavar="DIR", help="the state folder (default: yours)")


def _token_commands(p: Parser) -> None:
    token = p.add(
        "token", "say who may do what: grant, list and revoke tokens",
        "coven token create --scope read --name prometheus --out prometheus.token\n"
        "coven token create --scope operate --name vnfm --certificate\n"
        "coven token list\ncoven token revoke prometheus", agent=False,
    )  # fmt: skip
    actions = token.add_subparsers(dest="action", metavar="create | list | revoke", required=True)
    create = actions.add_parser("create", help="grant scopes to a name", parents=[p.address])
    create.add_argument("--name", required=True, help="who it is for")
    create.add_argument(
        "--scope", action="append", required=True, choices=[*map(str, Scope)],
        help="may be said several times; all but read contain read, admin contains all",
    )  # fmt: skip
    create.add_argument("--expires", type=lasting, metavar="TIME", help="after so many seconds, or 12h, 30d (never)")
    create.add_argument(
        "--certificate", action="store_true", help="no token: for who has a client certificate of that common name"
    )
    create.add_argument("--out", metavar="FILE", help="write the token there, to a new file for you alone")
    listing = actions.add_parser("list", help="the tokens, without what is secret", parents=[p.address])
    listing.add_argument("--json", action="store_true", help="as JSON")
    revoke = actions.add_parser("revoke", help="from now on it is worth nothing", parents=[p.address])
    revoke.add_argument("name", metavar="NAME")


def _author_commands(p: Parser) -> None:
    new = p.add(
        "new", "make a package that runs at once, to change", "coven new my-firewall --language c", agent=False
    )
    new.add_argument("name", metavar="NAME", help="of the package: a folder to be made")
    languages = ", ".join(scaffold.languages())
    new.add_argument("--language", default=scaffold.DEFAULT, help=f"of its VNFC: {languages} (default: %(default)s)")
    check = p.add(
        "check",
        "validate, compile and load a package without a packet, say everything that is wrong",
        "coven check my-firewall",
        agent=False,
    )
    check.add_argument("package", metavar="PACKAGE", help="a folder, a CSAR, a zip, or a descriptor file")
    check.add_argument("--json", action="store_true", help="as JSON")


def _package_commands(p: Parser) -> None:
    what = "a folder, a CSAR, a zip, or a descriptor file"
    pack = p.add(
        "pack",
        "make a CSAR (ETSI SOL004) of a package, or a plain zip",
        "coven pack packages/l7-firewall -o l7-firewall.csar\n"
        "coven pack packages/l7-firewall --sign --key me.key --cert me.pem\n"
        "coven pack packages/l7-firewall --zip",
        agent=False,
    )
    pack.add_argument("package", metavar="PACKAGE", help=what)
    pack.add_argument("-o", "--output", metavar="FILE", help="default: NAME-VERSION.csar, or .zip")
    pack.add_argument("--zip", action="store_true", help="a plain zip: the package and nothing else")
    pack.add_argument("--image", metavar="FILE", help="the appliance's software image, to be described in the VNFD")
    pack.add_argument("--hot", action="store_true", help="with BaseHOT/, for OpenStack-style VNFMs")
    pack.add_argument("--agent-port", type=int, metavar="PORT", help="where a VNFM reaches the agent (default 8443)")
    signing = pack.add_argument_group("signing")
    signing.add_argument("--sign", action="store_true", help="sign the manifest (option 1)")
    signing.add_argument("--outer", action="store_true", help="sign the package from outside (option 2): a zip of both")
    signing.add_argument("--key", metavar="FILE", help="the private key, in PEM")
    signing.add_argument("--cert", metavar="FILE", help="its certificate, in PEM; its chain may follow")
    signing.add_argument(
        "--cert-beside", action="store_true", help="put the certificate into a file of its own, not into the CMS"
    )
    verify = p.add(
        "verify",
        "say whether a CSAR is whole, whose it is, and what of SOL004 it breaks",
        "coven verify l7-firewall-1.0.0.csar --trust ca.pem\ncoven verify x.csar --at 2026-01-31T12:00:00Z",
        agent=False,
    )
    verify.add_argument("file", metavar="FILE", help="a CSAR, or a signed zip around one")
    verify.add_argument(
        "--trust", action="append", default=[], metavar="FILE",
        help="a CA's certificate in PEM, or a folder of them, instead of the operator's trust_anchors",
    )  # fmt: skip
    verify.add_argument("--at", metavar="TIME", help="judge certificates by that time (RFC 3339), not by now")
    verify.add_argument("--strict", action="store_true", help="refuse what only lenient reading takes")
    verify.add_argument("--json", action="store_true", help="as JSON")
    push = p.add("push", "give a package to the agent", "coven push packages/l7-firewall")
    push.add_argument("package", metavar="PACKAGE", help=what)
    push.add_argument("--json", action="store_true", help="as JSON")
    deploy = p.add(
        "deploy",
        "push, create, instantiate and start",
        "coven deploy packages/l7-firewall --name fw --in eth1 --out eth2",
    )
    deploy.add_argument("package", metavar="PACKAGE", help=what)
    deploy.add_argument("--name", help="of the VNF (default: the package's)")
    deploy.add_argument("--json", action="store_true", help="the VNF as JSON")
    deploy.add_argument("--upgrade", action="store_true", help="where there is one of that name, `coven upgrade` it")
    _bindings(deploy)


def _vnf_commands(p: Parser) -> None:
    instantiate = p.on_vnf(
        "instantiate", "build a VNF and bind its ports", "coven instantiate fw --in eth1 --out eth2"
    )
    instantiate.add_argument("--start", action="store_true", help="and let packets pass")
    _bindings(instantiate)
    upgrade = p.add(
        "upgrade", "put another version of its package in its place, while packets flow",
        "coven upgrade fw packages/l7-firewall\ncoven upgrade fw l7-firewall:0.9.0",
    )  # fmt: skip
    upgrade.add_argument("vnf", metavar="VNF", help="its name")
    upgrade.add_argument(
        "package", metavar="PACKAGE", help="a folder, a CSAR, a zip, or the NAME:VERSION of one that the agent has"
    )
    _bindings(upgrade, anew=False)
    p.on_vnf("start", "let packets pass", "coven start fw")
    p.on_vnf("stop", "let no packet pass", "coven stop fw")
    p.on_vnf("terminate", "end a VNF and give its interfaces back", "coven terminate fw")
    listing = p.add("list", "the VNFs and the packages", "coven list --json")
    listing.add_argument("--json", action="store_true", help="as JSON")
    delete = p.on_vnf(
        "delete", "delete a VNF, or a package", "coven delete fw\ncoven delete --package l7-firewall:1.0.0"
    )
    delete.add_argument("--package", metavar="NAME[:VERSION]", help="delete this package")
    p.on_vnf("status", "what a VNF does, hop by hop", "coven status fw", json=True)
    p.on_vnf("health", "how well a VNF and each part of it is, since when and why", "coven health fw", json=True)
    stats = p.on_vnf("stats", "every figure and drop of a VNF, explained", "coven stats fw --watch", json=True)
    stats.add_argument(
        "--watch", nargs="?", type=seconds, const=1.0, metavar="SECONDS", help="again and again (default: each second)"
    )  # fmt: skip
    top = p.on_vnf("top", "the chain as it runs, with rates, until q", "coven top fw")
    top.add_argument("--interval", type=seconds, default=1.0, metavar="SECONDS", help="between two looks (default: 1)")
    config = p.add(
        "config",
        "show the configuration of a VNF, or change it live",
        'coven config fw\ncoven config fw filter.block="[23, 25]"',
    )
    config.add_argument(
        "words", nargs="*", metavar="VNF | VNFC.KEY=VALUE", help="the VNF, and what to change (YAML)"
    )
    config.add_argument("--replace", action="store_true", help="what is not stated gets its default back")
    config.add_argument("--json", action="store_true", help="as JSON")
    trace = p.on_vnf(
        "trace", "what becomes of the packets that pass now",
        "coven trace fw --filter 'tcp port 80' --count 20\ncoven trace fw --seconds 30 --json", json=True,
    )  # fmt: skip
    trace.add_argument("--filter", metavar="EXPRESSION", help="only those that match (pcap-filter)")
    trace.add_argument("--count", type=int, default=10, metavar="N", help="end after so many (default 10)")
    trace.add_argument("--seconds", type=seconds, metavar="S", help="end after so long")
    trace.add_argument("--every", type=int, metavar="N", help="look at one packet in N only")
    trace.add_argument("--rate", type=int, metavar="N", help="follow N packets a second, N at once (default 100)")
    trace.add_argument("--brief", action="store_true", help="a line a packet, without one for each VNFC")
    bottleneck = p.on_vnf(
        "bottleneck", "what limits it at its load now, why, and what would help",
        "coven bottleneck fw\ncoven bottleneck fw --seconds 5 --json", json=True,
    )  # fmt: skip
    bottleneck.add_argument("--seconds", type=seconds, default=2.0, metavar="S", help="observe it so long (10 at most)")
    why = p.on_vnf(
        "why", "what becomes of a packet, and who decided it, in a paragraph",
        "coven why fw --dst 10.20.0.2 --proto tcp --dport 23\ncoven why fw --proto tcp --dport 23 --inject",
        json=True,
    )  # fmt: skip
    why.add_argument("--src", metavar="ADDRESS", help="its source")
    why.add_argument("--dst", metavar="ADDRESS", help="its destination")
    why.add_argument("--proto", choices=("tcp", "udp", "icmp"))
    why.add_argument("--sport", type=int, metavar="N", help="its source port")
    why.add_argument("--dport", type=int, metavar="N", help="its destination port")
    why.add_argument("--wait", type=seconds, default=10.0, metavar="S", help="for so long (default 10)")
    why.add_argument("--inject", action="store_true", help="make such a packet and let it in; it is not sent on")
    why.add_argument("--port", metavar="PORT", help="with --inject: that it comes in by (default: the first)")
    why.add_argument("--send", action="store_true", help="with --inject: it may leave")
    capture = p.on_vnf(
        "capture", "packets of a running VNF at any place, as pcapng or as lines",
        "coven capture fw --at in,out -w - | wireshark -k -i -\n"
        "coven capture fw --at filter:behind --filter 'tcp port 80' --for 10 -w fw.pcapng\n"
        "coven capture fw --drops",
    )  # fmt: skip
    capture.add_argument(
        "--at", metavar="PLACE[,PLACE]",
        help="PORT, PORT:arriving, PORT:leaving, VNFC, VNFC:before, VNFC:behind, or a drop name (default: every port)",
    )
    capture.add_argument("--drops", action="store_true", help="only what is dropped there (or anywhere), with why")
    capture.add_argument("--filter", metavar="EXPRESSION", help="only those that match (pcap-filter)")
    capture.add_argument(
        "-w", "--write", metavar="FILE", help="into a pcapng file, - for standard output (default: a line a packet)"
    )
    capture.add_argument("--snaplen", type=int, metavar="N", help="at most so many bytes of each packet (default: all)")
    capture.add_argument("--for", dest="for_", type=seconds, metavar="S", help="end after so many seconds")
    capture.add_argument("--count", type=int, metavar="N", help="end after so many packets")
    logs = p.on_vnf(
        "logs", "what VNFCs and keeper said", "coven logs fw --vnfc filter --lines 20\ncoven logs fw -f", json=True
    )
    logs.add_argument("--vnfc", help="of this VNFC only")
    logs.add_argument("--lines", type=int, default=100, help="the last so many (default 100)")
    logs.add_argument(
        "-f", "--follow", action="store_true", help="and what they say from now on, until Ctrl-C (--json: one a line)"
    )
    ask = p.add(
        "ask",
        "ask a VNFC an agent request; without one, list them",
        "coven ask\ncoven ask filter hits\ncoven ask --vnf fw filter block 25",
    )
    ask.add_argument("vnfc", nargs="?", metavar="VNFC")
    ask.add_argument("request", nargs="?", metavar="REQUEST")
    ask.add_argument("args", nargs="*", metavar="ARGUMENT")
    ask.add_argument("--vnf", metavar="NAME", help="the VNF; may be left out when there is one")
    ask.add_argument("--json", action="store_true", help="as JSON")


def _local_commands(p: Parser, whole: Sequence[str]) -> None:
    completion = p.add(
        "completion", "a script that lets a shell complete our commands and options",
        "coven completion bash > ~/.local/share/bash-completion/completions/coven", agent=False,
    )  # fmt: skip
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh")
    test = p.add(
        "test",
        "run the test cases of a package",
        "coven test packages/l7-firewall --junit report.xml",
        agent=False,
    )
    test.add_argument("package", metavar="PACKAGE", help="a folder, a CSAR, a zip, or a descriptor file")
    test.add_argument("cases", nargs="*", metavar="CASE", help="only these")
    test.add_argument("--explain", action="store_true", help="a line for each packet: what became of it, and why")
    test.add_argument("--junit", metavar="FILE", help="write a JUnit report")
    run = p.add(
        "run",
        "run a package in the foreground, without an agent",
        "coven run packages/l7-firewall --in eth1 --out eth2 --watch\n"
        "coven run packages/l7-firewall --in in.pcap --out out.pcap --explain\n"
        "coven run packages/l7-firewall --in in.pcap --out out.pcap --back back.pcap --json result.json",
        agent=False,
    )
    lab = p.add(
        "lab", "a network to try a package in, and the exercises of docs/labs",
        "coven lab up packages/l7-firewall\ncoven lab exec client curl http://10.20.0.2/\ncoven lab down",
        agent=False,
    )  # fmt: skip
    if "lab" in whole:
        from coven.lab.commands import add_arguments as add_lab_arguments

        add_lab_arguments(lab, LIVE_BACKENDS)
    if "run" in whole:
        # the engine knows its own options; only who runs something waits for it to be imported
        from coven.run.options import add_arguments

        add_arguments(run)
