"""Mends of moto: how errors travel."""

from __future__ import annotations

from typing import Any

from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName

from opscore_trial.patching import Patches


def own_errors_of_states_pass_on(patches: Patches) -> None:
    """Defect: a `States.…` error that leaves a branch, an item or a Fail crashes moto."""

    def init(self: Any, error_name: str | None) -> None:
        ErrorName.__init__(self, error_name=error_name)

    patches.set(CustomErrorName, "__init__", init)


MENDS = (own_errors_of_states_pass_on,)
