"""The virtual machine's processors, memory and network, as the kernel counts them; whose processes are whose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
from prometheus_client.core import Metric

from agents.catalogue import BY_NAME
from agents.families import family


class Machine:
    """For a registry of prometheus-client: looks when it is scraped."""

    def collect(self) -> Iterator[Metric]:
        spent = psutil.cpu_times()._asdict()
        # the kernel counts a guest's time as user time, too
        yield _filled("coven_vm_cpu_seconds_total", {(mode,): t for mode, t in spent.items() if "guest" not in mode})
        yield _filled("coven_vm_cpus", {(): psutil.cpu_count() or 0})
        memory = psutil.virtual_memory()
        kinds = {("all",): memory.total, ("available",): memory.available, ("used",): memory.used}
        yield _filled("coven_vm_memory_bytes", kinds)
        counts = psutil.net_io_counters(pernic=True)
        for name, way in (("bytes", ("bytes_recv", "bytes_sent")), ("packets", ("packets_recv", "packets_sent"))):
            ways = tuple(zip(("in", "out"), way, strict=True))
            yield _filled(f"coven_vm_network_{name}_total", {
                (interface, direction): getattr(each, field)
                for interface, each in counts.items() for direction, field in ways
            })  # fmt: skip


def _filled(name: str, values: dict[tuple[str, ...], float]) -> Metric:
    made = family(name)
    for labels, value in values.items():
        made.add_sample(name, dict(zip(BY_NAME[name].labels, labels, strict=True)), value)
    return made


def descendants(pid: int) -> list[int]:
    """A process' children, and theirs. psutil would look at every process of the machine for them."""
    try:
        near = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in near for each in (child, *descendants(child))]
