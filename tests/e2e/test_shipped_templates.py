"""The templates in infra/workflows on the deployed local stack, with agents, people and signals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.local.stack import LocalStack
from opscore.workflows.checks import check
from opscore.workflows.language import Block, Task
from opscore.workflows.steps import all_steps, compensations, routes
from tests.e2e.agents import Agent, Fleet, Run
from tests.e2e.api import Api, JsonObject
from tests.e2e.conftest import WAIT_SCALE
from tests.e2e.waiting import eventually

FOLDER = Path(__file__).parents[2] / "infra/workflows"
FAST = 0.003
"""Waits of minutes take a second; sessions, whose times are scaled too, still have enough."""


@dataclass(frozen=True)
class Story:
    """A session: what it is started with, what agents answer by task, and how it ends."""

    template: str
    given: JsonObject
    answers: dict[str, Any]
    status: str = "completed"
    result: Any = None
    error: str | None = None
    afterwards: list[str] = field(default_factory=list)


STORIES = [
    Story(
        "incident-triage",
        {"alert": {"text": "disk full"}},
        {
            "classify": {"severity": "high"},
            "logs": {"suspects": ["cache", "queue"]},
            "metrics": {"series": [1]},
            "propose": lambda given: {"patch": given["suspect"]},
            "apply": None,
            "close": {"closed": True},
        },
        result={"closed": True},
    ),
    Story(
        "research-with-judge",
        {"question": "Why?", "goodEnough": 0.5},
        {
            "web": {"found": ["a"]},
            "papers": {"found": ["b"]},
            "own-documents": {"found": []},
            "draft": lambda given: {"text": f"draft {given['round']}"},
            "judge": lambda given: {"score": 1 if given["draft"] == "draft 2" else 0},
        },
        result={"answer": "draft 2", "score": 1, "evidence": ["a", "b"]},
    ),
    Story(
        "document-pipeline",
        {"document": "book.pdf"},
        {
            "split": {"pages": ["p1", "p2", "p3"]},
            "read": lambda given: {"text": f"text of {given['page']}"},
            "merge": lambda given: given["texts"],
        },
        result={
            "document": ["text of p1", "text of p2", "text of p3"],
            "pages": 3,
            "missing": [],
        },
    ),
    Story(
        "nightly-evaluation",
        {
            "agent": "",
            "cases": [{"question": "a", "expected": "A"}, {"question": "b", "expected": "B"}],
        },
        {
            "ask": lambda given: given["question"].upper(),
            "judge": lambda given: {"score": 1, "sure": given["answer"] == given["expected"]},
            "report": None,
        },
        result={"score": 1, "passed": True},
    ),
    Story(
        "release-with-compensation",
        {"service": "web", "version": "1.2", "frozen": True},
        {
            "build": {"artifact": "web-1.2"},
            "canary": {"deployment": "d-1"},
            "errors": {"rate": 0},
            "everywhere": {"deployment": "d-2"},
            "verify": ValueError,
            "everywhere (compensate)": None,
            "canary (compensate)": None,
            "tell": None,
        },
        status="failed",
        error="AgentError",
        afterwards=["everywhere (compensate)", "canary (compensate)", "tell"],
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _short_waits(stack: LocalStack) -> Iterator[None]:
    _scale(stack, FAST)
    yield
    _scale(stack, WAIT_SCALE)


def _scale(stack: LocalStack, scale: float) -> None:
    url = f"{stack.addresses.aws_endpoint}/_ministack/config"
    answer = requests.post(url, json={"stepfunctions._SFN_WAIT_SCALE": str(scale)}, timeout=10)
    assert answer.json()["applied"] == {"stepfunctions._SFN_WAIT_SCALE": scale}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.template)
def test_template_keeps_its_promise(story: Story, api: Api, fleet: Fleet) -> None:
    source = (FOLDER / f"{story.template}.yaml").read_bytes()
    agent = fleet.add(
        *_capabilities(source),
        behave=_answering(api, story.answers),
        maxConcurrency=5,
    )
    given = story.given | ({"agent": agent.agent_id} if "agent" in story.given else {})
    applied = api.put(f"workflow/{story.template}", data=source)
    assert applied.status_code in (200, 201), applied.text

    session_id = api.start(story.template, given)
    session = _ended(api, session_id)

    assert (session["status"], session["result"]) == (story.status, story.result)
    assert (session["error"] or {}).get("code") == story.error
    after = [task for task in session["tasks"] if task["phase"] == "after"]
    assert [task["taskDefinitionId"] for task in after] == story.afterwards
    assert {task["status"] for task in after} <= {"completed"}


def _capabilities(source: bytes) -> list[str]:
    workflow = check(source).require()
    undo: Block = tuple(compensations(workflow).values())
    found = {
        route.agent_capability
        for step in all_steps((*workflow.tasks, *workflow.on_failure, *undo))
        if isinstance(step, Task)
        for route in routes(step)
    }
    return sorted(name for name in found if isinstance(name, str))


def _answering(api: Api, answers: dict[str, Any]) -> Callable[[Agent, Run], None]:
    """An agent that looks up which task it was given, and answers that one."""

    def behave(agent: Agent, run: Run) -> None:
        task = api.read(f"task/{run.reference}")["taskDefinitionId"]
        answer = answers[task]
        if answer is ValueError:
            agent.say("fail", run, message="no luck")
        else:
            result = answer(run.parameters) if callable(answer) else answer
            agent.say("complete", run, result=result)

    return behave


def _ended(api: Api, session_id: str) -> JsonObject:
    """The session once it is final; people approve, and end the freeze, when they are asked."""

    def look() -> JsonObject | None:
        session = api.read(f"session/{session_id}")
        for task in session["tasks"]:
            if task["status"] == "completed":
                continue
            if task["kind"] == "approval":
                for approval in api.read("approvals", sessionId=session_id)["items"]:
                    api.post(f"approval/{approval['taskId']}/approve", {})
            elif task["kind"] == "signal":
                body = {"name": task["signal"], "signalId": "once"}
                api.post(f"session/{session_id}/signal", body)
        return session if session["status"] in ("completed", "failed", "cancelled") else None

    return eventually(look, 60)
