from typing import cast

from opscore_client.http import Http, route
from opscore_client.listing import Listing
from opscore_client.types import JsonObject, Policy


class Policies:
    """Limits, rates and pauses; `kind` is `capability` or `workflow`, `name` which of them."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def find(self, *, kind: str | None = None) -> Listing[Policy]:
        """All policies, or those of a kind."""
        return Listing(self._http, route("policies"), {"kind": kind})

    def get(self, kind: str, name: str) -> Policy:
        """What is asked of one capability or workflow."""
        return self._policy("GET", kind, name)

    def put(
        self,
        kind: str,
        name: str,
        *,
        max_concurrent: int | None = None,
        rate_per_second: float | None = None,
        burst: int | None = None,
        reason: str | None = None,
    ) -> Policy:
        """Set the limits, all of them; whether it is paused stays."""
        limits = {
            "maxConcurrent": max_concurrent,
            "ratePerSecond": rate_per_second,
            "burst": burst,
            "reason": reason,
        }
        return self._policy("PUT", kind, name, json=limits)

    def clear(self, kind: str, name: str) -> JsonObject:
        """Ask for nothing any more; what waits goes on."""
        return self._http.call("DELETE", route("policy", kind), params={"name": name})

    def pause(self, kind: str, name: str, reason: str | None = None) -> Policy:
        """Hand out no more of its tasks; those with agents go on."""
        return self._policy("POST", kind, name, "pause", json={"reason": reason})

    def resume(self, kind: str, name: str, reason: str | None = None) -> Policy:
        """Hand out its tasks again."""
        return self._policy("POST", kind, name, "resume", json={"reason": reason})

    def _policy(
        self, method: str, kind: str, name: str, *move: str, json: JsonObject | None = None
    ) -> Policy:
        path = route("policy", kind, *move)
        # Each of them may be sent twice: the second changes nothing.
        answer = self._http.call(method, path, params={"name": name}, json=json, idempotent=True)
        return cast("Policy", answer)
