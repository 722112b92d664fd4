"""The demo: three agents, one workflow, a session that meets a failure of each kind."""
