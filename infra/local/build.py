"""`sam build`, skipped when nothing that it reads has changed."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path

from infra.local import tools
from infra.local.settings import ARCHITECTURE, ROOT, RUNTIME

BUILD = ROOT / ".aws-sam"
TEMPLATE = BUILD / "build" / "template.yaml"
STAMP = BUILD / "inputs.sha256"
LOCK = BUILD / "lock"

INPUTS = ("template.yaml", "samconfig.toml", "functions", "shared", "infra/local/build.py")
IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def build(directory: Path) -> Path:
    """The built template; raises LocalStackError when `sam build` fails."""
    BUILD.mkdir(exist_ok=True)
    with LOCK.open("w") as lock:
        # Two stacks may come up at once, and share the build.
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest = inputs_digest()
        if not TEMPLATE.exists() or not STAMP.exists() or STAMP.read_text() != digest:
            STAMP.unlink(missing_ok=True)
            tools.run(
                [
                    tools.SAM,
                    "build",
                    "--config-env",
                    "local",
                    "--build-dir",
                    TEMPLATE.parent,
                    "--parameter-overrides",
                    f"Runtime={RUNTIME} Architecture={ARCHITECTURE}",
                ],
                tools.sam_environment(directory),
                directory / "logs" / "build.log",
                "`sam build` failed",
            )
            STAMP.write_text(digest)
    return TEMPLATE


def inputs_digest() -> str:
    """A hash of everything that goes into the build."""
    digest = hashlib.sha256(f"{RUNTIME} {ARCHITECTURE}\n".encode())
    for path in sorted(_files()):
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files() -> Iterator[Path]:
    for name in INPUTS:
        path = ROOT / name
        if path.is_file():
            yield path
        for child in path.rglob("*"):
            if child.is_file() and not IGNORED & set(child.parts):
                yield child
