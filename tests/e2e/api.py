"""The HTTP API as clients speak it, rightly or wrongly."""

from __future__ import annotations

import http.client
import json
import uuid
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from tests.e2e.waiting import eventually

JsonObject = dict[str, Any]

PREFIX = "/v1/opscore/"
FINAL = {"completed", "failed", "cancelled"}


class Api:
    """Calls with one key. Paths that don't begin with a slash lie under /v1/opscore."""

    def __init__(self, base_url: str, key: str | None) -> None:
        self.base_url = base_url
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=32))
        self._key = key

    def with_key(self, key: str | None) -> Api:
        """The same API for the holder of another key, or of none."""
        return Api(self.base_url, key)

    def call(self, method: str, path: str, **given: Any) -> requests.Response:
        """One request; a key of None sends no Authorization."""
        headers = dict(given.pop("headers", {}))
        if self._key is not None:
            headers.setdefault("Authorization", f"Bearer {self._key}")
        url = self.base_url + (path if path.startswith("/") else PREFIX + path)
        return self._session.request(
            method, url, headers=headers, timeout=30, allow_redirects=False, **given
        )

    def get(self, path: str, **given: Any) -> requests.Response:
        return self.call("GET", path, **given)

    def post(self, path: str, json: Any = None, **given: Any) -> requests.Response:
        return self.call("POST", path, json=json, **given)

    def put(self, path: str, json: Any = None, **given: Any) -> requests.Response:
        return self.call("PUT", path, json=json, **given)

    def patch(self, path: str, json: Any = None, **given: Any) -> requests.Response:
        return self.call("PATCH", path, json=json, **given)

    def delete(self, path: str, **given: Any) -> requests.Response:
        return self.call("DELETE", path, **given)

    def raw(
        self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]:
        """A request sent as it is, with nothing put right on its way; status and body."""
        parts = urlsplit(self.base_url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in {"Authorization": f"Bearer {self._key}", **(headers or {})}.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def read(self, path: str, **query: Any) -> JsonObject:
        """What a GET shows; it must succeed."""
        answer = self.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: JsonObject = answer.json()
        return found

    def pages(self, path: str, **query: Any) -> list[list[JsonObject]]:
        """A list's pages, by its cursors."""
        pages, cursor = [], None
        while True:
            given = {**query, **({"cursor": cursor} if cursor else {})}
            page = self.read(path, **given)
            pages.append(page["items"])
            cursor = page["nextCursor"]
            if cursor is None:
                return pages

    def start(
        self,
        definition: JsonObject | str,
        payload: JsonObject | None = None,
        agent_id: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> str:
        """Start a session of a workflow, inline or by id; the session's id."""
        named = isinstance(definition, str)
        body = {
            "workflowDefinitionId" if named else "workflowDefinition": definition,
            "initialPayload": payload,
        }
        path = f"agent/{agent_id}/workflow" if agent_id else "sessions"
        answer = self.post(path, body, headers=headers or {})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["sessionId"])

    def end(self, session_id: str, seconds: float = 20) -> JsonObject:
        """A session once it is final, with its tasks."""

        def look() -> JsonObject | None:
            session = self.read(f"session/{session_id}")
            return session if session["status"] in FINAL else None

        return eventually(look, seconds)

    def attempt(self, session_id: str, status: str, seconds: float = 20) -> JsonObject:
        """The newest attempt of a session's newest task, once it has that status."""

        def look() -> JsonObject | None:
            tasks = self.read(f"session/{session_id}")["tasks"]
            newest: JsonObject = tasks[-1]["attempts"][-1] if tasks else {}
            return newest if newest.get("status") == status else None

        return eventually(look, seconds)


def workflow(*tasks: JsonObject, **fields: Any) -> JsonObject:
    """A template with an id of its own."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    return {"id": name, "name": "A test's", "tasks": list(tasks), **fields}


def step(task_id: str = "work", retries: int = 0, **fields: Any) -> JsonObject:
    """A task whose time is short and whose retries come at once."""
    retry = {"maxRetries": retries, "interval": "1s", "backoffRate": 1, "jitter": "none"}
    return {"taskId": task_id, "timeout": "20s", "waitTimeout": "20s", "retry": retry, **fields}


def attempts(session: JsonObject, task_id: str = "work") -> list[JsonObject]:
    """The attempts of one task of a session."""
    for task in session["tasks"]:
        if task["taskDefinitionId"] == task_id:
            found: list[JsonObject] = task["attempts"]
            return found
    raise AssertionError(json.dumps(session))
