"""The ways of handing a task to an agent."""
