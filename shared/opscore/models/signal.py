from __future__ import annotations

from typing import Any

from pydantic import JsonValue

from opscore.models.base import Model


class Mailbox(Model):
    """Where signals of one name and the steps of one session that wait for them meet: attempts and
    numbers of kept signals, each in order. One item, so that whoever comes second sees the other.
    """

    session_id: str
    signal: str
    waiting: tuple[str, ...] = ()
    kept: tuple[int, ...] = ()
    next_number: int = 1
    rev: int = 0

    def replace(self, **changes: Any) -> Mailbox:
        return self.model_copy(update=changes)


class KeptSignal(Model):
    """A signal that came before the step that waits for it."""

    payload: JsonValue = None


class SignalRecord(Model):
    """A signalId that was used, and for what."""

    digest: str
