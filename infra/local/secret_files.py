"""Keys and secrets of a local stack, in files that only their owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def keep(path: Path, fresh: str) -> str:
    """The secret in a file, which is made with a fresh one if there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{fresh}\n")
    return path.read_text().strip()


def new_secret() -> str:
    """A random webhook secret."""
    return secrets.token_hex(32)
