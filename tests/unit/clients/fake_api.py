"""Ops-Core's HTTP API in memory, behind a requests adapter: real requests, no sockets.

It keeps what it is given (workflows, sessions, idempotency keys) and pages its lists; a session
goes through the frames of its workflow's play, one each time it is read.
"""

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
import yaml
from requests.adapters import BaseAdapter

Json = dict[str, Any]
KEY = "opscore_for-tests"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lost:
    """The request is carried out, but its answer never arrives."""


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    timeout: Any

    def json(self) -> Any:
        return json.loads(self.body)


def refusal(status: int, code: str, detail: Any) -> Answer:
    return Answer(status, {"detail": detail, "code": code})


class FakeOpsCore(BaseAdapter):
    """The API, with memory. `troubles` come first: answers, exceptions, or a lost answer."""

    def __init__(self) -> None:
        super().__init__()
        self.prefix = ""
        self.seen: list[Seen] = []
        self.troubles: list[Answer | Lost | BaseException] = []
        self.agents: dict[str, Json] = {}
        self.workflows: dict[str, list[Json]] = {"sample_workflow_id": [{"version": 1}]}
        self.sessions: dict[str, Json] = {}
        self.dead_letters: dict[str, Json] = {}
        self.policies: dict[tuple[str, str], Json] = {}
        self.quarantines: list[Json] = []
        self.approvals: dict[str, Json] = {}
        self.signals: list[Json] = []
        self.open_tasks: list[Json] = []
        self.started_by_key: dict[str, str] = {}
        self.plays: dict[str, list[Json]] = {}
        self.inline: list[Json] = []
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(pattern + "$"), handler)
            for method, pattern, handler in self._table()
        ]

    def open_session(self) -> requests.Session:
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, self)
        return session

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        parts = urlsplit(request.url or "")
        body = request.body or b""
        seen = Seen(
            method=request.method or "",
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers=request.headers,
            body=body.encode() if isinstance(body, str) else bytes(body),
            timeout=timeout,
        )
        self.seen.append(seen)
        trouble = self.troubles.pop(0) if self.troubles else None
        if isinstance(trouble, BaseException):
            raise trouble
        answer = trouble if isinstance(trouble, Answer) else self._answer(seen)
        if isinstance(trouble, Lost):
            raise requests.ConnectionError("connection reset by peer")
        return _response(request, answer)

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, seen: Seen) -> Answer:
        path = seen.path.removeprefix(self.prefix)
        if path != "/health" and seen.headers.get("Authorization") != f"Bearer {KEY}":
            return Answer(403, {"message": "Forbidden"})
        for method, pattern, handler in self._routes:
            match = pattern.match(path)
            if match and method == seen.method:
                return handler(seen, *map(unquote, match.groups()))
        return Answer(404, {"message": "Not Found"})

    def _table(self) -> Iterator[tuple[str, str, Callable[..., Answer]]]:
        base, one = "/v1/opscore", "([^/]+)"
        yield "GET", "/health", lambda _: Answer(200, {"status": "ok"})
        yield "GET", f"{base}/agents", self._list_agents
        yield "GET", f"{base}/agent/{one}", self._get("agents", "agent", "Agent")
        yield "PUT", f"{base}/agent/{one}", self._put_agent
        yield "POST", f"{base}/agent/{one}/workflow", self._trigger
        yield "POST", f"{base}/sessions", self._trigger
        yield "GET", f"{base}/sessions", self._list_sessions
        yield "GET", f"{base}/session/{one}", self._get_session
        yield "PATCH", f"{base}/session/{one}", self._get_session
        yield "POST", f"{base}/session/{one}/cancel", self._cancel
        yield "POST", f"{base}/session/{one}/pause", self._move("paused")
        yield "POST", f"{base}/session/{one}/resume", self._move("running")
        yield "POST", f"{base}/session/{one}/rerun", self._rerun
        yield "POST", f"{base}/session/{one}/signal", self._signal
        yield "GET", f"{base}/approvals", self._list_approvals
        yield "POST", f"{base}/approval/{one}/(approve|reject)", self._answer_approval
        yield "DELETE", f"{base}/agent/{one}", self._deregister
        yield "POST", f"{base}/agent/{one}/(quarantine|release)", self._quarantine_agent
        yield "GET", f"{base}/quarantines", lambda seen: _paged(seen, self.quarantines)
        yield "POST", f"{base}/quarantines", self._impose
        yield "POST", f"{base}/quarantines/release", self._release
        yield "GET", f"{base}/tasks", lambda seen: _paged(seen, self.open_tasks)
        yield "POST", f"{base}/task/{one}/complete", lambda *_: Answer(200, {"status": "success"})
        yield "POST", f"{base}/workflows/validate", self._validate
        yield "GET", f"{base}/workflows", self._list_workflows
        yield "PUT", f"{base}/workflow/{one}", self._put_workflow
        yield "GET", f"{base}/workflow/{one}", self._get_workflow
        yield "DELETE", f"{base}/workflow/{one}", self._delete_workflow
        yield "GET", f"{base}/workflow/{one}/versions", self._list_versions
        yield "GET", f"{base}/policies", lambda seen: _paged(seen, [*self.policies.values()])
        yield "GET", f"{base}/policy/{one}", self._policy()
        yield "PUT", f"{base}/policy/{one}", self._policy()
        yield "DELETE", f"{base}/policy/{one}", lambda *_: Answer(200, {"status": "success"})
        yield "POST", f"{base}/policy/{one}/pause", self._policy(paused=True)
        yield "POST", f"{base}/policy/{one}/resume", self._policy(paused=False)
        yield "GET", f"{base}/dead-letters", self._list_dead_letters
        yield "GET", f"{base}/dead-letters/groups", self._group_dead_letters
        yield "GET", f"{base}/dead-letter/{one}/compare/{one}", self._compare
        yield "POST", f"{base}/dead-letter/{one}/discard", self._discard
        yield "POST", f"{base}/dead-letter/{one}/replay", self._replay
        yield "POST", f"{base}/dead-letters/replay", self._replay_found
        yield (
            "GET",
            f"{base}/dead-letter/{one}",
            self._get("dead_letters", "dead_letter", "Dead letter"),
        )

    def _get(self, things: str, code: str, name: str) -> Callable[..., Answer]:
        def get(_: Seen, thing_id: str) -> Answer:
            thing = getattr(self, things).get(thing_id)
            if thing is None:
                return refusal(404, f"{code}_not_found", f"{name} not found: {thing_id}")
            return Answer(200, thing)

        return get

    def _policy(self, **changes: Any) -> Callable[..., Answer]:
        def change(seen: Seen, kind: str) -> Answer:
            name = seen.query["name"]
            policy = self.policies.setdefault((kind, name), a_policy(kind, name))
            policy |= changes | (seen.json() if seen.body else {})
            return Answer(200, policy)

        return change

    def _put_agent(self, seen: Seen, agent_id: str) -> Answer:
        self.agents[agent_id] = {"agentId": agent_id, **seen.json()}
        return Answer(200, self.agents[agent_id])

    def _list_agents(self, seen: Seen) -> Answer:
        wanted = seen.query
        return _paged(
            seen,
            [
                agent
                for agent in self.agents.values()
                if wanted.get("state", agent["state"]) == agent["state"]
                and ("capability" not in wanted or wanted["capability"] in agent["capabilities"])
                and (wanted.get("condition") != "stale" or agent["stale"])
            ],
        )

    def _list_sessions(self, seen: Seen) -> Answer:
        wanted = seen.query
        return _paged(
            seen,
            [
                {name: value for name, value in session.items() if name != "tasks"}
                for session in self.sessions.values()
                if wanted.get("status", session["status"]) == session["status"]
                and wanted.get("workflowId", session["workflowId"]) == session["workflowId"]
            ],
        )

    def _list_workflows(self, seen: Seen) -> Answer:
        return _paged(seen, [versions[-1] for versions in self.workflows.values()])

    def _list_versions(self, seen: Seen, workflow_id: str) -> Answer:
        return _paged(seen, self.workflows[workflow_id][::-1])

    def _list_dead_letters(self, seen: Seen) -> Answer:
        return _paged(seen, self._letters(seen))

    def _letters(self, seen: Seen) -> list[Json]:
        names = {"workflowId": "workflowId", "capability": "agentCapability"}
        names |= {"error": "error", "state": "state"}
        return [
            letter
            for letter in self.dead_letters.values()
            if all(letter[names[n]] == v for n, v in seen.query.items() if n in names)
            and letter["recordedAt"] >= seen.query.get("since", "")
        ]

    def _group_dead_letters(self, seen: Seen) -> Answer:
        """Each letter is a group of its own in its page: who reads them all puts them together."""
        groups = [
            {
                "count": 1,
                "firstAt": letter["recordedAt"],
                "lastAt": letter["recordedAt"],
                "example": letter["deadLetterId"],
                **letter,
            }
            for letter in self._letters(seen)
        ]
        return _paged(seen, groups)

    def _compare(self, _: Seen, one: str, other: str) -> Answer:
        found = [
            {"path": "$.text", "here": ["a"], "there": []},
            {"path": "$.n", "here": [1], "there": [2]},
        ]
        letters = {"deadLetter": self.dead_letters[one], "other": self.dead_letters[other]}
        return Answer(200, {**letters, "differences": found, "complete": True})

    def _replay(self, seen: Seen, letter_id: str) -> Answer:
        return Answer(202, self._replayed(letter_id, seen.json()))

    def _replay_found(self, seen: Seen) -> Answer:
        """Some of the open letters, two at a time."""
        body = seen.json()
        is_open = [one for one, letter in self.dead_letters.items() if letter["state"] == "open"]
        start = int(body.get("cursor", 0))
        cursor = str(start + 2) if start + 2 < len(is_open) else None
        items = [self._replayed(one, body) for one in is_open[start : start + 2]]
        return Answer(200, {"items": items, "nextCursor": cursor})

    def _replayed(self, letter_id: str, body: Json) -> Json:
        letter = self.dead_letters[letter_id]
        error = None
        if letter["sessionId"] is None:
            error = {"code": "not_replayable", "detail": "the dead letter is no task's"}
        onto = {"agentId": body.get("agentId"), "agentCapability": body.get("agentCapability")}
        rerun = {
            "workflowId": letter["workflowId"],
            "workflowVersion": 1,
            "rerunOf": letter["sessionId"],
            "fromTasks": [letter["taskId"]],
            "onto": onto if any(onto.values()) else None,
            "kept": ["first", "second"],
        }
        return {
            "deadLetterId": letter_id,
            "sessionId": None if error or body["dryRun"] else f"again-{letter_id}",
            "again": False,
            "rerun": None if error else rerun,
            "error": error,
        }

    def _discard(self, seen: Seen, letter_id: str) -> Answer:
        letter = self.dead_letters[letter_id]
        if letter["state"] != "open":
            return refusal(409, "dead_letter_settled", f"the letter is {letter['state']} already")
        letter |= {"state": "discarded", "settledBecause": seen.json()["reason"]}
        return Answer(200, letter)

    def _get_workflow(self, _: Seen, workflow_id: str) -> Answer:
        if workflow_id not in self.workflows:
            detail = f"Workflow definition not found: {workflow_id}"
            return refusal(404, "workflow_not_found", detail)
        return Answer(200, self.workflows[workflow_id][-1])

    def _delete_workflow(self, seen: Seen, workflow_id: str) -> Answer:
        if self.workflows.pop(workflow_id, None) is None:
            return self._get_workflow(seen, workflow_id)
        return Answer(200, {"status": "success", "message": f"Workflow {workflow_id} deleted."})

    def _validate(self, seen: Seen) -> Answer:
        errors = _errors(seen.body.decode())
        return Answer(200, {"valid": not errors, "errors": errors, "warnings": []})

    def _put_workflow(self, seen: Seen, workflow_id: str) -> Answer:
        template = yaml.safe_load(seen.body)
        if errors := _errors(seen.body.decode()):
            return refusal(422, "workflow_invalid", errors)
        versions = self.workflows.setdefault(workflow_id, [])
        changed = not versions or versions[-1]["template"] != template
        if changed:
            versions.append(
                {
                    "workflowId": workflow_id,
                    "version": len(versions) + 1,
                    "name": template["name"],
                    "label": template.get("version", "1.0"),
                    "description": "",
                    "hash": hashlib.sha256(seen.body).hexdigest(),
                    "createdAt": "2026-11-22T10:00:00Z",
                    "template": template,
                }
            )
        shown = {name: value for name, value in versions[-1].items() if name != "template"}
        return Answer(201 if changed else 200, {**shown, "changed": changed, "warnings": []})

    def _trigger(self, seen: Seen, agent_id: str | None = None) -> Answer:
        body, key = seen.json(), seen.headers.get("Idempotency-Key")
        inline = body.get("workflowDefinition")
        workflow_id = body.get("workflowDefinitionId") or inline["id"]
        if inline is None and workflow_id not in self.workflows:
            detail = f"Workflow definition not found: {workflow_id}"
            return refusal(404, "workflow_not_found", detail)
        if inline is not None:
            self.inline.append(inline)
        session_id = self.started_by_key.get(key or "") or f"session-{len(self.sessions) + 1}"
        self.started_by_key[key or ""] = session_id
        self.sessions.setdefault(
            session_id,
            a_session(session_id, workflow_id, agentId=agent_id, input=body["initialPayload"]),
        )
        return Answer(
            202,
            {
                "sessionId": session_id,
                "workflowId": workflow_id,
                "message": "Workflow triggered successfully",
            },
        )

    def _get_session(self, _: Seen, session_id: str) -> Answer:
        session = self.sessions.get(session_id)
        if session is None:
            return refusal(404, "session_not_found", f"Session not found: {session_id}")
        if play := self.plays.get(session["workflowId"]):
            session |= play.pop(0)
        return Answer(200, session)

    def _cancel(self, seen: Seen, session_id: str) -> Answer:
        session = self.sessions[session_id]
        if session["ending"] is not None and seen.body and not seen.json()["cleanup"]:
            session["status"] = session["ending"]["status"]
            return Answer(200, session)
        if session["ending"] is not None:
            return Answer(200, session)
        answer: Answer = self._move("cancelled")(seen, session_id)
        return answer

    def _move(self, status: str) -> Callable[..., Answer]:
        def move(_: Seen, session_id: str) -> Answer:
            session = self.sessions[session_id]
            if session["status"] in {"completed", "failed", "cancelled"}:
                ended = f"Session is {session['status']}: {session_id}"
                return refusal(409, "session_ended", ended)
            session["status"] = status
            return Answer(200, session)

        return move

    def _rerun(self, seen: Seen, session_id: str) -> Answer:
        old, body = self.sessions[session_id], seen.json()
        if old["status"] == "running":
            return refusal(409, "session_not_final", "the session is running")
        new_id = None
        if not body["dryRun"]:
            new_id = f"session-{len(self.sessions) + 1}"
            self.sessions[new_id] = a_session(new_id, old["workflowId"], rerunOf=session_id)
        planned = {
            "sessionId": new_id,
            "workflowId": old["workflowId"],
            "workflowVersion": 1,
            "rerunOf": session_id,
            "fromTasks": [body.get("fromTask", "publish")],
            "onto": None,
            "kept": ["collect", "analyse"],
            "message": "Session runs again",
        }
        return Answer(202 if new_id else 200, planned)

    def _quarantine_agent(self, seen: Seen, agent_id: str, move: str) -> Answer:
        if agent_id not in self.agents:
            return refusal(404, "agent_not_found", f"Agent not found: {agent_id}")
        reason = seen.json()["reason"] if move == "quarantine" else ""
        marks = [a_mark("agent", agent_id, reason)] if reason else []
        self.agents[agent_id] |= {"quarantines": marks}
        return Answer(200, self.agents[agent_id])

    def _impose(self, seen: Seen) -> Answer:
        body = seen.json()
        (what,) = body.keys() - {"reason"}
        found = a_mark(what, body[what], body["reason"])
        found |= {"applied": True, "releasedBy": None, "releasedAt": None}
        self.quarantines.append(found)
        return Answer(200, found)

    def _release(self, seen: Seen) -> Answer:
        ((what, name),) = seen.json().items()
        for found in self.quarantines:
            if (found["what"], found["name"]) == (what, name):
                self.quarantines.remove(found)
                return Answer(200, found | {"releasedAt": "2026-11-22T10:00:00Z"})
        return refusal(404, "quarantine_not_found", f"Not in quarantine: {what} {name}")

    def _signal(self, seen: Seen, session_id: str) -> Answer:
        if session_id not in self.sessions:
            return refusal(404, "session_not_found", f"Session not found: {session_id}")
        self.signals.append(seen.json())
        return Answer(202, {"status": "success", "message": "Signal taken"})

    def _list_approvals(self, seen: Seen) -> Answer:
        wanted = seen.query
        return _paged(
            seen,
            [
                approval
                for approval in self.approvals.values()
                if wanted.get("workflowId", approval["workflowId"]) == approval["workflowId"]
                and wanted.get("sessionId", approval["sessionId"]) == approval["sessionId"]
            ],
        )

    def _answer_approval(self, seen: Seen, task_id: str, word: str) -> Answer:
        approval = self.approvals.pop(task_id, None)
        if approval is None:
            return refusal(404, "approval_not_found", f"Approval not found: {task_id}")
        said = {"by": "the-key", "comment": "", **seen.json()}
        return Answer(
            200,
            {
                "taskId": task_id,
                "sessionId": approval["sessionId"],
                "approved": word == "approve",
                "at": at(0),
                **said,
            },
        )

    def _deregister(self, _: Seen, agent_id: str) -> Answer:
        if self.agents.pop(agent_id, None) is None:
            return refusal(404, "agent_not_found", f"Agent not found: {agent_id}")
        return Answer(200, {"status": "success", "message": f"Agent {agent_id} deregistered."})


