"""Fixes of MiniStack 1.5.33: how executions start and end."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import contextvars
import json
import threading
from typing import Any

from ministack.services import stepfunctions as sfn

JsonObject = dict[str, Any]


def start_is_idempotent() -> None:
    """Defect: StartExecution, repeated with the same name and input, is refused."""
    start = sfn._start_execution

    def start_execution(data: JsonObject) -> Any:
        machine = sfn._state_machines.get(data.get("stateMachineArn", ""))
        if machine is not None and data.get("name"):
            arn = machine["stateMachineArn"].replace(":stateMachine:", ":execution:", 1)
            known = sfn._executions.get(f"{arn}:{data['name']}")
            same_input = known is not None and known["input"] == data.get("input", "{}")
            if same_input and known["status"] == "RUNNING":
                return sfn.json_response(
                    {"executionArn": known["executionArn"], "startDate": known["startDate"]}
                )
        return start(data)

    sfn._start_execution = start_execution


def final_states_are_final() -> None:
    """Defect: an execution that was stopped turns FAILED when its pending task ends."""
    fail = sfn._fail_execution

    def fail_execution(execution: JsonObject, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    sfn._fail_execution = fail_execution


def failures_have_no_output() -> None:
    """Defect: an execution that failed has its error as its output too; on AWS it has none."""
    fail = sfn._fail_execution

    def fail_execution(execution: JsonObject, error: str, cause: str) -> None:
        output = execution["output"]
        fail(execution, error, cause)
        execution["output"] = output

    sfn._fail_execution = fail_execution


def nested_failure_is_a_failed_task() -> None:
    """Defect: startExecution.sync fails with the child's error; on AWS, with States.TaskFailed."""

    def nested_failure(child: JsonObject) -> tuple[str, str]:
        described = {name[0].upper() + name[1:]: value for name, value in child.items()}
        return "States.TaskFailed", json.dumps(described)

    sfn._nested_execution_failure = nested_failure


def events_have_ids_of_their_own() -> None:
    """Defect: branches that add to the history at once give their events the same id."""
    add = sfn._add_event
    lock = threading.Lock()

    def add_event(*args: Any, **kwargs: Any) -> Any:
        with lock:
            return add(*args, **kwargs)

    sfn._add_event = add_event


def machine_timeout_ends_execution() -> None:
    """Defect: the state machine's own TimeoutSeconds is ignored."""
    run = sfn._run_execution

    def end(execution: JsonObject) -> None:
        if execution["status"] == "RUNNING":
            execution["status"] = "TIMED_OUT"
            execution["stopDate"] = sfn.now_iso()
            sfn._add_event(execution, "ExecutionTimedOut", {})
            sfn._emit_execution_status_event(execution)

    def run_execution(arn: str) -> Any:
        execution = sfn._executions.get(arn)
        seconds = _machine_timeout(execution) if execution else None
        if not seconds:
            return run(arn)
        # The account and region of a request live in context variables.
        timer = threading.Timer(seconds, contextvars.copy_context().run, args=(end, execution))
        timer.daemon = True
        timer.start()
        try:
            return run(arn)
        finally:
            timer.cancel()

    sfn._run_execution = run_execution


def _machine_timeout(execution: JsonObject) -> float | None:
    machine = sfn._state_machines.get(execution["stateMachineArn"])
    try:
        seconds = json.loads(machine["definition"]).get("TimeoutSeconds") if machine else None
    except ValueError:
        return None
    return seconds if isinstance(seconds, int | float) else None


FIXES = (
    start_is_idempotent,
    final_states_are_final,
    failures_have_no_output,
    nested_failure_is_a_failed_task,
    events_have_ids_of_their_own,
    machine_timeout_ends_execution,
)
