"""Whatever comes in, a template either compiles soundly or is told what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from opscore.workflows import jsonata_tree
from opscore.workflows.checks import Checked, check
from opscore.workflows.compiler import compile_cleanup, compile_workflow
from opscore.workflows.names import MAX_NAME
from tests.unit.workflows import strategies
from tests.unit.workflows.pairs import QUEUE_URL


@given(strategies.good_templates())
@settings(max_examples=40, deadline=None)
def test_what_is_right_compiles_soundly_and_always_alike(template: dict[str, Any]) -> None:
    forms = (template, json.dumps(template), yaml.safe_dump(template))

    checked = [check(form) for form in forms]

    assert [finding for one in checked for finding in one.errors] == []
    definitions = {compile_workflow(one.require(), QUEUE_URL) for one in checked}
    assert len(definitions) == 1
    assert_sound(json.loads(definitions.pop()))


@given(strategies.odd_templates)
@settings(max_examples=80, deadline=None)
def test_what_is_odd_compiles_soundly_or_is_told_why(template: dict[str, Any]) -> None:
    checked = check(template)

    assert_explained(checked)
    if checked.workflow is not None and checked.workflow.tasks:
        assert_sound(json.loads(compile_workflow(checked.workflow, QUEUE_URL)))
        after = compile_cleanup(checked.workflow, QUEUE_URL)
        if after is not None:
            assert_sound(json.loads(after))


@given(strategies.anything)
@settings(max_examples=80, deadline=None)
def test_any_data_is_taken_or_explained(data: Any) -> None:
    assert_explained(check(data))


@given(st.text() | st.binary() | strategies.anything.map(yaml.safe_dump))
@settings(max_examples=80, deadline=None)
def test_any_text_is_taken_or_explained(source: str | bytes) -> None:
    assert_explained(check(source))


@given(strategies.sources)
@settings(max_examples=200, deadline=None)
def test_any_expression_is_taken_or_explained(source: str) -> None:
    reader = {"taskId": "c", "parameters": {"x": f"{{% {source} %}}"}}

    checked = check({"id": "w", "name": "W", "tasks": [{"taskId": "a"}, {"taskId": "b-2"}, reader]})

    assert_explained(checked)
    if checked.workflow is not None:
        machine = json.loads(compile_workflow(checked.workflow, QUEUE_URL))
        compiled = machine["States"]["c"]["Arguments"]["MessageBody"]["parameters"]["x"]
        jsonata_tree.parse(compiled[2:-2])


def assert_explained(checked: Checked) -> None:
    assert (checked.workflow is None) == bool(checked.errors)
    for finding in (*checked.errors, *checked.warnings):
        assert all(str(value).isprintable() for value in finding.as_dict().values())
        assert finding.code
        assert finding.message


def assert_sound(machine: dict[str, Any]) -> None:
    """What Step Functions would refuse, as far as it can be seen in the definition."""
    names = _assert_part_sound(machine)
    assert len(names) == len(set(names))
    for source in _compiled_expressions(machine):
        jsonata_tree.parse(source)


def _assert_part_sound(part: dict[str, Any]) -> list[str]:
    """Check a machine, a branch or the steps of a map; the names of all states in it."""
    states = part["States"]
    reached, waiting = set[str](), [part["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _next_states(states[name])
    assert reached == set(states)
    names = list(states)
    for name, state in states.items():
        assert len(name) <= MAX_NAME
        ends = state.get("End", False) or state["Type"] in {"Succeed", "Fail"}
        assert sum((ends, "Next" in state, "Default" in state)) == 1
        errors = [error for rule in state.get("Retry", []) for error in rule["ErrorEquals"]]
        assert "States.ALL" not in errors[:-1]
        for rule in state.get("Retry", []):
            assert rule.get("MaxDelaySeconds", 2) > rule.get("IntervalSeconds", 1)
        inner = [*state.get("Branches", []), *[state[k] for k in ("ItemProcessor",) if k in state]]
        names += [found for one in inner for found in _assert_part_sound(one)]
    return names


def _next_states(state: dict[str, Any]) -> list[str]:
    rules = [*state.get("Catch", []), *state.get("Choices", [])]
    return [state[key] for key in ("Next", "Default") if key in state] + [r["Next"] for r in rules]


def _compiled_expressions(value: Any) -> list[str]:
    match value:
        case str() if value.startswith("{%"):
            assert value.endswith("%}")
            return [value[2:-2]]
        case dict():
            return [found for item in value.values() for found in _compiled_expressions(item)]
        case list():
            return [found for item in value for found in _compiled_expressions(item)]
        case _:
            return []