def a_session(session_id: str, workflow_id: str, **fields: Any) -> Json:
    return {
        "sessionId": session_id,
        "workflowId": workflow_id,
        "workflowVersion": 1,
        "agentId": None,
        "status": "running",
        "startTime": "2026-11-22T10:00:00Z",
        "last_updated_time": "2026-11-22T10:00:00Z",
        "endTime": None,
        "metadata": {},
        "input": None,
        "result": None,
        "error": None,
        "ending": None,
        "tasks": [],
        **fields,
    }


def a_mark(what: str, name: str, reason: str) -> Json:
    since = "2026-11-22T10:00:00Z"
    return {"what": what, "name": name, "reason": reason, "by": "me", "since": since}


def a_letter(letter_id: str, **fields: Any) -> Json:
    return {
        "deadLetterId": letter_id,
        "recordedAt": "2026-11-22T10:03:00Z",
        "error": "Undelivered",
        "reason": "could not be delivered, after 6 tries",
        "receiveCount": 6,
        "sessionId": "s-1",
        "workflowId": "triage",
        "taskDefinitionId": "collect",
        "taskId": "collect",
        "attemptId": "task_1",
        "agentId": None,
        "agentCapability": "text.collect",
        "fingerprint": "f-1",
        "state": "open",
        "replayedAs": None,
        "settledAt": None,
        "settledBy": None,
        "settledBecause": None,
        **fields,
    }


