"""A stand-in for AgentKit that behaves as its code does on the wire.

It assigns agent ids, tells Ops-Core of a registration once and after it has answered, answers 202
to a run whatever comes of it, and forwards it once, in the background, with the fields it knows.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import re
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from infra.local.json_server import JsonHandler, LocalServer

JsonObject = dict[str, Any]

WEBHOOK_PATH = "/v1/opscore/internal/agent/notify"
WEBHOOK_TIMEOUT_SECONDS = 10
FORWARD_TIMEOUT_SECONDS = 15
RUN_PATH = re.compile(r"/v1/agents/([^/]+)/run")
OPTIONAL_RUN_FIELDS = ("task_name", "opscore_session_id", "opscore_task_id")


class AgentKit(LocalServer):
    """The stand-in's server: agents in memory, as AgentKit keeps them."""

    def __init__(self, port: int, webhook_url: str, secret: str, *, offer_agents: bool) -> None:
        self.webhook_url = webhook_url
        self.secret = secret.encode()
        self.offer_agents = offer_agents
        self.agents: dict[str, JsonObject] = {}
        super().__init__(("127.0.0.1", port), AgentKitHandler)

    def register(self, details: JsonObject) -> str:
        """Keep an agent under a new id."""
        agent_id = (
            f"{re.sub('[^a-z0-9-]+', '-', details['agentName'].lower())}-{uuid.uuid4().hex[:8]}"
        )
        self.agents[agent_id] = {"agentId": agent_id, **details}
        return agent_id

    def notify(self, agent_id: str) -> None:
        """Send the signed registration webhook: one try, and only a log line if it fails."""
        event = {"event_type": "REGISTER", "agent_details": self.agents[agent_id]}
        body = json.dumps(event, separators=(",", ":")).encode()
        timestamp = str(int(time.time()))
        signature = hmac.new(self.secret, timestamp.encode() + b"." + body, hashlib.sha256)
        headers = {
            "X-AgentKit-Timestamp": timestamp,
            "X-AgentKit-Signature": signature.hexdigest(),
        }
        _post(self.webhook_url, body, headers, WEBHOOK_TIMEOUT_SECONDS, f"webhook {agent_id}")

    def forward(self, agent_id: str, message: JsonObject) -> None:
        """Pass a run on to its agent: one try, and only a log line if it fails."""
        endpoint = self.agents[agent_id]["contactEndpoint"]
        body = json.dumps(message).encode()
        _post(endpoint, body, {}, FORWARD_TIMEOUT_SECONDS, f"run {agent_id}")


class AgentKitHandler(JsonHandler):
    """The routes of AgentKit's API that agents and Ops-Core use."""

    server: AgentKit

    def do_GET(self) -> None:  # noqa: N802  the base's name
        """Health, and the list of agents where it is offered."""
        if self.path == "/":
            self.reply(200, {"message": "Welcome to AgentKit"})
        elif self.path == "/health":
            self.reply(200, {"status": "ok"})
        elif urlsplit(self.path).path == "/v1/agents" and self.server.offer_agents:
            self.reply(200, list(self.server.agents.values()))
        else:
            self.reply(404, {"detail": "Not Found"})

    def do_POST(self) -> None:  # noqa: N802  the base's name
        """Registration and run."""
        body = self.body()
        run = RUN_PATH.fullmatch(self.path)
        if self.path == "/v1/agents/register":
            self._register(body)
        elif run is not None:
            self._run(run[1], body)
        else:
            self.reply(404, {"detail": "Not Found"})

    def _register(self, body: bytes) -> None:
        details = registration(body)
        if isinstance(details, str):
            self._refuse(details)
            return
        agent_id = self.server.register(details)
        message = f"Agent '{details['agentName']}' registered successfully."
        self.reply(201, _success(message, {"agentId": agent_id}))
        self._later(self.server.notify, agent_id)

    def _run(self, agent_id: str, body: bytes) -> None:
        message = run_message(body)
        if isinstance(message, str):
            self._refuse(message)
            return
        if agent_id not in self.server.agents:
            self.reply(404, {"detail": f"Agent with ID '{agent_id}' not found."})
            return
        data = {"agentId": agent_id, "dispatch_status": "scheduled"}
        self.reply(202, _success(f"Message dispatch scheduled for agent {agent_id}.", data))
        self._later(self.server.forward, agent_id, message)

    def _refuse(self, field: str) -> None:
        fault = {"type": "value_error", "loc": ["body", field], "msg": "Invalid", "input": None}
        self.reply(422, {"detail": [fault]})

    def _later(self, work: Any, *arguments: Any) -> None:
        self.wfile.flush()
        threading.Thread(target=work, args=arguments, daemon=True).start()


def registration(body: bytes) -> JsonObject | str:
    """What AgentKit keeps of a registration, or the name of the field that is wrong."""
    given = _object(body)
    if given is None:
        return "body"
    for name in ("agentName", "version", "contactEndpoint"):
        if not isinstance(given.get(name), str):
            return name
    if urlsplit(given["contactEndpoint"]).scheme not in {"http", "https"}:
        return "contactEndpoint"
    capabilities = given.get("capabilities", [])
    if not isinstance(capabilities, list) or not all(isinstance(c, str) for c in capabilities):
        return "capabilities"
    if not isinstance(given.get("metadata"), dict | None):
        return "metadata"
    return {
        "agentName": given["agentName"],
        "version": given["version"],
        "capabilities": capabilities,
        "contactEndpoint": given["contactEndpoint"],
        "metadata": given.get("metadata") or {},
    }


def run_message(body: bytes) -> JsonObject | str:
    """What AgentKit passes on of a run, or the name of the field that is wrong.

    Everything that it doesn't know is dropped, also inside sessionContext; `payload` is untouched.
    """
    given = _object(body)
    if given is None:
        return "body"
    for name in ("senderId", "messageType"):
        if not isinstance(given.get(name), str):
            return name
    if not isinstance(given.get("payload"), dict):
        return "payload"
    for name in OPTIONAL_RUN_FIELDS:
        if not isinstance(given.get(name), str | None):
            return name
    context = given.get("sessionContext")
    if not isinstance(context, dict | None):
        return "sessionContext"
    return {
        "senderId": given["senderId"],
        "timestamp": given.get("timestamp") or datetime.now(UTC).isoformat(),
        "messageType": given["messageType"],
        "payload": given["payload"],
        "sessionContext": None if context is None else {"sessionId": context.get("sessionId")},
        **{name: given.get(name) for name in OPTIONAL_RUN_FIELDS},
    }


def _object(body: bytes) -> JsonObject | None:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _success(message: str, data: JsonObject) -> JsonObject:
    return {"status": "success", "message": message, "data": data, "error_code": None}


def _post(url: str, body: bytes, headers: dict[str, str], timeout: float, what: str) -> None:
    headers = {"Content-Type": "application/json", **headers}
    try:
        answer = requests.post(
            url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        )
    except requests.RequestException as error:
        print(f"{what}: {error}", flush=True)
    else:
        print(f"{what}: {answer.status_code}", flush=True)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--opscore-url", required=True)
    parser.add_argument("--webhook-secret-file", type=Path, required=True)
    parser.add_argument("--offer-agents", action="store_true", help="serve GET /v1/agents")
    arguments = parser.parse_args()
    AgentKit(
        arguments.port,
        arguments.opscore_url + WEBHOOK_PATH,
        arguments.webhook_secret_file.read_text().strip(),
        offer_agents=arguments.offer_agents,
    ).serve_forever()


if __name__ == "__main__":
    main()
