"""Apply the workflow, run a session of it, show it, and check it through the API."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from infra.demo.checks import EDITOR, Check, check
from infra.demo.newsroom import CAPABILITIES, agents
from infra.local.stack import LocalStack
from opscore_cli.present import Column, write_rows
from opscore_cli.session_view import follow, tell
from opscore_cli.story import story
from opscore_cli.templates import read
from opscore_client import OpsCoreClient
from opscore_client.types import Agent, Session, Task

TEMPLATE: Final = Path(__file__).with_name("workflow.yaml")
PRESS_RELEASE: Final = (
    "The harbour bridge opens to bicycles on Monday. For three years the bridge was closed to all "
    "but trains, and the harbour had only its ferries. The city counts on four thousand bicycles "
    "a day."
)
_SESSION_SECONDS: Final = 90


def run(stack: LocalStack, console: Console) -> bool:
    """Show the demo; whether all went as the template promises. Raises OpsCoreError."""
    started = time.monotonic()
    with (
        OpsCoreClient(stack.addresses.base_url, stack.operator_key) as ops,
        agents(stack, ops) as ids,
    ):
        _headline(console, "Agents")
        write_rows(console, _COLUMNS, [ops.agents.get(ids[name]) for name in CAPABILITIES])
        _headline(console, "Session, live")
        session = _session(console, ops, ids["flaky"])
    _headline(console, "Its story")
    lines = story(session)
    tell(console, lines, lines[0].at)
    _headline(console, "What the template promises")
    checks = check(session)
    for one in checks:
        _tell_check(console, one)
    console.print(f"\n{_verdict(checks)} ({time.monotonic() - started:.0f} s)", style="bold")
    return all(one.kept for one in checks)


_COLUMNS: Final[list[Column[Agent]]] = [
    Column("agent", lambda agent: agent["agentId"]),
    Column("state", lambda agent: agent["state"], is_status=True),
    Column("capabilities", lambda agent: ", ".join(agent["capabilities"])),
]


def _session(console: Console, ops: OpsCoreClient, agent_id: str) -> Session:
    """Apply, trigger for the flaky agent, and watch to the end."""
    template = read(TEMPLATE)
    workflow_id = template.workflow_id()
    ops.workflows.apply(workflow_id, template.text)
    started = ops.sessions.trigger(workflow_id, payload={"text": PRESS_RELEASE}, agent_id=agent_id)
    seen = ops.sessions.watch(started["sessionId"], every=0.25, within=_SESSION_SECONDS)
    return follow(console, _approving(ops, seen), lambda: datetime.now(UTC))


def _approving(ops: OpsCoreClient, seen: Iterable[Session]) -> Iterator[Session]:
    """The same looks at a session; what it waits for a person's word on is approved on the way."""
    for session in seen:
        yield session
        if any(_waits_for_a_person(task) for task in session.get("tasks", [])):
            for open_one in ops.approvals.find(session_id=session["sessionId"]):
                ops.approvals.approve(open_one["taskId"], comment="Print it.", by=EDITOR)


def _waits_for_a_person(task: Task) -> bool:
    return task["kind"] == "approval" and task["status"] not in ("completed", "failed")


def _headline(console: Console, text: str) -> None:
    console.print(f"\n{text}", style="bold")


def _tell_check(console: Console, one: Check) -> None:
    mark, style = ("yes", "green") if one.kept else ("NO ", "red")
    console.print(f"  {mark}  {one.promise}", style=style)


def _verdict(checks: list[Check]) -> str:
    kept = sum(one.kept for one in checks)
    return f"{kept} of {len(checks)} promises kept"
