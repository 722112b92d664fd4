"""Every compiled definition runs to the outcome that its template promises."""

from __future__ import annotations

import boto3
import pytest

from tests.support.workflow_cases import CASES, Case
from tests.support.workflow_runs import faults, run_case


@pytest.mark.usefixtures("moto")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_definition_keeps_its_promise(case: Case) -> None:
    run = run_case(case, boto3.client("sqs"), boto3.client("stepfunctions"))

    assert faults(case, run) == []
