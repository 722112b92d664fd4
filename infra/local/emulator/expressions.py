"""Fixes of MiniStack 1.5.33: where JSONata is evaluated."""

# ruff: noqa: SLF001  (a fix reaches into what it mends)
from __future__ import annotations

import json
import time
from typing import Any

from jsonata import jexception, timebox
from ministack.services import stepfunctions as sfn

JsonObject = dict[str, Any]


def assign_sees_values_from_entry() -> None:
    """Defect: fields of one Assign see each other; on AWS all see the values from state entry."""

    def assign(
        state: JsonObject,
        raw: Any,
        ctx: JsonObject | None,
        result: Any = None,
        error_output: Any = None,
    ) -> None:
        template = state.get("Assign")
        if ctx is None or not isinstance(template, dict):
            return
        # Rules and catchers carry no query language: they have their state's, so JSONata's.
        if sfn._state_query_language(state, ctx) != "JSONata":
            return
        values = sfn._apply_jsonata_template(
            template, raw, ctx, result=result, error_output=error_output
        )
        ctx.setdefault("variables", {}).update(values)

    sfn._apply_state_assign = assign


def succeed_has_output() -> None:
    """Defect: Succeed ignores its Output."""
    output_path = sfn._apply_output_path

    def apply(state: JsonObject, data: Any, ctx: JsonObject | None = None) -> Any:
        jsonata = sfn._state_query_language(state, ctx) == "JSONata"
        if jsonata and state.get("Type") == "Succeed":
            return sfn._apply_jsonata_output(state, data, ctx, default=data)
        return output_path(state, data, ctx)

    sfn._apply_output_path = apply


def choice_is_strict() -> None:
    """Defects of the Choice state.

    - on Default its own Output is ignored
    - a Condition that is no boolean counts as true or false; on AWS it is an error
    """
    choose = sfn._execute_choice

    def execute_choice(state: JsonObject, raw: Any, ctx: JsonObject | None = None) -> Any:
        if sfn._state_query_language(state, ctx) != "JSONata":
            return choose(state, raw, ctx)
        for rule in state.get("Choices", []):
            if _holds(rule, raw, ctx):
                chosen, following = rule, rule["Next"]
                break
        else:
            chosen, following = state, state.get("Default")
            if following is None:
                raise sfn._ExecutionError("States.NoChoiceMatched", "No choice rule matched")
        chosen = {**chosen, "QueryLanguage": "JSONata"}
        output = sfn._apply_jsonata_output(chosen, raw, ctx, default=raw)
        sfn._apply_state_assign(chosen, raw, ctx)
        return output, following

    sfn._execute_choice = execute_choice


def _holds(rule: JsonObject, raw: Any, ctx: JsonObject | None) -> bool:
    value = sfn._apply_jsonata_template(rule.get("Condition"), raw, ctx)
    if not isinstance(value, bool):
        message = f"Condition must be a boolean, was {json.dumps(value)}"
        raise sfn._ExecutionError("States.QueryEvaluationError", message)
    return value


def expressions_share_no_clock() -> None:
    """Defect: an expression's second runs on while others are evaluated, so that a large Map fails.

    AWS evaluates each apart: here an expression has a second of the processor.
    """
    start = timebox.Timebox.__init__

    def start_box(box: Any, *args: Any, **kwargs: Any) -> None:
        start(box, *args, **kwargs)
        box.spent = time.thread_time()

    def check(box: Any) -> None:
        if box.timeout is not None and (time.thread_time() - box.spent) * 1000 > box.timeout:
            raise jexception.JException("D1012", -1, box.timeout)

    timebox.Timebox.__init__ = start_box
    timebox.Timebox.check_runaway = check


FIXES = (
    assign_sees_values_from_entry,
    succeed_has_output,
    choice_is_strict,
    expressions_share_no_clock,
)
