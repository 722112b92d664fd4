"""Every minute: what is due and nobody else has seen to, and agents that AgentKit lists."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from opscore.bootstrap import ports, services
from opscore.errors import OpsCoreError
from opscore.observability import count, instrumented, note, warn

RESERVE_MS = 10_000


@instrumented
def handler(_: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Sweep once, as long as there is time. Returns how many of each kind were looked at."""
    sweeper = services().sweeper
    seen = sweeper.sweep(lambda: context.get_remaining_time_in_millis() > RESERVE_MS)
    count("OldestOpenTokenAge", sweeper.oldest_token_age(), unit="Seconds")
    gateway = ports().agentkit
    if gateway is not None:
        try:
            seen["synced"] = services().agents.sync(gateway)
        except OpsCoreError as error:
            warn("agents not synced", error=error.code)
    note("swept", **seen)
    return dict(seen)
