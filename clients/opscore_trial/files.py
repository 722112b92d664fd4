"""Case files: which belongs to a template, and what running its cases shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opscore.errors import WorkflowInvalid
from opscore.workflows.checks import check
from opscore.workflows.findings import Finding, Report
from opscore_trial.casefile import read_cases
from opscore_trial.cases import Case
from opscore_trial.compiled import Compiled
from opscore_trial.trial import Course, run_case
from opscore_trial.verdict import Fault, faults

SUFFIXES = (".yaml", ".yml", ".json")
_CASES = ".test"


class NoCasesError(Exception):
    """There is no case file where one should be; the text is for people."""


class InvalidError(Exception):
    """A template or a case file that can't be used, with everything that is wrong with it."""

    def __init__(self, path: Path, errors: list[Finding]) -> None:
        super().__init__(f"{path} is not valid")
        self.path = path
        self.errors = errors


@dataclass(frozen=True)
class Outcome:
    """A case, what came of it, and what of that is not as expected."""

    case: Case
    course: Course
    faults: list[Fault]

    @property
    def passed(self) -> bool:
        return not self.faults


@dataclass(frozen=True)
class Suite:
    """A template's cases, ready to run."""

    template: Path
    path: Path
    compiled: Compiled
    cases: tuple[Case, ...]

    def run(self) -> Iterator[Outcome]:
        """Run the cases one after the other, each by itself."""
        for case in self.cases:
            course = run_case(self.compiled, case)
            yield Outcome(case, course, faults(case, course))


def case_file(template: Path) -> Path | None:
    """The case file beside a template: `triage.test.yaml` beside `triage.yaml`."""
    names = (template.with_name(f"{template.stem}{_CASES}{suffix}") for suffix in SUFFIXES)
    return next((path for path in names if path.is_file()), None)


def is_case_file(path: Path) -> bool:
    """Whether a file's name is that of a case file."""
    return path.stem.endswith(_CASES)


def read_suite(template: Path) -> Suite:
    """A template with the cases beside it.

    Raises NoCasesError, InvalidError, and OSError for what can't be read.
    """
    compiled = _compiled(template)
    path = case_file(template)
    if path is None:
        wanted = template.with_name(f"{template.stem}{_CASES}{template.suffix}")
        raise NoCasesError(f"{template} has no cases: there is no {wanted}")
    report = Report()
    cases = read_cases(path.read_bytes(), compiled, report)
    if report.errors:
        raise InvalidError(path, sorted(report.errors, key=_order))
    return Suite(template, path, compiled, cases)


def _compiled(template: Path) -> Compiled:
    try:
        return Compiled.of(check(template.read_bytes()).require())
    except WorkflowInvalid as error:
        raise InvalidError(template, error.findings) from error


def _order(finding: Finding) -> tuple[int, int]:
    return finding.line or 0, finding.column or 0
