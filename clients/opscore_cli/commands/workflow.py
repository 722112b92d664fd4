import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from opscore_cli.commands.options import CursorOption, LimitOption
from opscore_cli.drawing import Format, drawn
from opscore_cli.present import Column, write_fields, write_json, write_rows
from opscore_cli.pricing import over_budget, priced_locally, write_price
from opscore_cli.program import CommandFailedError, WrongUsageError
from opscore_cli.shell import Shell, command
from opscore_cli.templates import Template, read, write_findings
from opscore_cli.times import ago, local
from opscore_client.types import Applied, Validation, Workflow

app = typer.Typer(help="Workflows: check templates, upload them, look at them.")

FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML or JSON.")]


@command(app, "validate")
def validate(shell: Shell, files: FilesArgument) -> None:
    """Check templates and show everything that is wrong with them; changes nothing."""
    checked = [(template, _check(shell, template)) for template in map(read, files)]
    if shell.as_json:
        write_json(_report([_entry(template, report) for template, report in checked]))
    else:
        for template, report in checked:
            write_findings(template.path, report, sys.stdout.write)
            if report["valid"]:
                sys.stdout.write(f"{template.path}: valid\n")
    _refuse_invalid(checked)


@command(app, "apply")
def apply(shell: Shell, files: FilesArgument) -> None:
    """Upload templates. All are checked first: if one is wrong, none is uploaded."""
    checked = [(template, _check(shell, template)) for template in map(read, files)]
    if not all(report["valid"] for _, report in checked):
        if shell.as_json:
            write_json(_report([_entry(template, report) for template, report in checked]))
        else:
            for template, report in checked:
                write_findings(template.path, report, sys.stderr.write)
        _refuse_invalid(checked)
    done = [(template, report, _upload(shell, template)) for template, report in checked]
    if shell.as_json:
        write_json(_report([{**_entry(t, report), **applied} for t, report, applied in done]))
        return
    for template, report, applied in done:
        write_findings(template.path, report, sys.stderr.write)
        news = "new" if applied["changed"] else "unchanged"
        name = applied["workflowId"]
        sys.stdout.write(f"{template.path}: {name} version {applied['version']} ({news})\n")


@command(app, "price")
def price(
    shell: Shell,
    files: FilesArgument,
    max_cost: Annotated[
        float | None, typer.Option(help="Fail over so many dollars for 1,000 sessions, at worst.")
    ] = None,
    max_transitions: Annotated[
        int | None, typer.Option(help="Fail over so many state transitions, at worst.")
    ] = None,
) -> None:
    """Show what a session of each template costs, at best and at worst; asks no deployment."""
    priced = [(template, priced_locally(template)) for template in map(read, files)]
    over = [
        f"{template.path}: {fault}"
        for template, found in priced
        for fault in over_budget(found, max_cost, max_transitions)
    ]
    if shell.as_json:
        entries = [{"file": str(template.path), **found.as_dict()} for template, found in priced]
        write_json({"withinBudget": not over, "files": entries})
    else:
        for template, found in priced:
            write_price(shell.console, str(template.path), found)
    if over:
        raise CommandFailedError("; ".join(over))


@command(app, "explain")
def explain(shell: Shell, code: Annotated[str, typer.Argument(metavar="CODE")]) -> None:
    """Show what a code of the checks means, with an example and its cure."""
    from opscore_cli.codes import codes, plain

    found = codes().get(code.upper())
    if found is None:
        raise WrongUsageError(f"there is no code {code}; they go from OC001 to OC106")
    if shell.as_json:
        fields = {"code": found.code, "means": found.means, "wrong": found.shown}
        write_json({**fields, "right": found.right})
    else:
        sys.stdout.write(plain(found))


@command(app, "schema")
def schema(_: Shell) -> None:
    """Write the JSON Schema of templates, for editors."""
    from opscore.workflows.editor_schema import editor_schema

    write_json(editor_schema())


@command(app, "graph")
def graph(
    shell: Shell,
    workflow: Annotated[str, typer.Argument(metavar="FILE|ID", help="A file, or an upload's id.")],
    picture: Annotated[Format | None, typer.Option("--format", help="mermaid or svg.")] = None,
    session: Annotated[
        str | None, typer.Option("--session", help="Colour the steps as they stand in a session.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it.")
    ] = None,
) -> None:
    """Draw a workflow, as Mermaid or SVG; with --session, of the version that the session runs."""
    svg = picture is Format.SVG or (
        picture is None and output is not None and output.suffix == ".svg"
    )
    found = None if session is None else shell.client.sessions.get(session)
    text = drawn(shell, workflow, found, as_svg=svg)
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")


@command(app, "list")
def list_workflows(shell: Shell, limit: LimitOption = 50, cursor: CursorOption = None) -> None:
    """List workflows, each with its current version."""
    columns: list[Column[Workflow]] = [
        Column("workflow", lambda workflow: workflow["workflowId"]),
        Column("version", lambda workflow: workflow["version"]),
        Column("name", lambda workflow: workflow["name"]),
        Column("changed", lambda workflow: ago(workflow["createdAt"], shell.now)),
    ]
    shell.show_list(shell.client.workflows.find(), columns, limit, cursor)


@command(app, "show")
def show_workflow(
    shell: Shell, workflow_id: Annotated[str, typer.Argument(metavar="WORKFLOW_ID")]
) -> None:
    """Show one workflow with its versions."""
    workflow = shell.client.workflows.get(workflow_id)
    versions = shell.client.workflows.versions(workflow_id).first(20).items
    if shell.as_json:
        write_json({**workflow, "versions": versions})
        return
    write_fields(
        shell.console,
        {
            "workflow": workflow["workflowId"],
            "name": workflow["name"],
            "description": workflow["description"],
            "version": f"{workflow['version']} (its author's {workflow['label']})",
            "changed": local(workflow["createdAt"]),
        },
    )
    shell.console.print()
    columns: list[Column[Workflow]] = [
        Column("version", lambda version: version["version"]),
        Column("label", lambda version: version["label"]),
        Column("made", lambda version: local(version["createdAt"])),
    ]
    write_rows(shell.console, columns, versions)


@command(app, "delete")
def delete_workflow(
    shell: Shell, workflow_id: Annotated[str, typer.Argument(metavar="WORKFLOW_ID")]
) -> None:
    """Let no session start on a workflow any more; those that run go on."""
    answer = shell.client.workflows.delete(workflow_id)
    if shell.as_json:
        write_json(answer)
    else:
        shell.console.print(f"workflow {workflow_id} is deleted", markup=False)


def _check(shell: Shell, template: Template) -> Validation:
    return shell.client.workflows.validate(template.text, content_type=template.content_type)


def _upload(shell: Shell, template: Template) -> Applied:
    return shell.client.workflows.apply(
        template.workflow_id(), template.text, content_type=template.content_type
    )


def _entry(template: Template, report: Validation) -> dict[str, Any]:
    return {"file": str(template.path), **report}


def _report(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"valid": all(entry["valid"] for entry in entries), "files": entries}


def _refuse_invalid(checked: list[tuple[Template, Validation]]) -> None:
    wrong = sum(not report["valid"] for _, report in checked)
    if wrong:
        raise CommandFailedError(f"{wrong} of {len(checked)} templates not valid")
