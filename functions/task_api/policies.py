"""Routes of policies: limits, rates and pauses of capabilities and workflows."""

from __future__ import annotations

from typing import Any

from functions.task_api.bodies import PoliciesQuery, PolicyBody, PolicyName, ReasonBody
from opscore.bootstrap import services
from opscore.http import views
from opscore.http.app import Resolver
from opscore.http.requests import body, caller, optional_body, path_choice, query
from opscore.http.responses import answer
from opscore.models.policy import PolicyKind, Subject


def add_policy_routes(app: Resolver) -> None:
    """List, read, set, clear, pause, resume."""

    @app.get("/v1/opscore/policies")
    def listed() -> Any:
        wanted = query(PoliciesQuery, app.current_event)
        found = services().policies.listed(
            kind=wanted.kind, limit=wanted.limit, cursor=wanted.cursor
        )
        return answer(200, views.listing(found, views.policy))

    @app.get("/v1/opscore/policy/<kind>")
    def read(**_: str) -> Any:
        return answer(200, views.policy(services().policies.get(_subject())))

    @app.put("/v1/opscore/policy/<kind>")
    def limit(**_: str) -> Any:
        subject = _subject()
        said = body(PolicyBody, app.current_event)
        by = caller(app.current_event)
        policy = services().policies.limit(subject, said.wanted(), said.reason, by)
        return answer(200, views.policy(policy))

    @app.delete("/v1/opscore/policy/<kind>")
    def clear(**_: str) -> Any:
        subject = _subject()
        services().policies.clear(subject, caller(app.current_event))
        message = f"Nothing is asked of {subject.kind} {subject.name} any more."
        return answer(200, {"status": "success", "message": message})

    @app.post("/v1/opscore/policy/<kind>/pause")
    def pause(**_: str) -> Any:
        subject = _subject()
        said = optional_body(ReasonBody, app.current_event)
        policy = services().policies.pause(subject, said.reason, caller(app.current_event))
        return answer(200, views.policy(policy))

    @app.post("/v1/opscore/policy/<kind>/resume")
    def resume(**_: str) -> Any:
        subject = _subject()
        said = optional_body(ReasonBody, app.current_event)
        policy = services().policies.resume(subject, said.reason, caller(app.current_event))
        return answer(200, views.policy(policy))

    def _subject() -> Subject:
        kind = path_choice(PolicyKind, app.current_event, "kind")
        return Subject(kind, query(PolicyName, app.current_event).name)
