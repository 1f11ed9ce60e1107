"""Subscriptions and notifications: nobody waits for a subscriber, nothing is lost, and it is told in order; keepers are
`fake_keeper.py`."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coven.agent.notifying.targets import Notified, Targets, Undelivered
from itf.mistakes import Refused
from tests.integration.agent.test_agent import DESCRIPTOR, PORTS, package
from tests.rigs.agent import Agent
from tests.rigs.keeper import wait_for

SUBSCRIPTIONS = "/vnfind/v1/subscriptions"
VALUE, SUPPORTED = "VnfIndicatorValueChangeNotification", "SupportedIndicatorsChangeNotification"


class Subscriber:
    """Takes notifications on loopback; `status` is what it answers."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.tests = 0
        self.status = 204
        self.headers: list[str | None] = []
        self.tokens = 0
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ours.tests += 1
                self._answer(ours.status)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/token":
                    ours.tokens += 1
                    told = json.dumps({"access_token": f"t{ours.tokens}", "expires_in": 3600}).encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(told)))
                    self.end_headers()
                    self.wfile.write(told)
                    return
                if ours.status // 100 == 2:
                    ours.got.append(json.loads(body))
                self._answer(ours.status)

            def _answer(self, status: int) -> None:
                ours.headers.append(self.headers.get("Authorization"))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}/told?who=me"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def kinds(self) -> list[tuple[str, Any]]:
        return [(each["notificationType"], each.get("vnfIndicatorId")) for each in self.got]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    made = Subscriber()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[Subscriber]:
    made = Subscriber()
    yield made
    made.close()


@pytest.fixture
def notifying(agent: Agent) -> Agent:
    agent.stop()
    agent.notify = ["127.0.0.0/8"]
    agent.start()
    assert agent.ask("POST", "/v1/packages", data=package(DESCRIPTOR))[0] == 201
    assert agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw"})[0] == 201
    return agent


def subscribe(agent: Agent, subscriber: Subscriber, **more: Any) -> dict[str, Any]:
    status, told = agent.ask("POST", SUBSCRIPTIONS, {"callbackUri": subscriber.uri, **more})
    assert status == 201, told
    assert agent.headers["Location"] == f"{agent.url}{SUBSCRIPTIONS}/{told['id']}" == told["_links"]["self"]["href"]
    return told  # type: ignore[no-any-return]


def deliveries(agent: Agent) -> dict[str, Any]:
    return {each["id"]: each for each in agent.ask("GET", "/v1/subscriptions")[1]["subscriptions"]}


def based(agent: Agent) -> bool:
    """Whether the agent has looked at the indicators for its subscribers once."""
    import sqlite3

    with sqlite3.connect(f"file:{agent.state / 'agent.db'}?mode=ro", uri=True) as db:
        return bool(db.execute("SELECT count(*) FROM indicators").fetchone()[0])


def test_subscriptions(notifying: Agent, subscriber: Subscriber) -> None:
    agent = notifying
    authentication = {"authType": ["BASIC"], "paramsBasic": {"userName": "me", "password": "s3cret"}}
    filter = {"indicatorIds": ["received"], "vnfInstanceSubscriptionFilter": {"vnfInstanceNames": ["fw"]}}
    made = subscribe(agent, subscriber, filter=filter, authentication=authentication)
    assert made["filter"] == filter and "s3cret" not in json.dumps(made) and subscriber.tests == 1
    assert subscriber.headers == ["Basic " + base64.b64encode(b"me:s3cret").decode()]
    path = f"{SUBSCRIPTIONS}/{made['id']}"
    assert agent.ask("GET", path) == (200, made)
    tag = agent.headers["ETag"]
    assert agent.ask("GET", f"{SUBSCRIPTIONS}?filter=(eq,callbackUri,'{subscriber.uri}')") == (200, [made])
    assert agent.ask("GET", f"{SUBSCRIPTIONS}?filter=(eq,filter/indicatorIds,x)") == (200, [])
    assert agent.ask("DELETE", path, If_Match="x")[0] == 412
    assert agent.ask("DELETE", path, If_Match=tag)[0] == 204
    assert agent.ask("DELETE", path)[0] == agent.ask("GET", path)[0] == 404
    subscriber.status = 404
    status, told = agent.ask("POST", SUBSCRIPTIONS, {"callbackUri": subscriber.uri})
    assert status == 422 and "it answers 404" in told["detail"]
    subscriber.status = 302
    assert agent.ask("POST", SUBSCRIPTIONS, {"callbackUri": subscriber.uri})[0] == 422, "redirects are not followed"
    for uri in ("ftp://h/x", "x", "http://user@127.0.0.1/", "http://169.254.1.1/", "http://[::1]/", "http:///x"):
        status, told = agent.ask("POST", SUBSCRIPTIONS, {"callbackUri": uri})
        assert status == 422 and told["errors"][0]["field"] == "callbackUri", uri
    assert agent.ask("GET", SUBSCRIPTIONS) == (200, [])


