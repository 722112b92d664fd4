"""Every compiled definition runs to the outcome that its template promises."""

from __future__ import annotations

import pytest

from tests.support.workflow_cases import CASES, Case
from tests.support.workflow_runs import faults, interpret


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_definition_keeps_its_promise(case: Case) -> None:
    assert faults(case, interpret(case)) == []
