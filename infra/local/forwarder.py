"""A root-level address for the HTTP API, which the emulator serves under a path.

AgentKit's SDK drops any path of its base URL, so clients need one without.
"""

from __future__ import annotations

import argparse
import http.client
from urllib.parse import urlsplit

from infra.local.json_server import JsonHandler, LocalServer

# API Gateway's own limit of an integration is 30 seconds.
UPSTREAM_TIMEOUT_SECONDS = 35
HOP_BY_HOP = {
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class Forwarder(LocalServer):
    """Forwards every request to one upstream base URL."""

    def __init__(self, port: int, upstream: str, interface: str = "127.0.0.1") -> None:
        parts = urlsplit(upstream)
        self.upstream_address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.upstream_path = parts.path.rstrip("/")
        super().__init__((interface, port), ForwardingHandler)


class ForwardingHandler(JsonHandler):
    """Passes method, path, headers and body on, and status, headers and body back."""

    server: Forwarder

    def forward(self) -> None:
        """Handle one request."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            self.close_connection = True
            self.reply(411, {"detail": "send a Content-Length", "code": "length_required"})
            return
        body = self.body()
        headers = [(k, v) for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP]
        upstream = http.client.HTTPConnection(
            *self.server.upstream_address, timeout=UPSTREAM_TIMEOUT_SECONDS
        )
        try:
            upstream.putrequest(
                self.command, self.server.upstream_path + self.path, skip_accept_encoding=True
            )
            for name, value in headers:
                upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.putheader("Connection", "close")
            upstream.endheaders(body)
            response = upstream.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            detail = "the local stack does not answer; is it running?"
            self.reply(502, {"detail": detail, "code": "stack_down"})
            return
        finally:
            upstream.close()
        self.send_response_only(response.status)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing: the API has its own log."""

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = forward  # noqa: N815  the base's names


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="base URL, with its path")
    arguments = parser.parse_args()
    Forwarder(arguments.port, arguments.upstream).serve_forever()


if __name__ == "__main__":
    main()
