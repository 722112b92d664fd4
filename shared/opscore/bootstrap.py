"""The composition root: every part made once, at first use, from settings and AWS clients.

A handler asks for the service it serves; what that service needs comes along, and nothing else is
made or imported.
"""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from opscore.aws import clients
from opscore.aws.dynamodb import DynamoStore
from opscore.aws.sqs import TaskQueue
from opscore.ports import Store, Table, Transport
from opscore.records.agents import Agents
from opscore.records.dead_letters import DeadLetters
from opscore.records.sessions import Sessions
from opscore.records.tasks import Tasks
from opscore.records.waiting import Waiting
from opscore.records.workflows import Workflows
from opscore.settings import TransportName, settings

if TYPE_CHECKING:
    from opscore.aws.api_keys import ApiKeys
    from opscore.aws.stepfunctions import StateMachines
    from opscore.services.agents import AgentService
    from opscore.services.candidates import Candidates
    from opscore.services.dead_letters import DeadLetterService
    from opscore.services.dispatch import Dispatcher
    from opscore.services.outcomes import Outcomes
    from opscore.services.own_word import OwnWord
    from opscore.services.recording import Recording
    from opscore.services.redelivery import Redelivery
    from opscore.services.reports import Reports
    from opscore.services.sessions import SessionService
    from opscore.services.sweeping import Sweeper
    from opscore.services.wakeups import Wakeups
    from opscore.services.webhook import Webhook
    from opscore.services.workflows import WorkflowService
    from opscore.transports.agentkit import AgentKitTransport


def now_ms() -> int:
    """Our clock."""
    return time.time_ns() // 1_000_000


_TABLE_SETTINGS = {
    Table.AGENTS: "agents_table",
    Table.WORK: "work_table",
    Table.WORKFLOWS: "workflows_table",
}


@cache
def store() -> Store:
    """The tables."""
    return DynamoStore(clients.dynamodb(), lambda table: settings().require(_TABLE_SETTINGS[table]))


@cache
def queue() -> TaskQueue:
    """The task queue."""
    return TaskQueue(clients.sqs(), settings().require("task_queue_url"))


@cache
def _agents() -> Agents:
    return Agents(store(), settings().capability_shards)


@cache
def _tasks() -> Tasks:
    return Tasks(store(), settings().retention_days)


@cache
def _sessions() -> Sessions:
    return Sessions(store(), settings().retention_days)


@cache
def _waiting() -> Waiting:
    return Waiting(store(), settings().capability_shards)


@cache
def _versions() -> Workflows:
    return Workflows(store())


@cache
def _machines() -> StateMachines:
    from opscore.aws.stepfunctions import StateMachines

    return StateMachines(
        clients.stepfunctions(),
        prefix=settings().machine_prefix,
        role_arn=settings().workflow_role_arn,
        log_group_arn=settings().workflow_log_group_arn,
    )


@cache
def wakeups() -> Wakeups:
    """Wake messages."""
    from opscore.services.wakeups import Wakeups

    return Wakeups(_waiting(), queue(), now_ms)


@cache
def outcomes() -> Outcomes:
    """The ends of attempts."""
    from opscore.aws.stepfunctions import TaskTokens
    from opscore.services.outcomes import Outcomes

    return Outcomes(
        store(),
        _agents(),
        _tasks(),
        _waiting(),
        TaskTokens(clients.stepfunctions()),
        wakeups(),
        now_ms,
        drain_ms=settings().drain_seconds * 1000,
    )


@cache
def agents() -> AgentService:
    """Agents come and go."""
    from opscore.services.agents import AgentService

    return AgentService(
        store(),
        _agents(),
        _tasks(),
        outcomes(),
        wakeups(),
        now_ms,
        cooldown_ms=settings().error_cooldown_seconds * 1000,
        history_days=settings().history_days,
    )


@cache
def reports() -> Reports:
    """What agents say of their state."""
    from opscore.services.reports import Reports

    return Reports(
        store(),
        _agents(),
        _tasks(),
        outcomes(),
        wakeups(),
        now_ms,
        cooldown_ms=settings().error_cooldown_seconds * 1000,
        history_days=settings().history_days,
    )


