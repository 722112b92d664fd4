from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings

from opscore.workflows.checks import check
from opscore.workflows.steps import all_steps
from opscore_picture.colours import COLOURS, states_of
from opscore_picture.diagram import Diagram, diagram
from opscore_picture.layout import Box, lay_out
from opscore_picture.mermaid import mermaid
from opscore_picture.svg import svg
from tests.unit.clients.conftest import Opscore
from tests.unit.workflows.step_strategies import Made, stories

SHIPPED = sorted(
    path
    for path in (Path(__file__).parents[3] / "infra/workflows").glob("*.yaml")
    if ".test." not in path.name
)
TRIAGE = """
id: triage
name: Triage <of> alerts
tasks:
  - taskId: classify
    agentCapability: text.classify
    retry: [{errors: [InvalidResult], maxRetries: 1}, {maxRetries: 4}]
    fallback: {agentCapability: text.classify.small}
  - {taskId: bad, choice: [{when: "{% $tasks.classify.score > 1 %}", nextTaskId: page}]}
  - {taskId: close, agentId: archivist, fallback: {taskId: page}, nextTaskId: null}
  - {taskId: page, approval: "Go on?"}
"""


def picture(source: str) -> Diagram:
    return diagram(check(source).require())


def test_retries_fallbacks_and_choices_can_be_read() -> None:
    text = mermaid(picture(TRIAGE))

    assert "classify<br/>text.classify<br/>retries: 1 on InvalidResult" in text
    assert "retries: 4 on any other<br/>else text.classify.small" in text
    assert 's1 -->|"$tasks.classify.score #gt; 1"| s3' in text
    assert 's1 -->|"otherwise"| s2' in text
    assert 's2 -.->|"fails"| s3' in text
    assert "s2 --> finish" in text


def test_steps_are_coloured_as_they_stand() -> None:
    states = {"classify": "completed", "close": "failed"}

    assert ":::completed" in mermaid(picture(TRIAGE), states)
    drawn = svg(picture(TRIAGE), states)
    assert COLOURS["completed"][0] in drawn
    assert COLOURS["failed"][0] in drawn
    assert COLOURS["running"][0] not in drawn


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (["completed"], "completed"),
        (["completed", "failed"], "failed"),
        (["failed", "waiting"], "waiting"),
        (["running", "failed", "waiting"], "running"),
    ],
)
def test_of_several_items_the_liveliest_counts(statuses: list[str], state: str) -> None:
    tasks: list[dict[str, Any]] = [
        {"taskDefinitionId": "each", "status": status} for status in statuses
    ]

    assert states_of(tasks) == {"each": state}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_step_of_a_shipped_template_is_in_its_picture(path: Path) -> None:
    workflow = check(path.read_text()).require()
    drawn = svg(diagram(workflow))

    titles = {found.text for found in ET.fromstring(drawn).iter() if found.text}
    for step in all_steps((*workflow.tasks, *workflow.on_failure)):
        assert any(step.id in str(title) for title in titles)


@given(stories())
@settings(max_examples=30, deadline=None)
def test_nothing_lies_on_anything_else(made: Made) -> None:
    workflow = check(made.template).require()

    layout, _ = lay_out(diagram(workflow))

    ET.fromstring(svg(diagram(workflow)))
    for n, one in enumerate(layout.boxes):
        for other in layout.boxes[n + 1 :]:
            assert _apart(one, other) or _within(one, other) or _within(other, one)


def _apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.bottom <= other.y
        or other.bottom <= one.y
    )


def _within(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and inner.x + inner.width <= outer.x + outer.width
        and outer.y <= inner.y
        and inner.bottom <= outer.bottom
    )


def test_graph_draws_a_file(opscore: Opscore, tmp_path: Path) -> None:
    path, output = tmp_path / "triage.yaml", tmp_path / "triage.svg"
    path.write_text(TRIAGE)

    assert "flowchart TD" in opscore("workflow", "graph", str(path)).stdout
    assert opscore("workflow", "graph", str(path), "-o", str(output)).exit_code == 0
    assert output.read_text().startswith("<svg")


def test_graph_draws_an_upload(opscore: Opscore, tmp_path: Path) -> None:
    path = tmp_path / "triage.yaml"
    path.write_text(TRIAGE)
    opscore("workflow", "apply", str(path))

    result = opscore("workflow", "graph", "triage", "--format", "svg")

    assert "Triage &lt;of&gt; alerts" in result.stdout
