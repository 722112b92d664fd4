"""What is sent to agents, where it may go, and what answers and failures mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from requests import exceptions
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from opscore.errors import DependencyFailed
from opscore.lifecycle.attempts import fresh
from opscore.models.agent import Agent
from opscore.models.limits import MAX_CAPABILITIES, Endpoint
from opscore.models.messages import TaskMessage
from opscore.models.task import Attempt
from opscore.ports import Delivered
from opscore.transports import agentkit, direct
from opscore.transports.body import run_request, task_reference
from opscore.transports.direct import DirectTransport, guarded_session, is_allowed
from opscore.transports.exchange import failure

POOL = HTTPConnectionPool("agent.example")
NOW = datetime(2026, 11, 22, 11, 26, 57, 766911, UTC)


def an_attempt(**more: Any) -> Attempt:
    message = TaskMessage.model_validate(
        {
            "token": "the-secret-token", "session_id": "s1", "workflow_id": "w",
            "task_id": "classify", "name": "Classify it", "parameters": {"text": "ä"},
            "timeout": 600, "wait_timeout": 60,
        }
        | more
    )  # fmt: skip
    return fresh(message, None, 0, 0).replace(fence=2, agent_id="a")


def an_agent(endpoint: str) -> Agent:
    return Agent(
        agent_id="a", agent_name="a", version="1", contact_endpoint=endpoint, registered_at=1
    )


def test_the_request_has_exactly_the_fields_that_agentkit_keeps() -> None:
    attempt = an_attempt()
    reference = f"{attempt.attempt_id}.2"

    assert run_request(attempt, NOW) == {
        "senderId": "opscore_system_id",
        "messageType": "workflow_task",
        "payload": {
            "task_name": "Classify it",
            "task_parameters": {"text": "ä"},
            "opscore_task_id": reference,
            "opscore_session_id": "s1",
            "task_definition_id": "classify",
            "timeout_seconds": 600.0,
            "heartbeat_seconds": None,
        },
        "timestamp": "2026-11-22T11:26:57.766911+00:00",
        "sessionContext": {"sessionId": "s1"},
        "task_name": "Classify it",
        "opscore_session_id": "s1",
        "opscore_task_id": reference,
    }


def test_no_agent_is_sent_a_token() -> None:
    assert "secret" not in json.dumps(run_request(an_attempt()))


def test_a_task_is_handed_over_under_another_name_each_time() -> None:
    attempt = an_attempt()

    assert task_reference(attempt) != task_reference(attempt.replace(fence=3))


# ---- answers


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Delivered.ACCEPTED), (202, Delivered.ACCEPTED), (299, Delivered.ACCEPTED),
        (301, Delivered.REFUSED), (400, Delivered.REFUSED), (422, Delivered.REFUSED),
        (404, Delivered.GONE), (410, Delivered.GONE),
        (408, Delivered.UNANSWERED), (504, Delivered.UNANSWERED),
        (401, Delivered.NOT_SENT), (403, Delivered.NOT_SENT), (429, Delivered.NOT_SENT),
        (500, Delivered.NOT_SENT), (502, Delivered.NOT_SENT), (503, Delivered.NOT_SENT),
    ],
)  # fmt: skip
def test_what_an_answer_of_agentkit_means(status: int, meaning: Delivered) -> None:
    assert agentkit.delivered(status) is meaning


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (200, Delivered.ACCEPTED), (204, Delivered.ACCEPTED),
        (301, Delivered.REFUSED), (400, Delivered.REFUSED), (401, Delivered.REFUSED),
        (404, Delivered.REFUSED), (422, Delivered.REFUSED), (500, Delivered.REFUSED),
        (408, Delivered.UNANSWERED), (504, Delivered.UNANSWERED),
        (429, Delivered.NOT_SENT), (502, Delivered.NOT_SENT), (503, Delivered.NOT_SENT),
    ],
)  # fmt: skip
def test_what_an_answer_of_an_agent_means(status: int, meaning: Delivered) -> None:
    assert direct.delivered(status) is meaning


CONNECTION = HTTPConnection("agent.example")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (exceptions.ConnectTimeout(), Delivered.NOT_SENT),
        (exceptions.SSLError(), Delivered.NOT_SENT),
        (exceptions.ProxyError(), Delivered.NOT_SENT),
        (
            exceptions.ConnectionError(
                MaxRetryError(POOL, "/", NewConnectionError(CONNECTION, "refused"))
            ),
            Delivered.NOT_SENT,
        ),
        (
            exceptions.ConnectionError(
                MaxRetryError(POOL, "/", NameResolutionError("x", CONNECTION, OSError()))  # type: ignore[arg-type]  # a gaierror is an OSError
            ),
            Delivered.NOT_SENT,
        ),
        (
            exceptions.ConnectionError(MaxRetryError(POOL, "/", ConnectTimeoutError())),
            Delivered.NOT_SENT,
        ),
        (exceptions.ConnectionError(NewConnectionError(CONNECTION, "no")), Delivered.NOT_SENT),
        (exceptions.InvalidURL(), Delivered.GONE),
        (exceptions.MissingSchema(), Delivered.GONE),
        (exceptions.InvalidSchema(), Delivered.GONE),
        (exceptions.ReadTimeout(), Delivered.UNANSWERED),
        (exceptions.Timeout(), Delivered.UNANSWERED),
        (exceptions.ConnectionError(), Delivered.UNANSWERED),
        (
            exceptions.ConnectionError(
                ProtocolError("Connection aborted.", ConnectionResetError())
            ),
            Delivered.UNANSWERED,
        ),
        (
            exceptions.ConnectionError(ReadTimeoutError(POOL, "/", "timed out")),
            Delivered.UNANSWERED,
        ),
        (exceptions.ChunkedEncodingError(), Delivered.UNANSWERED),
        (exceptions.ContentDecodingError(), Delivered.UNANSWERED),
        (exceptions.TooManyRedirects(), Delivered.UNANSWERED),
        (requests.RequestException(), Delivered.UNANSWERED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.name,
)
def test_only_what_never_left_counts_as_not_sent(
    error: requests.RequestException, meaning: Delivered
) -> None:
    assert failure(error) is meaning


# ---- addresses


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "52.95.110.1", "2001:4860:4860::8888", "2600:1f18::1"]
)
def test_tasks_are_posted_to_public_addresses(address: str) -> None:
    assert is_allowed(address, allow_loopback=False)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1", "10.255.255.255", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "169.254.170.2", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1",
        "::", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "ff02::1",
        "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::10.0.0.1",
        "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "2002:a00:1::", "2001:0:a00:1::",
        "::ffff:0:10.0.0.1", "64:ff9b:1::10.0.0.1", "64:ff9b:1:a9fe:a9fe::", "fec0::1",
        "100::1", "5f00::1", "3fff::1", "4000::1", "2001:db8::1", "2001:20::1",
        "2001:4860:4860:0:0:5efe:a00:1", "2001:4860:4860:0:200:5efe:a9fe:a9fe",
        "192.0.0.8", "192.0.0.192", "192.88.99.1", "198.18.0.1", "203.0.113.1", "100.100.100.200",
    ],
)  # fmt: skip
@pytest.mark.parametrize("allow_loopback", [False, True])
def test_tasks_are_never_posted_to_the_inside(address: str, *, allow_loopback: bool) -> None:
    assert not is_allowed(address, allow_loopback=allow_loopback)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_tasks_are_posted_to_this_machine_only_where_that_is_allowed(address: str) -> None:
    assert is_allowed(address, allow_loopback=True)
    assert not is_allowed(address, allow_loopback=False)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:9/run",
        "http://localhost:9/run",
        "http://2130706433/run",
        "http://0x7f.1/run",
        "http://[::1]:9/run",
        "http://[::ffff:127.0.0.1]/run",
        "http://169.254.169.254/latest/meta-data/",
        "http://user:pass@10.0.0.1/run",
        "https://127.0.0.1/run",
    ],
)
def test_an_endpoint_on_the_inside_is_never_connected_to(endpoint: str) -> None:
    transport = DirectTransport(guarded_session(allow_loopback=False))

    assert transport.deliver(an_agent(endpoint), an_attempt(), 1) is Delivered.NOT_SENT


ENDPOINTS = TypeAdapter(Endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://a..b/run",
        "http://[::1/run",
        "http://[zz]/run",
        "http://a:port/run",
        "http://a:99999/run",
        "http://:80/run",
        "http://@/run",
        "http://" + "a" * 300 + "/run",
        "http://é..é/run",
        "http://\x00/run",
    ],
    ids=range(10),
)
def test_an_endpoint_that_is_no_address_is_never_a_failure_of_ours(endpoint: str) -> None:
    transport = DirectTransport(guarded_session(allow_loopback=False))

    answer = transport.deliver(an_agent(endpoint), an_attempt(), 1)

    assert answer in (Delivered.GONE, Delivered.NOT_SENT)


@given(st.text(st.characters(exclude_categories=["Cs", "Zs"]), min_size=1, max_size=20))
def test_any_registered_endpoint_can_be_tried(host: str) -> None:
    endpoint = f"http://127.0.0.1:1/{host}"
    transport = DirectTransport(guarded_session(allow_loopback=False))

    answer = transport.deliver(an_agent(endpoint), an_attempt(), 1)

    assert answer in (Delivered.GONE, Delivered.NOT_SENT)


# ---- AgentKit's list


class Listing(requests.Session):
    """A session whose every answer is this one."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._answer = requests.Response()
        self._answer.status_code = status
        self._answer._content = body

    def get(self, url: str | bytes, **_: Any) -> requests.Response:
        assert url == "http://agentkit.example/v1/agents"
        return self._answer


