"""Mends of moto: where JSONata is evaluated."""

# ruff: noqa: SLF001  (a mend reaches into what it mends)
from __future__ import annotations

import hashlib
import uuid
from typing import Any, cast

from jsonata.jsonata import Jsonata
from jsonata.utils import Utils
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
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
from moto.stepfunctions.parser.asl.component.common.string.string_expression import (
    StringJSONata,
    StringVariableSample,
)
from moto.stepfunctions.parser.asl.component.intrinsic.jsonata import (
    get_intrinsic_functions_declarations,
)
from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison import (
    ConditionStringJSONata,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata.jsonata import extract_jsonata_variable_references

from opscore_trial.patching import Patches

_VALUES = (str, int, float, list, dict)


def expressions_need_no_jvm(patches: Patches) -> None:
    """Defects of evaluation.

    - JSONata is left to a Java library, through a bridge that moto does not ship
    - variables are written into the expression, strings without escaping what is in them
    - an expression that fails is States.Runtime, which nothing can catch or tell apart
    """

    def eval_body(self: Any, env: Any) -> None:
        env.stack.append(_evaluated(self.expression, env))

    patches.set(StringJSONata, "_eval_body", eval_body)
    patches.set(StringVariableSample, "_eval_body", eval_body)


def conditions_are_booleans(patches: Patches) -> None:
    """Defect: a Condition that is no boolean is States.Runtime, which looks like a bug of ours."""

    def eval_body(self: Any, env: Any) -> None:
        self.string_jsonata.eval(env=env)
        if not isinstance(env.stack[-1], bool):
            raise query_error(env, "the Condition is neither true nor false")

    patches.set(ConditionStringJSONata, "_eval_body", eval_body)


def query_error(env: Any, cause: str) -> FailureEventException:
    """What AWS fails a state with when an expression of it fails."""
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(error=name.error_name, cause=cause)
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=cast("EventDetails", {"evaluationFailedEventDetails": details}),
        )
    )


def _evaluated(expression: str, env: Any) -> Any:
    try:
        source = Jsonata(_with_functions(expression))
        source.output_convert_nulls = False
        for name, function in _FUNCTIONS.items():
            source.register_lambda(name, function)
        found = source.evaluate(None, _names(env))
    except Exception as error:
        raise query_error(env, f"The JSONata expression '{expression}' failed: {error}") from error
    if found is None:
        raise query_error(
            env, f"The JSONata expression '{expression}' returned nothing (undefined)."
        )
    if found is not Utils.NULL_VALUE and not isinstance(found, _VALUES):
        raise query_error(
            env, f"The JSONata expression '{expression}' returned an unsupported result type."
        )
    return Utils.convert_nulls(found)


def _names(env: Any) -> dict[str, Any]:
    variables = env.variable_store._outer_scope | env.variable_store._inner_scope
    names = variables | {"states": env.states._states_data}
    return {name: Utils.NULL_VALUE if value is None else value for name, value in names.items()}


def _with_functions(expression: str) -> str:
    used = extract_jsonata_variable_references(expression) - {f"${name}" for name in _FUNCTIONS}
    return f"({get_intrinsic_functions_declarations(used)}{expression})"


def _hash(value: Any, algorithm: str = "SHA-1") -> str:
    name = algorithm.replace("-", "").lower()
    return hashlib.new(name, str(value).encode(), usedforsecurity=False).hexdigest()


_FUNCTIONS = {"uuid": lambda: str(uuid.uuid4()), "hash": _hash}
"""AWS's own functions that moto answers with an apology."""

MENDS = (expressions_need_no_jvm, conditions_are_booleans)
