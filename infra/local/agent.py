"""An example agent: registers with AgentKit, does small pieces of work, reports to Ops-Core.

`good` does every task; `flaky` fails its first two and then does them; `broken` fails them all.
"""

from __future__ import annotations

import argparse
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from infra.local.json_server import JsonHandler, LocalServer

JsonObject = dict[str, Any]

CAPABILITIES = {
    "good": ["text.count", "text.summarise"],
    "flaky": ["text.count"],
    "broken": ["text.polish"],
}
FAILURES = {"good": 0.0, "flaky": 2.0, "broken": float("inf")}

FIRST_REPORT_SECONDS = 1
REPORT_ATTEMPTS = 5
REPORT_PAUSE_SECONDS = 3
REPORT_TIMEOUT_SECONDS = 30
RECOVERY_SECONDS = 1
TOP_WORDS = 3


class WorkFailedError(Exception):
    """A task that this agent could not do."""


def work(parameters: JsonObject) -> JsonObject:
    """Say something true about a text: how long it is, what it repeats, how it begins.

    A task without a text gets its own parameters back.
    """
    text = parameters.get("text")
    if not isinstance(text, str):
        return {"echo": parameters}
    words = re.findall(r"\w+", text.lower())
    ranked = sorted(Counter(words).items(), key=lambda entry: (-entry[1], entry[0]))
    return {
        "words": len(words),
        "topWords": [word for word, _ in ranked[:TOP_WORDS]],
        "summary": re.split(r"(?<=[.!?])\s", text.strip(), maxsplit=1)[0],
    }


class Worker:
    """The work of one agent, a task at a time; how many fail at first is its behaviour."""

    def __init__(self, failures: float, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._tasks = 0
        self._lock = threading.Lock()

    def do(self, parameters: JsonObject) -> JsonObject:
        """The result of a task; raises WorkFailedError."""
        with self._lock:
            self._tasks += 1
            time.sleep(self._seconds)
            if self._tasks <= self._failures:
                raise WorkFailedError(f"could not do task {self._tasks}")
            return work(parameters)


class Reporter:
    """Tells Ops-Core the agent's state."""

    def __init__(self, opscore_url: str, key: str, agent_id: str) -> None:
        self._url = f"{opscore_url}/v1/opscore/agent/{agent_id}/state"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._agent_id = agent_id

    def report(self, state: str, details: JsonObject) -> bool:
        """Report a state, several times if need be; False if it was never accepted."""
        report = {
            "agentId": self._agent_id,
            "timestamp": datetime.now(UTC).isoformat(),
            "state": state,
            "details": details,
        }
        for attempt in range(REPORT_ATTEMPTS):
            if attempt:
                time.sleep(REPORT_PAUSE_SECONDS)
            try:
                _post(self._url, report, self._headers)
            except requests.RequestException as error:
                print(f"report {state}: {error}", flush=True)
            else:
                print(f"report {state}: accepted", flush=True)
                return True
        return False


class AgentServer(LocalServer):
    """The agent's contact endpoint."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.reporter: Reporter | None = None
        super().__init__(("127.0.0.1", 0), AgentHandler)

    def run(self, task: JsonObject) -> None:
        """Do one task and report how it went, with its id."""
        if self.reporter is None:
            return
        done = {"opscore_task_id": task["opscore_task_id"]}
        self.reporter.report("active", done)
        try:
            result = self.worker.do(task["task_parameters"])
        except WorkFailedError as error:
            self.reporter.report("error", {**done, "error": str(error)})
            time.sleep(RECOVERY_SECONDS)
            self.reporter.report("idle", {})
        else:
            self.reporter.report("idle", {**done, "result": result})


class AgentHandler(JsonHandler):
    """Takes tasks."""

    server: AgentServer

    def do_POST(self) -> None:  # noqa: N802  the base's name
        """Accept a well-formed task and work on it in the background."""
        task = task_of(self.body())
        if isinstance(task, str):
            self.reply(400, {"detail": task})
            return
        print(f"task {task['task_name']}", flush=True)
        threading.Thread(target=self.server.run, args=(task,), daemon=True).start()
        self.reply(202, {"status": "accepted"})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing: tasks and reports are printed."""


def task_of(body: bytes) -> JsonObject | str:
    """The task in a message, or what is wrong with it."""
    try:
        payload = json.loads(body)["payload"]
    except (ValueError, KeyError, TypeError):
        return "no payload"
    checks: dict[str, Callable[[Any], bool]] = {
        "task_name": lambda value: isinstance(value, str),
        "task_parameters": lambda value: isinstance(value, dict),
        "opscore_task_id": lambda value: isinstance(value, str),
    }
    for name, holds in checks.items():
        if not isinstance(payload, dict) or not holds(payload.get(name)):
            return f"bad {name}"
    return {name: payload[name] for name in checks}


def register(agentkit_url: str, behaviour: str, capabilities: list[str], port: int) -> str:
    """Register with AgentKit; the id that it assigned."""
    details = {
        "agentName": f"agent-{behaviour}",
        "version": "1.0.0",
        "capabilities": capabilities,
        "contactEndpoint": f"http://127.0.0.1:{port}/run",
        "metadata": {"description": f"example agent, {behaviour}"},
    }
    answer = _post(f"{agentkit_url}/agents/register", details, {})
    return str(answer["data"]["agentId"])


def _post(url: str, content: JsonObject, headers: dict[str, str]) -> Any:
    answer = requests.post(url, json=content, headers=headers, timeout=REPORT_TIMEOUT_SECONDS)
    answer.raise_for_status()
    return answer.json()


def main() -> None:
    """Register, say idle, take tasks until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--behaviour", choices=sorted(CAPABILITIES), required=True)
    parser.add_argument("--capability", action="append", help="in place of the behaviour's own")
    parser.add_argument("--work-seconds", type=float, default=1)
    parser.add_argument("--agentkit-url", required=True, help="with its /v1")
    parser.add_argument("--opscore-url", required=True)
    parser.add_argument("--key-file", type=Path, required=True)
    parser.add_argument("--id-file", type=Path, required=True, help="gets the assigned id")
    given = parser.parse_args()

    server = AgentServer(Worker(FAILURES[given.behaviour], given.work_seconds))
    capabilities = given.capability or CAPABILITIES[given.behaviour]
    agent_id = register(given.agentkit_url, given.behaviour, capabilities, server.server_port)
    server.reporter = Reporter(given.opscore_url, given.key_file.read_text().strip(), agent_id)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(FIRST_REPORT_SECONDS)
    server.reporter.report("idle", {})
    given.id_file.write_text(agent_id)
    threading.Event().wait()


if __name__ == "__main__":
    main()