@cache
def webhook() -> Webhook:
    """AgentKit's registrations."""
    from opscore.services.webhook import Webhook

    return Webhook(
        agents(), _webhook_secret, now_ms, allow_unsigned=settings().allow_unsigned_webhook
    )


def _webhook_secret() -> bytes:
    from opscore.aws.secrets import secret

    return secret(settings().require("webhook_secret_id")).encode()


@cache
def workflows() -> WorkflowService:
    """Workflow templates."""
    from opscore.services.workflows import WorkflowService

    return WorkflowService(
        store(), _versions(), _machines(), settings().require("task_queue_url"), now_ms
    )


@cache
def recording() -> Recording:
    """The ends of sessions."""
    from opscore.services.recording import Recording

    return Recording(store(), _sessions(), _tasks(), outcomes(), _machines(), now_ms)


@cache
def sessions() -> SessionService:
    """Sessions."""
    from opscore.services.sessions import SessionService

    return SessionService(
        store(),
        _sessions(),
        _tasks(),
        workflows(),
        _versions(),
        _machines(),
        queue(),
        recording(),
        now_ms,
    )


@cache
def own_word() -> OwnWord:
    """Agents' own word on their tasks."""
    from opscore.services.own_word import OwnWord

    return OwnWord(store(), _tasks(), outcomes(), now_ms)


@cache
def dead_letters() -> DeadLetterService:
    """Dead letters."""
    from opscore.services.dead_letters import DeadLetterService

    letters = DeadLetters(store(), settings().retention_days)
    return DeadLetterService(store(), letters, _tasks(), outcomes(), now_ms)


@cache
def _candidates() -> Candidates:
    from opscore.services.candidates import Candidates

    return Candidates(_agents(), _waiting(), now_ms)


@cache
def dispatcher() -> Dispatcher:
    """The messages of the task queue."""
    from opscore.services.dispatch import Dispatcher
    from opscore.services.handover import Handover
    from opscore.services.parking import Parking

    parking = Parking(store(), _tasks(), _waiting(), now_ms)
    handover = Handover(
        store(),
        _agents(),
        _tasks(),
        _waiting(),
        queue(),
        outcomes(),
        wakeups(),
        transport,
        now_ms,
        drain_ms=settings().drain_seconds * 1000,
    )
    return Dispatcher(
        store(),
        _agents(),
        _tasks(),
        queue(),
        _candidates(),
        parking,
        handover,
        outcomes(),
        wakeups(),
        now_ms,
    )


@cache
def redelivery() -> Redelivery:
    """Messages that come back."""
    from opscore.services.redelivery import Redelivery

    return Redelivery(
        queue(),
        base_seconds=settings().redelivery_base_seconds,
        cap_seconds=settings().redelivery_cap_seconds,
    )


@cache
def sweeper() -> Sweeper:
    """The safety net."""
    from opscore.services.sweeping import Sweeper

    return Sweeper(
        store(),
        _tasks(),
        _waiting(),
        queue(),
        dispatcher(),
        outcomes(),
        recording(),
        now_ms,
        shards=settings().capability_shards,
    )


@cache
def agentkit() -> AgentKitTransport | None:
    """AgentKit, where the deployment has one."""
    url = settings().agentkit_api_url
    if url is None:
        return None
    import requests

    from opscore.transports.agentkit import AgentKitTransport

    return AgentKitTransport(requests.Session(), url)


@cache
def transport(name: TransportName | None) -> Transport:
    """The transport of that name; the deployment's own for None.

    Raises SettingError where AgentKit is asked for and the deployment has none.
    """
    match name or settings().dispatch_transport:
        case TransportName.AGENTKIT:
            settings().require("agentkit_api_url")
            gateway = agentkit()
            assert gateway is not None
            return gateway
        case TransportName.DIRECT:
            from opscore.transports.direct import DirectTransport, guarded_session

            loopback = settings().direct_allow_loopback
            return DirectTransport(guarded_session(allow_loopback=loopback))


@cache
def api_keys() -> ApiKeys:
    """API keys, by their hashes."""
    from opscore.aws.api_keys import ApiKeys

    return ApiKeys(clients.dynamodb(), settings().require("keys_table"), now_ms)
