from typing import cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import Quarantine


class Quarantines:
    """What is kept from work: agents, capabilities, agent versions. Each call may be repeated.

    A subject is one of `agent_id`, `capability` and `version`.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def find(self, *, past: bool = False) -> Listing[Quarantine]:
        """Those that stand, or the past ones, newest first."""
        return Listing(self._http, route("quarantines"), {"past": "true" if past else None})

    def impose(self, reason: str, **subject: str | None) -> Quarantine:
        """Keep the subject from work; what is at work of it fails and may be retried elsewhere."""
        body = {**_given(subject), "reason": reason}
        answer = self._http.call("POST", route("quarantines"), json=body, idempotent=True)
        return cast("Quarantine", answer)

    def release(self, **subject: str | None) -> Quarantine:
        """Let the subject work again."""
        path = route("quarantines", "release")
        return cast("Quarantine", self._http.call("POST", path, json=_given(subject)))


def _given(subject: dict[str, str | None]) -> dict[str, str]:
    names = {"agent_id": "agentId", "capability": "capability", "version": "version"}
    return {names[key]: value for key, value in subject.items() if value is not None}
