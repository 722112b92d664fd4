from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import Comparison, DeadLetter, JsonObject, LetterGroup, Replayed

_FILTERS: Final = {
    "workflow_id": "workflowId",
    "capability": "capability",
    "error": "error",
    "state": "state",
    "since": "since",
    "until": "until",
}


class DeadLetters:
    """Task messages that could not be delivered.

    Filters of a list: `workflow_id`, `capability`, `error`, `state`, `since`, `until` (ISO 8601).
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def find(self, **filters: str | None) -> Listing[DeadLetter]:
        """Dead letters, newest first: all, or those that the filters take."""
        return Listing(self._http, route("dead-letters"), _query(filters))

    def groups(self, **filters: str | None) -> list[LetterGroup]:
        """Alike ones together, over all pages; the largest group first."""
        groups: dict[str, LetterGroup] = {}
        pages: Listing[LetterGroup] = Listing(
            self._http, route("dead-letters", "groups"), _query(filters)
        )
        for group in pages:
            known = groups.setdefault(group["fingerprint"], group)
            if known is not group:
                # Pages go back in time: what comes later is older.
                known["count"] += group["count"]
                known["firstAt"] = group["firstAt"]
        return sorted(groups.values(), key=lambda group: -group["count"])

    def get(self, dead_letter_id: str) -> DeadLetter:
        """One dead letter with what is known of its message."""
        return cast("DeadLetter", self._http.call("GET", route("dead-letter", dead_letter_id)))

    def compare(self, dead_letter_id: str, other_id: str) -> Comparison:
        """Where the inputs of two letters' tasks differ."""
        path = route("dead-letter", dead_letter_id, "compare", other_id)
        return cast("Comparison", self._http.call("GET", path))

    def replay(
        self,
        dead_letter_id: str,
        *,
        agent_id: str | None = None,
        capability: str | None = None,
        version: str | int | None = None,
        dry_run: bool = False,
    ) -> Replayed:
        """Run a letter's session again from its task, onto another agent or capability if given.

        A repeat finds the session that the first one began.
        """
        path = route("dead-letter", dead_letter_id, "replay")
        how = _how(agent_id, capability, version, dry_run=dry_run)
        return cast("Replayed", self._http.call("POST", path, json=how, idempotent=True))

    def replay_all(
        self,
        *,
        agent_id: str | None = None,
        to_capability: str | None = None,
        version: str | int | None = None,
        dry_run: bool = False,
        **filters: str | None,
    ) -> Iterator[Replayed]:
        """Replay the open letters that the filters take (all, without any), the newest first, some
        at a time; each says what became of it.
        """
        wanted = {name: value for name, value in _query(filters).items() if value is not None}
        body = {
            **wanted,
            **_how(agent_id, to_capability, version, dry_run=dry_run),
            "all": not wanted,
        }
        cursor: str | None = None
        while True:
            more = {} if cursor is None else {"cursor": cursor}
            page = self._http.call(
                "POST", route("dead-letters", "replay"), json={**body, **more}, idempotent=True
            )
            yield from cast("list[Replayed]", page["items"])
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def discard(self, dead_letter_id: str, *, reason: str) -> DeadLetter:
        """Settle a letter for good; a repeat with the same reason changes nothing."""
        path = route("dead-letter", dead_letter_id, "discard")
        answer = self._http.call("POST", path, json={"reason": reason}, idempotent=True)
        return cast("DeadLetter", answer)


def _how(
    agent_id: str | None, capability: str | None, version: str | int | None, *, dry_run: bool
) -> JsonObject:
    given = {"agentId": agent_id, "agentCapability": capability, "workflowVersion": version}
    return {n: v for n, v in given.items() if v is not None} | {"dryRun": dry_run}


def _query(filters: Mapping[str, Any]) -> dict[str, str | None]:
    """The filters as the API spells them. Raises TypeError for one that it does not have."""
    if unknown := filters.keys() - _FILTERS.keys():
        raise TypeError(f"no such filter: {', '.join(sorted(unknown))}")
    return {_FILTERS[name]: value for name, value in filters.items()}
