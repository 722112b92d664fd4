"""What the codes of the checks mean, each with an example and its cure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from textwrap import indent

import yaml

HEAD = """# Codes

What `opscore workflow validate`, `apply` and the API say of templates, by its code. Codes from
OC101 on are warnings, and refuse nothing. `opscore workflow explain CODE` shows the same.
"""


@dataclass(frozen=True)
class Explained:
    """One code. `shown`: the faulty template as people read it; `wrong`: as it is checked."""

    code: str
    means: str
    shown: str
    wrong: bytes
    right: str


@cache
def codes() -> dict[str, Explained]:
    """Every code, in its order."""
    source = (files("opscore_cli") / "codes.yaml").read_text(encoding="utf-8")
    return {code: _explained(code, found) for code, found in yaml.safe_load(source).items()}


def page() -> str:
    """All codes as one document in Markdown."""
    return "\n".join([HEAD, *(markdown(found) for found in codes().values())])


def markdown(found: Explained) -> str:
    """One code as a section in Markdown."""
    return (
        f"## {found.code}\n\n{found.means}\n\n"
        f"Wrong:\n\n```yaml\n{found.shown}```\n\nRight:\n\n```yaml\n{found.right}```\n"
    )


def plain(found: Explained) -> str:
    """One code for a terminal."""
    wrong, right = indent(found.shown, "    "), indent(found.right, "    ")
    return f"{found.code}: {found.means}\n\n  wrong\n{wrong}\n  right\n{right}"


def _explained(code: str, found: dict[str, object]) -> Explained:
    wrong, right = str(found["wrong"]), str(found["right"])
    times = found.get("times")
    shown = wrong
    if times is not None:
        shown = f"- {wrong.replace('{n}', '1')}# and so on, {times} of them\n"
        wrong = "".join(f"- {wrong.replace('{n}', str(n))}" for n in range(int(str(times))))
    return Explained(
        code=code,
        means=str(found["means"]),
        shown=shown.encode("utf-8", "surrogateescape").decode("utf-8", "replace").rstrip() + "\n",
        wrong=template(wrong).encode("utf-8", "surrogateescape"),
        right=right.rstrip() + "\n",
    )


def template(text: str) -> str:
    """A whole template around what may be only its tasks."""
    if text.startswith("id:"):
        return text
    return f"id: example\nname: Example\ntasks:\n{indent(text, '  ')}\n"
