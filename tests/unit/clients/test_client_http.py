import inspect
from pathlib import Path

import pytest
import requests

from opscore_client import (
    AnswerError,
    ApiError,
    Backoff,
    ConflictError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    OpsCoreClient,
    ServerError,
    ThrottledError,
    UnreachableError,
)
from tests.unit.clients.fake_api import KEY, Answer, FakeOpsCore, Lost, an_agent, refusal

REQUESTS_ERRORS = [
    error
    for _, error in inspect.getmembers(requests.exceptions, inspect.isclass)
    if issubclass(error, requests.RequestException)
]


@pytest.mark.parametrize(
    ("base_url", "prefix"),
    [
        ("https://ops.example", ""),
        ("https://ops.example/", ""),
        ("https://ops.example/dev/api", "/dev/api"),
        ("https://ops.example/dev/api/", "/dev/api"),
    ],
)
def test_the_base_url_may_have_a_path_and_a_slash(
    api: FakeOpsCore, base_url: str, prefix: str
) -> None:
    api.prefix = prefix
    api.agents["a-1"] = an_agent("a-1")
    client = OpsCoreClient(base_url, KEY, session=api.open_session())

    assert client.agents.get("a-1")["agentName"] == "A-1"
    assert api.seen[0].path == f"{prefix}/v1/opscore/agent/a-1"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "ops.example",
        "ftp://ops.example",
        "http://",
        "https://me:secret@ops.example",
        "https://ops.example/?x=secret",
        "https://ops.example/#secret",
    ],
)
def test_what_is_no_base_url_is_refused_and_not_repeated(base_url: str) -> None:
    with pytest.raises(ValueError, match=r"the base URL must be http\(s\)") as caught:
        OpsCoreClient(base_url, KEY)
    assert "secret" not in str(caught.value)


def test_ids_of_any_characters_stay_one_segment(api: FakeOpsCore, client: OpsCoreClient) -> None:
    api.agents["a/b?c#d é"] = an_agent("a/b?c#d é")

    assert client.agents.get("a/b?c#d é")["agentId"] == "a/b?c#d é"


def test_every_request_has_its_time_limits_and_the_key(
    api: FakeOpsCore, client: OpsCoreClient
) -> None:
    list(client.agents.find())
    client.workflows.validate(b"id: x")

    assert [seen.timeout for seen in api.seen] == [(5.0, 30.0)] * 2
    assert {seen.headers["Authorization"] for seen in api.seen} == {f"Bearer {KEY}"}


def test_a_netrc_does_not_replace_the_key(
    api: FakeOpsCore, client: OpsCoreClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine ops.example login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))

    list(client.agents.find())

    assert api.seen[0].headers["Authorization"] == f"Bearer {KEY}"


def test_health_needs_no_key(api: FakeOpsCore) -> None:
    with OpsCoreClient("https://ops.example", session=api.open_session()) as client:
        assert client.health() == {"status": "ok"}
    assert "Authorization" not in api.seen[0].headers


def test_a_redirect_is_an_error_and_is_not_followed(
    api: FakeOpsCore, client: OpsCoreClient
) -> None:
    api.troubles = [Answer(302, "", {"Location": "https://elsewhere.example/"})]

    with pytest.raises(ApiError) as caught:
        client.agents.get("a-1")
    assert caught.value.status == 302
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequestError),
        (401, NotAllowedError),
        (403, NotAllowedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, InvalidRequestError),
        (418, ApiError),
        (422, InvalidRequestError),
        (429, ThrottledError),
        (500, ServerError),
        (503, ServerError),
    ],
)
def test_each_status_has_its_error_with_code_and_detail(
    api: FakeOpsCore, client: OpsCoreClient, status: int, error: type[ApiError]
) -> None:
    api.troubles = [refusal(status, "some_code", "what was wrong")] * Backoff().tries

    with pytest.raises(ApiError) as caught:
        client.agents.get("a-1")

    assert type(caught.value) is error
    assert (caught.value.status, caught.value.code) == (status, "some_code")
    assert str(caught.value) == f"what was wrong ({status} some_code)"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "Unauthorized"}, "Unauthorized (401 no_code)"),
        ("<html>proxy</html>", "Unauthorized (401 no_code)"),
        (["odd"], "Unauthorized (401 no_code)"),
        (
            {"detail": [{"loc": ["body", "state"], "msg": "Field required"}], "code": "invalid"},
            "body.state: Field required (401 invalid)",
        ),
        ({"detail": ["one", "two"], "code": "both"}, "one; two (401 both)"),
    ],
)
def test_error_bodies_of_any_shape_become_one_line(
    api: FakeOpsCore, client: OpsCoreClient, body: object, text: str
) -> None:
    api.troubles = [Answer(401, body)]

    with pytest.raises(NotAllowedError) as caught:
        client.agents.get("a-1")
    assert str(caught.value) == text


@pytest.mark.parametrize("body", ["<html>a captive portal</html>", ["a", "list"], ""])
def test_success_without_a_json_object_is_an_error(
    api: FakeOpsCore, client: OpsCoreClient, body: object
) -> None:
    api.troubles = [Answer(200, body)]

    with pytest.raises(AnswerError, match="is the URL Ops-Core's"):
        client.agents.get("a-1")


@pytest.mark.parametrize("error", REQUESTS_ERRORS)
def test_no_error_of_requests_gets_through_nor_its_text(
    api: FakeOpsCore, client: OpsCoreClient, error: type[requests.RequestException]
) -> None:
    failure = error("secret", "", 0) if error is requests.JSONDecodeError else error("secret")
    api.troubles = [failure] * Backoff().tries

    with pytest.raises(UnreachableError) as caught:
        client.agents.get("a-1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "trouble",
    [
        *(refusal(status, "later", "later") for status in (429, 502, 503, 504)),
        requests.ConnectionError("refused"),
        requests.ReadTimeout("slow"),
    ],
)
def test_idempotent_calls_are_tried_again(
    api: FakeOpsCore, client: OpsCoreClient, slept: list[float], trouble: Answer | Exception
) -> None:
    api.agents["a-1"] = an_agent("a-1")
    api.troubles = [trouble] * 3

    assert client.agents.get("a-1")["agentId"] == "a-1"
    assert [0 <= wait <= 0.25 * 2**n for n, wait in enumerate(slept)] == [True] * 3


def test_tries_end(api: FakeOpsCore, client: OpsCoreClient) -> None:
    api.troubles = [requests.ConnectionError("refused")] * 9

    with pytest.raises(UnreachableError, match=r"cannot reach https://ops\.example$"):
        client.agents.get("a-1")
    assert len(api.seen) == Backoff().tries


@pytest.mark.parametrize(("wish", "wait"), [("3", 3.0), ("3600", 10.0)])
def test_the_servers_wish_for_a_wait_is_kept_within_reason(
    api: FakeOpsCore, client: OpsCoreClient, slept: list[float], wish: str, wait: float
) -> None:
    api.troubles = [Answer(429, {"detail": "later"}, {"Retry-After": wish})]

    list(client.agents.find())

    assert slept == [wait]


def test_a_call_that_is_not_idempotent_is_tried_once(
    api: FakeOpsCore, client: OpsCoreClient, slept: list[float]
) -> None:
    api.troubles = [refusal(503, "later", "later"), requests.ConnectionError("refused"), Lost()]

    with pytest.raises(ServerError):
        client.sessions.update("s-1", metadata={})
    with pytest.raises(UnreachableError):
        client.sessions.cancel("s-1")
    with pytest.raises(UnreachableError):
        client.sessions.update("s-1", metadata={})
    assert len(api.seen) == 3
    assert slept == []
