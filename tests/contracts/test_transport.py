"""Handing a task to an agent: over the fake, AgentKit's API and agents' own endpoints."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from opscore.lifecycle.attempts import fresh
from opscore.models.agent import Agent
from opscore.models.messages import TaskMessage
from opscore.models.task import Attempt
from opscore.ports import Delivered, Transport
from opscore.transports.agentkit import AgentKitTransport
from opscore.transports.direct import DirectTransport, guarded_session
from tests.support.memory import MemoryTransport

TIMEOUT = 0.4


class Server(ThreadingHTTPServer):
    """Answers every POST as told, and remembers what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer: int | str = 202
        self.location: str | None = None
        self.came: list[tuple[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.came.append((self.path, json.loads(self.rfile.read(length))))
        match self.server.answer:
            case "silence":
                time.sleep(TIMEOUT * 3)
            case "hang up":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case int(status):
                self.send_response(status)
                if self.server.location is not None:
                    self.send_header("Location", self.server.location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def an_agent(endpoint: str = "http://a.example/run", agent_id: str = "a") -> Agent:
    return Agent(
        agent_id=agent_id, agent_name="a", version="1", contact_endpoint=endpoint, registered_at=1
    )


def an_attempt() -> Attempt:
    message = TaskMessage(
        token="the-secret-token", session_id="s", workflow_id="w", task_id="k", name="ä",
        parameters={"text": "日本"}, timeout=60, wait_timeout=60,
    )  # fmt: skip
    return fresh(message, None, 0, 0).replace(fence=1, agent_id="a")


@dataclass
class Way:
    """A transport, an agent that behaves as told, and the references of tasks that reached it."""

    transport: Transport
    agent: Callable[[Delivered], Agent]
    reached: Callable[[], list[str]]


def in_memory() -> Way:
    transport = MemoryTransport()

    def agent(behaviour: Delivered) -> Agent:
        transport.answers["a"] = behaviour
        return an_agent()

    return Way(transport, agent, lambda: [reference for _, reference in transport.delivered])


def references(server: Server) -> list[str]:
    return [body["opscore_task_id"] for _, body in server.came]


def through_agentkit(server: Server) -> Way:
    transport = AgentKitTransport(requests.Session(), server.url + "/v1")
    answers: dict[Delivered, int | str] = {
        Delivered.ACCEPTED: 202,
        Delivered.REFUSED: 422,
        Delivered.GONE: 404,
        Delivered.UNANSWERED: "silence",
    }

    def agent(behaviour: Delivered) -> Agent:
        if behaviour is Delivered.NOT_SENT:
            transport._base_url = f"http://127.0.0.1:{closed_port()}/v1"
        else:
            server.answer = answers[behaviour]
        return an_agent()

    return Way(transport, agent, lambda: references(server))


def directly(server: Server) -> Way:
    transport = DirectTransport(guarded_session(allow_loopback=True))
    answers: dict[Delivered, int | str] = {
        Delivered.ACCEPTED: 200,
        Delivered.REFUSED: 500,
        Delivered.UNANSWERED: "silence",
    }

    def agent(behaviour: Delivered) -> Agent:
        match behaviour:
            case Delivered.NOT_SENT:
                return an_agent(f"http://127.0.0.1:{closed_port()}/run")
            case Delivered.GONE:
                return an_agent("http://127.0.0.1:99999/run")
            case _:
                server.answer = answers[behaviour]
                return an_agent(server.url + "/run")

    return Way(transport, agent, lambda: references(server))


@pytest.fixture(params=["memory", "agentkit", "direct"])
def way(request: pytest.FixtureRequest, server: Server) -> Way:
    match request.param:
        case "memory":
            return in_memory()
        case "agentkit":
            return through_agentkit(server)
        case _:
            return directly(server)


@pytest.mark.parametrize("behaviour", list(Delivered), ids=lambda behaviour: behaviour.name)
def test_what_became_of_a_hand_over_is_known(way: Way, behaviour: Delivered) -> None:
    agent = way.agent(behaviour)

    assert way.transport.deliver(agent, an_attempt(), TIMEOUT) is behaviour


@pytest.mark.parametrize("behaviour", [Delivered.ACCEPTED, Delivered.UNANSWERED])
def test_a_task_that_counts_as_delivered_has_reached_its_agent(
    way: Way, behaviour: Delivered
) -> None:
    attempt = an_attempt()

    way.transport.deliver(way.agent(behaviour), attempt, TIMEOUT)

    assert way.reached() == [f"{attempt.attempt_id}.1"]


def test_a_task_that_was_not_sent_has_reached_nobody(way: Way) -> None:
    way.transport.deliver(way.agent(Delivered.NOT_SENT), an_attempt(), TIMEOUT)

    assert way.reached() == []


# ---- over HTTP


def test_an_agent_that_hangs_up_after_the_request_may_have_the_task(server: Server) -> None:
    server.answer = "hang up"

    for way in (through_agentkit(server), directly(server)):
        agent = an_agent(server.url)
        assert way.transport.deliver(agent, an_attempt(), TIMEOUT) is Delivered.UNANSWERED
    assert len(server.came) == 2


def test_a_silent_agent_costs_no_more_than_the_time_limit(server: Server) -> None:
    server.answer = "silence"
    began = time.monotonic()

    directly(server).transport.deliver(an_agent(server.url), an_attempt(), TIMEOUT)

    assert time.monotonic() - began < TIMEOUT * 2


def test_no_redirect_is_followed(server: Server) -> None:
    with serving() as elsewhere:
        server.answer, server.location = 307, elsewhere.url + "/run"
        for way in (through_agentkit(server), directly(server)):
            agent = an_agent(server.url)
            assert way.transport.deliver(agent, an_attempt(), TIMEOUT) is Delivered.REFUSED
        assert elsewhere.came == []


def test_agentkit_is_asked_for_the_agent_by_its_id_whatever_is_in_it(server: Server) -> None:
    way = through_agentkit(server)

    for agent_id in ("loadtest-agent-0001", "a%2Fb", "ä:@!", "...", "a;b=c"):
        way.transport.deliver(an_agent(agent_id=agent_id), an_attempt(), TIMEOUT)

    assert [path for path, _ in server.came] == [
        "/v1/agents/loadtest-agent-0001/run",
        "/v1/agents/a%252Fb/run",
        "/v1/agents/%C3%A4%3A%40%21/run",
        "/v1/agents/.../run",
        "/v1/agents/a%3Bb%3Dc/run",
    ]


def test_every_way_sends_the_same_body(server: Server) -> None:
    for way in (through_agentkit(server), directly(server)):
        way.transport.deliver(an_agent(server.url), an_attempt(), TIMEOUT)

    one, other = (body for _, body in server.came)
    assert {**one, "timestamp": ""} == {**other, "timestamp": ""}
    assert one["payload"]["task_parameters"] == {"text": "日本"}
    assert "secret" not in json.dumps(one)


def test_an_agent_on_this_machine_is_reached_only_where_that_is_allowed(server: Server) -> None:
    closed = DirectTransport(guarded_session(allow_loopback=False))
    port = server.server_address[1]

    for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
        agent = an_agent(f"http://{host}:{port}/run")
        assert closed.deliver(agent, an_attempt(), TIMEOUT) is Delivered.NOT_SENT
    assert server.came == []


def test_proxies_of_the_environment_do_not_get_the_tasks(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        directly(server).transport.deliver(an_agent(server.url), an_attempt(), TIMEOUT)

        assert proxy.came == []
    assert len(server.came) == 1
