"""What templates cost, for people and for builds that must not cost more."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console

from opscore.workflows.checks import check
from opscore.workflows.price import Case, Price
from opscore_cli.present import Column, write_rows
from opscore_cli.program import CommandFailedError
from opscore_cli.templates import Template, write_findings

_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


def priced_locally(template: Template) -> Price:
    """The template's price. Raises CommandFailedError for one that is not valid; stderr has why."""
    checked = check(template.text)
    found = checked.price()
    if found is None:
        errors = [finding.as_dict() for finding in checked.errors]
        report = {"valid": False, "errors": errors, "warnings": []}
        write_findings(template.path, report, sys.stderr.write)  # type: ignore[arg-type]  # as the API
        raise CommandFailedError(f"{template.path} is not valid")
    return found


def over_budget(found: Price, max_cost: float | None, max_transitions: int | None) -> list[str]:
    """What is more than may be, at worst; what nothing bounds always is."""
    worst = found.worst
    faults = []
    if max_cost is not None and (not worst.bounded or worst.dollars_per_thousand > max_cost):
        cost = f"can cost {_dollars(worst)}" if worst.bounded else "cost no one knows how much"
        faults.append(f"1,000 sessions {cost}, over ${max_cost:g}")
    if max_transitions is not None and (not worst.bounded or worst.transitions > max_transitions):
        count = f"{worst.transitions:,}" if worst.bounded else "any number of"
        faults.append(f"a session can make {count} transitions, over {max_transitions:,}")
    return faults


def write_price(console: Console, name: str, found: Price) -> None:
    """Both cases side by side."""
    console.print(f"{name}  ({found.definition_bytes:,} bytes compiled)", highlight=False)
    rows: list[tuple[str, Callable[[Case], str]]] = [
        ("states entered", _count(lambda case: case.states)),
        ("billed transitions", _count(lambda case: case.transitions)),
        ("history events", _count(lambda case: case.events)),
        ("answers waited for", _count(lambda case: case.answers)),
        ("duration", lambda case: _duration(case.seconds)),
        ("1,000 sessions", _dollars),
    ]
    columns: list[Column[tuple[str, Callable[[Case], str]]]] = [
        Column("of one session", lambda row: row[0]),
        Column("at best", lambda row: row[1](found.best)),
        Column("at worst", lambda row: row[1](found.worst)),
    ]
    write_rows(console, columns, rows)
    prices = f"list prices of {found.prices.date}, {found.prices.region}; without onFailure"
    console.print(prices, style="dim", highlight=False)


def _count(of: Callable[[Case], int]) -> Callable[[Case], str]:
    return lambda case: f"{of(case):,}" if case.bounded else "unbounded"


def _dollars(case: Case) -> str:
    return f"${case.dollars_per_thousand:,.2f}" if case.bounded else "unbounded"


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return "as long as it is told"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds} s"
