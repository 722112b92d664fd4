"""What a session costs at AWS: counted from its template, at list prices of one day.

Counts are what Ops-Core's own tests count. What is left out: data over 1 KiB an item, logs, what is
stored, free tiers, and the agents themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opscore.workflows.compiler import compile_cleanup, compile_workflow
from opscore.workflows.durations_of import least_seconds, most_seconds
from opscore.workflows.effort import ENDLESS, Effort, effort
from opscore.workflows.language import Workflow

QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/opscore-tasks"


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in dollars of one region on one day, each for a million."""

    region: str
    date: str
    transition: float
    api_request: float
    queue_request: float
    invocation: float
    gigabyte_second: float
    write_unit: float
    read_unit: float


US_EAST_1 = Prices(
    region="us-east-1",
    date="2026-11-01",
    transition=25.0,
    api_request=1.0,
    queue_request=0.4,
    invocation=0.2,
    gigabyte_second=13.3334,
    write_unit=0.625,
    read_unit=0.125,
)
"""Step Functions Standard, HTTP API, SQS standard queues, Lambda on arm64, DynamoDB on demand."""


@dataclass(frozen=True, slots=True)
class Uses:
    """What something uses of AWS, transitions left out. `gigabyte_seconds` of functions."""

    api_requests: int
    queue_requests: int
    invocations: int
    gigabyte_seconds: float
    write_units: int
    read_units: int

    def price(self, prices: Prices) -> float:
        """Dollars for a million of them."""
        return (
            self.api_requests * prices.api_request
            + self.queue_requests * prices.queue_request
            + self.invocations * prices.invocation
            + self.gigabyte_seconds * prices.gigabyte_second
            + self.write_units * prices.write_unit
            + self.read_units * prices.read_unit
        )


SESSION = Uses(
    api_requests=1,
    queue_requests=0,
    invocations=2,
    gigabyte_seconds=0.1,
    write_units=7,
    read_units=2,
)
"""A session's start and end: the trigger, its transaction, the end's event."""

ANSWER = Uses(
    api_requests=2,
    queue_requests=6,
    invocations=4,
    gigabyte_seconds=0.2,
    write_units=28,
    read_units=6,
)
"""One attempt of a task: dispatched, begun and ended by two reports, its deadline looked at.
Functions of 512 MB, 100 ms each; writes in transactions count twice."""


@dataclass(frozen=True, slots=True)
class Case:
    """The best or the worst case of one session; `seconds` None if nothing bounds them, all others
    too if `bounded` is false.
    """

    states: int
    transitions: int
    events: int
    answers: int
    seconds: int | None
    dollars_per_thousand: float
    bounded: bool = True

    def as_dict(self) -> dict[str, Any]:
        """As the API and the command show it; null where nothing bounds a number."""
        found: dict[str, Any] = {
            "statesEntered": self.states,
            "transitions": self.transitions,
            "historyEvents": self.events,
            "answers": self.answers,
            "dollarsPer1000": round(self.dollars_per_thousand, 4),
        }
        if not self.bounded:
            found = dict.fromkeys(found)
        return found | {"seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Price:
    """Both cases, and the sizes of the definitions. `onFailure` and compensations are left out of
    the cases.
    """

    best: Case
    worst: Case
    definition_bytes: int
    prices: Prices

    def as_dict(self) -> dict[str, Any]:
        """As the API and the command show it."""
        return {
            "best": self.best.as_dict(),
            "worst": self.worst.as_dict(),
            "definitionBytes": self.definition_bytes,
            "region": self.prices.region,
            "pricesOf": self.prices.date,
        }


def price(workflow: Workflow, prices: Prices = US_EAST_1) -> Price:
    """What a session of the workflow costs: at best nothing fails and the way is the shortest, at
    worst everything fails as often as it may. Raises `WorkflowInvalid` like `compile_workflow`.
    """
    size = 0
    if workflow.tasks:
        definitions = [compile_workflow(workflow, QUEUE_URL), compile_cleanup(workflow, QUEUE_URL)]
        size = sum(len(found.encode()) for found in definitions if found is not None)
    found = effort(workflow)
    return Price(
        best=_case(found.least, least_seconds(workflow), prices),
        worst=_case(found.most, most_seconds(workflow), prices),
        definition_bytes=size,
        prices=prices,
    )


def dollars_per_thousand(transitions: int, answers: int, prices: Prices = US_EAST_1) -> float:
    """What a thousand sessions cost that make so many transitions and ask for so many answers."""
    per_million = (
        transitions * prices.transition + SESSION.price(prices) + answers * ANSWER.price(prices)
    )
    return per_million / 1000


def _case(found: Effort, seconds: int | None, prices: Prices) -> Case:
    return Case(
        states=found.states,
        transitions=found.transitions,
        events=found.events,
        answers=found.answers,
        seconds=seconds,
        dollars_per_thousand=dollars_per_thousand(found.transitions, found.answers, prices),
        bounded=found.states < ENDLESS,
    )
