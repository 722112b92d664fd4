from __future__ import annotations

from typing import Any

from functions.task_api.bodies import ApprovalQuery, WordBody
from opscore.bootstrap import services
from opscore.http import views
from opscore.http.app import Resolver
from opscore.http.requests import caller, optional_body, path_id, query
from opscore.http.responses import answer
from opscore.observability import bind
from opscore.services.approvals import Word


def add_routes(app: Resolver) -> None:
    """What waits for a person, and that person's word."""

    @app.get("/v1/opscore/approvals")
    def approvals() -> Any:
        wanted = query(ApprovalQuery, app.current_event)
        found = services().approvals.listed(
            workflow_id=wanted.workflow_id,
            session_id=wanted.session_id,
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
        return answer(200, views.listing(found, views.approval))

    @app.post("/v1/opscore/approval/<task_id>/approve")
    def approve(**_: str) -> Any:
        return _say(approved=True)

    @app.post("/v1/opscore/approval/<task_id>/reject")
    def reject(**_: str) -> Any:
        return _say(approved=False)

    def _say(*, approved: bool) -> Any:
        task_id = path_id(app.current_event, "taskId")
        bind(task_id=task_id)
        said = optional_body(WordBody, app.current_event)
        by = said.by or caller(app.current_event)
        word = Word(approved=approved, by=by, comment=said.comment)
        return answer(200, views.approval_answer(services().approvals.answer(task_id, word)))
