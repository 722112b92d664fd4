"""What a command works with, and the options that all commands share."""

import inspect
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import requests
import typer
from rich.console import Console

from opscore_cli.present import Column, write_json, write_rows
from opscore_cli.program import CommandFailedError, WrongUsageError, complain
from opscore_client import OpsCoreClient
from opscore_client.listing import Listing

P = ParamSpec("P")
T = TypeVar("T")

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="OPSCORE_URL", help="Where Ops-Core is.", rich_help_panel="Connection"
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        envvar="OPSCORE_KEY_FILE",
        help="File that holds the API key; or set OPSCORE_KEY.",
        rich_help_panel="Connection",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Write one JSON document to stdout, and nothing else.")
]


@dataclass(frozen=True)
class Outside:
    """The world outside the process; tests bring their own."""

    open_session: Callable[[], requests.Session] = requests.Session
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class Shell:
    """Options, output and the client of one command line."""

    outside: Outside = field(default_factory=Outside)
    url: str | None = None
    key_file: Path | None = None
    as_json: bool = False

    @cached_property
    def client(self) -> OpsCoreClient:
        """The API, connected on first use: `--help` and wrong usage need no URL and no key."""
        if not self.url:
            raise WrongUsageError("no URL: give --url or set OPSCORE_URL")
        try:
            return OpsCoreClient(
                self.url,
                self._key(),
                session=self.outside.open_session(),
                sleep=self.outside.sleep,
            )
        except ValueError as error:
            raise WrongUsageError(str(error)) from error

    @cached_property
    def console(self) -> Console:
        """Stdout: tables and live views where it is a terminal."""
        return Console(highlight=False, soft_wrap=False)

    @property
    def now(self) -> datetime:
        """The present, in UTC."""
        return self.outside.now()

    def show_list(
        self, found: Listing[T], columns: Sequence[Column[T]], limit: int, cursor: str | None
    ) -> None:
        """Present the first items of a listing, and say how to see more where there are more."""
        page = found.first(limit, cursor)
        if self.as_json:
            write_json({"items": page.items, "nextCursor": page.next_cursor})
            return
        write_rows(self.console, columns, page.items)
        if page.next_cursor is not None:
            complain(f"there are more: --limit {limit * 2}, or --cursor {page.next_cursor}")

    def _key(self) -> str | None:
        if self.key_file is None:
            return os.environ.get("OPSCORE_KEY")
        try:
            return self.key_file.expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandFailedError(f"cannot read the key file {self.key_file}") from error


def command(
    group: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Shell, P], None]], Any]:
    """Add a command to a group, with the shared options; its function gets a Shell first."""

    def register(body: Callable[Concatenate[Shell, P], None]) -> Any:
        @wraps(body, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        def run(
            context: typer.Context,
            url: UrlOption = None,
            key_file: KeyFileOption = None,
            as_json: JsonOption = False,
            **given: Any,
        ) -> None:
            root: Shell = context.obj
            shell = replace(
                root,
                url=url or root.url,
                key_file=key_file or root.key_file,
                as_json=as_json or root.as_json,
            )
            body(shell, **given)  # type: ignore[call-arg]  # typer passes by name what P names

        own = list(inspect.signature(body).parameters.values())[1:]
        shared = list(inspect.signature(run, follow_wrapped=False).parameters.values())[:-1]
        # What typer reads: the context, the command's own parameters, then the shared ones.
        parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in (*own, *shared)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # PEP 362
        return group.command(name)(run)

    return register
