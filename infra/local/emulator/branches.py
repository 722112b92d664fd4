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

from infra.local.emulator.endings import running

JsonObject = dict[str, Any]

AT_ONCE = 40


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

        results = run_all([runner(branch) for branch in state.get("Branches", [])], execution)
        return leave(state, raw, ctx, results)

    sfn._run_parallel_branches = run_branches


def map_fails_fast() -> None:
    """Defects of the inline Map state.

    - all items are waited for after one has failed
    - without MaxConcurrency, all items are worked on at once; AWS does no more than 40
    """
    run_items = sfn._run_map_items

    def run_map(state: JsonObject, raw: Any, execution: JsonObject, ctx: JsonObject) -> Any:
        processor = state.get("Iterator") or state.get("ItemProcessor", {})
        mode = (processor.get("ProcessorConfig") or {}).get("Mode")
        if sfn._state_query_language(state, ctx) != "JSONata" or mode == "DISTRIBUTED":
            return run_items(state, raw, execution, ctx)

        def runner(index: int, item: Any) -> Callable[[JsonObject], Any]:
            def run(own: JsonObject) -> Any:
                own_ctx, given = select(state, raw, ctx, index, item)
                return sfn._run_sub_machine(
                    processor.get("States", {}), processor.get("StartAt"), given, own, own_ctx
                )

            return run

        items, limit = items_of(state, raw, ctx), number(state, "MaxConcurrency", raw, ctx)
        runners = [runner(index, item) for index, item in enumerate(items)]
        results = run_all(runners, execution, min(int(limit) or AT_ONCE, AT_ONCE))
        return leave(state, raw, ctx, results)

    sfn._run_map_items = run_map


def items_of(state: JsonObject, raw: Any, ctx: JsonObject) -> list[Any]:
    """The items of a Map in JSONata."""
    items = raw
    if "Items" in state:
        items = sfn._jsonata_state_field(state, "Items", "array", raw, ctx)
    if not isinstance(items, list):
        raise sfn._ExecutionError("States.QueryEvaluationError", "Map needs an array")
    return items


def number(state: JsonObject, field: str, raw: Any, ctx: JsonObject) -> float:
    """A numeric field of a Map in JSONata; 0 without it."""
    if field not in state:
        return 0
    value: float = sfn._jsonata_state_field(state, field, "number", raw, ctx)
    return value


def select(
    state: JsonObject, raw: Any, ctx: JsonObject, index: int, item: Any
) -> tuple[JsonObject, Any]:
    """The context of a Map's item, and the item as ItemSelector gives it to its branch."""
    own_ctx = copy.deepcopy(ctx)
    own_ctx["Map"] = {"Item": {"Index": index, "Value": item}}
    if not state.get("ItemSelector"):
        return own_ctx, item
    return own_ctx, sfn._apply_jsonata_template(state["ItemSelector"], raw, own_ctx)


def run_all(
    runners: list[Callable[[JsonObject], Any]], execution: JsonObject, limit: int = 0
) -> list[Any]:
    """Results in order; the first error ends the other branches and is raised."""
    results: list[Any] = [None] * len(runners)
    done: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    # A branch is its execution with a status of its own: see endings.ended.
    group = {**execution, "status": "RUNNING", "parent": execution}
    waiting = iter(enumerate(runners))

    def run(index: int, runner: Callable[[JsonObject], Any]) -> None:
        running.set(group)
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


def leave(state: JsonObject, raw: Any, ctx: JsonObject, results: list[Any]) -> Any:
    """The (output, next state's name) of a state whose branches have ended well."""
    if sfn._state_query_language(state, ctx) == "JSONata":
        output = sfn._apply_jsonata_output(state, raw, ctx, result=results, default=results)
        sfn._apply_state_assign(state, raw, ctx, result=results)
    else:
        selected = sfn._apply_result_selector(state, results)
        output = sfn._apply_result_path(state, raw, selected)
        output = sfn._apply_output_path(state, output, ctx)
    return output, sfn._next_or_end(state)


FIXES = (parallel_branches_stand_alone, map_fails_fast)
