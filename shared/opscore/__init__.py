"""Ops-Core: the operations core for fleets of AI agents."""
