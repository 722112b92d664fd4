from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.aws import Deployment, deployed


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """template.yaml in moto; this process is all its functions at once."""
    with deployed() as found:
        yield found
