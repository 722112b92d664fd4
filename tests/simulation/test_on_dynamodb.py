"""Short runs on the real adapter: DynamoDB says to each call what the fake says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto.core.base_backend import BackendDict

from opscore.bootstrap import ports
from tests.simulation.run import run
from tests.simulation.scenario import Scenario
from tests.simulation.watched import MirroredStore
from tests.support.aws import Deployment, deployed

SEEDS = 20


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with deployed({"LogLevel": "ERROR"}) as found:
        yield found


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_invariants_hold(deployment: Deployment, seed: int) -> None:
    BackendDict.reset()
    deployment.make_resources()

    result = run(Scenario.of(seed, "tiny"), store=MirroredStore(ports().store))

    assert result.broken == (), str(result)
