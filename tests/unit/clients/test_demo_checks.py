import re
from collections.abc import Callable
from typing import Any

import pytest

from infra.demo.checks import check
from infra.demo.demo import TEMPLATE
from infra.demo.newsroom import CAPABILITIES
from opscore.workflows.checks import check as template_check
from tests.unit.clients.fake_api import a_session, a_task, an_attempt, at
from tests.unit.clients.plays import BROKE

Json = dict[str, Any]

READ = {"words": 40, "topWords": ["bridge"], "summary": "The bridge opens."}
SHORTEN = {"words": 5, "topWords": ["the"], "summary": "The bridge opens."}
PUBLISH = {
    "headline": "The bridge opens.",
    "words": 40,
    "picture": "placeholder.svg",
    "approvedBy": "the editor",
}


def the_session() -> Json:
    read = [
        an_attempt("t1", "agent-flaky", 1, 2, BROKE),
        an_attempt("t2", "agent-good", 3, 4, retry=1),
    ]
    shorten = [
        an_attempt("t3", "agent-broken", 4, 5, BROKE),
        an_attempt("t4", "agent-good", 5, 6, route=1),
    ]
    illustrate = [an_attempt("t5", "agent-broken", 4, 8, BROKE)]
    look_up = [an_attempt("t7", "agent-good", 8, 9)]
    approve = [an_attempt("t8", None, 8, 9)]
    return a_session(
        "s-1",
        "newsroom-digest",
        status="completed",
        endTime=at(10),
        tasks=[
            a_task("read", read, "completed", READ, {"text": "…"}),
            a_task(
                "shorten", shorten, "completed", SHORTEN, {"text": "The bridge opens. (40 words)"}
            ),
            a_task("illustrate", illustrate, "failed", None, {"about": ["bridge"]}),
            a_task("look-up", look_up, "completed", {"summary": "Of the bridge."}),
            a_task("approve", approve, "completed", {"approved": True, "by": "the editor"}),
            a_task("publish", [an_attempt("t6", "agent-good", 9, 10)], "completed", {}, PUBLISH),
        ],
    )


def broken_promises(session: Any) -> list[str]:
    return [one.promise for one in check(session) if not one.kept]


def test_a_session_as_the_template_promises_it_keeps_every_promise() -> None:
    assert broken_promises(the_session()) == []
    assert len(check(the_session())) == 16  # type: ignore[arg-type]  # JSON


def fail_the_session(session: Json) -> None:
    session["status"] = "failed"


def succeed_at_once(session: Json) -> None:
    session["tasks"][0]["attempts"][0]["error"] = None


def retry_on_the_same_agent(session: Json) -> None:
    session["tasks"][0]["attempts"][1]["agentId"] = "agent-flaky"


def fail_on_the_fallback(session: Json) -> None:
    session["tasks"][1]["attempts"][1]["error"] = BROKE


def retry_instead_of_falling_back(session: Json) -> None:
    session["tasks"][1]["attempts"][1] |= {"route": 0, "retry": 1}


def find_a_picture(session: Json) -> None:
    session["tasks"][2]["attempts"][0]["error"] = None


def lose_the_words(session: Json) -> None:
    session["tasks"][-1]["payload"] = {**PUBLISH, "words": 41}


def lose_the_picture(session: Json) -> None:
    session["tasks"][-1]["payload"] = {**PUBLISH, "picture": None}


def shorten_something_else(session: Json) -> None:
    session["tasks"][1]["payload"] = {"text": "Another text."}


def lose_the_result(session: Json) -> None:
    session["tasks"][1]["result"] = None
    session["tasks"][-1]["payload"] = {**PUBLISH, "headline": None}


def find_something_else(session: Json) -> None:
    session["tasks"][2]["payload"] = {}


def illustrate_afterwards(session: Json) -> None:
    session["tasks"][2]["attempts"][0]["createdAt"] = at(7)


def look_up_one_word_less(session: Json) -> None:
    session["tasks"][0]["result"] = {**READ, "topWords": ["the", "bridge"]}
    session["tasks"][2]["payload"] = {"about": ["the", "bridge"]}


def ask_somebody_else(session: Json) -> None:
    session["tasks"][4]["result"] = {"approved": True, "by": "the printer"}


@pytest.mark.parametrize(
    ("spoil", "promises"),
    [
        (illustrate_afterwards, ["shorten and illustrate were under way at once"]),
        (look_up_one_word_less, ["look-up: done once for each word"]),
        (ask_somebody_else, ["approve: the editor was asked, and agreed"]),
        (fail_the_session, ["the session completed"]),
        (succeed_at_once, ["read: its first attempt failed"]),
        (
            retry_on_the_same_agent,
            ["read: the retry went to another agent and succeeded"],
        ),
        (
            fail_on_the_fallback,
            ["shorten: the fallback route took over and succeeded"],
        ),
        (
            retry_instead_of_falling_back,
            ["shorten: the fallback route took over and succeeded"],
        ),
        (find_a_picture, ["illustrate: its only attempt failed"]),
        (lose_the_words, ["read's result reached publish"]),
        (lose_the_picture, ["illustrate's fixed result reached publish"]),
        (shorten_something_else, ["read's result reached shorten"]),
        (lose_the_result, ["shorten's result reached publish"]),
        (find_something_else, ["read's result reached illustrate"]),
    ],
)
def test_each_promise_that_is_broken_is_found(
    spoil: Callable[[Json], None], promises: list[str]
) -> None:
    session = the_session()
    spoil(session)

    assert broken_promises(session) == promises


def test_a_session_that_never_got_anywhere_keeps_no_promise() -> None:
    session = a_session("s-1", "newsroom-digest", status="failed", tasks=[])

    assert len(broken_promises(session)) == 16


def test_the_demos_template_has_no_findings_and_asks_only_what_its_agents_can_do() -> None:
    checked = template_check(TEMPLATE.read_bytes())

    assert (checked.errors, checked.warnings) == ([], [])
    asked = set(re.findall(r"agentCapability: ([a-z.]+)", TEMPLATE.read_text(encoding="utf-8")))
    assert asked == {capability for names in CAPABILITIES.values() for capability in names}
