"""Every compiled definition runs to the outcome that its template promises."""

from __future__ import annotations

import pytest

from opscore.workflows.checks import check
from opscore.workflows.effort import effort
from tests.support.step_cases import STEP_CASES
from tests.support.workflow_cases import CASES, Case, Fails, Silent
from tests.support.workflow_runs import faults, interpret


@pytest.mark.parametrize("case", [*CASES, *STEP_CASES], ids=lambda case: case.name)
def test_definition_keeps_its_promise_at_the_price_that_was_said(case: Case) -> None:
    run = interpret(case)

    assert faults(case, run) == []
    said = effort(check(case.template).require())
    assert len(run.entered) <= said.most.states
    if run.status == "SUCCEEDED" and not _fails(case):
        assert len(run.entered) >= said.least.states


def _fails(case: Case) -> bool:
    return any(isinstance(a, Fails | Silent) for answers in case.agents.values() for a in answers)
