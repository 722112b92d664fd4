"""What validates runs as its template says, whatever it is made of."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings

from opscore.workflows.checks import check
from opscore.workflows.compiler import compile_workflow
from opscore.workflows.effort import effort
from opscore_trial.interpreter import Execution
from tests.unit.workflows.step_strategies import PAYLOAD, Made, stories


@given(stories())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_template_runs_as_its_story_says(made: Made) -> None:
    checked = check(made.template)
    assert checked.errors == []
    workflow = checked.require()
    asked: list[str] = []

    def receive(message: dict[str, Any]) -> None:
        task = message["taskId"]
        asked.append(task)
        if task in made.failing:
            execution.fail(message["token"], "AgentError", "it broke")
        else:
            execution.succeed(message["token"], {"by": task})

    session = {"id": "s", "agentId": "bob", "workflowId": "w", "workflowVersion": 1}
    given_input = {"input": PAYLOAD, "session": session}
    execution = Execution(compile_workflow(workflow, "queue"), given_input, receive)
    ended = execution.run()

    assert (ended.status, ended.error, ended.cause) == ("SUCCEEDED", None, None)
    assert sorted(asked) == made.asked
    assert ended.output == made.result, json.dumps(made.template)
    said = effort(workflow)
    assert len(ended.entered) <= said.most.states
