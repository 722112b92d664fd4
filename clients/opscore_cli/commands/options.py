"""Options that several commands have in common."""

from typing import Annotated

import typer

LimitOption = Annotated[int, typer.Option("--limit", min=1, help="Show so many at the most.")]
CursorOption = Annotated[
    str | None, typer.Option("--cursor", help="Go on where a list that had more ended.")
]
EveryOption = Annotated[
    float, typer.Option("--every", min=0.1, help="Seconds between two looks at the session.")
]
