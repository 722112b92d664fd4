"""Tasks through AgentKit, which forwards them to its agents; and its list of agents."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

import requests
from pydantic import Field, ValidationError

from opscore.errors import DependencyFailed
from opscore.models.agent import Agent
from opscore.models.base import Model
from opscore.models.limits import MAX_CAPABILITIES, Capability, Endpoint, Id, Label
from opscore.models.task import Attempt
from opscore.observability import warn
from opscore.ports import Delivered, ListedAgent
from opscore.transports.body import run_request
from opscore.transports.exchange import post

LIST_TIMEOUT_SECONDS = 10


class AgentKitTransport:
    """`POST {AgentKit}/agents/{id}/run`; its 202 says that it will try, not that it has."""

    shared = True
    """One gateway serves all agents: when it is down, trying the next agent is of no use."""

    def __init__(self, session: requests.Session, base_url: str) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")

    def deliver(self, agent: Agent, attempt: Attempt, timeout_seconds: float) -> Delivered:
        url = f"{self._base_url}/agents/{quote(agent.agent_id, safe='')}/run"
        answer = post(self._session, url, run_request(attempt), timeout_seconds)
        return answer if isinstance(answer, Delivered) else delivered(answer)

    def agents(self) -> Sequence[ListedAgent]:
        """The agents that AgentKit lists; an AgentKit without a list (404) has none to offer."""
        try:
            answer = self._session.get(f"{self._base_url}/agents", timeout=LIST_TIMEOUT_SECONDS)
            if answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                return ()
            answer.raise_for_status()
            body = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise DependencyFailed("AgentKit did not list its agents; try again") from error
        entries = body if isinstance(body, list) else _listed(body)
        return tuple(agent for agent in map(_agent, entries) if agent is not None)


def delivered(status: int) -> Delivered:
    """What AgentKit's status means: it answers before it forwards."""
    if 200 <= status < 300:
        return Delivered.ACCEPTED
    match status:
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return Delivered.GONE
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.GATEWAY_TIMEOUT:
            return Delivered.UNANSWERED
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN | HTTPStatus.TOO_MANY_REQUESTS:
            return Delivered.NOT_SENT
        case _ if status >= 500:
            return Delivered.NOT_SENT
        case _:
            return Delivered.REFUSED


def _listed(body: Any) -> list[Any]:
    if isinstance(body, dict):
        for name in ("agents", "items", "data"):
            if isinstance(body.get(name), list):
                return list(body[name])
    return []


class _Entry(Model):
    """An agent of the list, held to what a registration is held to."""

    agent_id: Id
    agent_name: Label | None = None
    version: Label | None = None
    capabilities: Annotated[tuple[Capability, ...], Field(max_length=MAX_CAPABILITIES)] | None = (
        None
    )
    contact_endpoint: Endpoint


def _agent(entry: Any) -> ListedAgent | None:
    try:
        found = _Entry.model_validate(entry)
    except ValidationError as error:
        warn("listed agent left out", faults=[list(fault["loc"]) for fault in error.errors()])
        return None
    return ListedAgent(
        agent_id=found.agent_id,
        agent_name=found.agent_name or found.agent_id,
        version=found.version or "",
        capabilities=tuple(dict.fromkeys(found.capabilities or ())),
        contact_endpoint=found.contact_endpoint,
    )
