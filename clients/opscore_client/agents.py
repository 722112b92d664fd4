from collections.abc import Sequence
from typing import Any, cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import Agent, AgentState, HistoryEntry, JsonObject


class Agents:
    """Agents: who there is, what they can do and what they last said."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def find(
        self,
        *,
        state: str | None = None,
        capability: str | None = None,
        condition: str | None = None,
    ) -> Listing[Agent]:
        """All agents, or those in a state, with a capability or in a condition (`stale`, …)."""
        filters = {"state": state, "capability": capability, "condition": condition}
        return Listing(self._http, route("agents"), filters)

    def get(self, agent_id: str) -> Agent:
        """One agent with its state and the attempts it holds."""
        return cast("Agent", self._http.call("GET", route("agent", agent_id)))

    def register(
        self,
        agent_id: str,
        *,
        capabilities: Sequence[str],
        contact_endpoint: str,
        **details: Any,
    ) -> Agent:
        """Create or update an agent; `details` are the API's further fields, as it spells them."""
        body = {"capabilities": [*capabilities], "contactEndpoint": contact_endpoint, **details}
        return cast("Agent", self._http.call("PUT", route("agent", agent_id), json=body))

    def deregister(self, agent_id: str) -> JsonObject:
        """Take an agent out of the fleet."""
        return self._http.call("DELETE", route("agent", agent_id))

    def quarantine(self, agent_id: str, *, reason: str) -> Agent:
        """Keep an agent from work; its open tasks fail and may be retried elsewhere."""
        path = route("agent", agent_id, "quarantine")
        answer = self._http.call("POST", path, json={"reason": reason}, idempotent=True)
        return cast("Agent", answer)

    def release(self, agent_id: str) -> Agent:
        """Let an agent work again."""
        return cast("Agent", self._http.call("POST", route("agent", agent_id, "release")))

    def state(self, agent_id: str) -> AgentState:
        """The displayed state only, for one `GetItem` on the server."""
        return cast("AgentState", self._http.call("GET", route("agent", agent_id, "state")))

    def report(
        self,
        agent_id: str,
        state: str,
        *,
        timestamp: str,
        details: JsonObject | None = None,
    ) -> JsonObject:
        """Say an agent's state; idempotent, because the newest `timestamp` wins."""
        body = {"agentId": agent_id, "timestamp": timestamp, "state": state, "details": details}
        path = route("agent", agent_id, "state")
        return self._http.call("POST", path, json=body, idempotent=True)

    def history(self, agent_id: str) -> Listing[HistoryEntry]:
        """What an agent has said, newest first."""
        return Listing(self._http, route("agent", agent_id, "state", "history"), {})
