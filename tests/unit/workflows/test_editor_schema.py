"""The schema for editors takes what the checks take, and says what they say where a schema can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema_rs import Draft202012Validator

from opscore.workflows.checks import check
from opscore.workflows.editor_schema import editor_schema
from tests.unit.workflows import pairs, strategies
from tests.unit.workflows.step_strategies import Made, stories

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(editor_schema())
SHIPPED = sorted(
    path for path in (ROOT / "infra/workflows").glob("*.yaml") if ".test." not in path.name
)


def read(source: str | bytes) -> dict[str, Any]:
    found = check(source).template
    assert found is not None
    return found


def test_the_published_file_is_current() -> None:
    published = json.loads((ROOT / "docs/workflow.schema.json").read_text())

    assert published == editor_schema()


@pytest.mark.parametrize("name", pairs.golden_templates())
def test_golden_templates_fit(name: str) -> None:
    assert VALIDATOR.is_valid(read(pairs.golden_templates()[name]))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_templates_fit(path: Path) -> None:
    assert VALIDATOR.is_valid(read(path.read_text()))


@given(strategies.good_templates())
@settings(max_examples=40, deadline=None)
def test_templates_of_tasks_that_are_right_fit(template: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(template)


@given(stories())
@settings(max_examples=40, deadline=None)
def test_templates_of_all_steps_that_are_right_fit(made: Made) -> None:
    assert VALIDATOR.is_valid(made.template)


@pytest.mark.parametrize(
    "step",
    [
        {"agentCapability": "c"},
        {"taskId": "a", "agentCapabilty": "c"},
        {"taskId": "a", "wait": "5s", "approval": "Go on?"},
        {"taskId": "a", "wait": "soon"},
        {"taskId": "a", "priority": 10},
        {"taskId": "a", "retry": {"maxRetries": -1}},
        {"taskId": "a", "fallback": {}},
        {"taskId": "a", "map": {"tasks": [{"taskId": "b"}]}},
        {"taskId": "a", "repeat": {"tasks": [], "until": "{% true %}"}},
        {"taskId": "a", "choice": [{"when": "plain", "nextTaskId": None}]},
        {"taskId": "a", "fail": "Boom", "nextTaskId": None},
    ],
)
def test_a_step_that_is_wrong_does_not_fit(step: dict[str, Any]) -> None:
    template = {"id": "w", "name": "W", "tasks": [step]}

    assert check(template).errors
    assert not VALIDATOR.is_valid(template)


def test_every_field_has_a_text_to_hover_over() -> None:
    silent = [path for path, field in _fields(editor_schema(), "") if not field.get("description")]

    assert silent == []


def _fields(shape: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(shape, dict):
        for name, field in shape.get("properties", {}).items():
            yield f"{path}.{name}", field
        for name, inner in shape.items():
            yield from _fields(inner, f"{path}.{name}")


@pytest.mark.parametrize("duration", ["30s", "1h30m", "2d", "90", 90, "PT1H", "P1D", " 5m"])
def test_a_duration_fits_if_it_can_be_read(duration: str | int) -> None:
    template = {"id": "w", "name": "W", "tasks": [{"taskId": "a", "timeout": duration}]}

    assert VALIDATOR.is_valid(template) == (not check(template).errors)
