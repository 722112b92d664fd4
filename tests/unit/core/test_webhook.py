"""AgentKit's registrations: only signed ones, as often as they come."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pydantic import ValidationError

from functions.state_api import routes
from opscore.errors import MissingAgentId, PayloadTooLarge, Unauthenticated, UnknownEventType
from opscore.models.limits import MAX_PAYLOAD_BYTES
from opscore.services.webhook import Event, Webhook
from tests.support import events
from tests.support.fleet import Fleet

SECRET = b"a secret"
BODY = b'{"event_type": "REGISTER"}'


def webhook(fleet: Fleet, *, allow_unsigned: bool = False) -> Webhook:
    return Webhook(fleet.agents, lambda: SECRET, fleet.clock, allow_unsigned=allow_unsigned)


def sign(timestamp: str, body: bytes = BODY, secret: bytes = SECRET) -> str:
    return hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def now(fleet: Fleet, seconds: int = 0) -> str:
    return str(fleet.clock() // 1000 + seconds)


def event(event_type: str = "REGISTER", **more: Any) -> Event:
    details = {
        "agentId": "a",
        "agentName": "A",
        "version": "1",
        "capabilities": ["work"],
        "contactEndpoint": "http://a.example/run",
        "metadata": None,
        "registration_time": "ignored",
    }
    return Event.model_validate({"event_type": event_type, "agent_details": details | more})


@pytest.mark.parametrize("age", [0, -300, 300])
def test_a_good_signature_of_the_last_five_minutes_passes(fleet: Fleet, age: int) -> None:
    at = now(fleet, age)

    webhook(fleet).verify(BODY, at, sign(at))
    webhook(fleet).verify(BODY, at, sign(at).upper() + " ")


@pytest.mark.parametrize("age", [-301, 301, -1_000_000])
def test_a_stale_signature_is_refused(fleet: Fleet, age: int) -> None:
    at = now(fleet, age)

    with pytest.raises(Unauthenticated):
        webhook(fleet).verify(BODY, at, sign(at))


def test_a_signature_of_another_body_time_or_secret_is_refused(fleet: Fleet) -> None:
    at = now(fleet)
    forged = [
        sign(at, b"{}"),
        sign(now(fleet, 1)),
        sign(at, secret=b"other"),
        sign(at)[:-1],
        "",
        "é" * 64,
        "\ud800",
    ]

    for signature in forged:
        with pytest.raises(Unauthenticated):
            webhook(fleet).verify(BODY, at, signature)


@pytest.mark.parametrize(
    "timestamp", ["", "now", "-5", "1.5", " 5", "\N{ARABIC-INDIC DIGIT FIVE}", "9" * 13, "0x5"]
)
def test_a_timestamp_that_is_no_number_is_refused(fleet: Fleet, timestamp: str) -> None:
    with pytest.raises(Unauthenticated):
        webhook(fleet).verify(BODY, timestamp, sign(timestamp))


@pytest.mark.parametrize("present", ["timestamp", "signature", "neither"])
def test_an_unsigned_event_is_refused(fleet: Fleet, present: str) -> None:
    at = now(fleet)
    with pytest.raises(Unauthenticated):
        webhook(fleet).verify(
            BODY,
            at if present == "timestamp" else None,
            sign(at) if present == "signature" else None,
        )


def test_where_unsigned_events_are_allowed_a_bad_signature_is_still_refused(fleet: Fleet) -> None:
    open_one = webhook(fleet, allow_unsigned=True)

    open_one.verify(BODY, None, None)
    with pytest.raises(Unauthenticated):
        open_one.verify(BODY, now(fleet), "bad")
    with pytest.raises(Unauthenticated):
        open_one.verify(BODY, now(fleet), None)


@pytest.mark.parametrize("kind", ["REGISTER", "register", "Register"])
def test_a_registration_is_answered_in_the_originals_words(fleet: Fleet, kind: str) -> None:
    answer = webhook(fleet).take(event(kind))

    assert answer == {"status": "success", "message": "Agent a registered successfully."}
    assert fleet.agents.get("a").capabilities == ("work",)


def test_a_replayed_registration_keeps_the_agents_state(fleet: Fleet) -> None:
    webhook(fleet).take(event())
    fleet.says("a", "idle", {"load": 1})
    webhook(fleet).take(event(version="2"))

    agent = fleet.agents.get("a")
    assert (agent.state, agent.details, agent.version) == ("idle", {"load": 1}, "2")


def test_a_deregistration_forgets_the_agent_and_may_come_twice(fleet: Fleet) -> None:
    webhook(fleet).take(event())
    for _ in range(2):
        assert webhook(fleet).take(event("DEREGISTER"))["status"] == "success"

    assert fleet.agents.find("a") is None


def test_another_event_is_refused_in_the_originals_words(fleet: Fleet) -> None:
    with pytest.raises(UnknownEventType, match="Unknown event type: Dance"):
        webhook(fleet).take(event("Dance"))


def test_an_empty_agent_id_is_refused_in_the_originals_words(fleet: Fleet) -> None:
    with pytest.raises(
        MissingAgentId, match=r"Missing agentId in agent_details for REGISTER event\."
    ):
        webhook(fleet).take(event(agentId=""))


@pytest.mark.parametrize(
    "change",
    [
        {"agentId": "a/b"}, {"agentId": None}, {"contactEndpoint": "nowhere"}, {"version": None},
        {"agentName": 5}, {"capabilities": "abc"}, {"capabilities": [None]}, {"metadata": []},
    ],
    ids=str,
)  # fmt: skip
def test_details_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        event(**change)


def test_metadata_is_bounded_as_every_payload_is(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "webhook", lambda: webhook(fleet, allow_unsigned=True))
    app = APIGatewayHttpResolver()
    routes.add_routes(app)
    said = event(metadata={"text": "x" * MAX_PAYLOAD_BYTES}).model_dump(mode="json", by_alias=True)
    request = events.http("POST", f"{events.API}/internal/agent/notify", said)
    context: Any = events.Context()

    with pytest.raises(PayloadTooLarge):
        app.resolve(request, context)

    assert fleet.agents.find("a") is None
