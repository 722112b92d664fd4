"""The task queue: what is sent is what arrives, not before its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from opscore.aws.sqs import TaskQueue
from opscore.errors import DependencyFailed
from opscore.models.messages import (
    ApprovalMessage,
    AttemptMessage,
    DeadlineMessage,
    Message,
    ReconsiderMessage,
    ResumeMessage,
    SettleMessage,
    SignalMessage,
    TaskMessage,
    WakeMessage,
    WorkflowMessage,
    messages,
)
from opscore.ports import Queue
from tests.support.aws import Deployment
from tests.support.memory import MemoryQueue


@dataclass
class Line:
    """A queue, and what can be received from it now."""

    queue: Queue
    receive: Callable[[], list[Message]]
    url: str = ""


def in_memory() -> Line:
    queue = MemoryQueue()
    return Line(queue, lambda: queue.take(upto_delay=0))


def on_sqs(deployment: Deployment, name: str) -> Line:
    url = deployment.sqs.create_queue(QueueName=name)["QueueUrl"]

    def receive() -> list[Message]:
        found: list[Message] = []
        while batch := deployment.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += [messages.validate_json(message["Body"]) for message in batch]
        return found

    return Line(TaskQueue(deployment.sqs, url), receive, url)


@pytest.fixture(params=["memory", "sqs"])
def line(request: pytest.FixtureRequest, name: str) -> Line:
    if request.param == "memory":
        return in_memory()
    return on_sqs(request.getfixturevalue("deployment"), name)


EVERY_KIND: list[Message] = [
    TaskMessage(
        token="t" * 1000, session_id="s", workflow_id="w", task_id="k", name="ä",
        agent_capability="work", parameters={"null": None, "list": [1.5, "😀", {}]}, timeout=0.5,
        wait_timeout=60, priority=0, index=(1, 2),
    ),
    ApprovalMessage(
        token="t", session_id="s", workflow_id="w", task_id="k", name="n", timeout=60,
        prompt={"fixes": [1, None]},
    ),
    SignalMessage(
        token="t", session_id="s", workflow_id="w", task_id="k", name="n", timeout=60, signal="ä b",
    ),
    WorkflowMessage(
        token="t", session_id="s", workflow_id="w", task_id="k", name="n", timeout=60,
        child_workflow_id="c", child_version=2, input={"n": 1.5},
    ),
    AttemptMessage(attempt_id="task_1"),
    DeadlineMessage(attempt_id="task_1", fence=3),
    WakeMessage(agent_id="a", lists=("@a", "work#0")),
    ReconsiderMessage(agent_id="a"),
    ResumeMessage(session_id="s"),
    SettleMessage(session_id="s"),
]  # fmt: skip


@pytest.mark.parametrize("message", EVERY_KIND, ids=lambda message: message.kind)
def test_a_message_arrives_as_it_was_sent(line: Line, message: Message) -> None:
    line.queue.send(message)

    assert line.receive() == [message]


@pytest.mark.parametrize("delay", [1, 60, 900, 5_000, 10**9])
def test_a_delayed_message_does_not_arrive_at_once(line: Line, delay: int) -> None:
    line.queue.send(AttemptMessage(attempt_id="later"), delay_seconds=delay)

    assert line.receive() == []


@pytest.mark.parametrize("delay", [0, -5])
def test_a_message_whose_time_has_come_arrives_at_once(line: Line, delay: int) -> None:
    line.queue.send(AttemptMessage(attempt_id="now"), delay_seconds=delay)

    assert len(line.receive()) == 1


# ---- SQS itself


def test_a_hidden_message_comes_back_when_its_time_has_come(
    deployment: Deployment, name: str
) -> None:
    line = on_sqs(deployment, name)
    line.queue.send(AttemptMessage(attempt_id="a"))
    (message,) = deployment.sqs.receive_message(QueueUrl=line.url)["Messages"]
    receipt = message["ReceiptHandle"]

    line.queue.hide(receipt, 300)
    assert line.receive() == []
    line.queue.hide(receipt, 0)
    assert len(line.receive()) == 1


def test_a_queue_that_is_not_there_is_tried_again_later(deployment: Deployment) -> None:
    queue = TaskQueue(deployment.sqs, deployment.queue_url + "x")

    with pytest.raises(DependencyFailed):
        queue.send(AttemptMessage(attempt_id="a"))
    with pytest.raises(DependencyFailed):
        queue.hide("receipt", 1)


def test_a_message_is_json_that_people_can_read(deployment: Deployment, name: str) -> None:
    line = on_sqs(deployment, name)
    line.queue.send(WakeMessage(agent_id="ä", lists=("x",)))

    (message,) = deployment.sqs.receive_message(QueueUrl=line.url)["Messages"]
    assert json.loads(message["Body"]) == {"kind": "wake", "agentId": "ä", "lists": ["x"]}
