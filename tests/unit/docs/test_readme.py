"""What the README says of routes, parameters and files is compared with what there is."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from opscore.scopes import required
from opscore_cli.main import app

ROOT = Path(__file__).parents[3]
PREFIX = "/v1/opscore"
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/api.md",
    "docs/operations.md",
    "docs/workflow-codes.md",
    "docs/workflow-language.md",
    "docs/workflow-testing.md",
)
WITHOUT_KEY = {"GET /health": "none", f"POST {PREFIX}/internal/agent/notify": "signature"}


class TemplateLoader(yaml.SafeLoader):
    """Reads a template; intrinsics become their arguments' text."""


def _intrinsic(_: yaml.SafeLoader, tag: str, node: yaml.Node) -> str:
    return f"{tag} {node.value}"


TemplateLoader.add_multi_constructor("!", _intrinsic)


@cache
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), TemplateLoader)
    return loaded


def text(document: str) -> str:
    return (ROOT / document).read_text()


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the tables under a heading, up to the next heading."""
    _, _, after = text(document).partition(f"\n{heading}\n")
    section = re.split(r"\n#", after, maxsplit=1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def routes() -> set[str]:
    events = [
        event["Properties"]
        for resource in template()["Resources"].values()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "HttpApi"
    ]
    return {f"{event['Method']} {event['Path']}" for event in events}


def full(route: str) -> str:
    """A route as the documents write it, with its prefix."""
    method, path = route.strip("`").split(" ")
    return f"{method} {path if path == '/health' else PREFIX + path}"


def test_api_table_has_each_route_with_its_scope() -> None:
    table = [row for row in rows("README.md", "## The API") if row[0].startswith("`")]

    assert {full(row[0]): row[1] for row in table} == {
        route: WITHOUT_KEY.get(route, required(route).value) for route in routes()
    }


def test_api_document_describes_each_route() -> None:
    headings = re.findall(
        r"^### ((?:GET|POST|PUT|PATCH|DELETE) \S+)$", text("docs/api.md"), re.MULTILINE
    )

    assert {full(heading) for heading in headings} == routes()


def test_parameter_table_has_each_parameter_with_its_default() -> None:
    table = {
        row[0].strip("`"): row[1].strip("`") for row in rows("README.md", "### Parameters")[1:]
    }
    defaults = {
        name: str(parameter["Default"]) or "empty"
        for name, parameter in template()["Parameters"].items()
    }

    assert table == defaults


def commands(group: TyperGroup, path: str = "opscore") -> set[str]:
    found: set[str] = set()
    for name, command in group.commands.items():
        full_name = f"{path} {name}"
        found |= commands(command, full_name) if isinstance(command, TyperGroup) else {full_name}
    return found


def test_command_table_has_each_command() -> None:
    table = rows("README.md", "## The `opscore` command")
    command = get_command(app)

    assert isinstance(command, TyperGroup)
    named = {
        name for row in table for name in re.findall(r"`(opscore [a-z-]+(?: [a-z]+)?)", row[0])
    }
    assert named == commands(command)


def test_number_of_alarms() -> None:
    kinds = [resource["Type"] for resource in template()["Resources"].values()]

    assert f"\n{kinds.count('AWS::CloudWatch::Alarm')} alarms," in text("README.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_that_are_named_exist(document: str) -> None:
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(document))
    here = (ROOT / document).parent
    named = re.findall(
        r"`((?:functions|shared|clients|infra|tests|docs)/[\w./-]+)`", text(document)
    )

    assert [path for path in linked if not (here / path).exists()] == []
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_sections_that_are_linked_exist(document: str) -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text(document), re.MULTILINE)
    }
    linked = set(re.findall(r"\]\(#([^)]+)\)", text(document)))

    assert linked - headings == set()


def names_in(path: Path) -> set[str]:
    """The functions, classes and constants of a file, and what is inside the first two."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                inside = [part for part in node.body if isinstance(part, ast.FunctionDef)]
                found |= {node.name, *(f"{node.name}.{part.name}" for part in inside)}
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return found


def test_each_function_of_the_original_lives_where_the_table_says() -> None:
    table = rows("README.md", "### Where each function of the original lives now")
    missing = [
        f"{file}: {name}"
        for _, file, names in table[1:]
        for name in re.findall(r"`([^`]+)`", names)
        if name not in names_in(ROOT / file.strip("`"))
    ]

    assert len(table) > 1
    assert missing == []


def test_readme_names_the_command_that_runs_every_test() -> None:
    assert "`make test`" in text("README.md")
