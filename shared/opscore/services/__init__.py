"""The use cases. They decide with `lifecycle`, write with `records`, and reach out by `ports`."""

TRIES = 8
"""How often a write is tried whose condition failed, each time on what is there by then; after that
other writers are too many, and the caller is told so (Contended).
"""
