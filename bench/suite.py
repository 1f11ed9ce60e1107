"""What is compared with what. Aims are those of docs/performance.md."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from bench.click_real import firewalls
from bench.rig import Traffic
from bench.trial import Kind

ROOT = Path(__file__).resolve().parent.parent
COVEN = ".venv/bin/coven"

BARE_XDP = "{bin}/xskfwd {object} {in} {out}"
BARE_PACKET = "{bin}/tpfwd {in} {out}"


@dataclass(frozen=True)
class Comparison:
    name: str
    kind: Kind
    duts: dict[str, str]  #: name -> command line
    reference: str | None = None
    aims: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)  #: of devices that are sent something else

    def kind_of(self, dut: str) -> Kind:
        return self.kinds.get(dut, self.kind)


def coven(package: str, backend: str = "af_xdp", more: str = "") -> str:
    return f"{COVEN} run {package} --in {{in}} --out {{out}} --backend {backend} --json {{json}} {more}"


def chain_package(length: int) -> str:
    """A package of so many isolated C VNFCs in a row, made of packages/forward's; its folder."""
    folder = ROOT / "build" / "bench" / f"chain-{length}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "packages/forward/forward.c", folder)
    names = [f"c{i}" for i in range(1, length + 1)]
    vnfcs = "".join(f"  {name}: {{source: forward.c}}\n" for name in names)
    chain = " -> ".join(["in", *names, "out"])
    (folder / "vnf.yaml").write_text(f'name: chain{length}\nversion: "1"\nvnfcs:\n{vnfcs}chain: {chain}\n')
    return str(folder)


def comparisons(seconds: float, quick: bool) -> list[Comparison]:
    """All of them, or with quick the main figures only."""
    found = rates(seconds) + clicks(seconds) + nsh(seconds) + latencies(seconds) + appliance(seconds)
    return found + ([] if quick else curves(seconds))


def rates(seconds: float) -> list[Comparison]:
    forward = "packages/forward/{}.yaml"
    found = []
    for size in (64, 1500):
        kind = Kind("rate", Traffic(size=size, flows=64, seconds=seconds), "Mpps")
        duts = {
            "bare AF_XDP": BARE_XDP,
            "c": coven(forward.format("c")),
            "c-c": coven(forward.format("c-c")),
            "python": coven(forward.format("python")),
            "python-burst": coven(forward.format("python-burst")),
        }
        aims = {"c-c": ">= 0.75", "python": ">= 0.40", "python-burst": ">= 0.68"}
        found.append(Comparison(f"rate {size} B, AF_XDP", kind, duts, "bare AF_XDP", aims))
        duts = {"bare AF_PACKET": BARE_PACKET, "c-c": coven(forward.format("c-c"), "af_packet")}
        name = f"rate {size} B, AF_PACKET"
        found.append(Comparison(name, kind, duts, "bare AF_PACKET", {"c-c": ">= 0.75"}))
    return found


def clicks(seconds: float) -> list[Comparison]:
    """Compiled Click beside a Click process; alone where there is no such program."""
    kind = Kind("rate", Traffic(size=64, flows=64, seconds=seconds), "Mpps")
    duts = firewalls(ROOT / "build" / "bench" / "click-firewall", coven)
    if "click" in duts:
        return [Comparison("Click firewall, 64 B", kind, duts, "click", {"compiled": ">= 1.3"})]
    print("bench: no click of the Click Modular Router on PATH: its comparison is skipped")
    return [Comparison("Click firewall, 64 B (no click to compare with)", kind, duts)]


def nsh(seconds: float) -> list[Comparison]:
    """The same chain with NSH around its packets and without; frames are equally long."""
    plain = Kind("rate", Traffic(size=128, flows=64, seconds=seconds), "Mpps")
    inside = Kind("rate", Traffic(size=128, flows=64, seconds=seconds, packet="nsh:5001"), "Mpps")
    found = []
    for chain in ("c", "c-c"):
        command, other = coven(f"packages/forward/{chain}.yaml"), f"{chain}, NSH"
        duts = {chain: command, other: command}
        name, aims = f"NSH, {chain}, 128 B", {other: ">= 0.95"}
        found.append(Comparison(name, plain, duts, chain, aims, {other: inside}))
    return found


def latencies(seconds: float) -> list[Comparison]:
    paced = Traffic("pace", 64, 1, 10000, seconds)
    one_way = Comparison(
        "one-way p50, 10 kpps",
        Kind("oneway", paced, "us"),
        {
            "bare AF_XDP": BARE_XDP,
            "c-c": coven("packages/forward/c-c.yaml"),
            "c-c, low latency": coven("packages/forward/c-c.yaml", more="--latency low"),
        },
        "bare AF_XDP",
        {"c-c": "<= +15 us"},
    )
    firewall = {"bare AF_XDP": BARE_XDP, "l7-firewall": coven("packages/l7-firewall")}
    quick = Comparison(
        "RTT, quick test only",
        Kind("roundtrip", Traffic("pace", 64, 1, 1000, seconds), "us"),
        firewall,
        "bare AF_XDP",
        {"l7-firewall": "<= +60 us"},
    )
    # 72 bytes of payload to port 443: what the analyzer cannot let go without a closer look
    looked_at = Comparison(
        "RTT, Scapy looks",
        Kind("roundtrip", Traffic("pace", 126, 1, 500, seconds, "tcp:443"), "us"),
        firewall,
        "bare AF_XDP",
        {"l7-firewall": "<= +300 us"},
    )
    return [one_way, quick, looked_at]


def appliance(seconds: float) -> list[Comparison]:
    firewall = {"l7-firewall": coven("packages/l7-firewall")}
    rate = Kind("rate", Traffic(flows=64, seconds=seconds), "Mpps")
    idle = Kind("idle", Traffic("pace", pps=1000, seconds=max(3.0, seconds)), "% of a core")
    memory = Kind("memory", Traffic("pace", pps=1000, seconds=0.5), "MB")
    first = Kind("first", Traffic("pace", pps=1000, seconds=10), "s")
    serve = {"l7-firewall": f"{COVEN} serve --state {{state}}"}
    return [
        Comparison("first packet after the start request", first, serve, None, {"l7-firewall": "< 1 s"}),
        Comparison("rate, ordinary traffic", rate, firewall, None, {"l7-firewall": ">= 0.3 Mpps"}),
        Comparison("idle CPU", idle, firewall, None, {"l7-firewall": "< 1 %"}),
        Comparison("memory (PSS)", memory, firewall, None, {"l7-firewall": "< 150 MB"}),
    ]


def curves(seconds: float) -> list[Comparison]:
    """Chain length 1 to 8, flows 1 to 100 000."""
    at = Kind("rate", Traffic(flows=64, seconds=seconds), "Mpps")
    chains = {f"{n} C VNFCs": coven(chain_package(n)) for n in range(1, 9)}
    found = [Comparison("chain length", at, {"bare AF_XDP": BARE_XDP, **chains}, "bare AF_XDP")]
    for flows in (1, 100, 10000, 100000):
        kind = Kind("rate", Traffic(flows=flows, seconds=seconds), "Mpps")
        duts = {"bare AF_XDP": BARE_XDP, "c-c": coven("packages/forward/c-c.yaml")}
        found.append(Comparison(f"{flows} flows", kind, duts, "bare AF_XDP", {"c-c": ">= 0.75"}))
    return found
