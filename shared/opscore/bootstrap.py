"""This process's services over AWS: each part made once, at first use, from its settings."""

from __future__ import annotations

import time
from functools import cache, cached_property
from typing import TYPE_CHECKING

from opscore.aws import clients
from opscore.aws.dynamodb import DynamoStore
from opscore.aws.sqs import TaskQueue
from opscore.composition import Services
from opscore.ports import Clock, Machines, Queue, Store, Table, Tokens, Transport
from opscore.settings import Settings, TransportName, settings

if TYPE_CHECKING:
    from opscore.aws.api_keys import ApiKeys
    from opscore.services.webhook import Webhook
    from opscore.transports.agentkit import AgentKitTransport
    from opscore.transports.direct import DirectTransport

_TABLE_SETTINGS = {
    Table.AGENTS: "agents_table",
    Table.WORK: "work_table",
    Table.WORKFLOWS: "workflows_table",
}


class AwsPorts:
    """DynamoDB, SQS, Step Functions, AgentKit and agents' own endpoints."""

    @property
    def settings(self) -> Settings:
        return settings()

    @property
    def clock(self) -> Clock:
        return now_ms

    @cached_property
    def store(self) -> Store:
        return DynamoStore(
            clients.dynamodb(), lambda table: self.settings.require(_TABLE_SETTINGS[table])
        )

    @cached_property
    def queue(self) -> Queue:
        return TaskQueue(clients.sqs(), self.settings.require("task_queue_url"))

    @cached_property
    def tokens(self) -> Tokens:
        from opscore.aws.stepfunctions import TaskTokens

        return TaskTokens(clients.stepfunctions())

    @cached_property
    def machines(self) -> Machines:
        from opscore.aws.stepfunctions import StateMachines

        return StateMachines(
            clients.stepfunctions(),
            prefix=self.settings.machine_prefix,
            role_arn=self.settings.workflow_role_arn,
            log_group_arn=self.settings.workflow_log_group_arn,
        )

    def transport_of(self, name: TransportName | None) -> Transport:
        """The transport of that name; the deployment's own for None.

        Raises SettingError where AgentKit is asked for and the deployment has none.
        """
        match name or self.settings.dispatch_transport:
            case TransportName.AGENTKIT:
                self.settings.require("agentkit_api_url")
                assert self.agentkit is not None
                return self.agentkit
            case TransportName.DIRECT:
                return self.direct

    @cached_property
    def agentkit(self) -> AgentKitTransport | None:
        """AgentKit, where the deployment has one."""
        url = self.settings.agentkit_api_url
        if url is None:
            return None
        import requests

        from opscore.transports.agentkit import AgentKitTransport

        return AgentKitTransport(requests.Session(), url)

    @cached_property
    def direct(self) -> DirectTransport:
        """Agents' own endpoints."""
        from opscore.transports.direct import DirectTransport, guarded_session

        loopback = self.settings.direct_allow_loopback
        return DirectTransport(guarded_session(allow_loopback=loopback))


def now_ms() -> int:
    """Our clock."""
    return time.time_ns() // 1_000_000


@cache
def ports() -> AwsPorts:
    """This process's ways to the outside."""
    return AwsPorts()


@cache
def services() -> Services:
    """This process's services."""
    return Services(ports())


@cache
def webhook() -> Webhook:
    """AgentKit's registrations."""
    from opscore.aws.secrets import secret
    from opscore.services.webhook import Webhook

    def key() -> bytes:
        return secret(settings().require("webhook_secret_id")).encode()

    unsigned = settings().allow_unsigned_webhook
    return Webhook(services().agents, key, now_ms, allow_unsigned=unsigned)


@cache
def api_keys() -> ApiKeys:
    """API keys, by their hashes."""
    from opscore.aws.api_keys import ApiKeys

    return ApiKeys(clients.dynamodb(), settings().require("keys_table"), now_ms)