def listed(body: Any, status: int = 200) -> list[str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    gateway = agentkit.AgentKitTransport(Listing(status, raw), "http://agentkit.example/v1/")
    return [agent.agent_id for agent in gateway.agents()]


ENTRY = {"agentId": "a", "agentName": "A", "version": "1", "contactEndpoint": "http://a.example"}


@pytest.mark.parametrize(
    "body", [[ENTRY], {"agents": [ENTRY]}, {"items": [ENTRY]}, {"data": [ENTRY]}]
)
def test_a_list_of_agents_is_read_however_it_is_wrapped(body: Any) -> None:
    assert listed(body) == ["a"]


@pytest.mark.parametrize("status", [404, 405])
def test_an_agentkit_without_a_list_has_none_to_offer(status: int) -> None:
    assert listed({"detail": "Not Found"}, status) == []


@pytest.mark.parametrize(
    ("body", "status"), [(b"<html>", 200), (b"\xff", 200), ({}, 500), ({}, 401)]
)
def test_a_list_that_cannot_be_had_is_tried_again_later(body: Any, status: int) -> None:
    with pytest.raises(DependencyFailed):
        listed(body, status)


@pytest.mark.parametrize("body", [{}, None, 5, "x", {"agents": {}}, []])
def test_an_answer_without_agents_is_an_empty_list(body: Any) -> None:
    assert listed(body) == []


@pytest.mark.parametrize(
    "entry",
    [
        None,
        5,
        {},
        ENTRY | {"agentId": ""},
        ENTRY | {"agentId": "a#b"},
        ENTRY | {"agentId": "x" * 200},
        ENTRY | {"contactEndpoint": None},
        ENTRY | {"contactEndpoint": "nowhere"},
        ENTRY | {"capabilities": ["a#b"]},
        ENTRY | {"capabilities": "abc"},
        ENTRY | {"capabilities": [str(i) for i in range(MAX_CAPABILITIES + 1)]},
    ],
    ids=range(11),
)
def test_an_entry_that_could_not_be_registered_holds_up_no_other(entry: Any) -> None:
    assert listed([entry, ENTRY | {"agentId": "b", "capabilities": None}]) == ["b"]
