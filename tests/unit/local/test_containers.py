"""What `sam local` is given: a template it can do all with, and one event file a function."""

import json
import re

import pytest

from infra.local.containers import DOCKERS_HOST, PODMANS_HOST, for_containers, host, logical_id
from infra.local.errors import LocalStackError
from infra.local.settings import ROOT
from opscore.models.messages import TaskMessage

FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/app.py"))
EVENTS = ROOT / "tests" / "events"

BUILT = """
      Variables:
        STAGE:
          Ref: Stage
        HISTORY_DAYS:
          Ref: HistoryDays
          ApiKey:
            FunctionArn:
              Fn::GetAtt:
              - Authorizer
              - Arn
            Identity: {}
"""


def routes() -> set[str]:
    """Method and path of every HTTP event of template.yaml."""
    text = (ROOT / "template.yaml").read_text()
    found = re.findall(r"Method: (\w+)(?:,|\n) +Path: '?([^'}\n]*(?:\{\w+\}[^'}\n]*)*)'?", text)
    return {f"{method} {path}" for method, path in found}


def test_template_declares_the_endpoint_and_names_the_authorizer() -> None:
    template = for_containers(BUILT)

    assert "        AWS_ENDPOINT_URL: local\n        STAGE:\n" in template
    assert (
        "            FunctionArn: arn:aws:lambda:us-east-1:123456789012:function:Authorizer\n"
        in (template)
    )
    assert "            Identity: {}\n" in template


def test_template_without_variables_is_refused() -> None:
    with pytest.raises(LocalStackError, match="STAGE"):
        for_containers("Resources: {}")


@pytest.mark.parametrize(
    ("engine", "expected"),
    [("unix:///run/podman.sock", PODMANS_HOST), ("", DOCKERS_HOST)],
)
def test_host_has_the_engine_s_name(
    monkeypatch: pytest.MonkeyPatch, engine: str, expected: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine)

    assert host() == expected


def test_every_function_has_an_event_and_every_event_a_function() -> None:
    assert [path.stem for path in sorted(EVENTS.glob("*.json"))] == FUNCTIONS
    assert len(FUNCTIONS) == 9


@pytest.mark.parametrize("function", FUNCTIONS)
def test_event_is_of_a_trigger_that_the_template_has(function: str) -> None:
    event = json.loads((EVENTS / f"{function}.json").read_text())
    template = (ROOT / "template.yaml").read_text()

    assert f"\n  {logical_id(function)}:\n    Type: AWS::Serverless::Function\n" in template
    if "routeKey" in event:
        assert event["routeKey"] in routes()
    if "Records" in event:
        queue = event["Records"][0]["eventSourceARN"].rpartition(":")[2]
        name = queue.replace("opscore-local-", "opscore-${Stage}-")
        assert f"QueueName: !Sub {name}\n" in template


def test_example_message_is_one_that_the_dispatcher_takes() -> None:
    event = json.loads((EVENTS / "task_dispatcher.json").read_text())
    message = TaskMessage.model_validate_json(event["Records"][0]["body"])

    assert message.parameters == {"text": "Hello"}
