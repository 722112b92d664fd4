"""Execution status events: how sessions run and end."""

from __future__ import annotations

from typing import Any

from opscore.bootstrap import services
from opscore.lifecycle.cleanup import SUFFIX
from opscore.observability import bind, instrumented
from opscore.ports import Execution


@instrumented
def handler(event: dict[str, Any], _: Any) -> None:
    """Bring the session of an execution up to date; EventBridge repeats what raises."""
    detail = event["detail"]
    name = str(detail["name"])
    bind(session_id=name.removesuffix(SUFFIX))
    services().recording.event(
        name,
        Execution(detail["status"], detail.get("output"), detail.get("error"), detail.get("cause")),
    )
