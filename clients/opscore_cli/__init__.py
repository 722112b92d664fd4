"""The `opscore` command: Ops-Core for people at a terminal, and for scripts with `--json`."""
