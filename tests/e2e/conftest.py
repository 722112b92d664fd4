"""A deployed local stack of the tests' own: other ports, other state, shorter times."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pytest

from infra.local import deploy
from infra.local.secret_files import key_hash, new_key
from infra.local.settings import ROOT, LocalSettings
from infra.local.stack import LocalStack

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
    settings = LocalSettings(
        directory=ROOT / ".local" / "e2e",
        port=0,
        agents=(),
        parameters=PARAMETERS,
        wait_scale=WAIT_SCALE,
    )
    stack = LocalStack(settings)
    stack.down()
    stack.forget()
    stack.up()
    yield stack
    stack.down()


@pytest.fixture(scope="session")
def base_url(stack: LocalStack) -> str:
    return stack.addresses.base_url


@pytest.fixture(scope="session")
def keys(stack: LocalStack) -> dict[str, str]:
    """An API key for each scope."""
    operator = new_key()
    deploy.store_key(stack.cloud, key_hash(operator), "operator", "e2e-operator")
    return {"agent": stack.agent_key, "operator": operator, "admin": stack.operator_key}


@pytest.fixture(scope="session")
def aws(stack: LocalStack) -> Aws:
    return Aws(stack.cloud)
