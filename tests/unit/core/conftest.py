from __future__ import annotations

import socket
from typing import NoReturn

import pytest

from tests.support.fleet import Fleet


@pytest.fixture(autouse=True)
def _no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit test that connects anywhere is no unit test."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a unit test opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def fleet() -> Fleet:
    """A deployment in memory."""
    return Fleet()
