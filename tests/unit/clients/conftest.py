from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from opscore_cli.main import app
from opscore_cli.shell import Outside
from opscore_client import OpsCoreClient
from tests.unit.clients.fake_api import KEY, FakeOpsCore

NOW = datetime(2026, 11, 22, 10, 5, tzinfo=UTC)

Opscore = Callable[..., Result]


@pytest.fixture
def api() -> FakeOpsCore:
    return FakeOpsCore()


@pytest.fixture
def slept() -> list[float]:
    """The sleeps asked for; nothing really sleeps."""
    return []


@pytest.fixture
def client(api: FakeOpsCore, slept: list[float]) -> OpsCoreClient:
    return OpsCoreClient("https://ops.example", KEY, session=api.open_session(), sleep=slept.append)


@pytest.fixture
def opscore(api: FakeOpsCore, monkeypatch: pytest.MonkeyPatch) -> Opscore:
    """Run a command line against the API in memory, with nothing of the caller's environment."""
    for name in ("OPSCORE_KEY_FILE", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    outside = Outside(api.open_session, sleep=lambda _: None, now=lambda: NOW)

    def run(*args: str, env: dict[str, str] | None = None, **extra: Any) -> Result:
        given = {"OPSCORE_URL": "https://ops.example", "OPSCORE_KEY": KEY, **(env or {})}
        return CliRunner().invoke(
            app, args, env=given, obj=outside, catch_exceptions=False, **extra
        )

    return run


@pytest.fixture
def at_terminal() -> dict[str, str]:
    """An environment in which stdout counts as a terminal, wide enough for whole rows."""
    return {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "0", "COLUMNS": "140", "TERM": "dumb"}
