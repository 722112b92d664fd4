from __future__ import annotations

from typing import Any

from functions.task_api.bodies import (
    CompleteBody,
    FailBody,
    HeartbeatBody,
    TaskBody,
)
from functions.task_api.letters import add_letter_routes
from functions.task_api.policies import add_policy_routes
from opscore.bootstrap import now_ms, services
from opscore.http import views
from opscore.http.app import Resolver
from opscore.http.requests import (
    Paging,
    body,
    bounded,
    idempotency_key,
    optional_body,
    path_id,
    query,
)
from opscore.http.responses import answer
from opscore.observability import bind

SUCCESS = {"status": "success"}


def add_routes(app: Resolver) -> None:
    """Tasks, agents' own word, dead letters, policies."""
    add_policy_routes(app)

    @app.post("/v1/opscore/task")
    def start() -> Any:
        wanted = body(TaskBody, app.current_event)
        bounded(wanted.parameters, "parameters")
        session = services().sessions.start_task(
            wanted.payload(), wanted.max_retries, idempotency_key(app.current_event)
        )
        return answer(202, views.triggered(session))

    @app.get("/v1/opscore/tasks")
    def open_tasks() -> Any:
        page = query(Paging, app.current_event)
        found = services().own_word.open(limit=page.limit, cursor=page.cursor)
        return answer(200, views.listing(found, lambda task: views.open_task(task, now_ms())))

    @app.get("/v1/opscore/task/<task_id>")
    def read(**_: str) -> Any:
        return answer(200, views.attempt_with_task(services().own_word.read(_task_id())))

    @app.post("/v1/opscore/task/<task_id>/complete")
    def complete(**_: str) -> Any:
        said = optional_body(CompleteBody, app.current_event)
        bounded(said.result, "result")
        outcome = services().own_word.complete(_task_id(), said.agent_id, said.result)
        if not outcome.succeeded:
            failed = f"Task failed: {outcome.error_code}: {outcome.message}"
            return answer(200, SUCCESS | {"message": failed})
        return answer(200, SUCCESS | {"message": "Task completed"})

    @app.post("/v1/opscore/task/<task_id>/fail")
    def fail(**_: str) -> Any:
        said = optional_body(FailBody, app.current_event)
        services().own_word.fail(_task_id(), said.agent_id, said.error_code, said.message)
        return answer(200, SUCCESS | {"message": "Task failed"})

    @app.post("/v1/opscore/task/<task_id>/heartbeat")
    def heartbeat(**_: str) -> Any:
        said = optional_body(HeartbeatBody, app.current_event)
        services().own_word.heartbeat(_task_id(), said.agent_id)
        return answer(200, SUCCESS | {"message": "Heartbeat noted"})

    add_letter_routes(app)

    def _task_id() -> str:
        task_id = path_id(app.current_event, "taskId")
        bind(task_id=task_id)
        return task_id