def an_approval(task_id: str, prompt: Any, **fields: Any) -> Json:
    return {
        "taskId": task_id,
        "taskDefinitionId": "approve",
        "name": "approve",
        "sessionId": "s-1",
        "workflowId": "triage",
        "prompt": prompt,
        "createdAt": at(0),
        "deadline": at(59),
        **fields,
    }


def an_agent(agent_id: str, **fields: Any) -> Json:
    return {
        "agentId": agent_id,
        "agentName": agent_id.title(),
        "version": "1.0",
        "capabilities": ["text.classify"],
        "contactEndpoint": "http://agent.example/run",
        "transport": "agentkit",
        "metadata": {},
        "maxConcurrency": 1,
        "state": "idle",
        "details": {},
        "timestamp": "2026-11-22T10:00:00Z",
        "lastSeenAt": "2026-11-22T10:00:00Z",
        "registeredAt": "2026-11-22T09:00:00Z",
        "stale": False,
        "unresponsiveSince": None,
        "quarantines": [],
        "eligible": True,
        "openTasks": [],
        "cooldownUntil": None,
        "draining": [],
        **fields,
    }


def a_task(
    step: str,
    attempts: Sequence[Json],
    status: str,
    result: Any = None,
    payload: Any = None,
    **fields: Any,
) -> Json:
    return {
        "taskId": step,
        "taskDefinitionId": step,
        "kind": "task",
        "name": step.title(),
        "workflowId": "triage",
        "sessionId": "session-1",
        "status": status,
        "agentId": attempts[-1]["agentId"],
        "phase": "main",
        "retryCount": len(attempts) - 1,
        "payload": payload,
        "attempts": list(attempts),
        "result": result,
        "error": attempts[-1]["error"],
        "createdAt": attempts[0]["createdAt"],
        "updatedAt": attempts[-1]["endedAt"],
        **fields,
    }


