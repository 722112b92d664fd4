"""The rules of agents, attempts and sessions as pure functions: no clock, no storage, no AWS."""
