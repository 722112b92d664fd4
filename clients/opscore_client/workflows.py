from typing import cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import Applied, JsonObject, Validation, Workflow

YAML = "application/yaml"
JSON = "application/json"


class Workflows:
    """Workflow templates, as the text that people wrote: positions in messages are theirs."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def validate(self, template: bytes, *, content_type: str = YAML) -> Validation:
        """Everything that is wrong with a template; changes nothing."""
        answer = self._http.call(
            "POST",
            route("workflows", "validate"),
            data=template,
            headers={"Content-Type": content_type},
            idempotent=True,
        )
        return cast("Validation", answer)

    def apply(self, workflow_id: str, template: bytes, *, content_type: str = YAML) -> Applied:
        """Upload a template; a changed one is a new immutable version."""
        answer = self._http.call(
            "PUT",
            route("workflow", workflow_id),
            data=template,
            headers={"Content-Type": content_type},
        )
        return cast("Applied", answer)

    def delete(self, workflow_id: str) -> JsonObject:
        """Let no session start on a workflow any more; those that run go on."""
        return self._http.call("DELETE", route("workflow", workflow_id))

    def find(self) -> Listing[Workflow]:
        """All workflows, each with its current version."""
        return Listing(self._http, route("workflows"), {})

    def get(self, workflow_id: str, version: int | None = None) -> Workflow:
        """One version with its template; the current one by default."""
        params = {"version": version}
        answer = self._http.call("GET", route("workflow", workflow_id), params=params)
        return cast("Workflow", answer)

    def versions(self, workflow_id: str) -> Listing[Workflow]:
        """All versions of a workflow, newest first."""
        return Listing(self._http, route("workflow", workflow_id, "versions"), {})
