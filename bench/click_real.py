"""Compiled Click beside the Modular Router's own `click`, if that is on PATH: a CheckIPHeader + IPFilter firewall."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pps.click.router import find

FIREWALL = """FromDevice({input}) -> c :: Classifier(12/0800, -) -> Strip(14) -> CheckIPHeader
    -> IPFilter(deny dst port 23 or 445, deny src net 192.0.2.0/24, deny ip frag, allow tcp or udp or icmp)
    -> Unstrip(14) -> {queue}out :: ToDevice({output});
c[1] -> Discard;
"""


def firewalls(folder: Path, coven: Callable[[str], str]) -> dict[str, str]:
    """Command lines by name: the compiled one (`coven` makes one of a package's path), and, if there is a Click, one
    that runs it on the interfaces. `folder` is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "fw.click").write_text(FIREWALL.format(input="in", output="next", queue=""))
    (folder / "vnf.yaml").write_text(
        'name: firewall\nversion: "1"\nvnfcs:\n  fw: {source: fw.click, engine: compiled}\nchain: in -> fw -> out\n'
    )
    duts = {"compiled": coven(str(folder))}
    if (click := find()) is not None:
        duts["click"] = f"{click} {folder / 'real.click'} IN={{in}} OUT={{out}}"
        real = FIREWALL.format(
            input="$IN, METHOD PCAP, SNIFFER true, PROMISC true", output="$OUT, METHOD PCAP", queue="Queue(4096) -> "
        )
        (folder / "real.click").write_text(real)
    return duts
