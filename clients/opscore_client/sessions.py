import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from opscore_client.errors import StillRunningError
from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import JsonObject, Rerun, Session, Task, Triggered

FINAL: Final = frozenset({"completed", "failed", "cancelled"})


class Sessions:
    """Sessions: start them, look at them, end them."""

    def __init__(self, http: Http, sleep: Callable[[float], None]) -> None:
        self._http = http
        self._sleep = sleep

    def trigger(
        self,
        workflow: str | JsonObject,
        *,
        payload: JsonObject | None = None,
        agent_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Triggered:
        """Start a session of a workflow (its id, or an inline template), for an agent or for none.

        Carries an idempotency key always, a new one if none is given: so a retry, ours or the
        caller's with the same key, finds the session that the first try started.
        """
        name = "workflowDefinitionId" if isinstance(workflow, str) else "workflowDefinition"
        path = route("agent", agent_id, "workflow") if agent_id else route("sessions")
        answer = self._http.call(
            "POST",
            path,
            json={name: workflow, "initialPayload": payload},
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            idempotent=True,
        )
        return cast("Triggered", answer)

    def find(
        self, *, status: str | None = None, workflow_id: str | None = None
    ) -> Listing[Session]:
        """Sessions, newest first; all of them, or those of a status or of a workflow."""
        filters = {"status": status, "workflowId": workflow_id}
        return Listing(self._http, route("sessions"), filters)

    def get(self, session_id: str) -> Session:
        """One session with its tasks and their attempts."""
        return cast("Session", self._http.call("GET", route("session", session_id)))

    def tasks(self, session_id: str) -> Listing[Task]:
        """The tasks of a session, in the order they were activated."""
        return Listing(self._http, route("session", session_id, "tasks"), {})

    def update(self, session_id: str, **fields: Any) -> Session:
        """Change `metadata`, or make one of the status moves that a person may make."""
        return cast("Session", self._http.call("PATCH", route("session", session_id), json=fields))

    def cancel(self, session_id: str, *, cleanup: bool = True) -> Session:
        """End a session. If its workflow says how to tidy up, it does that first and is final then;
        without `cleanup` it does not, or stops doing it.
        """
        path = route("session", session_id, "cancel")
        answer = self._http.call("POST", path, json=None if cleanup else {"cleanup": False})
        return cast("Session", answer)

    def pause(self, session_id: str) -> Session:
        """Hand out no further tasks of a session until it is resumed."""
        return self._act(session_id, "pause")

    def resume(self, session_id: str) -> Session:
        """Go on with a paused session."""
        return self._act(session_id, "resume")

    def rerun(
        self,
        session_id: str,
        *,
        from_task: str | None = None,
        version: str | int | None = None,
        dry_run: bool = False,
        idempotency_key: str | None = None,
    ) -> Rerun:
        """Run an ended session again, as a new one that keeps the results made before.

        `from_task`: a task's key, or a step; what failed, by default. `version`: `same` (the
        default), `current` or a number. Carries an idempotency key
        always, as `trigger` does.
        """
        body = {"fromTask": from_task, "workflowVersion": version, "dryRun": dry_run}
        answer = self._http.call(
            "POST",
            route("session", session_id, "rerun"),
            json={name: value for name, value in body.items() if value is not None},
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            idempotent=True,
        )
        return cast("Rerun", answer)

    def signal(
        self,
        session_id: str,
        name: str,
        payload: Any = None,
        *,
        signal_id: str | None = None,
    ) -> JsonObject:
        """Tell a session something: the result of the step that waits for this name, or will.

        Carries a signalId always, a new one if none is given: so a retry is the same signal.
        """
        body = {"name": name, "signalId": signal_id or str(uuid.uuid4())}
        given = {} if payload is None else {"payload": payload}
        path = route("session", session_id, "signal")
        return self._http.call("POST", path, json=body | given, idempotent=True)

    def watch(
        self, session_id: str, *, every: float = 0.5, within: float | None = None
    ) -> Iterator[Session]:
        """Yield the session every some seconds, the last time when it has ended.

        Raises StillRunningError when it has not ended `within` seconds.
        """
        until = None if within is None else time.monotonic() + within
        while True:
            session = self.get(session_id)
            yield session
            if session["status"] in FINAL:
                return
            if until is not None and time.monotonic() >= until:
                raise StillRunningError(
                    f"session {session_id} is still {session['status']} after {within:g} s"
                )
            self._sleep(every)

    def _act(self, session_id: str, action: str) -> Session:
        return cast("Session", self._http.call("POST", route("session", session_id, action)))
