"""A deployed local stack of the tests' own: other ports, other state, shorter times.

`OPSCORE_E2E_DIR` is its directory (.local/e2e; each parallel worker has one of its own beside it).
`OPSCORE_E2E_KEEP=1` leaves it up for the next run, which takes it as it is: quick rounds on a test;
after a change of the product, `down` it first (`OPSCORE_LOCAL_DIR=.local/e2e make down`).
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.local import deploy
from infra.local.settings import ROOT, LocalSettings
from infra.local.stack import AGENTKIT, LocalStack
from opscore_cli.keys import make
from tests.e2e.agents import Fleet
from tests.e2e.api import Api, step, workflow
from tests.e2e.gateway import Gateway, Webhook
from tests.e2e.known import Known
from tests.support.workflow_runs import ROLE

PARAMETERS = {
    "RequestTimeoutSeconds": "2",
    "TaskVisibilitySeconds": "20",
    "MaxReceiveCount": "3",
    "RedeliveryBaseSeconds": "1",
    "RedeliveryCapSeconds": "2",
    "ErrorCooldownSeconds": "1",
    "DrainSeconds": "3",
}
WAIT_SCALE = 0.1

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
)


class Aws:
    """boto3 clients of the local AWS."""

    def __init__(self, cloud: deploy.Cloud) -> None:
        self.cloud = cloud

    @cached_property
    def sqs(self) -> Any:
        return self.cloud.client("sqs")

    @cached_property
    def sfn(self) -> Any:
        return self.cloud.client("stepfunctions")

    @cached_property
    def dynamodb(self) -> Any:
        return self.cloud.client("dynamodb")

    @cached_property
    def functions(self) -> Any:
        return self.cloud.client("lambda")

    @cached_property
    def gateway(self) -> Any:
        return self.cloud.client("apigatewayv2")

    @cached_property
    def secrets(self) -> Any:
        return self.cloud.client("secretsmanager")

    @cached_property
    def outputs(self) -> dict[str, str]:
        return self.cloud.outputs()


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The stack: kills, restarts, agents and the sweeper are its methods."""
    keep = os.environ.get("OPSCORE_E2E_KEEP") == "1"
    settings = LocalSettings(
        directory=_directory(),
        port=0,
        agents=(),
        parameters=PARAMETERS,
        wait_scale=WAIT_SCALE,
    )
    stack = LocalStack(settings)
    if not (keep and stack.is_up):
        stack.down()
        stack.forget()
        with _one_at_a_time():
            stack.up()
    yield stack
    if not keep:
        stack.down()


def _directory() -> Path:
    """Each worker that tests run on has a stack of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    name = os.environ.get("OPSCORE_E2E_DIR", ".local/e2e")
    return ROOT / (f"{name}-{worker}" if worker else name)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Stacks that come up at once would choose the same free ports."""
    (ROOT / ".local").mkdir(exist_ok=True)
    with (ROOT / ".local/e2e.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def base_url(stack: LocalStack) -> str:
    return stack.addresses.base_url


@pytest.fixture(scope="session")
def keys(stack: LocalStack) -> dict[str, str]:
    """An API key for each scope."""
    operator = make("operator", "e2e-operator", datetime.now(UTC), None)
    deploy.store_key(stack.cloud, operator)
    return {"agent": stack.agent_key, "operator": operator.text, "admin": stack.operator_key}


@pytest.fixture(scope="session")
def aws(stack: LocalStack) -> Aws:
    aws = Aws(stack.cloud)
    _make_role(aws)
    return aws


def _make_role(aws: Aws) -> None:
    """The role of machines that tests make, which is looked for but asked for no rights."""
    iam = aws.cloud.client("iam")
    try:
        iam.create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=TRUST)
    except iam.exceptions.EntityAlreadyExistsException:
        return


@pytest.fixture(scope="session")
def api(base_url: str, keys: dict[str, str]) -> Api:
    """The API with the key that has every right."""
    return Api(base_url, keys["admin"])


@pytest.fixture
def fleet(stack: LocalStack, api: Api, keys: dict[str, str]) -> Iterator[Fleet]:
    """Agents of one test, which end and are forgotten with it."""
    fleet = Fleet(api, keys["agent"], stack)
    yield fleet
    fleet.close()


@pytest.fixture(scope="module")
def own_gateway(stack: LocalStack) -> Iterator[Gateway]:
    stack.processes.kill(AGENTKIT)
    gateway = Gateway.at(int(urlsplit(stack.addresses.agentkit_url).port or 0))
    yield gateway
    gateway.close()
    stack.start_agentkit()


@pytest.fixture
def gateway(own_gateway: Gateway) -> Gateway:
    """AgentKit in the test's hands, in the place of the stack's; nobody is registered with it."""
    own_gateway.forget()
    return own_gateway


@pytest.fixture(scope="session")
def webhook(stack: LocalStack, api: Api) -> Webhook:
    """AgentKit's webhook, signed with the stack's secret."""
    return Webhook(api, stack.webhook_secret)


@pytest.fixture(scope="module")
def known(stack: LocalStack, api: Api, keys: dict[str, str]) -> Iterator[Known]:
    """An agent with a running task of a session of a workflow."""
    fleet = Fleet(api, keys["agent"], stack)
    agent = fleet.add("known")
    definition = workflow(step(timeout="10m"))
    api.put(f"workflow/{definition['id']}", definition)
    session = api.start(definition["id"], {"in": 1}, agent.agent_id)
    run = agent.next_run()
    agent.report("active", {"opscore_task_id": run.reference})
    api.attempt(session, "RUNNING")
    yield Known(agent, run.reference, session, definition)
    api.post(f"session/{session}/cancel")
    fleet.close()
