"""The demo's three agents, on a local stack, for as long as the demo lasts."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from infra.local.errors import LocalStackError
from infra.local.stack import AGENT_PREFIX, LocalStack
from opscore_client import NotFoundError, OpsCoreClient, OpsCoreError

CAPABILITIES: Final = {
    "good": ("news.read", "news.digest", "news.lookup", "news.publish"),
    "flaky": ("news.read",),
    "broken": ("news.edit", "news.pictures"),
}
_READY_SECONDS: Final = 30


@contextmanager
def agents(stack: LocalStack, ops: OpsCoreClient) -> Iterator[dict[str, str]]:
    """Start the agents and wait until each can take a task; their ids by behaviour.

    The demo has its own, with capabilities that no other agent has: those that may run in the
    stack have worked before, so which of their tasks fail cannot be told. Raises LocalStackError.
    """
    _clear(ops)
    ids: dict[str, str] = {}
    try:
        for behaviour, capabilities in CAPABILITIES.items():
            stack.start_agent(behaviour, _name(behaviour), capabilities)
        for behaviour in CAPABILITIES:
            ids[behaviour] = stack.agent_id(_name(behaviour))
            _await_free(ops, ids[behaviour])
        yield ids
    finally:
        for behaviour in CAPABILITIES:
            stack.processes.stop(AGENT_PREFIX + _name(behaviour))
        # Tidiness only: it must not hide why the demo failed.
        with suppress(OpsCoreError):
            _clear(ops)


def _clear(ops: OpsCoreClient) -> None:
    """Deregister the demo's agents, those of a run that was killed too: they would get tasks."""
    for capability in sorted({name for names in CAPABILITIES.values() for name in names}):
        for agent in list(ops.agents.find(capability=capability)):
            with suppress(NotFoundError):
                ops.agents.deregister(agent["agentId"])


def _name(behaviour: str) -> str:
    return f"demo-{behaviour}"


def _await_free(ops: OpsCoreClient, agent_id: str) -> None:
    """Wait for an agent's registration, which may come after its first report."""
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        try:
            if ops.agents.get(agent_id)["eligible"]:
                return
        except NotFoundError:
            pass
        time.sleep(0.2)
    raise LocalStackError(f"agent {agent_id} was not ready after {_READY_SECONDS} s")
