"""Secrets of a local stack are made once, at random, and readable by their owner only."""

import stat
from pathlib import Path

from infra.local.secret_files import keep, new_secret


def test_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "operator.key"
    first = keep(path, new_secret())

    assert keep(path, new_secret()) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secret_is_random() -> None:
    assert new_secret() != new_secret()
