"""The use cases. They decide with `lifecycle`, write with `records`, and reach out by `ports`."""
