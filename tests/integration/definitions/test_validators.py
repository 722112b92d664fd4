"""Every compiled definition is accepted by those who know Step Functions' rules."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cfnlint.api import lint

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_cleanup, compile_workflow
from tests.support.step_cases import STEP_CASES
from tests.support.workflow_cases import CASES
from tests.support.workflow_runs import ROLE
from tests.unit.workflows import pairs


def definitions() -> dict[str, dict[str, Any]]:
    """Every definition of the tests by the name of its template."""
    cases = {case.name: case.template for case in (*CASES, *STEP_CASES)}
    found = {}
    for name, source in (pairs.golden_templates() | cases).items():
        workflow = check(source).require()
        found[name] = json.loads(compile_workflow(workflow, pairs.QUEUE_URL))
        after = compile_cleanup(workflow, pairs.QUEUE_URL)
        if after is not None:
            found[f"{name}, after"] = json.loads(after)
    return found


def test_cfn_lint_accepts_every_definition() -> None:
    assert cfn_lint(_with_plain_timeouts(machine) for machine in definitions().values()) == []


def test_cfn_lint_would_have_found_a_fault() -> None:
    broken = definitions()["sequence"]
    broken["States"]["close"]["Retry"] = [{"ErrorEquals": "States.ALL"}]

    [said] = cfn_lint([broken])

    assert said.startswith("[E3601")


@pytest.mark.usefixtures("moto")
def test_moto_accepts_every_definition() -> None:
    created = {name: create(machine) for name, machine in definitions().items()}

    assert [name for name, arn in created.items() if not arn] == []


@pytest.mark.usefixtures("moto")
def test_moto_would_have_found_a_fault() -> None:
    broken = definitions()["sequence"]
    del broken["States"]["classify"]["Resource"]

    with pytest.raises(ClientError, match="No Resource declaration"):
        create(broken)


def cfn_lint(machines: Iterable[dict[str, Any]]) -> list[str]:
    """What cfn-lint says of definitions; it sees them only inline in a template."""
    resources = {
        f"Machine{number}": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"RoleArn": ROLE, "Definition": machine},
        }
        for number, machine in enumerate(machines)
    }
    template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
    return [str(match) for match in lint(json.dumps(template, ensure_ascii=False))]


def create(machine: dict[str, Any]) -> str:
    """Have moto read a definition."""
    return boto3.client("stepfunctions").create_state_machine(
        name="machine", definition=json.dumps(machine), roleArn=ROLE
    )["stateMachineArn"]


def _with_plain_timeouts(machine: dict[str, Any]) -> dict[str, Any]:
    """cfn-lint wants numbers where AWS takes expressions too."""
    for state in machine["States"].values():
        if isinstance(state.get("TimeoutSeconds"), str):
            state["TimeoutSeconds"] = 1
        for part in (*state.get("Branches", ()), state.get("ItemProcessor", {"States": {}})):
            _with_plain_timeouts(part)
    return machine
