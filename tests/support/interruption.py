"""Two things at once, made to happen in a given order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opscore.ports import Change
from tests.support.memory import MemoryStore


class InterruptedStore(MemoryStore):
    """A store in which something else happens between two calls of the one at work."""

    def __init__(self) -> None:
        super().__init__()
        self._left: int | None = None
        self._interruption: Callable[[], object] = lambda: None

    def interrupt(
        self, action: Callable[[], object], before_call: int, interruption: Callable[[], object]
    ) -> bool:
        """Take the action, with something else before its n-th call; False if it makes fewer."""
        self._left, self._interruption = before_call, interruption
        action()
        interrupted, self._left = self._left is None, None
        return interrupted

    def _step(self) -> None:
        if self._left is None:
            return
        self._left -= 1
        if self._left == 0:
            self._left = None
            self._interruption()

    def get(self, *args: Any) -> Any:
        self._step()
        return super().get(*args)

    def get_many(self, *args: Any) -> Any:
        self._step()
        return super().get_many(*args)

    def query(self, *args: Any, **more: Any) -> Any:
        self._step()
        return super().query(*args, **more)

    def write(self, *changes: Change) -> None:
        self._step()
        super().write(*changes)
