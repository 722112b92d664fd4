"""Routes of quarantines: of one agent, and of a capability or a version."""

from __future__ import annotations

from typing import Any

from functions.state_api.bodies import AboutBody, QuarantineBody, QuarantineQuery, ReasonBody
from opscore.bootstrap import services
from opscore.http import views
from opscore.http.app import Resolver
from opscore.http.requests import body, caller, path_id, query
from opscore.http.responses import answer
from opscore.models.quarantine import Quarantined
from opscore.observability import bind


def add_quarantine_routes(app: Resolver) -> None:
    """Impose, lift, list."""

    @app.post("/v1/opscore/agent/<agent_id>/quarantine")
    def quarantine(**_: str) -> Any:
        agent_id = _agent_id()
        said = body(ReasonBody, app.current_event)
        services().agents.get(agent_id)
        by = caller(app.current_event)
        services().quarantines.impose(Quarantined.AGENT, agent_id, said.reason, by)
        return _agent(agent_id)

    @app.post("/v1/opscore/agent/<agent_id>/release")
    def release(**_: str) -> Any:
        agent_id = _agent_id()
        services().agents.get(agent_id)
        services().quarantines.lift(Quarantined.AGENT, agent_id, caller(app.current_event))
        return _agent(agent_id)

    @app.get("/v1/opscore/quarantines")
    def listed() -> Any:
        wanted = query(QuarantineQuery, app.current_event)
        found = services().quarantines.listed(
            past=wanted.past, limit=wanted.limit, cursor=wanted.cursor
        )
        return answer(200, views.listing(found, views.quarantine))

    @app.post("/v1/opscore/quarantines")
    def impose() -> Any:
        said = body(QuarantineBody, app.current_event)
        what, name = said.subject()
        by = caller(app.current_event)
        found = services().quarantines.impose(what, name, said.reason, by)
        return answer(200, views.quarantine(found))

    @app.post("/v1/opscore/quarantines/release")
    def lift() -> Any:
        what, name = body(AboutBody, app.current_event).subject()
        found = services().quarantines.lift(what, name, caller(app.current_event))
        return answer(200, views.quarantine(found))

    def _agent_id() -> str:
        agent_id = path_id(app.current_event, "agentId")
        bind(agent_id=agent_id)
        return agent_id

    def _agent(agent_id: str) -> Any:
        agent = services().agents.get(agent_id)
        return answer(200, views.agent(agent, services().agents.conditions(agent)))
