"""The forwarding server passes requests and replies through as they are."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from infra.local.forwarder import Forwarder
from tests.e2e.recorder import Recorder, serving

BODY = b'\x00{"odd": "\xff"}\r\n'


@pytest.fixture
def upstream() -> Iterator[Recorder]:
    with serving(Recorder(status=418)) as recorder:
        yield recorder


@pytest.fixture
def connection(upstream: Recorder) -> Iterator[http.client.HTTPConnection]:
    with serving(Forwarder(0, f"{upstream.url}/_aws/execute-api/abc/$default")) as forwarder:
        connection = http.client.HTTPConnection("127.0.0.1", forwarder.server_port, timeout=5)
        yield connection
        connection.close()


def test_request_arrives_as_it_was_sent(
    connection: http.client.HTTPConnection, upstream: Recorder
) -> None:
    connection.request("PATCH", "/v1/a%2Fb?x=1&x=%20", BODY, {"X-Own": "own", "Authorization": "k"})
    answer = connection.getresponse()
    got = upstream.first()

    assert (answer.status, json.loads(answer.read())) == (418, {"status": "recorded"})
    assert (got.method, got.body) == ("PATCH", BODY)
    assert got.path == "/_aws/execute-api/abc/$default/v1/a%2Fb?x=1&x=%20"
    assert (got.headers["x-own"], got.headers["authorization"]) == ("own", "k")


def test_connection_is_kept_open(connection: http.client.HTTPConnection) -> None:
    sockets = set()
    for method in ("GET", "POST", "HEAD", "DELETE"):
        connection.request(method, "/")
        connection.getresponse().read()
        sockets.add(id(connection.sock))

    assert len(sockets) == 1


def test_body_without_a_length_is_refused(
    connection: http.client.HTTPConnection, upstream: Recorder
) -> None:
    connection.request("POST", "/", iter([b"a"]), encode_chunked=True)
    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())["code"]) == (411, "length_required")
    assert upstream.received == []


def test_stack_that_is_down_is_a_json_error() -> None:
    with serving(Recorder()) as gone:
        url = gone.url
    with serving(Forwarder(0, url)) as forwarder:
        connection = http.client.HTTPConnection("127.0.0.1", forwarder.server_port, timeout=5)
        connection.request("GET", "/health")
        answer = connection.getresponse()
        error = json.loads(answer.read())
        connection.close()

    assert (answer.status, error["code"]) == (502, "stack_down")
