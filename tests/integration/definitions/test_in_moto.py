"""Every compiled definition runs to the outcome that its template promises."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from tests.support.interpreters.moto_fixes import mended_moto
from tests.support.workflow_cases import CASES, Case
from tests.support.workflow_runs import faults, run_case


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mended_moto():
        yield


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_definition_keeps_its_promise(case: Case) -> None:
    run = run_case(case, boto3.client("sqs"), boto3.client("stepfunctions"))

    assert faults(case, run) == []
