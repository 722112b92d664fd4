"""Fixes of MiniStack 1.5.33: the Distributed Map, whose items are executions of their own."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

from infra.local.emulator.branches import items_of, leave, number, run_all, select
from infra.local.emulator.endings import ended

JsonObject = dict[str, Any]

AT_ONCE = 200
"""How many children run at once here, where each has a thread; on AWS it is 10,000."""

OUTCOMES = {"SUCCEEDED": "succeeded", "FAILED": "failed", "ABORTED": "aborted"}


def distributed_map() -> None:
    """Defects of the Distributed Map in JSONata.

    - Items, ItemSelector, expressions for numbers, Output and Assign are ignored
    - children see their parent's variables, and its execution as their own
    - children run on after too many have failed, or their parent has ended
    """
    run_jsonpath = sfn._run_distributed_map

    def run_map(
        state: JsonObject,
        raw: Any,
        effective: Any,
        processor: JsonObject,
        execution: JsonObject,
        ctx: JsonObject,
    ) -> Any:
        if sfn._state_query_language(state, ctx) != "JSONata" or "ItemReader" in state:
            return run_jsonpath(state, raw, effective, processor, execution, ctx)
        run = _MapRun(state, raw, ctx, processor, execution)
        return leave(state, raw, ctx, run.results())

    sfn._run_distributed_map = run_map


class _MapRun:
    """One Map Run: as DescribeMapRun and ListExecutions tell it, and its children."""

    def __init__(
        self,
        state: JsonObject,
        raw: Any,
        ctx: JsonObject,
        processor: JsonObject,
        execution: JsonObject,
    ) -> None:
        self._state, self._raw, self._ctx = state, raw, ctx
        self._processor, self._execution = processor, execution
        self._items = items_of(state, raw, ctx)
        self._limit = int(number(state, "MaxConcurrency", raw, ctx))
        count = number(state, "ToleratedFailureCount", raw, ctx)
        percentage = number(state, "ToleratedFailurePercentage", raw, ctx)
        limits = {"ToleratedFailureCount": count}
        limits["ToleratedFailurePercentage"] = percentage * len(self._items) / 100
        self._tolerated = min([limits[name] for name in limits if name in state], default=0)
        self._lock = threading.Lock()
        self._label = state.get("Label") or sfn.new_uuid()
        self._machine = f"{execution['stateMachineArn']}/{self._label}"
        arn = self._machine.replace(":stateMachine:", ":mapRun:", 1)
        kinds = ("running", "timedOut", "resultsWritten", "failuresNotRedrivable", "pendingRedrive")
        zero = dict.fromkeys((*OUTCOMES.values(), *kinds), 0)
        self._counts = {**zero, "total": len(self._items), "pending": len(self._items)}
        self._run = {
            "mapRunArn": f"{arn}:{sfn.new_uuid()}",
            "executionArn": execution["executionArn"],
            "status": "RUNNING",
            "startDate": sfn.now_iso(),
            "maxConcurrency": self._limit,
            "toleratedFailurePercentage": percentage,
            "toleratedFailureCount": int(count),
            # A child has one item, so that both are the same.
            "itemCounts": self._counts,
            "executionCounts": self._counts,
            "redriveCount": 0,
            "_stateMachineArn": self._machine,
        }

    def results(self) -> list[Any]:
        """What the children returned, in order; raises when too many have failed."""
        sfn._map_runs[self._run["mapRunArn"]] = self._run
        runners = [self._runner(index, item) for index, item in enumerate(self._items)]
        status = "FAILED"
        try:
            results = run_all(runners, self._execution, min(self._limit or AT_ONCE, AT_ONCE))
            status = "SUCCEEDED"
        finally:
            self._run["status"] = "ABORTED" if ended(self._execution) else status
            self._run["stopDate"] = sfn.now_iso()
        return results

    def _runner(self, index: int, item: Any) -> Callable[[JsonObject], Any]:
        def run(group: JsonObject) -> Any:
            _, given = select(self._state, self._raw, self._ctx, index, item)
            return self._run_child(given, group)

        return run

    def _run_child(self, given: Any, group: JsonObject) -> Any:
        child = self._child(given, group)
        sfn._executions[child["executionArn"]] = child
        self._count("pending", "running")
        try:
            result = sfn._run_sub_machine(
                self._processor["States"],
                self._processor["StartAt"],
                given,
                child,
                self._child_ctx(child, given),
            )
        except sfn._ExecutionError as error:
            self._end(child, "ABORTED" if ended(group) else "FAILED", error)
            if self._counts["failed"] > self._tolerated:
                message = "The specified tolerated failure threshold was exceeded"
                name = "States.ExceedToleratedFailureThreshold"
                raise sfn._ExecutionError(name, message) from error
            return None
        child["output"] = json.dumps(result)
        self._end(child, "SUCCEEDED")
        return result

    def _child(self, given: Any, group: JsonObject) -> JsonObject:
        name = sfn.new_uuid()
        arn = self._machine.replace(":stateMachine:", ":execution:", 1)
        return {
            **group,
            "executionArn": f"{arn}:{name}",
            "stateMachineArn": self._machine,
            "mapRunArn": self._run["mapRunArn"],
            "name": name,
            "startDate": sfn.now_iso(),
            "input": json.dumps(given),
            "events": [],
            "parent": group,
        }

    def _child_ctx(self, child: JsonObject, given: Any) -> JsonObject:
        started = {"Name": child["name"], "StartTime": child["startDate"], "Input": given}
        return {
            "QueryLanguage": self._ctx["QueryLanguage"],
            "Execution": {"Id": child["executionArn"], **started},
            "StateMachine": self._ctx["StateMachine"],
            "variables": {},
        }

    def _end(
        self, child: JsonObject, status: str, error: sfn._ExecutionError | None = None
    ) -> None:
        if error is not None:
            child.update(error=error.error, cause=error.cause)
        child.update(status=status, stopDate=sfn.now_iso())
        self._count("running", OUTCOMES[status])

    def _count(self, before: str, after: str) -> None:
        with self._lock:
            self._counts[before] -= 1
            self._counts[after] += 1


FIXES = (distributed_map,)
