"""Fixes of MiniStack 1.5.33: Retry and Catch, which Task, Parallel and Map have."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from infra.local.emulator.endings import ended

JsonObject = dict[str, Any]


def branches_are_retried_as_tasks_are() -> None:
    """Defects of Retry and Catch on a Parallel or a Map.

    - MaxDelaySeconds and JitterStrategy are ignored
    - what has ended is tried again, or caught
    """

    def retried(run: str) -> Callable[..., Any]:
        def execute(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
            def attempt() -> Any:
                return getattr(sfn, run)(state, raw, execution, ctx)

            return tried(state, raw, execution, ctx, attempt)

        return execute

    sfn._execute_parallel = retried("_run_parallel_branches")
    sfn._execute_map = retried("_run_map_items")


def heartbeat_timeout_is_a_timeout() -> None:
    """Defect: States.Timeout does not match States.HeartbeatTimeout, which it includes."""
    matches = sfn._error_matches

    def error_matches(names: list[str], error: str) -> bool:
        if error == "States.HeartbeatTimeout":
            return bool({"States.ALL", "States.Timeout", error} & set(names))
        return bool(matches(names, error))

    sfn._error_matches = error_matches


def tried(
    state: JsonObject,
    raw: Any,
    execution: JsonObject,
    ctx: JsonObject,
    attempt: Callable[[], Any],
) -> Any:
    """A state's (output, next state's name) by its Retry and Catch; raises what nothing catches."""
    counts: dict[int, int] = {}
    while True:
        ctx["State"]["RetryCount"] = sum(counts.values())
        try:
            return attempt()
        except sfn._ExecutionError as error:
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


def _delay(rule: JsonObject, retries: int) -> float:
    delay: float = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2.0) ** retries
    delay = min(delay, rule.get("MaxDelaySeconds", delay))
    if rule.get("JitterStrategy") == "FULL":
        return random.uniform(0, delay)  # noqa: S311  jitter is no secret
    return delay


FIXES = (branches_are_retried_as_tasks_are, heartbeat_timeout_is_a_timeout)
