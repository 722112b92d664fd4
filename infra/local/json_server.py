"""What the local HTTP servers share: JSON in, JSON out, on threads."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LINGER_SECONDS = 1.0
LINGER_READS = 64


class JsonHandler(BaseHTTPRequestHandler):
    """A request handler that speaks JSON and keeps connections open."""

    protocol_version = "HTTP/1.1"
    # A reply is a small write after a small write: Nagle's algorithm would hold it for 40 ms.
    disable_nagle_algorithm = True
    timeout = 75

    def body(self) -> bytes:
        """The request's body, by its Content-Length."""
        length = self.headers.get("Content-Length", "0")
        return self.rfile.read(int(length)) if length.isdigit() else b""

    def reply(self, status: int, content: Any) -> None:
        """Answer with a JSON document."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer in JSON also what the base can't read: endless headers, no HTTP."""
        self.close_connection = True
        detail = explain or message or HTTPStatus(code).description
        self.reply(code, {"detail": detail, "code": "unreadable_request"})

    def finish(self) -> None:
        """End the connection so that the client gets its answer: closing while something is unread
        resets it, and takes the answer along (RFC 9112, section 9.6).
        """
        super().finish()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(LINGER_SECONDS)
            for _ in range(LINGER_READS):
                if not self.connection.recv(64 * 1024):
                    return


class LocalServer(ThreadingHTTPServer):
    """A server whose connections do not keep it from ending."""

    daemon_threads = True
    request_queue_size = 128
