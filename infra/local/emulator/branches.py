"""Fixes of MiniStack 1.5.33: the Parallel state and the inline Map state."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import contextvars
import copy
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

from ministack.services import stepfunctions as sfn

JsonObject = dict[str, Any]


def parallel_branches_stand_alone() -> None:
    """Defects of the Parallel state.

    - branches share a context, so that one sends the other's token
    - all branches are waited for after one has failed
    - Arguments, Output and Assign in JSONata are ignored
    """

    def run_branches(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
        jsonata = sfn._state_query_language(state, ctx) == "JSONata"
        if jsonata:
            given = sfn._apply_jsonata_arguments(state, raw, ctx)
        else:
            given = sfn._apply_parameters(state, sfn._apply_input_path(state, raw, ctx), ctx)

        def runner(branch: JsonObject) -> Callable[[JsonObject], Any]:
            own_ctx, own_input = copy.deepcopy(ctx), copy.deepcopy(given)
            return lambda own: sfn._run_sub_machine(
                branch.get("States", {}), branch.get("StartAt"), own_input, own, own_ctx
            )

        results = _run_all([runner(branch) for branch in state.get("Branches", [])], execution)
        return _leave(state, raw, ctx, results)

    sfn._run_parallel_branches = run_branches


def map_fails_fast() -> None:
    """Defect: an inline Map waits for all its items after one has failed."""
    run_items = sfn._run_map_items

    def run_map(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
        processor = state.get("Iterator") or state.get("ItemProcessor", {})
        mode = (processor.get("ProcessorConfig") or {}).get("Mode")
        if sfn._state_query_language(state, ctx) != "JSONata" or mode == "DISTRIBUTED":
            return run_items(state, raw, execution, ctx)
        items, limit = raw, 0
        if "Items" in state:
            items = sfn._jsonata_state_field(state, "Items", "array", raw, ctx)
        if "MaxConcurrency" in state:
            limit = int(sfn._jsonata_state_field(state, "MaxConcurrency", "number", raw, ctx))
        if not isinstance(items, list):
            raise sfn._ExecutionError("States.QueryEvaluationError", "Map needs an array")

        def runner(index: int, item: Any) -> Callable[[JsonObject], Any]:
            def run(own: JsonObject) -> Any:
                own_ctx = copy.deepcopy(ctx)
                own_ctx["Map"] = {"Item": {"Index": index, "Value": item}}
                given = item
                if state.get("ItemSelector"):
                    given = sfn._apply_jsonata_template(state["ItemSelector"], raw, own_ctx)
                return sfn._run_sub_machine(
                    processor.get("States", {}), processor.get("StartAt"), given, own, own_ctx
                )

            return run

        runners = [runner(index, item) for index, item in enumerate(items)]
        return _leave(state, raw, ctx, _run_all(runners, execution, limit))

    sfn._run_map_items = run_map


def _run_all(
    runners: list[Callable[[JsonObject], Any]], execution: JsonObject, limit: int = 0
) -> list[Any]:
    """Results in order; the first error ends the other branches and is raised."""
    results: list[Any] = [None] * len(runners)
    done: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    # A branch is its execution with a status of its own: see tasks.ended.
    group = {**execution, "status": "RUNNING", "parent": execution}
    waiting = iter(enumerate(runners))

    def run(index: int, runner: Callable[[JsonObject], Any]) -> None:
        try:
            results[index] = runner(group)
        except Exception as error:  # noqa: BLE001  crosses over to the state's own thread
            done.put(error)
        else:
            done.put(None)

    def start(entries: Iterable[tuple[int, Callable[[JsonObject], Any]]]) -> None:
        for entry in entries:
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(run, *entry), daemon=True).start()

    start(next(waiting) for _ in range(min(limit or len(runners), len(runners))))
    for _ in runners:
        error = done.get()
        if error is not None:
            group["status"] = "ABORTED"
            if isinstance(error, sfn._ExecutionError):
                raise error
            raise sfn._ExecutionError("States.Runtime", str(error))
        start(entry for entry in [next(waiting, None)] if entry is not None)
    return results


def _leave(state: JsonObject, raw: Any, ctx: JsonObject, results: list[Any]) -> Any:
    if sfn._state_query_language(state, ctx) == "JSONata":
        output = sfn._apply_jsonata_output(state, raw, ctx, result=results, default=results)
        sfn._apply_state_assign(state, raw, ctx, result=results)
    else:
        selected = sfn._apply_result_selector(state, results)
        output = sfn._apply_result_path(state, raw, selected)
        output = sfn._apply_output_path(state, output, ctx)
    return output, sfn._next_or_end(state)


FIXES = (parallel_branches_stand_alone, map_fails_fast)
