from __future__ import annotations

from typing import Any

from functions.session_api.bodies import (
    CancelBody,
    RerunBody,
    SessionQuery,
    SignalBody,
    TriggerBody,
    UpdateBody,
)
from opscore.bootstrap import services
from opscore.http import rerun_views, views
from opscore.http.app import Resolver
from opscore.http.requests import body, bounded, idempotency_key, optional_body, path_id, query
from opscore.http.responses import answer
from opscore.models.session import SessionStatus
from opscore.observability import bind
from opscore.services.rerun import RerunRequest
from opscore.services.sessions import StartRequest
from opscore.services.signals import Signal


def add_routes(app: Resolver) -> None:
    """Trigger, read, update, list."""

    @app.post("/v1/opscore/agent/<agent_id>/workflow")
    def trigger_for(**_: str) -> Any:
        return _start(path_id(app.current_event, "agentId"))

    @app.post("/v1/opscore/sessions")
    def trigger() -> Any:
        return _start(None)

    @app.get("/v1/opscore/sessions")
    def sessions() -> Any:
        wanted = query(SessionQuery, app.current_event)
        found = services().sessions.listed(
            status=wanted.status,
            workflow_id=wanted.workflow_id,
            limit=wanted.limit,
            cursor=wanted.cursor,
        )
        return answer(200, views.listing(found, views.session))

    @app.get("/v1/opscore/session/<session_id>")
    def read(**_: str) -> Any:
        return answer(200, views.session_with_tasks(services().sessions.view(_session_id())))

    @app.get("/v1/opscore/session/<session_id>/tasks")
    def tasks(**_: str) -> Any:
        found = views.session_with_tasks(services().sessions.view(_session_id()))
        return answer(200, {"items": found["tasks"], "nextCursor": None})

    @app.patch("/v1/opscore/session/<session_id>")
    def update(**_: str) -> Any:
        session_id = _session_id()
        wanted = body(UpdateBody, app.current_event)
        bounded(wanted.metadata, "metadata")
        session = services().sessions.update(
            session_id, metadata=wanted.metadata, status=wanted.status
        )
        return answer(200, views.session(session))

    @app.post("/v1/opscore/session/<session_id>/cancel")
    def cancel(**_: str) -> Any:
        session_id = _session_id()
        wanted = optional_body(CancelBody, app.current_event)
        session = services().sessions.update(
            session_id, status=SessionStatus.CANCELLED, cleanup=wanted.cleanup
        )
        return answer(200, views.session(session))

    @app.post("/v1/opscore/session/<session_id>/pause")
    def pause(**_: str) -> Any:
        return _move(SessionStatus.PAUSED)

    @app.post("/v1/opscore/session/<session_id>/resume")
    def resume(**_: str) -> Any:
        return _move(SessionStatus.RUNNING)

    @app.post("/v1/opscore/session/<session_id>/rerun")
    def rerun(**_: str) -> Any:
        session_id = _session_id()
        wanted = optional_body(RerunBody, app.current_event)
        from_tasks = () if wanted.from_task is None else (wanted.from_task,)
        request = RerunRequest(session_id, from_tasks, version=wanted.workflow_version)
        if wanted.dry_run:
            plan = services().reruns.plan(request)
            return answer(200, rerun_views.rerun(plan, None))
        session, plan = services().reruns.start(request, idempotency_key(app.current_event))
        return answer(202, rerun_views.rerun(plan, session))

    @app.post("/v1/opscore/session/<session_id>/signal")
    def signal(**_: str) -> Any:
        said = body(SignalBody, app.current_event)
        bounded(said.payload, "payload")
        services().signals.send(Signal(_session_id(), said.name, said.payload, said.signal_id))
        return answer(202, {"status": "success", "message": "Signal taken"})

    def _start(agent_id: str | None) -> Any:
        wanted = body(TriggerBody, app.current_event)
        session = services().sessions.start(
            StartRequest(
                workflow_id=wanted.workflow_definition_id,
                definition=wanted.workflow_definition,
                payload=bounded(wanted.initial_payload or {}, "initialPayload"),
                agent_id=agent_id,
                idempotency_key=idempotency_key(app.current_event),
            )
        )
        return answer(202, views.triggered(session))

    def _move(status: SessionStatus) -> Any:
        session = services().sessions.update(_session_id(), status=status)
        return answer(200, views.session(session))

    def _session_id() -> str:
        session_id = path_id(app.current_event, "sessionId")
        bind(session_id=session_id)
        return session_id
