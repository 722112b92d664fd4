"""`sam build`, skipped when nothing that it reads has changed."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from infra.local import tools
from infra.local.settings import ARCHITECTURE, ROOT, RUNTIME

BUILDS = ROOT / ".aws-sam" / "local"
LOCK = BUILDS / "lock"
KEPT = 3

INPUTS = ("template.yaml", "samconfig.toml", "functions", "shared", "infra/local/build.py")
IGNORED = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def build(directory: Path) -> Path:
    """The built template; raises LocalStackError when `sam build` fails.

    A build has a place of its own, by its inputs: stacks that come up at once share it, and one
    that builds something newer does not pull it from under the others.
    """
    BUILDS.mkdir(parents=True, exist_ok=True)
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = BUILDS / inputs_digest()
        if not built.exists():
            fresh = BUILDS / "fresh"
            tools.run(
                [
                    tools.SAM,
                    "build",
                    "--config-env",
                    "local",
                    "--build-dir",
                    fresh,
                    "--parameter-overrides",
                    f"Runtime={RUNTIME} Architecture={ARCHITECTURE}",
                ],
                tools.sam_environment(directory),
                directory / "logs" / "build.log",
                "`sam build` failed",
            )
            fresh.rename(built)
            _forget_old()
    return built / "template.yaml"


def _forget_old() -> None:
    builds = [path for path in BUILDS.iterdir() if path.is_dir()]
    for old in sorted(builds, key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)


def inputs_digest() -> str:
    """A hash of everything that goes into the build."""
    digest = hashlib.sha256(f"{RUNTIME} {ARCHITECTURE}\n".encode())
    for path in sorted(_files()):
        digest.update(f"{path.relative_to(ROOT)}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files() -> Iterator[Path]:
    for name in INPUTS:
        path = ROOT / name
        if path.is_file():
            yield path
        for child in path.rglob("*"):
            if child.is_file() and not IGNORED & set(child.parts):
                yield child
