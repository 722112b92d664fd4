from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from opscore_cli.main import app

Opscore = Callable[..., Result]


@pytest.fixture
def opscore(monkeypatch: pytest.MonkeyPatch) -> Opscore:
    """Run a command line, without an API to talk to."""
    for name in ("OPSCORE_URL", "OPSCORE_KEY", "OPSCORE_KEY_FILE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return lambda *args: CliRunner().invoke(app, args, catch_exceptions=False)
