"""`python -m infra.local.emulator`: MiniStack, mended, in the foreground.

What it listens on comes from MiniStack's own environment variables (GATEWAY_PORT, BIND_HOST).
"""

from __future__ import annotations

import sys

from ministack import app

from infra.local.emulator import (
    branches,
    distributed,
    endings,
    event_sources,
    executions,
    expressions,
    retries,
    rights,
    tasks,
    workers,
)

FIXES = (
    *executions.FIXES,
    *endings.FIXES,
    *tasks.FIXES,
    *retries.FIXES,
    *branches.FIXES,
    *distributed.FIXES,
    *expressions.FIXES,
    *event_sources.FIXES,
    *rights.FIXES,
    *workers.FIXES,
)


def main() -> None:
    """Apply every fix, then serve until SIGTERM."""
    for fix in FIXES:
        fix()
    sys.argv = ["ministack"]
    app.main()


if __name__ == "__main__":
    main()
