"""What a person can choose about the local stack, read from the environment when asked."""

from __future__ import annotations

import platform
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.errors import LocalStackError

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"
ACCOUNT = "123456789012"
STAGE = "local"
STACK_NAME = f"opscore-{STAGE}"
ARTIFACTS_BUCKET = "opscore-artifacts"
RUNTIME = f"python3.{sys.version_info.minor}"
ARCHITECTURE = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"

BEHAVIOURS = ("good", "flaky", "broken")
PREFERRED_AWS_PORT = 4566
PREFERRED_AGENTKIT_PORT = 8081


@dataclass(frozen=True)
class LocalSettings:
    """One local stack.

    `port` 0 is any free port. `parameters` override those of template.yaml. `wait_scale` shortens
    the waits and retry intervals of state machines, 1 being real time. `agents` are started with
    the stack, by behaviour.
    """

    directory: Path = ROOT / ".local"
    port: int = 8080
    agentkit_url: str | None = None
    transport: str = "agentkit"
    offer_agents: bool = False
    agents: tuple[str, ...] = BEHAVIOURS
    parameters: Mapping[str, str] = field(default_factory=dict)
    wait_scale: float = 1.0

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> LocalSettings:
        """Settings from the environment; an empty variable counts as absent.

        Raises LocalStackError naming a bad variable.
        """
        given = {name: value for name, value in environment.items() if value}
        return cls(
            directory=(ROOT / given.get("OPSCORE_LOCAL_DIR", ".local")).resolve(),
            port=_port(given.get("PORT", "8080")),
            agentkit_url=given.get("AGENTKIT_API_URL"),
            transport=_transport(given.get("DISPATCH_TRANSPORT", "agentkit")),
            offer_agents=given.get("AGENTKIT_OFFER_AGENTS") == "true",
            agents=_agents(given.get("AGENTS", " ".join(BEHAVIOURS))),
            parameters=_parameters(given.get("PARAMETERS", "")),
            wait_scale=_scale(given.get("WAIT_SCALE", "1")),
        )


def free_port(preferred: int = 0) -> int:
    """A loopback port that nothing listens on: the preferred one where it is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LocalStackError("no free port on 127.0.0.1")


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise LocalStackError(f"PORT is not a port: {text}")
    return int(text)


def _transport(text: str) -> str:
    if text not in {"agentkit", "direct"}:
        raise LocalStackError(f"DISPATCH_TRANSPORT is agentkit or direct, not {text}")
    return text


def _agents(text: str) -> tuple[str, ...]:
    behaviours = () if text == "none" else tuple(text.split())
    if not set(behaviours) <= set(BEHAVIOURS):
        raise LocalStackError(f"AGENTS are some of {' '.join(BEHAVIOURS)}, or none, not {text}")
    return behaviours


def _scale(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise LocalStackError(f"WAIT_SCALE is a number, not {text}") from None


def _parameters(text: str) -> dict[str, str]:
    pairs = dict(pair.partition("=")[::2] for pair in text.split())
    if not all(pairs) or not all(pairs.values()):
        raise LocalStackError(f"PARAMETERS are Name=value pairs, not {text}")
    return pairs
