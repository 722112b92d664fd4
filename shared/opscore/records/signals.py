"""How signals lie in the work table, beside their session."""

from __future__ import annotations

from dataclasses import dataclass

from opscore.models.session import Session
from opscore.models.signal import KeptSignal, Mailbox, SignalRecord
from opscore.ports import Change, Delete, Key, Put, Store
from opscore.records import keys
from opscore.records.codec import decode, encode
from opscore.records.tasks import LONGEST_RUN_DAYS


@dataclass(frozen=True)
class Scene:
    """What a signal meets: its session, the mailbox of its name, what its id was used for."""

    session: Session | None
    mailbox: Mailbox
    record: SignalRecord | None


class SignalRecords:
    """Reads mailboxes, and makes the changes that write them."""

    def __init__(self, store: Store, retention_days: int) -> None:
        self._store = store
        self._days = LONGEST_RUN_DAYS + retention_days

    def mailbox(self, session_id: str, signal: str) -> Mailbox:
        """The mailbox as it is; one that nobody has used is empty."""
        item = self._store.get(keys.mailbox(session_id, signal))
        blank = Mailbox(session_id=session_id, signal=signal)
        return blank if item is None else decode(Mailbox, item)

    def scene(self, session_id: str, signal: str, signal_id: str | None) -> Scene:
        """All that a signal meets, in one request."""
        session, box = keys.session(session_id), keys.mailbox(session_id, signal)
        used = None if signal_id is None else keys.signal_id(session_id, signal_id)
        found = self._store.get_many([session, box, *([] if used is None else [used])])
        return Scene(
            decode(Session, found[session]) if session in found else None,
            decode(Mailbox, found[box])
            if box in found
            else Mailbox(session_id=session_id, signal=signal),
            decode(SignalRecord, found[used]) if used in found else None,
        )

    def put(self, mailbox: Mailbox, now: int) -> Put:
        """The mailbox, if nobody wrote it since it was read."""
        item = encode(mailbox) | keys.expiry(now, self._days)
        return Put(keys.mailbox(mailbox.session_id, mailbox.signal), item, rev=mailbox.rev)

    def kept(self, mailbox: Mailbox, signal: KeptSignal, now: int) -> list[Change]:
        """The signal, last of the mailbox's."""
        number = mailbox.next_number
        after = mailbox.replace(kept=(*mailbox.kept, number), next_number=number + 1)
        key = keys.kept_signal(mailbox.session_id, mailbox.signal, number)
        item = encode(signal) | keys.expiry(now, self._days)
        return [self.put(after, now), Put(key, item, rev=0)]

    def first_kept(self, mailbox: Mailbox) -> KeptSignal | None:
        """The signal whose turn it is."""
        item = self._store.get(self._first(mailbox))
        return None if item is None else decode(KeptSignal, item)

    def taken(self, mailbox: Mailbox, now: int) -> list[Change]:
        """The mailbox without the signal whose turn it was."""
        after = mailbox.replace(kept=mailbox.kept[1:])
        return [self.put(after, now), Delete(self._first(mailbox))]

    def used(self, session_id: str, signal_id: str, record: SignalRecord, now: int) -> Put:
        """The signalId's record, if it is new."""
        item = encode(record) | keys.expiry(now, self._days)
        return Put(keys.signal_id(session_id, signal_id), item, rev=0)

    def _first(self, mailbox: Mailbox) -> Key:
        return keys.kept_signal(mailbox.session_id, mailbox.signal, mailbox.kept[0])
