"""API keys: who may use which route."""

from __future__ import annotations

from typing import Any

from opscore.bootstrap import api_keys
from opscore.observability import bind, instrumented, note
from opscore.scopes import allows

SCHEME = "bearer "


@instrumented
def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """Allow or refuse (HTTP API, simple response). API Gateway keeps an answer for the pair of
    key and route.
    """
    # API Gateway gives header names in lower case, `sam local start-api` as they were sent.
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    header = headers.get("authorization", "")
    key = header[len(SCHEME) :].strip() if header.lower().startswith(SCHEME) else ""
    found = api_keys().find(key) if key else None
    allowed = found is not None and allows(found.scope, event.get("routeKey", ""))
    bind(key_id=found.key_id if found else None)
    note("authorized" if allowed else "refused", route=event.get("routeKey"))
    if found is None:
        return {"isAuthorized": False}
    return {
        "isAuthorized": allowed,
        "context": {"keyId": found.key_id, "name": found.name, "scope": found.scope},
    }
