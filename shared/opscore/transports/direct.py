"""Tasks straight to the agent's own endpoint, to public addresses only unless allowed."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from http import HTTPStatus
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from opscore.models.agent import Agent
from opscore.models.task import Attempt
from opscore.ports import Delivered
from opscore.transports.body import run_request
from opscore.transports.exchange import CONNECT_TIMEOUT_SECONDS, post


class DirectTransport:
    """`POST {contactEndpoint}` with the body that AgentKit would forward."""

    shared = False
    """Each agent has its own endpoint: when one is down, the next may not be."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session

    def deliver(self, agent: Agent, attempt: Attempt, timeout_seconds: float) -> Delivered:
        answers: list[int | Delivered] = []

        def ask() -> None:
            body = run_request(attempt)
            answers.append(post(self._session, agent.contact_endpoint, body, timeout_seconds))

        # requests limits the time between two bytes, not the whole: an agent that drips its answer
        # would hold up the other records of the batch.
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(timeout_seconds + 1)
        answer = answers[0] if answers else Delivered.UNANSWERED
        return answer if isinstance(answer, Delivered) else delivered(answer)


def delivered(status: int) -> Delivered:
    """What an agent's status means; a redirect is no answer of the agent's."""
    if 200 <= status < 300:
        return Delivered.ACCEPTED
    match status:
        case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.GATEWAY_TIMEOUT:
            return Delivered.UNANSWERED
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.BAD_GATEWAY | HTTPStatus.SERVICE_UNAVAILABLE:
            return Delivered.NOT_SENT
        case _:
            return Delivered.REFUSED


def guarded_session(*, allow_loopback: bool) -> requests.Session:
    """A session that connects to public addresses only (and to this machine, if allowed).

    The check is on the address that is connected to, so neither a name that resolves to the inside
    nor one that changes its mind between two look-ups gets through.
    """
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _GuardedAdapter(allow_loopback=allow_loopback))
    session.mount("https://", _GuardedAdapter(allow_loopback=allow_loopback))
    return session


def is_allowed(address: str, *, allow_loopback: bool) -> bool:
    """Whether tasks may be posted to this IP address."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if ip.is_loopback:
        return allow_loopback
    if not ip.is_global or ip.is_multicast or any(ip in net for net in _NO_AGENTS):
        return False
    return isinstance(ip, ipaddress.IPv4Address) or (ip in _UNICAST and not _is_isatap(ip))


_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that is routed between networks. Outside are those that a gateway on the way may turn into
IPv4 addresses, private ones among them (compatible, mapped, translated, NAT64), and those of sites.
"""

_NO_AGENTS = tuple(
    ipaddress.ip_network(network)
    for network in ("2001::/23", "2002::/16", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")
)
"""Routed, but nobody's own: Teredo and other protocols, 6to4, documentation; Python holds parts of
them for global."""


def _is_isatap(ip: ipaddress.IPv6Address) -> bool:
    """Whether a router on the way sends it to the IPv4 address in its last 32 bits."""
    return int(ip) >> 32 & 0xFDFF_FFFF == 0x0000_5EFE


class _GuardedAdapter(HTTPAdapter):
    """requests' adapter over pools whose connections look before they connect."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._allow_loopback = allow_loopback
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        allow = self._allow_loopback

        class Plain(_Guarded, HTTPConnection):
            allow_loopback = allow

        class Secure(_Guarded, HTTPSConnection):
            allow_loopback = allow

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class _Guarded(HTTPConnection):
    """A connection that is only made to an allowed address."""

    allow_loopback = False

    def _new_conn(self) -> socket.socket:
        refused: OSError | None = None
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"no address for {self.host}") from error
        limit = self.timeout if isinstance(self.timeout, int | float) else CONNECT_TIMEOUT_SECONDS
        until = time.monotonic() + limit
        for *_, address in found:
            if not is_allowed(str(address[0]), allow_loopback=self.allow_loopback):
                continue
            # All of a name's addresses share the time: a name may have hundreds.
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                return socket.create_connection((str(address[0]), self.port), left)
            except OSError as error:
                refused = error
        raise NewConnectionError(self, f"no allowed address of {self.host} answers") from refused
