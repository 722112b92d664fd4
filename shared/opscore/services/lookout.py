"""An agent, and what stands between it and a task: all by one request."""

from __future__ import annotations

from opscore.lifecycle.quarantines import kept_from
from opscore.models.agent import Agent
from opscore.ports import Store
from opscore.records import keys
from opscore.records.codec import decode
from opscore.records.quarantines import Notice
from opscore.services.gateways import Gateways


class Lookout:
    """Reads agents for those who want to give them work."""

    def __init__(self, store: Store, gateways: Gateways) -> None:
        self._store = store
        self._gateways = gateways
        self._notice = Notice()

    def agent(self, agent_id: str) -> Agent | None:
        """The agent as it is; what else was read is known from now on."""
        breakers, notice = self._gateways.places(), keys.quarantine_notice()
        found = self._store.get_many([keys.agent(agent_id), *breakers, notice])
        self._gateways.seen(found)
        self._notice = decode(Notice, found[notice]) if notice in found else Notice()
        item = found.get(keys.agent(agent_id))
        return None if item is None else decode(Agent, item)

    def barred(self, agent: Agent, capability: str | None) -> bool:
        """Whether a quarantine keeps the agent from work of that capability (None: work that names
        it), which it does not carry yet.
        """
        return any(kept_from(agent, capability, mark) for mark in self._notice.marks)
