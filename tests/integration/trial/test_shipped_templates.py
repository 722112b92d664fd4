"""The cases of every template that comes with Ops-Core."""

from __future__ import annotations

from pathlib import Path

import pytest

from opscore.workflows.checks import check
from opscore.workflows.price import price
from opscore_trial.files import case_file, is_case_file, read_suite

ROOT = Path(__file__).parents[3]
FOLDERS = ("shared/opscore/shipped", "infra/workflows", "infra/demo")
TEMPLATES = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).glob("*.yaml"))
    if not is_case_file(path) and case_file(path)
]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_cases_pass(template: Path) -> None:
    found = {
        outcome.case.name: [fault.message for fault in outcome.faults]
        for outcome in read_suite(template).run()
    }

    assert found
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_cases_cost_no_less_and_no_more_than_the_price_says(template: Path) -> None:
    told = price(check(template.read_bytes()).require())

    for outcome in read_suite(template).run():
        course = outcome.course
        if course.status == "completed":
            transitions = len(course.path) + course.retries
            assert told.best.states <= len(course.path) <= told.worst.states, outcome.case.name
            assert told.best.transitions <= transitions <= told.worst.transitions
            assert told.best.answers <= len(course.asked) <= told.worst.answers
            assert (told.best.seconds or 0) <= course.seconds


def test_what_every_deployment_ships_has_cases() -> None:
    shipped = {path.stem for path in TEMPLATES if path.parent == ROOT / FOLDERS[0]}

    assert shipped == {"sample_workflow", "single_task"}
