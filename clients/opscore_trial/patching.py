"""Changes to other people's modules that are taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_ABSENT = object()


class Patches:
    """Attributes that have another value for a while."""

    def __init__(self) -> None:
        self._undo = ExitStack()

    def set(self, owner: Any, name: str, value: Any) -> None:
        """Give an attribute of a class or a module another value."""
        before = vars(owner).get(name, _ABSENT)  # what is inherited stays so
        if before is _ABSENT:
            self._undo.callback(delattr, owner, name)
        else:
            self._undo.callback(setattr, owner, name, before)
        setattr(owner, name, value)

    def take_back(self) -> None:
        """Restore everything, the newest first."""
        self._undo.close()


Mend = Callable[[Patches], None]


@contextmanager
def patched(mends: Iterable[Mend]) -> Iterator[None]:
    """Every mend, while this is open."""
    patches = Patches()
    try:
        for mend in mends:
            mend(patches)
        yield
    finally:
        patches.take_back()
