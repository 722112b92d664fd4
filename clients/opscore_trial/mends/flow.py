"""Mends of moto: choices, and what a state assigns."""

# ruff: noqa: SLF001  (a mend reaches into what it mends)
from __future__ import annotations

from typing import Any, cast

from moto.stepfunctions.parser.api import ExecutionFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.assign.assign_decl import AssignDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from opscore_trial.patching import Patches


def a_rule_is_not_the_default(patches: Patches) -> None:
    """Defects of Choice.

    - a rule that goes where Default goes gets Default's Assign and Output
    - no rule and no Default is States.Runtime
    """
    before = StateChoice._eval_state_output

    def eval_state(self: Any, env: Any) -> None:
        for rule in self.choices_decl.rules:
            rule.eval(env)
            if env.stack.pop() is True:
                env.stack.append((rule.next_stmt.name,))
                return
        if self.default_state is None:
            raise _no_choice_matched(self, env)
        env.stack.append(self.default_state.state_name)

    def eval_state_output(self: Any, env: Any) -> None:
        match env.stack[-1]:
            case (name,) if not self._is_language_query_jsonpath():
                env.next_state_name = name
            case (name,):
                env.stack[-1] = name
                before(self, env)
            case _:
                before(self, env)

    patches.set(StateChoice, "_eval_state", eval_state)
    patches.set(StateChoice, "_eval_state_output", eval_state_output)


def _no_choice_matched(state: Any, env: Any) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesNoChoiceMatched)
    details = ExecutionFailedEventDetails(
        error=name.error_name, cause=f"no rule of '{state.name}' holds, and it has no Default"
    )
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.ExecutionFailed,
            event_details=cast("EventDetails", {"executionFailedEventDetails": details}),
        )
    )


def assign_shows_after_the_state(patches: Patches) -> None:
    """Defect: a state's Output sees what its Assign sets; on AWS all see the values from entry."""
    exited = CommonStateField._get_state_exited_event_details

    def assign(self: Any, env: Any) -> None:
        for binding in self.declaration_bindings:
            binding.eval(env=env)
            vars(env).setdefault("_assigned", {}).update(env.stack.pop())

    def exited_event_details(self: Any, env: Any) -> Any:
        for name, value in vars(env).pop("_assigned", {}).items():
            env.variable_store.set(variable_identifier=name, variable_value=value)
        return exited(self, env)

    patches.set(AssignDecl, "_eval_body", assign)
    patches.set(CommonStateField, "_get_state_exited_event_details", exited_event_details)


MENDS = (a_rule_is_not_the_default, assign_shows_after_the_state)