def test_loopback_is_not_notified_unless_it_may_be(agent: Agent, subscriber: Subscriber) -> None:
    status, told = agent.ask("POST", SUBSCRIPTIONS, {"callbackUri": subscriber.uri})
    assert status == 422 and "notification_targets" in told["errors"][0]["remedy"] and subscriber.tests == 0


def test_changes_are_told(notifying: Agent, subscriber: Subscriber, other: Subscriber) -> None:
    agent = notifying
    every = subscribe(agent, subscriber)
    some = subscribe(agent, other, filter={"notificationTypes": [SUPPORTED]})
    subscribe(agent, other, filter={"vnfInstanceSubscriptionFilter": {"vnfInstanceNames": ["none"]}})
    wait_for(lambda: based(agent))
    assert agent.operate("fw", "instantiate", {"ports": PORTS, "start": True})["state"] == "COMPLETED"
    wait_for(lambda: subscriber.got and other.got)
    told, same = subscriber.got[0], other.got[0]
    assert told["notificationType"] == SUPPORTED and told["subscriptionId"] == every["id"]
    assert same["id"] == told["id"] and same["subscriptionId"] == some["id"], "the same is told to both"
    assert {"vnfIndicatorId": "received", "name": "received"} in told["supportedIndicators"]
    assert told["_links"]["subscription"] == every["_links"]["self"]
    assert agent.operate("fw", "terminate")["state"] == "COMPLETED"
    wait_for(lambda: len(subscriber.got) == 2 and len(other.got) == 2)
    assert subscriber.got[1]["supportedIndicators"] == []


def test_a_dead_subscriber_delays_nobody_and_loses_nothing(
    notifying: Agent, subscriber: Subscriber, other: Subscriber
) -> None:
    agent = notifying
    dead, alive = subscribe(agent, subscriber), subscribe(agent, other)
    wait_for(lambda: based(agent))
    subscriber.status = 500
    assert agent.operate("fw", "instantiate", {"ports": PORTS, "start": True})["state"] == "COMPLETED"
    wait_for(lambda: other.kinds() == [(SUPPORTED, None)])

    def told_and_written_down() -> dict[str, Any] | None:
        """A notification is written off after the subscriber's answer, which comes after it got it."""
        now = deliveries(agent)
        return now if now[dead["id"]]["failing_since"] and not now[alive["id"]]["waiting"] else None

    told = wait_for(told_and_written_down)
    assert told[dead["id"]]["waiting"] == 1 and told[dead["id"]]["error"] == "it answers 500"
    assert (told[alive["id"]]["waiting"], told[alive["id"]]["error"], told[alive["id"]]["lost"]) == (0, None, 0)
    assert agent.operate("fw", "terminate")["state"] == "COMPLETED"
    wait_for(lambda: deliveries(agent)[dead["id"]]["waiting"] == 2)
    wait_for(lambda: deliveries(agent)[alive["id"]]["waiting"] == 0)  # what is not written down is told again
    agent.kill()
    subscriber.status = 204
    agent.start()
    wait_for(lambda: len(subscriber.got) == 2)
    assert [each["id"] for each in subscriber.got] == [each["id"] for each in other.got], "the same ones, in order"
    wait_for(lambda: deliveries(agent)[dead["id"]]["waiting"] == 0)
    assert len(other.got) == 2


