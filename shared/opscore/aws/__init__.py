"""The adapters to AWS; nothing else in the project speaks to it."""
