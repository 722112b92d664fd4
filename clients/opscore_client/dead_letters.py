from collections.abc import Mapping
from typing import Any, Final, cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import Comparison, DeadLetter, LetterGroup

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

    def discard(self, dead_letter_id: str, *, reason: str) -> DeadLetter:
        """Settle a letter for good; a repeat with the same reason changes nothing."""
        path = route("dead-letter", dead_letter_id, "discard")
        answer = self._http.call("POST", path, json={"reason": reason}, idempotent=True)
        return cast("DeadLetter", answer)


def _query(filters: Mapping[str, Any]) -> dict[str, str | None]:
    """The filters as the API spells them. Raises TypeError for one that it does not have."""
    if unknown := filters.keys() - _FILTERS.keys():
        raise TypeError(f"no such filter: {', '.join(sorted(unknown))}")
    return {_FILTERS[name]: value for name, value in filters.items()}
