"""An HTTP server that remembers what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from infra.local.json_server import JsonHandler, LocalServer
from tests.e2e.waiting import eventually

S = TypeVar("S", bound=LocalServer)


@dataclass(frozen=True)
class Received:
    """One request: header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Recorder(LocalServer):
    """Answers every request with `status`, and keeps it."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.received: list[Received] = []
        super().__init__(("127.0.0.1", 0), RecordingHandler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def first(self) -> Received:
        """The first request, once it has come."""
        return eventually(lambda: self.received[0] if self.received else None)


class RecordingHandler(JsonHandler):
    """Keeps and answers."""

    server: Recorder

    def keep(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.body()
        self.server.received.append(Received(self.command, self.path, headers, body))
        self.reply(self.server.status, {"status": "recorded"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        pass

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = keep  # noqa: N815  the base's names


@contextmanager
def serving(server: S) -> Iterator[S]:
    """A server that serves in the background while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
