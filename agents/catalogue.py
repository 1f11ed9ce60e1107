"""The catalogue of figures: what each is called wherever it is told (the statistics object, `/metrics`, JSON, OTLP),
of what kind it is, in which unit, with which labels, and what it means.

Names and units are Prometheus' (base units; counters end in `_total`). In the statistics object, and in it alone, the
label `vnf` is left out, since its head says it, and times are in ns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from itf.segment import C

CUSTOM = "coven_custom_"  #: before the name of a metric that an author declares
SUMS = ("received", "originated", "cloned", "forwarded", "consumed")
_COUNTER, _GAUGE, _REAL, _TIMES, _SIZES = (
    C.FIGURE_COUNTER, C.FIGURE_GAUGE, C.FIGURE_REAL, C.FIGURE_TIMES, C.FIGURE_SIZES,
)  # fmt: skip

KINDS = {
    C.FIGURE_COUNTER: "counter", C.FIGURE_REAL_COUNTER: "counter", C.FIGURE_GAUGE: "gauge", C.FIGURE_REAL: "gauge",
    C.FIGURE_TIMES: "histogram", C.FIGURE_SIZES: "histogram", C.FIGURE_VALUES: "histogram",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A figure. `figure`: enum figure_kind of its value in the statistics object."""

    name: str
    figure: int
    labels: tuple[str, ...]
    why: str
    unit: str = ""

    @property
    def kind(self) -> str:
        """counter, gauge or histogram."""
        return KINDS[self.figure]


CATALOGUE = (
    # the VNF
    Entry("coven_vnf_up", _GAUGE, ("vnf",), "1: the VNF's keeper is there and works; 0: it is not, or is silent"),
    Entry("coven_vnf_started", _GAUGE, ("vnf",), "1: the VNF forwards (STARTED); 0: it does not"),
    Entry("coven_vnf_start_time_seconds", _REAL, ("vnf",), "when the VNF was instantiated, since 1970", "seconds"),
    *(Entry(f"coven_vnf_{name}_packets_total", _COUNTER, ("vnf",), f"packets {name}, in the whole VNF", "packets")
      for name in SUMS),
    Entry("coven_in_flight_packets", _GAUGE, ("vnf",), "packets that are in the VNF", "packets"),
    Entry("coven_unaccounted_packets", _GAUGE, ("vnf",), "packets whose fate is not known: 0, or a fault of Coven",
          "packets"),
    Entry("coven_estimated", _GAUGE, ("vnf",), "1: a forwarder died, and what it lost was written off"),
    Entry("coven_health", _GAUGE, ("vnf", "place", "state"), "1: the VNFC, port or VNF (place: nothing) is so"),
    Entry("coven_drops_total", _COUNTER, ("vnf", "place", "reason"), "packets dropped, where and why", "packets"),
    Entry("coven_chain_seconds", _TIMES, ("vnf", "port"),
          "from arrival by that port until handed to a port to leave, of one in coven_timed_one_in", "seconds"),
    Entry("coven_timed_one_in", _GAUGE, ("vnf",), "of how many packets one is timed; 0: none is", "packets"),
    # ports
    Entry("coven_port_up", _GAUGE, ("vnf", "port"), "1: the link is up; absent where a port has no link"),
    Entry("coven_port_packets_total", _COUNTER, ("vnf", "port", "direction"), "packets at a port: in or out",
          "packets"),
    Entry("coven_port_bytes_total", _COUNTER, ("vnf", "port", "direction"), "bytes at a port: in or out", "bytes"),
    Entry("coven_port_in_flight_packets", _GAUGE, ("vnf", "port", "direction"),
          "packets in a port's hands: arrived and not handed on, or not yet confirmed as sent", "packets"),
    Entry("coven_port_burst_packets", _SIZES, ("vnf", "port", "direction"), "how many packets came, or went, at once",
          "packets"),
    # VNFCs
    Entry("coven_vnfc_up", _GAUGE, ("vnf", "vnfc"), "1: the VNFC is running"),
    Entry("coven_vnfc_restarts_total", _COUNTER, ("vnf", "vnfc"), "restarts of a VNFC after it ended by itself"),
    Entry("coven_vnfc_exceptions_total", _COUNTER, ("vnf", "vnfc"), "exceptions that a VNFC did not catch"),
    Entry("coven_vnfc_requests_total", _COUNTER, ("vnf", "vnfc"), "agent requests that a VNFC was asked"),
    Entry("coven_vnfc_request_timeouts_total", _COUNTER, ("vnf", "vnfc"), "agent requests without an answer in time"),
    Entry("coven_vnfc_request_seconds_total", C.FIGURE_REAL_COUNTER, ("vnf", "vnfc"),
          "time that a VNFC was busy with requests", "seconds"),
    Entry("coven_vnfc_packets_total", _COUNTER, ("vnf", "vnfc", "output"), "packets that a VNFC forwarded, by output",
          "packets"),
    Entry("coven_vnfc_bytes_total", _COUNTER, ("vnf", "vnfc", "output"), "bytes that a VNFC forwarded, by output",
          "bytes"),
    *(Entry(f"coven_vnfc_{name}_packets_total", _COUNTER, ("vnf", "vnfc"), f"packets {name}, of a VNFC", "packets")
      for name in SUMS),
    Entry("coven_vnfc_received_bytes_total", _COUNTER, ("vnf", "vnfc"), "bytes that a VNFC was handed", "bytes"),
    Entry("coven_vnfc_in_flight_packets", _GAUGE, ("vnf", "vnfc"), "packets that a VNFC has, waiting ones included",
          "packets"),
    Entry("coven_vnfc_held_packets", _GAUGE, ("vnf", "vnfc"), "packets that a VNFC holds", "packets"),
    Entry("coven_vnfc_lent_packets", _GAUGE, ("vnf", "vnfc"),
          "of those held, packets about which an executable or a Click process has been asked", "packets"),
    Entry("coven_vnfc_bogus_total", _COUNTER, ("vnf", "vnfc"),
          "references that a VNFC gave back without having them: ignored"),
    Entry("coven_vnfc_wakeups_total", _COUNTER, ("vnf", "vnfc"), "times that a VNFC slept and was woken for packets"),
    Entry("coven_vnfc_burst_packets", _SIZES, ("vnf", "vnfc"), "how many packets came to a VNFC at once", "packets"),
    Entry("coven_vnfc_seconds", _TIMES, ("vnf", "vnfc"),
          "from a VNFC's taking a packet until its verdict, of one packet in coven_timed_one_in", "seconds"),
    # rings
    Entry("coven_ring_seconds", _TIMES, ("vnf", "vnfc"),
          "for how long packets waited in the ring to a VNFC, of one packet in coven_timed_one_in", "seconds"),
    Entry("coven_ring_packets", _GAUGE, ("vnf", "vnfc", "direction"),
          "packets that wait in the ring to a VNFC (in), or in the one back (out)", "packets"),
    Entry("coven_ring_highest_packets", _GAUGE, ("vnf", "vnfc"),
          "the most that waited in the ring to a VNFC, in the last 10 to 20 seconds", "packets"),
    Entry("coven_ring_occupancy_ratio", _REAL, ("vnf", "vnfc"),
          "packets that wait for a VNFC, as a part of what may: at 1 they are dropped (full)", "ratio"),
    # NSH
    Entry("coven_nsh_path_packets_total", _COUNTER, ("vnf", "spi", "si"), "packets that came in by a service path",
          "packets"),
    Entry("coven_nsh_path_bytes_total", _COUNTER, ("vnf", "spi", "si"), "their bytes, without the NSH header", "bytes"),
    # processes: role keeper, forwarder or vnfc; vnfc is empty but for the last
    Entry("coven_forwarder_up", _GAUGE, ("vnf",), "1: the forwarder is running"),
    Entry("coven_forwarder_restarts_total", _COUNTER, ("vnf",), "restarts of the forwarder"),
    Entry("coven_process_cpu_seconds_total", C.FIGURE_REAL_COUNTER, ("vnf", "role", "vnfc"),
          "processor time of a process of the VNF, of those that it started, and of those before it", "seconds"),
    Entry("coven_process_resident_memory_bytes", _GAUGE, ("vnf", "role", "vnfc"),
          "memory of a process of the VNF, with those that it started; shared memory counts for each", "bytes"),
)  # fmt: skip

