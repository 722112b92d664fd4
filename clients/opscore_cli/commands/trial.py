import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opscore_cli.present import write_json
from opscore_cli.program import CommandFailedError, WrongUsageError
from opscore_cli.shell import Shell, command
from opscore_cli.templates import write_findings

if TYPE_CHECKING:
    from opscore_trial.files import InvalidError, Suite

_EXTRA = ("moto", "greenlet")


def add_to(app: typer.Typer) -> None:
    """Add `test` to the commands about workflows."""
    command(app, "test")(try_cases)


def try_cases(
    shell: Shell,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Templates.")],
    details: Annotated[
        bool,
        typer.Option("--details", help="Show the course of each case, not only of failed ones."),
    ] = False,
) -> None:
    """Run the cases beside templates (x.test.yaml beside x.yaml), without agents and AWS."""
    if not all(map(find_spec, _EXTRA)):
        missing = "workflow test needs more than is installed: pip install 'ops-core[trial]'"
        raise CommandFailedError(missing)
    from opscore_cli.trial_view import TrialView
    from opscore_trial.files import InvalidError, is_case_file

    templates = [path for path in files if not is_case_file(path)]
    if not templates:
        raise WrongUsageError("name the templates; their case files are found beside them")

    view = TrialView(shell.console, details=details)
    entries: list[dict[str, Any]] = []
    for template in templates:
        try:
            suite = _suite(template)
        except InvalidError as invalid:
            entries.append(_refused(shell, template, invalid))
            continue
        entries.append(view.document(suite) if shell.as_json else view.show(suite))
    passed = all(entry["passed"] for entry in entries)
    if shell.as_json:
        write_json({"passed": passed, "files": entries})
    if not passed:
        raise CommandFailedError(_summary(entries))
    if not shell.as_json:
        sys.stdout.write(f"all {len(_cases(entries))} cases passed\n")


def _suite(template: Path) -> "Suite":
    from opscore_trial.files import NoCasesError, read_suite

    try:
        return read_suite(template)
    except OSError as error:
        raise WrongUsageError(f"cannot read {error.filename}: {error.strerror}") from error
    except NoCasesError as error:
        raise WrongUsageError(str(error)) from error


def _refused(shell: Shell, template: Path, invalid: "InvalidError") -> dict[str, Any]:
    errors: list[Any] = [finding.as_dict() for finding in invalid.errors]
    if not shell.as_json:
        write_findings(
            invalid.path, {"valid": False, "errors": errors, "warnings": []}, sys.stderr.write
        )
    return {
        "file": str(template),
        "passed": False,
        "invalid": {"file": str(invalid.path), "errors": errors},
        "cases": [],
    }


def _summary(entries: list[dict[str, Any]]) -> str:
    cases = _cases(entries)
    failed = sum(not case["passed"] for case in cases)
    invalid = sum("invalid" in entry for entry in entries)
    said = [f"{failed} of {len(cases)} cases failed"] if failed else []
    if invalid:
        said.append(f"{invalid} of {len(entries)} templates could not be tried")
    return ", ".join(said)


def _cases(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [case for entry in entries for case in entry["cases"]]
