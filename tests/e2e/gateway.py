"""AgentKit in the hands of a test: what comes to it raw, and the answers it is told to give."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
from typing import Any
from urllib.parse import unquote

from infra.local.agentkit import RUN_PATH, WEBHOOK_PATH
from infra.local.json_server import JsonHandler, LocalServer
from tests.e2e.api import JsonObject
from tests.e2e.waiting import eventually


class Gateway(LocalServer):
    """Takes runs and keeps them. `statuses` are given by agent, 202 by default; `listed` is what
    GET /v1/agents offers, None being AgentKit's 404.
    """

    def __init__(self, port: int) -> None:
        self.forget()
        super().__init__(("127.0.0.1", port), GatewayHandler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @classmethod
    def at(cls, port: int) -> Gateway:
        """A gateway on a port that a killed process may still be giving up."""

        def bind() -> Gateway | None:
            try:
                return cls(port)
            except OSError:
                return None

        return eventually(bind, seconds=5)

    def forget(self) -> None:
        """Begin anew."""
        self.runs: queue.Queue[tuple[str, JsonObject, dict[str, str]]] = queue.Queue()
        self.statuses: dict[str, int] = {}
        self.listed: list[Any] | None = None
        self.lists_asked = 0

    def next_run(self, seconds: float = 20) -> tuple[str, JsonObject, dict[str, str]]:
        """The next run: the agent's id, the body and the headers as they came."""
        return self.runs.get(timeout=seconds)

    def close(self) -> None:
        """Serve no more."""
        self.shutdown()
        self.server_close()


class GatewayHandler(JsonHandler):
    """The two routes that Ops-Core calls."""

    server: Gateway

    def do_GET(self) -> None:  # noqa: N802  the base's name
        """The list of agents."""
        self.server.lists_asked += self.path == "/v1/agents"
        if self.path == "/v1/agents" and self.server.listed is not None:
            self.reply(200, self.server.listed)
        else:
            self.reply(404, {"detail": "Not Found"})

    def do_POST(self) -> None:  # noqa: N802  the base's name
        """A run."""
        run = RUN_PATH.fullmatch(self.path)
        content: Any = json.loads(self.body())
        if run is None:
            self.reply(404, {"detail": "Not Found"})
            return
        agent_id = unquote(run[1])
        self.server.runs.put((agent_id, content, dict(self.headers.items())))
        status = self.server.statuses.get(agent_id, 202)
        self.reply(status, answer(status, agent_id))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing."""


def answer(status: int, agent_id: str) -> JsonObject:
    """What AgentKit says with a status."""
    match status:
        case 202:
            data = {"agentId": agent_id, "dispatch_status": "scheduled"}
            return {"status": "success", "message": "scheduled", "data": data, "error_code": None}
        case 404:
            return {"detail": f"Agent with ID '{agent_id}' not found."}
        case _:
            return {"detail": [{"type": "missing", "loc": ["body"], "msg": "no", "input": None}]}


def signed(secret: str, body: bytes, timestamp: str | None = None) -> dict[str, str]:
    """The headers of AgentKit's webhook for a body."""
    timestamp = timestamp or str(int(time.time()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "X-AgentKit-Timestamp": timestamp,
        "X-AgentKit-Signature": digest.hexdigest(),
    }


class Webhook:
    """AgentKit's way of telling Ops-Core: signed, without Authorization."""

    def __init__(self, api: Any, secret: str) -> None:
        self._api = api.with_key(None)
        self._secret = secret

    def send(self, body: Any, headers: dict[str, str] | None = None) -> Any:
        """Send an event (bytes go as they are); headers replace those that AgentKit would send."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = signed(self._secret, raw) if headers is None else headers
        return self._api.call("POST", WEBHOOK_PATH, data=raw, headers=given)

    def register(self, agent_id: str, **details: Any) -> Any:
        """Send REGISTER."""
        return self.send(event(agent_id, **details))


def event(agent_id: str, event_type: str = "REGISTER", **details: Any) -> JsonObject:
    """An event as AgentKit makes it; a detail of `...` is left out."""
    known = {
        "agentId": agent_id,
        "agentName": "Signed",
        "version": "1.0",
        "capabilities": ["signed"],
        "contactEndpoint": "http://fake-agent-x.local/run",
        "metadata": {"description": "of a test"},
    }
    merged = {name: value for name, value in {**known, **details}.items() if value is not ...}
    return {"event_type": event_type, "agent_details": merged}