def test_how_subscribers_want_to_be_told(subscriber: Subscriber) -> None:
    targets = Targets((ipaddress.ip_network("127.0.0.1"),))
    given = {"clientId": "c", "clientPassword": "p", "tokenEndpoint": subscriber.uri.replace("/told?who=me", "/token")}
    told = Notified(targets, subscriber.uri,
                    {"authType": ["OAUTH2_CLIENT_CREDENTIALS"], "paramsOauth2ClientCredentials": given})  # fmt: skip
    told.tell("POST", {"n": 1})
    told.tell("POST", {"n": 2})
    assert subscriber.got == [{"n": 1}, {"n": 2}] and subscriber.headers == ["Bearer t1"] * 2 and subscriber.tokens == 1
    subscriber.status = 401
    with pytest.raises(Undelivered, match="401"):
        told.tell("POST", {})
    subscriber.status = 204
    told.tell("POST", {})
    assert subscriber.headers[-1] == "Bearer t2", "another token"
    with pytest.raises(Refused):
        Targets((ipaddress.ip_network("192.0.2.0/24"),)).check(subscriber.uri, "x")


@pytest.mark.parametrize("begun", [b"HTTP/1.1 204 No Content\r\nA: ", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_cut_short(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from coven.agent.notifying import targets as module

    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    cut = threading.Event()

    def dribble() -> None:
        taken = listener.accept()[0]
        with taken:
            taken.sendall(begun)
            with contextlib.suppress(OSError):
                for _ in range(40):
                    taken.sendall(b"a")
                    time.sleep(0.05)
                taken.sendall(b"\r\n\r\n")
                return
            cut.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=dribble)
        thread.start()
        targets = Targets((ipaddress.ip_network("127.0.0.1"),))
        with pytest.raises(Undelivered, match="too slow"):
            targets.send("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", {})
        thread.join()
    assert cut.is_set()


def test_what_is_no_uri_and_what_is_no_token_are_told() -> None:
    for uri in ("http://[::1", "http://me:s3cret@192.0.2.1/"):
        with pytest.raises(Refused) as refused:
            Targets().check(uri, "callbackUri")
        assert "no http or https URI" in str(refused.value) and "s3cret" not in str(refused.value)
    with pytest.raises(Undelivered):
        Targets().send("POST", "http://[::1")

    class Deep(Targets):
        def send(self, *rest: Any, **more: Any) -> Any:
            return SimpleNamespace(content=b"[" * 60000, status_code=200)

    given = {"authType": ["OAUTH2_CLIENT_CREDENTIALS"], "paramsOauth2ClientCredentials": {"tokenEndpoint": "http://x/"}}
    with pytest.raises(Refused, match="no token"):
        Notified(Deep(), "http://192.0.2.1/", given).test()


def test_an_address_that_maps_to_loopback_is_loopback() -> None:
    named = "127.1.2.3 localhost [::1] [::ffff:127.0.0.1] 0.0.0.0 169.254.0.1 [fe80::1] 224.0.0.1"
    for host in named.split():
        with pytest.raises(Refused):
            Targets().check(f"http://{host}/", "callbackUri")
    Targets().check("http://192.0.2.1/", "callbackUri")
    Targets().check("http://10.0.0.1:8080/x", "callbackUri")


def test_a_full_outbox_loses_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coven.agent.notifying import outbox as module
    from coven.agent.store import Store

    monkeypatch.setattr(module, "MOST_WAITING", 3)
    outbox = module.Outbox(Store(tmp_path / "agent.db"))
    row = outbox.subscribe("vnfind", "http://x/", {}, {}, "http://y")
    outbox.post((row, {"n": number}) for number in range(5))
    assert outbox.waiting() == {row["id"]: 3} and outbox.subscription("vnfind", row["id"])["lost"] == 2
    first = outbox.first(row["id"])
    assert first is not None and first["notification"] == {"n": 2}
    outbox.unsubscribe("vnfind", row["id"], lambda row: None)
    assert outbox.waiting() == {} and outbox.first(row["id"]) is None
