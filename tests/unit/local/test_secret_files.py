"""Secrets of a local stack are made once, at random, and readable by their owner only."""

import stat
from pathlib import Path

from infra.local.secret_files import keep, key_hash, new_key, new_secret


def test_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "operator.key"
    first = keep(path, new_key())

    assert keep(path, new_key()) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_key_is_random_and_of_the_known_form() -> None:
    key = new_key()

    assert key.startswith("opscore_")
    assert len(key) == len("opscore_") + 43
    assert new_key() != key
    assert new_secret() != new_secret()


def test_hash_is_sha256() -> None:
    expected = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"

    assert key_hash("foo") == expected
