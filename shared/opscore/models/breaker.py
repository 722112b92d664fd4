from __future__ import annotations

from typing import Any

from opscore.models.base import Model
from opscore.settings import TransportName


class Breaker(Model):
    """Failures in a row of a transport that all agents share; without any there is none.

    Times are milliseconds of our clock. `since`: the first failure; `open_until`: until then
    nothing is sent, and then one task to see.
    """

    name: TransportName
    failures: int
    since: int
    open_until: int = 0
    rev: int = 0

    def replace(self, **changes: Any) -> Breaker:
        return self.model_copy(update=changes)