#: of the agent, and of the virtual machine that it runs on
AGENT = (
    Entry("coven_agent_start_time_seconds", _REAL, (), "when the agent began, since 1970: its counters begin there",
          "seconds"),
    Entry("coven_agent_requests_total", _COUNTER, ("method", "route", "status"), "requests answered by the API"),
    Entry("coven_agent_request_seconds", C.FIGURE_VALUES, ("method", "route"), "how long answers took", "seconds"),
    Entry("coven_operations_total", _COUNTER, ("operation", "result"), "operations that are over, by their last state"),
    Entry("coven_operation_seconds", C.FIGURE_VALUES, ("operation",), "how long operations took", "seconds"),
    Entry("coven_certificate_expiry_time_seconds", _REAL, ("file",), "when the API's certificate expires, since 1970",
          "seconds"),
    Entry("coven_vm_cpu_seconds_total", C.FIGURE_REAL_COUNTER, ("mode",), "processor time of the machine, by what for",
          "seconds"),
    Entry("coven_vm_cpus", _GAUGE, (), "processors of the machine"),
    Entry("coven_vm_memory_bytes", _GAUGE, ("kind",), "memory of the machine: all, available, used", "bytes"),
    Entry("coven_vm_network_bytes_total", _COUNTER, ("interface", "direction"),
          "bytes at the machine's interfaces, as the kernel counts them: in or out", "bytes"),
    Entry("coven_vm_network_packets_total", _COUNTER, ("interface", "direction"),
          "packets at the machine's interfaces, as the kernel counts them: in or out", "packets"),
)  # fmt: skip

BY_NAME = {entry.name: entry for entry in (*CATALOGUE, *AGENT)}


def table() -> str:
    """The catalogue as it stands in docs/metrics.md."""
    rows = [f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {each.why} |" for each in BY_NAME.values()]
    return "\n".join(["| Metric | Kind | Labels | What |", "|---|---|---|---|", *rows])


def custom(name: str, figure: int) -> tuple[str, dict[str, str]]:
    """What an author's metric is called, and a label that tells it from others that would be called the same."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
    whole = f"{CUSTOM}{plain}"
    stem = plain
    if KINDS[figure] == "counter":
        whole = f"{whole.removesuffix('_total')}_total"
        stem = plain if not plain.endswith("_total") else ""
    return whole, {} if stem == name else {"name": name}


def labels(pairs: dict[str, str]) -> str:
    """Labels as Prometheus writes them, without braces."""
    return _labels(tuple(pairs.items()))


@lru_cache(10000)
def _labels(pairs: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
