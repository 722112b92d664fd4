"""Options that several commands have in common."""

from typing import Annotated

import typer

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Show so many at the most.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="Go on where a list that had more ended.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
]
EveryOption = Annotated[
    float, typer.Option("--every", min=0.1, help="Seconds between two looks at the session.")
]