def an_attempt(
    attempt_id: str,
    agent_id: str | None,
    sent: float | None,
    ended: float | None = None,
    error: Json | None = None,
    *,
    route: int = 0,
    retry: int = 0,
    status: str | None = None,
) -> Json:
    """An attempt sent and ended at these seconds of the session."""
    return {
        "attemptId": attempt_id,
        "route": route,
        "retry": retry,
        "status": status or ("CLOSED" if ended is not None else "RUNNING"),
        "agentId": agent_id,
        "fence": 1,
        "createdAt": at(sent or 0),
        "sentAt": None if sent is None else at(sent),
        "endedAt": None if ended is None else at(ended),
        "deadline": None,
        "outcome": None if ended is None else ("failed" if error else "completed"),
        "error": error,
    }


def at(seconds: float) -> str:
    """A time of 22 November 2026, some seconds after ten."""
    return f"2026-11-22T10:00:{seconds:06.3f}Z"


def _errors(template: str) -> list[Json]:
    """Our API's only rule: nothing may be called clsoe."""
    return [
        {
            "line": number,
            "column": line.index("clsoe") + 1,
            "code": "OC012",
            "message": "nextTaskId 'clsoe' is not a task of this list",
            "hint": "did you mean 'close'?",
            "path": "tasks.0.nextTaskId",
        }
        for number, line in enumerate(template.splitlines(), 1)
        if "clsoe" in line
    ]


def _paged(seen: Seen, items: Sequence[Json]) -> Answer:
    start, limit = int(seen.query.get("cursor", 0)), int(seen.query.get("limit", 50))
    if limit > 100:
        return refusal(422, "invalid_request", "limit is over 100")
    end = start + limit
    cursor = str(end) if end < len(items) else None
    return Answer(200, {"items": items[start:end], "nextCursor": cursor})


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    raw = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    response = requests.Response()
    response.status_code = answer.status
    response.reason = responses.get(answer.status, "")
    response.headers.update({"Content-Type": "application/json", **answer.headers})
    response.raw = io.BytesIO(raw.encode())
    response.url = request.url or ""
    response.request = request
    return response


def a_policy(kind: str, name: str, **fields: Any) -> Json:
    """A policy that asks for nothing yet."""
    return {
        "kind": kind,
        "name": name,
        "maxConcurrent": None,
        "ratePerSecond": None,
        "burst": None,
        "paused": False,
        "reason": None,
        "updatedBy": "mia",
        "updatedAt": "2026-11-22T10:00:00Z",
    } | fields
