"""AgentKit's registrations: signed, taken as often as they come."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from opscore.errors import AgentNotFound, MissingAgentId, Unauthenticated, UnknownEventType
from opscore.models.base import Model
from opscore.models.limits import MAX_CAPABILITIES, Capability, Endpoint, Id, Label
from opscore.observability import bind, note
from opscore.ports import Clock
from opscore.services.agents import AgentService, Registration

MAX_AGE_SECONDS = 300
"""How old a signature may be; within that time a replay is the same idempotent registration."""


class AgentDetails(Model):
    """An agent as AgentKit describes it."""

    agent_id: Id | Literal[""]
    agent_name: Label
    version: Label
    capabilities: Annotated[tuple[Capability, ...], Field(max_length=MAX_CAPABILITIES)] = ()
    contact_endpoint: Endpoint
    metadata: dict[str, JsonValue] | None = None


class Event(Model):
    """The webhook's body."""

    event_type: Annotated[str, Field(alias="event_type")]
    agent_details: Annotated[AgentDetails, Field(alias="agent_details")]


class Webhook:
    """Verifies and carries out AgentKit's events."""

    def __init__(
        self,
        agents: AgentService,
        secret: Callable[[], bytes],
        clock: Clock,
        *,
        allow_unsigned: bool,
    ) -> None:
        self._agents = agents
        self._secret = secret
        self._clock = clock
        self._allow_unsigned = allow_unsigned

    def verify(self, raw_body: bytes, timestamp: str | None, signature: str | None) -> None:
        """Check `hex(HMAC-SHA256(secret, timestamp + "." + body))` and the timestamp's age
        (seconds since the epoch).

        An unsigned event passes only where the deployment allows it. Raises Unauthenticated.
        """
        if self._allow_unsigned and timestamp is None and signature is None:
            return
        if timestamp is None or signature is None:
            raise Unauthenticated(
                "Missing signature: send X-AgentKit-Timestamp and X-AgentKit-Signature"
            )
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            raise Unauthenticated("X-AgentKit-Timestamp must be whole seconds since the epoch")
        expected = hmac.new(
            self._secret(), timestamp.encode() + b"." + raw_body, hashlib.sha256
        ).hexdigest()
        given = signature.strip().lower().encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(expected.encode(), given):
            raise Unauthenticated("The signature does not fit the body and timestamp")
        if abs(self._clock() / 1000 - int(timestamp)) > MAX_AGE_SECONDS:
            raise Unauthenticated(f"The signature is older than {MAX_AGE_SECONDS} s")

    def take(self, event: Event) -> dict[str, Any]:
        """Register or deregister the agent; the answers are the original's.

        Raises UnknownEventType, MissingAgentId, Contended.
        """
        details = event.agent_details
        kind = event.event_type.upper()
        if kind not in ("REGISTER", "DEREGISTER"):
            raise UnknownEventType(f"Unknown event type: {event.event_type}")
        if not details.agent_id:
            raise MissingAgentId(f"Missing agentId in agent_details for {kind} event.")
        bind(agent_id=details.agent_id)
        if kind == "DEREGISTER":
            try:
                self._agents.deregister(details.agent_id)
            except AgentNotFound:
                note("deregistered an agent that nobody knows")
            return _success(f"Agent {details.agent_id} deregistered successfully.")
        self._agents.register(
            Registration(
                agent_id=details.agent_id,
                agent_name=details.agent_name,
                version=details.version,
                capabilities=details.capabilities,
                contact_endpoint=details.contact_endpoint,
                metadata=details.metadata or {},
            )
        )
        return _success(f"Agent {details.agent_id} registered successfully.")


def _success(message: str) -> dict[str, Any]:
    return {"status": "success", "message": message}
