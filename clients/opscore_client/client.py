import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import requests

from opscore_client.agents import Agents
from opscore_client.approvals import Approvals
from opscore_client.dead_letters import DeadLetters
from opscore_client.http import Backoff, Http, Timeouts
from opscore_client.policies import Policies
from opscore_client.quarantines import Quarantines
from opscore_client.sessions import Sessions
from opscore_client.tasks import Tasks
from opscore_client.types import JsonObject
from opscore_client.workflows import Workflows


class OpsCoreClient:
    """Ops-Core's HTTP API, one attribute for each kind of thing.

    `base_url` is what stands before `/v1/opscore`; `key` an API key. A client holds one
    connection pool and is for one thread. Every method raises OpsCoreError and nothing else.

        with OpsCoreClient("http://127.0.0.1:8080", key) as ops:
            started = ops.sessions.trigger("sample_workflow_id", agent_id="agent-1")
            *_, ended = ops.sessions.watch(started["sessionId"])
    """

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        *,
        session: requests.Session | None = None,
        timeouts: Timeouts | None = None,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = Http(
            base_url, key, session=session, timeouts=timeouts, backoff=backoff, sleep=sleep
        )
        self.agents = Agents(self._http)
        self.quarantines = Quarantines(self._http)
        self.workflows = Workflows(self._http)
        self.sessions = Sessions(self._http, sleep)
        self.tasks = Tasks(self._http)
        self.approvals = Approvals(self._http)
        self.dead_letters = DeadLetters(self._http)
        self.policies = Policies(self._http)

    def health(self) -> JsonObject:
        """`{"status": "ok"}` when the API is there; needs no key."""
        return self._http.call("GET", "/health")

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
