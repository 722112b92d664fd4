from __future__ import annotations

from typing import Any

from functions.state_api.bodies import AgentBody, AgentQuery, StateBody
from functions.state_api.quarantine_routes import add_quarantine_routes
from opscore.bootstrap import now_ms, services, webhook
from opscore.errors import AgentIdMismatch, AgentStateNotFound
from opscore.http import views
from opscore.http.app import Resolver
from opscore.http.requests import (
    Paging,
    body,
    bounded,
    parse_json,
    parsed,
    path_id,
    query,
    raw_body,
)
from opscore.http.responses import answer
from opscore.models.agent import Agent
from opscore.observability import bind
from opscore.services.agents import Registration
from opscore.services.webhook import Event


def add_routes(app: Resolver) -> None:
    """State, agents, quarantines, webhook, health."""
    add_quarantine_routes(app)

    @app.get("/health")
    def health() -> Any:
        return answer(200, {"status": "ok"})

    @app.post("/v1/opscore/internal/agent/notify")
    def notify() -> Any:
        event = app.current_event
        raw, headers = raw_body(event), event.headers
        webhook().verify(
            raw, headers.get("x-agentkit-timestamp"), headers.get("x-agentkit-signature")
        )
        said = parsed(Event, parse_json(raw))
        bounded(said.agent_details.metadata, "metadata")
        return answer(200, webhook().take(said))

    @app.post("/v1/opscore/agent/<agent_id>/state")
    def report(**_: str) -> Any:
        agent_id = _agent_id()
        said = body(StateBody, app.current_event)
        if said.agent_id != agent_id:
            raise AgentIdMismatch("Agent ID in path does not match agent ID in payload")
        bounded(said.details, "details")
        services().reports.take(agent_id, said.report(now_ms()))
        return answer(202, {"status": "success", "message": "State update accepted"})

    @app.get("/v1/opscore/agent/<agent_id>/state")
    def state(**_: str) -> Any:
        agent_id = _agent_id()
        agent = services().agents.find(agent_id)
        if agent is None:
            raise AgentStateNotFound(agent_id)
        return answer(200, views.agent_state(agent))

    @app.get("/v1/opscore/agent/<agent_id>/state/history")
    def history(**_: str) -> Any:
        page = query(Paging, app.current_event)
        found = services().agents.history(_agent_id(), limit=page.limit, cursor=page.cursor)
        return answer(200, views.listing(found, views.history_entry))

    @app.put("/v1/opscore/agent/<agent_id>")
    def register(**_: str) -> Any:
        agent_id = _agent_id()
        details = body(AgentBody, app.current_event)
        agent = services().agents.register(
            Registration(
                agent_id=agent_id,
                agent_name=details.agent_name or agent_id,
                version=details.version,
                capabilities=details.capabilities,
                contact_endpoint=details.contact_endpoint,
                metadata=bounded(details.metadata, "metadata"),
                max_concurrency=details.max_concurrency,
                transport=details.transport,
            )
        )
        return answer(200, _shown(agent))

    @app.get("/v1/opscore/agent/<agent_id>")
    def read(**_: str) -> Any:
        return answer(200, _shown(services().agents.get(_agent_id())))

    @app.delete("/v1/opscore/agent/<agent_id>")
    def deregister(**_: str) -> Any:
        agent_id = _agent_id()
        services().agents.deregister(agent_id)
        return answer(200, {"status": "success", "message": f"Agent {agent_id} deregistered."})

    @app.get("/v1/opscore/agents")
    def agents() -> Any:
        wanted = query(AgentQuery, app.current_event)
        found = services().agents.listed(
            state=wanted.state,
            capability=wanted.capability,
            condition=wanted.condition,
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
        return answer(200, views.listing(found, _shown))

    def _shown(agent: Agent) -> dict[str, Any]:
        return views.agent(agent, services().agents.conditions(agent))

    def _agent_id() -> str:
        agent_id = path_id(app.current_event, "agentId")
        bind(agent_id=agent_id)
        return agent_id
