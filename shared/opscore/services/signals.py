"""Signals: a person or a program tells a session something, and the step that waits for it goes on.

A signal and its step meet in the mailbox of their name. Whoever comes second finds the other there:
a signal is given to the step that waits, or kept for the one that will.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from opscore.errors import (
    Contended,
    DependencyFailed,
    SessionFinal,
    SessionNotFound,
    SignalIdReused,
    TooManySignals,
)
from opscore.lifecycle.sessions import FINAL
from opscore.models.messages import SignalMessage
from opscore.models.outcome import Outcome
from opscore.models.session import Session
from opscore.models.signal import KeptSignal, Mailbox, SignalRecord
from opscore.models.task import Attempt, AttemptStatus
from opscore.observability import note, warn
from opscore.ports import Change, Clock, ConditionFailed, Store
from opscore.records.codec import text
from opscore.records.signals import Scene, SignalRecords
from opscore.records.tasks import Tasks
from opscore.services import TRIES
from opscore.services.outcomes import Decided, Outcomes

MAX_KEPT = 100
"""Signals of one name that a session keeps for steps to come."""


@dataclass(frozen=True)
class Signal:
    """What is said to a session. `signal_id`: two with the same are one."""

    session_id: str
    name: str
    payload: JsonValue
    signal_id: str | None = None

    def record(self) -> SignalRecord:
        """The same for the same signal."""
        words = text([self.name, self.payload])
        return SignalRecord(digest=hashlib.sha256(words.encode()).hexdigest())


class Signals:
    """Brings signals and waiting steps together."""

    def __init__(
        self,
        store: Store,
        records: SignalRecords,
        tasks: Tasks,
        outcomes: Outcomes,
        clock: Clock,
    ) -> None:
        self._store = store
        self._records = records
        self._tasks = tasks
        self._outcomes = outcomes
        self._clock = clock

    def send(self, signal: Signal) -> None:
        """Give the signal to the step that waits for it, or keep it.

        Raises SessionNotFound, SessionFinal, SignalIdReused, TooManySignals, Contended.
        """
        for _ in range(TRIES):
            scene = self._records.scene(signal.session_id, signal.name, signal.signal_id)
            if scene.record is not None:
                if scene.record != signal.record():
                    raise SignalIdReused("this signalId came with another signal before")
                return
            _open_session(scene, signal)
            if len(scene.mailbox.kept) >= MAX_KEPT:
                raise TooManySignals(
                    f"{MAX_KEPT} signals {signal.name!r} are kept, and none more; "
                    "a step has to take one first"
                )
            record = []
            if signal.signal_id is not None:
                record = [
                    self._records.used(
                        signal.session_id, signal.signal_id, signal.record(), self._clock()
                    )
                ]
            if self._deliver(signal, scene.mailbox, record):
                return
        raise Contended("other signals are in the way; try again")

    def _deliver(self, signal: Signal, mailbox: Mailbox, record: Sequence[Change]) -> bool:
        """Give or keep, with the record in the same write; False if the mailbox has changed."""
        now = self._clock()
        attempt, left = self._next_waiting(mailbox)
        kept = KeptSignal(payload=signal.payload)
        if attempt is not None and not mailbox.kept:
            return self._give(attempt, kept, [self._records.put(left, now), *record])
        try:
            self._store.write(*self._records.kept(mailbox if attempt else left, kept, now), *record)
        except ConditionFailed:
            return False
        note("signal kept")
        return True

    def joined(self, waiting: Attempt) -> list[Change]:
        """The attempt, last of those that wait in the mailbox of its signal."""
        message = waiting.message
        assert isinstance(message, SignalMessage)
        mailbox = self._records.mailbox(waiting.session_id, message.signal)
        after = mailbox.replace(waiting=(*mailbox.waiting, waiting.attempt_id))
        return [self._records.put(after, self._clock())]

    def match(self, session_id: str, name: str) -> None:
        """Give what is kept to who waits; safe to repeat. Raises Contended, DependencyFailed."""
        lost = 0
        while lost < TRIES:
            mailbox = self._records.mailbox(session_id, name)
            if not (mailbox.kept and mailbox.waiting):
                return
            attempt, left = self._next_waiting(mailbox)
            kept = self._records.first_kept(mailbox)
            if attempt is None or kept is None:
                return
            given = self._give(attempt, kept, self._records.taken(left, self._clock()))
            lost += not given
        raise Contended("the signals keep changing; try again")

    def _next_waiting(self, mailbox: Mailbox) -> tuple[Attempt | None, Mailbox]:
        """The attempt whose turn it is, and the mailbox without it and those that gave up."""
        waiting = mailbox.waiting
        while waiting:
            attempt = self._tasks.attempt(waiting[0])
            waiting = waiting[1:]
            if attempt is not None and attempt.status is AttemptStatus.WAITING:
                return attempt, mailbox.replace(waiting=waiting)
        return None, mailbox.replace(waiting=())

    def _give(self, attempt: Attempt, kept: KeptSignal, changes: Sequence[Change]) -> bool:
        outcome = Outcome.success(kept.payload)
        decided = self._outcomes.decision(
            attempt.attempt_id,
            attempt.session_id,
            attempt.message.task_key,
            None,
            outcome,
            {"status": AttemptStatus.WAITING},
        )
        try:
            self._store.write(*decided, *changes)
        except ConditionFailed:
            return False
        note("signal given", attempt_id=attempt.attempt_id)
        try:
            taken = self._outcomes.send(Decided.of(attempt.replace(outcome=outcome)))
        except (Contended, DependencyFailed) as error:
            # The signal is on record as given: the sweeper passes it on.
            warn("signal not passed on yet", reason=str(error))
            return True
        if not taken:
            self._give_back(attempt, kept)
        return True

    def _give_back(self, attempt: Attempt, kept: KeptSignal) -> None:
        """Nobody took the signal, for the step's token was dead: it is the next step's."""
        message = attempt.message
        assert isinstance(message, SignalMessage)
        signal = Signal(attempt.session_id, message.signal, kept.payload)
        for _ in range(TRIES):
            scene = self._records.scene(signal.session_id, signal.name, None)
            if scene.session is None or scene.session.status in FINAL:
                return
            if self._deliver(signal, scene.mailbox, ()):
                return
        raise Contended("other signals are in the way; try again")


def _open_session(scene: Scene, signal: Signal) -> Session:
    if scene.session is None:
        raise SessionNotFound(signal.session_id)
    if scene.session.status in FINAL:
        raise SessionFinal(f"the session is {scene.session.status} and waits for no signal")
    return scene.session
