"""Options that several commands have in common."""

from typing import Annotated

import typer

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Show so many at the most.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="Go on where a list that had more ended.")
]
VersionOption = Annotated[
    str | None,
    typer.Option("--version", metavar="same|current|N", help="The workflow's version."),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]
EveryOption = Annotated[
    float, typer.Option("--every", min=0.1, help="Seconds between two looks at the session.")
]


def version_of(given: str | None) -> str | int | None:
    """A version as the API takes it: a word, or a number."""
    return int(given) if given is not None and given.isdecimal() else given
