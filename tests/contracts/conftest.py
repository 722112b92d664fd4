"""Each port's fake and its adapter, to be held to the same tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from opscore.bootstrap import ports
from opscore.ports import Store
from tests.support.aws import Deployment, deployed
from tests.support.memory import MemoryStore


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    """template.yaml in moto, with an interpreter for its state machines."""
    with deployed(interpreter=True) as found:
        yield found


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    request.getfixturevalue("deployment")
    return ports().store


@pytest.fixture
def name() -> str:
    """A name that no other test uses: the adapters keep what they are given."""
    return uuid.uuid4().hex[:12]
