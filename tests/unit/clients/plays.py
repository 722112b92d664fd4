"""A session as the API tells it: a retry on another agent, a fallback, a result passed on."""

from typing import Any

from tests.unit.clients.fake_api import a_session, a_task, an_attempt, at

Json = dict[str, Any]

BROKE = {"code": "AgentError", "message": "the disk is full"}

COLLECT = [
    an_attempt("t1", "flaky", 1.0, 1.5, BROKE),
    an_attempt("t2", "good", 3.0, 4.2, retry=1),
]
ANALYSE = [
    an_attempt("t3", "broken", 5.0, 5.5, BROKE),
    an_attempt("t4", "good", 6.0, 7.0, route=1),
]
PUBLISH = [an_attempt("t5", "broken", 8.0, 8.5, BROKE)]


def ended_well() -> Json:
    return {
        "status": "completed",
        "endTime": at(9),
        "result": {"ok": True},
        "tasks": [
            a_task("collect", COLLECT, "completed", {"text": "abc"}),
            a_task("analyse", ANALYSE, "completed", {"words": 1}),
            a_task("publish", PUBLISH, "failed"),
        ],
    }


def frames() -> list[Json]:
    """What the API answers from the trigger to the end."""
    return [
        {"status": "running", "tasks": []},
        {"tasks": [a_task("collect", [an_attempt("t1", "flaky", 1.0)], "running")]},
        {"tasks": [a_task("collect", COLLECT[:1], "dispatching")]},
        {"tasks": [a_task("collect", COLLECT, "completed", {"text": "abc"})]},
        ended_well(),
    ]


def a_whole_session(session_id: str = "s-1") -> Json:
    return a_session(session_id, "triage", agentId="flaky", **ended_well())
