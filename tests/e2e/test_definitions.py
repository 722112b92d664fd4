"""Each definition that moto's interpreter ran behaves alike on the local stack."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.step_cases import STEP_CASES
from tests.support.workflow_cases import CASES, Case
from tests.support.workflow_runs import faults, run_case


@pytest.mark.parametrize("case", [*CASES, *STEP_CASES], ids=lambda case: case.name)
def test_definition_keeps_its_promise(case: Case, aws: Any) -> None:
    run = run_case(case, aws.sqs, aws.sfn, pause=0.02)

    assert faults(case, run, outer_states_only=True) == []
