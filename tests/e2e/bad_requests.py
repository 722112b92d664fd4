"""Requests with something wrong, on every route that takes a body or a query."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from tests.e2e.api import JsonObject, step, workflow

KIB = 1024
FAR = (datetime.now(UTC) + timedelta(days=365)).isoformat()


@dataclass(frozen=True)
class Bad:
    """A request with something wrong. `at` is a path with the ids that exist filled in; a text or
    bytes as body go as they are.
    """

    name: str
    method: str
    at: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 422

    @property
    def content(self) -> bytes:
        match self.body:
            case None:
                return b""
            case bytes():
                return self.body
            case str():
                return self.body.encode()
            case _:
                return json.dumps(self.body).encode()


def report(**fields: Any) -> JsonObject:
    """A report of the known agent; its id is filled in when it is sent."""
    return {"agentId": "{agent}", "timestamp": "2026-01-01T00:00:00Z", "state": "idle", **fields}


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


BODIES = {
    "no body": b"",
    "broken JSON": b'{"a": ',
    "bad UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "number beyond all floats": b'{"a": 1e999}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "deep nesting": nested(100_000).encode(),
    "nesting just too deep": b'{"a": ' + nested(70).encode() + b"}",
    "a number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "a list": b"[]",
    "a text": b'"text"',
    "null": b"null",
    "XML": b"<a/>",
    "a form": b"a=1&b=2",
}
WRITES = {
    "report": ("POST", "agent/{agent}/state"),
    "register": ("PUT", "agent/{agent}"),
    "trigger": ("POST", "agent/{agent}/workflow"),
    "start": ("POST", "sessions"),
    "update": ("PATCH", "session/{session}"),
    "single task": ("POST", "task"),
    "quarantine": ("POST", "quarantines"),
}
WORDS = {f"{word} a task": ("POST", f"task/{{task}}/{word}") for word in ("complete", "fail")}

# As JSON the local gateway would put such bytes right, by replacing them.
BINARY = {"Content-Type": "application/octet-stream"}

BAD_BODIES = [
    Bad(f"{route}: {what}", method, at, body, BINARY if b"\xff" in body else {})
    for route, (method, at) in {**WRITES, **WORDS}.items()
    for what, body in BODIES.items()
    # No body at all is a way of saying "done", or "failed".
    if not (route in WORDS and body == b"")
]

TOO_LARGE = [
    Bad(f"{route}: body over the limit", method, at, {"a": "x" * 300 * KIB}, status=413)
    for route, (method, at) in {
        **WRITES,
        **WORDS,
        "put": ("PUT", "workflow/{workflow}"),
        "validate": ("POST", "workflows/validate"),
    }.items()
] + [
    Bad(
        "report: details over the limit",
        "POST",
        "agent/{agent}/state",
        report(details={"a": "x" * 70 * KIB}),
        status=413,
    ),
    Bad(
        "register: metadata over the limit",
        "PUT",
        "agent/{agent}",
        {"contactEndpoint": "http://x.local/run", "metadata": {"a": "é" * 40 * KIB}},
        status=413,
    ),
    Bad(
        "trigger: payload over the limit",
        "POST",
        "agent/{agent}/workflow",
        {"workflowDefinitionId": "{workflow}", "initialPayload": {"a": "x" * 70 * KIB}},
        status=413,
    ),
    Bad(
        "task: parameters over the limit",
        "POST",
        "task",
        {"agentId": "{agent}", "parameters": {"a": "x" * 70 * KIB}},
        status=413,
    ),
    Bad(
        "complete: result over the limit",
        "POST",
        "task/{task}/complete",
        {"result": "x" * 70 * KIB},
        status=413,
    ),
    Bad(
        "update: metadata over the limit",
        "PATCH",
        "session/{session}",
        {"metadata": {"a": "x" * 70 * KIB}},
        status=413,
    ),
]

WRONG_FIELDS = [
    Bad("report: far future", "POST", "agent/{agent}/state", report(timestamp=FAR)),
    Bad("report: year 9999", "POST", "agent/{agent}/state",
        report(timestamp="9999-12-31T23:59:59+00:00")),
    Bad("report: year 9999 west of here", "POST", "agent/{agent}/state",
        report(timestamp="9999-12-31T23:59:59-23:59")),
    Bad("report: empty state", "POST", "agent/{agent}/state", report(state="")),
    Bad("report: endless state", "POST", "agent/{agent}/state", report(state="x" * 65)),
    Bad("report: endless timestamp", "POST", "agent/{agent}/state", report(timestamp="2" * 65)),
    Bad("report: empty id in the body", "POST", "agent/{agent}/state", report(agentId="")),
    Bad("report: another's id", "POST", "agent/{agent}/state", report(agentId="a"), status=400),
    Bad("register: no endpoint", "PUT", "agent/{agent}", {}),
    Bad("register: endpoint without a host", "PUT", "agent/{agent}", {"contactEndpoint": "http://"}),
    Bad("register: endpoint of another scheme", "PUT", "agent/{agent}",
        {"contactEndpoint": "file:///etc/passwd"}),
    Bad("register: endpoint with white space", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x local/run"}),
    Bad("register: no slots", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "maxConcurrency": 0}),
    Bad("register: endless slots", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "maxConcurrency": 10**9}),
    Bad("register: unknown transport", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "transport": "pigeon"}),
    Bad("register: too many capabilities", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": [str(n) for n in range(51)]}),
    Bad("register: empty capability", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": [""]}),
    Bad("register: capability with a separator of ours", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": ["a#b"]}),
    Bad("register: capability with NUL", "PUT", "agent/{agent}",
        {"contactEndpoint": "http://x.local/", "capabilities": ["a\0b"]}),
    Bad("trigger: id with a separator", "POST", "sessions", {"workflowDefinitionId": "a/b"}),
    Bad("trigger: id with NUL", "POST", "sessions", {"workflowDefinitionId": "a\0"}),
    Bad("trigger: huge id", "POST", "sessions", {"workflowDefinitionId": "x" * 129}),
    Bad("trigger: empty id", "POST", "sessions", {"workflowDefinitionId": ""}),
    Bad("trigger: id of another type", "POST", "sessions", {"workflowDefinitionId": ["a"]}),
    Bad("trigger: payload of another type", "POST", "sessions",
        {"workflowDefinitionId": "{workflow}", "initialPayload": [1]}),
    Bad("trigger: definition of another type", "POST", "sessions", {"workflowDefinition": "id: a"}),
    Bad("trigger: definition of nothing", "POST", "sessions", {"workflowDefinition": {}}),
    Bad("trigger: tasks of another type", "POST", "sessions",
        {"workflowDefinition": {"id": "a", "name": "a", "tasks": {"a": 1}}}),
    Bad("trigger: endless idempotency key", "POST", "sessions",
        {"workflowDefinitionId": "{workflow}"}, {"Idempotency-Key": "k" * 256}),
    Bad("trigger: empty idempotency key", "POST", "sessions",
        {"workflowDefinitionId": "{workflow}"}, {"Idempotency-Key": ""}),
    Bad("update: nothing", "PATCH", "session/{session}", {}),
    Bad("update: misspelt field", "PATCH", "session/{session}", {"stauts": "paused"}),
    Bad("update: unknown status", "PATCH", "session/{session}", {"status": "asleep"}),
    Bad("update: field that is not for people", "PATCH", "session/{session}", {"result": 1}),
    Bad("update: empty name in metadata", "PATCH", "session/{session}", {"metadata": {"": 1}}),
    Bad("update: move that nobody may make", "PATCH", "session/{session}",
        {"status": "completed"}, status=409),
    Bad("task: neither agent nor capability", "POST", "task", {}),
    Bad("task: both", "POST", "task", {"agentId": "{agent}", "agentCapability": "known"}),
    Bad("task: misspelt field", "POST", "task", {"agentId": "{agent}", "timeuot": 5}),
    Bad("task: negative timeout", "POST", "task", {"agentId": "{agent}", "timeout": -1}),
    Bad("task: endless timeout", "POST", "task", {"agentId": "{agent}", "timeout": 10**12}),
    Bad("task: timeout of another type", "POST", "task", {"agentId": "{agent}", "timeout": "5s"}),
    Bad("task: priority out of range", "POST", "task", {"agentId": "{agent}", "priority": 10}),
    Bad("task: too many retries", "POST", "task", {"agentId": "{agent}", "maxRetries": 21}),
    Bad("quarantine: of nothing", "POST", "quarantines", {"reason": "why"}),
    Bad("quarantine: of two", "POST", "quarantines",
        {"reason": "why", "version": "1", "capability": "known"}),
    Bad("quarantine: without a reason", "POST", "agent/{agent}/quarantine", {}),
    Bad("quarantine: endless reason", "POST", "quarantines",
        {"reason": "x" * 1025, "version": "1"}),
    Bad("release: of what is in none", "POST", "agent/{agent}/release", status=404),
    Bad("fail: code of Step Functions' own", "POST", "task/{task}/fail",
        {"errorCode": "States.ALL"}),
    Bad("fail: code with a space", "POST", "task/{task}/fail", {"errorCode": "no way"}),
    Bad("fail: endless message", "POST", "task/{task}/fail", {"message": "x" * 4097}),
    Bad("complete: agent's id of another type", "POST", "task/{task}/complete", {"agentId": 1}),
    Bad("heartbeat: of another agent", "POST", "task/{task}/heartbeat", {"agentId": "a"},
        status=409),
    Bad("put: another id than the path's", "PUT", "workflow/another-id",
        workflow(step())),
    Bad("put: no template", "PUT", "workflow/{workflow}", b""),
    Bad("put: no YAML", "PUT", "workflow/{workflow}", b"a: [", {"Content-Type": "text/yaml"}),
    Bad("put: bad UTF-8", "PUT", "workflow/{workflow}", b"id: \xff\xfe\x00"),
    Bad("put: YAML that builds objects", "PUT", "workflow/{workflow}",
        b"!!python/object/apply:os.system ['true']", {"Content-Type": "text/yaml"}),
    Bad("put: deep nesting", "PUT", "workflow/{workflow}", nested(20_000)),
    Bad("put: aliases that multiply", "PUT", "workflow/{workflow}",
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\n"
        "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e]\n",
        {"Content-Type": "text/yaml"}),
]  # fmt: skip

QUERIES = [
    Bad(f"{path}?{query}", "GET", f"{path}?{query}", status=status)
    for path in (
        "agents",
        "sessions",
        "workflows",
        "dead-letters",
        "quarantines",
        "agent/{agent}/state/history",
        "workflow/{workflow}/versions",
    )
    for query, status in {
        "limit=0": 422,
        "limit=-1": 422,
        "limit=201": 422,
        "limit=many": 422,
        "limit=1e3": 422,
        "limit=": 422,
        f"limit={'9' * 5000}": 422,
        "cursor=": 400,
        "cursor=nonsense": 400,
        "cursor=%00": 400,
        "cursor=%C3%A9": 400,
        f"cursor={'A' * 5000}": 422,
        f"cursor={quote(forged(0, None, 'f' * 16))}": 400,
        f"cursor={quote(forged(0, {'pk': 'agent#a', 'sk': 'agent'}, 'f' * 16))}": 400,
        f"cursor={quote(forged(-1, {}, ''))}": 400,
        f"cursor={quote(base64.urlsafe_b64encode(b'5').decode())}": 400,
        f"cursor={quote(base64.urlsafe_b64encode(b'[' * 3000).decode())}": 400,
    }.items()
] + [
    Bad("sessions of no status", "GET", "sessions?status=asleep"),
    Bad("sessions of an empty status", "GET", "sessions?status="),
    Bad("sessions of a workflow with a separator", "GET", "sessions?workflowId=a%2Fb"),
    Bad("agents of an empty state", "GET", "agents?state="),
    Bad("agents of an endless state", "GET", f"agents?state={'x' * 65}"),
    Bad("agents in no condition", "GET", "agents?condition=well"),
    Bad("agents of a capability with our separator", "GET", "agents?capability=a%23b"),
    Bad("dead letters with no such error", "GET", "dead-letters?error=Bad"),
    Bad("dead letters in no state", "GET", "dead-letters?state=asleep"),
    Bad("dead letters since never", "GET", "dead-letters?since=soon"),
    Bad("dead letters until beyond all", "GET", "dead-letters/groups?until=99999-01-01"),
    Bad("replay of nothing in particular", "POST", "dead-letters/replay", "{}"),
    Bad(
        "replay of all and of some",
        "POST",
        "dead-letters/replay",
        '{"all": true, "error": "NoTask"}',
    ),
    Bad("no version", "GET", "workflow/{workflow}?version=0"),
    Bad("version of another type", "GET", "workflow/{workflow}?version=latest"),
    Bad("version that is not there", "GET", "workflow/{workflow}?version=99", status=404),
    Bad("version beyond all", "GET", f"workflow/{{workflow}}?version={'9' * 100}", status=404),
]

ALL = [*BAD_BODIES, *TOO_LARGE, *WRONG_FIELDS, *QUERIES]
