from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from opscore.bootstrap import services
from opscore.http import views
from opscore.http.app import Resolver
from opscore.http.requests import Paging, path_id, query, raw_body
from opscore.http.responses import answer
from opscore.models.base import Model
from opscore.observability import bind


class VersionQuery(Model):
    """`?version=` of a workflow; the current one by default."""

    version: Annotated[int, Field(ge=1)] | None = None


def add_routes(app: Resolver) -> None:
    """Validate, publish the schema, put, read, delete, list."""

    @app.post("/v1/opscore/workflows/validate")
    def validate() -> Any:
        checked = services().workflows.check(raw_body(app.current_event))
        cost = checked.price()
        return answer(
            200,
            {
                "valid": not checked.errors,
                "errors": [finding.as_dict() for finding in checked.errors],
                "warnings": [finding.as_dict() for finding in checked.warnings],
                "price": None if cost is None else cost.as_dict(),
            },
        )

    @app.get("/v1/opscore/workflows/schema")
    def schema() -> Any:
        from opscore.workflows.editor_schema import editor_schema

        return answer(200, editor_schema())

    @app.put("/v1/opscore/workflow/<workflow_id>")
    def put(**_: str) -> Any:
        applied = services().workflows.apply(_workflow_id(), raw_body(app.current_event))
        shown = {
            **views.workflow(applied.version),
            "changed": applied.changed,
            "warnings": applied.warnings,
        }
        return answer(201 if applied.changed else 200, shown)

    @app.get("/v1/opscore/workflow/<workflow_id>")
    def read(**_: str) -> Any:
        wanted = query(VersionQuery, app.current_event)
        version = services().workflows.get(_workflow_id(), wanted.version)
        return answer(200, views.workflow_with_template(version))

    @app.delete("/v1/opscore/workflow/<workflow_id>")
    def delete(**_: str) -> Any:
        workflow_id = _workflow_id()
        services().workflows.delete(workflow_id)
        done = {"status": "success", "message": f"Workflow {workflow_id} deleted."}
        return answer(200, done)

    @app.get("/v1/opscore/workflow/<workflow_id>/versions")
    def versions(**_: str) -> Any:
        page = query(Paging, app.current_event)
        found = services().workflows.versions(_workflow_id(), limit=page.limit, cursor=page.cursor)
        return answer(200, views.listing(found, views.workflow))

    @app.get("/v1/opscore/workflows")
    def workflows() -> Any:
        page = query(Paging, app.current_event)
        found = services().workflows.listed(limit=page.limit, cursor=page.cursor)
        return answer(200, views.listing(found, views.workflow))

    def _workflow_id() -> str:
        workflow_id = path_id(app.current_event, "workflowId")
        bind(workflow_id=workflow_id)
        return workflow_id
