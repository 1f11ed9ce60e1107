"""The REST API's part for packets' fates: what those that pass now are, meet on their way, and end as."""

from __future__ import annotations

from agents.explain import RATE
from agents.why import nothing, paragraph
from coven.agent.lifecycle import Lifecycle
from coven.agent.rights.callers import Scope
from coven.agent.store import Row
from coven.rest import web
from coven.rest.gate import admit
from coven.rest.routes import Query, route
from coven.rest.schema import PORT, TEXT
from coven.rest.watching.seats import Seats

TRACERS = 2  #: may wait at once, with all others that may fewer than the server has threads
_WAIT = Query("wait", "at most so many seconds", {"type": "number", "minimum": 0.1, "maximum": 10, "default": 5})


class TracesApi:
    lifecycle: Lifecycle

    def __init__(self) -> None:
        self._tracers = Seats(TRACERS, "trace")

    @route(
        "GET",
        "/v1/vnfs/{name}/trace",
        "What becomes of the packets that pass now, each when it has ended",
        reply="Trace",
        errors=(409, 503),
        scope=Scope.CAPTURE,
        query=(
            Query("count", "answer after so many", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}),
            Query("wait", "or after so many seconds", {"type": "number", "minimum": 0.1, "maximum": 10, "default": 5}),
            Query("filter", "only those that match when they are first seen: a pcap-filter expression", TEXT),
            Query("every", "look at one packet in so many only",
                  {"type": "integer", "minimum": 1, "maximum": 1_000_000_000, "default": 1}),
            Query("rate", "follow so many of those that match a second, and so many at once; the others are counted",
                  {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": RATE}),
            Query("after", "an answer's `next`: go on there, with the same filter, every and rate, within 2 s", TEXT),
        ),
    )  # fmt: skip
    def get_trace(self, name: str, query: Row) -> Row:
        answer = self._asked(name, "trace", query)
        # a keeper that is older than this agent follows all, and goes on nowhere
        passed, after = answer.get("passed", 0), answer.get("next", "")
        return {"packets": answer["packets"], "lost": answer["lost"], "passed": passed, "next": after}

    def _asked(self, name: str, op: str, query: Row) -> Row:
        """What a keeper says after a while. Raises Refused when enough others wait for such answers."""
        with self._tracers.one():
            return self.lifecycle.ask(name, op, **query)

    @route(
        "GET",
        "/v1/vnfs/{name}/why",
        "What becomes of the next packet like that, in a paragraph",
        reply="Why",
        errors=(409, 503),
        scope=Scope.CAPTURE,
        query=(
            Query("src", "its source address", TEXT), Query("dst", "its destination", TEXT),
            Query("proto", "tcp, udp or icmp", TEXT),
            Query("sport", "its source port", PORT), Query("dport", "its destination port", PORT), _WAIT,
        ),
    )  # fmt: skip
    def get_why(self, name: str, query: Row) -> Row:
        return self._why(name, query)

    @route(
        "POST",
        "/v1/vnfs/{name}/why",
        "Let a packet like that in, and tell what becomes of it (needs the scope capture, too)",
        reply="Why",
        body="LikePacket",
        errors=(409, 503),
    )
    def inject_packet(self, name: str, body: Row) -> Row:
        admit(web.caller(), Scope.CAPTURE)
        return self._why(name, {"wait": 5, **body, "inject": True})

    def _why(self, name: str, asked: Row) -> Row:
        packet = self._asked(name, "why", asked)["packet"]
        injected = asked.get("inject") is True
        if packet is None:
            like = " ".join(f"{key} {asked[key]}" for key in ("proto", "src", "sport", "dst", "dport") if key in asked)
            return {"packet": None, "why": nothing(like, asked["wait"], injected)}
        vnfcs = self.lifecycle.descriptor(self.lifecycle.vnf(name)["package"]).vnfcs
        said = paragraph(packet, list(vnfcs), injected=injected, sent=asked.get("send") is True)
        return {"packet": packet, "why": said}
