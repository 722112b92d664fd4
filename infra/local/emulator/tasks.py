"""Fixes of MiniStack 1.5.33: the Task state.

They meet in one function, so the state is written anew here, from MiniStack's own parts.
"""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import contextvars
import json
import random
import threading
import time
from typing import Any

from ministack.services import stepfunctions as sfn

JsonObject = dict[str, Any]

POLL_SECONDS = 0.05


def task_state() -> None:
    """Defects of the Task state.

    - every retry sends the same task token: one token for each attempt
    - HeartbeatSeconds is ignored
    - TimeoutSecondsPath, and TimeoutSeconds as a JSONata expression, are ignored or fail
    - MaxDelaySeconds and JitterStrategy are ignored
    - a task goes on waiting for its token when its execution, or its branch, has ended
    """
    sfn._execute_task = execute_task


def heartbeat_timeout_is_a_timeout() -> None:
    """Defect: States.Timeout does not match States.HeartbeatTimeout, which it includes."""
    matches = sfn._error_matches

    def error_matches(names: list[str], error: str) -> bool:
        if error == "States.HeartbeatTimeout":
            return bool({"States.ALL", "States.Timeout", error} & set(names))
        return bool(matches(names, error))

    sfn._error_matches = error_matches


def execute_task(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
    """Run a Task state to (output, next state's name); raises its error when nothing catches it."""
    counts: dict[int, int] = {}
    while True:
        ctx["State"]["RetryCount"] = sum(counts.values())
        try:
            return _attempt(state, raw, execution, ctx)
        except sfn._ExecutionError as error:
            details = {"error": error.error, "cause": error.cause, "resource": state["Resource"]}
            sfn._add_event(execution, "TaskFailed", {"taskFailedEventDetails": details})
            if ended(execution):
                raise
            rule, index = sfn._find_matching_retrier(state.get("Retry", []), error.error, counts)
            if rule is None:
                catcher = sfn._find_matching_catcher(state.get("Catch", []), error.error)
                if catcher is None:
                    raise
                language = sfn._state_query_language(state, ctx)
                caught = {"Error": error.error, "Cause": error.cause}
                return sfn._apply_catcher(catcher, raw, ctx, language, caught), catcher["Next"]
            sfn._scaled_sleep(_delay(rule, counts.get(index, 0)))
            counts[index] = counts.get(index, 0) + 1


def ended(execution: JsonObject | None) -> bool:
    """Whether an execution, or the branch of one, is over."""
    while execution is not None:
        if execution["status"] != "RUNNING":
            return True
        execution = execution.get("parent")
    return False


def new_token(ctx: JsonObject) -> str:
    """A task token; like AWS's it tells its state machine to those who can read it."""
    return f"{ctx['StateMachine']['Name']}.{sfn.new_uuid()}"


def _attempt(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
    if ended(execution):
        raise sfn._ExecutionError("States.Aborted", "the execution has ended")
    resource = state["Resource"]
    jsonata = sfn._state_query_language(state, ctx) == "JSONata"
    callback = ".waitForTaskToken" in resource
    if callback:
        ctx["Task"] = {"Token": new_token(ctx)}
    limits = {
        field: _seconds(state, field, raw, ctx) for field in ("TimeoutSeconds", "HeartbeatSeconds")
    }
    limits = {field: seconds for field, seconds in limits.items() if seconds is not None}
    if jsonata:
        arguments = sfn._apply_jsonata_arguments(state, raw, ctx)
    else:
        arguments = sfn._apply_parameters(state, sfn._apply_input_path(state, raw, ctx), ctx)

    scheduled = {"resourceType": "states", "resource": resource}
    sfn._add_event(execution, "TaskScheduled", {"taskScheduledEventDetails": scheduled})
    if callback:
        result = _call_back(resource, arguments, ctx["Task"]["Token"], limits, execution)
    elif "TimeoutSeconds" in limits and ":activity:" not in resource:
        result = sfn._invoke_resource_with_timeout(resource, arguments, limits["TimeoutSeconds"])
    else:
        result = sfn._invoke_resource(resource, arguments)
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


def _delay(rule: JsonObject, retries: int) -> float:
    delay: float = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2.0) ** retries
    delay = min(delay, rule.get("MaxDelaySeconds", delay))
    if rule.get("JitterStrategy") == "FULL":
        return random.uniform(0, delay)  # noqa: S311  jitter is no secret
    return delay


def _call_back(
    resource: str, arguments: Any, token: str, limits: JsonObject, execution: JsonObject
) -> Any:
    done = threading.Event()

    def watch() -> None:
        heartbeat = limits.get("HeartbeatSeconds")
        seen: Any = None
        since = time.monotonic()
        while not done.wait(POLL_SECONDS):
            entry = sfn._task_tokens.get(token)
            if entry is None:
                continue
            if entry["heartbeat"] != seen:
                seen, since = entry["heartbeat"], time.monotonic()
            if ended(execution):
                _fail(entry, "States.Aborted", "the execution has ended")
            elif heartbeat is not None and time.monotonic() - since >= heartbeat:
                _fail(entry, "States.HeartbeatTimeout", "")

    watcher = contextvars.copy_context()
    threading.Thread(target=watcher.run, args=(watch,), daemon=True).start()
    try:
        return sfn._invoke_with_callback(resource, arguments, token, limits)
    finally:
        done.set()


def _fail(entry: JsonObject, error: str, cause: str) -> None:
    if not entry["event"].is_set():
        entry["error"] = {"Error": error, "Cause": cause}
        entry["event"].set()


FIXES = (task_state, heartbeat_timeout_is_a_timeout)
