"""Fixes of MiniStack 1.5.33: the Task state and its token.

They meet in one function, so the state is written anew here, from MiniStack's own parts.
"""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from infra.local.emulator.endings import LOOK_SECONDS, check_running, ended
from infra.local.emulator.retries import tried

JsonObject = dict[str, Any]

UNLIMITED_SECONDS = 99_999_999


def task_state() -> None:
    """Defects of the Task state.

    - every retry sends the same task token: one token for each attempt
    - HeartbeatSeconds is ignored
    - TimeoutSecondsPath, and TimeoutSeconds as a JSONata expression, are ignored or fail
    - MaxDelaySeconds and JitterStrategy are ignored
    - a task goes on waiting for its token when its execution, or its branch, has ended
    """
    sfn._execute_task = execute_task


def answers_are_final() -> None:
    """Defect: until its task takes notice, a token takes a second answer, or one after the end."""

    def final(answer: Callable[[JsonObject], Any]) -> Callable[[JsonObject], Any]:
        def answer_open(data: JsonObject) -> Any:
            entry = sfn._task_tokens.get(data.get("taskToken"))
            if entry is not None and (entry["event"].is_set() or ended(entry.get("execution"))):
                message = "Task Timed Out: 'Provided task does not exist anymore'"
                return sfn.error_response_json("TaskTimedOut", message, 400)
            return answer(data)

        return answer_open

    sfn._send_task_success = final(sfn._send_task_success)
    sfn._send_task_failure = final(sfn._send_task_failure)
    sfn._send_task_heartbeat = final(sfn._send_task_heartbeat)


def execute_task(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
    """Run a Task state to (output, next state's name); raises its error when nothing catches it."""

    def attempt() -> Any:
        check_running(execution)
        try:
            return _attempt(state, raw, execution, ctx)
        except sfn._ExecutionError as error:
            if not ended(execution):
                failed = {"error": error.error, "cause": error.cause}
                failed["resource"] = state["Resource"]
                sfn._add_event(execution, "TaskFailed", {"taskFailedEventDetails": failed})
            raise

    return tried(state, raw, execution, ctx, attempt)


def new_token(ctx: JsonObject) -> str:
    """A task token; like AWS's it tells its state machine to those who can read it."""
    return f"{ctx['StateMachine']['Name']}.{sfn.new_uuid()}"


def _attempt(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
    resource = state["Resource"]
    jsonata = sfn._state_query_language(state, ctx) == "JSONata"
    callback = ".waitForTaskToken" in resource
    if callback:
        ctx["Task"] = {"Token": new_token(ctx)}
    timeout = _seconds(state, "TimeoutSeconds", raw, ctx)
    heartbeat = _seconds(state, "HeartbeatSeconds", raw, ctx)
    if jsonata:
        arguments = sfn._apply_jsonata_arguments(state, raw, ctx)
    else:
        arguments = sfn._apply_parameters(state, sfn._apply_input_path(state, raw, ctx), ctx)

    scheduled = {"resourceType": "states", "resource": resource}
    sfn._add_event(execution, "TaskScheduled", {"taskScheduledEventDetails": scheduled})
    if callback:
        token = ctx["Task"]["Token"]
        result = _call_back(resource, arguments, token, timeout, heartbeat, execution)
    elif timeout is not None and ":activity:" not in resource:
        result = sfn._invoke_resource_with_timeout(resource, arguments, timeout)
    else:
        result = sfn._invoke_resource(resource, arguments)
    check_running(execution)
    succeeded = {"output": json.dumps(result), "resource": resource}
    sfn._add_event(execution, "TaskSucceeded", {"taskSucceededEventDetails": succeeded})

    if jsonata:
        output = sfn._apply_jsonata_output(state, raw, ctx, result=result, default=result)
        sfn._apply_state_assign(state, raw, ctx, result=result)
    else:
        selected = sfn._apply_result_selector(state, result)
        output = sfn._apply_result_path(state, raw, selected)
        output = sfn._apply_output_path(state, output, ctx)
    return output, sfn._next_or_end(state)


def _seconds(state: JsonObject, field: str, raw: Any, ctx: JsonObject) -> Any:
    if f"{field}Path" in state:
        return sfn._resolve_path_or_ctx(state[f"{field}Path"], raw, ctx)
    if isinstance(state.get(field), str):
        return sfn._jsonata_state_field(state, field, "number", raw, ctx)
    return state.get(field)


def _call_back(
    resource: str,
    arguments: Any,
    token: str,
    timeout: float | None,
    heartbeat: float | None,
    execution: JsonObject,
) -> Any:
    entry: JsonObject = {
        "event": threading.Event(),
        "result": None,
        "error": None,
        "heartbeat": None,
        # See answers_are_final.
        "execution": execution,
    }
    sfn._task_tokens[token] = entry
    try:
        sfn._invoke_resource(resource.removesuffix(".waitForTaskToken"), arguments)
        _await_answer(entry, timeout or UNLIMITED_SECONDS, heartbeat or UNLIMITED_SECONDS)
    finally:
        sfn._task_tokens.pop(token, None)
    if entry["error"]:
        raise sfn._ExecutionError(entry["error"]["Error"], entry["error"]["Cause"])
    try:
        return json.loads(entry["result"])
    except ValueError:
        return entry["result"]


def _await_answer(entry: JsonObject, timeout: float, heartbeat: float) -> None:
    start = beaten = time.monotonic()
    beat = entry["heartbeat"]
    while not entry["event"].wait(LOOK_SECONDS):
        check_running(entry["execution"])
        now = time.monotonic()
        if entry["heartbeat"] != beat:
            beat, beaten = entry["heartbeat"], now
        if now - start >= timeout:
            raise sfn._ExecutionError("States.Timeout", f"no answer within {timeout} seconds")
        if now - beaten >= heartbeat:
            raise sfn._ExecutionError("States.HeartbeatTimeout", "")


FIXES = (task_state, answers_are_final)
