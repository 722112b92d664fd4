import uuid
from typing import Any, cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import AttemptWithTask, JsonObject, OpenTask, Triggered


class Tasks:
    """Single tasks, and an agent's own word on a task it was handed.

    The `task_id` of an agent's word is the `opscore_task_id` it received. Repeating one is
    harmless: an identical repeat gets the first answer again.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def start(self, *, idempotency_key: str | None = None, **request: Any) -> Triggered:
        """Run one task without a template; fields as the API spells them (agentCapability, …).

        Carries an idempotency key always, as `Sessions.trigger` does.
        """
        answer = self._http.call(
            "POST",
            route("task"),
            json=request,
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
            idempotent=True,
        )
        return cast("Triggered", answer)

    def get(self, task_id: str) -> AttemptWithTask:
        """The attempt that an agent was handed under this id."""
        return cast("AttemptWithTask", self._http.call("GET", route("task", task_id)))

    def open(self) -> Listing[OpenTask]:
        """The attempts that have not ended, the oldest first."""
        return Listing(self._http, route("tasks"), {})

    def complete(
        self, task_id: str, *, result: Any = None, agent_id: str | None = None
    ) -> JsonObject:
        """Hand in a task's result."""
        return self._say(task_id, "complete", {"agentId": agent_id, "result": result})

    def fail(
        self,
        task_id: str,
        *,
        message: str,
        error_code: str | None = None,
        agent_id: str | None = None,
    ) -> JsonObject:
        """Say that a task failed; its `error_code` is what templates name in `retry`."""
        body = {"agentId": agent_id, "errorCode": error_code, "message": message}
        return self._say(task_id, "fail", body)

    def heartbeat(self, task_id: str, *, agent_id: str | None = None) -> JsonObject:
        """Say that the work goes on."""
        return self._say(task_id, "heartbeat", {"agentId": agent_id})

    def _say(self, task_id: str, word: str, body: JsonObject) -> JsonObject:
        given = {name: value for name, value in body.items() if value is not None}
        return self._http.call("POST", route("task", task_id, word), json=given, idempotent=True)
