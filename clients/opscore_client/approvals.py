from typing import cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import Approval, ApprovalAnswer


class Approvals:
    """Steps of sessions that wait for a person. Repeating a word is harmless: an identical repeat
    gets the first answer again.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def find(
        self, *, workflow_id: str | None = None, session_id: str | None = None
    ) -> Listing[Approval]:
        """Open approvals, oldest first; all of them, or those of a workflow or of a session."""
        filters = {"workflowId": workflow_id, "sessionId": session_id}
        return Listing(self._http, route("approvals"), filters)

    def approve(
        self, task_id: str, *, comment: str | None = None, by: str | None = None
    ) -> ApprovalAnswer:
        """Let the session go on; `by` is the key's name where none is given."""
        return self._say(task_id, "approve", comment, by)

    def reject(
        self, task_id: str, *, comment: str | None = None, by: str | None = None
    ) -> ApprovalAnswer:
        """Fail the step with `Rejected`, the comment as its message."""
        return self._say(task_id, "reject", comment, by)

    def _say(self, task_id: str, word: str, comment: str | None, by: str | None) -> ApprovalAnswer:
        body = {"comment": comment, "by": by}
        answer = self._http.call(
            "POST",
            route("approval", task_id, word),
            json={name: value for name, value in body.items() if value is not None},
            idempotent=True,
        )
        return cast("ApprovalAnswer", answer)
